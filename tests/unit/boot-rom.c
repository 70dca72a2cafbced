/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/machine.h"
#include "dm/options.h"
#include "dm/pci.h"
#include "dm/rom/boot-rom.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/machine-env.h"

#include "xenram/ram.h"

#define DOMID 7
#define COPY 8
#define MIB (UINT64_C(1) << 20)
#define RAM (64 * MIB)
#define RAM_END (RAM - 0x20000)
#define HOST_BRIDGE 0
#define ROM_ADDRESS 0x30
#define BAR_AT 0xf3000000u
#define HOME_GFN 0xfe000
#define BLOCK "xenram/boot.rom"

struct fixture {
    struct options options;
    struct machine machine;
    char kernel[64];
};

static void write_kernel(struct fixture *f)
{
    static const char header[] = "HdrS\x0f\x02";
    uint8_t bytes[4096] = {0};
    int fd;

    bytes[0x1f1] = 2;
    bytes[0x1fe] = 0x55;
    bytes[0x1ff] = 0xaa;
    memcpy(bytes + 0x202, header, 6);
    bytes[0x211] = 1;
    memset(bytes + 0x22c, 0x7f, 4);
    bytes[0x239] = 8; /* 2048 bytes of command line */
    memset(bytes + 1536, 0xc3, sizeof(bytes) - 1536);

    strcpy(f->kernel, "/tmp/boot-rom-XXXXXX");
    fd = mkstemp(f->kernel);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    close(fd);
}

static int start(struct fixture *f, uint32_t domid, bool loading)
{
    f->options.domid = domid;
    machine_env_open(&f->machine, &f->options, NULL, loading);
    return machine_init(&f->machine);
}

static void stop(struct fixture *f)
{
    machine_fini(&f->machine);
    machine_env_close(&f->machine);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){
        .domid = DOMID, .pages = RAM / 4096, .special = true});
    write_kernel(f);
    f->options.ram_mb = RAM / MIB;
    f->options.kernel = f->kernel;
    f->options.append = "quiet";
    f->options.incoming_fd = -1;
    *state = f;
    return 0;
}

static int setup_started(void **state)
{
    struct fixture *f;

    setup(state);
    f = *state;
    assert_int_equal(start(f, DOMID, false), 0);
    machine_reset(&f->machine);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->kernel);
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_violations(), 0);
    free(f);
    return 0;
}

static int teardown_started(void **state)
{
    stop(*state);
    return teardown(state);
}

static uint32_t config_read(struct fixture *f, unsigned offset, unsigned size)
{
    return pci_config_read(&f->machine, HOST_BRIDGE, offset, size);
}

static void config_write(struct fixture *f, unsigned offset, unsigned size,
                         uint32_t value)
{
    pci_config_write(&f->machine, HOST_BRIDGE, offset, size, value);
}

/* As hvmloader does: size it, place it, switch memory on. */
static uint32_t place_bar(struct fixture *f)
{
    uint32_t data = config_read(f, ROM_ADDRESS, 4), size;

    config_write(f, ROM_ADDRESS, 4, (data | 0xfffff800) & ~1u);
    size = config_read(f, ROM_ADDRESS, 4) & 0xfffff800;
    config_write(f, ROM_ADDRESS, 4, data);
    config_write(f, ROM_ADDRESS, 4, BAR_AT);
    config_write(f, 4, 2, config_read(f, 4, 2) | 2);
    return size & -size;
}

static uint32_t ring(struct fixture *f, uint64_t ram_end)
{
    bus_write(f->machine.bus, BUS_PIO, BOOT_ROM_PORT + BOOT_ROM_RING, 4,
              ram_end);
    return (uint32_t)bus_read(f->machine.bus, BUS_PIO,
                              BOOT_ROM_PORT + BOOT_ROM_STATUS, 4);
}

static uint32_t status(struct fixture *f)
{
    return (uint32_t)bus_read(f->machine.bus, BUS_PIO,
                              BOOT_ROM_PORT + BOOT_ROM_STATUS, 4);
}

