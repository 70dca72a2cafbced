/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
/* Xen's headers hide the handle types of memory.h from all but tools. */
#define __XEN_TOOLS__ 1
#include "tests/xen/programs/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include <xen/xen.h>

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>

/* Of the byte that holds the state: public/hvm/ioreq.h, struct ioreq. */
#define FLAGS_OFFSET 30
#define FLAGS_STATE 0x0f

struct listener {
    uint32_t domid;
    listener_fn *fn;
    void *opaque;
    xendevicemodel_handle *dmod;
    xenforeignmemory_handle *fmem;
    xenevtchn_handle *evtchn;
    xenforeignmemory_resource_handle *resource;
    shared_iopage_t *page;
    ioservid_t server;
    bool has_server;
    unsigned int nr_vcpus;
    int ports[HVM_MAX_VCPUS];
};

static int open_handles(struct listener *listener)
{
    listener->dmod = xendevicemodel_open(NULL, 0);
    listener->fmem = listener->dmod ? xenforeignmemory_open(NULL, 0) : NULL;
    listener->evtchn = listener->fmem ? xenevtchn_open(NULL, 0) : NULL;
    if (!listener->evtchn)
        return errno ? -errno : -EIO;
    if (xendevicemodel_nr_vcpus(listener->dmod, listener->domid,
                                &listener->nr_vcpus) < 0)
        return -errno;
    if (listener->nr_vcpus > HVM_MAX_VCPUS)
        return -ERANGE;
    return fcntl(xenevtchn_fd(listener->evtchn), F_SETFL, O_NONBLOCK) ? -errno
                                                                      : 0;
}

static int create_server(struct listener *listener)
{
    void *page;

    if (xendevicemodel_create_ioreq_server(listener->dmod, listener->domid,
                                           HVM_IOREQSRV_BUFIOREQ_OFF,
                                           &listener->server) < 0)
        return -errno;
    listener->has_server = true;
    listener->resource = xenforeignmemory_map_resource(
        listener->fmem, listener->domid, XENMEM_resource_ioreq_server,
        listener->server, XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &page,
        PROT_READ | PROT_WRITE, 0);
    if (!listener->resource)
        return -errno;
    listener->page = page;
    return xendevicemodel_set_ioreq_server_state(
               listener->dmod, listener->domid, listener->server, 1) < 0
               ? -errno
               : 0;
}

static int bind_vcpus(struct listener *listener)
{
    for (unsigned i = 0; i < listener->nr_vcpus; i++) {
        listener->ports[i] =
            xenevtchn_bind_interdomain(listener->evtchn, listener->domid,
                                       listener->page->vcpu_ioreq[i].vp_eport);
        if (listener->ports[i] < 0)
            return -errno;
    }
    return 0;
}

static bool serve_vcpu(struct listener *listener, unsigned vcpu)
{
    ioreq_t *slot = &listener->page->vcpu_ioreq[vcpu];
    uint8_t *byte = (uint8_t *)slot + FLAGS_OFFSET;
    uint8_t flags = __atomic_load_n(byte, __ATOMIC_ACQUIRE);

    if ((flags & FLAGS_STATE) != STATE_IOREQ_READY)
        return false;
    if (slot->type == IOREQ_TYPE_INVALIDATE)
        listener->fn(listener->opaque);
    flags = (uint8_t)((flags & ~FLAGS_STATE) | STATE_IORESP_READY);
    __atomic_store_n(byte, flags, __ATOMIC_RELEASE);
    xenevtchn_notify(listener->evtchn, (evtchn_port_t)listener->ports[vcpu]);
    return true;
}

int listener_open(uint32_t domid, listener_fn *fn, void *opaque,
                  struct listener **out)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    int ret;

    if (!listener)
        return -ENOMEM;
    listener->domid = domid;
    listener->fn = fn;
    listener->opaque = opaque;
    ret = open_handles(listener);
    if (ret == 0)
        ret = create_server(listener);
    if (ret == 0)
        ret = bind_vcpus(listener);
    if (ret) {
        listener_close(listener);
        return ret;
    }
    /* A request may have come before its channel was bound. */
    for (unsigned i = 0; i < listener->nr_vcpus; i++)
        serve_vcpu(listener, i);
    *out = listener;
    return 0;
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    if (listener->has_server)
        xendevicemodel_set_ioreq_server_state(listener->dmod, listener->domid,
                                              listener->server, 0);
    if (listener->resource)
        xenforeignmemory_unmap_resource(listener->fmem, listener->resource);
    if (listener->has_server)
        xendevicemodel_destroy_ioreq_server(listener->dmod, listener->domid,
                                            listener->server);
    if (listener->evtchn)
        xenevtchn_close(listener->evtchn);
    if (listener->fmem)
        xenforeignmemory_close(listener->fmem);
    if (listener->dmod)
        xendevicemodel_close(listener->dmod);
    free(listener);
}

int listener_fd(const struct listener *listener)
{
    return xenevtchn_fd(listener->evtchn);
}

int listener_serve(struct listener *listener)
{
    int port = xenevtchn_pending(listener->evtchn), served = 0;

    if (port < 0)
        return errno == EAGAIN ? 0 : -errno;
    for (unsigned i = 0; i < listener->nr_vcpus; i++)
        if (listener->ports[i] == port)
            served += serve_vcpu(listener, i);
    if (xenevtchn_unmask(listener->evtchn, (evtchn_port_t)port) < 0)
        return -errno;
    return served;
}
