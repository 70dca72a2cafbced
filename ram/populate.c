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

/* One page of the call's buffer holds this many gfns. */
#define BATCH 512u

struct request {
    xencall_handle *call;
    domid_t domid;
    struct xen_memory_reservation *reservation;
    xen_pfn_t *gfns;
};

static int request_init(struct request *request, xencall_handle *call,
                        uint32_t domid)
{
    char *buffer = xencall_alloc_buffer_pages(call, 2);

    if (!buffer)
        return -ENOMEM;
    *request = (struct request){
        .call = call,
        .domid = (domid_t)domid,
        .reservation = (void *)buffer,
        .gfns = (void *)(buffer + 4096),
    };
    return 0;
}

static void request_fini(struct request *request)
{
    xencall_free_buffer_pages(request->call, request->reservation, 2);
}

/* Returns how many of nr extents from gfn on were done, or -errno. */
static int request_batch(struct request *request, unsigned command,
                         uint64_t gfn, unsigned nr, unsigned order)
{
    int rc;

    for (unsigned i = 0; i < nr; i++)
        request->gfns[i] = gfn + ((uint64_t)i << order);
    *request->reservation = (struct xen_memory_reservation){
        .nr_extents = nr,
        .extent_order = order,
        .domid = request->domid,
    };
    set_xen_guest_handle_raw(request->reservation->extent_start, request->gfns);
    rc = xencall2(request->call, __HYPERVISOR_memory_op, command,
                  (uintptr_t)request->reservation);
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

static int populate_with(struct request *request, uint64_t gfn, uint64_t nr,
                         uint64_t *done)
{
    bool large = true;
    unsigned order, ask;
    int rc;

    for (*done = 0; *done < nr;) {
        ask = batch_size(gfn + *done, nr - *done, large, &order);
        rc = request_batch(request, XENMEM_populate_physmap, gfn + *done, ask,
                           order);
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

static int depopulate_with(struct request *request, uint64_t gfn, uint64_t nr,
                           uint64_t *done)
{
    unsigned ask;
    int rc;

    for (*done = 0; *done < nr;) {
        ask = nr - *done < BATCH ? (unsigned)(nr - *done) : BATCH;
        rc = request_batch(request, XENMEM_decrease_reservation, gfn + *done,
                           ask, 0);
        if (rc < 0)
            return rc;
        /* It stops at a page that is not there. */
        *done += (unsigned)rc < ask ? (uint64_t)rc + 1 : (uint64_t)rc;
    }
    return 0;
}

int populate_pages(struct xencall_handle *call, uint32_t domid, uint64_t gfn,
                   uint64_t nr)
{
    struct request request;
    uint64_t done, back;
    int rc = request_init(&request, call, domid);

    if (rc)
        return rc;
    rc = populate_with(&request, gfn, nr, &done);
    if (rc)
        (void)depopulate_with(&request, gfn, done, &back);
    request_fini(&request);
    return rc;
}

int depopulate_pages(struct xencall_handle *call, uint32_t domid, uint64_t gfn,
                     uint64_t nr, uint64_t *done)
{
    struct request request;
    uint64_t gone = 0;
    int rc = request_init(&request, call, domid);

    if (rc == 0) {
        rc = depopulate_with(&request, gfn, nr, &gone);
        request_fini(&request);
    }
    if (done)
        *done = gone;
    return rc;
}
