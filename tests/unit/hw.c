/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dm/pci.h"

#include "tests/unit/fake-board.h"

#define HOST_BRIDGE PCI_DEVFN(0, 0)
#define ISA_BRIDGE PCI_DEVFN(1, 0)
#define PM PCI_DEVFN(1, 3)
#define PLATFORM PCI_DEVFN(2, 0)

static int setup(void **state)
{
    (void)state;
    board_begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_end();
    return 0;
}

/* Save the only device of the board and load it into a fresh one. */
static struct device *reload(struct device *device)
{
    const struct device_ops *ops = device->ops;
    struct device from = *device;

    from.state = malloc(ops->state_size);
    assert_non_null(from.state);
    memcpy(from.state, device->state, ops->state_size);
    board_remove(device);
    device = board_add_blank(ops, 0);
    assert_int_equal(board_transfer(&from, device), 0);
    free(from.state);
    return device;
}

/* ---- i440fx ---- */

static void the_config_address_reads_back(void **state)
{
    (void)state;
    board_add(&device_i440fx, 0);
    /* Linux, arch/x86/pci/direct.c:pci_check_type1. */
    out(0xcfb, 1, 0x01);
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcf8, 4), 0x80000000);
    out(0xcf8, 2, 0x1234); /* not a dword: not the latch */
    assert_int_equal(in(0xcf8, 4), 0x80000000);
    assert_int_equal(in(0xcf8, 2), 0xffff);
    assert_int_equal(config_in(HOST_BRIDGE, 0, 4), 0x12378086);
    assert_int_equal(config_in(HOST_BRIDGE, 0x2c, 4), 0x11001af4);
    assert_int_equal(config_in(HOST_BRIDGE, 0x0b, 1), 0x06);
}

static void config_data_needs_the_enable_bit(void **state)
{
    (void)state;
    board_add(&device_i440fx, 0);
    out(0xcf8, 4, 0x00000000);
    assert_int_equal(in(0xcfc, 4), UINT32_MAX);
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcfc, 4), 0x12378086);
    assert_int_equal(in(0xcfe, 2), 0x1237);
    assert_int_equal(in(0xcff, 1), 0x12);
    out(0xcf8, 4, 0x80000058);
    out(0xcfd, 1, 0x33);
    assert_int_equal(config_in(HOST_BRIDGE, 0x59, 1), 0x33);
    out(0xcf8, 4, 0x80010000); /* bus 1 */
    assert_int_equal(in(0xcfc, 4), UINT32_MAX);
}

static void reset_control_reboots(void **state)
{
    static const struct {
        uint8_t value, kept;
        unsigned reboots;
    } cases[] = {
        {0x00, 0, 0}, {0x02, 2, 0}, {0x06, 2, 1},
        {0x04, 0, 1}, {0xf9, 0, 0}, {0xff, 0, 1},
    };

    (void)state;
    board_add(&device_i440fx, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        board.reboots = 0;
        out(0xcf9, 1, cases[i].kept);
        out(0xcf9, 1, cases[i].value);
        assert_int_equal(board.reboots, cases[i].reboots);
        assert_int_equal(in(0xcf9, 1), cases[i].kept);
    }
}

static void the_config_address_survives_a_restore(void **state)
{
    (void)state;
    board_add(&device_i440fx, 0);
    out(0xcf8, 4, 0x80000008);
    reload(&board.machine.devices[0]);
    assert_int_equal(in(0xcf8, 4), 0x80000008);
    assert_int_equal(in(0xcfc, 4) >> 16, 0x0600);
}

/* ---- piix3 ---- */

static void links_are(unsigned a, unsigned b, unsigned c, unsigned d)
{
    assert_int_equal(board.link[0], a);
    assert_int_equal(board.link[1], b);
    assert_int_equal(board.link[2], c);
    assert_int_equal(board.link[3], d);
}

