/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LISTENER_H
#define LISTENER_H

/*
 * A second emulator of a running guest: an ioreq server that claims no device
 * and so gets one kind of request, that the guest's frames changed.  The vCPU
 * waits until all emulators of the guest have answered it.
 */

#include <stdint.h>

struct listener;

typedef void listener_fn(void *opaque);

/*
 * fn is called for each such request, before the answer, from listener_serve.
 * -errno: what Xen's libraries gave, with nothing left behind.
 */
int listener_open(uint32_t domid, listener_fn *fn, void *opaque,
                  struct listener **out);
/* NULL is fine; so is a domain that is gone. */
void listener_close(struct listener *listener);

/* Readable when there is something to serve. */
int listener_fd(const struct listener *listener);
/* Answer what is there; returns the number of requests, or -errno. */
int listener_serve(struct listener *listener);

#endif
