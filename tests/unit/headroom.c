/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/headroom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dm/xenstore.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/loop.h"

#define STATIC_MAX "/local/domain/7/memory/static-max"
#define TARGET "/local/domain/7/memory/target"
#define FEATURE "/local/domain/7/control/feature-poweroff"

struct side {
    uv_loop_t loop;
    struct xenstore *xenstore;
    struct headroom *headroom;
};

static int setup(void **state)
{
    struct side *side = calloc(1, sizeof(*side));

    fakexen_reset();
    fakexen_xs_set(STATIC_MAX, "393216");
    fakexen_xs_set(TARGET, "131072");
    fakexen_xs_set(FEATURE, "");
    assert_int_equal(uv_loop_init(&side->loop), 0);
    assert_int_equal(xenstore_open(&side->xenstore), 0);
    *state = side;
    return 0;
}

static int teardown(void **state)
{
    struct side *side = *state;

    headroom_close(side->headroom);
    assert_int_equal(loop_close(&side->loop), 0);
    xenstore_close(side->xenstore);
    assert_int_equal(fakexen_handles(), 0);
    free(side);
    return 0;
}

static void begin(struct side *side, unsigned dimms)
{
    static struct options options;

    options.domid = 7;
    options.nr_dimms = dimms;
    headroom_open(&side->loop, side->xenstore, &options, &side->headroom);
}

static bool is(const char *value)
{
    return strcmp(fakexen_xs_get(STATIC_MAX), value) == 0;
}

/* Runs the loop until static-max is that; a test that hangs has failed. */
static void comes_to(struct side *side, const char *value)
{
    while (!is(value))
        uv_run(&side->loop, UV_RUN_ONCE);
}

static void static_max_is_low_until_the_guests_drivers_are_there(void **state)
{
    struct side *side = *state;

    begin(side, 1);
    assert_true(is("131072"));
    /* The watch calls once at first. */
    uv_run(&side->loop, UV_RUN_NOWAIT);
    assert_true(is("131072"));
    fakexen_xs_set(FEATURE, "1");
    uv_run(&side->loop, UV_RUN_ONCE);
    assert_true(is("131072"));
    comes_to(side, "393216");
    /* For good: the timer is not started again. */
    headroom_config_read(side->headroom);
    assert_true(is("393216"));
}

static void libxl_reads_the_first_value_and_the_guest_the_low_one(void **state)
{
    struct side *side = *state;

    begin(side, 1);
    assert_true(is("131072"));
    headroom_config_read(side->headroom);
    assert_true(is("393216"));
    comes_to(side, "131072");
    headroom_config_read(side->headroom);
    assert_true(is("393216"));
    fakexen_xs_set(FEATURE, "1");
    uv_run(&side->loop, UV_RUN_ONCE);
    assert_true(is("393216"));
}

static void a_value_that_an_operator_set_stays(void **state)
{
    struct side *side = *state;

    begin(side, 1);
    fakexen_xs_set(STATIC_MAX, "262144");
    headroom_config_read(side->headroom);
    assert_true(is("262144"));
}

static void a_guest_without_room_is_left_alone(void **state)
{
    struct side *side = *state;

    begin(side, 0);
    assert_null(side->headroom);
    assert_true(is("393216"));
    fakexen_xs_set(STATIC_MAX, "131072");
    begin(side, 1);
    assert_null(side->headroom);
    headroom_config_read(side->headroom);
    assert_true(is("131072"));
}

static void a_xenstore_that_fails_does_not_stop_the_guest(void **state)
{
    struct side *side = *state;

    fakexen_fail(FAKEXEN_XENSTORE, 1, 0, EIO);
    begin(side, 1);
    assert_null(side->headroom);
    fakexen_fail(FAKEXEN_XENSTORE, 3, 0, EIO);
    begin(side, 1);
    fakexen_fail(FAKEXEN_XENSTORE, 1, 0, 0);
    headroom_config_read(side->headroom);
    assert_true(is("393216"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(static_max_is_low_until_the_guests_drivers_are_there),
        TEST(libxl_reads_the_first_value_and_the_guest_the_low_one),
        TEST(a_value_that_an_operator_set_stays),
        TEST(a_guest_without_room_is_left_alone),
        TEST(a_xenstore_that_fails_does_not_stop_the_guest),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
