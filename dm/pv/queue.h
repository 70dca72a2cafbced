/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_QUEUE_H
#define DM_PV_QUEUE_H

/*
 * The requests of a frontend: taken from its ring, given to the disk, answered.
 * Data goes straight between image and granted pages where they stay mapped,
 * and through pages of ours where not.  On the thread of the loop of queues.h.
 *
 * What bounds a frontend: it has as many requests under way as its ring has
 * entries, each of QUEUE_MAX_SEGMENTS pages, and PAGES_MAX pages of ours; what
 * would take more waits in its ring.
 */

#include <stdbool.h>
#include <stdint.h>

#include "dm/pv/ring.h"

struct disk;
struct queue;
struct queues;

#define QUEUE_MAX_SEGMENTS 64u /* of an indirect request */

struct queue_spec {
    const char *name;      /* for the log; it and all below stay until close */
    struct disk *disk;     /* of the same thread */
    struct queues *queues; /* with less than QUEUES_MAX */
    /* What the frontend says. */
    enum ring_layout layout;
    unsigned order; /* of ring pages, at most RING_MAX_ORDER */
    uint32_t refs[RING_MAX_PAGES];
    uint32_t port;
    bool persistent; /* it uses the same grants again and again */
};

/*
 * Map the ring and bind the port; requests are taken after queue_start.
 * -errno after a line in the log: a number is wrong, or there is no memory.
 */
int queue_open(const struct queue_spec *spec, struct queue **out);
/* Stop, and let go of all that is the frontend's.  NULL is fine. */
void queue_close(struct queue *queue);

void queue_start(struct queue *queue);
/* Take no more; return when all that was taken has ended and is answered. */
void queue_stop(struct queue *queue);

/*
 * Before the loop sleeps: tell the frontend what was answered.  True: there is
 * more to do, the loop must not sleep.
 */
bool queue_turn(struct queue *queue);

#endif
