/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

#define DOMID 1u
#define PAGE 4096u
#define CHUNK (UINT64_C(1) << 20)
#define GUEST (UINT64_C(8) << 30)
#define SAME_GPA ((UINT64_C(5) << 30) + 77 * CHUNK + 3 * PAGE)
#define OPS 2000000u

struct setting {
    struct xen_mapcache *cache;
    uint8_t *window;
    uint64_t *table; /* a word for each chunk */
    _Atomic uint64_t word;
    unsigned chunks; /* to have mapped when an invalidate comes */
};

/* RAM above 4 GiB, without holes. */
static uint64_t random_gpa(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (UINT64_C(4) << 30) + (*seed & (GUEST - PAGE));
}

static void *must_look_up(struct xen_mapcache *cache, uint64_t gpa)
{
    void *host;

    if (xen_mapcache_lookup(cache, gpa, PAGE, &host))
        bench_die("a lookup failed");
    return host;
}

static double hit_random(void *opaque)
{
    struct setting *s = opaque;
    uint64_t seed = 88172645463325252, sum = 0;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++)
        sum += (uintptr_t)must_look_up(s->cache, random_gpa(&seed));
    bench_use(sum);
    return (bench_now() - start) / OPS;
}

static double load_random(void *opaque)
{
    struct setting *s = opaque;
    uint64_t seed = 88172645463325252, sum = 0, gpa;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++) {
        gpa = random_gpa(&seed);
        sum += (uintptr_t)s->window + gpa + s->table[gpa / CHUNK];
    }
    bench_use(sum);
    return (bench_now() - start) / OPS;
}

static double hit_same(void *opaque)
{
    struct setting *s = opaque;
    uint64_t sum = 0;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++)
        sum += (uintptr_t)must_look_up(s->cache, SAME_GPA);
    bench_use(sum);
    return (bench_now() - start) / OPS;
}

static double load_same(void *opaque)
{
    struct setting *s = opaque;
    volatile uint64_t *entry = &s->table[SAME_GPA / CHUNK];
    uint64_t sum = 0;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++)
        sum += (uintptr_t)s->window + *entry;
    bench_use(sum);
    return (bench_now() - start) / OPS;
}

static double pin_unpin(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();
    void *host;

    for (unsigned i = 0; i < OPS; i++) {
        if (xen_mapcache_pin(s->cache, SAME_GPA, PAGE, &host))
            bench_die("a pin failed");
        xen_mapcache_unpin(s->cache, host, PAGE);
    }
    return (bench_now() - start) / OPS;
}

static double two_atomics(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++) {
        atomic_fetch_add(&s->word, 256);
        atomic_fetch_sub(&s->word, 256);
    }
    return (bench_now() - start) / OPS;
}

static double reverse(void *opaque)
{
    struct setting *s = opaque;
    uint64_t sum = 0, gpa;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++) {
        if (xen_mapcache_gpa(s->cache, s->window + i, &gpa))
            bench_die("a pointer was not found");
        sum += gpa;
    }
    bench_use(sum);
    return (bench_now() - start) / OPS;
}

static double subtract(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *volatile *window = (uint8_t *volatile *)&s->window;
    uint64_t sum = 0, gpa;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++) {
        gpa = (uintptr_t)(s->window + i) - (uintptr_t)*window;
        if (gpa >= GUEST)
            bench_die("a pointer was not found");
        sum += gpa;
    }
    bench_use(sum);
    return (bench_now() - start) / OPS;
}

/* The answer alone: what is mapped again and dropped is not counted. */
static double invalidate(void *opaque)
{
    struct setting *s = opaque;
    const unsigned rounds = s->chunks > 1000 ? 2 : 16;
    double start, sum = 0;

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < s->chunks; i++)
            must_look_up(s->cache, (UINT64_C(4) << 30) + i * CHUNK);
        start = bench_now();
        xen_mapcache_invalidate(s->cache);
        sum += bench_now() - start;
    }
    return sum / rounds;
}

