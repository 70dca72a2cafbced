/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dm/pci.h"
#include "dm/virtio-mem.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/virtio-guest.h"

#include "xenram/mapcache.h"
#include "xenram/memory-device.h"
#include "xenram/ram.h"

#define MIB (UINT64_C(1) << 20)
#define SIZE (512 * MIB)
#define BLOCK (2 * MIB)
#define SLICE (16 * MIB) /* what is done in a turn of the event loop */
#define ROOM 128         /* MiB that Xen gives beside RAM */
#define NR_BLOCKS (SIZE / BLOCK)

#define ACPI_PXM 0x1
#define INACCESSIBLE 0x2
#define PERSISTENT 0x4

static struct driver driver;
static uint64_t pages_before;

static void describe(unsigned i, const char *id, const char *memdev)
{
    guest.options.virtio_mems[i] = (struct options_virtio_mem){
        .id = id,
        .memdev = memdev,
        .size = SIZE,
        .requested_size = 64 * MIB,
        .block_size = BLOCK,
        .node = 3,
    };
}

static int begin(void **state)
{
    (void)state;
    memset(&guest, 0, sizeof(guest));
    describe(0, "vm0", "m0");
    describe(1, "vm1", "m1");
    guest.options.nr_virtio_mems = 2;
    guest_begin(ROOM);
    fakexen_fill_new_frames(0xa5);
    driver_probe(&driver, PCI_DEVFN(0x10, 0));
    driver_start(&driver, FEATURE_VERSION_1 | INACCESSIBLE);
    pages_before = fakexen_tot_pages(GUEST_DOMID);
    return 0;
}

static int end(void **state)
{
    (void)state;
    guest_end();
    return 0;
}

/* ---- requests ---- */

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR, NO_ANSWER };
enum { PLUGGED, UNPLUGGED, MIXED };

static uint64_t config64(const struct driver *from, unsigned offset)
{
    return reg_read(from, REG_CONFIG + offset, 8);
}

#define CONFIG_BLOCK_SIZE 0
#define CONFIG_ADDR 16
#define CONFIG_REGION 24
#define CONFIG_USABLE 32
#define CONFIG_PLUGGED 40
#define CONFIG_REQUESTED 48

static uint64_t base(void)
{
    return config64(&driver, CONFIG_ADDR);
}

static void put_request(uint8_t bytes[24], unsigned type, uint64_t addr,
                        unsigned nr)
{
    memset(bytes, 0, 24);
    bytes[0] = (uint8_t)type;
    memcpy(bytes + 8, &addr, 8);
    bytes[16] = (uint8_t)nr;
    bytes[17] = (uint8_t)(nr >> 8);
}

static unsigned ask_addr(struct driver *of, unsigned type, uint64_t addr,
                         unsigned nr, unsigned *state)
{
    uint8_t out[24], in[10];

    put_request(out, type, addr, nr);
    if (!driver_ask(of, out, sizeof(out), in, sizeof(in)))
        return NO_ANSWER;
    if (state)
        *state = in[8];
    return in[0];
}

static unsigned ask(unsigned type, uint64_t first, unsigned nr)
{
    return ask_addr(&driver, type, base() + first * BLOCK, nr, NULL);
}

static unsigned state_of(uint64_t first, unsigned nr)
{
    unsigned state = 99;

    assert_int_equal(
        ask_addr(&driver, STATE, base() + first * BLOCK, nr, &state), ACK);
    return state;
}

/* What Xen charges the guest beside what it had at first, bytes. */
static uint64_t charged(void)
{
    /* A mapping that waits to be unmapped keeps its frames. */
    xen_mapcache_reclaim(guest.machine.cache, 0);
    return (fakexen_tot_pages(GUEST_DOMID) - pages_before) * 4096;
}

static void has(uint64_t bytes)
{
    assert_int_equal(charged(), bytes);
    assert_int_equal(config64(&driver, CONFIG_PLUGGED), bytes);
}

static void set_requested(uint64_t bytes)
{
    char text[256];

    assert_int_equal(virtio_mem_request(virtio_mem_find(&guest.machine, "vm0"),
                                        bytes, text, sizeof(text)),
                     0);
}

