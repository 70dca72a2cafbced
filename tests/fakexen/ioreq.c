/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <string.h>

#include <xendevicemodel.h>

/* ---- range sets: sorted, neighbours merged, as Xen keeps them ---------- */

bool fx_rangeset_contains(const struct fx_rangeset *set, uint64_t first,
                          uint64_t last)
{
    for (unsigned i = 0; i < set->nr; i++)
        if (set->ranges[i].first <= first && last <= set->ranges[i].last)
            return true;
    return false;
}

static bool overlaps(const struct fx_rangeset *set, uint64_t first,
                     uint64_t last)
{
    for (unsigned i = 0; i < set->nr; i++)
        if (set->ranges[i].first <= last && first <= set->ranges[i].last)
            return true;
    return false;
}

static void drop_range(struct fx_rangeset *set, unsigned at)
{
    set->nr--;
    memmove(&set->ranges[at], &set->ranges[at + 1],
            (set->nr - at) * sizeof(set->ranges[0]));
}

static int add_range(struct fx_rangeset *set, uint64_t first, uint64_t last)
{
    unsigned at = 0;

    while (at < set->nr && set->ranges[at].last < first)
        at++;
    if (at > 0 && set->ranges[at - 1].last + 1 == first) {
        set->ranges[at - 1].last = last;
        if (at < set->nr && last + 1 == set->ranges[at].first) {
            set->ranges[at - 1].last = set->ranges[at].last;
            drop_range(set, at);
        }
        return 0;
    }
    if (at < set->nr && last + 1 == set->ranges[at].first) {
        set->ranges[at].first = first;
        return 0;
    }
    if (set->nr == FX_MAX_RANGES)
        return -ENOMEM;
    memmove(&set->ranges[at + 1], &set->ranges[at],
            (set->nr - at) * sizeof(set->ranges[0]));
    set->ranges[at].first = first;
    set->ranges[at].last = last;
    set->nr++;
    return 0;
}

/* [first, last] is contained. */
static int remove_range(struct fx_rangeset *set, uint64_t first, uint64_t last)
{
    unsigned at = 0;
    uint64_t end;

    while (set->ranges[at].last < first)
        at++;
    end = set->ranges[at].last;
    if (set->ranges[at].first < first) {
        if (last < end && set->nr == FX_MAX_RANGES)
            return -ENOMEM;
        set->ranges[at].last = first - 1;
        return last < end ? add_range(set, last + 1, end) : 0;
    }
    if (last < end)
        set->ranges[at].first = last + 1;
    else
        drop_range(set, at);
    return 0;
}

/* ---- servers ---------------------------------------------------------- */

struct fx_server *fx_server(struct fx_domain *d, ioservid_t id)
{
    return id < FX_MAX_SERVERS ? d->servers[id] : NULL;
}

void fx_server_free(struct fx_domain *d, unsigned id)
{
    struct fx_server *server = d->servers[id];

    if (!server)
        return;
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        fx_port_free(server->ports[i]);
    if (server->buffered) {
        fx_port_free(server->buffer_port);
        fx_frame_put(server->buffer, false);
    }
    fx_frame_put(server->page, false);
    fx_free(server);
    d->servers[id] = NULL;
}

static int create_server(struct fx_domain *d, int bufioreq, ioservid_t *id)
{
    struct fx_server *server;
    unsigned slot = 0;

    if (bufioreq < 0 || bufioreq > 2)
        return -EINVAL;
    while (slot < FX_MAX_SERVERS && d->servers[slot])
        slot++;
    if (slot == FX_MAX_SERVERS)
        return -ENOSPC;
    server = fx_alloc(sizeof(*server));
    server->buffered = bufioreq != 0;
    server->page = fx_frame_new(NULL);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        server->ports[i] = fx_port_new(d);
    if (server->buffered) {
        server->buffer = fx_frame_new(NULL);
        server->buffer_port = fx_port_new(d);
    }
    d->servers[slot] = server;
    *id = (ioservid_t)slot;
    return 0;
}

