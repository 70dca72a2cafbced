/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dm/chardev-impl.h"
#include "dm/keyval.h"
#include "dm/log.h"

#define RETRY_MS 1000

/*
 * Outlives its chardev by a turn of the loop, as handles do: chardev is NULL
 * from then on.
 */
struct unix_socket {
    struct chardev *chardev;
    struct sockaddr_un address;
    bool server, polled; /* polled: the handle is open */
    int listener;        /* -1: none */
    uv_poll_t poll;
    uv_timer_t retry;
    unsigned open_handles;
};

static int connect_fd(struct chardev *chardev, int fd)
{
    int out = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (out >= 0)
        return chardev_connect(chardev, fd, out);
    close(fd);
    return -EMFILE;
}

static int new_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static void retry(uv_timer_t *timer);

static void retry_later(struct unix_socket *sock)
{
    uv_timer_start(&sock->retry, retry, RETRY_MS, 0);
}

/* ---- server ---- */

/* Those who come while somebody is connected wait in the kernel's queue. */
static void listen_on(struct unix_socket *sock, bool on);

static void peer_waits(uv_poll_t *poll, int status, int events)
{
    struct unix_socket *sock = poll->data;
    int fd, ret;

    (void)events;
    if (!sock->chardev || status < 0)
        return;
    fd = accept4(sock->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ret = fd < 0 ? -errno : 0;
    if (ret == -EAGAIN || ret == -EINTR || ret == -ECONNABORTED)
        return;
    listen_on(sock, false);
    if (ret == 0)
        ret = connect_fd(sock->chardev, fd);
    if (ret == 0)
        return;
    log_warn("%s: %s: cannot serve a connection: %s", sock->chardev->label,
             sock->address.sun_path, strerror(-ret));
    retry_later(sock);
}

static void listen_on(struct unix_socket *sock, bool on)
{
    if (on)
        uv_poll_start(&sock->poll, UV_READABLE, peer_waits);
    else
        uv_poll_stop(&sock->poll);
}

/* A socket that an earlier run left behind; anything else stays. */
static void remove_stale(const char *path)
{
    struct stat stat_buf;

    if (lstat(path, &stat_buf) == 0 && S_ISSOCK(stat_buf.st_mode))
        unlink(path);
}

static int start_server(struct unix_socket *sock)
{
    int fd = new_socket();
    int ret;

    if (fd < 0)
        return fd;
    remove_stale(sock->address.sun_path);
    if (bind(fd, (struct sockaddr *)&sock->address, sizeof(sock->address))) {
        ret = -errno;
        close(fd);
        return ret;
    }
    sock->listener = fd;
    if (listen(fd, 1))
        return -errno;
    ret = uv_poll_init(sock->chardev->loop, &sock->poll, fd);
    if (ret)
        return ret;
    sock->poll.data = sock;
    sock->polled = true;
    sock->open_handles++;
    listen_on(sock, true);
    return 0;
}

/* ---- client ---- */

static int try_connect(struct unix_socket *sock)
{
    int fd = new_socket();
    int ret;

    if (fd < 0)
        return fd;
    if (connect(fd, (struct sockaddr *)&sock->address, sizeof(sock->address))) {
        ret = -errno;
        close(fd);
        return ret;
    }
    return connect_fd(sock->chardev, fd);
}

static void retry(uv_timer_t *timer)
{
    struct unix_socket *sock = timer->data;

    if (!sock->chardev)
        return;
    if (sock->server)
        listen_on(sock, true);
    else if (try_connect(sock))
        retry_later(sock);
}

/* ---- the kind ---- */

static int read_bool(const struct chardev *chardev,
                     const struct keyvals *keyvals, const char *key, bool *out)
{
    const char *text = keyvals_get(keyvals, key);

    if (!text || keyval_bool(text, out) == 0)
        return 0;
    log_error("%s: unix: %s=%s: on or off", chardev->label, key, text);
    return -EINVAL;
}

static int read_path(struct unix_socket *sock, const struct keyvals *keyvals)
{
    const char *path = keyvals_get(keyvals, "path");
    size_t max = sizeof(sock->address.sun_path) - 1;
    size_t len = path ? strlen(path) : 0;

    if (len == 0 || len > max) {
        log_error("%s: unix: path has %zu bytes, a socket's has 1 to %zu "
                  "(xl.cfg: serial)",
                  sock->chardev->label, len, max);
        return -EINVAL;
    }
    sock->address.sun_family = AF_UNIX;
    memcpy(sock->address.sun_path, path, len);
    return 0;
}

static int read_args(struct unix_socket *sock, char *args)
{
    static const char *const known[] = {"path", "server", "wait", NULL};
    const char *label = sock->chardev->label;
    struct keyvals keyvals;
    const char *unknown = args;
    bool wait = false;

    if (keyvals_split(args, "path", &keyvals) == 0)
        unknown = keyvals_unknown(&keyvals, known);
    if (unknown) {
        log_error("%s: unix: %s= is not known (xl.cfg: serial)", label,
                  unknown);
        return -EINVAL;
    }
    if (read_bool(sock->chardev, &keyvals, "server", &sock->server) ||
        read_bool(sock->chardev, &keyvals, "wait", &wait))
        return -EINVAL;
    if (wait) {
        log_error("%s: unix: wait=on would hold up the guest's start; use "
                  "wait=off (xl.cfg: serial)",
                  label);
        return -EINVAL;
    }
    return read_path(sock, &keyvals);
}

static int unix_open(struct chardev *chardev, char *args)
{
    struct unix_socket *sock = calloc(1, sizeof(*sock));
    int ret;

    if (!sock)
        return -ENOMEM;
    sock->chardev = chardev;
    sock->listener = -1;
    sock->server = true;
    uv_timer_init(chardev->loop, &sock->retry);
    sock->retry.data = sock;
    sock->open_handles++;
    chardev->state = sock;

    ret = read_args(sock, args);
    if (ret)
        return ret;
    ret = sock->server ? start_server(sock) : try_connect(sock);
    if (ret) {
        log_error("%s: cannot %s %s: %s", chardev->label,
                  sock->server ? "listen on" : "connect to",
                  sock->address.sun_path, strerror(-ret));
        return ret;
    }
    return chardev_name(chardev, "unix:%s%s", sock->address.sun_path,
                        sock->server ? ",server" : "");
}

static void unix_lost(struct chardev *chardev)
{
    struct unix_socket *sock = chardev->state;

    if (sock->server)
        listen_on(sock, true);
    else
        retry_later(sock);
}

static void handle_closed(uv_handle_t *handle)
{
    struct unix_socket *sock = handle->data;

    if (--sock->open_handles == 0) {
        if (sock->listener >= 0)
            close(sock->listener);
        free(sock);
    }
}

static void unix_close(struct chardev *chardev)
{
    struct unix_socket *sock = chardev->state;

    if (!sock)
        return;
    sock->chardev = NULL;
    if (sock->listener >= 0)
        unlink(sock->address.sun_path);
    if (sock->polled)
        uv_close((uv_handle_t *)&sock->poll, handle_closed);
    uv_close((uv_handle_t *)&sock->retry, handle_closed);
}

const struct chardev_kind chardev_unix = {
    .name = "unix",
    .open = unix_open,
    .lost = unix_lost,
    .close = unix_close,
};
