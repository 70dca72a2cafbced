/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "dm/block/disks.h"
#include "dm/log.h"
#include "dm/machine.h"

#include "xenram/ram.h"

static size_t saved_devices(struct machine *machine,
                            struct xen_migrate_device *out)
{
    size_t nr = 0;

    for (size_t i = 0; i < machine->nr_devices; i++) {
        const struct device *device = &machine->devices[i];

        if (device->ops->saved)
            out[nr++] = (struct xen_migrate_device){
                .saved = device->ops->saved,
                .instance = device->instance,
                .state = device->state,
            };
    }
    return nr;
}

static struct xen_migrate_options stream_options(const struct machine *machine)
{
    return (struct xen_migrate_options){
        .policy =
            machine->options->strict ? XEN_MIGRATE_STRICT : XEN_MIGRATE_ADAPT,
        .vmdesc = machine->options->vmdesc,
    };
}

int machine_save(struct machine *machine, int fd, bool live,
                 char error[XEN_MIGRATE_ERROR_MAX])
{
    struct xen_migrate_device devices[MACHINE_MAX_DEVICES];
    struct xen_migrate_options options = stream_options(machine);
    size_t nr = saved_devices(machine, devices);
    int ret = xen_migrate_save(machine->ram, devices, nr, &options, fd, error);

    if (ret)
        return ret;
    /* Who opens the same images next may be on another host. */
    ret = live ? disks_deactivate(machine->disks) : disks_flush(machine->disks);
    if (ret)
        snprintf(error, XEN_MIGRATE_ERROR_MAX,
                 "a disk cannot be flushed: %s (the log says which)",
                 strerror(-ret));
    return ret;
}

int machine_load(struct machine *machine, int fd,
                 char error[XEN_MIGRATE_ERROR_MAX])
{
    struct xen_migrate_device devices[MACHINE_MAX_DEVICES];
    struct xen_migrate_options options = stream_options(machine);
    size_t nr = saved_devices(machine, devices);
    int ret = xen_migrate_load(machine->ram, devices, nr, &options, fd, error);

    if (ret)
        return ret;
    ret = xen_ram_set_phase(machine->ram, XEN_RAM_RUNNING);
    if (ret) {
        snprintf(error, XEN_MIGRATE_ERROR_MAX, "%s",
                 xen_ram_error(machine->ram));
        return ret;
    }
    for (size_t i = 0; i < machine->nr_devices; i++) {
        struct device *device = &machine->devices[i];

        if (device->ops->restored)
            device->ops->restored(device);
    }
    machine->loading = false;
    machine->status = MACHINE_PAUSED;
    return 0;
}

int machine_check(struct machine *machine, int fd,
                  xen_migrate_verdict_fn *verdict, void *opaque,
                  char error[XEN_MIGRATE_ERROR_MAX])
{
    struct xen_migrate_device devices[MACHINE_MAX_DEVICES];
    struct xen_migrate_options options = stream_options(machine);
    size_t nr = saved_devices(machine, devices);

    return xen_migrate_check(machine->ram, devices, nr, &options, fd, verdict,
                             opaque, error);
}