static void interrupt_links_are_passed_on(void **state)
{
    static const struct {
        uint8_t value;
        unsigned line;
    } cases[] = {{0x05, 5}, {0x0b, 11}, {0x8b, 0}, {0x7a, 10}, {0x80, 0}};

    (void)state;
    board_add(&device_piix3, 0);
    assert_int_equal(config_in(ISA_BRIDGE, 0, 4), 0x70008086);
    assert_int_equal(config_in(ISA_BRIDGE, 0x0a, 2), 0x0601);
    assert_int_equal(config_in(ISA_BRIDGE, 0x0e, 1), 0x80);
    for (unsigned link = 0; link < 4; link++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            board.link[link] = 99;
            config_out(ISA_BRIDGE, 0x60 + link, 1, cases[i].value);
            assert_int_equal(board.link[link], cases[i].line);
            assert_int_equal(config_in(ISA_BRIDGE, 0x60 + link, 1),
                             cases[i].value);
        }
    config_out(ISA_BRIDGE, 0x60, 4, 0x050b0a05);
    links_are(5, 10, 11, 5);
}

static void interrupt_links_are_sent_again_after_a_restore(void **state)
{
    (void)state;
    board_add(&device_piix3, 0);
    config_out(ISA_BRIDGE, 0x60, 4, 0x050b0a85);
    memset(board.link, 0xee, sizeof(board.link));
    reload(&board.machine.devices[0]);
    links_are(0, 10, 11, 5);
}

/* ---- piix4-pm ---- */

static void sci_is_always_enabled(void **state)
{
    (void)state;
    board_add(&device_piix4_pm, 0);
    assert_int_equal(config_in(PM, 0, 4), 0x71138086);
    assert_int_equal(config_in(PM, 0x0a, 2), 0x0680);
    /* hvmloader, util.c:acpi_enable_sci. */
    assert_int_equal(in(0xb004, 2) & 1, 1);
    out(0xb004, 2, 0x0000);
    assert_int_equal(in(0xb004, 2), 1);
    assert_int_equal(in(0xb004, 4), 1);
    assert_int_equal(in(0xb005, 1), 0);
}

static void sleep_needs_its_enable_bit(void **state)
{
    static const struct {
        uint16_t value;
        unsigned poweroffs, sleeps;
    } cases[] = {
        {0x0000, 0, 0}, {0x2000, 1, 0}, {0x2001, 1, 0},
        {0x0400, 0, 0}, {0x2400, 0, 1}, {0x3c00, 0, 0},
    };

    (void)state;
    board_add(&device_piix4_pm, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        board.poweroffs = 0;
        board.sleeps = 0;
        out(0xb004, 2, cases[i].value);
        assert_int_equal(board.poweroffs, cases[i].poweroffs);
        assert_int_equal(board.sleeps, cases[i].sleeps);
        assert_int_equal(in(0xb004, 2) & 0x2000, 0);
    }
}

static void the_upper_byte_alone_sleeps_too(void **state)
{
    (void)state;
    board_add(&device_piix4_pm, 0);
    out(0xb005, 1, 0x04);
    out(0xb005, 1, 0x24);
    assert_int_equal(board.sleeps, 1);
    board.fail_sleep = -EPERM;
    out(0xb005, 1, 0x24);
    assert_int_equal(board.guest_lines, 1);
    out(0xb006, 2, 0xffff); /* reserved: no effect */
    assert_int_equal(board.poweroffs, 0);
}

static void pm_registers_survive_a_restore(void **state)
{
    (void)state;
    board_add(&device_piix4_pm, 0);
    assert_int_equal(in(0xafe0, 4), 0);
    out(0xafe2, 2, 0x1234);
    out(0xafe0, 2, 0xffff); /* status: ones clear, there are none */
    out(0xb2, 1, 0xf1);
    out(0xb3, 1, 0x42);
    config_out(PM, 0x40, 4, 0xb001);
    reload(&board.machine.devices[0]);
    assert_int_equal(in(0xafe0, 4), 0x12340000);
    assert_int_equal(in(0xb2, 2), 0x42f1);
    assert_int_equal(config_in(PM, 0x40, 4), 0xb001);
}

static void hotplug_never_has_news(void **state)
{
    (void)state;
    board_add(&device_piix4_pm, 0);
    for (uint16_t port = 0xae00; port < 0xae14; port += 4) {
        out(port, 4, UINT32_MAX);
        assert_int_equal(in(port, 4), 0);
    }
    for (uint16_t port = 0xaf00; port < 0xaf20; port++)
        assert_int_equal(in(port, 1), 0);
}

/* ---- cmos ---- */

static uint8_t cmos_get(uint8_t index)
{
    out(0x70, 1, index);
    return (uint8_t)in(0x71, 1);
}

