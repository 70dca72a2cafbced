/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A guest gone mad: any sequence of port, memory and configuration accesses,
 * string instructions, invalidates and resets to a machine made of all devices.
 * Every request is answered in the right state, and whatever the guest did, its
 * state can be saved, loaded and saved again as the same bytes.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dm/ioreq.h"

#include "tests/fakexen/fakexen.h"
#include "tests/fuzz/board.h"
#include "tests/fuzz/input.h"

#define GUEST_MIB 4
#define GUEST_PAGES (GUEST_MIB * 256)
#define MAX_OPS 512
#define KERNEL_SIZE 4096
#define SOURCE 1u
#define TARGET 2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A call of Xen failed: what is where may differ. */
static bool faulty;

/* ---- the machine ------------------------------------------------------ */

/* Linux, Documentation/arch/x86/boot.rst, protocol 2.02. */
static int kernel_fd(void)
{
    static int fd = -1;
    uint8_t image[KERNEL_SIZE] = {0};

    if (fd >= 0)
        return fd;
    fd = memfd_create("kernel", 0);
    expect(fd >= 0);
    image[0x1f1] = 1;
    image[0x1fe] = 0x55;
    image[0x1ff] = 0xaa;
    memcpy(image + 0x202, "HdrS", 4);
    image[0x206] = 0x02;
    image[0x207] = 0x02;
    image[0x211] = 1;
    expect(write(fd, image, sizeof(image)) == sizeof(image));
    return fd;
}

static void pump(void *opaque)
{
    uv_run(opaque, UV_RUN_NOWAIT);
}

/* In the domain, with all devices. */
static void machine_open(struct board *board, uint32_t domid, bool loading,
                         const char *kernel)
{
    struct options options = {.domid = domid,
                              .ram_mb = GUEST_MIB,
                              .serials = {"null", "null"},
                              .kernel = kernel,
                              .boot_order = "c",
                              .max_vcpus = 1,
                              .platform_device = true,
                              .acpi = true,
                              .incoming_fd = -1};

    board_open(board, &options, loading);
}

static void serve(struct board *board)
{
    expect(ioreq_start(&board->machine, &board->machine.ioreq) == 0);
    fakexen_set_pump(pump, &board->loop);
    machine_cont(&board->machine);
}

static void machine_close(struct board *board)
{
    fakexen_set_pump(NULL, NULL);
    ioreq_stop(board->machine.ioreq);
    board_close(board);
}

/* ---- the guest -------------------------------------------------------- */

/* Ports of the platform, so that a mutation is likely to hit one. */
static uint16_t take_port(struct input *input)
{
    static const uint16_t ports[] = {
        0x10,   0x12,   0x60,   0x64,   0x70,   0x71,   0x92,   0xb2,
        0x2f8,  0x3f8,  0x3fa,  0x3fc,  0xcf8,  0xcf9,  0xcfc,  0xcfe,
        0xae00, 0xaf00, 0xafc0, 0xafc4, 0xafe0, 0xb004, 0xc000, 0xc004};
    uint16_t port = (uint16_t)take(input, 2);

    /* The high byte says: as it is, or near one of the table. */
    if (port & 0x8000)
        return ports[port % (sizeof(ports) / sizeof(ports[0]))] +
               (port >> 8 & 7);
    return port;
}

static uint64_t take_address(struct input *input)
{
    static const uint64_t bases[] = {
        0,          0x9f000,           0xa0000,           0xc0000,
        0x3ff000,   0xf0000000,        0xf2000000,        0xfe000000,
        0xfffff000, UINT64_C(1) << 32, UINT64_MAX - 0xfff};
    uint8_t which = (uint8_t)take(input, 1);
    uint64_t offset = take(input, 2);

    if (which == 0xff)
        return take(input, 8);
    return bases[which % (sizeof(bases) / sizeof(bases[0]))] + offset;
}

static unsigned take_size(struct input *input)
{
    return 1u << take(input, 1) % 3;
}

static void access_port(struct board *board, struct input *input, bool read)
{
    struct fakexen_io io = {.read = read};

    io.addr = take_port(input);
    io.size = take_size(input);
    if (!read)
        io.data = take(input, io.size);
    expect(fakexen_io(board->options.domid, &io) == 0);
}

static void access_memory(struct board *board, struct input *input, bool read)
{
    struct fakexen_io io = {.mmio = true, .read = read};

    io.addr = take_address(input);
    io.size = 1u << take(input, 1) % 4;
    if (!read)
        io.data = take(input, io.size);
    expect(fakexen_io(board->options.domid, &io) == 0);
}

static void access_config(struct board *board, struct input *input, bool read)
{
    static const uint8_t functions[] = {0x00, 0x08, 0x0b, 0x10};
    uint8_t devfn = (uint8_t)take(input, 1);
    uint8_t offset = (uint8_t)take(input, 1);
    unsigned size = take_size(input);

    if (devfn & 0x80)
        devfn = functions[devfn % 4];
    offset &= (uint8_t) ~(size - 1);
    if (read)
        fakexen_pci_read(board->options.domid, devfn, offset, size);
    else
        fakexen_pci_write(board->options.domid, devfn, offset, size,
                          (uint32_t)take(input, size));
}

