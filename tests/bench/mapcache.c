/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What is mapped already: hits, pins, reverse lookups. */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/guest.h"
#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

#define OPS 2000000u
#define MAX_PINS 65536u
#define CHUNKS (GUEST / CHUNK)

struct hit {
    size_t len;
    uint64_t align; /* of the start, in the guest's memory */
    uint64_t skew;  /* added to it */
};

struct setting {
    struct xen_mapcache *cache;
    uint8_t *window;
    uint64_t *table;         /* a word for each chunk */
    _Atomic uint64_t *words; /* the same, to count in */
    struct hit hit;
    void **ring; /* nr pins, the oldest at next */
    unsigned nr, next;
    uint64_t seed;
};

/* Picks the next address, inline: a call would cost what is timed. */
typedef uint64_t pick_fn(const struct hit *hit, uint64_t *seed);

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t pick_page(const struct hit *hit, uint64_t *seed)
{
    (void)hit;
    return random_page(seed);
}

/* A page in the first block of a chunk. */
INLINE uint64_t pick_first(const struct hit *hit, uint64_t *seed)
{
    (void)hit;
    return random_page(seed) & ~(CHUNK - BLOCK);
}

INLINE uint64_t pick_start(const struct hit *hit, uint64_t *seed)
{
    /* A start that is skewed out of the last unit would end behind RAM. */
    uint64_t units = GUEST / hit->align - 2;

    return RAM +
           (next_random(seed) & (GUEST - 1)) / hit->align % units * hit->align +
           hit->skew;
}

INLINE double look_up(struct setting *s, uint64_t seed, size_t len,
                      pick_fn *pick)
{
    uint64_t sum = 0;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++)
        sum += (uintptr_t)guest_look_up(s->cache, pick(&s->hit, &seed), len);
    bench_use(sum);
    return (bench_cpu_now() - start) / OPS;
}

INLINE double load_and_add(struct setting *s, uint64_t seed, pick_fn *pick)
{
    uint64_t sum = 0, gpa;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++) {
        gpa = pick(&s->hit, &seed);
        sum += (uintptr_t)s->window + gpa + s->table[gpa / CHUNK];
    }
    bench_use(sum);
    return (bench_cpu_now() - start) / OPS;
}

static double hits(struct setting *s, uint64_t seed)
{
    return look_up(s, seed, PAGE, pick_page);
}

static double loads(struct setting *s, uint64_t seed)
{
    return load_and_add(s, seed, pick_page);
}

static double hit_random(void *opaque)
{
    return hits(opaque, SEED);
}

static double load_random(void *opaque)
{
    return loads(opaque, SEED);
}

static double hit_block(void *opaque)
{
    return look_up(opaque, SEED, PAGE, pick_first);
}

static double load_block(void *opaque)
{
    return load_and_add(opaque, SEED, pick_first);
}

static double hit_length(void *opaque)
{
    struct setting *s = opaque;

    return look_up(s, SEED, s->hit.len, pick_start);
}

static double load_length(void *opaque)
{
    return load_and_add(opaque, SEED, pick_start);
}

/* ---- two threads ------------------------------------------------------ */

struct runner {
    unsigned cpu;
    struct setting *setting;
    double (*run)(struct setting *s, uint64_t seed);
    uint64_t seed;
    double ns; /* out */
    pthread_barrier_t *barrier;
};

static void *run_one(void *opaque)
{
    struct runner *runner = opaque;
    cpu_set_t cpus;

    /* Left alone, both may run on one processor for most of the time. */
    CPU_ZERO(&cpus);
    CPU_SET(runner->cpu, &cpus);
    pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    xen_mapcache_thread_online();
    pthread_barrier_wait(runner->barrier);
    runner->ns = runner->run(runner->setting, runner->seed);
    xen_mapcache_thread_offline();
    return NULL;
}

/* What nr threads do in a microsecond, all together. */
static double rate(struct setting *s, unsigned nr,
                   double (*run)(struct setting *s, uint64_t seed))
{
    struct runner runners[2];
    pthread_barrier_t barrier;
    pthread_t threads[2];
    double per_us = 0;

    pthread_barrier_init(&barrier, NULL, nr);
    for (unsigned i = 0; i < nr; i++) {
        runners[i] = (struct runner){i, s, run, SEED + i, 0, &barrier};
        if (pthread_create(&threads[i], NULL, run_one, &runners[i]))
            bench_die("no thread");
    }
    for (unsigned i = 0; i < nr; i++) {
        pthread_join(threads[i], NULL);
        per_us += 1e3 / runners[i].ns;
    }
    pthread_barrier_destroy(&barrier);
    return per_us;
}

static double hit_by_two(void *opaque)
{
    return rate(opaque, 2, hits);
}

static double hit_by_one(void *opaque)
{
    return rate(opaque, 1, hits);
}

static double load_by_two(void *opaque)
{
    return rate(opaque, 2, loads);
}

static double load_by_one(void *opaque)
{
    return rate(opaque, 1, loads);
}

/* ---- pins ------------------------------------------------------------- */

static double pin_unpin_same(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_cpu_now();
    void *host;

    for (unsigned i = 0; i < OPS; i++) {
        if (xen_mapcache_pin(s->cache, RAM + 77 * CHUNK, PAGE, &host))
            bench_die("a pin failed");
        xen_mapcache_unpin(s->cache, host, PAGE);
    }
    return (bench_cpu_now() - start) / OPS;
}

static double two_atomics_same(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++) {
        atomic_fetch_add(&s->words[77], 256);
        atomic_fetch_sub(&s->words[77], 256);
    }
    return (bench_cpu_now() - start) / OPS;
}