static uint8_t byte_at(uint64_t gpa)
{
    uint8_t byte;

    fakexen_peek(GUEST_DOMID, gpa, &byte, 1);
    return byte;
}

/* ---- what the driver sees ---- */

static void the_configuration_tells_all(void **state)
{
    (void)state;
    assert_int_equal(config64(&driver, CONFIG_BLOCK_SIZE), BLOCK);
    assert_int_equal(reg_read(&driver, REG_CONFIG + 8, 2), 3);
    assert_int_not_equal(base(), 0);
    assert_int_equal(base() % BLOCK, 0);
    assert_int_equal(config64(&driver, CONFIG_REGION), SIZE);
    assert_int_equal(config64(&driver, CONFIG_USABLE), (64 + 256) * MIB);
    assert_int_equal(config64(&driver, CONFIG_PLUGGED), 0);
    assert_int_equal(config64(&driver, CONFIG_REQUESTED), 64 * MIB);
    reg_write(&driver, REG_CONFIG + CONFIG_REQUESTED, 8, 0);
    assert_int_equal(config64(&driver, CONFIG_REQUESTED), 64 * MIB);
    assert_int_equal(reg_read(&driver, REG_CONFIG + 56, 1), 0xff);
    assert_int_equal(reg_read(&driver, REG_CONFIG + 52, 8), UINT64_MAX);
}

static void a_block_that_is_plugged_is_there_and_zero(void **state)
{
    uint64_t generation;

    (void)state;
    generation = reg_read(&driver, REG_GENERATION, 1);
    assert_int_equal(ask(PLUG, 5, 3), ACK);
    assert_int_not_equal(reg_read(&driver, REG_GENERATION, 1), generation);
    has(3 * BLOCK);
    for (uint64_t at = 5 * BLOCK; at < 8 * BLOCK; at += 4096) {
        assert_int_equal(fakexen_type(GUEST_DOMID, (base() + at) >> 12),
                         FAKEXEN_RAM_RW);
        assert_int_equal(byte_at(base() + at), 0);
        assert_int_equal(byte_at(base() + at + 4095), 0);
    }
    assert_int_equal(fakexen_type(GUEST_DOMID, (base() + 5 * BLOCK - 1) >> 12),
                     FAKEXEN_HOLE);
    assert_int_equal(fakexen_type(GUEST_DOMID, (base() + 8 * BLOCK) >> 12),
                     FAKEXEN_HOLE);
}

static void a_block_that_is_unplugged_is_absent(void **state)
{
    uint64_t word = UINT64_C(0x1122334455667788), gpa = base() + BLOCK;

    (void)state;
    assert_int_equal(ask(PLUG, 0, 3), ACK);
    assert_int_equal(xen_mapcache_write(guest.machine.cache, gpa, &word, 8, 0),
                     0);
    assert_int_equal(ask(UNPLUG, 1, 1), ACK);
    has(2 * BLOCK);
    assert_int_equal(fakexen_type(GUEST_DOMID, gpa >> 12), FAKEXEN_HOLE);
    /* Nor is there an old mapping of it, and a touch brings nothing back. */
    assert_int_equal(xen_mapcache_read(guest.machine.cache, gpa, &word, 8, 0),
                     -EFAULT);
    assert_int_equal(xen_mapcache_write(guest.machine.cache, gpa, &word, 8, 0),
                     -EFAULT);
    has(2 * BLOCK);
    assert_int_equal(state_of(1, 1), UNPLUGGED);

    assert_int_equal(ask(PLUG, 1, 1), ACK);
    assert_int_equal(xen_mapcache_read(guest.machine.cache, gpa, &word, 8, 0),
                     0);
    assert_int_equal(word, 0);
}

static void count_bytes(const struct xen_memory_device *device, void *opaque)
{
    uint64_t *bytes = opaque;

    *bytes = device->ops->get_plugged_size(device);
}

