/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dm/block/disks.h"
#include "dm/devices.h"
#include "dm/dimm.h"
#include "dm/ioreq.h"
#include "dm/log.h"
#include "dm/memory-region.h"
#include "dm/pv/qdisk.h"
#include "dm/xen.h"

#include "xenram/memory-device.h"
#include "xenram/ram.h"

#define FOUR_GIB (UINT64_C(4) << 30)
/* Xen, public/hvm/e820.h: HVM_BELOW_4G_RAM_END. */
#define LOW_RAM_MAX UINT64_C(0xf0000000)

uint64_t machine_low_ram(const struct machine *machine)
{
    uint64_t limit = machine->options->max_ram_below_4g;
    uint64_t ram = machine->options->ram_mb << 20;

    if (limit == 0 || limit > LOW_RAM_MAX)
        limit = LOW_RAM_MAX;
    return ram < limit ? ram : limit;
}

uint64_t machine_high_ram(const struct machine *machine)
{
    return (machine->options->ram_mb << 20) - machine_low_ram(machine);
}

static int add_guest_ram(struct machine *machine, const char *idstr,
                         uint64_t gpa, uint64_t length)
{
    struct xen_ram_spec spec = {
        .idstr = idstr,
        .kind = XEN_RAM_GUEST,
        .gfn = gpa / XEN_RAM_PAGE_SIZE,
        .size = length,
    };
    struct xen_ram_block *block;
    int ret;

    if (length == 0)
        return 0;
    ret = xen_ram_alloc(machine->ram, &spec, &block);
    if (ret)
        log_error("guest RAM %s: %s", idstr, xen_ram_error(machine->ram));
    return ret;
}

static int add_device(struct machine *machine, const struct device_row *row)
{
    unsigned errors = log_errors();
    struct device *device;
    int ret;

    if (machine->nr_devices == MACHINE_MAX_DEVICES) {
        log_error("more than %d devices: %s %u does not fit",
                  MACHINE_MAX_DEVICES, row->ops->name, row->instance);
        return -ENOSPC;
    }
    device = &machine->devices[machine->nr_devices];
    *device = (struct device){
        .ops = row->ops,
        .machine = machine,
        .instance = row->instance,
        .state = calloc(1, row->ops->state_size),
    };
    if (!device->state)
        return -ENOMEM;
    machine->nr_devices++;

    ret = device->ops->init(device);
    /* A device that has more to say than the number has said it. */
    if (ret && log_errors() == errors)
        log_error("device %s %u: %s", device->ops->name, device->instance,
                  strerror(-ret));
    return ret;
}

int machine_init(struct machine *machine)
{
    uint64_t low = machine_low_ram(machine);
    int ret = add_guest_ram(machine, "guest.low", 0, low);

    if (ret == 0)
        ret = add_guest_ram(machine, "guest.high", FOUR_GIB,
                            machine_high_ram(machine));
    if (ret == 0)
        ret = memory_region_open(machine);
    if (ret == 0)
        ret = dimms_init(machine);
    for (size_t i = 0; i < nr_device_rows && ret == 0; i++)
        if (!device_rows[i].wanted || device_rows[i].wanted(machine->options))
            ret = add_device(machine, &device_rows[i]);
    if (ret == 0)
        ret = machine_check_blocks(machine);
    if (ret)
        machine_fini(machine);
    return ret;
}

void machine_fini(struct machine *machine)
{
    while (machine->nr_devices > 0) {
        struct device *device = &machine->devices[--machine->nr_devices];

        if (device->ops->fini)
            device->ops->fini(device);
        free(device->state);
        *device = (struct device){0};
    }
    dimms_fini(machine);
    xen_memory_close(machine->memory);
    machine->memory = NULL;
}

void machine_reset(struct machine *machine)
{
    (void)xen_ram_set_phase(machine->ram, XEN_RAM_RESET);
    for (size_t i = 0; i < machine->nr_devices; i++) {
        struct device *device = &machine->devices[i];

        if (device->ops->reset)
            device->ops->reset(device);
    }
    (void)xen_ram_set_phase(machine->ram, XEN_RAM_RUNNING);
}

void machine_cont(struct machine *machine)
{
    /* A line in the log says why not; the guest gets I/O errors. */
    (void)disks_activate(machine->disks);
    if (machine->status == MACHINE_RUNNING)
        return;
    machine->status = MACHINE_RUNNING;
    for (size_t i = 0; i < machine->nr_devices; i++) {
        struct device *device = &machine->devices[i];

        if (device->ops->resume)
            device->ops->resume(device);
    }
    qdisk_start(machine->qdisk);
}

int machine_stop(struct machine *machine)
{
    qdisk_stop(machine->qdisk);
    if (machine->status == MACHINE_RUNNING) {
        for (size_t i = 0; i < machine->nr_devices; i++) {
            struct device *device = &machine->devices[i];

            if (device->ops->stop)
                device->ops->stop(device);
        }
        machine->status = MACHINE_PAUSED;
    }
    /* What still waits there may start a request, and a request writes. */
    if (machine->ioreq)
        ioreq_drain(machine->ioreq);
    disks_drain(machine->disks);
    /* The toolstack reads the last pages once it has our answer. */
    return xen_ram_report_dirty(machine->ram);
}

const char *machine_status_name(const struct machine *machine)
{
    switch (machine->status) {
    case MACHINE_PRELAUNCH:
        return "prelaunch";
    case MACHINE_RUNNING:
        return "running";
    case MACHINE_PAUSED:
        break;
    }
    return "paused";
}

void machine_memory_changed(struct machine *machine,
                            const struct xen_memory_device *device)
{
    if (machine->memory_changed)
        machine->memory_changed(device, machine->memory_opaque);
}

void machine_isa_irq(struct machine *machine, unsigned line, unsigned source,
                     bool level)
{
    uint32_t before, after;
    int ret;

    if (line >= MACHINE_ISA_LINES)
        return;
    before = machine->isa_sources[line];
    after = level ? before | 1u << source : before & ~(1u << source);
    machine->isa_sources[line] = after;
    if (!before == !after)
        return;
    ret = xen_isa_irq(machine->xen, line, after != 0);
    if (ret)
        log_guest("ISA line %u: cannot set level %d: %s", line, after != 0,
                  strerror(-ret));
}

static void power(struct machine *machine, enum xen_shutdown_reason reason,
                  const char *what)
{
    int ret = xen_shutdown(machine->xen, reason);

    if (ret)
        log_error("guest asked for %s: %s", what, strerror(-ret));
    else
        log_guest("guest asked for %s", what);
}

void machine_poweroff(struct machine *machine)
{
    power(machine, XEN_SHUTDOWN_POWEROFF, "power-off");
}

void machine_reboot(struct machine *machine)
{
    power(machine, XEN_SHUTDOWN_REBOOT, "reboot");
}
