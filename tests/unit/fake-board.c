/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/fake-board.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "dm/log.h"
#include "dm/pci.h"

struct board board;

/* ---- life ---- */

void board_begin(void)
{
    memset(&board, 0, sizeof(board));
    board.low_ram = UINT64_C(256) << 20;
    board.machine.options = &board.options;
    board.machine.xen = (struct xen *)&board;
    board.machine.ram = (struct xen_ram *)&board;
    assert_int_equal(bus_new(board.machine.xen, &board.machine.bus), 0);
}

void board_end(void)
{
    while (board.machine.nr_devices > 0)
        board_remove(&board.machine.devices[board.machine.nr_devices - 1]);
    bus_free(board.machine.bus);
    for (unsigned devfn = 0; devfn < 256; devfn++)
        assert_null(board.machine.pci[devfn]);
    assert_int_equal(board.claims, 0);
}

struct device *board_add_blank(const struct device_ops *ops, uint32_t instance)
{
    struct machine *machine = &board.machine;
    struct device *device = &machine->devices[machine->nr_devices++];

    *device = (struct device){
        .ops = ops,
        .machine = machine,
        .instance = instance,
        .state = calloc(1, ops->state_size),
    };
    assert_non_null(device->state);
    assert_int_equal(ops->init(device), 0);
    return device;
}

struct device *board_add(const struct device_ops *ops, uint32_t instance)
{
    struct device *device = board_add_blank(ops, instance);

    if (ops->reset)
        ops->reset(device);
    if (ops->resume)
        ops->resume(device);
    return device;
}

void board_remove(struct device *device)
{
    assert_ptr_equal(device,
                     &board.machine.devices[board.machine.nr_devices - 1]);
    board.machine.nr_devices--;
    if (device->ops->fini)
        device->ops->fini(device);
    free(device->state);
}

/* ---- saved state ---- */

static size_t element_size(const struct xen_migrate_field *field)
{
    switch (field->type) {
    case XEN_MIGRATE_U16:
        return 2;
    case XEN_MIGRATE_U32:
        return 4;
    case XEN_MIGRATE_U64:
        return 8;
    default:
        return 1;
    }
}

static int copy_field(const struct xen_migrate_state *saved,
                      const struct xen_migrate_field *field, const void *from,
                      void *to)
{
    size_t size = element_size(field);

    assert_true(field->offset + size * field->count <= saved->size);
    for (uint32_t i = 0; i < field->count; i++) {
        uint64_t value = 0;

        memcpy(&value, (const char *)from + field->offset + i * size, size);
        if ((field->min || field->max) &&
            (value < field->min || value > field->max))
            return -EINVAL;
        memcpy((char *)to + field->offset + i * size, &value, size);
    }
    return 0;
}

static int copy_state(const struct xen_migrate_state *saved, const void *from,
                      void *to)
{
    const struct xen_migrate_field *field = saved->fields;
    int ret = 0;

    for (; field->type != XEN_MIGRATE_END && ret == 0; field++)
        ret = copy_field(saved, field, from, to);
    for (size_t i = 0; saved->subsections && saved->subsections[i] && !ret; i++)
        ret = copy_state(saved->subsections[i], from, to);
    return ret;
}

static int check_state(const struct xen_migrate_state *saved,
                       const void *staged)
{
    char text[256] = "";
    int ret = 0;

    if (saved->check)
        ret = saved->check(staged, text, sizeof(text));
    if (ret)
        assert_int_not_equal(strlen(text), 0);
    for (size_t i = 0; saved->subsections && saved->subsections[i] && !ret; i++)
        ret = check_state(saved->subsections[i], staged);
    return ret;
}

int board_transfer(const struct device *from, struct device *to)
{
    const struct xen_migrate_state *saved = to->ops->saved;
    void *staged = malloc(saved->size);
    int ret;

    assert_non_null(staged);
    assert_ptr_equal(from->ops, to->ops);
    memcpy(staged, to->state, saved->size);
    ret = copy_state(saved, from->state, staged);
    if (ret == 0)
        ret = check_state(saved, staged);
    if (ret == 0)
        ret = copy_state(saved, staged, to->state);
    free(staged);
    if (ret == 0 && to->ops->restored)
        to->ops->restored(to);
    return ret;
}

/* ---- the guest ---- */

uint32_t in(uint16_t port, unsigned size)
{
    uint64_t value = bus_read(board.machine.bus, BUS_PIO, port, size);

    return (uint32_t)(size < 4 ? value & ((1u << 8 * size) - 1) : value);
}

void out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(board.machine.bus, BUS_PIO, port, size, value);
}

