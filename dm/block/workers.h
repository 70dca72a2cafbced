/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_WORKERS_H
#define DM_BLOCK_WORKERS_H

/*
 * Threads that carry out requests which may block.  They start with the first
 * request, one more whenever all are busy, and stay.  Quick requests, which
 * rarely block, share one thread: to wake another costs more than they do.  All
 * functions belong to the thread of the event loop.
 */

#include <uv.h>

struct disk_request;
struct workers;

#define WORKERS_MAX 4

/* First in, first out; zeroed: empty.  Requests are linked through next. */
struct request_list {
    struct disk_request *first, *last;
    unsigned nr;
};

void request_list_add(struct request_list *list, struct disk_request *request);
struct disk_request *request_list_take(struct request_list *list);
/* All of from goes to the end of list. */
void request_list_join(struct request_list *list, struct request_list *from);

/*
 * carry_out runs on a worker and touches nothing but the request and what it
 * points to.  async is sent when requests have ended.  -ENOMEM.
 */
int workers_open(void (*carry_out)(struct disk_request *request),
                 uv_async_t *async, struct workers **out);
/* No request is there any more.  Waits for the threads to end. */
void workers_close(struct workers *workers);

/* It waits for workers_start, together with others of the same turn. */
void workers_give(struct workers *workers, struct disk_request *request);
/*
 * Without any thread (none could be started) they are carried out here and now.
 */
void workers_start(struct workers *workers);
/* Append those that have ended to list. */
void workers_take(struct workers *workers, struct request_list *list);
/* Start, and sleep until one has ended that was not taken yet. */
void workers_wait(struct workers *workers);

#endif
