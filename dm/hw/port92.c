/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port A: the A20 gate, which is always open under Xen but reads
 * back, and the fast reset.
 */
#include "config.h"

#include "dm/bus.h"
#include "dm/device.h"
#include "dm/machine.h"

#define PORT 0x92
#define FAST_RESET 0x01
#define A20_GATE 0x02

struct port92 {
    uint8_t value;
};

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct device *device = opaque;
    const struct port92 *port92 = device->state;

    (void)offset;
    (void)size;
    return port92->value;
}

static void port92_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct device *device = opaque;
    struct port92 *port92 = device->state;

    (void)offset;
    (void)size;
    /* Bit 0 resets when it goes up. */
    if (value & FAST_RESET && !(port92->value & FAST_RESET))
        machine_reboot(device->machine);
    port92->value = (uint8_t)value;
}

static const struct bus_ops port92_ops = {
    .read = port92_read,
    .write = port92_write,
};

static int port92_init(struct device *device)
{
    return bus_add(device->machine->bus, BUS_PIO, PORT, 1, &port92_ops, device);
}

static void port92_reset(struct device *device)
{
    struct port92 *port92 = device->state;

    port92->value = A20_GATE;
}

static void port92_fini(struct device *device)
{
    bus_remove(device->machine->bus, BUS_PIO, PORT);
}

static const struct xen_migrate_field port92_fields[] = {
    XEN_MIGRATE_FIELD(U8, port92, value),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state port92_saved = {
    .name = "port92",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct port92),
    .fields = port92_fields,
};

const struct device_ops device_port92 = {
    .name = "port92",
    .state_size = sizeof(struct port92),
    .saved = &port92_saved,
    .init = port92_init,
    .reset = port92_reset,
    .fini = port92_fini,
};
