/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A guest gone mad at a virtio-mem device: any writes to its registers, its
 * configuration space and its queue, good and bad requests among them, while
 * Xen fails and the operator changes his mind.  The guest is charged for what
 * is plugged and for nothing else, and what it did can be saved, loaded and
 * saved again as the same bytes.
 */

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "dm/bus.h"
#include "dm/pci.h"
#include "dm/virtio-mem.h"

#include "tests/fakexen/fakexen.h"
#include "tests/fuzz/board.h"
#include "tests/fuzz/input.h"

#include "xenram/mapcache.h"
#include "xenram/memory-device.h"

#define GUEST_MIB 4
#define ROOM_MIB 12
#define SIZE_MIB 16
#define MIB (UINT64_C(1) << 20)
#define MAX_OPS 256
#define SOURCE 1u
#define TARGET 2u

#define DEVFN PCI_DEVFN(0x10, 0)
#define BAR0 UINT64_C(0xe0000000)
#define BAR1 UINT64_C(0xe0008000)
#define NOTIFY (BAR0 + 0x3000)
#define STATUS (BAR0 + 0x14)

/* Of the guest's memory: the parts of the queue, then buffers. */
#define DESC UINT64_C(0x200000)
#define AVAIL UINT64_C(0x201000)
#define USED UINT64_C(0x202000)
#define BUFFER UINT64_C(0x203000)
#define QUEUE_SIZE 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the machine ------------------------------------------------------ */

static void machine_open(struct board *board, uint32_t domid, bool loading)
{
    struct options options = {.domid = domid,
                              .ram_mb = GUEST_MIB,
                              .maxmem = (GUEST_MIB + SIZE_MIB) * MIB,
                              .max_vcpus = 1,
                              .nr_virtio_mems = 1,
                              .incoming_fd = -1};

    options.virtio_mems[0] = (struct options_virtio_mem){
        .id = "vm0",
        .memdev = "m0",
        .size = SIZE_MIB * MIB,
        .requested_size = SIZE_MIB / 2 * MIB,
        .block_size = MIB,
    };
    board_open(board, &options, loading);
}

static void turns(struct board *board)
{
    unsigned nr = 0;

    while (uv_run(&board->loop, UV_RUN_NOWAIT))
        expect(++nr < 10000);
    xen_mapcache_quiescent();
}

/* ---- the guest -------------------------------------------------------- */

static void out(struct board *board, uint64_t at, unsigned size, uint64_t value)
{
    bus_write(board->machine.bus, BUS_MMIO, at, size, value);
}

static bool has_page(uint64_t gpa)
{
    return fakexen_frame(SOURCE, gpa >> 12) != FAKEXEN_NO_FRAME;
}

static void poke(uint64_t gpa, uint64_t value, unsigned size)
{
    if (has_page(gpa) && has_page(gpa + size - 1))
        fakexen_poke(SOURCE, gpa, &value, size);
}

static void place(struct board *board)
{
    pci_config_write(&board->machine, DEVFN, 0x10, 4, (uint32_t)BAR0);
    pci_config_write(&board->machine, DEVFN, 0x14, 4, (uint32_t)BAR1);
    pci_config_write(&board->machine, DEVFN, 0x04, 2, 0x0006);
}

/* A driver that does all right, to here. */
static void start(struct board *board)
{
    place(board);
    for (unsigned i = 0; i < 0x2ff8; i += 8)
        poke(DESC + i, 0, 8);
    out(board, STATUS, 1, 0);
    out(board, STATUS, 1, 3);
    out(board, BAR0 + 0x08, 4, 0);
    out(board, BAR0 + 0x0c, 4, 7);
    out(board, BAR0 + 0x08, 4, 1);
    out(board, BAR0 + 0x0c, 4, 1);
    out(board, STATUS, 1, 11);
    out(board, BAR0 + 0x16, 2, 0);
    out(board, BAR0 + 0x18, 2, QUEUE_SIZE);
    out(board, BAR0 + 0x20, 8, DESC);
    out(board, BAR0 + 0x28, 8, AVAIL);
    out(board, BAR0 + 0x30, 8, USED);
    out(board, BAR0 + 0x1c, 2, 1);
    out(board, STATUS, 1, 15);
}

static void put_desc(unsigned index, uint64_t gpa, uint32_t len, unsigned flags,
                     unsigned next)
{
    poke(DESC + 16 * index, gpa, 8);
    poke(DESC + 16 * index + 8, len, 4);
    poke(DESC + 16 * index + 12, flags, 2);
    poke(DESC + 16 * index + 14, next, 2);
}

/* Next to where the used ring is: what came back was seen. */
static void request(struct board *board, struct input *input)
{
    uint64_t addr = bus_read(board->machine.bus, BUS_MMIO, BAR0 + 0x2010, 8);
    uint8_t bits = (uint8_t)take(input, 1);
    uint16_t index = 0;

    if (has_page(USED))
        fakexen_peek(SOURCE, USED + 2, &index, 2);
    poke(BUFFER, bits & 3, 8);
    poke(BUFFER + 8, addr + take(input, 1) % 32 * (MIB / 2), 8);
    poke(BUFFER + 16, bits >> 2, 8);
    put_desc(0, BUFFER, 24, 1, 1);
    put_desc(1, BUFFER + 64, 10, 2, 0);
    poke(AVAIL + 4 + 2 * (index % QUEUE_SIZE), 0, 2);
    poke(AVAIL + 2, (uint16_t)(index + 1), 2);
    out(board, NOTIFY, 2, 0);
}

