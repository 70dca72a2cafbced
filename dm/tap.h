/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_TAP_H
#define DM_TAP_H

/*
 * The tap interface of an emulated NIC that we do not have: libxl's hotplug
 * script wants to find it.  What the bridge sends there is discarded.
 */

#include <uv.h>

struct tap;

/*
 * Create the interface, or join it when it is there.  It stays down: the
 * hotplug script brings it up.  It goes with tap_close.
 * -errno after a line in the log that names ifname.
 */
int tap_open(uv_loop_t *loop, const char *ifname, struct tap **out);

/* NULL is fine.  Memory goes when the loop has run its close callbacks. */
void tap_close(struct tap *tap);

#endif
