/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pseudo-terminal for `xl console`.  We keep its slave side open, or else the
 * master would report a hang-up all the time while no console is attached.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "dm/chardev-impl.h"
#include "dm/log.h"

struct pty {
    int master, slave; /* -1: not open */
};

static int open_slave(int master)
{
    /* By descriptor, since the path may be out of reach once we run confined.
     */
    return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int make_raw(int fd)
{
    struct termios termios;

    if (tcgetattr(fd, &termios))
        return -errno;
    cfmakeraw(&termios);
    return tcsetattr(fd, TCSANOW, &termios) ? -errno : 0;
}

static int open_pair(struct pty *pty, char path[PATH_MAX])
{
    int ret;

    pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (pty->master < 0)
        return -errno;
    if (grantpt(pty->master) || unlockpt(pty->master) ||
        fcntl(pty->master, F_SETFL, O_RDWR | O_NONBLOCK))
        return -errno;
    ret = ptsname_r(pty->master, path, PATH_MAX);
    if (ret)
        return -ret;
    pty->slave = open_slave(pty->master);
    if (pty->slave < 0)
        return -errno;
    return make_raw(pty->slave);
}

static int pty_open(struct chardev *chardev, char *args)
{
    struct pty *pty;
    char path[PATH_MAX];
    int ret;

    if (*args) {
        log_error("%s: pty: \"%s\": it takes no arguments (xl.cfg: serial)",
                  chardev->label, args);
        return -EINVAL;
    }
    pty = calloc(1, sizeof(*pty));
    if (!pty)
        return -ENOMEM;
    pty->master = -1;
    pty->slave = -1;
    chardev->state = pty;
    ret = open_pair(pty, path);
    if (ret == 0)
        ret = chardev_name(chardev, "pty:%s", path);
    if (ret == 0)
        ret = chardev_connect_copies(chardev, pty->master, pty->master);
    if (ret)
        log_error("%s: cannot open a pty: %s", chardev->label, strerror(-ret));
    return ret;
}

/*
 * With our own slave side closed for a moment the master shows whether anybody
 * else has it open.  What waits in the pty stays there.
 */
static bool pty_nobody(struct chardev *chardev)
{
    struct pty *pty = chardev->state;
    struct pollfd pollfd = {.fd = pty->master};

    if (pty->slave >= 0)
        close(pty->slave);
    poll(&pollfd, 1, 0);
    pty->slave = open_slave(pty->master);
    if (pty->slave >= 0)
        return pollfd.revents & POLLHUP;
    log_warn("%s: %s: cannot open the slave side again, the console is lost: "
             "%s",
             chardev->label, chardev->filename, strerror(errno));
    chardev_disconnect(chardev);
    return true;
}

static void pty_close(struct chardev *chardev)
{
    struct pty *pty = chardev->state;

    if (!pty)
        return;
    if (pty->master >= 0)
        close(pty->master);
    if (pty->slave >= 0)
        close(pty->slave);
    free(pty);
}

const struct chardev_kind chardev_pty = {
    .name = "pty",
    .open = pty_open,
    .nobody = pty_nobody,
    .close = pty_close,
};
