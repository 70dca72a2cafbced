/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Grow a block by some pages and shrink it again, beside the calls that this
 * takes at least.  Private blocks are used in between, since the host finds
 * memory only then; guest-visible ones are cleared by the growth itself.
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
#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define DOMID 3u
#define PAGE XEN_RAM_PAGE_SIZE
#define MOST 65536u
#define BATCH 512u /* extents a call, and pages of a large one */
#define MAP 256u   /* pages that one call maps */
#define FIRST UINT64_C(0x100000)
#define OTHER UINT64_C(0x200000)

struct setting {
    struct xen_ram *ram;
    struct xen_ram_block *block;
    uint64_t pages; /* by which it grows */
    unsigned times;
    uint8_t *plain; /* private: memory of the same size, without a block */
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

/* ---- private ---- */

static double private_resize(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *more = (uint8_t *)xen_ram_host(s->block) + BATCH * PAGE;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        resize(s, s->pages);
        memset(more, 1, s->pages * PAGE);
        resize(s, 0);
    }
    return (bench_now() - start) / s->times;
}

static double private_calls(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *more = s->plain + BATCH * PAGE;
    size_t bytes = s->pages * PAGE;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        if (mprotect(more, bytes, PROT_READ | PROT_WRITE))
            bench_die("mprotect");
        memset(more, 1, bytes);
        if (mmap(more, bytes, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            bench_die("mmap");
    }
    return (bench_now() - start) / s->times;
}

/* ---- guest-visible ---- */

static double visible_resize(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        resize(s, s->pages);
        resize(s, 0);
    }
    return (bench_now() - start) / s->times;
}

static void reserve(struct setting *s, unsigned command, uint64_t gfn,
                    uint64_t pages, unsigned order)
{
    for (uint64_t done = 0, n; done < pages >> order; done += n) {
        n = (pages >> order) - done;
        n = n < BATCH ? n : BATCH;
        for (uint64_t i = 0; i < n; i++)
            s->gfns[i] = gfn + ((done + i) << order);
        *s->reservation = (struct xen_memory_reservation){
            .nr_extents = n, .extent_order = order, .domid = DOMID};
        set_xen_guest_handle_raw(s->reservation->extent_start, s->gfns);
        if (xencall2(s->call, __HYPERVISOR_memory_op, command,
                     (uintptr_t)s->reservation) != (long)n)
            bench_die("a reservation");
    }
}

static void clear(struct setting *s, uint64_t gfn, uint64_t pages)
{
    xen_pfn_t gfns[MAP];
    int errors[MAP];

    for (uint64_t done = 0, n; done < pages; done += n) {
        void *host;

        n = pages - done < MAP ? pages - done : MAP;
        for (uint64_t i = 0; i < n; i++)
            gfns[i] = gfn + done + i;
        host = xenforeignmemory_map(s->fmem, DOMID, PROT_READ | PROT_WRITE, n,
                                    gfns, errors);
        if (!host)
            bench_die("a map");
        memset(host, 0, n * PAGE);
        xenforeignmemory_unmap(s->fmem, host, n);
    }
}

static double visible_calls(void *opaque)
{
    struct setting *s = opaque;
    unsigned order = s->pages >= BATCH ? 9 : 0;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        reserve(s, XENMEM_populate_physmap, OTHER, s->pages, order);
        clear(s, OTHER, s->pages);
        reserve(s, XENMEM_decrease_reservation, OTHER, s->pages, 0);
    }
    return (bench_now() - start) / s->times;
}

/* ---- both ---- */

static void open_calls(struct setting *s)
{
    s->call = xencall_open(NULL, 0);
    s->fmem = xenforeignmemory_open(NULL, 0);
    s->reservation = xencall_alloc_buffer_pages(s->call, 2);
    s->gfns = (void *)((char *)s->reservation + PAGE);
    s->plain = mmap(NULL, (BATCH + MOST) * (size_t)PAGE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->plain == MAP_FAILED)
        bench_die("no memory");
}

static void run(struct setting *s, struct xen_ram_spec *spec, const char *kind,
                bench_fn *ours, const char *limit, bench_fn *calls)
{
    static const unsigned pages[] = {1, 16, 512, MOST};
    char name[48];

    if (xen_ram_alloc(s->ram, spec, &s->block))
        bench_die(xen_ram_error(s->ram));
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        s->pages = pages[i];
        s->times = pages[i] >= MOST ? 1 : 2000 / (8 + pages[i]) + 4;
        snprintf(name, sizeof(name), "ram.resize.%s.%u", kind, pages[i]);
        bench_run(name, ours, limit, calls, s);
    }
    xen_ram_free(s->ram, s->block);
}

void bench_ram(void)
{
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = 1024, .maxmem = 4 * MOST};
    struct xen_ram_spec spec = {
        .idstr = "bench",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = BATCH * PAGE,
        .max_length = (BATCH + MOST) * (uint64_t)PAGE,
    };
    /* fakexen needs a mapping of the kernel's for each page. */
    struct xen_mapcache_options options = {.budget = 16 << 20};
    struct xen_mapcache *cache;
    struct setting s;

    fakexen_reset();
    fakexen_create(&domain);
    if (xen_mapcache_open(DOMID, &options, &cache) ||
        xen_ram_open(DOMID, cache, &s.ram))
        bench_die("no list");
    open_calls(&s);
    run(&s, &spec, "private", private_resize, "mprotect, memset and mmap",
        private_calls);
    spec.kind = XEN_RAM_VISIBLE;
    spec.gfn = FIRST;
    run(&s, &spec, "visible", visible_resize,
        "populate, map, memset, unmap and decrease", visible_calls);

    xencall_free_buffer_pages(s.call, s.reservation, 2);
    xenforeignmemory_close(s.fmem);
    xencall_close(s.call);
    munmap(s.plain, (BATCH + MOST) * (size_t)PAGE);
    xen_ram_close(s.ram);
    bench_ram_dirty(cache);
    xen_mapcache_close(cache);
    xen_mapcache_thread_offline();
}
