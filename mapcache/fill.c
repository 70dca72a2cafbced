/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/cache.h"

#include <errno.h>

#include "mapcache/epoch.h"
#include "mapcache/probes.h"
#include "mapcache/run.h"

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

/* Of the block that a page of a chunk is in, among all blocks. */
static uint64_t block_number(const struct xen_mapcache *cache, uint64_t index,
                             unsigned page)
{
    return (first_gfn(cache, index) + page) >> cache->table.block_shift;
}

/* Is the page there now?  Costs a call for one page, never for a chunk. */
static int probe(struct xen_mapcache *cache, uint64_t gfn)
{
    void *page;
    int rc;

    rc = cache_map_aside(cache, gfn, 1, &page);
    if (rc == 0)
        foreign_aside_unmap(&cache->foreign, page, 1);
    else if (rc == -EFAULT)
        holes_note_page(&cache->holes, gfn);
    return rc;
}

/*
 * A block that was nothing but holes is asked for one page before it is asked
 * for as a whole.
 */
static int ask_first(struct xen_mapcache *cache, uint64_t index, unsigned first)
{
    uint64_t block = block_number(cache, index, first);
    int rc;

    if (!holes_take_block(&cache->holes, block))
        return 0;
    rc = probe(cache, first_gfn(cache, index) + first);
    if (rc == -EFAULT)
        holes_note_block(&cache->holes, block);
    return rc;
}

/*
 * What is wrong with the first bad page of [first, first + nr), as far as run
 * was mapped.
 */
static int first_error(struct xen_mapcache *cache, uint64_t index,
                       struct run run, unsigned first, unsigned nr,
                       const int error[])
{
    unsigned from = run.first << cache->table.block_shift;
    unsigned end = (run.first + run.nr) << cache->table.block_shift;
    int rc = 0;

    if (end > first + nr)
        end = first + nr;
    for (unsigned page = first < from ? from : first; page < end && rc == 0;
         page++) {
        rc = foreign_page_error(error[page - from]);
        if (rc == -EFAULT)
            holes_note_page(&cache->holes, first_gfn(cache, index) + page);
    }
    if (rc)
        cache_count(&cache->counters.holes);
    return rc;
}

static void *run_host(const struct xen_mapcache *cache, uint64_t index,
                      struct run run)
{
    return (uint8_t *)cache_host(cache, index) +
           run.first * cache_block_bytes(cache);
}

/* One call.  Returns as foreign_map. */
static int map_run(struct xen_mapcache *cache, uint64_t index, struct run run,
                   bool writable, int error[])
{
    unsigned shift = cache->table.block_shift;
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_map(&cache->foreign, run_host(cache, index, run),
                     first_gfn(cache, index) + (run.first << shift),
                     run.nr << shift, writable, error);
    PROBE_MAP((index << cache->shift) + run.first * cache_block_bytes(cache),
              run.nr * cache_block_bytes(cache), rc);
    if (rc < 0)
        cache_count(&cache->counters.map_errors);
    return rc;
}

/* Give back a run that turned out to be nothing but holes; false: cannot. */
static bool drop_holes(struct xen_mapcache *cache, uint64_t index,
                       struct run run, unsigned first)
{
    if (foreign_drop(run_host(cache, index, run),
                     run.nr * cache_block_bytes(cache)))
        return false;
    holes_note_block(&cache->holes, block_number(cache, index, first));
    return true;
}

/*
 * With no reader and no pin in the chunk, whose word is word: map run, which
 * covers all that is mapped of it, and nothing else.
 */
static int map_chunk(struct xen_mapcache *cache, uint64_t index, uint64_t word,
                     struct run run, unsigned first, unsigned nr,
                     unsigned flags)
{
    bool writable = !(flags & CACHE_READ_ONLY) || (word & CHUNK_WRITABLE);
    uint64_t next = CHUNK_EMPTY;
    int error[FOREIGN_PAGES_MAX];
    int rc = map_run(cache, index, run, writable, error);

    if (rc > 0 || (rc == 0 && !drop_holes(cache, index, run, first))) {
        next = atomic_load_explicit(&cache->key, memory_order_relaxed);
        next |= CHUNK_AREA | (writable ? CHUNK_WRITABLE : 0);
        next |= chunk_set_valid(&cache->table, index, CHUNK_SOLID, run, error);
    }
    if (chunk_is_mapped(next) || chunk_is_mapped(word)) {
        chunk_store(&cache->table, index, next);
        cache_account(cache, word, next);
    }
    return rc < 0 ? rc : first_error(cache, index, run, first, nr, error);
}

/*
 * Of a current chunk, which may have readers and pins, map run, of which
 * nothing is mapped.
 */
