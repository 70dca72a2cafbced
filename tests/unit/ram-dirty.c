/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/ram-env.h"

static void writes_are_reported_while_logging_is_on(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = visible(env, "v", 0, 4 * PAGE);

    fakexen_set_log_dirty(DOMID, true);
    fakexen_clear_dirty(DOMID);
    fill(env, block, 0, PAGE, 1);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_dirty_count(DOMID), 0);

    xen_ram_log_dirty(env->ram, true);
    fill(env, block, PAGE - 1, 2, 1);
    xen_ram_mark_dirty(env->ram, 0x200000 - 1, 2);
    xen_ram_mark_dirty(env->ram, 0x300000, 0);
    xen_ram_mark_dirty(env->ram, UINT64_MAX, 2);
    assert_int_equal(fakexen_dirty_count(DOMID), 0);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_dirty_count(DOMID), 4);
    assert_true(fakexen_dirty(DOMID, HOME));
    assert_true(fakexen_dirty(DOMID, HOME + 1));
    assert_true(fakexen_dirty(DOMID, 0x1ff));
    assert_true(fakexen_dirty(DOMID, 0x200));
    assert_int_equal(fakexen_calls(FAKEXEN_MODIFIED), 1);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MODIFIED), 1);

    xen_ram_mark_dirty(env->ram, 0x300000, 1);
    xen_ram_log_dirty(env->ram, false);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MODIFIED), 1);
}

static void neighbours_are_merged_and_calls_are_full(void **state)
{
    struct env *env = *state;

    fakexen_set_log_dirty(DOMID, true);
    visible(env, "above", 0, PAGE);
    xen_ram_log_dirty(env->ram, true);
    for (uint64_t gfn = 0x100; gfn < 0x500; gfn++) {
        xen_ram_mark_dirty(env->ram, gfn * PAGE, 10);
        xen_ram_mark_dirty(env->ram, gfn * PAGE + 8, 10);
    }
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MODIFIED), 1);
    assert_int_equal(fakexen_dirty_count(DOMID), 0x400);

    fakexen_clear_dirty(DOMID);
    fakexen_reset_counters();
    for (uint64_t i = 0; i < 1000; i++)
        xen_ram_mark_dirty(env->ram, i * 2 % PAGES * PAGE, 1);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    /* 256 runs a call. */
    assert_int_equal(fakexen_calls(FAKEXEN_MODIFIED), 4);
    for (uint64_t gfn = 0xc0; gfn < 2000; gfn += 2)
        assert_true(fakexen_dirty(DOMID, gfn));
}

/* Xen cannot be told about the highest page: nothing else may be lost. */
static void the_highest_page_is_left_out_alone(void **state)
{
    static const struct {
        uint64_t first, nr;
    } cases[] = {
        {PAGES - 1, 1},
        {PAGES - 2, 2},
        {PAGES - 100, 100},
        {0x100, 0x700},
    };
    struct env *env = *state;

    fakexen_set_log_dirty(DOMID, true);
    xen_ram_log_dirty(env->ram, true);
    assert_int_equal(fakexen_max_gfn(DOMID), PAGES - 1);
    for (size_t i = 0; i < NR(cases); i++) {
        fakexen_clear_dirty(DOMID);
        fakexen_reset_counters();
        xen_ram_mark_dirty(env->ram, 0x10 * PAGE, PAGE);
        xen_ram_mark_dirty(env->ram, cases[i].first * PAGE, cases[i].nr * PAGE);
        xen_ram_mark_dirty(env->ram, 0x20 * PAGE, PAGE);
        assert_int_equal(xen_ram_report_dirty(env->ram), 0);
        assert_true(fakexen_dirty(DOMID, 0x10));
        assert_true(fakexen_dirty(DOMID, 0x20));
        assert_int_equal(fakexen_dirty_count(DOMID), cases[i].nr - 1 + 2);
        assert_true(fakexen_calls(FAKEXEN_MODIFIED) < 20);
    }
}

static void what_could_not_be_reported_is_kept(void **state)
{
    struct env *env = *state;

    fakexen_set_log_dirty(DOMID, true);
    visible(env, "above", 0, PAGE);
    xen_ram_log_dirty(env->ram, true);
    fakexen_fail(FAKEXEN_MODIFIED, 1, 0, EPERM);
    for (uint64_t i = 0; i < 900; i++) {
        uint64_t gfn = 0x100 + i * 2 * 7 % 0x700;

        xen_ram_mark_dirty(env->ram, gfn * PAGE, 1);
    }
    assert_int_equal(xen_ram_report_dirty(env->ram), -EPERM);
    fakexen_fail(FAKEXEN_MODIFIED, 1, 0, 0);
    fakexen_clear_dirty(DOMID);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    for (uint64_t i = 0; i < 900; i++)
        assert_true(fakexen_dirty(DOMID, 0x100 + i * 2 * 7 % 0x700));
}

