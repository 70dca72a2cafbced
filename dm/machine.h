/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_H
#define DM_MACHINE_H

/*
 * One guest's machine: its memory, buses, devices and run state.  All of it
 * belongs to the thread that runs the event loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "dm/device.h"
#include "dm/options.h"

struct bus;
struct chardev;
struct dimms;
struct disks;
struct headroom;
struct ioreq_server;
struct pci_function;
struct qdisk;
struct xen;
struct xen_mapcache;
struct xen_memory;
struct xen_memory_device;
struct xen_ram;
struct xen_ram_block;
struct xen_ram_spec;

#define MACHINE_MAX_DEVICES 16
#define MACHINE_ISA_LINES 16

enum machine_status {
    MACHINE_PRELAUNCH, /* fresh, before the first `cont` */
    MACHINE_RUNNING,
    MACHINE_PAUSED, /* loaded, stopped or saved */
};

struct machine {
    const struct options *options;
    uv_loop_t *loop;
    struct xen *xen;            /* NULL: no guest, for machine_check only */
    struct xen_mapcache *cache; /* NULL as well */
    struct xen_ram *ram;
    struct xen_memory *memory; /* the memory devices */
    struct dimms *dimms;
    struct headroom *headroom; /* NULL: nothing to look after */
    /* Told of machine_memory_changed; NULL: nobody. */
    void (*memory_changed)(const struct xen_memory_device *device,
                           void *opaque);
    void *memory_opaque;
    struct bus *bus;
    struct disks *disks; /* NULL: none, as without a guest */
    struct qdisk *qdisk; /* NULL: no PV disks */
    struct ioreq_server *ioreq;
    struct pci_function *pci[256]; /* by devfn */
    struct device devices[MACHINE_MAX_DEVICES];
    size_t nr_devices;
    struct chardev *serials[OPTIONS_MAX_SERIALS]; /* NULL: not connected */
    unsigned nr_vcpus;
    enum machine_status status;
    uint32_t isa_sources[MACHINE_ISA_LINES]; /* a bit a device holding it up */
    bool saving;  /* live: what is in the guest's p2m has to stay there */
    bool loading; /* devices init for a state that will be loaded */
};

/*
 * Make guest RAM blocks and all devices of devices.c.  On failure everything
 * made so far is undone and the log says why.
 */
int machine_init(struct machine *machine);
void machine_fini(struct machine *machine);

/*
 * Memory of a device: as xen_ram_alloc, but with the lengths of -xenram-block,
 * and a private block is a file when -xenram-file says so.  The log says what
 * is wrong.
 */
int machine_alloc_ram(struct machine *machine, const struct xen_ram_spec *spec,
                      struct xen_ram_block **out);
/* All devices are there: did those options find their blocks?  -EINVAL. */
int machine_check_blocks(const struct machine *machine);

void machine_reset(struct machine *machine);

/*
 * QMP's words.  All are valid in every state; the reason is in error.  stop
 * waits for all disk requests.  save with live gives up the locks of disks,
 * which cont takes again; when it cannot, their requests fail.
 */
void machine_cont(struct machine *machine);
int machine_stop(struct machine *machine);
int machine_save(struct machine *machine, int fd, bool live,
                 char error[XEN_MIGRATE_ERROR_MAX]);
int machine_load(struct machine *machine, int fd,
                 char error[XEN_MIGRATE_ERROR_MAX]);
/*
 * What machine_load would do; see xen_migrate_check.  The machine needs no
 * guest: no Xen, no map cache, no event loop, but loading set before its init.
 */
int machine_check(struct machine *machine, int fd,
                  xen_migrate_verdict_fn *verdict, void *opaque,
                  char error[XEN_MIGRATE_ERROR_MAX]);
const char *machine_status_name(const struct machine *machine);

/*
 * Level of an ISA line.  source is a bit of the caller's own among those that
 * share the line: the line is up while any of them is.
 */
void machine_isa_irq(struct machine *machine, unsigned line, unsigned source,
                     bool level);

/* The guest has more or less of a memory device now. */
void machine_memory_changed(struct machine *machine,
                            const struct xen_memory_device *device);

/* Power, from a device.  The domain stops soon after; we live on. */
void machine_poweroff(struct machine *machine);
void machine_reboot(struct machine *machine);

/* Bytes of RAM below 4 GiB and above it, as the toolstack built it. */
uint64_t machine_low_ram(const struct machine *machine);
uint64_t machine_high_ram(const struct machine *machine);

#endif
