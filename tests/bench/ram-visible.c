/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Grow a block in a guest by some pages, which clears them, and shrink it
 * again, beside the calls that this takes at least.
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/memory.h>
#include <xencall.h>
#include <xenforeignmemory.h>

#include "tests/bench/bench.h"
#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE
#define MOST 65536u
#define BATCH 512u /* extents a call, and pages of a large one */
#define MAP 512u   /* pages that one call maps */

struct setting {
    uint32_t domid;
    uint64_t gfn; /* of the block; the plain calls use those far behind it */
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    struct xen_ram_block *block, *sparse;
    uint64_t pages; /* by which it grows */
    unsigned times;
    xencall_handle *call;
    xenforeignmemory_handle *fmem;
    struct xen_memory_reservation *reservation;
    xen_pfn_t *gfns;
};

static void resize(struct setting *s, uint64_t pages)
{
    if (xen_ram_resize(s->ram, s->block, (BATCH + pages) * PAGE))
        bench_die(xen_ram_error(s->ram));
}

static double grow_and_shrink(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        resize(s, s->pages);
        resize(s, 0);
    }
    return (bench_now() - start) / s->times;
}

static void plug(struct setting *s)
{
    if (xen_ram_plug(s->ram, s->sparse, 0, s->pages * PAGE))
        bench_die(xen_ram_error(s->ram));
}

static void unplug(struct setting *s)
{
    if (xen_ram_unplug(s->ram, s->sparse, 0, s->pages * PAGE))
        bench_die(xen_ram_error(s->ram));
}

static void reserve(struct setting *s, unsigned command, uint64_t gfn,
                    unsigned order)
{
    uint64_t extents = s->pages >> order;

    for (uint64_t done = 0, n; done < extents; done += n) {
        n = extents - done < BATCH ? extents - done : BATCH;
        for (uint64_t i = 0; i < n; i++)
            s->gfns[i] = gfn + ((done + i) << order);
        *s->reservation = (struct xen_memory_reservation){
            .nr_extents = n,
            .extent_order = order,
            .domid = (domid_t)s->domid,
        };
        set_xen_guest_handle_raw(s->reservation->extent_start, s->gfns);
        if (xencall2(s->call, __HYPERVISOR_memory_op, command,
                     (uintptr_t)s->reservation) != (long)n)
            bench_die("a reservation");
    }
}

static void clear(struct setting *s, uint64_t gfn)
{
    xen_pfn_t gfns[MAP];
    int errors[MAP];

    for (uint64_t done = 0, n; done < s->pages; done += n) {
        void *host;

        n = s->pages - done < MAP ? s->pages - done : MAP;
        for (uint64_t i = 0; i < n; i++)
            gfns[i] = gfn + done + i;
        host = xenforeignmemory_map(s->fmem, s->domid, PROT_READ | PROT_WRITE,
                                    n, gfns, errors);
        if (!host)
            bench_die("a map");
        memset(host, 0, n * PAGE);
        xenforeignmemory_unmap(s->fmem, host, n);
    }
}

static void plain_add(struct setting *s)
{
    uint64_t gfn = s->gfn + 2 * MOST;

    reserve(s, XENMEM_populate_physmap, gfn, s->pages >= BATCH ? 9 : 0);
    clear(s, gfn);
}

static void plain_remove(struct setting *s)
{
    reserve(s, XENMEM_decrease_reservation, s->gfn + 2 * MOST, 0);
}

static double plain_calls(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        plain_add(s);
        plain_remove(s);
    }
    return (bench_now() - start) / s->times;
}

typedef void step_fn(struct setting *s);

static step_fn *const ours[] = {plug, unplug};
static step_fn *const plain[] = {plain_add, plain_remove};

/* Both steps are done; only this one counts. */
static double time_step(struct setting *s, step_fn *const steps[2],
                        unsigned which)
{
    double sums[2] = {0}, start;

    for (unsigned i = 0; i < s->times; i++) {
        for (unsigned step = 0; step < 2; step++) {
            start = bench_now();
            steps[step](s);
            sums[step] += bench_now() - start;
        }
    }
    return sums[which] / s->times;
}

