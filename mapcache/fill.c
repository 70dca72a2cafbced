/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/cache.h"

#include <errno.h>

#include "mapcache/epoch.h"
#include "mapcache/probes.h"

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
    if (rc == 0) {
        foreign_page_unmap(&cache->foreign, page);
    } else if (rc == -EFAULT) {
        cache_count(&cache->counters.holes);
        holes_note_page(&cache->holes, gfn);
    } else {
        cache_count(rc == -ESRCH ? &cache->counters.holes
                                 : &cache->counters.map_errors);
    }
    return rc;
}

/* What is wrong with the first bad page of [first, first + nr). */
static int first_error(struct xen_mapcache *cache, uint64_t index,
                       unsigned first, unsigned nr, const int error[])
{
    int rc = 0;

    for (unsigned page = first; page < first + nr && rc == 0; page++) {
        rc = foreign_page_error(error[page]);
        if (rc == -EFAULT)
            holes_note_page(&cache->holes, first_gfn(cache, index) + page);
    }
    if (rc)
        cache_count(&cache->counters.holes);
    return rc;
}

/* With no reader and no pin in the chunk, whose word is word. */
static int map_chunk(struct xen_mapcache *cache, uint64_t index, uint64_t word,
                     unsigned first, unsigned nr, unsigned flags)
{
    bool writable = !(flags & CACHE_READ_ONLY) || (word & CHUNK_WRITABLE);
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_relaxed);
    uint64_t mapped = cache->mapped - chunk_is_mapped(word);
    void *host = cache_host(cache, index);
    int error[FOREIGN_PAGES_MAX];
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_map(&cache->foreign, host, first_gfn(cache, index),
                     cache->table.pages, writable, error);
    PROBE_MAP(index << cache->shift, cache->mask + 1, rc);
    if (rc < 0) {
        cache_count(&cache->counters.map_errors);
        chunk_store(&cache->table, index, CHUNK_EMPTY);
        cache->mapped = mapped;
        return rc;
    }
    if (rc == 0 && foreign_drop(host, UINT64_C(1) << cache->shift) == 0) {
        if (chunk_is_mapped(word))
            chunk_store(&cache->table, index, CHUNK_EMPTY);
        cache->mapped = mapped;
        holes_note_chunk(&cache->holes, index);
    } else {
        key |= chunk_set_valid(&cache->table, index, error);
        key |= writable ? CHUNK_WRITABLE : 0;
        chunk_store(&cache->table, index, key);
        cache->mapped = mapped + 1;
    }
    return first_error(cache, index, first, nr, error);
}

int cache_refill(struct xen_mapcache *cache, uint64_t index, unsigned first,
                 unsigned nr)
{
    const uint64_t kept = CHUNK_PINS | CHUNK_WRITABLE | CHUNK_REFERENCED;
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_relaxed);
    uint64_t word = chunk_load(&cache->table, index);
    uint64_t mapped = cache->mapped - chunk_is_mapped(word);
    int error[FOREIGN_PAGES_MAX];
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_map(&cache->foreign, cache_host(cache, index),
                     first_gfn(cache, index), cache->table.pages,
                     word & CHUNK_WRITABLE, error);
    if (rc < 0) {
        cache_count(&cache->counters.map_errors);
        while (!chunk_swap(&cache->table, index, &word, word & kept)) {
        }
        cache->mapped = mapped;
        return rc;
    }
    cache->mapped = mapped + 1;
    key |= chunk_set_valid(&cache->table, index, error);
    while (!chunk_swap(&cache->table, index, &word, key | (word & kept))) {
    }
    return first_error(cache, index, first, nr, error);
}

/* A page of [first, first + nr) was absent a moment ago. */
static bool known_hole(struct xen_mapcache *cache, uint64_t index,
                       unsigned first, unsigned nr)
{
    if (!holes_find_page(&cache->holes, first_gfn(cache, index) + first, nr))
        return false;
    cache_count(&cache->counters.holes);
    return true;
}

/*
 * Have a current chunk mapped anew when its readers have left it, in the way
 * that wish, CHUNK_WRITABLE or 0, says.
 */
static int renew(struct xen_mapcache *cache, uint64_t index, uint64_t wish,
                 unsigned flags)
{
    uint64_t word = chunk_load(&cache->table, index);

    if (!(flags & CACHE_MAY_WAIT))
        return -EBUSY;
    do {
        if (chunk_pins(word))
            return -EBUSY;
    } while (!chunk_swap(&cache->table, index, &word,
                         (word & ~CHUNK_GENERATION) | wish));
    cache_note_retired(cache);
    return -EAGAIN;
}

/*
 * A page of a current chunk was a hole when the chunk was mapped.  Xen tells
 * when a page goes, not when one comes, so the page is asked for again.  If it
 * is there now, the chunk has to be mapped anew.
 */
static int refresh(struct xen_mapcache *cache, uint64_t index, unsigned page,
                   unsigned flags)
{
    int rc;

    if (known_hole(cache, index, page, 1))
        return -EFAULT;
    rc = probe(cache, first_gfn(cache, index) + page);
    return rc ? rc : renew(cache, index, 0, flags);
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

    while (chunk_state(word) == CHUNK_RETIRED) {
        chunk_swap(&cache->table, index, &word,
                   (word & ~CHUNK_STATE) | CHUNK_MAPPED | CHUNK_REFERENCED);
        word = chunk_load(&cache->table, index);
    }
    page = word & CHUNK_FULL ? first + nr : first_hole(cache, index, first, nr);
    if (page < first + nr)
        return refresh(cache, index, page, flags);
    if ((flags & CACHE_WRITE) && !(word & CHUNK_WRITABLE))
        return renew(cache, index, CHUNK_WRITABLE, flags);
    return 0;
}

static int fill_locked(struct xen_mapcache *cache, uint64_t index,
                       unsigned first, unsigned nr, unsigned flags)
{
    uint64_t word = chunk_load(&cache->table, index);
    int rc = 0;

    if (chunk_is_mapped(word) && cache_is_current(cache, word))
        return fill_current(cache, index, first, nr, flags);
    if (known_hole(cache, index, first, nr))
        return -EFAULT;
    if (chunk_is_mapped(word)) {
        /* A pin that raced with the invalidate shows by the end of grace. */
        if (!cache_grace_passed(cache))
            return -EAGAIN;
        if (chunk_pins(chunk_load(&cache->table, index)))
            return -EBUSY;
    } else if (chunk_pins(word)) {
        return -EBUSY;
    } else {
        if (holes_take_chunk(&cache->holes, index)) {
            rc = probe(cache, first_gfn(cache, index) + first);
            if (rc == -EFAULT)
                holes_note_chunk(&cache->holes, index);
        }
        if (rc == 0)
            rc = chunk_provide(&cache->table, index);
        if (rc == 0)
            rc = cache_make_room(cache, flags & CACHE_STRICT);
        if (rc)
            return rc;
    }
    cache_count(&cache->counters.misses);
    return map_chunk(cache, index, word, first, nr, flags);
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