static void the_boot_order_is_what_seabios_reads(void **state)
{
    static const struct {
        const char *order, *kernel;
        uint8_t devices, flags;
    } cases[] = {
        {"c", NULL, 0x02, 0x00},        {"cda", NULL, 0x32, 0x10},
        {"ncd", NULL, 0x24, 0x30},      {"", NULL, 0x00, 0x00},
        {NULL, NULL, 0x00, 0x00},       {"cc?d", NULL, 0x32, 0x00},
        {"acdn", NULL, 0x21, 0x30},     {"cda", "/bzImage", 0x24, 0x30},
        {"nc", "/bzImage", 0x24, 0x00}, {NULL, "/bzImage", 0x04, 0x00},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct device *device;

        board.options.boot_order = cases[i].order;
        board.options.kernel = cases[i].kernel;
        device = board_add(&device_cmos, 0);
        assert_int_equal(cmos_get(0x3d), cases[i].devices);
        assert_int_equal(cmos_get(0x38), cases[i].flags);
        board_remove(device);
    }
}

static void cmos_keeps_what_the_firmware_stores(void **state)
{
    (void)state;
    board.options.boot_order = "c";
    board_add(&device_cmos, 0);
    for (unsigned index = 14; index < 128; index++)
        out(0x70, 2, index | index << 8); /* index and data at once */
    board.options.boot_order = "d";       /* a state brings its own */
    out(0x70, 1, 0x35);
    reload(&board.machine.devices[0]);
    assert_int_equal(in(0x71, 1), 0x35);
    for (unsigned index = 14; index < 128; index++)
        assert_int_equal(cmos_get((uint8_t)(index | 0x80)), index);
    assert_int_equal(in(0x70, 1), 0xff);
}

static void a_cmos_index_beyond_the_ram_is_refused(void **state)
{
    struct device *device, evil;
    uint8_t copy[256];

    (void)state;
    device = board_add(&device_cmos, 0);
    assert_true(device->ops->state_size <= sizeof(copy));
    memcpy(copy, device->state, device->ops->state_size);
    copy[device->ops->saved->fields[0].offset] = 128;
    evil = *device;
    evil.state = copy;
    assert_int_equal(board_transfer(&evil, device), -EINVAL);
}

/* ---- port 92 ---- */

static void port_92_resets_on_a_rising_bit(void **state)
{
    (void)state;
    board_add(&device_port92, 0);
    assert_int_equal(in(0x92, 1), 0x02); /* A20 is open */
    out(0x92, 1, 0x00);
    assert_int_equal(in(0x92, 1), 0x00);
    out(0x92, 1, 0x03);
    assert_int_equal(board.reboots, 1);
    out(0x92, 1, 0x03);
    assert_int_equal(board.reboots, 1);
    reload(&board.machine.devices[0]);
    assert_int_equal(in(0x92, 1), 0x03);
}

/* ---- i8042 ---- */

#define STATUS_FULL 0x01
#define STATUS_AUX 0x20

/* A byte that must be there at once: drivers poll for long otherwise. */
static uint8_t i8042_get(void)
{
    assert_int_equal(in(0x64, 1) & (STATUS_FULL | STATUS_AUX), STATUS_FULL);
    return (uint8_t)in(0x60, 1);
}

static void i8042_is_empty(void)
{
    assert_int_equal(in(0x64, 1) & STATUS_FULL, 0);
}

static uint8_t i8042_ask(uint8_t command)
{
    i8042_is_empty();
    out(0x64, 1, command);
    return i8042_get();
}

static void keyboard_send(uint8_t byte)
{
    i8042_is_empty();
    out(0x60, 1, byte);
    assert_int_equal(i8042_get(), 0xfa);
}

static void set_mode(uint8_t mode)
{
    out(0x64, 1, 0x60);
    out(0x60, 1, mode);
}

/* SeaBIOS, ps2port.c:ps2_keyboard_setup. */
static void seabios_finds_the_keyboard(void **state)
{
    (void)state;
    board_add(&device_i8042, 0);
    i8042_is_empty();
    out(0x64, 1, 0xad);
    out(0x64, 1, 0xa7);
    assert_int_equal(i8042_ask(0xaa), 0x55);
    assert_int_equal(i8042_ask(0xab), 0x00);
    set_mode(0x30);
    set_mode(0x20);
    keyboard_send(0xff);
    assert_int_equal(i8042_get(), 0xaa);
    set_mode(0x30);
    set_mode(0x20);
    keyboard_send(0xf5);
    keyboard_send(0xf0);
    keyboard_send(0x02);
    keyboard_send(0xf4);
    set_mode(0x61);
    assert_int_equal(board.isa_edges[1], 0);
    assert_int_equal(in(0x64, 1) & 0x0c, 0);
}

