/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <string.h>

#include <xendevicemodel.h>

xendevicemodel_handle *xendevicemodel_open(struct xentoollog_logger *logger,
                                           unsigned int open_flags)
{
    (void)logger;
    (void)open_flags;
    return fx_handle_open(FX_DM, sizeof(xendevicemodel_handle));
}

int xendevicemodel_close(xendevicemodel_handle *dmod)
{
    if (dmod) {
        fx_lock();
        fx_handle_unlink(&dmod->base);
        fx_free(dmod);
        fx_unlock();
    }
    return 0;
}

int xendevicemodel_restrict(xendevicemodel_handle *dmod, domid_t domid)
{
    int rc = fx_enter(FAKEXEN_RESTRICT, 0);

    if (rc)
        return fx_result(rc);
    dmod->base.restricted = true;
    dmod->base.domid = domid;
    return fx_leave(0);
}

/* ---- interrupts ------------------------------------------------------- */

static void set_level(bool *line, unsigned *edges, bool level)
{
    *edges += level && !*line;
    *line = level;
}

int xendevicemodel_set_pci_intx_level(xendevicemodel_handle *dmod,
                                      domid_t domid, uint16_t segment,
                                      uint8_t bus, uint8_t device, uint8_t intx,
                                      unsigned int level)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IRQ, 0, &d);

    if (rc)
        return fx_result(rc);
    if (segment || bus || device > 31 || intx > 3 || level > 1)
        return fx_leave(-EINVAL);
    set_level(&d->intx[device][intx], &d->intx_edges[device][intx], level);
    return fx_leave(0);
}

int xendevicemodel_set_isa_irq_level(xendevicemodel_handle *dmod, domid_t domid,
                                     uint8_t irq, unsigned int level)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IRQ, 0, &d);

    if (rc)
        return fx_result(rc);
    if (irq > 15 || level > 1)
        return fx_leave(-EINVAL);
    set_level(&d->isa[irq], &d->isa_edges[irq], level);
    return fx_leave(0);
}

/* Arm only. */
int xendevicemodel_set_irq_level(xendevicemodel_handle *dmod, domid_t domid,
                                 unsigned int irq, unsigned int level)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IRQ, 0, &d);

    (void)irq;
    (void)level;
    return rc ? fx_result(rc) : fx_leave(-EOPNOTSUPP);
}

int xendevicemodel_set_pci_link_route(xendevicemodel_handle *dmod,
                                      domid_t domid, uint8_t link, uint8_t irq)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IRQ, 0, &d);

    if (rc)
        return fx_result(rc);
    if (link > 3 || irq > 15)
        return fx_leave(-EINVAL);
    d->links[link] = irq;
    return fx_leave(0);
}

int xendevicemodel_inject_msi(xendevicemodel_handle *dmod, domid_t domid,
                              uint64_t msi_addr, uint32_t msi_data)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IRQ, 0, &d);

    if (rc)
        return fx_result(rc);
    d->msis++;
    d->msi_addr = msi_addr;
    d->msi_data = msi_data;
    return fx_leave(0);
}

int xendevicemodel_inject_event(xendevicemodel_handle *dmod, domid_t domid,
                                int vcpu, uint8_t vector, uint8_t type,
                                uint32_t error_code, uint8_t insn_len,
                                uint64_t extra)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_IRQ, 0, &d);

    (void)vector;
    (void)type;
    (void)error_code;
    (void)insn_len;
    (void)extra;
    if (rc)
        return fx_result(rc);
    return fx_leave(vcpu < 0 || (unsigned)vcpu >= d->nr_vcpus ? -EINVAL : 0);
}

/* ---- memory ----------------------------------------------------------- */

static void mark_dirty(struct fx_domain *d, uint64_t gfn)
{
    uint64_t **leaf = &d->dirty[gfn / FX_LEAF_ENTRIES];
    uint64_t bit = UINT64_C(1) << gfn % 64, *word;

    if (!*leaf)
        *leaf = fx_map_zero(FX_LEAF_ENTRIES / 8);
    word = &(*leaf)[gfn % FX_LEAF_ENTRIES / 64];
    d->nr_dirty += !(*word & bit);
    *word |= bit;
}

