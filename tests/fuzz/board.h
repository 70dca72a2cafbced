/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_BOARD_H
#define TESTS_FUZZ_BOARD_H

/* A machine on fakexen, with the disks that its options name. */

#include <stdbool.h>

#include <uv.h>

#include "dm/machine.h"
#include "dm/options.h"

struct board {
    struct options options;
    struct machine machine;
    uv_loop_t loop;
};

/* Ends the program, as a finding. */
void expect(bool holds);

/* options are copied; their domain must exist. */
void board_open(struct board *board, const struct options *options,
                bool loading);
/* The domain stays. */
void board_close(struct board *board);

#endif
