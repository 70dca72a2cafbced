/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A state that somebody made: it says what it likes about each device, within
 * the ranges that a load checks.  Whatever was loaded, the guest can use every
 * port and register afterwards, and the machine can be saved, and loaded again
 * as the same bytes.  What was not loaded changed nothing.
 */

#include <libdeflate.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dm/bus.h"
#include "dm/pci.h"

#include "tests/fakexen/fakexen.h"
#include "tests/fuzz/board.h"
#include "tests/unit/sum.h"

#define GUEST_MIB 16
#define GUEST_PAGES (GUEST_MIB * 256)
#define FIRST 1u
#define SECOND 2u
#define ACCESSES 400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the machine ------------------------------------------------------ */

/* As the source of tests/vectors has it, without a kernel. */
static void machine_open(struct board *board, uint32_t domid)
{
    struct options options = {.domid = domid,
                              .ram_mb = GUEST_MIB,
                              .serials = {"null"},
                              .boot_order = "c",
                              .max_vcpus = 1,
                              .platform_device = true,
                              .incoming_fd = -1};

    fakexen_create(
        &(struct fakexen_domain){.domid = domid, .pages = GUEST_PAGES});
    board_open(board, &options, true);
}

static void machine_close(struct board *board)
{
    board_close(board);
    fakexen_destroy(board->options.domid);
}

/* ---- states ----------------------------------------------------------- */

struct state {
    uint8_t *bytes;
    size_t len;
};

static bool load(struct board *board, const struct state *state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("state", MFD_CLOEXEC);
    int r;

    expect(fd >= 0);
    expect(pwrite(fd, state->bytes, state->len, 0) == (ssize_t)state->len);
    r = machine_load(&board->machine, fd, error);
    close(fd);
    expect((r == 0) == (error[0] == '\0') && !strchr(error, '\n'));
    return r == 0;
}

static struct state save(struct board *board)
{
    int fd = board_save(board);
    struct state state;

    state.bytes = state_bytes(fd, &state.len);
    close(fd);
    return state;
}

/* ---- the guest -------------------------------------------------------- */

static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static uint16_t port(uint32_t random)
{
    static const struct {
        uint16_t first, nr;
    } ranges[] = {
        {0x10, 4},    {0x60, 5},    {0x70, 2},    {0x92, 1},
        {0xb2, 2},    {0x3f8, 8},   {0xcf8, 8},   {0xae00, 32},
        {0xafc0, 64}, {0xb000, 64}, {0xc000, 32},
    };
    size_t i = random % (sizeof(ranges) / sizeof(ranges[0]));

    return (uint16_t)(ranges[i].first + (random >> 8) % ranges[i].nr);
}

/* Reads and writes of all that a guest can reach, by a seed from the state. */
static void use(struct board *board, uint32_t seed)
{
    struct machine *machine = &board->machine;

    seed |= 1;
    for (unsigned i = 0; i < ACCESSES; i++) {
        uint32_t what = next(&seed), value = next(&seed);
        unsigned size = 1u << what % 3;
        uint8_t devfn = (uint8_t)(what >> 4) & 0x1f;

        if (what & 0x1000000)
            bus_read(machine->bus, BUS_PIO, port(what >> 4), size);
        else if (what & 0x2000000)
            bus_write(machine->bus, BUS_PIO, port(what >> 4), size, value);
        else if (what & 0x4000000)
            pci_config_read(machine, devfn, (what >> 12) & 0xfc, size);
        else
            pci_config_write(machine, devfn, (what >> 12) & 0xfc, size, value);
    }
    uv_run(&board->loop, UV_RUN_NOWAIT);
}

static void expect_same_again(const struct state *want)
{
    struct board board;
    struct state got;

    machine_open(&board, SECOND);
    expect(load(&board, want));
    got = save(&board);
    expect(got.len == want->len);
    expect(memcmp(got.bytes, want->bytes, want->len) == 0);
    free(got.bytes);
    machine_close(&board);
}

static void live_on(struct board *board, uint32_t seed)
{
    struct state state;

    machine_cont(&board->machine);
    use(board, seed);
    state = save(board);
    expect_same_again(&state);
    free(state.bytes);
    machine_cont(&board->machine);
    use(board, ~seed);
}

/* The board is kept as long as it refuses what comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct board board;
    static bool ready;
    struct state state = {malloc(size + 1), size};

    expect(state.bytes != NULL);
    memcpy(state.bytes, data, size);
    /* No mutation finds the right sum. */
    (void)fix_sum(state.bytes, state.len);
    if (!ready) {
        fakexen_reset();
        machine_open(&board, FIRST);
        ready = true;
    }
    if (load(&board, &state)) {
        live_on(&board, libdeflate_crc32(0, data, size));
        machine_close(&board);
        expect(fakexen_violations() == 0);
        expect(fakexen_mappings() == 0 && fakexen_handles() == 0);
        ready = false;
    }
    free(state.bytes);
    return 0;
}
