/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

/* The number of pages is 32 bits wide in the call. */
#define TYPE_BATCH (UINT64_C(1) << 20)

/*
 * A guest may have given pages of the range back.  Xen stops at a hole and says
 * -EINVAL; halving finds it, and what is not there needs no type.
 */
static int set_range(struct xen_ram *ram, hvmmem_type_t type, uint64_t gfn,
                     uint64_t nr)
{
    int rc = 0;

    if (xendevicemodel_set_mem_type(ram->device, (domid_t)ram->domid, type, gfn,
                                    (uint32_t)nr))
        rc = errno ? -errno : -EIO;
    if (rc != -EINVAL)
        return rc;
    if (nr == 1)
        return ram_is_hole(ram, gfn) ? 0 : rc;
    rc = set_range(ram, type, gfn, nr / 2);
    return rc ? rc : set_range(ram, type, gfn + nr / 2, nr - nr / 2);
}

static int set_type(struct xen_ram *ram, const struct xen_ram_block *block,
                    hvmmem_type_t type, uint64_t gfn, uint64_t nr)
{
    uint64_t n;
    int rc;

    for (uint64_t done = 0; done < nr; done += n) {
        n = nr - done < TYPE_BATCH ? nr - done : TYPE_BATCH;
        rc = set_range(ram, type, gfn + done, n);
        if (rc) {
            return ram_fail(ram, rc,
                            "block '%s': cannot make gfns 0x%" PRIx64
                            " to 0x%" PRIx64 " %s: %s",
                            block->idstr, gfn, gfn + nr - 1,
                            type == HVMMEM_ram_ro ? "read-only" : "writable",
                            strerror(-rc));
        }
    }
    return 0;
}

/* Pages that were populated or restored are writable already. */
int ram_set_type(struct xen_ram *ram, const struct xen_ram_block *block,
                 uint64_t gfn, uint64_t nr)
{
    bool undoing = ram->undoing;
    int rc;

    if (!(block->flags & XEN_RAM_ROM))
        return 0;
    rc = set_type(ram, block, HVMMEM_ram_ro, gfn, nr);
    if (rc) {
        /* Xen goes page by page and may have got some way. */
        ram->undoing = true;
        (void)ram_clear_type(ram, block, gfn, nr);
        ram->undoing = undoing;
    }
    return rc;
}

int ram_clear_type(struct xen_ram *ram, const struct xen_ram_block *block,
                   uint64_t gfn, uint64_t nr)
{
    if (!(block->flags & XEN_RAM_ROM))
        return 0;
    return set_type(ram, block, HVMMEM_ram_rw, gfn, nr);
}

int xen_ram_reapply(struct xen_ram *ram, struct xen_ram_block *block)
{
    struct ram_span none = {0}, span = ram_span_of(block);
    int rc;

    if (block->kind != XEN_RAM_VISIBLE || block->gfn == XEN_RAM_NO_GFN)
        return 0;
    rc = ram_set_type(ram, block, span.gfn, span.nr);
    if (rc)
        return rc;
    rc = ram_pin_cache(ram, block, none, span);
    if (rc) {
        bool undoing = ram->undoing;

        ram->undoing = true;
        (void)ram_clear_type(ram, block, span.gfn, span.nr);
        ram->undoing = undoing;
        return rc;
    }
    block->reapplied = true;
    return 0;
}
