/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* bench [NAME]: all benchmarks that need no Xen, or one of the table below. */

#include <stddef.h>
#include <string.h>

#include "tests/bench/bench.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } benches[] = {
        {"mapcache", bench_mapcache},
        {"mapcache-invalidate", bench_mapcache_invalidate},
        {"mapcache-miss", bench_mapcache_miss},
        {"ram", bench_ram},
        {"memory-device", bench_memory_device},
        {"migrate", bench_migrate},
        {"disk", bench_disk},
    };

    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
        if (argc < 2 || strcmp(argv[1], benches[i].name) == 0)
            benches[i].run();
    return 0;
}
