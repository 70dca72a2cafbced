/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Grow a private block by some pages and shrink it again, beside the calls that
 * this takes at least.  It is used in between, since the host finds memory only
 * then.
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/bench.h"
#include "tests/fakexen/fakexen.h"
#include "xenram/ram.h"

#define DOMID 3u
#define PAGE ((size_t)XEN_RAM_PAGE_SIZE)
#define MOST 65536u
#define FIRST UINT64_C(0x100000)

struct setting {
    struct xen_ram *ram;
    struct xen_ram_block *block;
    uint8_t *plain; /* memory of the same size, without a block */
    size_t bytes;   /* by which it grows */
    unsigned times;
};

static double resize(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *more = (uint8_t *)xen_ram_host(s->block) + PAGE;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        if (xen_ram_resize(s->ram, s->block, PAGE + s->bytes))
            bench_die(xen_ram_error(s->ram));
        memset(more, 1, s->bytes);
        if (xen_ram_resize(s->ram, s->block, PAGE))
            bench_die(xen_ram_error(s->ram));
    }
    return (bench_now() - start) / s->times;
}

static double plain_calls(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *more = s->plain + PAGE;
    double start = bench_now();

    for (unsigned i = 0; i < s->times; i++) {
        if (mprotect(more, s->bytes, PROT_READ | PROT_WRITE))
            bench_die("mprotect");
        memset(more, 1, s->bytes);
        if (mmap(more, s->bytes, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            bench_die("mmap");
    }
    return (bench_now() - start) / s->times;
}

static void bench_private(void)
{
    static const unsigned pages[] = {1, 16, 512, MOST};
    const size_t most = (1 + MOST) * PAGE;
    struct xen_ram_spec spec = {
        .idstr = "bench",
        .kind = XEN_RAM_PRIVATE,
        .gfn = XEN_RAM_NO_GFN,
        .size = PAGE,
    };
    struct setting s;
    char name[48];

    if (xen_ram_open(DOMID, NULL, &s.ram) ||
        xen_ram_alloc_resizeable(s.ram, &spec, most, NULL, &s.block))
        bench_die("no block");
    s.plain = mmap(NULL, most, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.plain == MAP_FAILED)
        bench_die("no memory");
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        s.bytes = pages[i] * PAGE;
        s.times = pages[i] >= MOST ? 1 : 2000 / (8 + pages[i]) + 4;
        snprintf(name, sizeof(name), "ram.resize.private.%u", pages[i]);
        bench_run(name, resize, "mprotect, memset and mmap", plain_calls, &s);
    }
    munmap(s.plain, most);
    xen_ram_close(s.ram);
}

void bench_ram(void)
{
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = 1024, .maxmem = 4 * MOST};

    bench_private();
    fakexen_reset();
    fakexen_create(&domain);
    /* fakexen needs a mapping of the kernel's for each page. */
    bench_ram_visible("ram.resize.visible", DOMID, FIRST, 16 << 20);
    bench_ram_plug("ram", DOMID, FIRST, 16 << 20);
    bench_ram_dirty(DOMID);
}
