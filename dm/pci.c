/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pci.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dm/log.h"
#include "dm/machine.h"
#include "dm/xen.h"

#include "xenram/ram.h"

/* PCI Local Bus Specification 3.0, section 6.1 and 6.2. */
#define PCI_VENDOR 0x00
#define PCI_DEVICE 0x02
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO 0x0001
#define PCI_COMMAND_MEMORY 0x0002
#define PCI_COMMAND_MASTER 0x0004
#define PCI_COMMAND_PARITY 0x0040
#define PCI_COMMAND_SERR 0x0100
#define PCI_COMMAND_INTX_OFF 0x0400
#define PCI_STATUS 0x06
#define PCI_STATUS_INTERRUPT 0x0008
#define PCI_STATUS_CAPABILITIES 0x0010
#define PCI_STATUS_ERRORS 0xf900 /* cleared by writing ones */
#define PCI_REVISION 0x08
#define PCI_CLASS 0x09
#define PCI_CACHE_LINE 0x0c
#define PCI_LATENCY 0x0d
#define PCI_HEADER_TYPE 0x0e
#define PCI_HEADER_MULTIFUNCTION 0x80
#define PCI_BAR0 0x10
#define PCI_SUBSYSTEM_VENDOR 0x2c
#define PCI_SUBSYSTEM 0x2e
#define PCI_ROM_ADDRESS 0x30
#define PCI_CAPABILITY_POINTER 0x34
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN 0x3d
#define PCI_HEADER_END 0x40

#define BAR_IO_FLAGS 0x03u
#define BAR_IO_SPACE 0x01u
#define BAR_MEM_FLAGS 0x0fu
#define BAR_MEM_PREFETCH 0x08u
#define BAR_ROM_FLAGS 0x7ffu
#define BAR_ROM_ENABLE 0x01u

/*
 * Below the firmware's reserved area and Xen's special pages (hvmloader,
 * pci_regs.h and config.h: PCI_MEM_END, RESERVED_MEMBASE).
 */
#define MEM_WINDOW_END UINT64_C(0xfc000000)
#define IO_WINDOW_END UINT64_C(0x10000)

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, (uint16_t)value);
    put16(bytes + 2, (uint16_t)(value >> 16));
}

static unsigned bar_offset(unsigned nr)
{
    return nr == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BAR0 + 4 * nr;
}

static uint32_t bar_flags(enum pci_bar_kind kind)
{
    switch (kind) {
    case PCI_BAR_IO:
        return BAR_IO_FLAGS;
    case PCI_BAR_ROM:
        return BAR_ROM_FLAGS;
    case PCI_BAR_MEM:
    case PCI_BAR_MEM_PREFETCH:
        return BAR_MEM_FLAGS;
    case PCI_BAR_NONE:
        break;
    }
    return 0;
}

/* The read-only bits that tell what kind of BAR it is. */
static uint32_t bar_type(enum pci_bar_kind kind)
{
    if (kind == PCI_BAR_IO)
        return BAR_IO_SPACE;
    return kind == PCI_BAR_MEM_PREFETCH ? BAR_MEM_PREFETCH : 0;
}

/* ---- mapping ---- */

static bool bar_decodes(const struct pci_function *function, unsigned nr)
{
    uint16_t command = get16(function->config + PCI_COMMAND);
    uint32_t value = get32(function->config + bar_offset(nr));

    if (!function->present)
        return false;
    switch (function->bars[nr].kind) {
    case PCI_BAR_IO:
        return command & PCI_COMMAND_IO;
    case PCI_BAR_MEM:
    case PCI_BAR_MEM_PREFETCH:
        return command & PCI_COMMAND_MEMORY;
    case PCI_BAR_ROM:
        return command & PCI_COMMAND_MEMORY && value & BAR_ROM_ENABLE;
    case PCI_BAR_NONE:
        break;
    }
    return false;
}

static bool bar_fits(const struct pci_function *function, unsigned nr,
                     uint64_t address)
{
    const struct pci_bar *bar = &function->bars[nr];
    uint64_t first = machine_low_ram(function->machine);
    uint64_t end = MEM_WINDOW_END;

    if (bar->kind == PCI_BAR_IO) {
        first = 1;
        end = IO_WINDOW_END;
    }
    return address >= first && address < end && bar->size <= end - address;
}

