/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/mapcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mapcache/cache.h"
#include "mapcache/epoch.h"
#include "mapcache/piece.h"

#define DEFAULT_WINDOW (UINT64_C(1) << 40)
#define DEFAULT_BUDGET (UINT64_C(256) << 20)
#define DEFAULT_CHUNK (1u << 20)
#define MAX_WINDOW (UINT64_C(1) << 52)

static int set_options(struct xen_mapcache *cache,
                       const struct xen_mapcache_options *options)
{
    uint64_t window = DEFAULT_WINDOW, chunk = DEFAULT_CHUNK;

    cache->budget = DEFAULT_BUDGET;
    if (options && options->window)
        window = options->window;
    if (options && options->budget)
        cache->budget = options->budget;
    if (options && options->chunk)
        chunk = options->chunk;
    if (chunk < PAGE || chunk > (uint64_t)FOREIGN_PAGES_MAX * PAGE ||
        (chunk & (chunk - 1)) || window > MAX_WINDOW)
        return -EINVAL;
    cache->shift = (unsigned)__builtin_ctzll(chunk);
    cache->mask = chunk - 1;
    cache->size = (window + chunk - 1) & ~(chunk - 1);
    return 0;
}

int xen_mapcache_open(uint32_t domid,
                      const struct xen_mapcache_options *options,
                      struct xen_mapcache **out)
{
    struct xen_mapcache *cache = aligned_alloc(CACHE_LINE, sizeof(*cache));
    int rc;

    if (!cache)
        return -ENOMEM;
    memset(cache, 0, sizeof(*cache));
    rc = set_options(cache, options);
    if (rc)
        goto err_free;
    /* Generation 0 is never current. */
    cache->key = UINT64_C(1) << CHUNK_GENERATION_SHIFT | CHUNK_MAPPED;
    cache->started = 1;
    cache->completed = 1;
    rc = chunk_table_init(&cache->table, cache->size >> cache->shift,
                          1u << (cache->shift - PAGE_SHIFT));
    if (rc)
        goto err_free;
    cache->limit = cache->budget / cache_block_bytes(cache);
    if (cache->limit < cache->table.blocks)
        cache->limit = cache->table.blocks;
    cache->window = foreign_reserve(cache->size);
    if (!cache->window) {
        rc = -ENOMEM;
        goto err_table;
    }
    rc = foreign_open(&cache->foreign, domid);
    if (rc)
        goto err_release;
    pthread_mutex_init(&cache->mutex, NULL);
    epoch_online();
    *out = cache;
    return 0;

err_release:
    foreign_release(cache->window, cache->size);
err_table:
    chunk_table_fini(&cache->table);
err_free:
    free(cache);
    return rc;
}

void xen_mapcache_close(struct xen_mapcache *cache)
{
    if (!cache)
        return;
    foreign_release(cache->window, cache->size);
    foreign_close(&cache->foreign);
    chunk_table_fini(&cache->table);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

void xen_mapcache_thread_online(void)
{
    epoch_online();
}

void xen_mapcache_thread_offline(void)
{
    epoch_offline();
}

void xen_mapcache_quiescent(void)
{
    epoch_quiescent();
}

/* 0, -EAGAIN (not a hit), or -EOVERFLOW. */
static inline int piece_pin(struct xen_mapcache *cache,
                            const struct piece *piece, unsigned access)
{
    uint64_t word = chunk_load(&cache->table, piece->index);

    do {
        if (!usable(cache, piece, access, word))
            return -EAGAIN;
        if (chunk_pins(word) == CHUNK_PINS_MAX)
            return -EOVERFLOW;
    } while (!chunk_swap(&cache->table, piece->index, &word,
                         (word + CHUNK_PIN) | CHUNK_REFERENCED));
    return 0;
}

/* What a plain hit finds in the word, besides the key: of a full chunk, */
static inline uint64_t plain(unsigned access)
{
    return CHUNK_FULL | CHUNK_REFERENCED |
           (access & CACHE_WRITE ? CHUNK_WRITABLE : 0);
}

/* and of one that is mapped in part, for a range within it. */
static inline uint64_t plain_part(const struct xen_mapcache *cache,
                                  uint64_t gpa, uint64_t len, unsigned access)
{
    struct piece piece;
    uint64_t blocks;

    first_piece(cache, gpa, len, &piece);
    blocks = chunk_blocks_of(&cache->table, piece.first, piece.nr);
    return blocks << CHUNK_BLOCK_SHIFT | CHUNK_SOLID | CHUNK_REFERENCED |
           (access & CACHE_WRITE ? CHUNK_WRITABLE : 0);
}

static inline bool within_a_chunk(const struct xen_mapcache *cache,
                                  uint64_t gpa, uint64_t len)
{
    return gpa < cache->size && len - 1 <= cache->mask - (gpa & cache->mask);
}

/* A chunk that is current, noted for the clock already, and has all of want. */
static inline bool is_plain(const struct xen_mapcache *cache, uint64_t index,
                            uint64_t want)
{
    uint64_t word = chunk_load(&cache->table, index);
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_acquire);

    return (word & (CHUNK_KEY | want)) == (key | want);
}

