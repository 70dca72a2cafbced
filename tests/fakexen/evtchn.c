/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>

/*
 * An interdomain channel has an end in Xen (a vCPU waits there) and a local
 * end, bound by the program.  As in Linux's evtchn driver a local port that
 * fires is disabled and queued; unmask enables it, and it fires again when an
 * event came in between.
 */

struct local_port {
    struct xenevtchn_handle *handle; /* NULL: free */
    uint32_t remote;                 /* Xen's end, 0: closed */
    bool enabled, pending;
};

struct xen_port {
    bool used, rung;
    struct fx_domain *domain;
    uint32_t local; /* 0: nobody bound it yet */
};

struct xenevtchn_handle {
    struct fx_handle base;
    int fd; /* readable while the queue is not empty */
    unsigned first, nr;
    uint32_t queue[FX_NR_PORTS];
};

static struct local_port locals[FX_NR_PORTS];
static struct xen_port xens[FX_NR_PORTS];

static void fire(uint32_t local)
{
    struct local_port *l = &locals[local];
    struct xenevtchn_handle *xce = l->handle;
    uint64_t one = 1;

    if (!l->enabled) {
        l->pending = true;
        return;
    }
    l->enabled = false;
    xce->queue[(xce->first + xce->nr) % FX_NR_PORTS] = local;
    if (xce->nr++ == 0 && write(xce->fd, &one, sizeof(one)) < 0)
        fx_die("eventfd: %s", strerror(errno));
    fx_wake();
}

uint32_t fx_port_new(struct fx_domain *d)
{
    for (uint32_t port = 1; port < FX_NR_PORTS; port++) {
        if (!xens[port].used) {
            xens[port] = (struct xen_port){.used = true, .domain = d};
            return port;
        }
    }
    fx_die("out of event channels");
}

void fx_port_free(uint32_t port)
{
    if (xens[port].local)
        locals[xens[port].local].remote = 0;
    xens[port] = (struct xen_port){0};
}

void fx_port_ring(uint32_t port)
{
    if (xens[port].local)
        fire(xens[port].local);
}

bool fx_port_take(uint32_t port)
{
    bool rung = xens[port].rung;

    xens[port].rung = false;
    return rung;
}

uint32_t fakexen_evtchn(uint32_t domid)
{
    uint32_t port;

    fx_lock();
    port = fx_port_new(fx_domain_must(domid));
    fx_unlock();
    return port;
}

void fakexen_evtchn_free(uint32_t port)
{
    fx_lock();
    fx_port_free(port);
    fx_unlock();
}

void fakexen_evtchn_ring(uint32_t port)
{
    fx_lock();
    fx_port_ring(port);
    fx_unlock();
}

bool fakexen_evtchn_rung(uint32_t port)
{
    bool rung;

    fx_lock();
    rung = fx_port_take(port);
    fx_unlock();
    return rung;
}

void fx_evtchn_reset(void)
{
    memset(xens, 0, sizeof(xens));
    for (uint32_t port = 0; port < FX_NR_PORTS; port++)
        locals[port].remote = 0;
}