/* Linux, i8042.c: controller check, self test, then the aux port. */
static void linux_finds_a_controller_without_aux_port(void **state)
{
    (void)state;
    board_add(&device_i8042, 0);
    assert_int_equal(i8042_ask(0x20), 0x20);
    assert_int_equal(i8042_ask(0xaa), 0x55);
    set_mode(0x30);
    assert_int_equal(i8042_ask(0x20), 0x30);
    out(0x64, 1, 0xd3);
    out(0x60, 1, 0x5a);
    assert_int_equal(i8042_get(), 0x5a); /* not marked as aux data */
    assert_int_equal(i8042_ask(0xa9), 0x01);
    out(0x64, 1, 0xd4); /* a byte for a mouse goes nowhere */
    out(0x60, 1, 0xff);
    i8042_is_empty();
}

/* Linux, atkbd.c:atkbd_probe and atkbd_activate, interrupts on. */
static void linux_finds_the_keyboard(void **state)
{
    (void)state;
    board_add(&device_i8042, 0);
    set_mode(0x65);
    keyboard_send(0xf2);
    assert_int_equal(i8042_get(), 0xab);
    assert_int_equal(i8042_get(), 0x41); /* 0x83 as translation shows it */
    set_mode(0x25);
    keyboard_send(0xf2);
    assert_int_equal(i8042_get(), 0xab);
    assert_int_equal(i8042_get(), 0x83);
    keyboard_send(0xed);
    keyboard_send(0x00);
    keyboard_send(0xf3);
    keyboard_send(0x20);
    keyboard_send(0xf0);
    keyboard_send(0x00);
    assert_int_equal(i8042_get(), 0x02);
    keyboard_send(0xf4);
    i8042_is_empty();
    /* 6 bytes of identity, 7 more answers, the scan code set */
    assert_int_equal(board.isa_edges[1], 14);
    assert_false(board.isa[1]);
    i8042_is_empty();
    out(0x60, 1, 0x00); /* no command */
    assert_int_equal(i8042_get(), 0xfe);
}

static void the_keyboard_echoes_and_repeats(void **state)
{
    (void)state;
    board_add(&device_i8042, 0);
    out(0x60, 1, 0xee);
    assert_int_equal(i8042_get(), 0xee);
    out(0x60, 1, 0xfe);
    assert_int_equal(i8042_get(), 0xee);
    assert_int_equal(in(0x60, 1), 0xee); /* the latch keeps its byte */
    keyboard_send(0xed);
    keyboard_send(0xf4); /* a command instead of the parameter */
    out(0x60, 1, 0x00);
    assert_int_equal(i8042_get(), 0xfe);
}

static void the_controller_resets_the_machine(void **state)
{
    static const struct {
        uint8_t command;
        unsigned reboots;
    } cases[] = {{0xfe, 1}, {0xf0, 1}, {0xff, 0}, {0xf1, 0}};

    (void)state;
    board_add(&device_i8042, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        board.reboots = 0;
        out(0x64, 1, cases[i].command);
        assert_int_equal(board.reboots, cases[i].reboots);
    }
    out(0x64, 1, 0xd1);
    out(0x60, 1, 0xdf); /* A20 on, no reset */
    assert_int_equal(board.reboots, 0);
    assert_int_equal(i8042_ask(0xd0) & 0x03, 0x03);
    out(0x64, 1, 0xd1);
    out(0x60, 1, 0xde);
    assert_int_equal(board.reboots, 1);
}

static void a_waiting_byte_survives_a_restore(void **state)
{
    (void)state;
    board_add(&device_i8042, 0);
    set_mode(0x21);
    out(0x60, 1, 0xff);
    out(0x64, 1, 0x60); /* and a command that waits for its byte */
    assert_true(board.isa[1]);
    board.isa[1] = false;
    reload(&board.machine.devices[0]);
    assert_true(board.isa[1]);
    out(0x60, 1, 0x24);
    assert_false(board.isa[1]);
    assert_int_equal(i8042_get(), 0xfa);
    assert_int_equal(i8042_get(), 0xaa);
    assert_int_equal(i8042_ask(0x20), 0x24);
}