static void move_string(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    struct fakexen_io io = {.read = bits & 1,
                            .df = bits & 2,
                            .mmio = bits & 4,
                            .data_is_ptr = true,
                            .count = 1 + (bits >> 3)};

    io.addr = io.mmio ? take_address(input) : take_port(input);
    io.size = take_size(input);
    io.data = take_address(input);
    expect(fakexen_io(board->options.domid, &io) == 0);
}

static void send_raw(struct board *board, struct input *input)
{
    uint8_t type = (uint8_t)take(input, 1), bits = (uint8_t)take(input, 1);
    struct fakexen_io io = {.read = bits & 1,
                            .data_is_ptr = bits & 2,
                            .df = bits & 4,
                            .count = bits >> 3};

    io.addr = take(input, 8);
    io.data = take(input, 8);
    io.size = (uint32_t)take(input, 4);
    expect(fakexen_raw_ioreq(board->options.domid, 0, type, &io) == 0);
}

static void change_memory(struct board *board, struct input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    uint64_t gfn = 0x100 + bits % 64;

    if (bits & 0x80)
        fakexen_balloon_out(board->options.domid, gfn, 4);
    else if (bits & 0x40)
        fakexen_balloon_in(board->options.domid, gfn, 4);
    expect(fakexen_invalidate(board->options.domid, 0) == 0);
}

static void pause_and_go_on(struct board *board)
{
    expect(machine_stop(&board->machine) == 0);
    machine_cont(&board->machine);
}

/* Xen refuses something that a device asks for. */
static void arm_fault(struct input *input)
{
    static const enum fakexen_kind kinds[] = {
        FAKEXEN_IOREQ, FAKEXEN_IRQ, FAKEXEN_MEM_TYPE, FAKEXEN_RELOCATE,
        FAKEXEN_MAP,   FAKEXEN_DM,  FAKEXEN_XENCALL,  FAKEXEN_BUFFER};
    uint8_t bits = (uint8_t)take(input, 1);

    fakexen_fail(kinds[bits & 7], 1 + (bits >> 3 & 3), 1 + (bits >> 5), EIO);
    faulty = true;
}

static void disarm_faults(void)
{
    for (unsigned kind = 0; kind <= FAKEXEN_NR_KINDS; kind++)
        fakexen_fail((enum fakexen_kind)kind, 1, 0, 0);
}

static void run_op(struct board *board, struct input *input)
{
    switch (take(input, 1) % 13) {
    case 0:
    case 1:
        access_port(board, input, true);
        break;
    case 2:
    case 3:
        access_port(board, input, false);
        break;
    case 4:
        access_memory(board, input, true);
        break;
    case 5:
        access_memory(board, input, false);
        break;
    case 6:
        access_config(board, input, true);
        break;
    case 7:
        access_config(board, input, false);
        break;
    case 8:
        move_string(board, input);
        break;
    case 9:
        send_raw(board, input);
        break;
    case 10:
        change_memory(board, input);
        break;
    case 11:
        pause_and_go_on(board);
        break;
    default:
        arm_fault(input);
    }
}

/* ---- save and load ---------------------------------------------------- */

/* What devices keep in Xen and must put there again. */
static void expect_same_in_xen(void)
{
    for (unsigned link = 0; link < 4; link++)
        expect(fakexen_link_route(SOURCE, link) ==
               fakexen_link_route(TARGET, link));
    for (unsigned line = 0; line < 16; line++)
        expect(fakexen_isa_level(SOURCE, line) ==
               fakexen_isa_level(TARGET, line));
    for (uint64_t gfn = 0xc0; gfn < 0x100; gfn++)
        expect(fakexen_type(SOURCE, gfn) == fakexen_type(TARGET, gfn));
}

static void move_to_another_domain(struct board *source, const char *kernel)
{
    struct board target;
    int before = board_save(source), after;

    fakexen_create(&(struct fakexen_domain){.domid = TARGET});
    fakexen_copy_memory(TARGET, SOURCE);
    machine_close(source);

    machine_open(&target, TARGET, true, kernel);
    board_load(&target, before);
    serve(&target);
    after = board_save(&target);
    if (!faulty) {
        expect_same_states(before, after);
        expect_same_in_xen();
    }
    machine_close(&target);
    close(before);
    close(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct board board;
    char kernel[32];

    faulty = false;
    fakexen_reset();
    snprintf(kernel, sizeof(kernel), "/proc/self/fd/%d", kernel_fd());
    fakexen_create(
        &(struct fakexen_domain){.domid = SOURCE, .pages = GUEST_PAGES});
    machine_open(&board, SOURCE, false, kernel);
    machine_reset(&board.machine);
    serve(&board);
    for (unsigned i = 0; i < MAX_OPS && input.left > 0; i++)
        run_op(&board, &input);
    expect(!fakexen_crashed(SOURCE));
    disarm_faults();
    move_to_another_domain(&board, kernel);
    expect(fakexen_violations() == 0);
    expect(fakexen_mappings() == 0 && fakexen_handles() == 0);
    return 0;
}
