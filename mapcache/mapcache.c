/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/mapcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mapcache/cache.h"
#include "mapcache/epoch.h"

#define PAGE XEN_MAPCACHE_PAGE_SIZE
#define PAGE_SHIFT 12

#define DEFAULT_WINDOW (UINT64_C(1) << 40)
#define DEFAULT_BUDGET (UINT64_C(256) << 20)
#define DEFAULT_CHUNK (1u << 20)
#define MAX_WINDOW (UINT64_C(1) << 52)

/* Each chunk is an area of the kernel, of which a process has 65530. */
#define MAX_CHUNKS 16384u

/*
 * Another thread may invalidate, or take room, as often as we look; a reader
 * that lost this often gives up and says busy.
 */
#define MAX_TRIES 64u

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
    cache->limit = cache->budget >> cache->shift;
    if (cache->limit == 0)
        cache->limit = 1;
    if (cache->limit > MAX_CHUNKS)
        cache->limit = MAX_CHUNKS;
    return 0;
}

int xen_mapcache_open(uint32_t domid,
                      const struct xen_mapcache_options *options,
                      struct xen_mapcache **out)
{
    struct xen_mapcache *cache = calloc(1, sizeof(*cache));
    int rc;

    if (!cache)
        return -ENOMEM;
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

/* A stretch of pages within one chunk. */
struct piece {
    uint64_t index;
    unsigned first, nr;
};

/* The first piece of [gpa, gpa + len), and its bytes. */
static uint64_t first_piece(const struct xen_mapcache *cache, uint64_t gpa,
                            uint64_t len, struct piece *piece)
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
                          const struct piece *piece, uint64_t word)
{
    uint64_t key = atomic_load_explicit(&cache->key, memory_order_acquire);

    return (word & CHUNK_KEY) == key &&
           ((word & CHUNK_FULL) ||
            chunk_valid(&cache->table, piece->index, piece->first, piece->nr));
}

static inline bool piece_usable(const struct xen_mapcache *cache,
                                const struct piece *piece)
{
    return usable(cache, piece, chunk_load(&cache->table, piece->index));
}

/*
 * Also notes the use for the clock.  The access that maps a chunk does not
 * count: chunks that are read once must not displace those that are in use.
 */
static inline bool piece_hit(struct xen_mapcache *cache,
                             const struct piece *piece)
{
    uint64_t word = chunk_load(&cache->table, piece->index);

    if (!usable(cache, piece, word))
        return false;
    if (!(word & CHUNK_REFERENCED)) {
        atomic_fetch_or_explicit(&cache->table.words[piece->index],
                                 CHUNK_REFERENCED, memory_order_relaxed);
    }
    return true;
}

/* 0, -EAGAIN (not a hit), or -EOVERFLOW. */
static inline int piece_pin(struct xen_mapcache *cache,
                            const struct piece *piece)
{
    uint64_t word = chunk_load(&cache->table, piece->index);

    do {
        if (!usable(cache, piece, word))
            return -EAGAIN;
        if (chunk_pins(word) == CHUNK_PINS_MAX)
            return -EOVERFLOW;
    } while (!chunk_swap(&cache->table, piece->index, &word,
                         (word + CHUNK_PIN) | CHUNK_REFERENCED));
    return 0;
}

static int check_range(const struct xen_mapcache *cache, uint64_t gpa,
                       uint64_t len)
{
    if (len == 0)
        return -EINVAL;
    if (gpa > cache->size || len > cache->size - gpa)
        return -ERANGE;
    return 0;
}

/* Map a piece.  alone: the caller has no other piece that it found before. */
static int fill(struct xen_mapcache *cache, const struct piece *piece,
                bool alone, unsigned tries)
{
    unsigned flags = 0;

    if (tries >= MAX_TRIES)
        return -EBUSY;
    if (!epoch_holds()) {
        flags |= CACHE_MAY_WAIT;
        if (alone && tries < MAX_TRIES / 4)
            flags |= CACHE_STRICT;
    }
    return cache_fill(cache, piece->index, piece->first, piece->nr, flags);
}

/*
 * Map what is missing of a range, until all of it can be used at once.  Not
 * inline: the registers it needs would be saved at each hit.
 */
static __attribute__((noinline)) int lookup_pieces(struct xen_mapcache *cache,
                                                   uint64_t gpa, uint64_t len)
{
    uint64_t done = 0, n;
    struct piece piece;
    unsigned tries = 0;
    int rc = check_range(cache, gpa, len);

    while (rc == 0 && done < len) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        if (tries == 0 ? piece_hit(cache, &piece)
                       : piece_usable(cache, &piece)) {
            done += n;
            continue;
        }
        rc = fill(cache, &piece, done == 0, tries++);
        if (rc == -EAGAIN) {
            /* What was found before may go meanwhile. */
            cache_synchronize(cache);
            done = 0;
            rc = 0;
        }
    }
    return rc;
}

