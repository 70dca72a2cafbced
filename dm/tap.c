/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dm/log.h"

#define FRAMES_PER_TURN 64

struct tap {
    uv_poll_t poll;
    int fd;
    char name[IFNAMSIZ];
};

/* The kernel drops the part of a frame that does not fit. */
static void discard(uv_poll_t *poll, int status, int events)
{
    struct tap *tap = poll->data;
    char start[64];
    ssize_t len = status ? -1 : 1;

    (void)events;
    errno = -status;
    for (int i = 0; i < FRAMES_PER_TURN && len > 0; i++)
        len = read(tap->fd, start, sizeof(start));
    if (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    log_warn("%s: not read any more: %s", tap->name,
             len ? strerror(errno) : "it is gone");
    uv_poll_stop(poll);
}

static int create(const char *ifname)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd;

    if (!*ifname || strlen(ifname) >= sizeof(request.ifr_name))
        return -EINVAL;
    strcpy(request.ifr_name, ifname);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (ioctl(fd, TUNSETIFF, &request)) {
        int ret = -errno;

        close(fd);
        return ret;
    }
    return fd;
}

int tap_open(uv_loop_t *loop, const char *ifname, struct tap **out)
{
    struct tap *tap = calloc(1, sizeof(*tap));
    int ret = tap ? create(ifname) : -ENOMEM;

    if (ret < 0)
        goto err_free;
    tap->fd = ret;
    strcpy(tap->name, ifname);
    ret = uv_poll_init(loop, &tap->poll, tap->fd);
    if (ret)
        goto err_close;
    tap->poll.data = tap;
    ret = uv_poll_start(&tap->poll, UV_READABLE, discard);
    if (ret)
        goto err_handle;
    *out = tap;
    return 0;

err_handle:
    log_error("-netdev tap,ifname=%s: %s", ifname, uv_strerror(ret));
    tap_close(tap);
    return ret;
err_close:
    close(tap->fd);
err_free:
    log_error("-netdev tap,ifname=%s: cannot create the interface: %s (xl.cfg: "
              "type=vif in vif needs none)",
              ifname, strerror(-ret));
    free(tap);
    return ret;
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tap_close(struct tap *tap)
{
    if (!tap)
        return;
    uv_close((uv_handle_t *)&tap->poll, closed);
    close(tap->fd);
}
