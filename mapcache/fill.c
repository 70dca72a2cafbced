/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/cache.h"

#include <errno.h>

#include "mapcache/epoch.h"

void cache_synchronize_unlock(struct xen_mapcache *cache)
{
    uint64_t ticket = ++cache->started;

    pthread_mutex_unlock(&cache->mutex);
    epoch_synchronize();
    pthread_mutex_lock(&cache->mutex);
    if (cache->completed < ticket)
        cache->completed = ticket;
    pthread_mutex_unlock(&cache->mutex);
}

void cache_synchronize(struct xen_mapcache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    cache_synchronize_unlock(cache);
}

static uint64_t first_gfn(const struct xen_mapcache *cache, uint64_t index)
{
    return index * cache->table.pages;
}

/* Is the page there now?  Costs a call for one page, never for a chunk. */
static int probe(struct xen_mapcache *cache, uint64_t gfn)
{
    void *page;
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_page_map(&cache->foreign, gfn, &page);
    if (rc == -EFAULT || rc == -ESRCH)
        cache_count(&cache->counters.holes);
    else if (rc)
        cache_count(&cache->counters.map_errors);
    if (rc)
        return rc;
    foreign_page_unmap(&cache->foreign, page);
    return 0;
}

/*
 * With no reader and no pin in the chunk, whose word is word.  Returns what is
 * wrong with the first bad page of [first, first + nr).
 */
static int map_chunk(struct xen_mapcache *cache, uint64_t index, uint64_t word,
                     unsigned first, unsigned nr)
{
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_relaxed);
    uint64_t full, mapped = cache->mapped - chunk_is_mapped(word);
    int error[FOREIGN_PAGES_MAX];
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_map(&cache->foreign, cache_host(cache, index),
                     first_gfn(cache, index), cache->table.pages, error);
    if (rc < 0) {
        cache_count(&cache->counters.map_errors);
        chunk_store(&cache->table, index, CHUNK_EMPTY);
        cache->mapped = mapped;
        return rc;
    }
    full = chunk_set_valid(&cache->table, index, error);
    if (rc == 0 && foreign_drop(cache_host(cache, index),
                                UINT64_C(1) << cache->shift) == 0) {
        chunk_store(&cache->table, index,
                    (key & CHUNK_GENERATION) | CHUNK_ABSENT);
        cache->mapped = mapped;
    } else {
        chunk_store(&cache->table, index, key | full);
        cache->mapped = mapped + 1;
    }
    for (unsigned page = first; page < first + nr; page++) {
        if (error[page]) {
            cache_count(&cache->counters.holes);
            return foreign_page_error(error[page]);
        }
    }
    return 0;
}

/*
 * A page of a current chunk was a hole when the chunk was mapped.  Xen tells
 * when a page goes, not when one comes, so the page is asked for each time.  If
 * it is there now, the chunk has to be mapped anew.
 */
static int refresh(struct xen_mapcache *cache, uint64_t index, unsigned page,
                   unsigned flags)
{
    uint64_t word;
    int rc = probe(cache, first_gfn(cache, index) + page);

    if (rc)
        return rc;
    if (!(flags & CACHE_MAY_WAIT))
        return -EBUSY;
    word = chunk_load(&cache->table, index);
    do {
        if (chunk_pins(word))
            return -EBUSY;
    } while (
        !chunk_swap(&cache->table, index, &word, word & ~CHUNK_GENERATION));
    cache_note_retired(cache);
    return -EAGAIN;
}

/* Of pages [first, first + nr) the first that is not valid, or first + nr. */
static unsigned first_hole(const struct xen_mapcache *cache, uint64_t index,
                           unsigned first, unsigned nr)
{
    unsigned page = first;

    while (page < first + nr && chunk_valid(&cache->table, index, page, 1))
        page++;
    return page;
}

static int fill_current(struct xen_mapcache *cache, uint64_t index,
                        unsigned first, unsigned nr, unsigned flags)
{
    uint64_t word = chunk_load(&cache->table, index);
    unsigned page;
    int rc;

    if (chunk_state(word) == CHUNK_ABSENT) {
        rc = probe(cache, first_gfn(cache, index) + first);
        if (rc == 0)
            rc = cache_make_room(cache, flags & CACHE_STRICT);
        return rc ? rc : map_chunk(cache, index, word, first, nr);
    }
    while (chunk_state(word) == CHUNK_RETIRED) {
        chunk_swap(&cache->table, index, &word,
                   (word & ~CHUNK_STATE) | CHUNK_MAPPED | CHUNK_REFERENCED);
        word = chunk_load(&cache->table, index);
    }
    page = first_hole(cache, index, first, nr);
    if (page == first + nr)
        return 0;
    return refresh(cache, index, page, flags);
}

static int fill_locked(struct xen_mapcache *cache, uint64_t index,
                       unsigned first, unsigned nr, unsigned flags)
{
    uint64_t word = chunk_load(&cache->table, index);
    int rc;

    if (chunk_state(word) != CHUNK_EMPTY && cache_is_current(cache, word))
        return fill_current(cache, index, first, nr, flags);
    if (chunk_is_mapped(word)) {
        /* A pin that raced with the invalidate shows by the end of grace. */
        if (!cache_grace_passed(cache))
            return -EAGAIN;
        if (chunk_pins(chunk_load(&cache->table, index)))
            return -EBUSY;
    } else {
        rc = cache_make_room(cache, flags & CACHE_STRICT);
        if (rc)
            return rc;
    }
    cache_count(&cache->counters.misses);
    return map_chunk(cache, index, word, first, nr);
}

int cache_fill(struct xen_mapcache *cache, uint64_t index, unsigned first,
               unsigned nr, unsigned flags)
{
    int rc;

    pthread_mutex_lock(&cache->mutex);
    rc = fill_locked(cache, index, first, nr, flags);
    pthread_mutex_unlock(&cache->mutex);
    if (rc == -EAGAIN && !(flags & CACHE_MAY_WAIT))
        rc = -EBUSY;
    return rc;
}
