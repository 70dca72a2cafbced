/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_BITMAP_H
#define RAM_BITMAP_H

/*
 * A bit a page, and above it two levels of bits that say where to look: a clean
 * terabyte is a look at 8 KiB.  Any number of threads set while one takes.
 *
 * Who sets goes upwards and sees to it that each level above is set; who takes
 * clears downwards.  So a bit that was set before a take begins is taken by it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ram_bitmap {
    uint64_t nr; /* bits */
    size_t bytes;
    _Atomic uint64_t *words;  /* a bit a page */
    _Atomic uint64_t *groups; /* a bit a word, 4096 pages a word */
    _Atomic uint64_t *tops;   /* a bit a word of groups */
};

/* All clear.  Memory is found as it is needed.  -ENOMEM: no address space. */
int ram_bitmap_init(struct ram_bitmap *bitmap, uint64_t nr);
void ram_bitmap_fini(struct ram_bitmap *bitmap);

/* What leaves the bitmap is passed over. */
void ram_bitmap_set(struct ram_bitmap *bitmap, uint64_t first, uint64_t nr);
bool ram_bitmap_any(const struct ram_bitmap *bitmap);

/*
 * Clear the bits of [first, first + nr) and give them to fn (NULL: to nobody)
 * as runs, upwards, neighbours in one.  When fn returns other than 0 the take
 * ends with that; its run and what follows are set again.
 */
typedef int ram_bitmap_fn(uint64_t first, uint64_t nr, void *opaque);
int ram_bitmap_take(struct ram_bitmap *bitmap, uint64_t first, uint64_t nr,
                    ram_bitmap_fn *fn, void *opaque);

#endif