static void a_queue_longer_than_it_can_be_is_refused(void **state)
{
    const struct xen_migrate_field *field = device_i8042.saved->fields;
    struct device *device, evil;
    uint8_t copy[256];

    (void)state;
    device = board_add(&device_i8042, 0);
    assert_true(device->ops->state_size <= sizeof(copy));
    memcpy(copy, device->state, device->ops->state_size);
    while (strcmp(field->name, "queued") != 0)
        field++;
    copy[field->offset] = 17;
    evil = *device;
    evil.state = copy;
    assert_int_equal(board_transfer(&evil, device), -EINVAL);
}

/* ---- xen-platform ---- */

static void pv_drivers_find_the_platform(void **state)
{
    (void)state;
    board_add(&device_xen_platform, 0);
    assert_int_equal(config_in(PLATFORM, 0, 4), 0x00015853);
    assert_int_equal(config_in(PLATFORM, 8, 4), 0xff800001);
    assert_int_equal(config_in(PLATFORM, 0x2c, 4), 0x00015853);
    assert_int_equal(config_in(PLATFORM, 0x3d, 1), 1);
    assert_int_equal(in(0x10, 2), 0x49d2);
    assert_int_equal(in(0x12, 1), 1);
    assert_int_equal(in(0x12, 2), 0xffff);
    assert_int_equal(in(0x10, 4), UINT32_MAX);
    out(0x12, 2, 3);
    out(0x10, 4, 0x12345678);
    assert_int_equal(in(0x10, 2), 0x49d2);
}

static void platform_bars_answer(void **state)
{
    (void)state;
    board_add(&device_xen_platform, 0);
    config_out(PLATFORM, 0x10, 4, UINT32_MAX);
    config_out(PLATFORM, 0x14, 4, UINT32_MAX);
    assert_int_equal(config_in(PLATFORM, 0x10, 4), 0xffffff01);
    assert_int_equal(config_in(PLATFORM, 0x14, 4), 0xff000008);
    config_out(PLATFORM, 0x10, 4, 0xc000);
    config_out(PLATFORM, 0x14, 4, 0xf0000000);
    config_out(PLATFORM, 0x04, 2, 3);
    assert_int_equal(in(0xc000, 1), 0);
    assert_int_equal(in(0xc001, 1), 0xff);
    assert_int_equal(bus_read(board.machine.bus, BUS_MMIO, 0xf0fffff8, 8), 0);
    bus_write(board.machine.bus, BUS_MMIO, 0xf0000000, 8, 1);
}

static void the_rom_area_can_be_locked(void **state)
{
    (void)state;
    board_add(&device_xen_platform, 0);
    out(0x10, 1, 1);
    assert_true(board.rom_locked);
    assert_int_equal(board.rom_first_gfn, 0xc0);
    assert_int_equal(board.rom_nr, 0x40);
    assert_int_equal(in(0x10, 1), 1);
    out(0x10, 1, 0xfe);
    assert_false(board.rom_locked);
    assert_int_equal(in(0x10, 1), 0);
    board.fail_rom_lock = -EPERM;
    out(0x10, 1, 1);
    assert_int_equal(in(0x10, 1), 0);
    assert_int_equal(board.guest_lines, 1);
}

static void the_rom_lock_is_applied_again_after_a_restore(void **state)
{
    (void)state;
    board_add(&device_xen_platform, 0);
    out(0x10, 1, 1);
    board.rom_locked = false;
    reload(&board.machine.devices[0]);
    assert_true(board.rom_locked);
    assert_int_equal(in(0x10, 1), 1);
}