static void each_change_of_size_is_told(void **state)
{
    uint64_t bytes = 99;

    (void)state;
    guest.machine.memory_changed = count_bytes;
    guest.machine.memory_opaque = &bytes;
    assert_int_equal(ask(PLUG, 0, 3), ACK);
    assert_int_equal(bytes, 3 * BLOCK);
    assert_int_equal(ask(UNPLUG, 1, 1), ACK);
    assert_int_equal(bytes, 2 * BLOCK);
    assert_int_equal(ask(UNPLUG_ALL, 0, 0), ACK);
    assert_int_equal(bytes, 0);
    guest.machine.memory_changed = NULL;
}

static void states_are_told(void **state)
{
    (void)state;
    assert_int_equal(ask(PLUG, 4, 4), ACK);
    assert_int_equal(state_of(4, 4), PLUGGED);
    assert_int_equal(state_of(5, 2), PLUGGED);
    assert_int_equal(state_of(0, 4), UNPLUGGED);
    assert_int_equal(state_of(8, 8), UNPLUGGED);
    assert_int_equal(state_of(3, 2), MIXED);
    assert_int_equal(state_of(7, 2), MIXED);
    assert_int_equal(state_of(0, 16), MIXED);
    assert_int_equal(ask(UNPLUG, 5, 1), ACK);
    assert_int_equal(state_of(4, 4), MIXED);
    assert_int_equal(state_of(5, 1), UNPLUGGED);
}

static void ranges_that_cannot_be_are_errors(void **state)
{
    uint64_t usable = config64(&driver, CONFIG_USABLE);
    uint64_t usable_end = base() + usable;
    const struct {
        uint64_t addr;
        unsigned nr;
    } bad[] = {
        {base(), 0},
        {base() + 4096, 1},
        {base() - BLOCK, 1},
        {base() - BLOCK, 2},
        {0, 1},
        {usable_end, 1},
        {usable_end - BLOCK, 2},
        {base(), (unsigned)(usable / BLOCK) + 1},
        {base(), 0xffff},
        {UINT64_MAX - BLOCK + 1, 1},
        {UINT64_MAX - BLOCK + 1, 0xffff},
        {base() + (UINT64_C(1) << 63), 1},
    };
    static const unsigned types[] = {PLUG, UNPLUG, STATE};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t j = 0; j < 3; j++) {
            unsigned said =
                ask_addr(&driver, types[j], bad[i].addr, bad[i].nr, NULL);

            if (said != ERROR)
                fail_msg("range %zu, type %zu: %u", i, j, said);
        }
    has(0);
}

static void a_type_that_is_not_known_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(ask(4, 0, 1), ERROR);
    assert_int_equal(ask(0xff, 0, 1), ERROR);
    has(0);
}

static void no_more_than_requested_is_plugged(void **state)
{
    (void)state;
    assert_int_equal(ask(PLUG, 0, 33), NACK);
    assert_int_equal(ask(PLUG, 0, 32), ACK);
    assert_int_equal(ask(PLUG, 40, 1), NACK);
    has(64 * MIB);
    set_requested(66 * MIB);
    assert_int_equal(ask(PLUG, 40, 1), ACK);
    set_requested(2 * MIB);
    assert_int_equal(ask(PLUG, 41, 1), NACK);
    has(66 * MIB);
}

static void blocks_are_plugged_and_unplugged_once(void **state)
{
    (void)state;
    assert_int_equal(ask(PLUG, 2, 2), ACK);
    assert_int_equal(ask(PLUG, 2, 2), ERROR);
    assert_int_equal(ask(PLUG, 0, 3), ERROR);
    assert_int_equal(ask(PLUG, 3, 3), ERROR);
    assert_int_equal(ask(UNPLUG, 1, 2), ERROR);
    assert_int_equal(ask(UNPLUG, 3, 2), ERROR);
    has(2 * BLOCK);
    assert_int_equal(ask(UNPLUG, 2, 2), ACK);
    assert_int_equal(ask(UNPLUG, 2, 2), ERROR);
    has(0);
}