/* ---- libxenevtchn ----------------------------------------------------- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
                                 unsigned int flags)
{
    xenevtchn_handle *xce;

    (void)logger;
    (void)flags;
    xce = fx_handle_open(FX_EVTCHN, sizeof(*xce));
    if (xce) {
        xce->fd = eventfd(0, EFD_CLOEXEC);
        if (xce->fd < 0)
            fx_die("eventfd: %s", strerror(errno));
    }
    return xce;
}

static void unbind(uint32_t local)
{
    struct xenevtchn_handle *xce = locals[local].handle;
    unsigned kept = 0;
    uint32_t port;
    uint64_t drop;

    if (locals[local].remote)
        xens[locals[local].remote].local = 0;
    locals[local] = (struct local_port){0};
    for (unsigned i = 0; i < xce->nr; i++) {
        port = xce->queue[(xce->first + i) % FX_NR_PORTS];
        if (port != local)
            xce->queue[(xce->first + kept++) % FX_NR_PORTS] = port;
    }
    if (xce->nr > 0 && kept == 0 && read(xce->fd, &drop, sizeof(drop)) < 0)
        fx_die("eventfd: %s", strerror(errno));
    xce->nr = kept;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
    if (!xce)
        return 0;
    fx_lock();
    for (uint32_t port = 1; port < FX_NR_PORTS; port++)
        if (locals[port].handle == xce)
            unbind(port);
    close(xce->fd);
    fx_handle_unlink(&xce->base);
    fx_free(xce);
    fx_unlock();
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    return xce->fd;
}

static bool is_ours(const xenevtchn_handle *xce, evtchn_port_t port)
{
    return port > 0 && port < FX_NR_PORTS && locals[port].handle == xce;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    int rc = fx_enter(FAKEXEN_EVTCHN, 0);

    if (rc)
        return fx_result(rc);
    if (!is_ours(xce, port)) {
        rc = -ENOTCONN;
    } else if (locals[port].remote) {
        xens[locals[port].remote].rung = true;
        fx_wake();
    }
    return fx_leave(rc);
}

static int bind(xenevtchn_handle *xce, uint32_t domid, evtchn_port_t remote)
{
    if (xce->base.restricted && xce->base.domid != domid)
        return -EACCES;
    if (!fx_domain(domid))
        return -ESRCH;
    if (remote == 0 || remote >= FX_NR_PORTS || !xens[remote].used ||
        xens[remote].domain->domid != domid || xens[remote].local)
        return -EINVAL;
    for (uint32_t port = 1; port < FX_NR_PORTS; port++) {
        if (!locals[port].handle) {
            locals[port] = (struct local_port){
                .handle = xce, .remote = remote, .enabled = true};
            xens[remote].local = port;
            /* Xen marks a freshly bound port pending: events may be lost. */
            fire(port);
            return (int)port;
        }
    }
    return -ENOSPC;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
                                                     uint32_t domid,
                                                     evtchn_port_t remote_port)
{
    int rc = fx_enter(FAKEXEN_EVTCHN, 0);

    if (rc)
        return fx_result(rc);
    return fx_leave(bind(xce, domid, remote_port));
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    int rc = fx_enter(FAKEXEN_EVTCHN, 0);

    if (rc)
        return fx_result(rc);
    if (!is_ours(xce, port))
        return fx_leave(-ENOTCONN);
    unbind(port);
    return fx_leave(0);
}

/* Blocks unless O_NONBLOCK was set on the descriptor, as in Linux. */
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    struct timespec forever = {.tv_sec = (time_t)1 << 40};
    uint32_t port;
    uint64_t drop;

    fx_lock();
    while (xce->nr == 0) {
        if (fcntl(xce->fd, F_GETFL) & O_NONBLOCK)
            return fx_leave(-EAGAIN);
        fx_wait(&forever);
    }
    port = xce->queue[xce->first];
    xce->first = (xce->first + 1) % FX_NR_PORTS;
    if (--xce->nr == 0 && read(xce->fd, &drop, sizeof(drop)) < 0)
        fx_die("eventfd: %s", strerror(errno));
    return fx_leave((int)port);
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    int rc = fx_enter(FAKEXEN_EVTCHN, 0);

    if (rc)
        return fx_result(rc);
    if (is_ours(xce, port) && !locals[port].enabled) {
        locals[port].enabled = true;
        if (locals[port].pending) {
            locals[port].pending = false;
            fire(port);
        }
    }
    return fx_leave(0);
}

int xenevtchn_restrict(xenevtchn_handle *xce, domid_t domid)
{
    int rc = fx_enter(FAKEXEN_RESTRICT, 0);

    if (rc)
        return fx_result(rc);
    xce->base.restricted = true;
    xce->base.domid = domid;
    return fx_leave(0);
}