static unsigned word(const uint8_t *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

static uint8_t sum(const uint8_t *bytes, size_t len)
{
    unsigned total = 0;

    while (len > 0)
        total += bytes[--len];
    return (uint8_t)total;
}

static void a_bios_finds_a_valid_rom_behind_the_bar(void **state)
{
    struct fixture *f = *state;
    uint8_t rom[4096];
    const uint8_t *pcir, *pnp;

    assert_int_equal(place_bar(f), 4096);
    assert_int_equal(fakexen_type(DOMID, BAR_AT / 4096), FAKEXEN_HOLE);
    config_write(f, ROM_ADDRESS, 4, BAR_AT | 1);
    assert_int_equal(fakexen_type(DOMID, BAR_AT / 4096), FAKEXEN_RAM_RO);
    fakexen_peek(DOMID, BAR_AT, rom, sizeof(rom));

    assert_int_equal(word(rom), 0xaa55);
    assert_int_equal(rom[2] * 512, BOOT_ROM_SIZE);
    assert_int_equal(sum(rom, BOOT_ROM_SIZE), 0);
    assert_int_equal(rom[3], 0xe9); /* a jump to the init code */

    assert_int_equal(word(rom + 0x18) % 4, 0);
    pcir = rom + word(rom + 0x18);
    assert_memory_equal(pcir, "PCIR", 4);
    assert_int_equal(word(pcir + 4), config_read(f, 0, 2));
    assert_int_equal(word(pcir + 6), config_read(f, 2, 2));
    assert_int_equal(word(pcir + 10), 24);
    assert_int_equal(pcir[13] | word(pcir + 14) << 8, 0x060000);
    assert_int_equal(word(pcir + 16), rom[2]);
    assert_int_equal(pcir[20], 0);    /* x86 code */
    assert_int_equal(pcir[21], 0x80); /* no further image */

    assert_int_equal(word(rom + 0x1a) % 16, 0);
    pnp = rom + word(rom + 0x1a);
    assert_memory_equal(pnp, "$PnP", 4);
    assert_int_equal(pnp[5], 2);
    assert_int_equal(sum(pnp, 32), 0);
    assert_int_equal(word(pnp + 6), 0);
    assert_int_equal(word(pnp + 22), 0); /* no BCV: it would hide the BEV */
    assert_true(word(pnp + 26) > 0 && word(pnp + 26) < BOOT_ROM_SIZE);
    assert_non_null(memchr(rom + word(pnp + 16), 0, 40));
}

static void the_rom_goes_home_when_its_bar_is_off(void **state)
{
    struct fixture *f = *state;
    uint64_t pages = fakexen_tot_pages(DOMID);

    place_bar(f);
    for (unsigned i = 0; i < 3; i++) {
        config_write(f, ROM_ADDRESS, 4, BAR_AT | 1);
        assert_int_equal(fakexen_type(DOMID, HOME_GFN), FAKEXEN_HOLE);
        config_write(f, ROM_ADDRESS, 4, BAR_AT);
        assert_int_equal(fakexen_type(DOMID, HOME_GFN), FAKEXEN_RAM_RO);
        assert_int_equal(fakexen_type(DOMID, BAR_AT / 4096), FAKEXEN_HOLE);
    }
    assert_int_equal(fakexen_tot_pages(DOMID), pages);
}

static void the_doorbell_hands_over_kernel_and_entry(void **state)
{
    struct fixture *f = *state;
    struct bus *bus = f->machine.bus;
    uint8_t byte;

    assert_int_equal(status(f), BOOT_ROM_IDLE);
    assert_int_equal(ring(f, RAM_END), BOOT_ROM_READY);
    assert_int_equal(bus_read(bus, BUS_PIO, BOOT_ROM_PORT + BOOT_ROM_ENTRY, 2),
                     0x1000);
    assert_int_equal(bus_read(bus, BUS_PIO, BOOT_ROM_PORT + BOOT_ROM_STACK, 2),
                     0xe000);
    fakexen_peek(DOMID, 0x100000, &byte, 1);
    assert_int_equal(byte, 0xc3);
    fakexen_peek(DOMID, 0x20000, &byte, 1);
    assert_int_equal(byte, 'q');
}

static void the_doorbell_works_once(void **state)
{
    struct fixture *f = *state;
    uint64_t maps;

    assert_int_equal(ring(f, RAM_END), BOOT_ROM_READY);
    maps = fakexen_calls(FAKEXEN_MAP);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(ring(f, RAM_END), BOOT_ROM_FAILED);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), maps);
    machine_reset(&f->machine);
    assert_int_equal(status(f), BOOT_ROM_IDLE);
    assert_int_equal(ring(f, RAM_END), BOOT_ROM_FAILED);
}

