/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
/* Xen's headers hide the handle types of memory.h from all but tools. */
#define __XEN_TOOLS__ 1
#include "dm/xen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xentoolcore.h>

#include <xen/xen.h>

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>

/* xen/hvm/params.h: value of HVM_PARAM_ACPI_S_STATE while asleep. */
#define ACPI_S3 3

struct xen {
    uint32_t domid;
    xendevicemodel_handle *dmod;
    xenforeignmemory_handle *fmem;
    xenevtchn_handle *evtchn;
    xencall_handle *call;
    xenforeignmemory_resource_handle *resource;
    void *page;
    ioservid_t server;
    bool has_server;
};

/* Xen's libraries give -1 and errno. */
static int result(int ret)
{
    return ret < 0 ? -errno : 0;
}

int xen_open(uint32_t domid, struct xen **out)
{
    struct xen *xen = calloc(1, sizeof(*xen));
    int ret;

    if (!xen)
        return -ENOMEM;
    xen->domid = domid;
    xen->dmod = xendevicemodel_open(NULL, 0);
    xen->fmem = xen->dmod ? xenforeignmemory_open(NULL, 0) : NULL;
    xen->evtchn = xen->fmem ? xenevtchn_open(NULL, 0) : NULL;
    xen->call = xen->evtchn ? xencall_open(NULL, 0) : NULL;
    if (!xen->call) {
        ret = errno ? -errno : -EIO;
        xen_close(xen);
        return ret;
    }
    *out = xen;
    return 0;
}

void xen_close(struct xen *xen)
{
    if (!xen)
        return;
    if (xen->resource)
        xenforeignmemory_unmap_resource(xen->fmem, xen->resource);
    if (xen->has_server)
        xendevicemodel_destroy_ioreq_server(xen->dmod, xen->domid, xen->server);
    if (xen->call)
        xencall_close(xen->call);
    if (xen->evtchn)
        xenevtchn_close(xen->evtchn);
    if (xen->fmem)
        xenforeignmemory_close(xen->fmem);
    if (xen->dmod)
        xendevicemodel_close(xen->dmod);
    free(xen);
}

int xen_nr_vcpus(struct xen *xen)
{
    unsigned int nr;

    if (xendevicemodel_nr_vcpus(xen->dmod, xen->domid, &nr) < 0)
        return -errno;
    return nr >= 1 && nr <= HVM_MAX_VCPUS ? (int)nr : -ERANGE;
}

int xen_ioreq_create(struct xen *xen)
{
    evtchn_port_t unused;

    if (xendevicemodel_create_ioreq_server(
            xen->dmod, xen->domid, HVM_IOREQSRV_BUFIOREQ_OFF, &xen->server) < 0)
        return -errno;
    xen->has_server = true;

    xen->resource = xenforeignmemory_map_resource(
        xen->fmem, xen->domid, XENMEM_resource_ioreq_server, xen->server,
        XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &xen->page,
        PROT_READ | PROT_WRITE, 0);
    if (!xen->resource)
        return -errno;

    /* Only asked to confirm the server: without a ring there is no port. */
    return result(xendevicemodel_get_ioreq_server_info(
        xen->dmod, xen->domid, xen->server, NULL, NULL, &unused));
}

void *xen_ioreq_page(struct xen *xen)
{
    return xen->page;
}

int xen_ioreq_enable(struct xen *xen, bool enable)
{
    return result(xendevicemodel_set_ioreq_server_state(xen->dmod, xen->domid,
                                                        xen->server, enable));
}

int xen_ioreq_claim(struct xen *xen, bool mmio, uint64_t first, uint64_t last)
{
    if (!xen)
        return 0;
    return result(xendevicemodel_map_io_range_to_ioreq_server(
        xen->dmod, xen->domid, xen->server, mmio, first, last));
}

int xen_ioreq_release(struct xen *xen, bool mmio, uint64_t first, uint64_t last)
{
    if (!xen)
        return 0;
    return result(xendevicemodel_unmap_io_range_from_ioreq_server(
        xen->dmod, xen->domid, xen->server, mmio, first, last));
}

