/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

static int pin(struct xen_ram *ram, uint64_t gfn, uint64_t nr, uint32_t type)
{
    if (xendevicemodel_pin_memory_cacheattr(ram->device, (domid_t)ram->domid,
                                            gfn, gfn + nr - 1, type))
        return errno ? -errno : -EIO;
    return 0;
}

/*
 * Xen knows pinned ranges by their exact ends and refuses those that overlap
 * (xen/arch/x86/hvm/mtrr.c): a block is always one range.
 */
int ram_pin_cache(struct xen_ram *ram, const struct xen_ram_block *block,
                  struct ram_span from, struct ram_span to)
{
    int rc = 0;

    if (!(block->flags & XEN_RAM_WRITEBACK) ||
        (from.gfn == to.gfn && from.nr == to.nr))
        return 0;
    if (from.nr)
        rc = pin(ram, from.gfn, from.nr, XEN_DMOP_DELETE_MEM_CACHEATTR);
    /* A restore brings pages without. */
    if (rc == -ENOENT)
        rc = 0;
    if (rc == 0 && to.nr) {
        rc = pin(ram, to.gfn, to.nr, XEN_DMOP_MEM_CACHEATTR_WB);
        if (rc && from.nr)
            (void)pin(ram, from.gfn, from.nr, XEN_DMOP_MEM_CACHEATTR_WB);
    }
    if (rc) {
        return ram_fail(
            ram, rc,
            "block '%s': Xen does not pin the cache type of 0x%" PRIx64
            " pages from gfn 0x%" PRIx64 ": %s",
            block->idstr, to.nr, to.gfn, strerror(-rc));
    }
    return 0;
}

struct ram_span ram_span_of(const struct xen_ram_block *block)
{
    if (block->kind != XEN_RAM_VISIBLE || block->gfn == XEN_RAM_NO_GFN)
        return (struct ram_span){0};
    return (struct ram_span){block->gfn, block->used_length >> RAM_PAGE_SHIFT};
}
