/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/memory-region.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "dm/log.h"
#include "dm/machine.h"

#include "xenram/memory-device.h"
#include "xenram/ram.h"

#define GIB (UINT64_C(1) << 30)
#define FOUR_GIB (4 * GIB)

/*
 * What is right above RAM is taken by others: hvmloader puts there what does
 * not fit below 4 GiB, a kernel's balloon and foreign pages what they need
 * addresses for, lowest first.  More than this would cost: a save looks at each
 * gfn up to the last that is there.
 */
#define GAP (4 * GIB)

/* As much as maxmem has beyond RAM, or as Xen lets the guest have. */
static int find_limit(const struct machine *machine, uint64_t *limit)
{
    const struct options *options = machine->options;
    uint64_t ram = options->ram_mb << 20, most = 0;
    struct xen_ram_room room;
    int ret;

    if (options->maxmem) {
        most = options->maxmem;
    } else if (machine->cache) {
        ret = xen_ram_get_room(machine->ram, &room);
        if (ret) {
            log_error("%s", xen_ram_error(machine->ram));
            return ret;
        }
        most = room.limit;
    } else {
        /* No guest, whose room could be asked for: what is wanted fits. */
        most = ram;
        for (unsigned i = 0; i < options->nr_dimms; i++)
            most += options->dimms[i].size;
        for (unsigned i = 0; i < options->nr_virtio_mems; i++)
            most += options->virtio_mems[i].size;
    }
    *limit = most > ram ? most - ram : 0;
    return 0;
}

int memory_region_open(struct machine *machine)
{
    unsigned nr = machine->options->nr_dimms + machine->options->nr_virtio_mems;
    uint64_t ram_end = FOUR_GIB + machine_high_ram(machine);
    struct xen_memory_options options = {
        .base = (ram_end + GIB - 1) / GIB * GIB + GAP,
    };
    int ret = nr ? find_limit(machine, &options.limit) : 0;

    if (ret)
        return ret;
    /* Each device may have to skip up to a multiple of its alignment. */
    if (options.limit)
        options.size = (options.limit + GIB - 1) / GIB * GIB + nr * GIB;
    ret = xen_memory_open(&options, &machine->memory);
    if (ret)
        log_error("no region for memory devices: %s", strerror(-ret));
    return ret;
}