static void enable_server(struct fx_domain *d, struct fx_server *server,
                          bool enabled)
{
    ioreq_t *page = fx_frame_host(server->page);

    if (enabled && !server->enabled)
        for (unsigned i = 0; i < d->nr_vcpus; i++)
            page[i].vp_eport = server->ports[i];
    server->enabled = enabled;
}

/* ---- libxendevicemodel, the part about servers ------------------------ */

static int enter_server(xendevicemodel_handle *dmod, domid_t domid,
                        ioservid_t id, struct fx_domain **d,
                        struct fx_server **server)
{
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IOREQ, 0, d);

    if (rc)
        return rc;
    *server = fx_server(*d, id);
    if (!*server) {
        fx_unlock();
        return -ENOENT;
    }
    return 0;
}

int xendevicemodel_create_ioreq_server(xendevicemodel_handle *dmod,
                                       domid_t domid, int handle_bufioreq,
                                       ioservid_t *id)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IOREQ, 0, &d);

    if (rc)
        return fx_result(rc);
    return fx_leave(create_server(d, handle_bufioreq, id));
}

int xendevicemodel_get_ioreq_server_info(xendevicemodel_handle *dmod,
                                         domid_t domid, ioservid_t id,
                                         xen_pfn_t *ioreq_gfn,
                                         xen_pfn_t *bufioreq_gfn,
                                         evtchn_port_t *bufioreq_port)
{
    struct fx_domain *d;
    struct fx_server *server;
    int rc = enter_server(dmod, domid, id, &d, &server);

    if (rc)
        return fx_result(rc);
    if (ioreq_gfn || bufioreq_gfn) {
        /* The legacy way, in guest memory; xenram must not use it. */
        rc = -EPERM;
    } else if (bufioreq_port) {
        *bufioreq_port = server->buffer_port;
    }
    return fx_leave(rc);
}

static int change_range(xendevicemodel_handle *dmod, domid_t domid,
                        ioservid_t id, unsigned type, uint64_t first,
                        uint64_t last, bool add)
{
    struct fx_domain *d;
    struct fx_server *server;
    int rc = enter_server(dmod, domid, id, &d, &server);

    if (rc)
        return fx_result(rc);
    if (first > last) {
        rc = -EINVAL;
    } else if (add) {
        rc = overlaps(&server->ranges[type], first, last)
                 ? -EEXIST
                 : add_range(&server->ranges[type], first, last);
    } else {
        rc = fx_rangeset_contains(&server->ranges[type], first, last)
                 ? remove_range(&server->ranges[type], first, last)
                 : -ENOENT;
    }
    return fx_leave(rc);
}

int xendevicemodel_map_io_range_to_ioreq_server(xendevicemodel_handle *dmod,
                                                domid_t domid, ioservid_t id,
                                                int is_mmio, uint64_t start,
                                                uint64_t end)
{
    return change_range(dmod, domid, id,
                        is_mmio ? XEN_DMOP_IO_RANGE_MEMORY
                                : XEN_DMOP_IO_RANGE_PORT,
                        start, end, true);
}

int xendevicemodel_unmap_io_range_from_ioreq_server(xendevicemodel_handle *dmod,
                                                    domid_t domid,
                                                    ioservid_t id, int is_mmio,
                                                    uint64_t start,
                                                    uint64_t end)
{
    return change_range(dmod, domid, id,
                        is_mmio ? XEN_DMOP_IO_RANGE_MEMORY
                                : XEN_DMOP_IO_RANGE_PORT,
                        start, end, false);
}

static int change_pcidev(xendevicemodel_handle *dmod, domid_t domid,
                         ioservid_t id, uint16_t segment, uint8_t bus,
                         uint8_t device, uint8_t function, bool add)
{
    uint64_t sbdf;

    if (device > 0x1f || function > 0x7)
        return fx_result(-EINVAL);
    sbdf = (uint64_t)segment << 16 | (uint64_t)bus << 8 |
           (uint64_t)device << 3 | function;
    return change_range(dmod, domid, id, XEN_DMOP_IO_RANGE_PCI, sbdf, sbdf,
                        add);
}

