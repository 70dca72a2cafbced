/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_RUN_H
#define MAPCACHE_RUN_H

/*
 * Which blocks of a chunk a miss maps, in one call.
 *
 * What is touched here and there is mapped in single blocks.  An access beside
 * what is mapped goes on in order, and a chunk that missed twice is in use: the
 * next call maps all that is missing there, as far as the next block that is
 * mapped or the end of the chunk.  So a chunk is five areas of the kernel at
 * most.
 */

#include "mapcache/cache.h"

/* From the first of these blocks, the first one in bit 0, to the last. */
static inline struct run run_over(unsigned blocks)
{
    unsigned first = (unsigned)__builtin_ctz(blocks);
    unsigned end = 32 - (unsigned)__builtin_clz(blocks);

    return (struct run){.first = first, .nr = end - first};
}

/*
 * For pages [first, first + nr) of a chunk that is not current: what has been
 * mapped of it, which is replaced, is mapped again.
 */
struct run run_anew(const struct xen_mapcache *cache, uint64_t index,
                    uint64_t word, unsigned first, unsigned nr);

/*
 * For those of a current one, whose page first is in no mapped block: what can
 * be mapped in one call beside the others.
 */
struct run run_beside(const struct xen_mapcache *cache, uint64_t index,
                      uint64_t word, unsigned first, unsigned nr);

#endif
