/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A guest gone mad about its IDE controller: registers, tables of the bus
 * master, packets, memory that leaves and comes back, unplugs.  Its state can
 * be saved and loaded, and is saved as the same bytes again.  Then the state is
 * damaged: whatever of it is loaded, the guest can go on.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dm/bus.h"
#include "dm/pci.h"

#include "dm/block/disks.h"

#include "xenram/mapcache.h"

#include "tests/fakexen/fakexen.h"
#include "tests/fuzz/board.h"
#include "tests/fuzz/input.h"
#include "tests/unit/sum.h"

#define GUEST_MIB 4
#define SOURCE 1u
#define TARGET 2u
#define MAX_OPS 256
#define MAX_DAMAGE 8
#define IMAGE_SIZE 0x100000
#define BUS_MASTER 0xc000
#define TABLE 0x10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the machine ------------------------------------------------------ */

/* A disk, a small disk, a CD-ROM, an empty drive. */
static void fill_options(struct options *options, uint32_t domid)
{
    static const char *const ids[] = {"hd0", "hd1", "cd0", "cd1"};
    static char paths[3][32];
    static int fds[3];

    *options = (struct options){.domid = domid,
                                .ram_mb = GUEST_MIB,
                                .boot_order = "c",
                                .max_vcpus = 1,
                                .platform_device = true,
                                .incoming_fd = -1};
    for (unsigned i = 0; i < 4; i++)
        options->drives[i] = (struct options_drive){
            .id = ids[i], .cdrom = i >= 2, .read_only = i >= 2, .raw = true};
    for (unsigned i = 0; i < 3; i++) {
        if (fds[i] == 0) {
            fds[i] = memfd_create("image", MFD_CLOEXEC);
            expect(fds[i] > 0);
            snprintf(paths[i], sizeof(paths[i]), "/proc/self/fd/%d", fds[i]);
        }
        if (domid == SOURCE)
            expect(ftruncate(fds[i], 0) == 0);
        expect(ftruncate(fds[i], i == 1 ? 5120 : IMAGE_SIZE) == 0);
        options->drives[i].file = paths[i];
    }
}

static void machine_open(struct board *board, uint32_t domid, bool loading)
{
    static struct options options;

    fill_options(&options, domid);
    board_open(board, &options, loading);
}

/* ---- the guest -------------------------------------------------------- */

static void out(struct board *board, uint64_t port, unsigned size,
                uint64_t value)
{
    bus_write(board->machine.bus, BUS_PIO, port, size, value);
}

static uint64_t base(uint8_t bits)
{
    return bits & 1 ? 0x170 : 0x1f0;
}

static void access_register(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1), reg = (uint8_t)take(input, 1);
    unsigned size = 1u << (bits >> 1) % 3;
    uint64_t port = base(bits) + reg % 8;

    if (reg & 0x80)
        port = BUS_MASTER + reg % 16;
    else if (reg & 0x40)
        port = base(bits) + 0x206;
    if (bits & 0x80)
        out(board, port, size, take(input, size));
    else
        bus_read(board->machine.bus, BUS_PIO, port, size);
}

static void give_command(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    uint64_t first = base(bits);

    out(board, first + 6, 1, 0xa0 | (bits & 0x5f));
    for (unsigned reg = 1; reg < 6; reg++)
        out(board, first + reg, 1, bits & 0x20 ? take(input, 1) : reg == 2);
    out(board, first + 7, 1, take(input, 1));
}

static void give_packet(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1), packet[12];

    out(board, 0x176, 1, bits & 0x10 ? 0xb0 : 0xa0);
    out(board, 0x171, 1, bits & 1);
    out(board, 0x174, 2, bits & 2 ? take(input, 2) : 2048);
    out(board, 0x177, 1, 0xa0);
    for (unsigned i = 0; i < sizeof(packet); i++)
        packet[i] = (uint8_t)take(input, 1);
    bus_write_many(board->machine.bus, 0x170, 2, packet, 6);
}

static void make_table(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    unsigned nr = 1 + bits % 64;

    for (unsigned i = 0; i < nr; i++) {
        uint32_t prd[2] = {(uint32_t)take(input, 3) % (GUEST_MIB << 20),
                           (uint32_t)take(input, 2)};

        if (bits & 0x40)
            prd[0] = 0x100000 + i * 4096;
        if (i == nr - 1 && bits & 0x80)
            prd[1] |= 0x80000000;
        fakexen_poke(board->options.domid, TABLE + 8 * i, prd, sizeof(prd));
    }
}

static void start_bus_master(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    uint64_t first = BUS_MASTER + (bits & 1) * 8;

    out(board, first + 4, 4, bits & 2 ? take(input, 4) : TABLE);
    out(board, first + 2, 1, 0x66);
    out(board, first, 1, bits & 4 ? 9 : 1);
}

