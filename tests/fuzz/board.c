/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fuzz/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dm/block/disks.h"

#include "tests/unit/loop.h"
#include "tests/unit/machine-env.h"

void expect(bool holds)
{
    if (!holds)
        abort();
}

void board_open(struct board *board, const struct options *options,
                bool loading)
{
    struct machine *machine = &board->machine;

    *board = (struct board){.options = *options};
    expect(uv_loop_init(&board->loop) == 0);
    machine_env_open(machine, &board->options, &board->loop, loading);
    expect(disks_open(&board->loop, &board->options, &machine->disks) == 0);
    expect(disks_activate(machine->disks) == 0);
    expect(machine_init(machine) == 0);
}

void board_close(struct board *board)
{
    struct machine *machine = &board->machine;

    machine_fini(machine);
    disks_close(machine->disks);
    uv_run(&board->loop, UV_RUN_NOWAIT);
    expect(loop_close(&board->loop) == 0);
    machine_env_close(machine);
}

int board_save(struct board *board)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("state", MFD_CLOEXEC);

    expect(fd >= 0);
    expect(machine_stop(&board->machine) == 0);
    if (machine_save(&board->machine, fd, false, error)) {
        fprintf(stderr, "cannot save: %s\n", error);
        abort();
    }
    return fd;
}

void board_load(struct board *board, int fd)
{
    char error[XEN_MIGRATE_ERROR_MAX];

    expect(lseek(fd, 0, SEEK_SET) == 0);
    if (machine_load(&board->machine, fd, error)) {
        fprintf(stderr, "cannot load: %s\n", error);
        abort();
    }
}

uint8_t *state_bytes(int fd, size_t *len)
{
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *bytes;

    expect(size > 0);
    bytes = malloc((size_t)size);
    expect(bytes && pread(fd, bytes, (size_t)size, 0) == size);
    *len = (size_t)size;
    return bytes;
}

void expect_same_states(int a, int b)
{
    size_t left_len, right_len;
    uint8_t *left = state_bytes(a, &left_len);
    uint8_t *right = state_bytes(b, &right_len);

    expect(left_len == right_len && memcmp(left, right, left_len) == 0);
    free(left);
    free(right);
}
