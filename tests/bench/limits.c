/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/bench/bench.h"

#include <sys/mman.h>
#include <urcu-qsbr.h>

double bench_epoch(void *opaque)
{
    double start = bench_now();

    (void)opaque;
    urcu_qsbr_synchronize_rcu();
    return bench_now() - start;
}

void *bench_reserve(void *at, size_t len)
{
    void *host =
        mmap(at, len, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0),
             -1, 0);

    if (host == MAP_FAILED)
        bench_die("mmap");
    return host;
}
