/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dm/log.h"

#define BACKLOG 16

static int set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

/* libxl bound and listens on it. */
static int use_inherited(const struct options_qmp *where)
{
    int listening = 0, ret = 0;
    socklen_t size = sizeof(listening);

    if (getsockopt(where->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size))
        ret = -errno;
    else if (!listening)
        ret = -EINVAL;
    if (ret == 0)
        ret = set_flags(where->fd);
    if (ret) {
        log_error("-chardev id=%s,fd=%d: not a listening socket: %s", where->id,
                  where->fd, strerror(-ret));
        return ret;
    }
    return where->fd;
}

/* Only a socket: a mistyped path must not cost a file. */
static int remove_dead_socket(const char *path)
{
    struct stat st;

    if (lstat(path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    return unlink(path) && errno != ENOENT ? -errno : 0;
}

static int bind_path(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int ret = remove_dead_socket(path);

    if (ret)
        return ret;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    /* Linux gives the new name the mode of the socket, less the umask. */
    if (fchmod(fd, 0600) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        listen(fd, BACKLOG))
        return -errno;
    return 0;
}

int qmp_listen(const struct options_qmp *where)
{
    int fd, ret;

    if (!where->path)
        return use_inherited(where);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ret = fd < 0 ? -errno : bind_path(fd, where->path);
    if (ret) {
        log_error("-chardev id=%s,path=%s: cannot listen: %s", where->id,
                  where->path, strerror(-ret));
        if (fd >= 0)
            close(fd);
        return ret;
    }
    return fd;
}