/* Emulated devices of every kind that the protocol can take away. */
static void unplug_takes_devices_away(void **state)
{
    static const uint32_t classes[] = {0x020000, 0x010000, 0x010802, 0x010180};
    static const struct {
        uint16_t port;
        unsigned size, value;
        unsigned left; /* a bit a function */
    } cases[] = {
        {0x10, 2, 0x0000, 0xf},   {0x10, 2, 0x0001, 0xd},
        {0x10, 2, 0x0002, 0xe},   {0x10, 2, 0x0004, 0xf},
        {0x10, 2, 0x0008, 0xb},   {0x10, 2, 0x000f, 0x8},
        {0x10, 2, 0xfff0, 0xf},   {0xc004, 4, 0x0001, 0xc},
        {0xc004, 4, 0x0002, 0xf}, {0xc008, 4, 0x0001, 0xd},
        {0xc008, 4, 0x0002, 0xe},
    };
    struct pci_function functions[4];

    (void)state;
    board_add(&device_xen_platform, 0);
    config_out(PLATFORM, 0x10, 4, 0xc000);
    config_out(PLATFORM, 0x04, 2, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned k = 0; k < 4; k++) {
            struct pci_ids ids = {.vendor = 1, .class_code = classes[k]};

            pci_function_init(&functions[k], "emulated",
                              (uint8_t)PCI_DEVFN(4 + k, 0), &ids);
            assert_int_equal(pci_add(&board.machine, &functions[k]), 0);
        }
        out(cases[i].port, cases[i].size, cases[i].value);
        for (unsigned k = 0; k < 4; k++) {
            bool there =
                config_in((uint8_t)PCI_DEVFN(4 + k, 0), 0, 2) != 0xffff;

            assert_int_equal(there, cases[i].left >> k & 1);
            pci_remove(&functions[k]);
        }
    }
    assert_int_equal(config_in(PLATFORM, 0, 4), 0x00015853);
}

static void the_log_port_writes_whole_lines(void **state)
{
    (void)state;
    board_add(&device_xen_platform, 0);
    for (const char *c = "hello\r\n"; *c; c++)
        out(0x12, 1, (uint8_t)*c);
    assert_int_equal(board.guest_lines, 1);
    assert_string_equal(board.last_line, "guest: hello");
    out(0x12, 1, '\n'); /* an empty line is none */
    assert_int_equal(board.guest_lines, 1);
    for (unsigned i = 0; i < 1000; i++)
        out(0x12, 1, 0x1b);
    assert_int_equal(board.guest_lines, 7);
    assert_null(strchr(board.last_line, 0x1b));
}

/* ---- all of them ---- */

static void any_access_is_harmless(void **state)
{
    static const struct {
        const struct device_ops *ops;
        uint16_t first;
        unsigned nr;
    } cases[] = {
        {&device_i440fx, 0xcf8, 8},       {&device_piix3, 0xcf8, 8},
        {&device_piix4_pm, 0xb2, 2},      {&device_piix4_pm, 0xafe0, 4},
        {&device_piix4_pm, 0xb004, 4},    {&device_cmos, 0x70, 2},
        {&device_i8042, 0x60, 5},         {&device_port92, 0x92, 1},
        {&device_xen_platform, 0x10, 16}, {&device_xen_platform, 0xc000, 256},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct device *device = board_add(cases[i].ops, 0);

        config_out(PLATFORM, 0x10, 4, 0xc000);
        config_out(PLATFORM, 0x04, 2, 1);
        board_shake(cases[i].first, cases[i].nr, 20000);
        board_remove(device);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_config_address_reads_back),
        TEST(config_data_needs_the_enable_bit),
        TEST(reset_control_reboots),
        TEST(the_config_address_survives_a_restore),
        TEST(interrupt_links_are_passed_on),
        TEST(interrupt_links_are_sent_again_after_a_restore),
        TEST(sci_is_always_enabled),
        TEST(sleep_needs_its_enable_bit),
        TEST(the_upper_byte_alone_sleeps_too),
        TEST(pm_registers_survive_a_restore),
        TEST(hotplug_never_has_news),
        TEST(the_boot_order_is_what_seabios_reads),
        TEST(cmos_keeps_what_the_firmware_stores),
        TEST(a_cmos_index_beyond_the_ram_is_refused),
        TEST(port_92_resets_on_a_rising_bit),
        TEST(seabios_finds_the_keyboard),
        TEST(linux_finds_a_controller_without_aux_port),
        TEST(linux_finds_the_keyboard),
        TEST(the_keyboard_echoes_and_repeats),
        TEST(the_controller_resets_the_machine),
        TEST(a_waiting_byte_survives_a_restore),
        TEST(a_queue_longer_than_it_can_be_is_refused),
        TEST(pv_drivers_find_the_platform),
        TEST(platform_bars_answer),
        TEST(the_rom_area_can_be_locked),
        TEST(the_rom_lock_is_applied_again_after_a_restore),
        TEST(unplug_takes_devices_away),
        TEST(the_log_port_writes_whole_lines),
        TEST(any_access_is_harmless),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
