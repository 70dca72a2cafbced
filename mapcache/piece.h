/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_PIECE_H
#define MAPCACHE_PIECE_H

/* A range is used chunk by chunk: in pieces. */

#include "mapcache/cache.h"

#include <errno.h>

#define PAGE XEN_MAPCACHE_PAGE_SIZE
#define PAGE_SHIFT 12

/* A stretch of pages within one chunk. */
struct piece {
    uint64_t index;
    unsigned first, nr;
};

/* The first piece of [gpa, gpa + len), and its bytes. */
static inline uint64_t first_piece(const struct xen_mapcache *cache,
                                   uint64_t gpa, uint64_t len,
                                   struct piece *piece)
{
    uint64_t offset = gpa & cache->mask;
    uint64_t room = cache->mask - offset + 1;
    uint64_t last;

    if (len > room)
        len = room;
    last = (offset + len - 1) >> PAGE_SHIFT;
    piece->index = gpa >> cache->shift;
    piece->first = (unsigned)(offset >> PAGE_SHIFT);
    piece->nr = (unsigned)last - piece->first + 1;
    return len;
}

static inline bool usable(const struct xen_mapcache *cache,
                          const struct piece *piece, unsigned access,
                          uint64_t word)
{
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_acquire);
    uint64_t want = access & CACHE_WRITE ? CHUNK_WRITABLE : 0;

    return (word & (CHUNK_KEY | want)) == (key | want) &&
           chunk_shows(&cache->table, piece->index, word, piece->first,
                       piece->nr);
}

static inline bool piece_usable(const struct xen_mapcache *cache,
                                const struct piece *piece, unsigned access)
{
    return usable(cache, piece, access,
                  chunk_load(&cache->table, piece->index));
}

/*
 * Also notes the use for the clock.  The access that maps a chunk does not
 * count: chunks that are read once must not displace those that are in use.
 */
static inline bool piece_hit(struct xen_mapcache *cache,
                             const struct piece *piece, unsigned access)
{
    uint64_t word = chunk_load(&cache->table, piece->index);

    if (!usable(cache, piece, access, word))
        return false;
    if (!(word & CHUNK_REFERENCED)) {
        atomic_fetch_or_explicit(&cache->table.words[piece->index],
                                 CHUNK_REFERENCED, memory_order_relaxed);
    }
    return true;
}

/* -EINVAL: nothing; -ERANGE: outside of the window. */
static inline int check_range(const struct xen_mapcache *cache, uint64_t gpa,
                              uint64_t len)
{
    if (len == 0)
        return -EINVAL;
    if (gpa > cache->size || len > cache->size - gpa)
        return -ERANGE;
    return 0;
}

/*
 * Map a piece, access being CACHE_WRITE, CACHE_READ_ONLY or neither.  alone:
 * the caller has no other piece that it found before.  Errors as cache_fill.
 */
int piece_fill(struct xen_mapcache *cache, const struct piece *piece,
               unsigned access, bool alone, unsigned tries);

#endif
