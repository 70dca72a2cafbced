/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_MAPCACHE_BLOCKS_H
#define TESTS_MAPCACHE_BLOCKS_H

/* Chunks of 256 pages, of which 32 are mapped for a first access. */

#include "tests/unit/mapcache-guest.h"

#define LARGE 256u /* pages of a chunk */
#define BLOCK 32u  /* pages of a block */
#define BLOCKS (LARGE / BLOCK)
#define BLOCK_BYTES ((uint64_t)BLOCK * PAGE)
#define GFN UINT64_C(0x300) /* first of a chunk */
#define IN(block) (GFN + (block)*BLOCK + 5)

/* A cache of such chunks, as the state too. */
struct xen_mapcache *blocks_open(void **state, unsigned budget_blocks);

/* A look-up shows the right frame; returns how many pages it had mapped. */
unsigned blocks_mapped_for(struct xen_mapcache *cache, uint64_t gfn);

/* So much is mapped, and in so many areas. */
void blocks_assert_mapped(struct xen_mapcache *cache, unsigned blocks,
                          unsigned areas);

#endif