static void all_goes_at_once_and_the_usable_part_shrinks(void **state)
{
    (void)state;
    set_requested(96 * MIB);
    assert_int_equal(ask(PLUG, 0, 16), ACK);
    assert_int_equal(ask(PLUG, 20, 1), ACK);
    assert_int_equal(ask(PLUG, 100, 2), ACK);
    set_requested(2 * MIB);
    assert_int_equal(config64(&driver, CONFIG_USABLE), (96 + 256) * MIB);
    assert_int_equal(ask(UNPLUG_ALL, 0, 0), ACK);
    has(0);
    assert_int_equal(config64(&driver, CONFIG_USABLE), (2 + 256) * MIB);
    assert_int_equal(ask(UNPLUG_ALL, 0, 0), ACK);
    set_requested(0);
    assert_int_equal(ask(UNPLUG_ALL, 0, 0), ACK);
    assert_int_equal(config64(&driver, CONFIG_USABLE), 0);
    assert_int_equal(ask(PLUG, 0, 1), ERROR);
}

/* ---- what does not go ---- */

static void without_room_nothing_is_left_of_a_request(void **state)
{
    (void)state;
    set_requested(SIZE);
    assert_int_equal(ask(PLUG, 0, ROOM / 2 + 8), BUSY);
    has(0);
    assert_int_equal(state_of(0, ROOM / 2 + 8), UNPLUGGED);
    assert_int_equal(ask(PLUG, 0, ROOM / 2 - 8), ACK);
    assert_int_equal(ask(PLUG, 64, 16), BUSY);
    has((ROOM / 2 - 8) * BLOCK);
}

static void a_plug_that_fails_anywhere_leaves_nothing(void **state)
{
    unsigned nth = 0;
    bool failed;

    (void)state;
    do {
        fakexen_fail(FAKEXEN_POPULATE, ++nth, 1, ENOMEM);
        failed = ask(PLUG, 0, 20) == BUSY;
        assert_int_equal(fakexen_failed(FAKEXEN_POPULATE), failed);
        fakexen_fail(FAKEXEN_POPULATE, 1, 1, 0);
        if (failed)
            has(0);
    } while (failed);
    assert_true(nth > 3);
    has(20 * BLOCK);
}

static void each_page_that_does_not_come_leaves_nothing(void **state)
{
    static const unsigned pages[] = {0, 1, 511, 512, 4095, 4096, 8191};
    uint64_t first = base() >> 12;

    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        fakexen_refuse(GUEST_DOMID, first + pages[i], ENOMEM);
        assert_int_equal(ask(PLUG, 0, 16), BUSY);
        has(0);
        fakexen_refuse(GUEST_DOMID, first + pages[i], 0);
    }
    assert_int_equal(ask(PLUG, 0, 16), ACK);
}

static void while_it_is_saved_the_guest_waits(void **state)
{
    (void)state;
    assert_int_equal(ask(PLUG, 0, 2), ACK);
    guest.machine.saving = true;
    assert_int_equal(ask(PLUG, 2, 1), BUSY);
    assert_int_equal(ask(UNPLUG, 0, 1), BUSY);
    assert_int_equal(ask(UNPLUG_ALL, 0, 0), BUSY);
    assert_int_equal(state_of(0, 4), MIXED);
    assert_int_equal(ask(PLUG, 0, 0), ERROR);
    has(2 * BLOCK);
    guest.machine.saving = false;
    assert_int_equal(ask(PLUG, 2, 1), ACK);
}

/* ---- requests that take long ---- */

/* Offers a request and lets the event loop turn nr times. */
static void begin_request(unsigned type, uint64_t first, unsigned nr,
                          unsigned turns)
{
    uint64_t buffer = 0x300000;
    uint8_t bytes[24];

    put_request(bytes, type, base() + first * BLOCK, nr);
    fakexen_poke(GUEST_DOMID, buffer, bytes, sizeof(bytes));
    driver_desc(&driver, 0, buffer, 24, DESC_NEXT, 1);
    driver_desc(&driver, 1, buffer + 0x1000, 10, DESC_WRITE, 0);
    driver_offer(&driver, 0);
    driver_notify(&driver);
    for (unsigned i = 0; i < turns; i++)
        uv_run(&guest.loop, UV_RUN_NOWAIT);
}

