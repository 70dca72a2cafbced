/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include "xenram/mapcache.h"

/*
 * New pages are cleared here: Xen scrubs what a dead guest leaves, and not what
 * a living one gives back (free_domheap_pages of common/page_alloc.c, unless
 * scrub-domheap is set), so that a page may come with its old content.
 *
 * The guest's map cache maps large chunks, which is dear for a few pages.  One
 * with small chunks clears those, and lets go of them at once: what lasts is in
 * one place.
 */
#define SMALL_PAGES 16u
/* Beyond, a large chunk takes less: a call costs as much as 65 pages. */
#define SMALL_CHUNKS 3u

int ram_clear_open(struct xen_ram *ram)
{
    struct xen_mapcache_options options = {0};
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(ram->cache, &stats);
    options.window = stats.window;
    options.chunk = SMALL_PAGES * XEN_RAM_PAGE_SIZE;
    return xen_mapcache_open(ram->domid, &options, &ram->small);
}

static int write_zeroes(struct xen_mapcache *cache, uint64_t gfn, uint64_t nr)
{
    static const uint8_t zeroes[XEN_RAM_PAGE_SIZE];
    int rc = 0;

    for (uint64_t i = 0; i < nr && rc == 0; i++) {
        rc = xen_mapcache_write(cache, (gfn + i) << RAM_PAGE_SHIFT, zeroes,
                                sizeof(zeroes), NULL);
    }
    return rc;
}

int ram_clear(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    uint64_t first = gfn / SMALL_PAGES, end = (gfn + nr - 1) / SMALL_PAGES + 1;
    int rc;

    if (end - first > SMALL_CHUNKS)
        return write_zeroes(ram->cache, gfn, nr);
    rc = write_zeroes(ram->small, gfn, nr);
    (void)xen_mapcache_invalidate_range(ram->small, gfn << RAM_PAGE_SHIFT,
                                        nr << RAM_PAGE_SHIFT);
    (void)xen_mapcache_reclaim(ram->small, 0);
    return rc;
}
