/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

/*
 * Xen tracks one range of a guest, of 1 GiB at most (xen/arch/x86/hvm/dm.c,
 * track_dirty_vram), and says that all of it was written when it is another one
 * than the last time (xen/arch/x86/mm/hap/hap.c, hap_track_dirty_vram).
 */
#define RANGE_MAX (UINT64_C(1) << 18) /* pages */
#define WORD_BITS (8 * sizeof(unsigned long))

static bool is_tracked(const struct xen_ram_block *block)
{
    return (block->flags & XEN_RAM_TRACKED) && block->gfn != XEN_RAM_NO_GFN;
}

/* All tracked blocks, and what lies between them. */
static struct ram_span cover(const struct xen_ram *ram)
{
    uint64_t first = UINT64_MAX, end = 0;

    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        struct ram_span span = ram_span_of(b);

        if (!is_tracked(b))
            continue;
        if (span.gfn < first)
            first = span.gfn;
        if (span.gfn + span.nr > end)
            end = span.gfn + span.nr;
    }
    return end ? (struct ram_span){first, end - first} : (struct ram_span){0};
}

static void mark_all(struct xen_ram *ram)
{
    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        if (is_tracked(b)) {
            ram_bitmap_set(&ram->dirty.bitmaps[XEN_RAM_DISPLAY], b->gfn,
                           ram_span_of(b).nr);
        }
    }
}

/* bits: of gfns from first on. */
static void mark_block(struct xen_ram *ram, const struct xen_ram_block *block,
                       uint64_t first, const unsigned long *bits)
{
    struct ram_span span = ram_span_of(block);

    for (uint64_t at = span.gfn; at < span.gfn + span.nr; at++) {
        uint64_t bit = at - first;

        if (bits[bit / WORD_BITS] >> bit % WORD_BITS & 1)
            ram_bitmap_set(&ram->dirty.bitmaps[XEN_RAM_DISPLAY], at, 1);
    }
}

static int ask_xen(struct xen_ram *ram, struct ram_span span,
                   unsigned long *bits)
{
    if (xendevicemodel_track_dirty_vram(ram->device, (domid_t)ram->domid,
                                        span.gfn, (uint32_t)span.nr, bits))
        return errno ? -errno : -EIO;
    return 0;
}

static int sync_range(struct xen_ram *ram, struct ram_span span)
{
    unsigned long *bits = calloc(span.nr / WORD_BITS + 1, sizeof(*bits));
    int rc = bits ? ask_xen(ram, span, bits) : -ENOMEM;

    for (const struct xen_ram_block *b = ram->blocks; rc == 0 && b; b = b->next)
        if (is_tracked(b))
            mark_block(ram, b, span.gfn, bits);
    free(bits);
    if (rc == 0)
        ram->dirty.tracking = true;
    return rc;
}

int xen_ram_sync_dirty(struct xen_ram *ram)
{
    struct ram_span span = cover(ram);
    int rc;

    if (!ram_dirty_started(ram, XEN_RAM_DISPLAY) || span.nr == 0)
        return 0;
    if (span.nr > RANGE_MAX) {
        mark_all(ram);
        return 0;
    }
    rc = sync_range(ram, span);
    if (rc) {
        mark_all(ram);
        return ram_fail(ram, rc,
                        "Xen does not tell what the guest wrote to 0x%" PRIx64
                        " pages from gfn 0x%" PRIx64 ": %s",
                        span.nr, span.gfn, strerror(-rc));
    }
    return 0;
}

void ram_track_stop(struct xen_ram *ram)
{
    if (ram->dirty.tracking)
        (void)ask_xen(ram, (struct ram_span){0}, NULL);
    ram->dirty.tracking = false;
}
