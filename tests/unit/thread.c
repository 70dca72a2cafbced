/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/thread.h"

/* How long a test may wait before it has failed, s. */
#define PATIENCE 600

struct side {
    struct thread *thread;
    pthread_t first, now;
    uv_timer_t timer;
    sigset_t blocked;
    unsigned calls, seen;
};

static void note(void *opaque)
{
    struct side *side = opaque;

    side->now = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &side->blocked);
    if (side->calls++ == 0)
        side->first = side->now;
}

static void start(struct side *side)
{
    *side = (struct side){0};
    alarm(PATIENCE);
    assert_int_equal(thread_new(&side->thread), 0);
    assert_int_equal(thread_start(side->thread, "side"), 0);
}

static void calls_are_made_on_its_thread_and_have_ended(void **state)
{
    struct side side;

    (void)state;
    start(&side);
    for (unsigned i = 0; i < 1000; i++) {
        thread_call(side.thread, note, &side);
        assert_int_equal(side.calls, i + 1);
        assert_true(pthread_equal(side.first, side.now));
        assert_false(pthread_equal(side.now, pthread_self()));
    }
    assert_true(sigismember(&side.blocked, SIGTERM));
    thread_end(side.thread);
}

static void without_a_thread_calls_are_made_here(void **state)
{
    struct side side = {0};

    (void)state;
    thread_call(NULL, note, &side);
    assert_true(pthread_equal(side.now, pthread_self()));
    thread_end(NULL);
}

static void before_the_start_calls_are_made_here(void **state)
{
    struct side side = {0};

    (void)state;
    assert_int_equal(thread_new(&side.thread), 0);
    thread_call(side.thread, note, &side);
    assert_true(pthread_equal(side.now, pthread_self()));
    assert_int_equal(thread_start(side.thread, "side"), 0);
    thread_call(side.thread, note, &side);
    assert_false(pthread_equal(side.now, pthread_self()));
    thread_end(side.thread);

    assert_int_equal(thread_new(&side.thread), 0);
    thread_end(side.thread);
}

static void close_timer(void *opaque)
{
    struct side *side = opaque;

    uv_close((uv_handle_t *)&side->timer, NULL);
}

static void expired(uv_timer_t *timer)
{
    note(timer->data);
}

static void start_timer(void *opaque)
{
    struct side *side = opaque;

    uv_timer_init(thread_loop(side->thread), &side->timer);
    side->timer.data = side;
    uv_timer_start(&side->timer, expired, 1, 1);
}

static void look(void *opaque)
{
    struct side *side = opaque;

    side->seen = side->calls;
}

static void its_loop_turns_by_itself_between_calls(void **state)
{
    struct side side;

    (void)state;
    start(&side);
    thread_call(side.thread, start_timer, &side);
    do
        thread_call(side.thread, look, &side);
    while (side.seen < 3);
    thread_call(side.thread, close_timer, &side);
    assert_false(pthread_equal(side.now, pthread_self()));
    thread_end(side.thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_made_on_its_thread_and_have_ended),
        cmocka_unit_test(without_a_thread_calls_are_made_here),
        cmocka_unit_test(before_the_start_calls_are_made_here),
        cmocka_unit_test(its_loop_turns_by_itself_between_calls),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
