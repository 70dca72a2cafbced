/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen platform device 00:02.0: tells PV drivers that they are on Xen, gives
 * them address space for their grant table, and takes emulated devices away
 * when they ask for it.  Xen, docs/misc/hvm-emulated-unplug.pandoc.
 */
#include "config.h"

#include <string.h>

#include "dm/bus.h"
#include "dm/device.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/pci.h"
#include "dm/xen.h"

#include "dm/hw/bytewise.h"

#define FIXED_PORTS 0x10
#define NR_FIXED_PORTS 16
#define IO_BAR_SIZE 0x100
#define MEM_BAR_SIZE 0x1000000

/* Offsets into the fixed ports; their meaning depends on the width. */
#define FLAGS 0   /* byte */
#define MAGIC 0   /* word, read */
#define UNPLUG 0  /* word, write */
#define BUILD 0   /* dword, write */
#define VERSION 2 /* byte, read */
#define LOG 2     /* byte, write */
#define PRODUCT 2 /* word, write */

#define MAGIC_VALUE 0x49d2
#define PROTOCOL_VERSION 1
#define FLAG_ROM_LOCK 0x01

#define UNPLUG_ALL                                                             \
    (DEVICE_DISKS | DEVICE_NICS | DEVICE_AUXILIARY_DISKS | DEVICE_NVME)

/* Offsets into BAR 0: the older interface of Xen 3.0. */
#define OLD_UNPLUG_ALL 4
#define OLD_UNPLUG_ONE 8
#define OLD_DISKS 1
#define OLD_NICS 2

/* Where option ROMs and the BIOS image are. */
#define ROM_FIRST_GFN 0xc0
#define ROM_NR_GFNS 0x40

#define LOG_LINE 160

struct xen_platform {
    struct pci_function pci; /* first: pci_function_saved */
    uint8_t flags;
    uint16_t unplugged; /* every bit that was ever asked for */
    uint16_t product;
    uint32_t build;

    char line[LOG_LINE];
    unsigned line_len;
};

static void set_flags(struct device *device, uint8_t value)
{
    struct xen_platform *platform = device->state;
    bool lock = value & FLAG_ROM_LOCK;
    int ret = xen_set_ram_read_only(device->machine->xen, ROM_FIRST_GFN,
                                    ROM_NR_GFNS, lock);

    if (ret)
        log_guest("xen-platform: cannot %s the ROM area: %s",
                  lock ? "lock" : "unlock", strerror(-ret));
    else
        platform->flags = value & FLAG_ROM_LOCK;
}

/* IDE disks vanish from their controller; the others are functions. */
static void unplug(struct device *device, uint16_t mask)
{
    static const struct {
        uint16_t class_code, bit;
    } kinds[] = {
        {0x0100, DEVICE_DISKS},
        {0x0108, DEVICE_NVME},
        {0x0200, DEVICE_NICS},
    };
    struct xen_platform *platform = device->state;
    struct machine *machine = device->machine;

    platform->unplugged |= mask & UNPLUG_ALL;
    for (size_t i = 0; i < machine->nr_devices; i++)
        if (machine->devices[i].ops->unplug)
            machine->devices[i].ops->unplug(&machine->devices[i], mask);
    for (unsigned devfn = 0; devfn < 256; devfn++)
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            struct pci_function *function = machine->pci[devfn];

            if (function && mask & kinds[i].bit &&
                function->ids.class_code >> 8 == kinds[i].class_code)
                pci_remove(function);
        }
}

static void log_flush(struct xen_platform *platform)
{
    if (platform->line_len > 0)
        log_guest("guest: %.*s", (int)platform->line_len, platform->line);
    platform->line_len = 0;
}

static void log_byte(struct xen_platform *platform, uint8_t byte)
{
    if (byte == '\n' || platform->line_len == LOG_LINE)
        log_flush(platform);
    if (byte == '\n' || byte == '\r')
        return;
    if (byte == '\t')
        byte = ' ';
    platform->line[platform->line_len++] =
        byte >= ' ' && byte <= '~' ? (char)byte : '.';
}

/* ---- fixed ports ---- */

static uint64_t fixed_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct device *device = opaque;
    const struct xen_platform *platform = device->state;

    if (size == 1 && offset == FLAGS)
        return platform->flags;
    if (size == 1 && offset == VERSION)
        return PROTOCOL_VERSION;
    if (size == 2 && offset == MAGIC)
        return MAGIC_VALUE;
    return UINT64_MAX;
}

static void fixed_write_word(struct device *device, uint64_t offset,
                             uint16_t value)
{
    struct xen_platform *platform = device->state;

    if (offset == UNPLUG)
        unplug(device, value);
    else if (offset == PRODUCT)
        platform->product = value;
}

