/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_PERSISTENT_H
#define DM_PV_PERSISTENT_H

/*
 * Grants that a frontend uses again and again, and that therefore stay mapped
 * (feature-persistent).  As many as a frontend with one page of ring and 32
 * segments a request has; what goes beyond is for the caller to copy.
 */

#include <stdint.h>

struct xen_grants;

#define PERSISTENT_MAX 1088u
#define PERSISTENT_BUCKETS 2048u

struct persistent_grant {
    uint32_t ref;
    uint8_t *page; /* NULL: free */
};

struct persistent_region {
    void *addr;
    unsigned nr;
};

struct persistent {
    struct xen_grants *grants;
    unsigned nr, nr_regions;
    struct persistent_grant table[PERSISTENT_BUCKETS];
    struct persistent_region regions[PERSISTENT_MAX];
};

/* -ENOMEM. */
int persistent_new(struct xen_grants *grants, struct persistent **out);
/* Unmaps them all.  NULL is fine. */
void persistent_free(struct persistent *persistent);

/*
 * The pages of nr grants (at most PERSISTENT_BATCH), mapped when they are not.
 * A failure maps none: -ENOSPC: the table is full; else what mapping said (a
 * number that is no grant, a grant to read only).
 */
#define PERSISTENT_BATCH 64u
int persistent_get(struct persistent *persistent, const uint32_t *refs,
                   unsigned nr, uint8_t **pages);

#endif
