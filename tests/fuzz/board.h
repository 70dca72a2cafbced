/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_BOARD_H
#define TESTS_FUZZ_BOARD_H

/* A machine on fakexen with the disks that its options name; its states. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Stops the machine; the file with its state is the caller's to close. */
int board_save(struct board *board);
/* A state that has to be accepted. */
void board_load(struct board *board, int fd);
/* All of a file, to be freed. */
uint8_t *state_bytes(int fd, size_t *len);
void expect_same_states(int a, int b);

#endif
