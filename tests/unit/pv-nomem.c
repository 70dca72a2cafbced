/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Every allocation of a PV disk's life is made to fail once.  Linked with
 * --wrap for malloc, calloc, mmap and what goes with it.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/capture.h"
#include "tests/unit/pv-env.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);

static unsigned until_failure; /* calls; 0: none fails */

static bool fails(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
    return fails() ? NULL : __real_calloc(nr, size);
}

static void live(struct pv_env *env, struct pv_front *front)
{
    static const struct pv_segment segment = {0, 0, 7};
    struct pv_answer answer;

    pv_turns(env);
    pv_front_publish(front);
    pv_set_front(XVDA, "state", "3");
    pv_turns(env);
    pv_put_io(front, BLKIF_OP_READ, 1, 0, &segment, 1, 0);
    pv_kick(front);
    pv_turns(env);
    (void)pv_answer(front, &answer);
    pv_detach(XVDA, true);
    pv_turns(env);
}

/* With the nth allocation failing; false: there is no nth. */
static bool survives(unsigned nth, bool map)
{
    struct pv_env env;
    struct pv_front front = {.env = &env, .devid = XVDA, .persistent = true};
    static const struct pv_segment segment = {0, 0, 7};
    char log[8192];
    bool hit;

    pv_env_open(&env);
    pv_attach_image(&env, XVDA, "image", "w");
    capture_begin();
    if (map)
        fakexen_fail(FAKEXEN_MMAP, nth, 1, ENOMEM);
    else
        until_failure = nth;
    live(&env, &front);
    hit = map ? fakexen_failed(FAKEXEN_MMAP) : until_failure == 0;
    fakexen_fail(FAKEXEN_MMAP, 1, 1, 0);
    until_failure = 0;
    capture_end(log, sizeof(log));
    pv_front_drop(&front);
    pv_remove(XVDA);
    pv_turns(&env);

    pv_attach_image(&env, XVDA, "image", "w");
    pv_front_connect(&front);
    assert_int_equal(pv_do(&front, BLKIF_OP_READ, 0, &segment, 1), 0);
    pv_front_drop(&front);
    pv_env_close(&env);
    return hit;
}

static void any_allocation_may_fail(void **state)
{
    unsigned nth = 1;

    (void)state;
    while (survives(nth, false))
        nth++;
    assert_true(nth > 10);
}

static void any_mapping_may_fail(void **state)
{
    unsigned nth = 1;

    (void)state;
    while (survives(nth, true))
        nth++;
    assert_true(nth > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(any_mapping_may_fail),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
