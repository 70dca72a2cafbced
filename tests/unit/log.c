/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/capture.h"

static void a_line_has_program_guest_word_and_text(void **state)
{
    char text[512];

    (void)state;
    capture_begin();
    log_info("one %d", 1);
    log_set_name("g1");
    log_warn("two");
    log_error("three");
    log_debug("hidden");
    log_set_debug(1);
    log_debug("four");
    log_set_debug(0);
    log_set_name(NULL);
    log_info("five");
    capture_end(text, sizeof(text));
    assert_string_equal(text, "xenram-dm: info: one 1\n"
                              "xenram-dm[g1]: warn: two\n"
                              "xenram-dm[g1]: error: three\n"
                              "xenram-dm[g1]: debug: four\n"
                              "xenram-dm: info: five\n");
}

static void a_long_line_is_cut_at_one_kilobyte(void **state)
{
    char text[4096], name[600];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    capture_begin();
    log_set_name(name);
    log_info("%2000d", 7);
    log_set_name(NULL);
    capture_end(text, sizeof(text));
    assert_true(strlen(text) <= 1024);
    assert_true(strlen(text) > 1000);
    assert_int_equal(lines_of(text), 1);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    char text[256];

    (void)state;
    capture_begin();
    log_warn("a\nb\033[2Jc\x7f\xc3\xa9");
    capture_end(text, sizeof(text));
    assert_string_equal(text, "xenram-dm: warn: a?b?[2Jc?\xc3\xa9\n");
}

static void a_guest_cannot_fill_the_log(void **state)
{
    char text[8192];

    (void)state;
    capture_begin();
    for (int i = 0; i < 1000; i++)
        log_guest("write %d", i);
    log_error("still heard");
    capture_end(text, sizeof(text));
    assert_int_equal(lines_of(text), 18);
    assert_non_null(strstr(text, "write 15\n"));
    assert_null(strstr(text, "write 16\n"));
    assert_non_null(strstr(text, "are dropped"));
    assert_non_null(strstr(text, "still heard"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_program_guest_word_and_text),
        cmocka_unit_test(a_long_line_is_cut_at_one_kilobyte),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(a_guest_cannot_fill_the_log),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
