/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/cache.h"

#include <errno.h>

#include "mapcache/epoch.h"
#include "mapcache/piece.h"
#include "mapcache/probes.h"

/* Mapped, but no longer to be used: retired, or of an older generation. */
static bool is_waiting(const struct xen_mapcache *cache, uint64_t word)
{
    return chunk_state(word) == CHUNK_RETIRED ||
           (chunk_state(word) == CHUNK_MAPPED &&
            !cache_is_current(cache, word));
}

/* No chunk that anyone is filling. */
#define NO_CHUNK UINT64_MAX

/* Drop chunks [first, end), all of them waiting; returns blocks that remain. */
static uint64_t drop_run(struct xen_mapcache *cache, uint64_t first,
                         uint64_t end)
{
    struct chunk_table *table = &cache->table;
    uint64_t left = 0;
    bool failed;

    if (first == end)
        return 0;
    failed = foreign_drop(cache_host(cache, first), (end - first)
                                                        << cache->shift) != 0;
    for (uint64_t index = first; index < end; index++) {
        uint64_t word = chunk_load(table, index);

        if (failed) {
            left += chunk_nr_blocks(word);
        } else {
            chunk_store(table, index, CHUNK_EMPTY);
            cache_account(cache, word, CHUNK_EMPTY);
        }
    }
    return left;
}

/*
 * With the mutex and after grace: drop waiting chunks with up to max blocks,
 * neighbours in one call, but not chunk keep.  Returns how many blocks still
 * wait for something else than an unpin.
 */
static uint64_t drop_waiting(struct xen_mapcache *cache, uint64_t keep,
                             uint64_t max)
{
    struct chunk_table *table = &cache->table;
    uint64_t first = 0, end = 0, left = 0, word, blocks;
    bool kept = false;

    for (uint64_t index = chunk_next_used(table, 0, table->nr);
         index < table->nr;
         index = chunk_next_used(table, index + 1, table->nr)) {
        word = chunk_load(table, index);
        if (!is_waiting(cache, word))
            continue;
        blocks = chunk_nr_blocks(word);
        if (chunk_pins(word)) {
            PROBE_RANGE(quarantine, index << cache->shift, cache->mask + 1);
            kept = true;
        } else if (index == keep) {
            kept = true;
        } else if (max == 0) {
            left += blocks;
        } else {
            max -= blocks < max ? blocks : max;
            if (index != end) {
                left += drop_run(cache, first, end);
                first = index;
            }
            end = index + 1;
        }
    }
    left += drop_run(cache, first, end);
    if (left == 0 && !kept)
        cache->waiting = false;
    return left;
}

/* What is mapped without pins, and of it the blocks that wait. */
struct usage {
    uint64_t blocks, areas, waiting;
};

/* Chunk keep is not one that waits. */
static struct usage count_usage(const struct xen_mapcache *cache, uint64_t keep)
{
    const struct chunk_table *table = &cache->table;
    struct usage usage = {0};
    uint64_t word;

    for (uint64_t index = chunk_next_used(table, 0, table->nr);
         index < table->nr;
         index = chunk_next_used(table, index + 1, table->nr)) {
        word = chunk_load(table, index);
        if (chunk_pins(word))
            continue;
        usage.blocks += chunk_nr_blocks(word);
        usage.areas += chunk_nr_areas(word);
        if (index != keep && is_waiting(cache, word))
            usage.waiting += chunk_nr_blocks(word);
    }
    return usage;
}

/* One step of the clock: true when the chunk was retired. */
static bool clock_step(struct xen_mapcache *cache, uint64_t index)
{
    uint64_t word = chunk_load(&cache->table, index), next;

    for (;;) {
        if (chunk_state(word) != CHUNK_MAPPED || chunk_pins(word) ||
            !cache_is_current(cache, word))
            return false;
        next = word & CHUNK_REFERENCED ? word & ~CHUNK_REFERENCED
                                       : (word & ~CHUNK_STATE) | CHUNK_RETIRED;
        if (chunk_swap(&cache->table, index, &word, next))
            return !(word & CHUNK_REFERENCED);
    }
}

/*
 * Retire chunks, but not keep, with nr blocks or a few more; two turns reach
 * each one that is not pinned.  Returns the blocks.
 */
static uint64_t retire(struct xen_mapcache *cache, uint64_t keep, uint64_t nr)
{
    struct chunk_table *table = &cache->table;
    uint64_t retired = 0, index = cache->hand;
    unsigned turns = 0;

    while (retired < nr && turns < 3) {
        index = chunk_next_used(table, index, table->nr);
        if (index == table->nr) {
            index = 0;
            turns++;
            continue;
        }
        if (index != keep && clock_step(cache, index)) {
            PROBE_RANGE(evict, index << cache->shift, cache->mask + 1);
            cache_count(&cache->counters.evictions);
            retired += chunk_nr_blocks(chunk_load(table, index));
        }
        index++;
    }
    cache->hand = index;
    if (retired)
        cache_note_retired(cache);
    return retired;
}

