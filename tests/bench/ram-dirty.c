/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Take the dirty pages of a guest as runs, beside a plain walk over one bit a
 * page that finds the same runs and clears them in the same way.
 */

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "tests/bench/bench.h"
#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define PAGE UINT64_C(4096)
#define MOST (UINT64_C(1) << 28) /* pages of 1 TiB */

struct setting {
    struct xen_ram *ram;
    uint64_t pages;   /* of the guest */
    uint64_t between; /* every so many is dirty; 0: none, 1: all */
    _Atomic uint64_t *words;
    uint64_t found, runs;
};

static int count(uint64_t gfn, uint64_t nr, void *opaque)
{
    struct setting *s = opaque;

    (void)gfn;
    s->found += nr;
    s->runs++;
    return 0;
}

/* Returns how many pages are dirty then. */
static uint64_t soil(struct setting *s)
{
    if (s->between == 0)
        return 0;
    if (s->between == 1) {
        xen_ram_mark_dirty(s->ram, 0, s->pages * PAGE);
        return s->pages;
    }
    for (uint64_t gfn = 0; gfn < s->pages; gfn += s->between)
        xen_ram_mark_dirty(s->ram, gfn * PAGE, 1);
    return (s->pages + s->between - 1) / s->between;
}

static double take(void *opaque)
{
    struct setting *s = opaque;
    uint64_t dirty = soil(s);
    double start = bench_now();

    s->found = s->runs = 0;
    (void)xen_ram_dirty_take(s->ram, XEN_RAM_USER, 0, s->pages, count, s);
    start = bench_now() - start;
    if (s->found != dirty)
        bench_die("dirty pages are missing");
    return start;
}

static void soil_words(struct setting *s)
{
    if (s->between == 1)
        for (uint64_t i = 0; i < s->pages / 64; i++)
            atomic_store_explicit(&s->words[i], UINT64_MAX,
                                  memory_order_relaxed);
    else if (s->between)
        for (uint64_t gfn = 0; gfn < s->pages; gfn += s->between)
            atomic_fetch_or_explicit(&s->words[gfn / 64],
                                     UINT64_C(1) << gfn % 64,
                                     memory_order_relaxed);
}

static double walk(void *opaque)
{
    /* Whoever takes runs is called, there as here. */
    static xen_ram_dirty_fn *volatile const fn_there = count;
    xen_ram_dirty_fn *fn = fn_there;
    struct setting *s = opaque;
    uint64_t run = 0, end = 0;
    double start;

    soil_words(s);
    start = bench_now();
    s->found = s->runs = 0;
    for (uint64_t i = 0; i < s->pages / 64; i++) {
        uint64_t bits =
            atomic_load_explicit(&s->words[i], memory_order_relaxed);

        if (bits == 0)
            continue;
        bits = atomic_exchange(&s->words[i], 0);
        while (bits) {
            unsigned low = (unsigned)__builtin_ctzll(bits);
            uint64_t rest = ~(bits >> low);
            unsigned nr = rest ? (unsigned)__builtin_ctzll(rest) : 64;

            if (i * 64 + low != end) {
                if (end)
                    fn(run, end - run, s);
                run = i * 64 + low;
            }
            end = i * 64 + low + nr;
            bits = low + nr < 64 ? bits & UINT64_MAX << (low + nr) : 0;
        }
    }
    if (end)
        fn(run, end - run, s);
    bench_use(s->found);
    return bench_now() - start;
}

void bench_ram_dirty(uint32_t domid)
{
    static const struct {
        const char *name;
        uint64_t pages;
    } sizes[] = {{"16M", MOST >> 16},
                 {"1G", MOST >> 10},
                 {"64G", MOST >> 4},
                 {"1T", MOST}};
    static const struct {
        const char *name;
        uint64_t between;
    } densities[] = {{"clean", 0}, {"1%", 100}, {"all", 1}};
    struct xen_mapcache *cache;
    struct setting s = {0};
    char name[48];

    if (xen_mapcache_open(domid, NULL, &cache) ||
        xen_ram_open(domid, cache, &s.ram) ||
        xen_ram_dirty_start(s.ram, XEN_RAM_USER))
        bench_die("no list");
    s.words = mmap(NULL, MOST / 8, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s.words == MAP_FAILED)
        bench_die("no memory");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t j = 0; j < sizeof(densities) / sizeof(densities[0]); j++) {
            s.pages = sizes[i].pages;
            s.between = densities[j].between;
            snprintf(name, sizeof(name), "ram.dirty.%s.%s", sizes[i].name,
                     densities[j].name);
            bench_run(name, take, "walk over words", walk, &s);
        }
    }
    munmap((void *)s.words, MOST / 8);
    xen_ram_close(s.ram);
    xen_mapcache_close(cache);
    xen_mapcache_thread_offline();
}
