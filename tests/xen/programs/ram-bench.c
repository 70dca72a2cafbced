/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * ram-bench DOMID: what it takes to grow and shrink a block of a guest that is
 * paused, beside the plain calls.  Lines as tests/bench/bench.h has them.
 */

#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define FIRST UINT64_C(0x180000) /* 6 GiB */

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage, in dom0: ram-bench DOMID\n");
        return EXIT_FAILURE;
    }
    bench_ram_visible("ram.resize", (uint32_t)strtoul(argv[1], NULL, 0), FIRST,
                      0);
    return EXIT_SUCCESS;
}