/* Where config space wants the BAR, PCI_UNMAPPED when nowhere we may put it. */
static uint64_t bar_wanted(const struct pci_function *function, unsigned nr)
{
    const struct pci_bar *bar = &function->bars[nr];
    uint32_t flags = bar_flags(bar->kind);
    uint32_t address = get32(function->config + bar_offset(nr)) & ~flags;

    if (!bar_decodes(function, nr))
        return PCI_UNMAPPED;
    if (bar_fits(function, nr, address))
        return address;
    /* All ones is how a guest asks for the size: not worth a line. */
    if (address != 0 && address != (~(bar->size - 1) & ~flags))
        log_guest("%s: BAR %u at %#" PRIx32 " lies outside the PCI windows, "
                  "not mapped",
                  function->name, nr, address);
    return PCI_UNMAPPED;
}

static enum bus_space bar_space(const struct pci_bar *bar)
{
    return bar->kind == PCI_BAR_IO ? BUS_PIO : BUS_MMIO;
}

static void move_block(struct pci_function *function, unsigned nr, uint64_t gfn)
{
    struct xen_ram *ram = function->machine->ram;
    struct pci_bar *bar = &function->bars[nr];

    if (xen_ram_gfn(bar->block) == gfn)
        return;
    if (xen_ram_relocate(ram, bar->block, gfn))
        log_guest("%s: BAR %u: %s", function->name, nr, xen_ram_error(ram));
}

static void bar_unmap(struct pci_function *function, unsigned nr)
{
    struct pci_bar *bar = &function->bars[nr];

    if (bar->mapped == PCI_UNMAPPED)
        return;
    if (bar->block)
        move_block(function, nr, bar->home_gfn);
    else if (bar->ops)
        bus_remove(function->machine->bus, bar_space(bar), bar->mapped);
    bar->mapped = PCI_UNMAPPED;
}

static void bar_map(struct pci_function *function, unsigned nr,
                    uint64_t address)
{
    struct pci_bar *bar = &function->bars[nr];
    int ret = 0;

    if (bar->block) {
        uint64_t gfn = address / XEN_RAM_PAGE_SIZE;

        move_block(function, nr, gfn);
        if (xen_ram_gfn(bar->block) != gfn)
            return;
    } else if (bar->ops) {
        ret = bus_add(function->machine->bus, bar_space(bar), address,
                      bar->size, bar->ops, bar->opaque);
    }
    if (ret) {
        log_guest("%s: BAR %u at %#" PRIx64 ", %#" PRIx32
                  " bytes, not mapped: %s",
                  function->name, nr, address, bar->size, strerror(-ret));
        return;
    }
    bar->mapped = address;
}

/* Unmap first: a BAR may wait for the place that another one leaves. */
static void update_bars(struct pci_function *function)
{
    uint64_t wanted[PCI_NR_BARS];

    for (unsigned nr = 0; nr < PCI_NR_BARS; nr++) {
        wanted[nr] = bar_wanted(function, nr);
        if (function->bars[nr].mapped != wanted[nr])
            bar_unmap(function, nr);
    }
    for (unsigned nr = 0; nr < PCI_NR_BARS; nr++)
        if (function->bars[nr].mapped != wanted[nr])
            bar_map(function, nr, wanted[nr]);
}

/* ---- INTx ---- */

static void update_pin(struct pci_function *function)
{
    uint16_t command = get16(function->config + PCI_COMMAND);
    uint16_t status = get16(function->config + PCI_STATUS);
    bool level = function->intx && !(command & PCI_COMMAND_INTX_OFF);
    int ret;

    if (function->ids.pin == 0)
        return;
    status &= (uint16_t)~PCI_STATUS_INTERRUPT;
    if (function->intx)
        status |= PCI_STATUS_INTERRUPT;
    put16(function->config + PCI_STATUS, status);

    ret = xen_pci_intx(function->machine->xen, function->devfn,
                       function->ids.pin - 1u, level);
    if (ret)
        log_guest("%s: cannot set INT%c: %s", function->name,
                  'A' + function->ids.pin - 1, strerror(-ret));
}

void pci_intx(struct pci_function *function, bool level)
{
    if (function->intx == level)
        return;
    function->intx = level;
    update_pin(function);
}

/* ---- life ---- */

