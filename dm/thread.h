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

/* The loop, which does not turn yet.  -errno; nothing is logged. */
int thread_new(struct thread **out);
/*
 * name: of the thread, 15 bytes at most.  It has what rights the caller has by
 * now.  -errno; nothing is logged.
 */
int thread_start(struct thread *thread, const char *name);
/* All handles of its loop are closing.  NULL is fine. */
void thread_end(struct thread *thread);

uv_loop_t *thread_loop(struct thread *thread);

/*
 * Call fn on the thread, between turns of its loop, and return after it.  It
 * may open and close handles of that loop.  Before the start, and with NULL, fn
 * is called here and now.
 */
void thread_call(struct thread *thread, void (*fn)(void *opaque), void *opaque);

#endif