static void what_a_guest_says_about_its_ram_is_not_believed(void **state)
{
    static const uint32_t ends[] = {
        0,        1,       0x1000,     0xfffff,    0x100000,
        0x1009ff, RAM + 1, 0xf0000000, UINT32_MAX,
    };
    struct fixture *f = *state;
    uint8_t byte;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        assert_int_equal(ring(f, ends[i]), BOOT_ROM_FAILED);
        fakexen_peek(DOMID, 0x100000, &byte, 1);
        assert_int_equal(byte, 0);
        stop(f);
        assert_int_equal(start(f, DOMID, false), 0);
        machine_reset(&f->machine);
    }
    assert_int_equal(ring(f, RAM), BOOT_ROM_READY);
}

static void accesses_of_other_sizes_and_places_do_nothing(void **state)
{
    struct fixture *f = *state;
    struct bus *bus = f->machine.bus;

    for (unsigned size = 1; size <= 4; size *= 2)
        for (unsigned offset = 0; offset < BOOT_ROM_NR_PORTS; offset++) {
            if (size == 4 && offset == BOOT_ROM_RING)
                continue;
            bus_write(bus, BUS_PIO, BOOT_ROM_PORT + offset, size, RAM_END);
            assert_int_equal(
                bus_read(bus, BUS_PIO, BOOT_ROM_PORT + offset, size) &
                    ((UINT64_C(1) << 8 * size) - 1),
                offset + size > BOOT_ROM_NR_PORTS
                    ? ((UINT64_C(1) << 8 * size) - 1) &
                          (UINT64_MAX << 8 * (BOOT_ROM_NR_PORTS - offset))
                    : 0);
        }
    assert_int_equal(ring(f, RAM_END), BOOT_ROM_READY);
}

static void without_a_kernel_there_is_no_rom(void **state)
{
    struct fixture *f = *state;

    f->options.kernel = NULL;
    assert_int_equal(start(f, DOMID, false), 0);
    machine_reset(&f->machine);
    assert_null(xen_ram_find(f->machine.ram, BLOCK));
    assert_int_equal(place_bar(f), 0);
    assert_int_equal(config_read(f, ROM_ADDRESS, 4), 0);
    assert_int_equal(ring(f, RAM_END), UINT32_MAX);
    stop(f);
}

static void a_kernel_that_is_none_stops_the_start(void **state)
{
    struct fixture *f = *state;
    uint64_t pages = fakexen_tot_pages(DOMID);

    assert_int_equal(truncate(f->kernel, 1000), 0);
    assert_int_not_equal(start(f, DOMID, false), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), pages);
    stop(f);
}

static void a_start_that_fails_half_way_leaves_no_page(void **state)
{
    struct fixture *f = *state;
    uint64_t pages = fakexen_tot_pages(DOMID);

    fakexen_set_maxmem(DOMID, pages);
    assert_int_not_equal(start(f, DOMID, false), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), pages);
    stop(f);
    assert_int_equal(fakexen_type(DOMID, HOME_GFN), FAKEXEN_HOLE);
}

