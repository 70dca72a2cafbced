/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/xen-events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenevtchn.h>

#include "dm/log.h"

struct channel {
    struct channel *next;
    int port;
    void (*fired)(void *opaque);
    void *opaque;
};

struct xen_events {
    uint32_t domid;
    xenevtchn_handle *handle;
    uv_poll_t poll;
    struct channel *channels;
};

/* What fired may end it: one event a turn, nothing is used afterwards. */
static void ready(uv_poll_t *poll, int status, int events)
{
    struct xen_events *self = poll->data;
    xenevtchn_port_or_error_t port;
    struct channel *channel;

    (void)events;
    if (status < 0) {
        log_error("event channels of PV backends: %s", uv_strerror(status));
        uv_poll_stop(poll);
        return;
    }
    port = xenevtchn_pending(self->handle);
    if (port < 0)
        return;
    /* First: an event that comes while this one is handled is not lost. */
    if (xenevtchn_unmask(self->handle, (evtchn_port_t)port) < 0)
        log_guest("event channel port %d stays masked: %s", port,
                  strerror(errno));
    channel = self->channels;
    while (channel && channel->port != port)
        channel = channel->next;
    if (channel)
        channel->fired(channel->opaque);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

int xen_events_open(uint32_t domid, uv_loop_t *loop, struct xen_events **out)
{
    struct xen_events *events = calloc(1, sizeof(*events));
    int ret = -ENOMEM;

    if (!events)
        return ret;
    events->domid = domid;
    events->handle = xenevtchn_open(NULL, 0);
    if (!events->handle) {
        ret = errno ? -errno : -EIO;
        goto err_free;
    }
    ret = uv_poll_init(loop, &events->poll, xenevtchn_fd(events->handle));
    if (ret)
        goto err_close;
    events->poll.data = events;
    uv_poll_start(&events->poll, UV_READABLE, ready);
    *out = events;
    return 0;

err_close:
    xenevtchn_close(events->handle);
err_free:
    free(events);
    return ret;
}

void xen_events_close(struct xen_events *events)
{
    if (!events)
        return;
    uv_close((uv_handle_t *)&events->poll, closed);
    xenevtchn_close(events->handle);
}

int xen_events_bind(struct xen_events *events, uint32_t remote_port,
                    void (*fired)(void *opaque), void *opaque)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    int ret;

    if (!channel)
        return -ENOMEM;
    ret =
        xenevtchn_bind_interdomain(events->handle, events->domid, remote_port);
    if (ret < 0) {
        ret = -errno;
        free(channel);
        return ret;
    }
    *channel = (struct channel){events->channels, ret, fired, opaque};
    events->channels = channel;
    return ret;
}

void xen_events_unbind(struct xen_events *events, int port)
{
    struct channel **link = &events->channels, *channel;

    while ((channel = *link)->port != port)
        link = &channel->next;
    *link = channel->next;
    free(channel);
    xenevtchn_unbind(events->handle, (evtchn_port_t)port);
}

int xen_events_notify(struct xen_events *events, int port)
{
    return xenevtchn_notify(events->handle, (evtchn_port_t)port) < 0 ? -errno
                                                                     : 0;
}