static void set_requested(struct board *board, struct input *input)
{
    struct device *device = virtio_mem_find(&board->machine, "vm0");
    char text[256];

    (void)virtio_mem_request(device, take(input, 1) * (MIB / 2), text,
                             sizeof(text));
}

/* The guest may give pages of its queue away, and take them back. */
static void change_memory(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    uint64_t gfn = (DESC >> 12) + (bits & 3);

    if (bits & 0x80)
        fakexen_balloon_out(SOURCE, gfn, 1);
    else
        fakexen_balloon_in(SOURCE, gfn, 1);
    xen_mapcache_invalidate(board->machine.cache);
}

static void arm_fault(struct input *input)
{
    static const enum fakexen_kind kinds[] = {FAKEXEN_POPULATE, FAKEXEN_MAP,
                                              FAKEXEN_IRQ, FAKEXEN_BUFFER};
    uint8_t bits = (uint8_t)take(input, 1);

    fakexen_fail(kinds[bits & 3], 1 + (bits >> 2 & 7), 1 + (bits >> 5), EIO);
}

static void disarm_faults(void)
{
    for (unsigned kind = 0; kind <= FAKEXEN_NR_KINDS; kind++)
        fakexen_fail((enum fakexen_kind)kind, 1, 0, 0);
}

static void write_register(struct board *board, struct input *input)
{
    uint64_t at = take(input, 2);
    unsigned size = 1u << (at >> 14);

    at &= 0x3fff;
    out(board, BAR0 + (at < 0x2000 ? at & 0x3f : at), size, take(input, size));
}

static void access_config(struct board *board, struct input *input)
{
    uint8_t at = (uint8_t)take(input, 1);
    unsigned size = 1u << take(input, 1) % 3;

    pci_config_write(&board->machine, DEVFN, at, size,
                     (uint32_t)take(input, size));
    (void)pci_config_read(&board->machine, DEVFN, at, size);
}

static void pause_and_go_on(struct board *board)
{
    expect(machine_stop(&board->machine) == 0);
    machine_cont(&board->machine);
}

static void run_op(struct board *board, struct input *input)
{
    uint64_t at;

    switch (take(input, 1) % 14) {
    case 0:
        start(board);
        break;
    case 1:
    case 2:
    case 3:
        request(board, input);
        turns(board);
        break;
    case 4:
        request(board, input);
        break;
    case 5:
        write_register(board, input);
        break;
    case 6:
        at = take(input, 2) % 0x3000;
        poke(DESC + at, take(input, 2), 2);
        break;
    case 7:
        out(board, NOTIFY, 2, 0);
        turns(board);
        break;
    case 8:
        set_requested(board, input);
        break;
    case 9:
        change_memory(board, input);
        break;
    case 10:
        access_config(board, input);
        break;
    case 11:
        at = take(input, 1) * 4;
        out(board, BAR1 + at, 4, take(input, 4));
        break;
    case 12:
        pause_and_go_on(board);
        break;
    default:
        arm_fault(input);
    }
}

/* ---- what must be so -------------------------------------------------- */

static uint64_t plugged(struct board *board)
{
    struct xen_memory_info info;

    virtio_mem_info(virtio_mem_find(&board->machine, "vm0"), &info);
    return info.size;
}

static void move_to_another_domain(struct board *source)
{
    struct board target;
    uint64_t had;
    int before = board_save(source), after;

    had = plugged(source);
    fakexen_create(&(struct fakexen_domain){.domid = TARGET});
    fakexen_copy_memory(TARGET, SOURCE);
    board_close(source);
    machine_open(&target, TARGET, true);
    board_load(&target, before);
    expect(plugged(&target) == had);
    machine_cont(&target.machine);
    after = board_save(&target);
    expect_same_states(before, after);
    board_close(&target);
    close(before);
    close(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct board board;
    uint64_t pages;

    fakexen_reset();
    fakexen_create(
        &(struct fakexen_domain){.domid = SOURCE,
                                 .pages = GUEST_MIB * 256,
                                 .maxmem = (GUEST_MIB + ROOM_MIB) * 256});
    machine_open(&board, SOURCE, false);
    machine_reset(&board.machine);
    machine_cont(&board.machine);
    pages = fakexen_tot_pages(SOURCE);
    for (unsigned i = 0; i < MAX_OPS && input.left > 0; i++)
        run_op(&board, &input);
    disarm_faults();
    expect(!fakexen_crashed(SOURCE));

    expect(machine_stop(&board.machine) == 0);
    for (uint64_t gfn = DESC >> 12; gfn < (DESC >> 12) + 4; gfn++)
        if (!has_page(gfn << 12))
            pages--;
    xen_mapcache_reclaim(board.machine.cache, 0);
    expect(fakexen_tot_pages(SOURCE) == pages + plugged(&board) / 4096);
    move_to_another_domain(&board);
    expect(fakexen_violations() == 0);
    expect(fakexen_mappings() == 0 && fakexen_handles() == 0);
    return 0;
}