/* The oldest of nr pins goes, a new one comes. */
static double pin_unpin(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++) {
        void **slot = &s->ring[s->next++ % s->nr];

        xen_mapcache_unpin(s->cache, *slot, PAGE);
        if (xen_mapcache_pin(s->cache, random_page(&s->seed), PAGE, slot))
            bench_die("a pin failed");
    }
    return (bench_cpu_now() - start) / OPS;
}

static double two_atomics(void *opaque)
{
    struct setting *s = opaque;
    uint8_t **ring = (uint8_t **)s->ring;
    uint64_t seed = SEED, gpa;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++) {
        uint8_t **slot = &ring[i % s->nr];

        atomic_fetch_sub(&s->words[(uint64_t)(*slot - s->window) / CHUNK], 256);
        gpa = random_page(&seed);
        atomic_fetch_add(&s->words[gpa / CHUNK], 256);
        /* What is there is needed; a store of it costs as much. */
        *(uint8_t *volatile *)slot = *slot;
    }
    return (bench_cpu_now() - start) / OPS;
}

static double reverse(void *opaque)
{
    struct setting *s = opaque;
    uint64_t sum = 0, gpa;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++) {
        if (xen_mapcache_gpa(s->cache, s->window + i * 4099ull, &gpa))
            bench_die("a pointer was not found");
        sum += gpa;
    }
    bench_use(sum);
    return (bench_cpu_now() - start) / OPS;
}

static double subtract(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *volatile *window = (uint8_t *volatile *)&s->window;
    uint64_t sum = 0, gpa;
    double start = bench_cpu_now();

    for (unsigned i = 0; i < OPS; i++) {
        gpa = (uintptr_t)(s->window + i * 4099ull) - (uintptr_t)*window;
        if (gpa >= RAM + GUEST)
            bench_die("a pointer was not found");
        sum += gpa;
    }
    bench_use(sum);
    return (bench_cpu_now() - start) / OPS;
}

/* ---- all -------------------------------------------------------------- */

static void bench_hits(struct setting *s)
{
    static const struct {
        const char *name;
        struct hit hit;
    } rows[] = {
        {"mapcache.hit.64k", {64 << 10, 64 << 10, 0}},
        {"mapcache.hit.1m", {1 << 20, 1 << 20, 0}},
        {"mapcache.hit.across.4k", {4 << 10, 1 << 20, (1 << 20) - 2048}},
        {"mapcache.hit.across.1m", {1 << 20, 1 << 20, 1 << 19}},
    };

    bench_run("mapcache.hit.random", hit_random, "array load and add",
              load_random, s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        s->hit = rows[i].hit;
        bench_run(rows[i].name, hit_length, "array load and add", load_length,
                  s);
    }
    bench_run_as("mapcache.hit.2threads", "1/us", hit_by_two, "one thread",
                 hit_by_one, s);
    bench_run_as("mapcache.hit.2threads.loads", "1/us", load_by_two,
                 "one thread", load_by_one, s);
}

static void bench_outstanding(struct setting *s, unsigned nr)
{
    char name[48];

    s->nr = nr;
    s->next = 0;
    for (unsigned i = 0; i < nr; i++)
        if (xen_mapcache_pin(s->cache, random_page(&s->seed), PAGE,
                             &s->ring[i]))
            bench_die("a pin failed");
    snprintf(name, sizeof(name), "mapcache.pin_unpin.%u", nr);
    bench_run(name, pin_unpin, "two atomic operations", two_atomics, s);
    snprintf(name, sizeof(name), "mapcache.reverse.%u", nr);
    bench_run(name, reverse, "subtract and compare", subtract, s);
    for (unsigned i = 0; i < nr; i++)
        xen_mapcache_unpin(s->cache, s->ring[i], PAGE);
}

static void bench_pins(struct setting *s)
{
    static const unsigned outstanding[] = {1, 16, 256, 4096, MAX_PINS};
    uint64_t calls = fakexen_calls(FAKEXEN_MAP);

    bench_run("mapcache.pin_unpin.same", pin_unpin_same,
              "two atomic operations", two_atomics_same, s);
    for (unsigned i = 0; i < sizeof(outstanding) / sizeof(outstanding[0]); i++)
        bench_outstanding(s, outstanding[i]);
    bench_print("mapcache.pin_unpin.map_calls",
                (double)(fakexen_calls(FAKEXEN_MAP) - calls), "calls", "none",
                0);
}

/* A cache that holds the first len bytes of each chunk. */
static void open_cache(struct setting *s, size_t len)
{
    s->cache = guest_open(GUEST);
    for (uint64_t gpa = RAM; gpa < RAM + GUEST; gpa += CHUNK)
        guest_look_up(s->cache, gpa, len);
    s->window = (uint8_t *)guest_look_up(s->cache, RAM, PAGE) - RAM;
}

void bench_mapcache(void)
{
    struct setting s = {.seed = SEED};

    guest_create();
    s.table = calloc((RAM + GUEST) / CHUNK, sizeof(*s.table));
    s.words = calloc((RAM + GUEST) / CHUNK, sizeof(*s.words));
    s.ring = calloc(MAX_PINS, sizeof(*s.ring));
    if (!s.table || !s.words || !s.ring)
        bench_die("out of memory");
    open_cache(&s, PAGE);
    bench_run("mapcache.hit.block", hit_block, "array load and add", load_block,
              &s);
    xen_mapcache_close(s.cache);
    open_cache(&s, CHUNK);
    bench_hits(&s);
    bench_pins(&s);
    xen_mapcache_close(s.cache);
    xen_mapcache_thread_offline();
    free(s.table);
    free((void *)s.words);
    free(s.ring);
    fakexen_reset();
}
