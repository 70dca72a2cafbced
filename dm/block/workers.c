/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dm/block/disk.h"
#include "dm/log.h"

/* Room for system calls with a few words of arguments. */
#define STACK_BYTES (64u << 10)

struct workers {
    pthread_mutex_t mutex;
    pthread_cond_t wanted, ended_cond;
    struct request_list queue, ended;
    unsigned nr_idle; /* sleep, or were told to wake */
    bool closing;
    /* The rest is not the threads'. */
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

/* Holds the mutex but while it works. */
static void *work(void *opaque)
{
    struct workers *workers = opaque;

    pthread_mutex_lock(&workers->mutex);
    for (;;) {
        struct disk_request *request = request_list_take(&workers->queue);
        bool first;

        if (!request) {
            if (workers->closing)
                break;
            workers->nr_idle++;
            pthread_cond_wait(&workers->wanted, &workers->mutex);
            workers->nr_idle--;
            continue;
        }
        pthread_mutex_unlock(&workers->mutex);
        workers->carry_out(request);
        pthread_mutex_lock(&workers->mutex);
        first = !workers->ended.first;
        request_list_add(&workers->ended, request);
        if (first) {
            pthread_cond_signal(&workers->ended_cond);
            uv_async_send(workers->async);
        }
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

static int start_thread(pthread_t *thread, struct workers *workers)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int ret;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ret = pthread_create(thread, &attr, work, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (ret == 0)
        pthread_setname_np(*thread, "disk");
    return -ret;
}

static void start_one(struct workers *workers)
{
    int ret = start_thread(&workers->threads[workers->nr_threads], workers);

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
    bool more;

    pthread_mutex_lock(&workers->mutex);
    more = workers->queue.nr >= workers->nr_idle;
    pthread_mutex_unlock(&workers->mutex);
    if (more && workers->nr_threads < WORKERS_MAX && !workers->failed)
        start_one(workers);
    if (workers->nr_threads == 0)
        workers->carry_out(request);

    pthread_mutex_lock(&workers->mutex);
    if (workers->nr_threads == 0) {
        request_list_add(&workers->ended, request);
        uv_async_send(workers->async);
    } else {
        request_list_add(&workers->queue, request);
        if (workers->nr_idle)
            pthread_cond_signal(&workers->wanted);
    }
    pthread_mutex_unlock(&workers->mutex);
}

void workers_take(struct workers *workers, struct request_list *list)
{
    pthread_mutex_lock(&workers->mutex);
    request_list_join(list, &workers->ended);
    pthread_mutex_unlock(&workers->mutex);
}

void workers_wait(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    while (!workers->ended.first)
        pthread_cond_wait(&workers->ended_cond, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
}
