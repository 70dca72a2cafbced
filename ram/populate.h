/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_POPULATE_H
#define RAM_POPULATE_H

/* Pages of a guest: get them from Xen, give them back.  0 or -errno. */

#include <stdint.h>

struct xencall_handle;

struct populate {
    struct xencall_handle *call;
    uint32_t domid;
    char *buffer; /* Xen can reach it: a request, a page of gfns */
};

/* What xencall_open gave, -ENOMEM. */
int populate_open(struct populate *populate, uint32_t domid);
void populate_close(struct populate *populate);

/*
 * Populate [gfn, gfn + nr), which are holes, with 2 MiB extents where they fit
 * and there are any.  All or nothing.  -ENOSPC: Xen has no more pages for the
 * guest, or at all.
 */
int populate_pages(struct populate *populate, uint64_t gfn, uint64_t nr);

/*
 * Give back what is there of [gfn, gfn + nr), holes are passed over.  On
 * failure *done pages from gfn on are gone (done may be NULL).
 */
int depopulate_pages(struct populate *populate, uint64_t gfn, uint64_t nr,
                     uint64_t *done);

/* Pages that the guest has, of any kind, and that Xen lets it have. */
int populate_room(struct populate *populate, uint64_t *used, uint64_t *limit);

#endif