static void fixed_write(void *opaque, uint64_t offset, unsigned size,
                        uint64_t value)
{
    struct device *device = opaque;
    struct xen_platform *platform = device->state;

    if (size == 1 && offset == FLAGS)
        set_flags(device, (uint8_t)value);
    else if (size == 1 && offset == LOG)
        log_byte(platform, (uint8_t)value);
    else if (size == 2)
        fixed_write_word(device, offset, (uint16_t)value);
    else if (size == 4 && offset == BUILD)
        platform->build = (uint32_t)value;
}

static const struct bus_ops fixed_ops = {
    .read = fixed_read,
    .write = fixed_write,
};

/* ---- BARs ---- */

static uint8_t bar_read_byte(void *opaque, uint64_t offset)
{
    const struct device *device = opaque;
    const struct xen_platform *platform = device->state;

    return offset == FLAGS ? platform->flags : 0xff;
}

static void bar_write_byte(void *opaque, uint64_t offset, uint8_t value)
{
    struct device *device = opaque;

    if (offset == FLAGS)
        set_flags(device, value);
    else if (offset == OLD_UNPLUG_ALL && value == 1)
        unplug(device, DEVICE_DISKS | DEVICE_NICS);
    else if (offset == OLD_UNPLUG_ONE && value == OLD_DISKS)
        unplug(device, DEVICE_DISKS);
    else if (offset == OLD_UNPLUG_ONE && value == OLD_NICS)
        unplug(device, DEVICE_NICS);
    else if (offset == OLD_UNPLUG_ONE)
        log_byte(device->state, value);
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    return bytewise_read(bar_read_byte, opaque, offset, size);
}

static void bar_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    bytewise_write(bar_write_byte, opaque, offset, size, value);
}

static const struct bus_ops io_bar_ops = {
    .read = bar_read,
    .write = bar_write,
};

static uint64_t memory_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)size;
    return 0;
}

static const struct bus_ops memory_bar_ops = {
    .read = memory_read,
};

/* ---- the device ---- */

static int xen_platform_init(struct device *device)
{
    static const struct pci_ids ids = {
        .vendor = 0x5853,
        .device = 0x0001,
        .subsystem_vendor = 0x5853,
        .subsystem = 0x0001,
        .class_code = 0xff8000,
        .revision = 0x01,
        .pin = 1,
    };
    struct xen_platform *platform = device->state;
    int ret;

    pci_function_init(&platform->pci, "xen-platform", PCI_DEVFN(2, 0), &ids);
    platform->pci.bars[0] = (struct pci_bar){
        .kind = PCI_BAR_IO,
        .size = IO_BAR_SIZE,
        .ops = &io_bar_ops,
        .opaque = device,
    };
    platform->pci.bars[1] = (struct pci_bar){
        .kind = PCI_BAR_MEM_PREFETCH,
        .size = MEM_BAR_SIZE,
        .ops = &memory_bar_ops,
    };
    ret = pci_add(device->machine, &platform->pci);
    if (ret)
        return ret;
    return bus_add(device->machine->bus, BUS_PIO, FIXED_PORTS, NR_FIXED_PORTS,
                   &fixed_ops, device);
}

static void xen_platform_reset(struct device *device)
{
    struct xen_platform *platform = device->state;

    pci_reset(&platform->pci);
    if (platform->flags & FLAG_ROM_LOCK)
        set_flags(device, 0);
    platform->unplugged = 0;
    platform->product = 0;
    platform->build = 0;
    platform->line_len = 0;
}

static void xen_platform_restored(struct device *device)
{
    struct xen_platform *platform = device->state;

    pci_function_restore(&platform->pci);
    /* Page types do not travel with the guest. */
    if (platform->flags & FLAG_ROM_LOCK)
        set_flags(device, platform->flags);
}

static void xen_platform_fini(struct device *device)
{
    struct xen_platform *platform = device->state;

    log_flush(platform);
    bus_remove(device->machine->bus, BUS_PIO, FIXED_PORTS);
    pci_remove(&platform->pci);
}

static const struct xen_migrate_field xen_platform_fields[] = {
    XEN_MIGRATE_FIELD_RANGE(U8, xen_platform, flags, 0, FLAG_ROM_LOCK),
    XEN_MIGRATE_FIELD_RANGE(U16, xen_platform, unplugged, 0, UNPLUG_ALL),
    XEN_MIGRATE_FIELD(U16, xen_platform, product),
    XEN_MIGRATE_FIELD(U32, xen_platform, build),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const xen_platform_subsections[] = {
    &pci_function_saved,
    NULL,
};

static const struct xen_migrate_state xen_platform_saved = {
    .name = "xen-platform",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct xen_platform),
    .fields = xen_platform_fields,
    .subsections = xen_platform_subsections,
};

const struct device_ops device_xen_platform = {
    .name = "xen-platform",
    .state_size = sizeof(struct xen_platform),
    .saved = &xen_platform_saved,
    .init = xen_platform_init,
    .reset = xen_platform_reset,
    .restored = xen_platform_restored,
    .fini = xen_platform_fini,
};