uint32_t config_in(uint8_t devfn, unsigned offset, unsigned size)
{
    uint32_t value = pci_config_read(&board.machine, devfn, offset, size);

    return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

void config_out(uint8_t devfn, unsigned offset, unsigned size, uint32_t value)
{
    pci_config_write(&board.machine, devfn, offset, size, value);
}

void board_shake(uint16_t first, unsigned nr, unsigned rounds)
{
    uint32_t seed = 12345;

    for (unsigned i = 0; i < rounds; i++) {
        unsigned size;
        uint16_t port;

        seed = seed * 1664525 + 1013904223;
        size = 1u << (seed >> 28) % 3;
        port = (uint16_t)(first + (seed >> 16) % nr);
        if (seed & 0x1000)
            (void)in(port, size);
        else
            out(port, size, seed ^ seed << 13);
    }
}

/* ---- machine ---- */

void machine_isa_irq(struct machine *machine, unsigned line, unsigned source,
                     bool level)
{
    assert_ptr_equal(machine, &board.machine);
    assert_true(line < MACHINE_ISA_LINES);
    assert_true(source < 32);
    if (level && !board.isa[line])
        board.isa_edges[line]++;
    board.isa[line] = level;
}

void machine_poweroff(struct machine *machine)
{
    (void)machine;
    board.poweroffs++;
}

void machine_reboot(struct machine *machine)
{
    (void)machine;
    board.reboots++;
}

uint64_t machine_low_ram(const struct machine *machine)
{
    (void)machine;
    return board.low_ram;
}

/* ---- Xen ---- */

int xen_ioreq_claim(struct xen *xen, bool mmio, uint64_t first, uint64_t last)
{
    (void)xen;
    (void)mmio;
    assert_true(first <= last);
    if (board.fail_claim)
        return board.fail_claim;
    board.claims++;
    return 0;
}

int xen_ioreq_release(struct xen *xen, bool mmio, uint64_t first, uint64_t last)
{
    (void)xen;
    (void)mmio;
    assert_true(first <= last);
    board.claims--;
    return 0;
}

int xen_ioreq_claim_pci(struct xen *xen, uint8_t devfn)
{
    (void)xen;
    if (board.fail_claim_pci)
        return board.fail_claim_pci;
    assert_false(board.claimed_pci[devfn]);
    board.claimed_pci[devfn] = true;
    return 0;
}

int xen_ioreq_release_pci(struct xen *xen, uint8_t devfn)
{
    (void)xen;
    assert_true(board.claimed_pci[devfn]);
    board.claimed_pci[devfn] = false;
    return 0;
}

int xen_pci_intx(struct xen *xen, uint8_t devfn, unsigned pin, bool level)
{
    (void)xen;
    assert_true(pin < 4);
    board.intx[devfn] = level;
    return 0;
}

int xen_pci_link(struct xen *xen, unsigned link, unsigned isa_irq)
{
    (void)xen;
    assert_true(link < 4);
    assert_true(isa_irq < 16);
    board.link[link] = isa_irq;
    return 0;
}

int xen_msi(struct xen *xen, uint64_t address, uint32_t data)
{
    (void)xen;
    if (board.fail_msi)
        return board.fail_msi;
    board.msis++;
    board.msi_address = address;
    board.msi_data = data;
    return 0;
}

int xen_set_ram_read_only(struct xen *xen, uint64_t first_gfn, uint32_t nr,
                          bool read_only)
{
    (void)xen;
    if (board.fail_rom_lock)
        return board.fail_rom_lock;
    board.rom_first_gfn = first_gfn;
    board.rom_nr = nr;
    board.rom_locked = read_only;
    return 0;
}

int xen_sleep(struct xen *xen)
{
    (void)xen;
    board.sleeps++;
    return board.fail_sleep;
}

/* ---- blocks ---- */

int machine_alloc_ram(struct machine *machine, const struct xen_ram_spec *spec,
                      struct xen_ram_block **out)
{
    (void)machine;
    assert_true(spec->size <= sizeof(board.memory));
    *out = &board.block;
    return board.fail_alloc;
}

void *xen_ram_host(const struct xen_ram_block *block)
{
    return block == &board.block ? board.memory : NULL;
}

void xen_ram_free(struct xen_ram *ram, struct xen_ram_block *block)
{
    (void)ram;
    (void)block;
}

uint64_t xen_ram_gfn(const struct xen_ram_block *block)
{
    return block->gfn;
}

int xen_ram_relocate(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t gfn)
{
    (void)ram;
    if (board.fail_relocate)
        return board.fail_relocate;
    block->gfn = gfn;
    block->moves++;
    return 0;
}

const char *xen_ram_error(const struct xen_ram *ram)
{
    (void)ram;
    return "the fake refuses";
}

/* ---- log ---- */

static void keep_line(const char *format, va_list args)
{
    vsnprintf(board.last_line, sizeof(board.last_line), format, args);
}

#define DEFINE_LOG(name)                                                       \
    void name(const char *format, ...)                                         \
    {                                                                          \
        va_list args;                                                          \
                                                                               \
        va_start(args, format);                                                \
        keep_line(format, args);                                               \
        va_end(args);                                                          \
    }

DEFINE_LOG(log_debug)
DEFINE_LOG(log_info)
DEFINE_LOG(log_warn)
DEFINE_LOG(log_error)

void log_guest(const char *format, ...)
{
    va_list args;

    board.guest_lines++;
    va_start(args, format);
    keep_line(format, args);
    va_end(args);
}

void log_set_name(const char *name)
{
    (void)name;
}

void log_set_debug(int enable)
{
    (void)enable;
}
