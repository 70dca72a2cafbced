/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dm/chardev-impl.h"
#include "dm/log.h"

static int file_open(struct chardev *chardev, char *path)
{
    int fd, ret;

    if (!*path) {
        log_error("%s: file: a path is needed, as in file:/var/log/guest.log "
                  "(xl.cfg: serial)",
                  chardev->label);
        return -EINVAL;
    }
    /* Appending, so that a log rotated by truncation does not get a hole. */
    fd = open(path,
              O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK | O_NOCTTY |
                  O_CLOEXEC,
              0666);
    ret = fd < 0 ? -errno : chardev_connect(chardev, -1, fd);
    if (ret)
        log_error("%s: cannot write to %s: %s", chardev->label, path,
                  strerror(-ret));
    return ret;
}

const struct chardev_kind chardev_file = {
    .name = "file",
    .open = file_open,
};
