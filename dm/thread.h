/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_THREAD_H
#define DM_THREAD_H

/*
 * An event loop with a thread of its own, for what must not wait for the loop
 * of the device model, nor make it wait.  All functions belong to one other
 * thread.
 */

#include <uv.h>

struct thread;

/* name: of the thread, 15 bytes at most.  -errno; nothing is logged. */
int thread_start(const char *name, struct thread **out);
/* All handles of its loop are closing.  NULL is fine. */
void thread_end(struct thread *thread);

uv_loop_t *thread_loop(struct thread *thread);

/*
 * Call fn on the thread, between turns of its loop, and return after it.  It
 * may open and close handles of that loop.  NULL: fn is called here and now.
 */
void thread_call(struct thread *thread, void (*fn)(void *opaque), void *opaque);

#endif
