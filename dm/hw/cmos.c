/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CMOS RAM.  Xen has the clock, indexes 0 to 13, and passes the rest on: memory
 * sizes that hvmloader stores, the order of boot devices that SeaBIOS reads. It
 * is a block of its own, so that a file can keep it as a battery would.
 */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "dm/bus.h"
#include "dm/device.h"
#include "dm/machine.h"

#include "dm/block/disks.h"
#include "dm/hw/bytewise.h"

#include "xenram/ram.h"

#define CMOS_PORT 0x70 /* index, data */
#define CMOS_SIZE 128

/*
 * Three nibbles of boot devices, 0 ends the list (SeaBIOS, boot.c:boot_init).
 * Bit 0 of BOOT_FLAGS: do not look for a signature on floppies.
 */
#define BOOT_FLAGS 0x38 /* high nibble: third device */
#define BOOT_DEVICES 0x3d
#define NR_BOOT_DEVICES 3
/*
 * Two bits a drive: how the BIOS makes geometries of the old calls from sizes
 * (SeaBIOS, block.c:get_translation).
 */
#define DISK_TRANSLATION 0x39
#define TRANSLATION_NONE 0 /* cylinders beyond 1023 cannot be had */
#define TRANSLATION_LBA 1
#define LARGEST_UNTRANSLATED (1024 * 16 * 63) /* sectors */
#define BOOT_NETWORK 4 /* and any other ROM that brings a boot vector */

struct cmos {
    uint8_t index;
    uint8_t *data; /* CMOS_SIZE bytes, of block */
    struct xen_ram_block *block;
    bool claimed; /* the ports */
};

static uint8_t read_byte(void *opaque, uint64_t offset)
{
    const struct cmos *cmos = opaque;

    /* The index cannot be read back. */
    return offset == 1 ? cmos->data[cmos->index % CMOS_SIZE] : 0xff;
}

static void write_byte(void *opaque, uint64_t offset, uint8_t value)
{
    struct cmos *cmos = opaque;

    /* Bit 7 of an index masks NMIs. */
    if (offset == 0)
        cmos->index = value % CMOS_SIZE;
    else if (offset == 1)
        cmos->data[cmos->index % CMOS_SIZE] = value;
}

static uint64_t cmos_read(void *opaque, uint64_t offset, unsigned size)
{
    return bytewise_read(read_byte, opaque, offset, size);
}

static void cmos_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    bytewise_write(write_byte, opaque, offset, size, value);
}

static const struct bus_ops cmos_ops = {
    .read = cmos_read,
    .write = cmos_write,
};

static uint8_t boot_device(char letter)
{
    switch (letter) {
    case 'a':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return BOOT_NETWORK;
    default:
        return 0;
    }
}

/* A kernel given on the command line boots from our ROM before all else. */
static void set_boot_order(struct cmos *cmos, const struct options *options)
{
    const char *order = options->boot_order ? options->boot_order : "";
    uint8_t devices[NR_BOOT_DEVICES] = {0};
    unsigned nr = 0;

    if (options->kernel)
        devices[nr++] = BOOT_NETWORK;
    for (; *order && nr < NR_BOOT_DEVICES; order++) {
        uint8_t device = boot_device(*order);

        if (device == 0 || memchr(devices, device, nr))
            continue;
        devices[nr++] = device;
    }
    cmos->data[BOOT_DEVICES] = (uint8_t)(devices[0] | devices[1] << 4);
    cmos->data[BOOT_FLAGS] = (uint8_t)(devices[2] << 4);
}

static void set_translations(struct cmos *cmos, struct disks *disks)
{
    uint8_t value = 0;

    for (unsigned i = 0; i < DISKS_MAX_IDE; i++) {
        const struct disk *disk = disks_ide(disks, i);
        unsigned kind = disk && disk_nr_sectors(disk) > LARGEST_UNTRANSLATED
                            ? TRANSLATION_LBA
                            : TRANSLATION_NONE;

        value |= (uint8_t)(kind << 2 * i);
    }
    cmos->data[DISK_TRANSLATION] = value;
}

static int cmos_init(struct device *device)
{
    static const struct xen_ram_spec spec = {
        .idstr = "xenram/cmos",
        .kind = XEN_RAM_PRIVATE,
        .gfn = XEN_RAM_NO_GFN,
        .size = CMOS_SIZE,
    };
    struct machine *machine = device->machine;
    struct cmos *cmos = device->state;
    int ret = machine_alloc_ram(machine, &spec, &cmos->block);

    if (ret)
        return ret;
    cmos->data = xen_ram_host(cmos->block);
    ret = bus_add(machine->bus, BUS_PIO, CMOS_PORT, 2, &cmos_ops, cmos);
    cmos->claimed = ret == 0;
    return ret;
}

/* A battery keeps the rest. */
static void cmos_reset(struct device *device)
{
    struct cmos *cmos = device->state;

    cmos->index = 0;
    set_boot_order(cmos, device->machine->options);
    set_translations(cmos, device->machine->disks);
}

static void cmos_fini(struct device *device)
{
    struct machine *machine = device->machine;
    struct cmos *cmos = device->state;

    if (cmos->claimed)
        bus_remove(machine->bus, BUS_PIO, CMOS_PORT);
    xen_ram_free(machine->ram, cmos->block);
}

static const struct xen_migrate_field cmos_fields[] = {
    XEN_MIGRATE_FIELD_RANGE(U8, cmos, index, 0, CMOS_SIZE - 1),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state cmos_saved = {
    .name = "cmos",
    .version = 2, /* 1 had the bytes */
    .minimum = 2,
    .size = sizeof(struct cmos),
    .fields = cmos_fields,
};

const struct device_ops device_cmos = {
    .name = "cmos",
    .state_size = sizeof(struct cmos),
    .saved = &cmos_saved,
    .init = cmos_init,
    .reset = cmos_reset,
    .fini = cmos_fini,
};
