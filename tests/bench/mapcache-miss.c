/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What is not mapped yet, and what a cache costs that nobody uses. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/bench.h"
#include "tests/bench/guest.h"
#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

/*
 * Costs of a map call as measured in a PV dom0, in proportion: a call is 65
 * pages, and a page is dropped at twice what it is mapped for.
 */
#define CALL_NS 6500
#define PAGE_NS 100
#define MISS_BYTES (UINT64_C(256) << 20)

struct miss {
    uint32_t chunk;
    uint64_t stride, len; /* of accesses */
    uint64_t mapped;      /* for each of them */
    uint64_t budget;
};

/* ns of an access in a fresh cache. */
static double miss(void *opaque)
{
    const struct miss *m = opaque;
    struct xen_mapcache_options options = {.chunk = m->chunk,
                                           .budget = m->budget};
    struct xen_mapcache *cache;
    double start, time;
    uint64_t nr = 0;

    if (xen_mapcache_open(DOMID, &options, &cache))
        bench_die("no map cache");
    start = bench_cpu_now();
    for (uint64_t at = 0; at < MISS_BYTES; at += m->stride, nr++) {
        guest_look_up(cache, RAM + at, m->len);
        xen_mapcache_quiescent();
    }
    time = bench_cpu_now() - start;
    xen_mapcache_close(cache);
    return time / (double)nr;
}

static double raw(void *opaque)
{
    const struct miss *m = opaque;

    return guest_raw_map(MISS_BYTES, m->stride, m->mapped, m->budget) /
           (double)(MISS_BYTES / m->stride);
}

static double one_page(void *opaque)
{
    (void)opaque;
    return CALL_NS + PAGE_NS;
}

static void bench_misses(void)
{
    static const uint32_t chunks[] = {16 << 10, 64 << 10, 256 << 10, 1 << 20,
                                      2 << 20};
    static const struct {
        const char *name;
        uint64_t len, mapped, budget;
    } rows[] = {
        {"mapcache.miss", PAGE, BLOCK, GUEST},
        {"mapcache.miss.chunk", CHUNK, CHUNK, GUEST},
        {"mapcache.miss.evict", PAGE, BLOCK, UINT64_C(16) << 20},
        {"mapcache.miss.evict.chunk", CHUNK, CHUNK, UINT64_C(16) << 20},
    };
    struct miss m = {.stride = CHUNK};
    char name[48];

    fakexen_latency(FAKEXEN_MAP, CALL_NS, PAGE_NS);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        m.len = rows[i].len;
        m.mapped = rows[i].mapped;
        m.budget = rows[i].budget;
        bench_run(rows[i].name, miss,
                  m.budget < GUEST ? "mapping and dropping them"
                                   : "mapping the same pages",
                  raw, &m);
    }
    m.len = PAGE;
    m.budget = GUEST;
    for (unsigned i = 0; i < 2 * sizeof(chunks) / sizeof(chunks[0]); i++) {
        m.chunk = chunks[i / 2];
        m.stride = i % 2 ? 2 << 20 : PAGE;
        snprintf(name, sizeof(name), "mapcache.miss.%s.%uk",
                 i % 2 ? "sparse" : "sequential", m.chunk >> 10);
        bench_run(name, miss, "one call for one page", one_page, &m);
    }
    fakexen_latency(FAKEXEN_MAP, 0, 0);
}

/* ---- frames ----------------------------------------------------------- */

#define ACCESSES 65536u

/* Frames that are mapped for one access of 4 KiB, default budget. */
static void count_frames(const char *name, bool random)
{
    struct xen_mapcache *cache = guest_open(0);
    uint64_t seed = SEED;

    fakexen_reset_counters();
    for (unsigned i = 0; i < ACCESSES; i++) {
        guest_look_up(cache,
                      random ? random_page(&seed) : RAM + (uint64_t)i * PAGE,
                      PAGE);
        xen_mapcache_quiescent();
    }
    bench_print(name, (double)fakexen_pages(FAKEXEN_MAP) / ACCESSES, "frames",
                "QEMU's bucket", 256);
    xen_mapcache_close(cache);
}

/* ---- idle ------------------------------------------------------------- */

/* A line of smaps_rollup or status, in kB. */
static double kilobytes(const char *file, const char *key)
{
    FILE *stream = fopen(file, "r");
    char line[256];
    double value = -1;

    if (!stream)
        bench_die(file);
    while (value < 0 && fgets(line, sizeof(line), stream))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtod(line + strlen(key), NULL);
    fclose(stream);
    return value;
}

static double resident(void)
{
    return kilobytes("/proc/self/smaps_rollup", "Rss:");
}

static double reserved(void)
{
    return kilobytes("/proc/self/status", "VmSize:");
}

/* A cache of 1 TiB from which one page was read. */
static void bench_idle(void)
{
    const uint64_t window = UINT64_C(1) << 40;
    struct xen_mapcache_options options = {.window = window};
    struct xen_mapcache *cache;
    double before, before_reserved, rss, size, plain;
    void *host;

    /* What is done for the first time in a process is not counted. */
    xen_mapcache_close(guest_open(0));
    before = resident();
    before_reserved = reserved();
    if (xen_mapcache_open(DOMID, &options, &cache))
        bench_die("no map cache");
    guest_look_up(cache, RAM, PAGE);
    xen_mapcache_quiescent();
    rss = resident() - before;
    size = reserved() - before_reserved;
    xen_mapcache_close(cache);

    before = resident();
    host = mmap(NULL, window, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    plain = resident() - before;
    if (host == MAP_FAILED)
        bench_die("no address space");
    munmap(host, window);
    bench_print("mapcache.idle.resident", rss, "kB", "reserving as much",
                plain);
    bench_print("mapcache.idle.reserved", size / 1048576, "GiB",
                "reserving as much", 1024);
}

void bench_mapcache_miss(void)
{
    guest_create();
    bench_idle();
    bench_misses();
    count_frames("mapcache.frames.random", true);
    count_frames("mapcache.frames.sequential", false);
    xen_mapcache_thread_offline();
    fakexen_reset();
}
