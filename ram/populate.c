/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/populate.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/memory.h>
#include <xencall.h>

#define LARGE_ORDER 9u /* 2 MiB */
#define LARGE_PAGES (UINT64_C(1) << LARGE_ORDER)

/* One page of the buffer holds this many gfns. */
#define BATCH 512u
#define BUFFER_PAGES 2

int populate_open(struct populate *populate, uint32_t domid)
{
    populate->domid = domid;
    populate->call = xencall_open(NULL, 0);
    if (!populate->call)
        return errno ? -errno : -ENODEV;
    /* Kept: each would be two calls to Linux. */
    populate->buffer = xencall_alloc_buffer_pages(populate->call, BUFFER_PAGES);
    if (!populate->buffer) {
        xencall_close(populate->call);
        return -ENOMEM;
    }
    return 0;
}

void populate_close(struct populate *populate)
{
    xencall_free_buffer_pages(populate->call, populate->buffer, BUFFER_PAGES);
    xencall_close(populate->call);
}

/* Returns how many of nr extents from gfn on were done, or -errno. */
static int request(struct populate *populate, unsigned command, uint64_t gfn,
                   unsigned nr, unsigned order)
{
    struct xen_memory_reservation *reservation = (void *)populate->buffer;
    xen_pfn_t *gfns = (void *)(populate->buffer + 4096);
    int rc;

    for (unsigned i = 0; i < nr; i++)
        gfns[i] = gfn + ((uint64_t)i << order);
    *reservation = (struct xen_memory_reservation){
        .nr_extents = nr,
        .extent_order = order,
        .domid = (domid_t)populate->domid,
    };
    set_xen_guest_handle_raw(reservation->extent_start, gfns);
    rc = xencall2(populate->call, __HYPERVISOR_memory_op, command,
                  (uintptr_t)reservation);
    if (rc < 0)
        return errno ? -errno : -EIO;
    return rc;
}

/*
 * Pages that one batch from gfn on may ask for: large extents where alignment
 * allows, single pages up to the next place where it does.
 */
static unsigned batch_size(uint64_t gfn, uint64_t nr, bool large,
                           unsigned *order)
{
    uint64_t extents = nr, to_boundary = -gfn & (LARGE_PAGES - 1);

    *order = 0;
    if (large && to_boundary == 0 && nr >= LARGE_PAGES) {
        *order = LARGE_ORDER;
        extents = nr >> LARGE_ORDER;
    } else if (large && to_boundary && nr >= to_boundary + LARGE_PAGES) {
        extents = to_boundary;
    }
    return extents < BATCH ? (unsigned)extents : BATCH;
}

static int populate_some(struct populate *populate, uint64_t gfn, uint64_t nr,
                         uint64_t *done)
{
    bool large = true;
    unsigned order, ask;
    int rc;

    for (*done = 0; *done < nr;) {
        ask = batch_size(gfn + *done, nr - *done, large, &order);
        rc =
            request(populate, XENMEM_populate_physmap, gfn + *done, ask, order);
        if (rc < 0)
            return rc;
        *done += (uint64_t)rc << order;
        if ((unsigned)rc < ask) {
            if (order == 0)
                return -ENOSPC;
            /* No 2 MiB in one piece: there may still be pages. */
            large = false;
        }
    }
    return 0;
}

static int depopulate_some(struct populate *populate, uint64_t gfn, uint64_t nr,
                           uint64_t *done)
{
    unsigned ask;
    int rc;

    for (*done = 0; *done < nr;) {
        ask = nr - *done < BATCH ? (unsigned)(nr - *done) : BATCH;
        rc =
            request(populate, XENMEM_decrease_reservation, gfn + *done, ask, 0);
        if (rc < 0)
            return rc;
        /* It stops at a page that is not there. */
        *done += (unsigned)rc < ask ? (uint64_t)rc + 1 : (uint64_t)rc;
    }
    return 0;
}

int populate_pages(struct populate *populate, uint64_t gfn, uint64_t nr)
{
    uint64_t done, back;
    int rc = populate_some(populate, gfn, nr, &done);

    if (rc)
        (void)depopulate_some(populate, gfn, done, &back);
    return rc;
}

int depopulate_pages(struct populate *populate, uint64_t gfn, uint64_t nr,
                     uint64_t *done)
{
    uint64_t gone;
    int rc = depopulate_some(populate, gfn, nr, &gone);

    if (done)
        *done = gone;
    return rc;
}

static int ask(struct populate *populate, unsigned command, uint64_t *pages)
{
    domid_t *domid = (void *)populate->buffer;
    int rc;

    *domid = (domid_t)populate->domid;
    rc = xencall2(populate->call, __HYPERVISOR_memory_op, command,
                  (uintptr_t)domid);
    if (rc < 0)
        return errno ? -errno : -EIO;
    *pages = (unsigned)rc;
    return 0;
}

int populate_room(struct populate *populate, uint64_t *used, uint64_t *limit)
{
    int rc = ask(populate, XENMEM_current_reservation, used);

    return rc ? rc : ask(populate, XENMEM_maximum_reservation, limit);
}