static int map_more(struct xen_mapcache *cache, uint64_t index, uint64_t word,
                    struct run run, unsigned first, unsigned nr)
{
    const uint64_t mapped = CHUNK_FULL | CHUNK_SOLID | CHUNK_BLOCKS;
    int error[FOREIGN_PAGES_MAX];
    int rc = map_run(cache, index, run, word & CHUNK_WRITABLE, error);
    uint64_t bits, next;

    if (rc < 0)
        return rc;
    if (rc > 0 || !drop_holes(cache, index, run, first)) {
        bits = chunk_set_valid(&cache->table, index, word, run, error);
        do {
            next = ((word & ~mapped) | bits) + CHUNK_AREA;
        } while (!chunk_swap(&cache->table, index, &word, next));
        cache_account(cache, word, next);
    }
    return first_error(cache, index, run, first, nr, error);
}

int cache_refill(struct xen_mapcache *cache, uint64_t index, unsigned first,
                 unsigned nr)
{
    const uint64_t kept = CHUNK_PINS | CHUNK_WRITABLE | CHUNK_REFERENCED;
    uint64_t word = chunk_load(&cache->table, index), bits, next;
    struct run run = run_over(chunk_blocks(word));
    int error[FOREIGN_PAGES_MAX];
    int rc = map_run(cache, index, run, word & CHUNK_WRITABLE, error);

    if (rc < 0) {
        bits = CHUNK_EMPTY | (word & CHUNK_BLOCKS);
    } else {
        bits = atomic_load_explicit(&cache->key, memory_order_relaxed);
        bits |= CHUNK_AREA;
        bits |= chunk_set_valid(&cache->table, index, CHUNK_SOLID, run, error);
    }
    do {
        next = (word & kept) | bits;
    } while (!chunk_swap(&cache->table, index, &word, next));
    cache_account(cache, word, next);
    return rc < 0 ? rc : first_error(cache, index, run, first, nr, error);
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

/* A page of a current chunk is in a block that is not mapped. */
static int extend(struct xen_mapcache *cache, uint64_t index, uint64_t word,
                  unsigned first, unsigned nr, unsigned flags)
{
    struct run run;
    int rc;

    if (known_hole(cache, index, first, nr))
        return -EFAULT;
    /* All of a chunk is mapped in one way. */
    if ((flags & CACHE_WRITE) && !(word & CHUNK_WRITABLE))
        return renew(cache, index, CHUNK_WRITABLE, flags);
    run = run_beside(cache, index, word, first, nr);
    rc = ask_first(cache, index, first);
    if (rc == 0)
        rc = cache_make_room(cache, index, run.nr, flags & CACHE_STRICT);
    if (rc)
        return rc;
    cache_count(&cache->counters.misses);
    return map_more(cache, index, word, run, first, nr);
}

static int fill_current(struct xen_mapcache *cache, uint64_t index,
                        unsigned first, unsigned nr, unsigned flags)
{
    uint64_t word = chunk_load(&cache->table, index);
    unsigned page = first, end = first + nr;

    while (chunk_state(word) == CHUNK_RETIRED) {
        chunk_swap(&cache->table, index, &word,
                   (word & ~CHUNK_STATE) | CHUNK_MAPPED | CHUNK_REFERENCED);
        word = chunk_load(&cache->table, index);
    }
    while (page < end && chunk_shows(&cache->table, index, word, page, 1))
        page++;
    if (page < end &&
        chunk_blocks_of(&cache->table, page, 1) & ~chunk_blocks(word))
        return extend(cache, index, word, page, end - page, flags);
    if (page < end)
        return refresh(cache, index, page, flags);
    if ((flags & CACHE_WRITE) && !(word & CHUNK_WRITABLE))
        return renew(cache, index, CHUNK_WRITABLE, flags);
    return 0;
}

static int fill_locked(struct xen_mapcache *cache, uint64_t index,
                       unsigned first, unsigned nr, unsigned flags)
{
    uint64_t word = chunk_load(&cache->table, index);
    struct run run;
    int rc;

    if (chunk_is_mapped(word) && cache_is_current(cache, word))
        return fill_current(cache, index, first, nr, flags);
    if (known_hole(cache, index, first, nr))
        return -EFAULT;
    /* A pin that raced with the invalidate shows by the end of grace. */
    if (chunk_is_mapped(word) && !cache_grace_passed(cache))
        return -EAGAIN;
    word = chunk_load(&cache->table, index);
    if (chunk_pins(word))
        return -EBUSY;
    if (!chunk_is_mapped(word)) {
        rc = ask_first(cache, index, first);
        if (rc == 0)
            rc = chunk_provide(&cache->table, index);
        if (rc)
            return rc;
    }
    run = run_anew(cache, index, word, first, nr);
    rc = cache_make_room(cache, index, run.nr - chunk_nr_blocks(word),
                         flags & CACHE_STRICT);
    if (rc)
        return rc;
    cache_count(&cache->counters.misses);
    return map_chunk(cache, index, word, run, first, nr, flags);
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
