/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/dirty.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

#include "ram/block.h"
#include "xenram/mapcache.h"

/* A call takes one buffer of 4096 bytes, 16 bytes a run. */
#define RUNS 256u
/* A run's length is 32 bits wide in the call. */
#define RUN_MAX UINT64_C(0xffffffff)

struct ram_run {
    uint64_t first, nr; /* gfns */
};

/* Runs on their way to Xen. */
struct report {
    struct xen_ram *ram;
    unsigned nr;
    struct ram_run runs[RUNS];
};

static int report_runs(struct xen_ram *ram, const struct ram_run *runs,
                       unsigned nr)
{
    struct xen_dm_op_modified_memory_extent extents[RUNS];

    for (unsigned i = 0; i < nr; i++) {
        if (runs[i].nr > RUN_MAX)
            return -EINVAL;
        extents[i] = (struct xen_dm_op_modified_memory_extent){
            .nr = (uint32_t)runs[i].nr,
            .first_pfn = runs[i].first,
        };
    }
    if (xendevicemodel_modified_memory_bulk(ram->device, (domid_t)ram->domid,
                                            extents, nr))
        return errno ? -errno : -EIO;
    return 0;
}

/*
 * Xen compares the end of a run with the highest gfn of the guest, and so
 * refuses the highest one itself and all calls that name it (xen/arch/x86/hvm/
 * dm.c, modified_memory).  What it takes of a run is a part from its start, and
 * halving finds how much; nothing can be done about the rest.
 */
static int report_split(struct xen_ram *ram, struct ram_run run)
{
    struct ram_run half = {run.first, run.nr / 2};
    int rc;

    if (run.nr > RUN_MAX) {
        rc = report_split(ram, half);
        half = (struct ram_run){run.first + half.nr, run.nr - half.nr};
        return rc ? rc : report_split(ram, half);
    }
    rc = report_runs(ram, &run, 1);
    while (rc == -EINVAL && run.nr > 1) {
        half = (struct ram_run){run.first, run.nr / 2};
        rc = report_runs(ram, &half, 1);
        if (rc) {
            run.nr = half.nr;
        } else {
            run.first += half.nr;
            run.nr -= half.nr;
            rc = -EINVAL;
        }
    }
    return rc == -EINVAL ? 0 : rc;
}

static int flush(struct report *report)
{
    struct xen_ram *ram = report->ram;
    int rc = report->nr ? report_runs(ram, report->runs, report->nr) : 0;

    if (rc == -EINVAL) {
        rc = 0;
        for (unsigned i = 0; i < report->nr && rc == 0; i++)
            rc = report_split(ram, report->runs[i]);
    }
    if (rc) {
        ram_fail(ram, rc,
                 "%u runs of written pages cannot be reported to Xen: %s",
                 report->nr, strerror(-rc));
        for (unsigned i = 0; i < report->nr; i++)
            ram_bitmap_set(&ram->dirty.bitmaps[XEN_RAM_MIGRATION],
                           report->runs[i].first, report->runs[i].nr);
    }
    report->nr = 0;
    return rc;
}

static int add_run(uint64_t first, uint64_t nr, void *opaque)
{
    struct report *report = opaque;
    int rc = report->nr == RUNS ? flush(report) : 0;

    if (rc == 0)
        report->runs[report->nr++] = (struct ram_run){first, nr};
    return rc;
}

bool ram_dirty_started(const struct xen_ram *ram, enum xen_ram_client client)
{
    return atomic_load(&ram->dirty.clients) & 1u << client;
}

int xen_ram_report_dirty(struct xen_ram *ram)
{
    struct ram_bitmap *bitmap = &ram->dirty.bitmaps[XEN_RAM_MIGRATION];
    struct report report;
    int rc, last;

    if (!ram_dirty_started(ram, XEN_RAM_MIGRATION))
        return 0;
    report.ram = ram;
    report.nr = 0;
    rc = ram_bitmap_take(bitmap, 0, bitmap->nr, add_run, &report);
    last = flush(&report);
    return rc ? rc : last;
}

bool xen_ram_dirty_waits(const struct xen_ram *ram)
{
    return ram_dirty_started(ram, XEN_RAM_MIGRATION) &&
           ram_bitmap_any(&ram->dirty.bitmaps[XEN_RAM_MIGRATION]);
}

int xen_ram_dirty_start(struct xen_ram *ram, enum xen_ram_client client)
{
    struct ram_bitmap *bitmap = &ram->dirty.bitmaps[client];
    struct xen_mapcache_stats stats;
    int rc;

    /* What another thread still set after the last stop goes, too. */
    if (!ram->cache || ram_dirty_started(ram, client))
        return 0;
    if (bitmap->nr) {
        (void)ram_bitmap_take(bitmap, 0, bitmap->nr, NULL, NULL);
    } else {
        xen_mapcache_get_stats(ram->cache, &stats);
        rc = ram_bitmap_init(bitmap, stats.window >> RAM_PAGE_SHIFT);
        if (rc)
            return ram_fail(ram, rc, "no memory to log written pages");
    }
    atomic_fetch_or(&ram->dirty.clients, 1u << client);
    return 0;
}

void xen_ram_dirty_stop(struct xen_ram *ram, enum xen_ram_client client)
{
    atomic_fetch_and(&ram->dirty.clients, ~(1u << client));
    if (client == XEN_RAM_DISPLAY)
        ram_track_stop(ram);
}

int xen_ram_dirty_take(struct xen_ram *ram, enum xen_ram_client client,
                       uint64_t gfn, uint64_t nr, xen_ram_dirty_fn *fn,
                       void *opaque)
{
    if (!ram_dirty_started(ram, client))
        return 0;
    return ram_bitmap_take(&ram->dirty.bitmaps[client], gfn, nr, fn, opaque);
}

void ram_mark_gfns(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    unsigned clients = atomic_load(&ram->dirty.clients);

    for (; clients; clients &= clients - 1)
        ram_bitmap_set(&ram->dirty.bitmaps[__builtin_ctz(clients)], gfn, nr);
}

void ram_unmark_gfns(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    unsigned clients = atomic_load(&ram->dirty.clients);

    for (; clients; clients &= clients - 1)
        (void)ram_bitmap_take(&ram->dirty.bitmaps[__builtin_ctz(clients)], gfn,
                              nr, NULL, NULL);
}

void xen_ram_mark_dirty(struct xen_ram *ram, uint64_t gpa, uint64_t len)
{
    uint64_t first = gpa >> RAM_PAGE_SHIFT, last;

    if (len == 0 || len - 1 > UINT64_MAX - gpa)
        return;
    last = (gpa + len - 1) >> RAM_PAGE_SHIFT;
    ram_mark_gfns(ram, first, last - first + 1);
}

int xen_ram_log_dirty(struct xen_ram *ram, bool enable)
{
    if (enable)
        return xen_ram_dirty_start(ram, XEN_RAM_MIGRATION);
    xen_ram_dirty_stop(ram, XEN_RAM_MIGRATION);
    return 0;
}

void ram_dirty_fini(struct ram_dirty *dirty)
{
    for (unsigned i = 0; i < XEN_RAM_NR_CLIENTS; i++)
        ram_bitmap_fini(&dirty->bitmaps[i]);
}