/*
 * The last extent first, and no further than below the highest gfn, as in
 * modified_memory of Xen's arch/x86/hvm/dm.c.
 */
static int modified(struct fx_domain *d,
                    const struct xen_dm_op_modified_memory_extent *extents,
                    uint32_t nr)
{
    uint64_t end;

    if (!d->log_dirty)
        return 0;
    for (uint32_t i = nr; i-- > 0;) {
        end = extents[i].first_pfn + extents[i].nr;
        if (extents[i].pad || end <= extents[i].first_pfn || end > d->max_gfn)
            return -EINVAL;
        for (uint64_t gfn = extents[i].first_pfn; gfn < end; gfn++)
            if (fx_p2m_frame(d, gfn))
                mark_dirty(d, gfn);
    }
    return 0;
}

int xendevicemodel_modified_memory_bulk(
    xendevicemodel_handle *dmod, domid_t domid,
    struct xen_dm_op_modified_memory_extent extents[], uint32_t nr)
{
    struct fx_domain *d;
    uint64_t pages = 0;
    int rc;

    for (uint32_t i = 0; i < nr; i++)
        pages += extents[i].nr;
    rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_MODIFIED, pages, &d);
    if (rc)
        return fx_result(rc);
    /* Linux refuses a buffer of more than a page. */
    if (nr * sizeof(extents[0]) > 4096)
        return fx_leave(-E2BIG);
    return fx_leave(modified(d, extents, nr));
}

int xendevicemodel_modified_memory(xendevicemodel_handle *dmod, domid_t domid,
                                   uint64_t first_pfn, uint32_t nr)
{
    struct xen_dm_op_modified_memory_extent extent = {.nr = nr,
                                                      .first_pfn = first_pfn};

    return xendevicemodel_modified_memory_bulk(dmod, domid, &extent, 1);
}

int xendevicemodel_track_dirty_vram(xendevicemodel_handle *dmod, domid_t domid,
                                    uint64_t first_pfn, uint32_t nr,
                                    unsigned long *dirty_bitmap)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_DM, nr, &d);

    if (rc)
        return fx_result(rc);
    if (nr > FX_VRAM_MAX)
        return fx_leave(-EINVAL);
    if (nr == 0 || first_pfn != d->vram_first || nr != d->vram_nr) {
        fx_forget_vram(d);
        d->vram = nr ? fx_map_zero(FX_VRAM_MAX / 8) : NULL;
        d->vram_first = first_pfn;
        d->vram_nr = nr;
        memset(d->vram, 0xff, (nr + 7) / 8);
    }
    if (nr) {
        memcpy(dirty_bitmap, d->vram, (nr + 7) / 8);
        memset(d->vram, 0, (nr + 7) / 8);
    }
    return fx_leave(0);
}

static bool is_ram(enum fakexen_type type)
{
    return type == FAKEXEN_RAM_RW || type == FAKEXEN_RAM_RO;
}

static int change_type(struct fx_domain *d, uint64_t gfn, hvmmem_type_t to)
{
    enum fakexen_type type;
    int rc = fx_refused(d->domid, gfn);

    if (rc)
        return rc;
    if (fx_type(d, gfn) == FAKEXEN_POD) {
        rc = fx_pod_fill(d, gfn);
        if (rc)
            return rc;
    }
    type = fx_type(d, gfn);
    if (to == HVMMEM_mmio_dm && !is_ram(type)) {
        fx_p2m_set(d, gfn, FAKEXEN_MMIO_DM, FAKEXEN_NO_FRAME);
        return 0;
    }
    if (!is_ram(type))
        return -EINVAL;
    /* RAM that becomes mmio_dm keeps its page out of reach; nobody needs it. */
    if (to == HVMMEM_mmio_dm)
        return -EOPNOTSUPP;
    fx_p2m_set(d, gfn, to == HVMMEM_ram_ro ? FAKEXEN_RAM_RO : FAKEXEN_RAM_RW,
               fx_p2m_frame(d, gfn));
    return 0;
}