static void move_string(struct board *board, struct input *input)
{
    static uint8_t data[4096];
    uint8_t bits = (uint8_t)take(input, 1);
    unsigned size = 1u << (bits >> 1) % 3;
    uint32_t nr = (uint32_t)take(input, 2) % (sizeof(data) / size + 1);

    if (bits & 0x80)
        bus_write_many(board->machine.bus, base(bits), size, data, nr);
    else
        bus_read_many(board->machine.bus, base(bits), size, data, nr);
}

static void change_memory(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    uint64_t gfn = 0x100 + bits % 32;

    if (bits & 0x80)
        fakexen_balloon_out(board->options.domid, gfn, 4);
    else if (bits & 0x40)
        fakexen_balloon_in(board->options.domid, gfn, 4);
    xen_mapcache_invalidate(board->machine.cache);
}

static void change_medium(struct board *board, struct input *input)
{
    struct disk *disk = disks_ide(board->machine.disks, 2);
    bool load = take(input, 1) & 1;

    expect(disk != NULL);
    disk_change(disk, load ? board->options.drives[2].file : NULL, -1);
}

static void run_op(struct board *board, struct input *input)
{
    switch (take(input, 1) % 12) {
    case 0:
    case 1:
        access_register(board, input);
        break;
    case 2:
    case 3:
        give_command(board, input);
        break;
    case 4:
        give_packet(board, input);
        break;
    case 5:
        make_table(board, input);
        break;
    case 6:
        start_bus_master(board, input);
        break;
    case 7:
        move_string(board, input);
        break;
    case 8:
        change_memory(board, input);
        break;
    case 9:
        change_medium(board, input);
        break;
    case 10:
        disks_drain(board->machine.disks);
        break;
    default: /* rarely an end of the disks */
        if (take(input, 1) == 0xff)
            out(board, 0x10, 2, 1u << take(input, 1) % 3);
        else
            uv_run(&board->loop, UV_RUN_NOWAIT);
    }
}

static void run_guest(struct board *board, struct input *input)
{
    pci_config_write(&board->machine, PCI_DEVFN(1, 1), 0x20, 4, BUS_MASTER);
    pci_config_write(&board->machine, PCI_DEVFN(1, 1), 0x04, 2, 5);
    for (unsigned i = 0; i < MAX_OPS && input->left > 0; i++)
        run_op(board, input);
}

/* ---- save, damage and load -------------------------------------------- */

static bool load(struct board *board, int fd)
{
    char error[XEN_MIGRATE_ERROR_MAX];

    expect(lseek(fd, 0, SEEK_SET) == 0);
    return machine_load(&board->machine, fd, error) == 0;
}

/* Other bytes in the controller's section, and a sum that fits. */
static void damage(int fd, struct input *input)
{
    size_t len;
    uint8_t *bytes = state_bytes(fd, &len);
    uint8_t *section = memmem(bytes, len, "piix3-ide", 9);
    uint8_t *sum = memmem(bytes, len, "\x0axenram/sum", 11);

    expect(section && sum > section);
    for (unsigned i = 0; i < MAX_DAMAGE && input->left > 0; i++) {
        size_t where = (size_t)take(input, 2) % (size_t)(sum - section);

        section[where] = (uint8_t)take(input, 1);
    }
    expect(fix_sum(bytes, len));
    expect(pwrite(fd, bytes, len, 0) == (ssize_t)len);
    free(bytes);
}

/* Returns the state that the target saves, or -1 when it refused this one. */
static int go_on(int fd, const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct board target;
    int after = -1;

    fakexen_create(
        &(struct fakexen_domain){.domid = TARGET, .pages = GUEST_MIB * 256});
    machine_open(&target, TARGET, true);
    if (load(&target, fd)) {
        after = board_save(&target);
        machine_cont(&target.machine);
        run_guest(&target, &input);
    }
    board_close(&target);
    fakexen_destroy(TARGET);
    return after;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct board board;
    int before, after;

    fakexen_reset();
    fakexen_create(
        &(struct fakexen_domain){.domid = SOURCE, .pages = GUEST_MIB * 256});
    machine_open(&board, SOURCE, false);
    machine_reset(&board.machine);
    machine_cont(&board.machine);
    run_guest(&board, &input);
    before = board_save(&board);
    board_close(&board);

    after = go_on(before, data, 0);
    expect(after >= 0);
    expect_same_states(before, after);
    close(after);
    input = (struct input){data + size / 2, size - size / 2};
    damage(before, &input);
    after = go_on(before, data, size / 2);
    if (after >= 0)
        close(after);
    close(before);
    expect(fakexen_violations() == 0);
    expect(fakexen_mappings() == 0 && fakexen_handles() == 0);
    return 0;
}