int xen_ioreq_claim_pci(struct xen *xen, uint8_t devfn)
{
    if (!xen)
        return 0;
    return result(xendevicemodel_map_pcidev_to_ioreq_server(
        xen->dmod, xen->domid, xen->server, 0, 0, devfn >> 3, devfn & 7));
}

int xen_ioreq_release_pci(struct xen *xen, uint8_t devfn)
{
    if (!xen)
        return 0;
    return result(xendevicemodel_unmap_pcidev_from_ioreq_server(
        xen->dmod, xen->domid, xen->server, 0, 0, devfn >> 3, devfn & 7));
}

int xen_evtchn_bind(struct xen *xen, uint32_t remote_port)
{
    xenevtchn_port_or_error_t port =
        xenevtchn_bind_interdomain(xen->evtchn, xen->domid, remote_port);

    return port < 0 ? -errno : port;
}

int xen_evtchn_fd(struct xen *xen)
{
    return xenevtchn_fd(xen->evtchn);
}

int xen_evtchn_pending(struct xen *xen)
{
    xenevtchn_port_or_error_t port = xenevtchn_pending(xen->evtchn);

    return port < 0 ? -errno : port;
}

int xen_evtchn_unmask(struct xen *xen, int local_port)
{
    return result(xenevtchn_unmask(xen->evtchn, (evtchn_port_t)local_port));
}

int xen_evtchn_notify(struct xen *xen, int local_port)
{
    return result(xenevtchn_notify(xen->evtchn, (evtchn_port_t)local_port));
}

int xen_isa_irq(struct xen *xen, unsigned line, bool level)
{
    return result(xendevicemodel_set_isa_irq_level(xen->dmod, xen->domid,
                                                   (uint8_t)line, level));
}

int xen_pci_intx(struct xen *xen, uint8_t devfn, unsigned pin, bool level)
{
    return result(xendevicemodel_set_pci_intx_level(
        xen->dmod, xen->domid, 0, 0, devfn >> 3, (uint8_t)pin, level));
}

int xen_pci_link(struct xen *xen, unsigned link, unsigned isa_irq)
{
    return result(xendevicemodel_set_pci_link_route(
        xen->dmod, xen->domid, (uint8_t)link, (uint8_t)isa_irq));
}

int xen_msi(struct xen *xen, uint64_t address, uint32_t data)
{
    return result(
        xendevicemodel_inject_msi(xen->dmod, xen->domid, address, data));
}

int xen_set_ram_read_only(struct xen *xen, uint64_t first_gfn, uint32_t nr,
                          bool read_only)
{
    return result(xendevicemodel_set_mem_type(
        xen->dmod, xen->domid, read_only ? HVMMEM_ram_ro : HVMMEM_ram_rw,
        first_gfn, nr));
}

int xen_shutdown(struct xen *xen, enum xen_shutdown_reason reason)
{
    return result(xendevicemodel_shutdown(xen->dmod, xen->domid, reason));
}

static int set_param(struct xen *xen, uint32_t index, uint64_t value)
{
    struct xen_hvm_param *param =
        xencall_alloc_buffer(xen->call, sizeof(*param));
    int ret;

    if (!param)
        return -ENOMEM;
    *param = (struct xen_hvm_param){
        .domid = (domid_t)xen->domid, .index = index, .value = value};
    ret = result(xencall2(xen->call, __HYPERVISOR_hvm_op, HVMOP_set_param,
                          (uint64_t)(uintptr_t)param));
    xencall_free_buffer(xen->call, param);
    return ret;
}

int xen_sleep(struct xen *xen)
{
    return set_param(xen, HVM_PARAM_ACPI_S_STATE, ACPI_S3);
}

int xen_wake(struct xen *xen)
{
    return set_param(xen, HVM_PARAM_ACPI_S_STATE, 0);
}

int xen_restrict(struct xen *xen)
{
    return result(xentoolcore_restrict_all((domid_t)xen->domid));
}
