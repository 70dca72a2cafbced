/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/bench/guest.h"

#include <sys/mman.h>

#include <xenforeignmemory.h>

#include "tests/bench/bench.h"
#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

void guest_create(void)
{
    /* Low memory up to gfn 256, the rest from 4 GiB on. */
    struct fakexen_domain domain = {
        .domid = DOMID, .low_max = 256, .pages = GUEST / PAGE + 256};

    fakexen_reset();
    fakexen_create(&domain);
}

struct xen_mapcache *guest_open(uint64_t budget)
{
    struct xen_mapcache_options options = {.budget = budget};
    struct xen_mapcache *cache;

    if (xen_mapcache_open(DOMID, &options, &cache))
        bench_die("no map cache");
    return cache;
}

void *guest_look_up(struct xen_mapcache *cache, uint64_t gpa, size_t len)
{
    void *host;

    if (xen_mapcache_lookup(cache, gpa, len, &host))
        bench_die("a lookup failed");
    return host;
}

double guest_raw_map(uint64_t bytes, uint64_t stride, uint64_t len,
                     uint64_t budget)
{
    xenforeignmemory_handle *handle = xenforeignmemory_open(NULL, 0);
    const uint64_t kept = budget / len * stride;
    uint8_t *window = bench_reserve(NULL, bytes);
    xen_pfn_t gfns[512];
    int errors[512];
    double start, time;

    if (!handle)
        bench_die("no foreign memory");
    start = bench_cpu_now();
    for (uint64_t at = 0; at < bytes; at += stride) {
        for (uint64_t i = 0; i < len / PAGE; i++)
            gfns[i] = (RAM + at) / PAGE + i;
        if (!xenforeignmemory_map2(
                handle, DOMID, window + at, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED, len / PAGE, gfns, errors))
            bench_die("a map failed");
        if (at >= kept)
            bench_reserve(window + at - kept, len);
    }
    time = bench_cpu_now() - start;
    munmap(window, bytes);
    xenforeignmemory_close(handle);
    return time;
}