static bool all_plain(const struct xen_mapcache *cache, uint64_t gpa,
                      uint64_t len, uint64_t want)
{
    uint64_t index = gpa >> cache->shift;
    uint64_t last = (gpa + len - 1) >> cache->shift;

    while (index <= last && is_plain(cache, index, want))
        index++;
    return index > last;
}

/*
 * Map what is missing of a range, until all of it can be used at once.  Not
 * inline: the registers it needs would be saved at each hit.
 */
static __attribute__((noinline)) int map_pieces(struct xen_mapcache *cache,
                                                uint64_t gpa, uint64_t len,
                                                unsigned access)
{
    uint64_t done = 0, n;
    struct piece piece;
    unsigned tries = 0;
    int rc = 0;

    while (rc == 0 && done < len) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        if (tries == 0 ? piece_hit(cache, &piece, access)
                       : piece_usable(cache, &piece, access)) {
            done += n;
            continue;
        }
        rc = piece_fill(cache, &piece, access, done == 0, tries++);
        if (rc == -EAGAIN) {
            /* What was found before may go meanwhile. */
            cache_synchronize(cache);
            done = 0;
            rc = 0;
        }
    }
    return rc;
}

/* The same for a hit of several chunks. */
static __attribute__((noinline)) int lookup_pieces(struct xen_mapcache *cache,
                                                   uint64_t gpa, uint64_t len,
                                                   unsigned access)
{
    int rc = check_range(cache, gpa, len);

    if (rc)
        return rc;
    if (all_plain(cache, gpa, len, plain(access)))
        return 0;
    return map_pieces(cache, gpa, len, access);
}

static inline __attribute__((always_inline)) int
lookup(struct xen_mapcache *cache, uint64_t gpa, uint64_t len, unsigned access)
{
    uint64_t index = gpa >> cache->shift;
    int rc;

    if (!within_a_chunk(cache, gpa, len) ||
        !(is_plain(cache, index, plain(access)) ||
          is_plain(cache, index, plain_part(cache, gpa, len, access)))) {
        rc = lookup_pieces(cache, gpa, len, access);
        if (rc)
            return rc;
    }
    epoch_hold();
    return 0;
}

int xen_mapcache_lookup(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                        void **host)
{
    int rc = lookup(cache, gpa, len, CACHE_WRITE);

    if (rc == 0)
        *host = cache->window + gpa;
    return rc;
}

int xen_mapcache_lookup_ro(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                           const void **host)
{
    int rc = lookup(cache, gpa, len, CACHE_READ_ONLY);

    if (rc == 0)
        *host = cache->window + gpa;
    return rc;
}

static inline void unpin_chunk(struct xen_mapcache *cache, uint64_t index)
{
    /* Release: the user's accesses come before a drop of the chunk. */
    atomic_fetch_sub_explicit(&cache->table.words[index], CHUNK_PIN,
                              memory_order_release);
}

static void unpin_range(struct xen_mapcache *cache, uint64_t gpa, uint64_t len)
{
    struct piece piece;
    uint64_t done, n;

    for (done = 0; done < len; done += n) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        unpin_chunk(cache, piece.index);
    }
}

