/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* Grow a private block by some pages, use them, give them back. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/bench.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE
#define OPS 200u

struct setting {
    struct xen_ram *ram;
    struct xen_ram_block *block;
    uint8_t *plain; /* memory of the same size, without a block */
    size_t bytes;   /* by which it grows */
};

static double resize(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *host = xen_ram_host(s->block);
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++) {
        if (xen_ram_resize(s->ram, s->block, PAGE + s->bytes))
            bench_die(xen_ram_error(s->ram));
        memset(host + PAGE, 1, s->bytes);
        if (xen_ram_resize(s->ram, s->block, PAGE))
            bench_die(xen_ram_error(s->ram));
    }
    return (bench_now() - start) / OPS;
}

static double protect(void *opaque)
{
    struct setting *s = opaque;
    uint8_t *more = s->plain + PAGE;
    double start = bench_now();

    for (unsigned i = 0; i < OPS; i++) {
        if (mprotect(more, s->bytes, PROT_READ | PROT_WRITE))
            bench_die("mprotect");
        memset(more, 1, s->bytes);
        if (madvise(more, s->bytes, MADV_DONTNEED) ||
            mprotect(more, s->bytes, PROT_NONE))
            bench_die("madvise");
    }
    return (bench_now() - start) / OPS;
}

void bench_ram(void)
{
    static const unsigned pages[] = {1, 512};
    struct xen_ram_spec spec = {
        .idstr = "bench",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = PAGE,
        .max_length = 1024 * PAGE,
    };
    struct setting s;
    char name[32];

    if (xen_ram_open(1, NULL, &s.ram) || xen_ram_alloc(s.ram, &spec, &s.block))
        bench_die("no block");
    s.plain = mmap(NULL, spec.max_length, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.plain == MAP_FAILED)
        bench_die("no memory");
    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        s.bytes = (size_t)pages[i] * PAGE;
        snprintf(name, sizeof(name), "ram.resize.%u", pages[i]);
        bench_run(name, resize, "memset, mprotect and madvise", protect, &s);
    }
    munmap(s.plain, spec.max_length);
    xen_ram_close(s.ram);
}
