/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HEADROOM_H
#define DM_HEADROOM_H

/*
 * A guest with room for memory devices, and what its toolstack tells it.
 *
 * Room is xl's videoram: libxl writes memory/static-max with it and
 * memory/target without.  Linux' balloon driver takes the difference between
 * static-max and its RAM at boot for memory that is not its own, and with more
 * than its target of it ends up below zero: the guest dies at boot.  It reads
 * static-max once.  Until then static-max is as target here.
 *
 * libxl reads it too, for the configuration that it saves with a guest, right
 * after `query-cpus-fast`, and refuses to restore one with less than target and
 * videoram; and xl mem-set goes no higher.  So it gets its first value back
 * when that command comes, for a while, and for good once the guest's drivers
 * have reported themselves.
 */

#include <uv.h>

#include "dm/options.h"

struct headroom;
struct xenstore;

/*
 * Before a fresh guest first runs.  *out is NULL when there is nothing to do,
 * or it cannot be done, which the log then says: the guest starts all the same.
 */
void headroom_open(uv_loop_t *loop, struct xenstore *xenstore,
                   const struct options *options, struct headroom **out);
/* libxl is about to read the guest's configuration.  NULL is fine. */
void headroom_config_read(struct headroom *headroom);
/* Memory goes when the loop has run the handle's close callback. */
void headroom_close(struct headroom *headroom);

#endif