static __attribute__((noinline)) int pin_pieces(struct xen_mapcache *cache,
                                                uint64_t gpa, uint64_t len,
                                                unsigned access)
{
    uint64_t done = 0, n;
    struct piece piece;
    unsigned tries = 0;
    int rc = check_range(cache, gpa, len);

    while (rc == 0 && done < len) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        rc = piece_pin(cache, &piece, access);
        if (rc == 0) {
            done += n;
        } else if (rc == -EAGAIN) {
            rc = piece_fill(cache, &piece, access, true, tries++);
            if (rc == -EAGAIN) {
                cache_synchronize(cache);
                rc = 0;
            }
        }
    }
    if (rc)
        unpin_range(cache, gpa, done);
    return rc;
}

/* A first try at a chunk that needs no more than its word. */
static inline bool pin_plain(struct xen_mapcache *cache, uint64_t index,
                             uint64_t want)
{
    uint64_t word = chunk_load(&cache->table, index);
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_acquire);

    return (word & (CHUNK_KEY | want)) == (key | want) &&
           chunk_pins(word) < CHUNK_PINS_MAX &&
           chunk_swap(&cache->table, index, &word, word + CHUNK_PIN);
}

static __attribute__((noinline)) int pin_part(struct xen_mapcache *cache,
                                              uint64_t gpa, uint64_t len,
                                              unsigned access)
{
    if (within_a_chunk(cache, gpa, len) &&
        pin_plain(cache, gpa >> cache->shift,
                  plain_part(cache, gpa, len, access)))
        return 0;
    return pin_pieces(cache, gpa, len, access);
}

static inline int pin(struct xen_mapcache *cache, uint64_t gpa, uint64_t len,
                      unsigned access)
{
    if (within_a_chunk(cache, gpa, len) &&
        pin_plain(cache, gpa >> cache->shift, plain(access)))
        return 0;
    return pin_part(cache, gpa, len, access);
}

int xen_mapcache_pin(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                     void **host)
{
    int rc = pin(cache, gpa, len, CACHE_WRITE);

    if (rc == 0)
        *host = cache->window + gpa;
    return rc;
}

int xen_mapcache_pin_ro(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                        const void **host)
{
    int rc = pin(cache, gpa, len, CACHE_READ_ONLY);

    if (rc == 0)
        *host = cache->window + gpa;
    return rc;
}

void xen_mapcache_unpin(struct xen_mapcache *cache, const void *host,
                        size_t len)
{
    uint64_t gpa = (uint64_t)((const uint8_t *)host - cache->window);

    if (within_a_chunk(cache, gpa, len))
        unpin_chunk(cache, gpa >> cache->shift);
    else
        unpin_range(cache, gpa, len);
}

int xen_mapcache_gpa(const struct xen_mapcache *cache, const void *host,
                     uint64_t *gpa)
{
    uint64_t offset = (uintptr_t)host - (uintptr_t)cache->window;

    if (offset >= cache->size)
        return -ERANGE;
    *gpa = offset;
    return 0;
}

static uint64_t counter(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void xen_mapcache_get_stats(const struct xen_mapcache *cache,
                            struct xen_mapcache_stats *stats)
{
    const struct chunk_table *table = &cache->table;
    const struct cache_counters *counters = &cache->counters;

    *stats = (struct xen_mapcache_stats){
        .window = cache->size,
        .chunk = UINT64_C(1) << cache->shift,
        .budget = cache->budget,
        .mapped = counter(&cache->mapped) * cache_block_bytes(cache),
        .misses = counter(&counters->misses),
        .map_calls = counter(&counters->map_calls),
        .map_errors = counter(&counters->map_errors),
        .holes = counter(&counters->holes),
        .evictions = counter(&counters->evictions),
        .invalidates = counter(&counters->invalidates),
    };
    for (uint64_t index = chunk_next_used(table, 0, table->nr);
         index < table->nr;
         index = chunk_next_used(table, index + 1, table->nr)) {
        uint64_t word = chunk_load(table, index);
        bool current = cache_is_current(cache, word);

        stats->pinned += chunk_pins(word) > 0;
        stats->quarantined += chunk_pins(word) > 0 && !current;
        stats->stale +=
            chunk_is_mapped(word) && chunk_pins(word) == 0 && !current;
    }
}
