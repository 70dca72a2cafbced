/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * ram-bench DOMID [plug]: what it takes to grow and shrink a block of a guest,
 * and to plug and unplug (or only these), beside the plain calls.  Lines as
 * tests/bench/bench.h has them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define FIRST UINT64_C(0x180000) /* 6 GiB */

int main(int argc, char **argv)
{
    uint32_t domid;

    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "plug") != 0)) {
        fprintf(stderr, "usage, in dom0: ram-bench DOMID [plug]\n");
        return EXIT_FAILURE;
    }
    domid = (uint32_t)strtoul(argv[1], NULL, 0);
    if (argc == 2)
        bench_ram_visible("ram.resize", domid, FIRST, 0);
    bench_ram_plug("ram", domid, FIRST, 0);
    return EXIT_SUCCESS;
}