int xendevicemodel_map_pcidev_to_ioreq_server(xendevicemodel_handle *dmod,
                                              domid_t domid, ioservid_t id,
                                              uint16_t segment, uint8_t bus,
                                              uint8_t device, uint8_t function)
{
    return change_pcidev(dmod, domid, id, segment, bus, device, function, true);
}

int xendevicemodel_unmap_pcidev_from_ioreq_server(xendevicemodel_handle *dmod,
                                                  domid_t domid, ioservid_t id,
                                                  uint16_t segment, uint8_t bus,
                                                  uint8_t device,
                                                  uint8_t function)
{
    return change_pcidev(dmod, domid, id, segment, bus, device, function,
                         false);
}

int xendevicemodel_map_mem_type_to_ioreq_server(xendevicemodel_handle *dmod,
                                                domid_t domid, ioservid_t id,
                                                uint16_t type, uint32_t flags)
{
    struct fx_domain *d;
    struct fx_server *server;
    int rc = enter_server(dmod, domid, id, &d, &server);

    (void)type;
    (void)flags;
    return rc ? fx_result(rc) : fx_leave(-EOPNOTSUPP);
}

int xendevicemodel_destroy_ioreq_server(xendevicemodel_handle *dmod,
                                        domid_t domid, ioservid_t id)
{
    struct fx_domain *d;
    struct fx_server *server;
    int rc = enter_server(dmod, domid, id, &d, &server);

    if (rc)
        return fx_result(rc);
    fx_server_free(d, id);
    fx_wake();
    return fx_leave(0);
}

int xendevicemodel_set_ioreq_server_state(xendevicemodel_handle *dmod,
                                          domid_t domid, ioservid_t id,
                                          int enabled)
{
    struct fx_domain *d;
    struct fx_server *server;
    int rc = enter_server(dmod, domid, id, &d, &server);

    if (rc)
        return fx_result(rc);
    enable_server(d, server, enabled != 0);
    return fx_leave(0);
}

/* ---- for tests -------------------------------------------------------- */

unsigned fakexen_ioreq_servers(uint32_t domid)
{
    struct fx_domain *d;
    unsigned nr = 0;

    fx_lock();
    d = fx_domain_must(domid);
    for (unsigned i = 0; i < FX_MAX_SERVERS; i++)
        nr += d->servers[i] != NULL;
    fx_unlock();
    return nr;
}

bool fakexen_ioreq_enabled(uint32_t domid)
{
    struct fx_domain *d;
    bool enabled = false;

    fx_lock();
    d = fx_domain_must(domid);
    for (unsigned i = 0; i < FX_MAX_SERVERS; i++)
        enabled |= d->servers[i] && d->servers[i]->enabled;
    fx_unlock();
    return enabled;
}

static bool claimed(uint32_t domid, unsigned type, uint64_t first,
                    uint64_t last)
{
    struct fx_domain *d;
    bool found = false;

    fx_lock();
    d = fx_domain_must(domid);
    for (unsigned i = 0; i < FX_MAX_SERVERS; i++) {
        found |=
            d->servers[i] &&
            fx_rangeset_contains(&d->servers[i]->ranges[type], first, last);
    }
    fx_unlock();
    return found;
}

bool fakexen_claimed(uint32_t domid, bool mmio, uint64_t first, uint64_t last)
{
    return claimed(domid,
                   mmio ? XEN_DMOP_IO_RANGE_MEMORY : XEN_DMOP_IO_RANGE_PORT,
                   first, last);
}

bool fakexen_claimed_pci(uint32_t domid, uint8_t devfn)
{
    return claimed(domid, XEN_DMOP_IO_RANGE_PCI, devfn, devfn);
}
