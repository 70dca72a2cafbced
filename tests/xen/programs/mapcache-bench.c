/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * mapcache-bench DOMID: what make bench measures without Xen, measured in dom0
 * on a guest that has RAM from 16 MiB to 80 MiB.  Lines as tests/bench/bench.h
 * has them.
 */

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <urcu-qsbr.h>
#include <xenforeignmemory.h>

#include "tests/bench/bench.h"
#include "xenram/mapcache.h"

#define PAGE 4096u
#define CHUNK (UINT64_C(1) << 20)
#define PAGES (CHUNK / PAGE)
#define BLOCK_PAGES 32u /* of it, for one access */
#define CHUNKS 64u
#define RAM (UINT64_C(16) << 20)
#define PINS 100000u

struct setting {
    uint32_t domid;
    struct xen_mapcache *cache;
    unsigned chunks; /* to have mapped when an invalidate comes */
    size_t len;      /* of an access */
    unsigned pages;  /* that it maps */
};

static void look_up(struct xen_mapcache *cache, unsigned chunk, size_t len)
{
    void *host;

    if (xen_mapcache_lookup(cache, RAM + chunk * CHUNK, len, &host))
        bench_die("a lookup failed");
    xen_mapcache_quiescent();
}

static double miss(void *opaque)
{
    struct setting *s = opaque;
    struct xen_mapcache *cache;
    double start, took;

    if (xen_mapcache_open(s->domid, NULL, &cache))
        bench_die("no map cache");
    start = bench_now();
    for (unsigned i = 0; i < CHUNKS; i++)
        look_up(cache, i, s->len);
    took = bench_now() - start;
    xen_mapcache_close(cache);
    return took / CHUNKS;
}

/* From now on the first pages of each chunk of host are the guest's. */
static void map_all(struct setting *s, uint8_t *host, unsigned pages)
{
    xenforeignmemory_handle *handle = xenforeignmemory_open(NULL, 0);
    xen_pfn_t gfns[PAGES];
    int errors[PAGES];

    if (!handle)
        bench_die("no foreign memory");
    for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
        for (unsigned i = 0; i < pages; i++)
            gfns[i] = (RAM + chunk * CHUNK) / PAGE + i;
        if (!xenforeignmemory_map2(handle, s->domid, host + chunk * CHUNK,
                                   PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_FIXED, pages, gfns, errors))
            bench_die("a map failed");
    }
    xenforeignmemory_close(handle);
}

static double raw_map(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *host = bench_reserve(NULL, CHUNKS * CHUNK);
    double start = bench_now(), took;

    map_all(s, host, s->pages);
    took = bench_now() - start;
    munmap(host, CHUNKS * CHUNK);
    return took / CHUNKS;
}

/* What an invalidate leaves to be dropped. */
static double drop(void *opaque)
{
    struct setting *s = opaque;
    double start;

    for (unsigned i = 0; i < CHUNKS; i++)
        look_up(s->cache, i, CHUNK);
    xen_mapcache_invalidate(s->cache);
    start = bench_now();
    xen_mapcache_reclaim(s->cache, 0);
    return (bench_now() - start) / CHUNKS;
}

static double raw_drop(void *opaque)
{
    uint8_t *host = bench_reserve(NULL, CHUNKS * CHUNK);
    double start, took;

    map_all(opaque, host, PAGES);
    start = bench_now();
    bench_reserve(host, CHUNKS * CHUNK);
    took = bench_now() - start;
    munmap(host, CHUNKS * CHUNK);
    return took / CHUNKS;
}

static double pin_unpin(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();
    void *host;

    for (unsigned i = 0; i < PINS; i++) {
        if (xen_mapcache_pin(s->cache, RAM, PAGE, &host))
            bench_die("a pin failed");
        xen_mapcache_unpin(s->cache, host, PAGE);
    }
    return (bench_now() - start) / PINS;
}

static double two_atomics(void *opaque)
{
    static _Atomic uint64_t word;
    double start = bench_now();

    (void)opaque;
    for (unsigned i = 0; i < PINS; i++) {
        atomic_fetch_add(&word, 256);
        atomic_fetch_sub(&word, 256);
    }
    return (bench_now() - start) / PINS;
}

/*
 * The answer alone, in time of the processor: there is no other thread to wait
 * for, and dom0 has other programs to run.
 */
static double invalidate(void *opaque)
{
    struct setting *s = opaque;
    double start, took;

    for (unsigned i = 0; i < s->chunks; i++)
        look_up(s->cache, i, CHUNK);
    start = bench_cpu_now();
    xen_mapcache_invalidate(s->cache);
    took = bench_cpu_now() - start;
    xen_mapcache_reclaim(s->cache, 0);
    return took;
}

static double epoch(void *opaque)
{
    double start = bench_cpu_now();

    (void)opaque;
    urcu_qsbr_synchronize_rcu();
    return bench_cpu_now() - start;
}

int main(int argc, char **argv)
{
    static const unsigned chunks[] = {0, CHUNKS};
    struct setting s = {0};
    char name[48];

    if (argc != 2) {
        fprintf(stderr, "usage, in dom0: mapcache-bench DOMID\n");
        return EXIT_FAILURE;
    }
    s.domid = (uint32_t)strtoul(argv[1], NULL, 0);
    if (xen_mapcache_open(s.domid, NULL, &s.cache))
        bench_die("no map cache");
    s.len = PAGE;
    s.pages = BLOCK_PAGES;
    bench_run("mapcache.miss", miss, "mapping the same pages", raw_map, &s);
    s.len = CHUNK;
    s.pages = PAGES;
    bench_run("mapcache.miss.chunk", miss, "mapping the same pages", raw_map,
              &s);
    bench_run("mapcache.drop", drop, "dropping the same pages", raw_drop, &s);
    bench_run("mapcache.pin_unpin", pin_unpin, "two atomic operations",
              two_atomics, &s);
    for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        s.chunks = chunks[i];
        snprintf(name, sizeof(name), "mapcache.invalidate.%u.p99", s.chunks);
        bench_p99(name, invalidate, "an epoch", epoch, &s, 200);
    }
    xen_mapcache_close(s.cache);
    xen_mapcache_thread_offline();
    return EXIT_SUCCESS;
}
