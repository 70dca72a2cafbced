/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

#include "ram/block.h"
#include "xenram/mapcache.h"

int ram_fail(struct xen_ram *ram, int rc, const char *format, ...)
{
    va_list args;

    if (ram->undoing)
        return rc;
    va_start(args, format);
    vsnprintf(ram->error, sizeof(ram->error), format, args);
    va_end(args);
    return rc;
}

uint64_t ram_round_up(uint64_t bytes)
{
    return (bytes + XEN_RAM_PAGE_SIZE - 1) & ~(uint64_t)(XEN_RAM_PAGE_SIZE - 1);
}

/* What a list needs for the memory of a guest. */
static int open_guest(struct xen_ram *ram)
{
    int rc = populate_open(&ram->populate, ram->domid);

    if (rc)
        return rc;
    ram->device = xendevicemodel_open(NULL, 0);
    if (!ram->device) {
        rc = errno ? -errno : -ENODEV;
        goto err_populate;
    }
    return 0;

err_populate:
    populate_close(&ram->populate);
    return rc;
}

static void close_guest(struct xen_ram *ram)
{
    xendevicemodel_close(ram->device);
    populate_close(&ram->populate);
}

int xen_ram_open(uint32_t domid, struct xen_mapcache *cache,
                 struct xen_ram **out)
{
    struct xen_ram *ram = calloc(1, sizeof(*ram));
    int rc;

    if (!ram)
        return -ENOMEM;
    ram->domid = domid;
    ram->cache = cache;
    rc = cache ? open_guest(ram) : 0;
    if (rc) {
        free(ram);
        return rc;
    }
    *out = ram;
    return 0;
}

void xen_ram_close(struct xen_ram *ram)
{
    if (!ram)
        return;
    while (ram->blocks) {
        ram_notify_removed(ram, ram->blocks);
        ram_block_delete(ram, ram->blocks);
    }
    ram_track_stop(ram);
    ram_dirty_fini(&ram->dirty);
    if (ram->cache)
        close_guest(ram);
    free(ram);
}

static const char *const phase_names[] = {
    [XEN_RAM_RESET] = "RESET",
    [XEN_RAM_LOADING] = "LOADING",
    [XEN_RAM_RUNNING] = "RUNNING",
};

/* A guest-visible block that waits for its pages, or NULL. */
static const struct xen_ram_block *find_waiting(const struct xen_ram *ram)
{
    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next)
        if (b->kind == XEN_RAM_VISIBLE && b->gfn == XEN_RAM_NO_GFN)
            return b;
    return NULL;
}

int xen_ram_set_phase(struct xen_ram *ram, enum xen_ram_phase phase)
{
    const struct xen_ram_block *waiting;

    if ((unsigned)phase > XEN_RAM_RUNNING) {
        return ram_fail(ram, -EINVAL,
                        "phase %s cannot become phase %u: there is none",
                        phase_names[ram->phase], (unsigned)phase);
    }
    if (ram->phase == XEN_RAM_RUNNING && phase == XEN_RAM_LOADING) {
        return ram_fail(ram, -EPERM,
                        "phase RUNNING cannot become LOADING: load a state "
                        "before the guest runs, or reset it first");
    }
    waiting = phase == XEN_RAM_LOADING ? NULL : find_waiting(ram);
    if (waiting) {
        return ram_fail(ram, -EPERM,
                        "phase %s cannot become %s: block '%s' has no pages "
                        "yet: load a state, or free the block",
                        phase_names[ram->phase], phase_names[phase],
                        waiting->idstr);
    }
    ram->phase = phase;
    return 0;
}

enum xen_ram_phase xen_ram_get_phase(const struct xen_ram *ram)
{
    return ram->phase;
}

const char *xen_ram_error(const struct xen_ram *ram)
{
    return ram->error;
}

int ram_check_gfns(struct xen_ram *ram, const struct xen_ram_block *block,
                   const char *idstr, uint64_t gfn, uint64_t length)
{
    uint64_t nr = length >> RAM_PAGE_SHIFT, space;
    struct xen_mapcache_stats stats;

    space = UINT64_MAX >> RAM_PAGE_SHIFT;
    if (ram->cache) {
        xen_mapcache_get_stats(ram->cache, &stats);
        space = stats.window >> RAM_PAGE_SHIFT;
    }
    if (gfn > space || nr > space - gfn) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': 0x%" PRIx64 " pages from gfn 0x%" PRIx64
                        " leave the guest's space of 0x%" PRIx64
                        " pages: use a lower gfn",
                        idstr, nr, gfn, space);
    }
    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        uint64_t other = b->used_length >> RAM_PAGE_SHIFT;

        if (b != block && b->gfn != XEN_RAM_NO_GFN && gfn < b->gfn + other &&
            b->gfn < gfn + nr) {
            return ram_fail(
                ram, -EEXIST,
                "block '%s': 0x%" PRIx64 " pages from gfn 0x%" PRIx64
                " overlap block '%s', 0x%" PRIx64 " pages from gfn 0x%" PRIx64,
                idstr, nr, gfn, b->idstr, other, b->gfn);
        }
    }
    return 0;
}