int xendevicemodel_set_mem_type(xendevicemodel_handle *dmod, domid_t domid,
                                hvmmem_type_t mem_type, uint64_t first_pfn,
                                uint32_t nr)
{
    struct fx_domain *d;
    uint64_t last = first_pfn + nr - 1;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_MEM_TYPE, nr, &d);

    if (rc)
        return fx_result(rc);
    if (first_pfn > last || last > d->max_gfn || mem_type > HVMMEM_mmio_dm)
        return fx_leave(-EINVAL);
    for (uint64_t gfn = first_pfn; rc == 0 && gfn <= last; gfn++)
        rc = change_type(d, gfn, mem_type);
    return fx_leave(rc);
}

int xendevicemodel_relocate_memory(xendevicemodel_handle *dmod, domid_t domid,
                                   uint32_t size, uint64_t src_gfn,
                                   uint64_t dst_gfn)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_RELOCATE, size, &d);

    if (rc)
        return fx_result(rc);
    /* Xen cuts the size to 16 bits on its way. */
    for (uint32_t i = 0; rc == 0 && i < (size & 0xffff); i++)
        rc = fx_relocate(d, src_gfn + i, dst_gfn + i);
    return fx_leave(rc);
}

static int pin_cacheattr(struct fx_domain *d, uint64_t start, uint64_t end,
                         uint32_t type)
{
    struct fx_cacheattr *range;

    if (end < start)
        return -EINVAL;
    for (unsigned i = 0; i < d->nr_cacheattrs; i++) {
        range = &d->cacheattrs[i];
        if (range->start == start && range->end == end) {
            if (type == XEN_DMOP_DELETE_MEM_CACHEATTR)
                *range = d->cacheattrs[--d->nr_cacheattrs];
            else
                range->type = type;
            return 0;
        }
        if (type != XEN_DMOP_DELETE_MEM_CACHEATTR && range->start <= end &&
            start <= range->end)
            return -EBUSY;
    }
    if (type == XEN_DMOP_DELETE_MEM_CACHEATTR)
        return -ENOENT;
    if (d->nr_cacheattrs == FX_NR_CACHEATTRS)
        return -ENOSPC;
    d->cacheattrs[d->nr_cacheattrs++] =
        (struct fx_cacheattr){.start = start, .end = end, .type = type};
    return 0;
}

int xendevicemodel_pin_memory_cacheattr(xendevicemodel_handle *dmod,
                                        domid_t domid, uint64_t start,
                                        uint64_t end, uint32_t type)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_CACHEATTR, 0, &d);

    if (rc)
        return fx_result(rc);
    switch (type) {
    case XEN_DMOP_MEM_CACHEATTR_WB:
    case XEN_DMOP_MEM_CACHEATTR_WP:
    case XEN_DMOP_MEM_CACHEATTR_WT:
    case XEN_DMOP_DELETE_MEM_CACHEATTR:
        return fx_leave(pin_cacheattr(d, start, end, type));
    case XEN_DMOP_MEM_CACHEATTR_UC:
    case XEN_DMOP_MEM_CACHEATTR_UCM:
    case XEN_DMOP_MEM_CACHEATTR_WC:
        /* Without an IOMMU. */
        return fx_leave(-EPERM);
    default:
        return fx_leave(-EINVAL);
    }
}

/* ---- the domain ------------------------------------------------------- */

int xendevicemodel_shutdown(xendevicemodel_handle *dmod, domid_t domid,
                            unsigned int reason)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_DM, 0, &d);

    if (rc)
        return fx_result(rc);
    /* The first reason counts. */
    if (d->shutdown_reason < 0)
        d->shutdown_reason = (int)reason;
    fx_wake();
    return fx_leave(0);
}

int xendevicemodel_nr_vcpus(xendevicemodel_handle *dmod, domid_t domid,
                            unsigned int *vcpus)
{
    struct fx_domain *d;
    int rc = fx_handle_enter(&dmod->base, domid, FAKEXEN_DM, 0, &d);

    if (rc)
        return fx_result(rc);
    *vcpus = d->nr_vcpus;
    return fx_leave(0);
}
