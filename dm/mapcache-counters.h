/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MAPCACHE_COUNTERS_H
#define DM_MAPCACHE_COUNTERS_H

/* The map cache's statistics by name, for info mapcache and for QMP. */

#include <stdint.h>

struct machine;

/* name: words joined by -, its last one a unit where the value has one. */
typedef void mapcache_counter_fn(void *opaque, const char *name,
                                 uint64_t value);

/* fn is called once for each counter, in the order of the library's struct. */
void mapcache_counters(const struct machine *machine, mapcache_counter_fn *fn,
                       void *opaque);

#endif
