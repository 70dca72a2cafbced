/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

/* A guest of fakexen's whose memory the map cache's benchmarks use. */

#include <stddef.h>
#include <stdint.h>

#define DOMID 1u
#define PAGE 4096u
#define CHUNK (UINT64_C(1) << 20)   /* the map cache's own choice */
#define BLOCK (UINT64_C(128) << 10) /* of it, for one access */
#define GUEST (UINT64_C(8) << 30)
/* 8 GiB without a hole are here. */
#define RAM (UINT64_C(4) << 30)

#define SEED UINT64_C(88172645463325252)

struct xen_mapcache;

/* A new machine with that guest. */
void guest_create(void);

/* A cache of it, default values but for the budget (0: that too). */
struct xen_mapcache *guest_open(uint64_t budget);

/* Look up, end the program when that fails. */
void *guest_look_up(struct xen_mapcache *cache, uint64_t gpa, size_t len);

/*
 * Map the first bytes of RAM by the library of Xen's alone, len bytes a call at
 * each stride; what exceeds the budget is dropped one by one.  Returns ns.
 */
double guest_raw_map(uint64_t bytes, uint64_t stride, uint64_t len,
                     uint64_t budget);

static inline uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A page of the guest's. */
static inline uint64_t random_page(uint64_t *seed)
{
    return RAM + (next_random(seed) & (GUEST - PAGE));
}

#endif