static unsigned answer(void)
{
    uint8_t bytes[10];

    if (driver_returned(&driver, NULL) != 1)
        return NO_ANSWER;
    fakexen_peek(GUEST_DOMID, 0x301000, bytes, sizeof(bytes));
    return bytes[0];
}

static void a_long_request_gives_others_their_turn(void **state)
{
    unsigned turns = 0;

    (void)state;
    begin_request(PLUG, 0, 32, 2);
    assert_int_equal(answer(), NO_ANSWER);
    assert_int_equal(charged(), SLICE);
    while (answer() == NO_ANSWER && ++turns < 100)
        uv_run(&guest.loop, UV_RUN_NOWAIT);
    assert_int_equal(turns, 4 - 1);
    has(64 * MIB);

    begin_request(UNPLUG_ALL, 0, 0, 2);
    assert_int_equal(answer(), NO_ANSWER);
    assert_int_equal(charged(), 64 * MIB - SLICE);
    guest_turns();
    assert_int_equal(answer(), ACK);
    has(0);
}

static void a_stop_takes_a_plug_back(void **state)
{
    (void)state;
    begin_request(PLUG, 0, 32, 3);
    assert_int_equal(charged(), 2 * SLICE);
    assert_int_equal(machine_stop(&guest.machine), 0);
    assert_int_equal(answer(), BUSY);
    has(0);
    guest_turns();
    machine_cont(&guest.machine);
    assert_int_equal(ask(PLUG, 0, 32), ACK);
}

static void a_stop_waits_for_an_unplug(void **state)
{
    (void)state;
    assert_int_equal(ask(PLUG, 0, 32), ACK);
    begin_request(UNPLUG, 0, 31, 3);
    assert_int_equal(answer(), NO_ANSWER);
    assert_int_equal(machine_stop(&guest.machine), 0);
    assert_int_equal(answer(), ACK);
    has(BLOCK);
}

static void a_request_in_a_stopped_machine_waits(void **state)
{
    (void)state;
    assert_int_equal(machine_stop(&guest.machine), 0);
    begin_request(PLUG, 0, 1, 5);
    assert_int_equal(answer(), NO_ANSWER);
    has(0);
    machine_cont(&guest.machine);
    guest_turns();
    assert_int_equal(answer(), ACK);
    has(BLOCK);
}

static void a_driver_that_resets_takes_a_plug_back(void **state)
{
    (void)state;
    begin_request(PLUG, 0, 32, 3);
    assert_int_equal(charged(), 2 * SLICE);
    driver_start(&driver, FEATURE_VERSION_1 | INACCESSIBLE);
    guest_turns();
    assert_int_equal(driver_returned(&driver, NULL), 0);
    has(0);
    assert_int_equal(ask(PLUG, 0, 32), ACK);
}

static void a_driver_that_resets_keeps_what_it_has(void **state)
{
    (void)state;
    assert_int_equal(ask(PLUG, 0, 2), ACK);
    driver_start(&driver, FEATURE_VERSION_1 | INACCESSIBLE | PERSISTENT);
    has(2 * BLOCK);
    assert_int_equal(state_of(0, 2), PLUGGED);
}

/* ---- the operator, the machine ---- */

static void requests_of_operators_are_checked(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *says;
    } bad[] = {
        {BLOCK + 1, "no multiple of the block-size"},
        {4096, "no multiple of the block-size"},
        {SIZE + BLOCK, "its memory backend m0 has 536870912"},
        {UINT64_MAX - BLOCK + 1, "its memory backend m0"},
    };
    struct device *device = virtio_mem_find(&guest.machine, "vm0");
    char text[256];

    (void)state;
    assert_non_null(device);
    assert_null(virtio_mem_find(&guest.machine, "vm2"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            virtio_mem_request(device, bad[i].bytes, text, sizeof(text)),
            -EINVAL);
        assert_non_null(strstr(text, bad[i].says));
        assert_int_equal(config64(&driver, CONFIG_REQUESTED), 64 * MIB);
    }
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 0);
    set_requested(64 * MIB);
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 0);
    set_requested(128 * MIB);
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 2);
}

