/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_QUEUES_H
#define DM_PV_QUEUES_H

/*
 * What the queues of a guest's PV disks share: Xen's event channels and grants,
 * and the turns of their loop.  On the thread of that loop.
 */

#include <stdint.h>

#include <uv.h>

struct queue;
struct queues;
struct xen_events;
struct xen_grants;

/*
 * Before rights are given up: Xen's devices are opened by path.  -errno after a
 * line in the log.
 */
int queues_open(uint32_t domid, uv_loop_t *loop, struct queues **out);
/* There is no queue any more; the loop must turn once more.  NULL is fine. */
void queues_close(struct queues *queues);

struct xen_events *queues_events(const struct queues *queues);
struct xen_grants *queues_grants(const struct queues *queues);

#define QUEUES_MAX 64u

/* It has its turns from now on, and no longer.  At most QUEUES_MAX have. */
void queues_add(struct queues *queues, struct queue *queue);
void queues_remove(struct queues *queues, struct queue *queue);

#endif
