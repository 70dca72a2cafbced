/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/machine-env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/xen.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

void machine_env_open(struct machine *machine, const struct options *options,
                      uv_loop_t *loop, bool loading)
{
    uint32_t domid = options->domid;

    *machine = (struct machine){
        .options = options,
        .loop = loop,
        .nr_vcpus = 1,
        .loading = loading,
    };
    assert_int_equal(xen_open(domid, &machine->xen), 0);
    assert_int_equal(xen_mapcache_open(domid, NULL, &machine->cache), 0);
    assert_int_equal(xen_ram_open(domid, machine->cache, &machine->ram), 0);
    assert_int_equal(xen_ioreq_create(machine->xen), 0);
    assert_int_equal(bus_new(machine->xen, &machine->bus), 0);
    assert_int_equal(xen_ram_set_phase(machine->ram, loading ? XEN_RAM_LOADING
                                                             : XEN_RAM_RESET),
                     0);
}

void machine_env_close(struct machine *machine)
{
    bus_free(machine->bus);
    xen_ram_close(machine->ram);
    xen_mapcache_close(machine->cache);
    xen_close(machine->xen);
}
