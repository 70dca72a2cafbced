/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard input and output, for work at a desk.  Whoever started us shares
 * them, so they are put back as they were.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm/chardev-impl.h"
#include "dm/log.h"

struct stdio {
    int in_flags, out_flags; /* -1: not changed */
};

static int set_flags(int fd, int flags)
{
    return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

static int make_nonblocking(int fd, int *before)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    if (flags & O_NONBLOCK)
        return 0;
    *before = flags;
    return set_flags(fd, flags | O_NONBLOCK);
}

static int stdio_connect(struct chardev *chardev, struct stdio *stdio)
{
    int ret = make_nonblocking(STDIN_FILENO, &stdio->in_flags);

    if (ret == 0)
        ret = make_nonblocking(STDOUT_FILENO, &stdio->out_flags);
    if (ret)
        return ret;
    return chardev_connect_copies(chardev, STDIN_FILENO, STDOUT_FILENO);
}

static int stdio_open(struct chardev *chardev, char *args)
{
    struct stdio *stdio;
    int ret;

    if (*args) {
        log_error("%s: stdio: \"%s\": it takes no arguments (xl.cfg: serial)",
                  chardev->label, args);
        return -EINVAL;
    }
    stdio = calloc(1, sizeof(*stdio));
    if (!stdio)
        return -ENOMEM;
    stdio->in_flags = -1;
    stdio->out_flags = -1;
    chardev->state = stdio;
    ret = stdio_connect(chardev, stdio);
    if (ret)
        log_error("%s: cannot use standard input and output: %s",
                  chardev->label, strerror(-ret));
    return ret;
}

static void stdio_close(struct chardev *chardev)
{
    struct stdio *stdio = chardev->state;

    if (!stdio)
        return;
    if (stdio->out_flags >= 0)
        set_flags(STDOUT_FILENO, stdio->out_flags);
    if (stdio->in_flags >= 0)
        set_flags(STDIN_FILENO, stdio->in_flags);
    free(stdio);
}

const struct chardev_kind chardev_stdio = {
    .name = "stdio",
    .open = stdio_open,
    .close = stdio_close,
    .output_outlives_input = true,
};
