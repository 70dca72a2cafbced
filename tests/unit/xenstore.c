/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/xenstore.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/loop.h"

struct side {
    uv_loop_t loop;
    struct xenstore *xenstore;
};

struct seen {
    struct xenstore_watch *watch;
    unsigned calls;
    bool once;
};

static int setup(void **state)
{
    struct side *side = calloc(1, sizeof(*side));

    fakexen_reset();
    assert_int_equal(uv_loop_init(&side->loop), 0);
    assert_int_equal(xenstore_open(&side->xenstore), 0);
    *state = side;
    return 0;
}

static int teardown(void **state)
{
    struct side *side = *state;

    assert_int_equal(loop_close(&side->loop), 0);
    xenstore_close(side->xenstore);
    assert_int_equal(fakexen_handles(), 0);
    free(side);
    return 0;
}

static void changed(void *opaque)
{
    struct seen *seen = opaque;

    seen->calls++;
    if (seen->once) {
        xenstore_unwatch(seen->watch);
        seen->watch = NULL;
    }
}

static void turn(struct side *side)
{
    uv_run(&side->loop, UV_RUN_NOWAIT);
}

static void keys_are_read_written_listed_and_removed(void **state)
{
    struct side *side = *state;
    struct xenstore *xs = side->xenstore;
    char *value, **names;
    unsigned nr;

    assert_int_equal(xenstore_read(xs, "/a/b", &value), -ENOENT);
    assert_int_equal(xenstore_list(xs, "/a", &names, &nr), -ENOENT);
    assert_int_equal(xenstore_write(xs, "/a/b", "one"), 0);
    assert_int_equal(xenstore_write(xs, "/a/c", ""), 0);
    assert_int_equal(xenstore_read(xs, "/a/b", &value), 0);
    assert_string_equal(value, "one");
    free(value);
    assert_int_equal(xenstore_list(xs, "/a", &names, &nr), 0);
    assert_int_equal(nr, 2);
    free(names);
    assert_int_equal(xenstore_rm(xs, "/a"), 0);
    assert_int_equal(xenstore_rm(xs, "/a"), 0);
    assert_int_equal(xenstore_read(xs, "/a/b", &value), -ENOENT);
    assert_int_equal(xenstore_write(xs, "d", "two"), 0);
    assert_string_equal(fakexen_xs_get("/local/domain/0/d"), "two");
}

static void only_plain_decimal_numbers_are_numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int ret;
        uint64_t value;
    } cases[] = {
        {"0", 10, 0, 0},
        {"10", 10, 0, 10},
        {"11", 10, -EINVAL, 99},
        {"007", 10, 0, 7},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -EINVAL, 99},
        {"", 10, -EINVAL, 99},
        {" 1", 10, -EINVAL, 99},
        {"1 ", 10, -EINVAL, 99},
        {"+1", 10, -EINVAL, 99},
        {"-1", UINT64_MAX, -EINVAL, 99},
        {"0x1", 10, -EINVAL, 99},
    };
    struct side *side = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 99;

        fakexen_xs_set("/n", cases[i].text);
        assert_int_equal(
            xenstore_read_number(side->xenstore, "/n", cases[i].max, &value),
            cases[i].ret);
        assert_int_equal(value, cases[i].value);
    }
    fakexen_xs_rm("/n");
    assert_int_equal(xenstore_read_number(side->xenstore, "/n", 1, NULL),
                     -ENOENT);
}

static const struct xenstore_pair pairs[] = {{"b", "1"}, {"c", "2"}};

static int write_pairs(struct side *side)
{
    return xenstore_write_below(side->xenstore, "/a", "guard", pairs, 2);
}

static void what_others_removed_does_not_come_back(void **state)
{
    struct side *side = *state;

    assert_int_equal(write_pairs(side), -ENOENT);
    assert_null(fakexen_xs_get("/a"));
    fakexen_xs_set("/a/guard", "");
    assert_int_equal(write_pairs(side), 0);
    assert_string_equal(fakexen_xs_get("/a/b"), "1");
    assert_string_equal(fakexen_xs_get("/a/c"), "2");
}