static void moved_pages_are_dirty(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = visible(env, "v", 0, 3 * PAGE);

    fakexen_set_log_dirty(DOMID, true);
    xen_ram_log_dirty(env->ram, true);
    assert_int_equal(xen_ram_relocate(env->ram, block, BAR), 0);
    fakexen_clear_dirty(DOMID);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_dirty_count(DOMID), 3);
    assert_true(fakexen_dirty(DOMID, BAR + 2));
}

/* Runs as they came, as text. */
struct taken {
    char text[512];
};

static int note_run(uint64_t gfn, uint64_t nr, void *opaque)
{
    struct taken *taken = opaque;
    size_t len = strlen(taken->text);

    snprintf(taken->text + len, sizeof(taken->text) - len, "%#lx+%lu ",
             (unsigned long)gfn, (unsigned long)nr);
    return 0;
}

static const char *take(struct env *env, enum xen_ram_client client,
                        uint64_t gfn, uint64_t nr)
{
    static struct taken taken;

    taken.text[0] = '\0';
    assert_int_equal(
        xen_ram_dirty_take(env->ram, client, gfn, nr, note_run, &taken), 0);
    return taken.text;
}

static void each_client_takes_what_was_written(void **state)
{
    const uint64_t all = UINT64_C(1) << 28;
    struct env *env = *state;

    assert_int_equal(xen_ram_dirty_start(env->ram, XEN_RAM_DISPLAY), 0);
    xen_ram_mark_dirty(env->ram, 0x1000 * PAGE, 3 * PAGE);
    assert_int_equal(xen_ram_dirty_start(env->ram, XEN_RAM_USER), 0);
    xen_ram_mark_dirty(env->ram, 0x1003 * PAGE, 1);
    xen_ram_mark_dirty(env->ram, UINT64_C(0xfffffff) * PAGE, PAGE);

    /* A display looks at its own memory only. */
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0x1001, 2), "0x1001+2 ");
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0x1001, 2), "");
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0, all),
                        "0x1000+1 0x1003+1 0xfffffff+1 ");
    assert_string_equal(take(env, XEN_RAM_USER, 0, all),
                        "0x1003+1 0xfffffff+1 ");
    assert_string_equal(take(env, XEN_RAM_USER, 0, all), "");
    assert_string_equal(take(env, XEN_RAM_MIGRATION, 0, all), "");

    xen_ram_mark_dirty(env->ram, 0x1000 * PAGE, PAGE);
    xen_ram_dirty_stop(env->ram, XEN_RAM_USER);
    assert_string_equal(take(env, XEN_RAM_USER, 0, all), "");
    assert_int_equal(xen_ram_dirty_start(env->ram, XEN_RAM_USER), 0);
    assert_string_equal(take(env, XEN_RAM_USER, 0, all), "");
}

static void a_resize_cleans_what_goes_and_soils_what_comes(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "v", XEN_RAM_RESIZEABLE, 4 * PAGE);

    assert_int_equal(xen_ram_dirty_start(env->ram, XEN_RAM_DISPLAY), 0);
    fill(env, block, 0, 4 * PAGE, 1);
    assert_int_equal(xen_ram_resize(env->ram, block, 2 * PAGE), 0);
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0, HOME + 99), "0xf0000+2 ");
    assert_int_equal(xen_ram_resize(env->ram, block, 7 * PAGE), 0);
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0, HOME + 99), "0xf0002+5 ");
    fill(env, block, 0, 1, 1);
    assert_int_equal(xen_ram_relocate(env->ram, block, BAR), 0);
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0, HOME + 99), "0xe0000+7 ");
    fill(env, block, 0, 1, 1);
    xen_ram_free(env->ram, block);
    assert_string_equal(take(env, XEN_RAM_DISPLAY, 0, HOME + 99), "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(writes_are_reported_while_logging_is_on),
        RAM_TEST(neighbours_are_merged_and_calls_are_full),
        RAM_TEST(the_highest_page_is_left_out_alone),
        RAM_TEST(what_could_not_be_reported_is_kept),
        RAM_TEST(moved_pages_are_dirty),
        RAM_TEST(each_client_takes_what_was_written),
        RAM_TEST(a_resize_cleans_what_goes_and_soils_what_comes),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
