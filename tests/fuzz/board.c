/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fuzz/board.h"

#include <stdlib.h>

#include "dm/bus.h"
#include "dm/xen.h"

#include "dm/block/disks.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

void expect(bool holds)
{
    if (!holds)
        abort();
}

void board_open(struct board *board, const struct options *options,
                bool loading)
{
    struct machine *machine = &board->machine;
    uint32_t domid = options->domid;

    *board = (struct board){.options = *options};
    expect(uv_loop_init(&board->loop) == 0);
    machine->options = &board->options;
    machine->loop = &board->loop;
    machine->nr_vcpus = 1;
    machine->loading = loading;
    expect(xen_open(domid, &machine->xen) == 0);
    expect(xen_mapcache_open(domid, NULL, &machine->cache) == 0);
    expect(xen_ram_open(domid, machine->cache, &machine->ram) == 0);
    expect(xen_ioreq_create(machine->xen) == 0);
    expect(bus_new(machine->xen, &machine->bus) == 0);
    expect(disks_open(&board->loop, &board->options, &machine->disks) == 0);
    expect(disks_activate(machine->disks) == 0);
    xen_ram_set_phase(machine->ram, loading ? XEN_RAM_LOADING : XEN_RAM_RESET);
    expect(machine_init(machine) == 0);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void board_close(struct board *board)
{
    struct machine *machine = &board->machine;

    machine_fini(machine);
    disks_close(machine->disks);
    uv_run(&board->loop, UV_RUN_NOWAIT);
    uv_walk(&board->loop, close_handle, NULL);
    uv_run(&board->loop, UV_RUN_DEFAULT);
    expect(uv_loop_close(&board->loop) == 0);
    bus_free(machine->bus);
    xen_ram_close(machine->ram);
    xen_mapcache_close(machine->cache);
    xen_close(machine->xen);
}
