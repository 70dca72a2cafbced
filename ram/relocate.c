/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

#include "xenram/mapcache.h"

/*
 * Xen hands the number of pages on through a 16-bit field, in which a multiple
 * of 65536 is nothing (xen/arch/x86/hvm/dm.c, public/memory.h).
 */
#define RELOCATE_MAX 32768u

static int move(struct xen_ram *ram, uint64_t from, uint64_t to, uint64_t nr)
{
    if (xendevicemodel_relocate_memory(ram->device, (domid_t)ram->domid,
                                       (uint32_t)nr, from, to))
        return errno ? -errno : -EIO;
    return 0;
}

/*
 * A failed call has moved pages up to some point.  Those are the ones that left
 * a hole behind; a page that did not move must not be overwritten.
 */
static void move_back(struct xen_ram *ram, uint64_t from, uint64_t to,
                      uint64_t nr)
{
    ram_forget(ram, from, nr);
    for (uint64_t i = 0; i < nr && ram_is_hole(ram, from + i); i++)
        if (move(ram, to + i, from + i, 1))
            break;
}

/*
 * Move nr pages in steps.  Xen moves ascending, and frees what it finds at the
 * target: ranges that overlap go a distance at a time, upwards from the top.
 */
static int move_range(struct xen_ram *ram, uint64_t from, uint64_t to,
                      uint64_t nr)
{
    uint64_t distance = to > from ? to - from : from - to;
    uint64_t step = distance < RELOCATE_MAX ? distance : RELOCATE_MAX;
    bool down = to > from && distance < nr;
    uint64_t done, n, at;
    int rc = 0;

    for (done = 0; done < nr; done += n) {
        n = nr - done < step ? nr - done : step;
        at = down ? nr - done - n : done;
        rc = move(ram, from + at, to + at, n);
        if (rc) {
            move_back(ram, from + at, to + at, n);
            break;
        }
    }
    if (rc && done) {
        at = down ? nr - done : 0;
        (void)move_range(ram, to + at, from + at, done);
    }
    return rc;
}

int xen_ram_relocate(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t gfn)
{
    uint64_t nr = block->used_length >> RAM_PAGE_SHIFT, old = block->gfn;
    int rc;

    if (block->kind != XEN_RAM_VISIBLE || old == XEN_RAM_NO_GFN ||
        block->flags & XEN_RAM_SPARSE) {
        return ram_fail(ram, -EINVAL, "block '%s' has no pages that could move",
                        block->idstr);
    }
    rc = ram_check_gfns(ram, block, block->idstr, gfn, block->used_length);
    if (rc || gfn == old)
        return rc;
    /*
     * Xen moves only writable pages (xen/arch/x86/mm/p2m.c: the entry at the
     * target becomes p2m_ram_rw, -EACCES otherwise).
     */
    rc = ram_clear_type(ram, block, old, nr);
    if (rc)
        goto err_type;
    rc = move_range(ram, old, gfn, nr);
    if (rc) {
        ram_fail(ram, rc,
                 "block '%s': Xen does not move 0x%" PRIx64
                 " pages from gfn 0x%" PRIx64 " to 0x%" PRIx64 ": %s",
                 block->idstr, nr, old, gfn, strerror(-rc));
        goto err_type;
    }
    rc = ram_set_type(ram, block, gfn, nr);
    if (rc)
        goto err_move;
    rc = ram_pin_cache(ram, block, ram_span_of(block),
                       (struct ram_span){gfn, nr});
    if (rc)
        goto err_set_type;
    block->gfn = gfn;
    ram_forget(ram, old, nr);
    ram_forget(ram, gfn, nr);
    ram_unmark_gfns(ram, old, nr);
    ram_mark_gfns(ram, gfn, nr);
    return 0;

err_set_type:
    ram->undoing = true;
    (void)ram_clear_type(ram, block, gfn, nr);
err_move:
    ram->undoing = true;
    (void)move_range(ram, gfn, old, nr);
err_type:
    ram->undoing = true;
    ram_forget(ram, old, nr);
    ram_forget(ram, gfn, nr);
    if (block->flags & XEN_RAM_ROM)
        (void)xen_ram_reapply(ram, block);
    ram->undoing = false;
    return rc;
}
