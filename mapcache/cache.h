/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_CACHE_H
#define MAPCACHE_CACHE_H

/*
 * What the files of mapcache/ share.
 *
 * Grace.  A chunk that readers may still be using is first made unreachable
 * (its key no longer matches) and noted in retired_at; it is replaced or
 * dropped once a synchronisation that started later has completed, and only
 * with no pins.  The mutex is never held during a synchronisation: a thread
 * that waits for the mutex is online.
 *
 * A chunk is replaced and dropped with all its areas, which the kernel does not
 * let be cut.  More of it is mapped beside them, where no reader can be, and
 * needs no grace.
 */

#include "xenram/mapcache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "mapcache/chunk.h"
#include "mapcache/foreign.h"
#include "mapcache/holes.h"

struct cache_counters {
    _Atomic uint64_t misses, map_calls, map_errors, holes, evictions,
        invalidates;
};

#define CACHE_LINE 64

/*
 * Of areas that are not pinned.  With what is not mapped between them they are
 * half of the 65530 that a process has.
 */
#define CACHE_AREAS_MAX 16384u

struct xen_mapcache {
    /* What a hit reads is in one line, which misses do not write. */
    _Alignas(CACHE_LINE) uint8_t *window;
    uint64_t size;        /* bytes of the window */
    uint64_t mask;        /* of an offset in a chunk */
    unsigned shift;       /* of a chunk's bytes */
    _Atomic uint64_t key; /* CHUNK_KEY of a chunk that may be used */
    struct chunk_table table;
    struct foreign foreign;
    uint64_t budget; /* bytes */
    uint64_t limit;  /* blocks mapped without pins */

    /* Of all below, and of what chunk.h says. */
    _Alignas(CACHE_LINE) pthread_mutex_t mutex;
    _Atomic uint64_t mapped;     /* blocks; written under the mutex */
    uint64_t areas;              /* of the kernel, in all chunks */
    uint64_t hand;               /* where the clock goes on */
    bool waiting;                /* some chunk may wait for being dropped */
    uint64_t started, completed; /* synchronisations */
    uint64_t retired_at;         /* started, when a chunk was last retired */
    struct holes holes;

    struct cache_counters counters;
};

enum cache_fill_flags {
    CACHE_MAY_WAIT = 1u << 0,  /* the caller will synchronise if told to */
    CACHE_STRICT = 1u << 1,    /* rather -EAGAIN than over the budget */
    CACHE_WRITE = 1u << 2,     /* the caller may write */
    CACHE_READ_ONLY = 1u << 3, /* a map for it need not let anyone write */
};

/*
 * Map chunk index, so that its pages [first, first + nr) can be used.  A chunk
 * that was mapped for writing stays so until it is dropped.
 * -EAGAIN: call cache_synchronize and try again.
 * -EBUSY:  in use, and cannot be replaced now.
 * other:   as xen_mapcache_lookup.
 */
int cache_fill(struct xen_mapcache *cache, uint64_t index, unsigned first,
               unsigned nr, unsigned flags);

/*
 * Pages as the guest has them at this moment, mapped outside of the window
 * until foreign_aside_unmap.  Errors as foreign_aside_map.
 */
int cache_map_aside(struct xen_mapcache *cache, uint64_t gfn, unsigned pages,
                    void **host);

/*
 * With the mutex, after grace: map an invalidated chunk anew under its pins.
 * Errors of its pages [first, first + nr) as cache_fill; if the map fails
 * nothing is mapped under the pins.
 */
int cache_refill(struct xen_mapcache *cache, uint64_t index, unsigned first,
                 unsigned nr);

/*
 * Called without the mutex, and with it; returns without.  The caller's epoch
 * ends.
 */
void cache_synchronize(struct xen_mapcache *cache);
void cache_synchronize_unlock(struct xen_mapcache *cache);

/* With the mutex: no reader can be in a chunk that was retired. */
static inline bool cache_grace_passed(const struct xen_mapcache *cache)
{
    return cache->completed > cache->retired_at;
}

/* With the mutex: later retirements need a later synchronisation. */
static inline void cache_note_retired(struct xen_mapcache *cache)
{
    cache->retired_at = cache->started;
    cache->waiting = true;
}

/*
 * With the mutex: room for that many more blocks, of chunk index, which is left
 * as it is.  -EAGAIN only if strict.
 */
int cache_make_room(struct xen_mapcache *cache, uint64_t index, unsigned blocks,
                    bool strict);

/* With the mutex: the word of a chunk was before, and is now after. */
static inline void cache_account(struct xen_mapcache *cache, uint64_t before,
                                 uint64_t after)
{
    cache->mapped += (uint64_t)chunk_nr_blocks(after) - chunk_nr_blocks(before);
    cache->areas += (uint64_t)chunk_nr_areas(after) - chunk_nr_areas(before);
}

static inline bool cache_is_current(const struct xen_mapcache *cache,
                                    uint64_t word)
{
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_relaxed);

    return ((word ^ key) & CHUNK_GENERATION) == 0;
}

static inline uint64_t cache_block_bytes(const struct xen_mapcache *cache)
{
    return (uint64_t)XEN_MAPCACHE_PAGE_SIZE << cache->table.block_shift;
}

static inline void *cache_host(const struct xen_mapcache *cache, uint64_t index)
{
    return cache->window + (index << cache->shift);
}

static inline void cache_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
