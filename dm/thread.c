/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

/* Room for what handles events, and for system calls with a few arrays. */
#define STACK_BYTES (256u << 10)

struct thread {
    uv_loop_t loop;
    uv_async_t wake;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t called;
    void (*fn)(void *opaque); /* NULL: none waits */
    void *opaque;
};

int thread_spawn(pthread_t *out, const char *name, size_t stack_bytes,
                 void *(*fn)(void *opaque), void *opaque)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int ret;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ret = pthread_create(out, &attr, fn, opaque);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (ret == 0)
        pthread_setname_np(*out, name);
    return -ret;
}

static void call(uv_async_t *async)
{
    struct thread *thread = async->data;

    pthread_mutex_lock(&thread->mutex);
    if (thread->fn) {
        thread->fn(thread->opaque);
        thread->fn = NULL;
        pthread_cond_signal(&thread->called);
    }
    pthread_mutex_unlock(&thread->mutex);
}

static void *run(void *opaque)
{
    struct thread *thread = opaque;

    uv_run(&thread->loop, UV_RUN_DEFAULT);
    return NULL;
}

int thread_new(struct thread **out)
{
    struct thread *thread = calloc(1, sizeof(*thread));
    int ret;

    if (!thread)
        return -ENOMEM;
    ret = uv_loop_init(&thread->loop);
    if (ret)
        goto err_free;
    ret = uv_async_init(&thread->loop, &thread->wake, call);
    if (ret)
        goto err_loop;
    thread->wake.data = thread;
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_cond_init(&thread->called, NULL);
    *out = thread;
    return 0;

err_loop:
    uv_loop_close(&thread->loop);
err_free:
    free(thread);
    return ret;
}

int thread_start(struct thread *thread, const char *name)
{
    int ret;

    if (thread->started)
        return 0;
    ret = thread_spawn(&thread->thread, name, STACK_BYTES, run, thread);
    thread->started = ret == 0;
    return ret;
}

static void close_wake(void *opaque)
{
    struct thread *thread = opaque;

    uv_close((uv_handle_t *)&thread->wake, NULL);
}

void thread_end(struct thread *thread)
{
    if (!thread)
        return;
    thread_call(thread, close_wake, thread);
    if (thread->started)
        pthread_join(thread->thread, NULL);
    else
        run(thread);
    uv_loop_close(&thread->loop);
    pthread_cond_destroy(&thread->called);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}

uv_loop_t *thread_loop(struct thread *thread)
{
    return &thread->loop;
}

void thread_call(struct thread *thread, void (*fn)(void *opaque), void *opaque)
{
    if (!thread || !thread->started) {
        fn(opaque);
        return;
    }
    pthread_mutex_lock(&thread->mutex);
    thread->fn = fn;
    thread->opaque = opaque;
    uv_async_send(&thread->wake);
    while (thread->fn)
        pthread_cond_wait(&thread->called, &thread->mutex);
    pthread_mutex_unlock(&thread->mutex);
}
