/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_IOREQ_H
#define DM_IOREQ_H

/*
 * The guest's accesses to emulated addresses: one slot and one event channel a
 * vCPU.  Xen, public/hvm/ioreq.h.
 */

struct ioreq_server;
struct machine;

/*
 * Enable Xen's ioreq server and answer from the machine's loop.  Everything
 * that the machine claims at start must be claimed before.
 */
int ioreq_start(struct machine *machine, struct ioreq_server **out);
void ioreq_stop(struct ioreq_server *server);

/* Answer what is pending now, without waiting for the event. */
void ioreq_drain(struct ioreq_server *server);

#endif