void pci_function_init(struct pci_function *function, const char *name,
                       uint8_t devfn, const struct pci_ids *ids)
{
    uint8_t *config = function->config;

    *function = (struct pci_function){
        .name = name,
        .ids = *ids,
        .devfn = devfn,
    };
    put16(config + PCI_VENDOR, ids->vendor);
    put16(config + PCI_DEVICE, ids->device);
    put16(config + PCI_STATUS, 0x0200); /* DEVSEL timing: medium */
    put32(config + PCI_REVISION, ids->class_code << 8 | ids->revision);
    put16(config + PCI_SUBSYSTEM_VENDOR, ids->subsystem_vendor);
    put16(config + PCI_SUBSYSTEM, ids->subsystem);
    config[PCI_INTERRUPT_PIN] = ids->pin;

    put16(function->write_mask + PCI_COMMAND,
          PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
              PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_OFF);
    put16(function->clear_mask + PCI_STATUS, PCI_STATUS_ERRORS);
    function->write_mask[PCI_CACHE_LINE] = 0xff;
    function->write_mask[PCI_LATENCY] = 0xff;
    function->write_mask[PCI_INTERRUPT_LINE] = 0xff;
}

unsigned pci_add_capability(struct pci_function *function, const void *bytes,
                            unsigned len)
{
    uint8_t *last = &function->config[PCI_CAPABILITY_POINTER];
    unsigned offset = PCI_CAPABILITIES + function->capabilities_len;

    /* Each begins at a multiple of four. */
    assert(len >= 2 && len <= PCI_MAX_CAPABILITIES - 3);
    assert(function->capabilities_len <= PCI_MAX_CAPABILITIES - 3 - len);
    while (*last)
        last = &function->config[*last + 1u];
    *last = (uint8_t)offset;
    memcpy(function->config + offset, bytes, len);
    function->config[offset + 1] = 0;
    function->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;

    function->capabilities_len += (len + 3) & ~3u;
    memcpy(function->capabilities, function->config + PCI_CAPABILITIES,
           function->capabilities_len);
    return offset;
}

static void init_bar_register(struct pci_function *function, unsigned nr)
{
    struct pci_bar *bar = &function->bars[nr];
    uint32_t flags = bar_flags(bar->kind);
    uint32_t mask = ~(bar->size - 1) & ~flags;
    uint32_t value = get32(function->config + bar_offset(nr));

    bar->mapped = PCI_UNMAPPED;
    if (bar->kind == PCI_BAR_NONE) {
        mask = 0;
        value = 0;
    }
    if (bar->kind == PCI_BAR_ROM)
        mask |= BAR_ROM_ENABLE;
    put32(function->write_mask + bar_offset(nr), mask);
    put32(function->config + bar_offset(nr),
          (value & mask) | bar_type(bar->kind));
}

void pci_set_bar(struct pci_function *function, unsigned nr,
                 const struct pci_bar *bar)
{
    bar_unmap(function, nr);
    function->bars[nr] = *bar;
    init_bar_register(function, nr);
}

int pci_add(struct machine *machine, struct pci_function *function)
{
    int ret;

    if (machine->pci[function->devfn])
        return -EEXIST;
    ret = xen_ioreq_claim_pci(machine->xen, function->devfn);
    if (ret)
        return ret;
    for (unsigned nr = 0; nr < PCI_NR_BARS; nr++)
        init_bar_register(function, nr);
    function->machine = machine;
    function->present = true;
    machine->pci[function->devfn] = function;
    return 0;
}

/* Off the bus, whatever present says. */
static void detach(struct pci_function *function)
{
    struct machine *machine = function->machine;

    function->present = false;
    update_bars(function);
    if (function->intx)
        pci_intx(function, false);
    xen_ioreq_release_pci(machine->xen, function->devfn);
    machine->pci[function->devfn] = NULL;
}

void pci_remove(struct pci_function *function)
{
    struct machine *machine = function->machine;

    if (machine && machine->pci[function->devfn] == function)
        detach(function);
}

void pci_reset(struct pci_function *function)
{
    unsigned end = PCI_HEADER_END + function->capabilities_len;

    for (unsigned i = 0; i < end; i++) {
        function->config[i] &=
            (uint8_t) ~(function->write_mask[i] | function->clear_mask[i]);
    }
    update_bars(function);
    function->intx = false;
    update_pin(function);
}

void pci_function_restore(struct pci_function *function)
{
    if (!function->present) {
        pci_remove(function);
        return;
    }
    update_bars(function);
    update_pin(function);
}

/* ---- configuration accesses ---- */

static bool config_range_is_sane(unsigned offset, unsigned size)
{
    return size >= 1 && size <= 4 && offset < 256 && size <= 256 - offset;
}

uint32_t pci_config_read(struct machine *machine, uint8_t devfn,
                         unsigned offset, unsigned size)
{
    struct pci_function *function = machine->pci[devfn];
    uint32_t value = 0;

    if (!function || !function->present || !config_range_is_sane(offset, size))
        return UINT32_MAX;
    if (function->reading)
        function->reading(function, offset, size);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)function->config[offset + i] << 8 * i;
    return value;
}