static void a_reset_of_the_machine_unplugs_all(void **state)
{
    (void)state;
    set_requested(96 * MIB);
    assert_int_equal(ask(PLUG, 0, 32), ACK);
    set_requested(32 * MIB);
    begin_request(UNPLUG, 0, 20, 2);
    machine_reset(&guest.machine);
    guest_turns();
    driver_probe(&driver, driver.devfn);
    has(0);
    assert_int_equal(driver_status(&driver), 0);
    assert_int_equal(config64(&driver, CONFIG_REQUESTED), 32 * MIB);
    assert_int_equal(config64(&driver, CONFIG_USABLE), (32 + 256) * MIB);
    driver_start(&driver, FEATURE_VERSION_1 | INACCESSIBLE);
    assert_int_equal(ask(PLUG, 0, 16), ACK);
}

static void two_devices_share_the_room(void **state)
{
    struct driver other;
    uint64_t there;

    (void)state;
    driver_probe(&other, PCI_DEVFN(0x11, 0));
    driver_start(&other, FEATURE_VERSION_1 | INACCESSIBLE);
    there = config64(&other, CONFIG_ADDR);
    assert_true(there >= base() + SIZE || base() >= there + SIZE);
    assert_int_equal(ask(PLUG, 0, 32), ACK);
    assert_int_equal(ask_addr(&other, PLUG, there, 30, NULL), ACK);
    assert_int_equal(charged(), 62 * BLOCK);
    /* One cannot reach what is the other's. */
    assert_int_equal(ask_addr(&other, UNPLUG, base(), 1, NULL), ERROR);
    assert_int_equal(ask_addr(&driver, UNPLUG, there, 1, NULL), ERROR);
    assert_int_equal(ask_addr(&other, UNPLUG_ALL, 0, 0, NULL), ACK);
    has(32 * BLOCK);
}

static void the_list_of_memory_devices_has_them(void **state)
{
    struct xen_memory *memory = guest.machine.memory;
    struct xen_memory_device *device = xen_memory_find(memory, base());
    struct xen_memory_stats stats;
    struct xen_memory_info info;

    (void)state;
    assert_int_equal(ask(PLUG, 1, 4), ACK);
    assert_non_null(device);
    device->ops->fill_info(device, &info);
    assert_string_equal(info.id, "vm0");
    assert_string_equal(info.memdev, "m0");
    assert_int_equal(info.kind, XEN_MEMORY_VIRTIO_MEM);
    assert_int_equal(info.size, 4 * BLOCK);
    assert_int_equal(info.max_size, SIZE);
    assert_int_equal(info.requested_size, 64 * MIB);
    assert_int_equal(info.block_size, BLOCK);
    assert_int_equal(info.node, 3);
    xen_memory_get_stats(memory, &stats);
    assert_int_equal(stats.devices, 2);
    assert_int_equal(stats.plugged, 4 * BLOCK);
    assert_int_equal(stats.used, 2 * SIZE);
}

/* ---- saved state ---- */

static void plugged_memory_moves_with_the_guest(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX] = "";
    uint64_t word = UINT64_C(0x1122334455667788), gpa, read = 0;
    int fd;

    (void)state;
    set_requested(30 * MIB);
    assert_int_equal(ask(PLUG, 1, 1), ACK);
    assert_int_equal(ask(PLUG, 5, 9), ACK);
    gpa = base() + 6 * BLOCK + 8;
    fakexen_poke(GUEST_DOMID, gpa, &word, 8);
    fd = guest_save();
    guest_begin_loading();
    assert_int_equal(guest_load(fd, error), 0);

    has(10 * BLOCK);
    assert_int_equal(config64(&driver, CONFIG_REQUESTED), 30 * MIB);
    assert_int_equal(config64(&driver, CONFIG_USABLE), (64 + 256) * MIB);
    assert_int_equal(state_of(0, 1), UNPLUGGED);
    assert_int_equal(state_of(1, 1), PLUGGED);
    assert_int_equal(state_of(2, 3), UNPLUGGED);
    assert_int_equal(state_of(5, 9), PLUGGED);
    assert_int_equal(state_of(14, 9), UNPLUGGED);
    assert_int_equal(
        xen_mapcache_read(guest.machine.cache, gpa, &read, 8, NULL), 0);
    assert_int_equal(read, word);
    assert_int_equal(ask(UNPLUG, 5, 9), ACK);
    assert_int_equal(ask(PLUG, 20, 3), ACK);
    has(4 * BLOCK);
}

