/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_HOLES_H
#define MAPCACHE_HOLES_H

/*
 * Holes that were asked for a moment ago, so that a guest that points at one
 * does not cost a call to Xen for each byte.  Small and fixed: what a guest
 * probes takes no memory.  The caller keeps threads apart.
 */

#include <stdbool.h>
#include <stdint.h>

#define HOLES_PAGES 16u
#define HOLES_BLOCKS 16u
/* How long a page is remembered.  It may be there since, so this is short. */
#define HOLES_NS 1000000u

struct holes {
    struct hole {
        uint64_t gfn;
        uint64_t until; /* ns of CLOCK_MONOTONIC; 0: unused */
    } pages[HOLES_PAGES];
    /* Number + 1 of blocks that were nothing but holes: ask for a page first.
     */
    uint64_t blocks[HOLES_BLOCKS];
    unsigned next_page, next_block;
};

void holes_note_page(struct holes *holes, uint64_t gfn);
/* Was a page of [gfn, gfn + nr) noted within the last HOLES_NS? */
bool holes_find_page(const struct holes *holes, uint64_t gfn, uint64_t nr);

void holes_note_block(struct holes *holes, uint64_t block);
/* Was the block noted?  It is not from now on. */
bool holes_take_block(struct holes *holes, uint64_t block);

void holes_forget(struct holes *holes);

#endif