int cache_make_room(struct xen_mapcache *cache, uint64_t index, unsigned blocks,
                    bool strict)
{
    uint64_t over = 0, some = cache->limit / 16;
    struct usage usage;

    if (cache->mapped + blocks <= cache->limit &&
        cache->areas < CACHE_AREAS_MAX)
        return 0;
    usage = count_usage(cache, index);
    if (usage.blocks + blocks > cache->limit)
        over = usage.blocks + blocks - cache->limit;
    else if (usage.areas < CACHE_AREAS_MAX)
        return 0;
    /* A little more than needed: a synchronisation serves many misses. */
    over += some < CACHE_AREAS_MAX / 16 ? some : CACHE_AREAS_MAX / 16;
    if (usage.waiting < over)
        usage.waiting += retire(cache, index, over - usage.waiting);
    if (cache_grace_passed(cache)) {
        drop_waiting(cache, index, over);
        return 0;
    }
    return strict && usage.waiting ? -EAGAIN : 0;
}

uint64_t xen_mapcache_reclaim(struct xen_mapcache *cache, uint64_t max_bytes)
{
    uint64_t left, max = UINT64_MAX;

    if (max_bytes) {
        max = max_bytes / cache_block_bytes(cache);
        max += max == 0;
    }
    pthread_mutex_lock(&cache->mutex);
    if (!cache->waiting) {
        pthread_mutex_unlock(&cache->mutex);
        return 0;
    }
    if (!cache_grace_passed(cache) && !epoch_holds()) {
        cache_synchronize_unlock(cache);
        pthread_mutex_lock(&cache->mutex);
    }
    if (cache_grace_passed(cache))
        left = drop_waiting(cache, NO_CHUNK, max);
    else
        left = count_usage(cache, NO_CHUNK).waiting;
    pthread_mutex_unlock(&cache->mutex);
    return left * cache_block_bytes(cache);
}

/* Nothing of this chunk may be used from now on; pins stay. */
static void expire(struct xen_mapcache *cache, uint64_t index)
{
    uint64_t word = chunk_load(&cache->table, index);

    while (!chunk_swap(&cache->table, index, &word, word & ~CHUNK_GENERATION)) {
    }
}

static void expire_range(struct xen_mapcache *cache, uint64_t from, uint64_t to)
{
    struct chunk_table *table = &cache->table;

    for (uint64_t index = chunk_next_used(table, from, to); index < to;
         index = chunk_next_used(table, index + 1, to))
        expire(cache, index);
}

void xen_mapcache_invalidate(struct xen_mapcache *cache)
{
    uint64_t key, generation;

    PROBE_RANGE(invalidate, UINT64_C(0), cache->size);
    cache_count(&cache->counters.invalidates);
    pthread_mutex_lock(&cache->mutex);
    key = atomic_load_explicit(&cache->key, memory_order_relaxed);
    generation = (key & CHUNK_GENERATION) >> CHUNK_GENERATION_SHIFT;
    if (generation == CHUNK_GENERATION_MAX) {
        /* No chunk may carry a generation that comes again. */
        expire_range(cache, 0, cache->table.nr);
        generation = 0;
    }
    key = (generation + 1) << CHUNK_GENERATION_SHIFT | CHUNK_MAPPED;
    atomic_store_explicit(&cache->key, key, memory_order_release);
    holes_forget(&cache->holes);
    cache_note_retired(cache);
    cache_synchronize_unlock(cache);
}

int xen_mapcache_invalidate_range(struct xen_mapcache *cache, uint64_t gpa,
                                  uint64_t len)
{
    int rc = check_range(cache, gpa, len);

    if (rc)
        return rc;
    PROBE_RANGE(invalidate, gpa, len);
    cache_count(&cache->counters.invalidates);
    pthread_mutex_lock(&cache->mutex);
    expire_range(cache, gpa >> cache->shift,
                 ((gpa + len - 1) >> cache->shift) + 1);
    holes_forget(&cache->holes);
    cache_note_retired(cache);
    cache_synchronize_unlock(cache);
    return 0;
}

int xen_mapcache_replace(struct xen_mapcache *cache, uint64_t gpa, uint64_t len)
{
    int rc = xen_mapcache_invalidate_range(cache, gpa, len), error;
    struct piece piece;
    uint64_t done, n, word;

    if (rc)
        return rc;
    pthread_mutex_lock(&cache->mutex);
    for (done = 0; done < len; done += n) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        word = chunk_load(&cache->table, piece.index);
        if (!chunk_pins(word) || cache_is_current(cache, word))
            continue;
        error = cache_refill(cache, piece.index, piece.first, piece.nr);
        /* A hole is the lesser evil: its chunk is there. */
        if (error && (rc == 0 || rc == -EFAULT))
            rc = error;
    }
    pthread_mutex_unlock(&cache->mutex);
    return rc;
}
