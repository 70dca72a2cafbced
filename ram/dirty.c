/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/dirty.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>

#include "ram/block.h"

/* A run's length is 32 bits wide in the call. */
#define RUN_MAX UINT64_C(0xffffffff)

static int report_runs(struct xen_ram *ram, const struct ram_run *runs,
                       unsigned nr)
{
    struct xen_dm_op_modified_memory_extent extents[RAM_DIRTY_RUNS];

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

int xen_ram_report_dirty(struct xen_ram *ram)
{
    struct ram_dirty *dirty = &ram->dirty;
    int rc;

    if (dirty->nr == 0)
        return 0;
    rc = report_runs(ram, dirty->runs, dirty->nr);
    if (rc == -EINVAL) {
        rc = 0;
        for (unsigned i = 0; i < dirty->nr && rc == 0; i++)
            rc = report_split(ram, dirty->runs[i]);
    }
    if (rc) {
        return ram_fail(ram, rc,
                        "%u runs of written pages cannot be reported to Xen: "
                        "%s",
                        dirty->nr, strerror(-rc));
    }
    dirty->nr = 0;
    return 0;
}

/* The union of both, when it is one run. */
static bool join(struct ram_run *run, uint64_t gfn, uint64_t nr)
{
    uint64_t first = run->first < gfn ? run->first : gfn;
    uint64_t end =
        run->first + run->nr > gfn + nr ? run->first + run->nr : gfn + nr;

    if (end - first > run->nr + nr || end - first > RUN_MAX)
        return false;
    *run = (struct ram_run){first, end - first};
    return true;
}

static uint64_t gap(const struct ram_run *a, const struct ram_run *b)
{
    if (a->first > b->first)
        return gap(b, a);
    return b->first > a->first + a->nr ? b->first - a->first - a->nr : 0;
}

/* Make room when Xen does not listen: the last run takes in its nearest. */
static void join_nearest(struct ram_dirty *dirty)
{
    struct ram_run *last = &dirty->runs[dirty->nr - 1], *near = NULL;
    uint64_t first, end;

    for (struct ram_run *run = dirty->runs; run < last; run++)
        if (!near || gap(run, last) < gap(near, last))
            near = run;
    first = near->first < last->first ? near->first : last->first;
    end = near->first + near->nr;
    if (end < last->first + last->nr)
        end = last->first + last->nr;
    *near = (struct ram_run){first, end - first};
    dirty->nr--;
}

void ram_mark_gfns(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    struct ram_dirty *dirty = &ram->dirty;

    if (!dirty->enabled || !ram->device || nr == 0)
        return;
    /* Writes come in streams: look at the newest runs only. */
    for (unsigned i = dirty->nr; i-- > 0 && i + 8 > dirty->nr;)
        if (join(&dirty->runs[i], gfn, nr))
            return;
    if (dirty->nr == RAM_DIRTY_RUNS && xen_ram_report_dirty(ram))
        join_nearest(dirty);
    dirty->runs[dirty->nr++] = (struct ram_run){gfn, nr};
}

void xen_ram_mark_dirty(struct xen_ram *ram, uint64_t gpa, uint64_t len)
{
    uint64_t first = gpa >> RAM_PAGE_SHIFT, last;

    if (!ram->dirty.enabled || len == 0 || len - 1 > UINT64_MAX - gpa)
        return;
    last = (gpa + len - 1) >> RAM_PAGE_SHIFT;
    while (last - first >= RUN_MAX) {
        ram_mark_gfns(ram, first, RUN_MAX);
        first += RUN_MAX;
    }
    ram_mark_gfns(ram, first, last - first + 1);
}

void xen_ram_log_dirty(struct xen_ram *ram, bool enable)
{
    ram->dirty.enabled = enable;
    if (!enable)
        ram->dirty.nr = 0;
}