/* A new device model for a copy of the domain, from what the old one saved. */
static void restore(struct fixture *f)
{
    char error[XEN_MIGRATE_ERROR_MAX] = "";
    int fd = memfd_create("state", 0);

    assert_true(fd >= 0);
    assert_int_equal(machine_save(&f->machine, fd, false, error), 0);
    fakexen_create(&(struct fakexen_domain){.domid = COPY});
    fakexen_copy_memory(COPY, DOMID);
    stop(f);
    unlink(f->kernel);

    assert_int_equal(start(f, COPY, true), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (machine_load(&f->machine, fd, error))
        fail_msg("%s", error);
    close(fd);
}

static void a_restored_guest_needs_no_kernel_file(void **state)
{
    struct fixture *f = *state;
    uint8_t before[BOOT_ROM_SIZE], after[BOOT_ROM_SIZE];
    uint64_t pages;

    place_bar(f);
    config_write(f, ROM_ADDRESS, 4, BAR_AT | 1);
    fakexen_peek(DOMID, BAR_AT, before, sizeof(before));
    assert_int_equal(ring(f, RAM_END), BOOT_ROM_READY);
    pages = fakexen_tot_pages(DOMID);
    restore(f);

    fakexen_peek(COPY, BAR_AT, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(after));
    assert_int_equal(fakexen_type(COPY, BAR_AT / 4096), FAKEXEN_RAM_RO);
    assert_int_equal(fakexen_tot_pages(COPY), pages);
    assert_int_equal(status(f), BOOT_ROM_READY);
    assert_int_equal(
        bus_read(f->machine.bus, BUS_PIO, BOOT_ROM_PORT + BOOT_ROM_ENTRY, 2),
        0x1000);
    config_write(f, ROM_ADDRESS, 4, BAR_AT);
    assert_int_equal(fakexen_type(COPY, HOME_GFN), FAKEXEN_RAM_RO);
}

static void a_guest_saved_before_its_kernel_came_is_told(void **state)
{
    struct fixture *f = *state;

    restore(f);
    assert_int_equal(status(f), BOOT_ROM_IDLE);
    assert_int_equal(ring(f, RAM_END), BOOT_ROM_FAILED);
}

static void a_longer_rom_of_the_source_resizes_ours(void **state)
{
    struct fixture *f = *state;
    struct xen_ram_block *block = xen_ram_find(f->machine.ram, BLOCK);
    uint8_t byte = 0x5a;

    xen_ram_set_phase(f->machine.ram, XEN_RAM_RESET);
    assert_int_equal(xen_ram_resize(f->machine.ram, block, 5 * 4096), 0);
    xen_ram_set_phase(f->machine.ram, XEN_RAM_RUNNING);
    assert_int_equal(
        xen_ram_write(f->machine.ram, block, 5 * 4096 - 1, &byte, 1), 0);
    assert_int_equal(place_bar(f), 8 * 4096);
    config_write(f, ROM_ADDRESS, 4, BAR_AT | 1);
    restore(f);

    block = xen_ram_find(f->machine.ram, BLOCK);
    assert_int_equal(xen_ram_used_length(block), 5 * 4096);
    assert_int_equal(xen_ram_gfn(block), BAR_AT / 4096);
    byte = 0;
    fakexen_peek(COPY, BAR_AT + 5 * 4096 - 1, &byte, 1);
    assert_int_equal(byte, 0x5a);
    assert_int_equal(place_bar(f), 8 * 4096);

    /* The next boot gets the ROM of this program. */
    machine_reset(&f->machine);
    assert_int_equal(xen_ram_used_length(block), 4096);
    assert_int_equal(place_bar(f), 4096);
    config_write(f, ROM_ADDRESS, 4, BAR_AT | 1);
    fakexen_peek(COPY, BAR_AT, &byte, 1);
    assert_int_equal(byte, 0x55);
    assert_int_equal(fakexen_type(COPY, BAR_AT / 4096 + 1), FAKEXEN_HOLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_STARTED(name)                                                     \
    cmocka_unit_test_setup_teardown(name, setup_started, teardown_started)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_STARTED(a_bios_finds_a_valid_rom_behind_the_bar),
        TEST_STARTED(the_rom_goes_home_when_its_bar_is_off),
        TEST_STARTED(the_doorbell_hands_over_kernel_and_entry),
        TEST_STARTED(the_doorbell_works_once),
        TEST_STARTED(what_a_guest_says_about_its_ram_is_not_believed),
        TEST_STARTED(accesses_of_other_sizes_and_places_do_nothing),
        TEST(without_a_kernel_there_is_no_rom),
        TEST(a_kernel_that_is_none_stops_the_start),
        TEST(a_start_that_fails_half_way_leaves_no_page),
        TEST_STARTED(a_restored_guest_needs_no_kernel_file),
        TEST_STARTED(a_guest_saved_before_its_kernel_came_is_told),
        TEST_STARTED(a_longer_rom_of_the_source_resizes_ours),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
