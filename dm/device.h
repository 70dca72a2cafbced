/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DEVICE_H
#define DM_DEVICE_H

/*
 * A device is one file in dm/hw/: a state struct, handlers, a table of saved
 * fields and one of these.  dm/devices.c lists them all.
 */

#include <stddef.h>
#include <stdint.h>

#include "xenram/migrate.h"

struct machine;

struct device {
    const struct device_ops *ops;
    struct machine *machine;
    uint32_t instance;
    void *state; /* ops->state_size zeroed bytes */
};

/* Xen, docs/misc/hvm-emulated-unplug.pandoc. */
enum device_class {
    DEVICE_DISKS = 1u << 0, /* IDE and SCSI, CD-ROM drives apart */
    DEVICE_NICS = 1u << 1,
    DEVICE_AUXILIARY_DISKS = 1u << 2, /* IDE, but the primary master */
    DEVICE_NVME = 1u << 3,
};

struct device_ops {
    const char *name;
    size_t state_size;
    const struct xen_migrate_state *saved; /* NULL: nothing */

    /* Claim ranges, allocate blocks.  -errno after a line in the log. */
    int (*init)(struct device *device);
    /* Power-on state.  Not called when a state will be loaded.  May be NULL. */
    void (*reset)(struct device *device);
    /* A state was loaded: re-assert lines, map BARs, re-arm.  May be NULL. */
    void (*restored)(struct device *device);
    /* No effect the guest can see from here to resume.  May be NULL. */
    void (*stop)(struct device *device);
    void (*resume)(struct device *device);
    /*
     * The guest has PV drivers and wants no such devices any more.  What it
     * wrote to them is where a PV back end finds it, and files are closed, when
     * this returns.  May be NULL.
     */
    void (*unplug)(struct device *device, unsigned what);
    /* Release what init made; runs on half-made devices too.  May be NULL. */
    void (*fini)(struct device *device);
};

extern const struct device_ops device_i440fx;
extern const struct device_ops device_piix3;
extern const struct device_ops device_ide;
extern const struct device_ops device_piix4_pm;
extern const struct device_ops device_cmos;
extern const struct device_ops device_i8042;
extern const struct device_ops device_port92;
extern const struct device_ops device_serial;     /* instance: port number */
extern const struct device_ops device_virtio_mem; /* instance: of options */
extern const struct device_ops device_xen_platform;
extern const struct device_ops device_boot_rom;

#endif
