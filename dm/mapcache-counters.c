/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/mapcache-counters.h"

#include <stddef.h>

#include "dm/machine.h"

#include "xenram/mapcache.h"

void mapcache_counters(const struct machine *machine, mapcache_counter_fn *fn,
                       void *opaque)
{
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(machine->cache, &stats);
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"window-bytes", stats.window},
        {"chunk-bytes", stats.chunk},
        {"budget-bytes", stats.budget},
        {"mapped-bytes", stats.mapped},
        {"pinned-chunks", stats.pinned},
        {"quarantined-chunks", stats.quarantined},
        {"stale-chunks", stats.stale},
        {"misses", stats.misses},
        {"map-calls", stats.map_calls},
        {"map-errors", stats.map_errors},
        {"holes", stats.holes},
        {"evictions", stats.evictions},
        {"invalidates", stats.invalidates},
    };

    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        fn(opaque, counters[i].name, counters[i].value);
}