static bool overlaps(unsigned offset, unsigned size, unsigned first,
                     unsigned nr)
{
    return offset < first + nr && first < offset + size;
}

void pci_config_write(struct machine *machine, uint8_t devfn, unsigned offset,
                      unsigned size, uint32_t value)
{
    struct pci_function *function = machine->pci[devfn];

    if (!function || !function->present || !config_range_is_sane(offset, size))
        return;
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = (uint8_t)(value >> 8 * i);
        uint8_t mask = function->write_mask[at];
        uint8_t kept = (uint8_t)(function->config[at] & ~mask);

        kept &= (uint8_t) ~(byte & function->clear_mask[at]);
        function->config[at] = (uint8_t)(kept | (byte & mask));
    }
    if (overlaps(offset, size, PCI_COMMAND, 2))
        update_pin(function);
    if (overlaps(offset, size, PCI_COMMAND, 2) ||
        overlaps(offset, size, PCI_BAR0, 4 * PCI_ROM_BAR) ||
        overlaps(offset, size, PCI_ROM_ADDRESS, 4))
        update_bars(function);
    if (function->written)
        function->written(function, offset, size);
}

/* ---- saved state ---- */

static int check_bars(const struct pci_function *staged, char *text,
                      size_t size)
{
    for (unsigned nr = 0; nr < PCI_NR_BARS; nr++) {
        enum pci_bar_kind kind = staged->bars[nr].kind;
        uint32_t value = get32(staged->config + bar_offset(nr));
        uint32_t flags = value & bar_flags(kind);

        if (kind == PCI_BAR_ROM)
            flags &= ~BAR_ROM_ENABLE;
        if (kind == PCI_BAR_NONE)
            flags = value;
        if (flags == bar_type(kind))
            continue;
        snprintf(text, size,
                 "%s: BAR %u is %#" PRIx32 " in the state, of another kind "
                 "than here: restore with the same devices",
                 staged->name, nr, value);
        return -EINVAL;
    }
    return 0;
}

/* Drivers look for registers where capabilities say. */
static int check_capabilities(const struct pci_function *staged, char *text,
                              size_t size)
{
    for (unsigned i = 0; i < staged->capabilities_len; i++) {
        unsigned at = PCI_CAPABILITIES + i;
        uint8_t differs = staged->config[at] ^ staged->capabilities[i];

        differs &= (uint8_t) ~(staged->write_mask[at] | staged->clear_mask[at]);
        if (differs == 0)
            continue;
        snprintf(text, size,
                 "%s: byte %#x of its configuration is %#x in the state, here "
                 "%#x: restore with the same devices",
                 staged->name, at, staged->config[at], staged->capabilities[i]);
        return -EINVAL;
    }
    return 0;
}

static int check_function(const void *opaque, char *text, size_t size)
{
    const struct pci_function *staged = opaque;
    const uint8_t *config = staged->config;
    uint16_t vendor = get16(config + PCI_VENDOR);
    uint16_t device = get16(config + PCI_DEVICE);
    uint32_t class_code = get32(config + PCI_REVISION) >> 8;

    if (vendor != staged->ids.vendor || device != staged->ids.device ||
        class_code != staged->ids.class_code ||
        config[PCI_INTERRUPT_PIN] != staged->ids.pin ||
        config[PCI_HEADER_TYPE] & (uint8_t)~PCI_HEADER_MULTIFUNCTION) {
        snprintf(text, size,
                 "%s: the state is of %04x:%04x class %06" PRIx32
                 ", here is %04x:%04x class %06" PRIx32
                 ": restore with the same devices",
                 staged->name, vendor, device, class_code, staged->ids.vendor,
                 staged->ids.device, staged->ids.class_code);
        return -EINVAL;
    }
    if (check_capabilities(staged, text, size))
        return -EINVAL;
    return check_bars(staged, text, size);
}

static const struct xen_migrate_field function_fields[] = {
    XEN_MIGRATE_ARRAY(BUFFER, pci_function, config),
    XEN_MIGRATE_FIELD(BOOL, pci_function, present),
    XEN_MIGRATE_FIELD(BOOL, pci_function, intx),
    {.type = XEN_MIGRATE_END},
};

const struct xen_migrate_state pci_function_saved = {
    .name = "pci-function",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct pci_function),
    .fields = function_fields,
    .check = check_function,
};