bool ram_is_hole(struct xen_ram *ram, uint64_t gfn)
{
    uint8_t byte;

    return xen_mapcache_read(ram->cache, gfn << RAM_PAGE_SHIFT, &byte, 1,
                             NULL) == -EFAULT;
}

void ram_arrived(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    /* The range was checked against the window. */
    (void)xen_mapcache_invalidate_range(ram->cache, gfn << RAM_PAGE_SHIFT,
                                        nr << RAM_PAGE_SHIFT);
}

void ram_forget(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    ram_arrived(ram, gfn, nr);
    /* A frame stays charged to the guest as long as it is mapped here. */
    (void)xen_mapcache_reclaim(ram->cache, 0);
}

int xen_ram_get_room(struct xen_ram *ram, struct xen_ram_room *room)
{
    uint64_t used, limit;
    int rc;

    if (!ram->cache) {
        return ram_fail(ram, -ENODEV,
                        "there is no guest whose memory could be counted: the "
                        "list needs a map cache");
    }
    rc = populate_room(&ram->populate, &used, &limit);
    if (rc) {
        return ram_fail(ram, rc,
                        "Xen does not tell how much memory the guest has: %s",
                        strerror(-rc));
    }
    room->used = used << RAM_PAGE_SHIFT;
    room->limit = limit << RAM_PAGE_SHIFT;
    return 0;
}

static int refused(struct xen_ram *ram, const struct xen_ram_block *block,
                   uint64_t gfn, uint64_t nr, int rc)
{
    uint64_t used, limit;

    if (rc == -ENOSPC && populate_room(&ram->populate, &used, &limit) == 0 &&
        used <= limit && nr > limit - used) {
        return ram_fail(ram, rc,
                        "block '%s': no room for 0x%" PRIx64
                        " pages at gfn 0x%" PRIx64 ", the guest has 0x%" PRIx64
                        " of the 0x%" PRIx64 " that Xen lets it have; raise "
                        "videoram or maxmem of the guest",
                        block->idstr, nr, gfn, used, limit);
    }
    return ram_fail(ram, rc,
                    "block '%s': Xen does not give 0x%" PRIx64
                    " pages at gfn 0x%" PRIx64
                    ": %s; raise videoram or maxmem of the guest",
                    block->idstr, nr, gfn, strerror(-rc));
}

int ram_pages_add(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t first, uint64_t nr)
{
    uint64_t gfn = block->gfn + first;
    int rc;

    rc = populate_pages(&ram->populate, gfn, nr);
    if (rc)
        return refused(ram, block, gfn, nr, rc);
    ram_arrived(ram, gfn, nr);
    /*
     * Xen scrubs what a dead guest leaves, and not what a living one gives back
     * (free_domheap_pages of common/page_alloc.c, unless scrub-domheap is set).
     */
    rc = xen_mapcache_clear(ram->cache, gfn << RAM_PAGE_SHIFT,
                            nr << RAM_PAGE_SHIFT);
    if (rc) {
        ram_fail(ram, rc,
                 "block '%s': new pages at gfn 0x%" PRIx64
                 " cannot be cleared: %s",
                 block->idstr, gfn, strerror(-rc));
        goto err_populate;
    }
    rc = ram_set_type(ram, block, gfn, nr);
    if (rc)
        goto err_populate;
    ram_mark_gfns(ram, gfn, nr);
    return 0;

err_populate:
    (void)depopulate_pages(&ram->populate, gfn, nr, NULL);
    ram_forget(ram, gfn, nr);
    return rc;
}

int ram_pages_remove(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t first, uint64_t nr)
{
    uint64_t gfn = block->gfn + first, done;
    int rc;

    rc = depopulate_pages(&ram->populate, gfn, nr, &done);
    ram_forget(ram, gfn, nr);
    if (rc == 0)
        ram_unmark_gfns(ram, gfn, nr);
    if (rc) {
        if (done)
            (void)ram_pages_add(ram, block, first, done);
        return ram_fail(ram, rc,
                        "block '%s': Xen does not take back 0x%" PRIx64
                        " pages at gfn 0x%" PRIx64 ": %s",
                        block->idstr, nr, gfn, strerror(-rc));
    }
    return 0;
}