static void a_transaction_that_met_another_is_tried_again(void **state)
{
    struct side *side = *state;

    fakexen_xs_set("/a/guard", "");
    /* start, read, write, write, end */
    fakexen_fail(FAKEXEN_XENSTORE, 5, 1, EAGAIN);
    fakexen_reset_counters();
    assert_int_equal(write_pairs(side), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_XENSTORE), 10);
    for (unsigned nth = 1; nth <= 5; nth++) {
        fakexen_fail(FAKEXEN_XENSTORE, nth, 1, EIO);
        assert_int_equal(write_pairs(side), -EIO);
        assert_true(fakexen_failed(FAKEXEN_XENSTORE));
    }
}

static void a_watch_is_called_at_first_and_after_changes(void **state)
{
    struct side *side = *state;
    struct seen seen = {0}, other = {0};

    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/a", changed,
                                    &seen, &seen.watch),
                     0);
    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/b", changed,
                                    &other, &other.watch),
                     0);
    turn(side);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(other.calls, 1);
    turn(side);
    assert_int_equal(seen.calls, 1);
    for (int i = 0; i < 100; i++)
        fakexen_xs_set("/a/b/c", "1");
    fakexen_xs_set("/ab", "1");
    turn(side);
    assert_int_equal(seen.calls, 2);
    fakexen_xs_rm("/a");
    turn(side);
    assert_int_equal(seen.calls, 3);
    assert_int_equal(other.calls, 1);
    xenstore_unwatch(seen.watch);
    fakexen_xs_set("/a", "1");
    turn(side);
    assert_int_equal(seen.calls, 3);
    xenstore_unwatch(other.watch);
    xenstore_unwatch(NULL);
}

static void a_watch_below_what_is_removed_is_called(void **state)
{
    struct side *side = *state;
    struct seen seen = {0};

    fakexen_xs_set("/a/b/c", "1");
    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/a/b/c",
                                    changed, &seen, &seen.watch),
                     0);
    turn(side);
    fakexen_xs_rm("/a");
    turn(side);
    assert_int_equal(seen.calls, 2);
    xenstore_unwatch(seen.watch);
}

static void a_watch_may_end_in_its_own_call(void **state)
{
    struct side *side = *state;
    struct seen first = {.once = true}, second = {.once = true};

    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/a", changed,
                                    &first, &first.watch),
                     0);
    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/a", changed,
                                    &second, &second.watch),
                     0);
    turn(side);
    fakexen_xs_set("/a", "1");
    turn(side);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 1);
}

static void events_of_a_watch_that_is_gone_are_dropped(void **state)
{
    struct side *side = *state;
    struct seen seen = {0};

    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/a", changed,
                                    &seen, &seen.watch),
                     0);
    xenstore_unwatch(seen.watch);
    turn(side);
    assert_int_equal(seen.calls, 0);
}

static void a_watch_that_fails_leaves_nothing(void **state)
{
    struct side *side = *state;
    struct seen seen = {0};
    char path[XENSTORE_PATH_MAX + 1];

    fakexen_fail(FAKEXEN_XENSTORE, 1, 1, EACCES);
    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, "/a", changed,
                                    &seen, &seen.watch),
                     -EACCES);
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(xenstore_watch(side->xenstore, &side->loop, path, changed,
                                    &seen, &seen.watch),
                     -ENAMETOOLONG);
    fakexen_xs_set("/a", "1");
    turn(side);
    assert_int_equal(seen.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_read_written_listed_and_removed),
        TEST(only_plain_decimal_numbers_are_numbers),
        TEST(what_others_removed_does_not_come_back),
        TEST(a_transaction_that_met_another_is_tried_again),
        TEST(a_watch_is_called_at_first_and_after_changes),
        TEST(a_watch_below_what_is_removed_is_called),
        TEST(a_watch_may_end_in_its_own_call),
        TEST(events_of_a_watch_that_is_gone_are_dropped),
        TEST(a_watch_that_fails_leaves_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
