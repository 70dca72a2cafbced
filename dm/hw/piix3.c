/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ISA bridge 00:01.0: Intel 82371SB (PIIX3) data sheet, chapter 2.2.  Xen has
 * the interrupt router; what the guest programs is passed on.
 */
#include "config.h"

#include <string.h>

#include "dm/device.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/pci.h"
#include "dm/xen.h"

#define PIRQ_ROUTE 0x60 /* a byte each for PIRQA to PIRQD */
#define NR_PIRQS 4
#define PIRQ_DISABLED 0x80
#define PIRQ_LINE 0x0f
#define DEVICE_REGISTERS 0x40

struct piix3 {
    struct pci_function pci; /* first: pci_function_saved */
};

static void route(struct piix3 *piix3, unsigned link)
{
    uint8_t value = piix3->pci.config[PIRQ_ROUTE + link];
    unsigned line = value & PIRQ_DISABLED ? 0 : value & PIRQ_LINE;
    int ret = xen_pci_link(piix3->pci.machine->xen, link, line);

    if (ret)
        log_guest("piix3: cannot route PCI link %u to IRQ %u: %s", link, line,
                  strerror(-ret));
}

static void written(struct pci_function *function, unsigned offset,
                    unsigned size)
{
    struct piix3 *piix3 = function->opaque;

    for (unsigned i = offset; i < offset + size; i++)
        if (i >= PIRQ_ROUTE && i < PIRQ_ROUTE + NR_PIRQS)
            route(piix3, i - PIRQ_ROUTE);
}

static int piix3_init(struct device *device)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086,
        .device = 0x7000,
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = 0x060100,
    };
    struct piix3 *piix3 = device->state;

    pci_function_init(&piix3->pci, "piix3", PCI_DEVFN(1, 0), &ids);
    piix3->pci.config[0x0e] = 0x80; /* header type: more functions follow */
    memset(piix3->pci.write_mask + DEVICE_REGISTERS, 0xff,
           sizeof(piix3->pci.write_mask) - DEVICE_REGISTERS);
    piix3->pci.written = written;
    piix3->pci.opaque = piix3;
    return pci_add(device->machine, &piix3->pci);
}

static void piix3_reset(struct device *device)
{
    /* Values other than zero at power-on: section 2.2 of the data sheet. */
    static const struct {
        uint8_t offset, value;
    } defaults[] = {
        {0x04, 0x07}, /* PCICMD: the bridge always decodes */
        {0x4c, 0x4d}, /* IORT */
        {0x4e, 0x03}, /* XBCS */
        {0x60, PIRQ_DISABLED}, {0x61, PIRQ_DISABLED}, {0x62, PIRQ_DISABLED},
        {0x63, PIRQ_DISABLED}, {0x69, 0x02}, /* TOM */
        {0x70, 0x80},                        /* MBIRQ0 */
        {0x76, 0x0c},          {0x77, 0x0c}, /* MBDMA */
        {0x78, 0x02},                        /* PCSC */
        {0xa0, 0x08},                        /* SMICNTL */
        {0xa8, 0x0f},                        /* FTMR */
    };
    struct piix3 *piix3 = device->state;
    uint8_t *config = piix3->pci.config;

    pci_reset(&piix3->pci);
    memset(config + DEVICE_REGISTERS, 0,
           sizeof(piix3->pci.config) - DEVICE_REGISTERS);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        config[defaults[i].offset] = defaults[i].value;
    for (unsigned link = 0; link < NR_PIRQS; link++)
        route(piix3, link);
}

static void piix3_restored(struct device *device)
{
    struct piix3 *piix3 = device->state;

    pci_function_restore(&piix3->pci);
    for (unsigned link = 0; link < NR_PIRQS; link++)
        route(piix3, link);
}

static void piix3_fini(struct device *device)
{
    struct piix3 *piix3 = device->state;

    pci_remove(&piix3->pci);
}

static const struct xen_migrate_field piix3_fields[] = {
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const piix3_subsections[] = {
    &pci_function_saved,
    NULL,
};

static const struct xen_migrate_state piix3_saved = {
    .name = "piix3",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct piix3),
    .fields = piix3_fields,
    .subsections = piix3_subsections,
};

const struct device_ops device_piix3 = {
    .name = "piix3",
    .state_size = sizeof(struct piix3),
    .saved = &piix3_saved,
    .init = piix3_init,
    .reset = piix3_reset,
    .restored = piix3_restored,
    .fini = piix3_fini,
};
