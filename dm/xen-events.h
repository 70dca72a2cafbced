/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_EVENTS_H
#define DM_XEN_EVENTS_H

/*
 * Event channels of PV backends, in the loop.  They have a descriptor of their
 * own, so that those of ioreqs stay quick.  Functions return 0 or -errno.
 */

#include <stdint.h>

#include <uv.h>

struct xen_events;

int xen_events_open(uint32_t domid, uv_loop_t *loop, struct xen_events **out);
/* The loop must turn once more.  No port is bound any more.  NULL is fine. */
void xen_events_close(struct xen_events *events);

/*
 * Bind a port that the guest opened for us; fired is called after each event,
 * and once at first.  It may unbind.  Returns our port or -errno.
 */
int xen_events_bind(struct xen_events *events, uint32_t remote_port,
                    void (*fired)(void *opaque), void *opaque);
void xen_events_unbind(struct xen_events *events, int port);
int xen_events_notify(struct xen_events *events, int port);

#endif
