/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power management function 00:01.3: Intel 82371AB (PIIX4) data sheet, chapter
 * 7, at the ports that Xen's ACPI tables name (Xen, tools/libacpi,
 * static_tables.c).  Xen itself has the PM1a event block and the timer.
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

#define PM1_CONTROL_PORT 0xb004
#define GPE0_PORT 0xafe0
#define APM_PORT 0xb2
#define PCI_HOTPLUG_PORT 0xae00
#define CPU_HOTPLUG_PORT 0xaf00

/* ACPI 6.4, section 4.8.3.2.1. */
#define SCI_EN 0x0001
#define SLP_TYP(value) ((value) >> 10 & 7)
#define SLP_EN 0x2000

/* \_S5 and \_S3 of Xen's DSDT (tools/libacpi/dsdt.asl, ssdt_s3.asl). */
#define SLP_TYP_S5 0
#define SLP_TYP_S3 1

struct piix4_pm {
    struct pci_function pci; /* first: pci_function_saved */
    uint16_t control;
    uint8_t gpe_enable[2];
    uint8_t apm[2]; /* command, status */
};

/* ---- PM1a control ---- */

static void sleep_now(struct device *device, uint16_t control)
{
    int ret;

    switch (SLP_TYP(control)) {
    case SLP_TYP_S5:
        machine_poweroff(device->machine);
        break;
    case SLP_TYP_S3:
        ret = xen_sleep(device->machine->xen);
        if (ret)
            log_guest("guest asked for S3: %s", strerror(-ret));
        break;
    default:
        log_guest("guest asked for sleep type %u, which does not exist",
                  SLP_TYP(control));
    }
}

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct device *device = opaque;
    const struct piix4_pm *pm = device->state;

    /* FADT has no SMI command: ACPI mode is always on. */
    (void)size;
    return (uint64_t)(pm->control | SCI_EN) >> 8 * offset;
}

static void control_write(void *opaque, uint64_t offset, unsigned size,
                          uint64_t value)
{
    struct device *device = opaque;
    struct piix4_pm *pm = device->state;
    uint64_t mask = (size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX)
                    << 8 * offset;
    uint16_t control =
        (uint16_t)((pm->control & ~mask) | (value << 8 * offset & mask));

    /* SLP_EN is a trigger and reads as zero. */
    pm->control = (uint16_t)(control & ~SLP_EN);
    if (control & SLP_EN)
        sleep_now(device, control);
}

static const struct bus_ops control_ops = {
    .read = control_read,
    .write = control_write,
};

/* ---- GPE0: two bytes of status, which never fires, two of enable ---- */

static uint8_t gpe_read_byte(void *opaque, uint64_t offset)
{
    const struct piix4_pm *pm = opaque;

    return offset == 2 || offset == 3 ? pm->gpe_enable[offset - 2] : 0;
}

static void gpe_write_byte(void *opaque, uint64_t offset, uint8_t value)
{
    struct piix4_pm *pm = opaque;

    if (offset == 2 || offset == 3)
        pm->gpe_enable[offset - 2] = value;
}

static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    return bytewise_read(gpe_read_byte, opaque, offset, size);
}

static void gpe_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    bytewise_write(gpe_write_byte, opaque, offset, size, value);
}

static const struct bus_ops gpe_ops = {
    .read = gpe_read,
    .write = gpe_write,
};

/* ---- APM: bytes that are kept ---- */

static uint8_t apm_read_byte(void *opaque, uint64_t offset)
{
    const struct piix4_pm *pm = opaque;

    return offset < sizeof(pm->apm) ? pm->apm[offset] : 0xff;
}

static void apm_write_byte(void *opaque, uint64_t offset, uint8_t value)
{
    struct piix4_pm *pm = opaque;

    if (offset < sizeof(pm->apm))
        pm->apm[offset] = value;
}

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    return bytewise_read(apm_read_byte, opaque, offset, size);
}

static void apm_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    bytewise_write(apm_write_byte, opaque, offset, size, value);
}

static const struct bus_ops apm_ops = {
    .read = apm_read,
    .write = apm_write,
};

/* ---- hotplug: no slot ever has news ---- */

static uint64_t zero_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)size;
    return 0;
}

static const struct bus_ops zero_ops = {
    .read = zero_read,
};

/* ---- the device ---- */

static const struct {
    uint16_t first, nr;
    const struct bus_ops *ops;
    bool wants_device; /* its handlers take the device, not the state */
} ranges[] = {
    {PM1_CONTROL_PORT, 4, &control_ops, true},
    {GPE0_PORT, 4, &gpe_ops, false},
    {APM_PORT, 2, &apm_ops, false},
    {PCI_HOTPLUG_PORT, 20, &zero_ops, false},
    {CPU_HOTPLUG_PORT, 32, &zero_ops, false},
};
#define NR_RANGES (sizeof(ranges) / sizeof(ranges[0]))

static int piix4_pm_init(struct device *device)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086,
        .device = 0x7113,
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = 0x068000,
        .revision = 0x03,
        .pin = 1,
    };
    struct piix4_pm *pm = device->state;
    int ret;

    pci_function_init(&pm->pci, "piix4-pm", PCI_DEVFN(1, 3), &ids);
    memset(pm->pci.write_mask + 0x40, 0xff, sizeof(pm->pci.write_mask) - 0x40);
    ret = pci_add(device->machine, &pm->pci);
    for (size_t i = 0; i < NR_RANGES && ret == 0; i++)
        ret = bus_add(device->machine->bus, BUS_PIO, ranges[i].first,
                      ranges[i].nr, ranges[i].ops,
                      ranges[i].wants_device ? (void *)device : pm);
    return ret;
}

static void piix4_pm_reset(struct device *device)
{
    struct piix4_pm *pm = device->state;

    pci_reset(&pm->pci);
    memset(pm->pci.config + 0x40, 0, sizeof(pm->pci.config) - 0x40);
    pm->pci.config[0x40] = 0x01; /* PMBA: an I/O address */
    pm->control = 0;
    memset(pm->gpe_enable, 0, sizeof(pm->gpe_enable));
    memset(pm->apm, 0, sizeof(pm->apm));
}

static void piix4_pm_restored(struct device *device)
{
    struct piix4_pm *pm = device->state;

    pci_function_restore(&pm->pci);
}

static void piix4_pm_fini(struct device *device)
{
    struct piix4_pm *pm = device->state;

    for (size_t i = 0; i < NR_RANGES; i++)
        bus_remove(device->machine->bus, BUS_PIO, ranges[i].first);
    pci_remove(&pm->pci);
}

static const struct xen_migrate_field piix4_pm_fields[] = {
    XEN_MIGRATE_FIELD(U16, piix4_pm, control),
    XEN_MIGRATE_ARRAY(U8, piix4_pm, gpe_enable),
    XEN_MIGRATE_ARRAY(U8, piix4_pm, apm),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const piix4_pm_subsections[] = {
    &pci_function_saved,
    NULL,
};

static const struct xen_migrate_state piix4_pm_saved = {
    .name = "piix4-pm",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct piix4_pm),
    .fields = piix4_pm_fields,
    .subsections = piix4_pm_subsections,
};

const struct device_ops device_piix4_pm = {
    .name = "piix4-pm",
    .state_size = sizeof(struct piix4_pm),
    .saved = &piix4_pm_saved,
    .init = piix4_pm_init,
    .reset = piix4_pm_reset,
    .restored = piix4_pm_restored,
    .fini = piix4_pm_fini,
};