static double time_plug(void *opaque)
{
    return time_step(opaque, ours, 0);
}

static double time_unplug(void *opaque)
{
    return time_step(opaque, ours, 1);
}

static double time_plain_add(void *opaque)
{
    return time_step(opaque, plain, 0);
}

static double time_plain_remove(void *opaque)
{
    return time_step(opaque, plain, 1);
}

static void open_calls(struct setting *s)
{
    s->call = xencall_open(NULL, 0);
    s->fmem = xenforeignmemory_open(NULL, 0);
    if (!s->call || !s->fmem)
        bench_die("no Xen");
    s->reservation = xencall_alloc_buffer_pages(s->call, 2);
    if (!s->reservation)
        bench_die("no buffer");
    s->gfns = (void *)((char *)s->reservation + PAGE);
}

static void close_calls(struct setting *s)
{
    xencall_free_buffer_pages(s->call, s->reservation, 2);
    xenforeignmemory_close(s->fmem);
    xencall_close(s->call);
}

static void measure(struct setting *s, const char *prefix)
{
    static const unsigned pages[] = {1, 16, 512, MOST};
    char name[48];

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        s->pages = pages[i];
        s->times = pages[i] >= MOST ? 1 : 2000 / (8 + pages[i]) + 4;
        snprintf(name, sizeof(name), "%s.%u", prefix, pages[i]);
        bench_run(name, grow_and_shrink,
                  "populate, map, memset, unmap and decrease", plain_calls, s);
    }
}

static void measure_plug(struct setting *s, const char *prefix)
{
    static const unsigned pages[] = {BATCH, MOST};
    char name[48];

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        s->pages = pages[i];
        s->times = pages[i] >= MOST ? 1 : 8;
        snprintf(name, sizeof(name), "%s.plug.%u", prefix, pages[i]);
        bench_run(name, time_plug, "populate, map, memset and unmap",
                  time_plain_add, s);
        snprintf(name, sizeof(name), "%s.unplug.%u", prefix, pages[i]);
        bench_run(name, time_unplug, "decrease", time_plain_remove, s);
    }
}

static void open_blocks(struct setting *s, uint64_t cache_budget)
{
    struct xen_mapcache_options options = {.budget = cache_budget};
    struct xen_ram_spec spec = {
        .idstr = "bench",
        .kind = XEN_RAM_VISIBLE,
        .gfn = s->gfn,
        .size = BATCH * PAGE,
    };
    struct xen_ram_spec sparse = {
        .idstr = "sparse",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_SPARSE,
        .gfn = s->gfn + 4 * MOST,
        .size = MOST * (uint64_t)PAGE,
        .unit = BATCH * PAGE,
    };

    if (xen_mapcache_open(s->domid, &options, &s->cache) ||
        xen_ram_open(s->domid, s->cache, &s->ram))
        bench_die("no list");
    if (xen_ram_alloc_resizeable(s->ram, &spec, (BATCH + MOST) * (uint64_t)PAGE,
                                 NULL, &s->block) ||
        xen_ram_alloc(s->ram, &sparse, &s->sparse))
        bench_die(xen_ram_error(s->ram));
}

static void close_blocks(struct setting *s)
{
    xen_ram_free(s->ram, s->sparse);
    xen_ram_free(s->ram, s->block);
    xen_ram_close(s->ram);
    xen_mapcache_close(s->cache);
    xen_mapcache_thread_offline();
}

static void run(const char *prefix, uint32_t domid, uint64_t gfn,
                uint64_t cache_budget,
                void (*fn)(struct setting *s, const char *prefix))
{
    struct setting s = {.domid = domid, .gfn = gfn};

    open_blocks(&s, cache_budget);
    open_calls(&s);
    fn(&s, prefix);
    close_calls(&s);
    close_blocks(&s);
}

void bench_ram_visible(const char *prefix, uint32_t domid, uint64_t gfn,
                       uint64_t cache_budget)
{
    run(prefix, domid, gfn, cache_budget, measure);
}

void bench_ram_plug(const char *prefix, uint32_t domid, uint64_t gfn,
                    uint64_t cache_budget)
{
    run(prefix, domid, gfn, cache_budget, measure_plug);
}