static void a_request_that_waits_is_done_elsewhere(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX] = "";
    int fd;

    (void)state;
    assert_int_equal(machine_stop(&guest.machine), 0);
    begin_request(PLUG, 3, 1, 1);
    fd = guest_save();
    guest_begin_loading();
    assert_int_equal(guest_load(fd, error), 0);
    guest_turns();
    assert_int_equal(answer(), ACK);
    has(BLOCK);
}

static void a_state_of_another_device_is_refused(void **state)
{
    const struct options_virtio_mem first = guest.options.virtio_mems[0];
    const struct {
        struct options_virtio_mem options;
        const char *says;
    } others[] = {
        {{"vm0", "m0", SIZE + BLOCK, 0, BLOCK, 0, 3}, "/objects/m0"},
        {{"vm0", "m0", SIZE, 0, 2 * BLOCK, 0, 3}, "/objects/m0"},
        {{"vm0", "m0", SIZE, 0, BLOCK, base() + SIZE, 3}, "/objects/m0"},
        {{"vm0", "m2", SIZE, 0, BLOCK, 0, 3}, "/objects/m"},
        {{"vm0", "m0", SIZE, 0, BLOCK, 0, 4}, "on node 3"},
    };

    (void)state;
    guest.options.nr_virtio_mems = 1;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char error[XEN_MIGRATE_ERROR_MAX] = "";
        int fd;

        guest_end();
        guest.options.virtio_mems[0] = first;
        guest_begin(ROOM);
        driver_probe(&driver, PCI_DEVFN(0x10, 0));
        driver_start(&driver, FEATURE_VERSION_1 | INACCESSIBLE);
        assert_int_equal(ask(PLUG, 1, 1), ACK);
        fd = guest_save();
        guest.options.virtio_mems[0] = others[i].options;
        guest_begin_loading();
        assert_int_not_equal(guest_load(fd, error), 0);
        if (!strstr(error, others[i].says))
            fail_msg("case %zu: %s", i, error);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_configuration_tells_all),
        TEST(a_block_that_is_plugged_is_there_and_zero),
        TEST(a_block_that_is_unplugged_is_absent),
        TEST(each_change_of_size_is_told),
        TEST(states_are_told),
        TEST(ranges_that_cannot_be_are_errors),
        TEST(a_type_that_is_not_known_is_an_error),
        TEST(no_more_than_requested_is_plugged),
        TEST(blocks_are_plugged_and_unplugged_once),
        TEST(all_goes_at_once_and_the_usable_part_shrinks),
        TEST(without_room_nothing_is_left_of_a_request),
        TEST(a_plug_that_fails_anywhere_leaves_nothing),
        TEST(each_page_that_does_not_come_leaves_nothing),
        TEST(while_it_is_saved_the_guest_waits),
        TEST(a_long_request_gives_others_their_turn),
        TEST(a_stop_takes_a_plug_back),
        TEST(a_stop_waits_for_an_unplug),
        TEST(a_request_in_a_stopped_machine_waits),
        TEST(a_driver_that_resets_takes_a_plug_back),
        TEST(a_driver_that_resets_keeps_what_it_has),
        TEST(requests_of_operators_are_checked),
        TEST(a_reset_of_the_machine_unplugs_all),
        TEST(two_devices_share_the_room),
        TEST(the_list_of_memory_devices_has_them),
        TEST(plugged_memory_moves_with_the_guest),
        TEST(a_request_that_waits_is_done_elsewhere),
        TEST(a_state_of_another_device_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