/*
 * Misses with the costs of a map call as measured in a PV dom0, in proportion:
 * a call is 65 pages.  What one page costs that is read in a fresh cache, when
 * all pages are read in order, and when one of each 2 MiB is.
 */
#define MISS_CALL_NS 6500
#define MISS_PAGE_NS 100
#define MISS_BYTES (UINT64_C(64) << 20)

struct miss {
    uint32_t chunk;
    uint64_t stride;
};

static double miss(void *opaque)
{
    const struct miss *m = opaque;
    struct xen_mapcache_options options = {.chunk = m->chunk};
    struct xen_mapcache *cache;
    double start, time;
    uint64_t nr = 0;

    if (xen_mapcache_open(DOMID, &options, &cache))
        bench_die("no map cache");
    start = bench_now();
    for (uint64_t at = 0; at < MISS_BYTES; at += m->stride, nr++)
        must_look_up(cache, (UINT64_C(4) << 30) + at);
    time = bench_now() - start;
    xen_mapcache_close(cache);
    return time / (double)nr;
}

static double one_page(void *opaque)
{
    (void)opaque;
    return MISS_CALL_NS + MISS_PAGE_NS;
}

static void bench_misses(void)
{
    static const uint32_t chunks[] = {16 << 10, 64 << 10, 256 << 10, 1 << 20,
                                      2 << 20};
    struct miss m;
    char name[48];

    fakexen_latency(FAKEXEN_MAP, MISS_CALL_NS, MISS_PAGE_NS);
    for (unsigned i = 0; i < 2 * sizeof(chunks) / sizeof(chunks[0]); i++) {
        m.chunk = chunks[i / 2];
        m.stride = i % 2 ? 2 << 20 : PAGE;
        snprintf(name, sizeof(name), "mapcache.miss.%s.%uk",
                 i % 2 ? "sparse" : "sequential", m.chunk >> 10);
        bench_run(name, miss, "one call for one page", one_page, &m);
    }
    fakexen_latency(FAKEXEN_MAP, 0, 0);
}

void bench_mapcache(void)
{
    static const unsigned chunks[] = {0, 64, 4096};
    struct fakexen_domain domain = {
        .domid = DOMID, .low_max = 256, .pages = GUEST / PAGE + 256};
    struct xen_mapcache_options options = {.budget = GUEST};
    struct setting s = {0};
    char name[32];

    fakexen_reset();
    /* Low memory up to gfn 256, the rest from 4 GiB on. */
    fakexen_create(&domain);
    s.table = calloc((GUEST + (UINT64_C(4) << 30)) / CHUNK, sizeof(*s.table));
    if (!s.table || xen_mapcache_open(DOMID, &options, &s.cache))
        bench_die("no map cache");
    for (uint64_t gpa = 0; gpa < GUEST; gpa += CHUNK)
        must_look_up(s.cache, (UINT64_C(4) << 30) + gpa);
    s.window = (uint8_t *)must_look_up(s.cache, UINT64_C(4) << 30) -
               (UINT64_C(4) << 30);
    bench_run("mapcache.hit.random", hit_random, "array load and add",
              load_random, &s);
    bench_run("mapcache.hit.same", hit_same, "load and add", load_same, &s);
    bench_run("mapcache.pin_unpin", pin_unpin, "two atomic operations",
              two_atomics, &s);
    bench_run("mapcache.reverse", reverse, "subtract and compare", subtract,
              &s);
    xen_mapcache_invalidate(s.cache);
    xen_mapcache_reclaim(s.cache, 0);
    for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        s.chunks = chunks[i];
        snprintf(name, sizeof(name), "mapcache.invalidate.%u", s.chunks);
        bench_run(name, invalidate, "two atomic operations", two_atomics, &s);
    }
    xen_mapcache_close(s.cache);
    bench_misses();
    xen_mapcache_thread_offline();
    free(s.table);
    fakexen_reset();
}
