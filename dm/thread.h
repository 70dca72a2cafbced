/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_THREAD_H
#define DM_THREAD_H

/*
 * An event loop with a thread of its own, for what must not wait for the loop
 * of the device model, nor make it wait.  All functions belong to one other
 * thread.
 */

#include <pthread.h>
#include <stddef.h>

#include <uv.h>

struct thread;

/*
 * A thread that has no loop, is joined by its owner and gets no signals: these
 * are the first one's.  name: 15 bytes at most.  -errno; nothing is logged.
 */
int thread_spawn(pthread_t *out, const char *name, size_t stack_bytes,
                 void *(*fn)(void *opaque), void *opaque);

/* The loop, which does not turn yet.  -errno; nothing is logged. */
int thread_new(struct thread **out);
/*
 * name as above.  It has what rights the caller has by now.  Once it runs, 0
 * and nothing more.  -errno; nothing is logged, and it can be tried again.
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
