/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dm/block/disk.h"
#include "dm/log.h"
#include "dm/thread.h"

/* Room for system calls with a few words of arguments. */
#define STACK_BYTES (64u << 10)

/* So many quick ones end before the loop hears of the first. */
#define UNTOLD_MAX 8u
/* More in the queue: whoever has the quick ones may be held up. */
#define QUICK_MAX 16u

struct workers {
    pthread_mutex_t mutex;
    pthread_cond_t wanted, ended_cond;
    struct request_list queue, ended;
    unsigned nr_idle;  /* sleep, or were told to wake */
    unsigned nr_woken; /* of these, were told */
    unsigned nr_quick; /* are at a quick request */
    bool told;         /* the loop, that there are ended ones */
    bool closing;
    /* The rest is not the threads'. */
    struct request_list given; /* in this turn of the loop */
    unsigned nr_slow;          /* of these */
    void (*carry_out)(struct disk_request *request);
    uv_async_t *async;
    pthread_t threads[WORKERS_MAX];
    unsigned nr_threads;
    bool failed; /* a thread could not be started */
};

void request_list_add(struct request_list *list, struct disk_request *request)
{
    request->next = NULL;
    if (list->first)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
    list->nr++;
}

struct disk_request *request_list_take(struct request_list *list)
{
    struct disk_request *request = list->first;

    if (!request)
        return NULL;
    list->first = request->next;
    list->nr--;
    return request;
}

void request_list_join(struct request_list *list, struct request_list *from)
{
    if (!from->first)
        return;
    if (list->first)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    list->nr += from->nr;
    *from = (struct request_list){0};
}

static void tell(struct workers *workers)
{
    workers->told = true;
    pthread_cond_signal(&workers->ended_cond);
    uv_async_send(workers->async);
}

/*
 * Waking the loop costs more than a quick request: it waits for those that end
 * right after it.
 */
static bool is_time_to_tell(const struct workers *workers)
{
    const struct disk_request *next = workers->queue.first;

    return workers->ended.first && !workers->told &&
           (!next || !next->quick || workers->ended.nr >= UNTOLD_MAX);
}

static void sleep_until_wanted(struct workers *workers)
{
    workers->nr_idle++;
    pthread_cond_wait(&workers->wanted, &workers->mutex);
    workers->nr_idle--;
    if (workers->nr_woken > 0)
        workers->nr_woken--;
}

static void do_one(struct workers *workers, struct disk_request *request)
{
    bool quick = request->quick;

    workers->nr_quick += quick;
    pthread_mutex_unlock(&workers->mutex);
    workers->carry_out(request);
    pthread_mutex_lock(&workers->mutex);
    workers->nr_quick -= quick;
    request_list_add(&workers->ended, request);
}

/* Holds the mutex but while it works. */
static void *work(void *opaque)
{
    struct workers *workers = opaque;

    pthread_mutex_lock(&workers->mutex);
    for (;;) {
        struct disk_request *request;

        if (is_time_to_tell(workers))
            tell(workers);
        request = request_list_take(&workers->queue);
        if (request)
            do_one(workers, request);
        else if (workers->closing)
            break;
        else
            sleep_until_wanted(workers);
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

int workers_open(void (*carry_out)(struct disk_request *request),
                 uv_async_t *async, struct workers **out)
{
    struct workers *workers = calloc(1, sizeof(*workers));

    if (!workers)
        return -ENOMEM;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->wanted, NULL);
    pthread_cond_init(&workers->ended_cond, NULL);
    workers->carry_out = carry_out;
    workers->async = async;
    *out = workers;
    return 0;
}

void workers_close(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->mutex);
    workers->closing = true;
    pthread_cond_broadcast(&workers->wanted);
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->nr_threads; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->ended_cond);
    pthread_cond_destroy(&workers->wanted);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}

static void start_one(struct workers *workers)
{
    int ret = thread_spawn(&workers->threads[workers->nr_threads], "disk",
                           STACK_BYTES, work, workers);

    if (ret == 0) {
        workers->nr_threads++;
        return;
    }
    workers->failed = true;
    log_warn("cannot start a thread for disks: %s: %u of %u work",
             strerror(-ret), workers->nr_threads, WORKERS_MAX);
}

void workers_give(struct workers *workers, struct disk_request *request)
{
    request_list_add(&workers->given, request);
    workers->nr_slow += !request->quick;
}

/* One for each request that may block, and one for all others. */
static unsigned nr_wanted(const struct workers *workers)
{
    bool quick = workers->given.nr > workers->nr_slow;
    bool held_up = workers->queue.nr > QUICK_MAX;

    return workers->nr_slow + (quick && (workers->nr_quick == 0 || held_up));
}

static void carry_out_here(struct workers *workers)
{
    struct disk_request *request;

    while ((request = request_list_take(&workers->queue)))
        do_one(workers, request);
    tell(workers);
}

void workers_start(struct workers *workers)
{
    unsigned wanted;

    if (!workers->given.first)
        return;
    pthread_mutex_lock(&workers->mutex);
    wanted = nr_wanted(workers);
    request_list_join(&workers->queue, &workers->given);
    workers->nr_slow = 0;
    for (; wanted > 0 && workers->nr_idle > workers->nr_woken; wanted--) {
        workers->nr_woken++;
        pthread_cond_signal(&workers->wanted);
    }
    for (; wanted > 0 && workers->nr_threads < WORKERS_MAX && !workers->failed;
         wanted--)
        start_one(workers);
    if (workers->nr_threads == 0)
        carry_out_here(workers);
    pthread_mutex_unlock(&workers->mutex);
}

void workers_take(struct workers *workers, struct request_list *list)
{
    pthread_mutex_lock(&workers->mutex);
    request_list_join(list, &workers->ended);
    workers->told = false;
    pthread_mutex_unlock(&workers->mutex);
}

void workers_wait(struct workers *workers)
{
    workers_start(workers);
    pthread_mutex_lock(&workers->mutex);
    while (!workers->ended.first)
        pthread_cond_wait(&workers->ended_cond, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
}