/* Within one chunk that is current, whole and noted for the clock already. */
static inline bool is_plain_hit(const struct xen_mapcache *cache, uint64_t gpa,
                                uint64_t len)
{
    const uint64_t want = CHUNK_FULL | CHUNK_REFERENCED;
    uint64_t word, key;

    if (gpa >= cache->size || len - 1 > cache->mask - (gpa & cache->mask))
        return false;
    word = chunk_load(&cache->table, gpa >> cache->shift);
    key = atomic_load_explicit(&cache->key, memory_order_acquire);
    return (word & (CHUNK_KEY | want)) == (key | want);
}

int xen_mapcache_lookup(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                        void **host)
{
    int rc;

    if (!is_plain_hit(cache, gpa, len)) {
        rc = lookup_pieces(cache, gpa, len);
        if (rc)
            return rc;
    }
    epoch_hold();
    *host = cache->window + gpa;
    return 0;
}

static void unpin_range(struct xen_mapcache *cache, uint64_t gpa, uint64_t len)
{
    struct piece piece;
    uint64_t done, n;

    for (done = 0; done < len; done += n) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        /* Release: the user's accesses come before a drop of the chunk. */
        atomic_fetch_sub_explicit(&cache->table.words[piece.index], CHUNK_PIN,
                                  memory_order_release);
    }
}

int xen_mapcache_pin(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                     void **host)
{
    uint64_t done = 0, n;
    struct piece piece;
    unsigned tries = 0;
    int rc = check_range(cache, gpa, len);

    while (rc == 0 && done < len) {
        n = first_piece(cache, gpa + done, len - done, &piece);
        rc = piece_pin(cache, &piece);
        if (rc == 0) {
            done += n;
        } else if (rc == -EAGAIN) {
            rc = fill(cache, &piece, true, tries++);
            if (rc == -EAGAIN) {
                cache_synchronize(cache);
                rc = 0;
            }
        }
    }
    if (rc) {
        unpin_range(cache, gpa, done);
        return rc;
    }
    *host = cache->window + gpa;
    return 0;
}

void xen_mapcache_unpin(struct xen_mapcache *cache, void *host, size_t len)
{
    unpin_range(cache, (uint64_t)((uint8_t *)host - cache->window), len);
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

/* Copy within one page that cannot be shown in the window now. */
static int copy_aside(struct xen_mapcache *cache, uint64_t gpa, uint8_t *in,
                      const uint8_t *out, size_t len)
{
    void *page;
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_page_map(&cache->foreign, gpa >> PAGE_SHIFT, &page);
    if (rc) {
        cache_count(rc == -EFAULT || rc == -ESRCH
                        ? &cache->counters.holes
                        : &cache->counters.map_errors);
        return rc;
    }
    if (in)
        memcpy(in, (uint8_t *)page + gpa % PAGE, len);
    else
        memcpy((uint8_t *)page + gpa % PAGE, out, len);
    foreign_page_unmap(&cache->foreign, page);
    return 0;
}

/* Copy a first part of [gpa, gpa + len); returns its bytes or -errno. */
static int64_t copy_some(struct xen_mapcache *cache, uint64_t gpa, uint8_t *in,
                         const uint8_t *out, uint64_t len)
{
    struct piece piece;
    uint64_t n = first_piece(cache, gpa, len, &piece);
    int rc;

    if (!piece_hit(cache, &piece)) {
        /* Page by page from here, to go as far as there are pages. */
        n = PAGE - gpa % PAGE;
        n = first_piece(cache, gpa, len < n ? len : n, &piece);
    }
    for (unsigned tries = 0; !piece_usable(cache, &piece); tries++) {
        rc = fill(cache, &piece, true, tries);
        if (rc == -EBUSY) {
            rc = copy_aside(cache, gpa, in, out, n);
            return rc ? rc : (int64_t)n;
        }
        if (rc == -EAGAIN)
            cache_synchronize(cache);
        else if (rc)
            return rc;
    }
    if (in)
        memcpy(in, cache->window + gpa, n);
    else
        memcpy(cache->window + gpa, out, n);
    return (int64_t)n;
}

/* in or out is NULL. */
static int copy(struct xen_mapcache *cache, uint64_t gpa, uint8_t *in,
                const uint8_t *out, size_t len, size_t *done)
{
    uint64_t copied = 0, end = len;
    int64_t n = 0;
    int rc = check_range(cache, gpa, len);

    if (rc == -ERANGE)
        end = gpa < cache->size ? cache->size - gpa : 0;
    else if (rc)
        end = 0;
    while (copied < end) {
        n = copy_some(cache, gpa + copied, in ? in + copied : NULL,
                      out ? out + copied : NULL, end - copied);
        if (n < 0) {
            rc = (int)n;
            break;
        }
        copied += (uint64_t)n;
    }
    if (done)
        *done = copied;
    return rc;
}

int xen_mapcache_read(struct xen_mapcache *cache, uint64_t gpa, void *buf,
                      size_t len, size_t *done)
{
    return copy(cache, gpa, buf, NULL, len, done);
}

int xen_mapcache_write(struct xen_mapcache *cache, uint64_t gpa,
                       const void *buf, size_t len, size_t *done)
{
    return copy(cache, gpa, NULL, buf, len, done);
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
        .mapped = counter(&cache->mapped) << cache->shift,
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
