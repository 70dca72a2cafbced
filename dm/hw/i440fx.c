/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host bridge 00:00.0 and the ports of configuration mechanism 1.  Intel
 * 82441FX (PMC) data sheet; Intel 82371SB (PIIX3), section 2.5.7 for port
 * 0xcf9.
 *
 * Xen latches 0xcf8 itself and turns 0xcfc-0xcff into configuration requests,
 * but lets us see writes to 0xcf8 and leaves reads of it to us.
 */
#include "config.h"

#include "dm/bus.h"
#include "dm/device.h"
#include "dm/machine.h"
#include "dm/pci.h"

#define CONFIG_PORTS 0xcf8
#define ADDRESS 0 /* offsets from there */
#define RESET_CONTROL 1
#define DATA 4

#define ADDRESS_ENABLE 0x80000000u
#define RESET_SYSTEM 0x02 /* kind of reset: hard */
#define RESET_CPU 0x04    /* resets when set */

struct i440fx {
    struct pci_function pci; /* first: pci_function_saved */
    uint32_t address;
    uint8_t reset_control;
};

static uint64_t config_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct device *device = opaque;
    const struct i440fx *i440fx = device->state;

    if (offset == ADDRESS && size == 4)
        return i440fx->address;
    if (offset == RESET_CONTROL && size == 1)
        return i440fx->reset_control;
    /*
     * Comes here as a port only when Xen's latch differs from ours: it is
     * clear after a restore in the middle of an access.
     */
    if (offset >= DATA && i440fx->address & ADDRESS_ENABLE &&
        (i440fx->address & ~ADDRESS_ENABLE) >> 16 == 0)
        return pci_config_read(device->machine, (uint8_t)(i440fx->address >> 8),
                               (i440fx->address & 0xfc) + (offset & 3), size);
    return UINT64_MAX;
}

static void write_reset_control(struct device *device, uint8_t value)
{
    struct i440fx *i440fx = device->state;

    if (value & RESET_CPU)
        machine_reboot(device->machine);
    else
        i440fx->reset_control = value & RESET_SYSTEM;
}

static void config_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct device *device = opaque;
    struct i440fx *i440fx = device->state;

    if (offset == ADDRESS && size == 4)
        i440fx->address = (uint32_t)value;
    else if (offset == RESET_CONTROL && size == 1)
        write_reset_control(device, (uint8_t)value);
    else if (offset >= DATA && i440fx->address & ADDRESS_ENABLE &&
             (i440fx->address & ~ADDRESS_ENABLE) >> 16 == 0)
        pci_config_write(device->machine, (uint8_t)(i440fx->address >> 8),
                         (i440fx->address & 0xfc) + (offset & 3), size,
                         (uint32_t)value);
}

static const struct bus_ops config_ops = {
    .read = config_read,
    .write = config_write,
};

static int i440fx_init(struct device *device)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086,
        .device = 0x1237,
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = 0x060000,
        .revision = 0x02,
    };
    struct i440fx *i440fx = device->state;
    int ret;

    pci_function_init(&i440fx->pci, "i440fx", PCI_DEVFN(0, 0), &ids);
    /* Memory attributes: kept for firmware that reads them back. */
    for (unsigned i = 0x50; i < 0x80; i++)
        i440fx->pci.write_mask[i] = 0xff;
    ret = pci_add(device->machine, &i440fx->pci);
    if (ret)
        return ret;
    return bus_add(device->machine->bus, BUS_PIO, CONFIG_PORTS, 8, &config_ops,
                   device);
}

static void i440fx_reset(struct device *device)
{
    struct i440fx *i440fx = device->state;

    pci_reset(&i440fx->pci);
    for (unsigned i = 0x50; i < 0x80; i++)
        i440fx->pci.config[i] = 0;
    i440fx->pci.config[0x72] = 0x02; /* SMRAM: base segment 0xa0000 */
    i440fx->address = 0;
    i440fx->reset_control = 0;
}

static void i440fx_restored(struct device *device)
{
    struct i440fx *i440fx = device->state;

    pci_function_restore(&i440fx->pci);
}

static void i440fx_fini(struct device *device)
{
    struct i440fx *i440fx = device->state;

    bus_remove(device->machine->bus, BUS_PIO, CONFIG_PORTS);
    pci_remove(&i440fx->pci);
}

static const struct xen_migrate_field i440fx_fields[] = {
    XEN_MIGRATE_FIELD(U32, i440fx, address),
    XEN_MIGRATE_FIELD(U8, i440fx, reset_control),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const i440fx_subsections[] = {
    &pci_function_saved,
    NULL,
};

static const struct xen_migrate_state i440fx_saved = {
    .name = "i440fx",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct i440fx),
    .fields = i440fx_fields,
    .subsections = i440fx_subsections,
};

const struct device_ops device_i440fx = {
    .name = "i440fx",
    .state_size = sizeof(struct i440fx),
    .saved = &i440fx_saved,
    .init = i440fx_init,
    .reset = i440fx_reset,
    .restored = i440fx_restored,
    .fini = i440fx_fini,
};
