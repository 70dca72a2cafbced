/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/migrate-sides.h"

static void a_round_trip_carries_everything(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    carry(&source, &target, NULL, 0, "");
    assert_same(&source, &target);
    assert_int_equal(target.resized, 0);
    sides_fini(&source, &target);
}

static void lengths_change_in_both_directions(void **state)
{
    static const struct lengths others[] = {
        {1, KIB(32), PAGE, 8 * PAGE, false},
        {PAGE, KIB(32), 2 * PAGE, 8 * PAGE, false},
        {5999, KIB(32), 3 * PAGE - 1, 8 * PAGE, false},
        {KIB(16), KIB(16), 8 * PAGE, 8 * PAGE, false},
        {KIB(32), KIB(64), 7 * PAGE + 1, 64 * PAGE, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct side source, target;

        sides_init(&source, &target, &usual, &others[i]);
        carry(&source, &target, NULL, 0, "");
        assert_same(&source, &target);
        assert_int_equal(target.resized, 2);
        sides_fini(&source, &target);

        sides_init(&source, &target, &others[i], &usual);
        carry(&source, &target, NULL, 0, "");
        assert_same(&source, &target);
        assert_int_equal(target.resized, 2);
        sides_fini(&source, &target);
    }
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        struct lengths there, here;
        enum xen_migrate_policy policy;
        const char *text;
    } cases[] = {
        {{6000, KIB(32), PAGE, PAGE, false},
         {6000, KIB(8), PAGE, PAGE, false},
         XEN_MIGRATE_STRICT,
         "block rom: max length 0x8000 in the stream, 0x2000 here"},
        {{KIB(12), KIB(32), PAGE, PAGE, false},
         {PAGE, KIB(8), PAGE, PAGE, false},
         XEN_MIGRATE_ADAPT,
         "block rom: Length too large: 0x3000 in the stream, 0x1000 here, at "
         "most 0x2000"},
        {{6000, KIB(32), PAGE, PAGE, false},
         {5999, KIB(32), PAGE, PAGE, true},
         XEN_MIGRATE_ADAPT,
         "block rom: Length mismatch: 0x1770 in the stream, 0x176f here, and "
         "it cannot be resized"},
        {{6000, KIB(32), PAGE, PAGE, false},
         {5999, KIB(32), PAGE, PAGE, false},
         XEN_MIGRATE_STRICT,
         "block rom: Length mismatch: 0x1770 in the stream, 0x176f here, and "
         "the policy is strict"},
        {{6000, KIB(32), 3 * PAGE, 8 * PAGE, false},
         {6000, KIB(32), 2 * PAGE, 2 * PAGE, false},
         XEN_MIGRATE_ADAPT,
         "block private: Length too large: 0x3000 in the stream, 0x2000 "
         "here, at most 0x2000"},
        /* Longer than the reader would read. */
        {{6000, KIB(32), KIB(2048), KIB(2048), false},
         {6000, KIB(32), 2 * PAGE, 2 * PAGE, false},
         XEN_MIGRATE_ADAPT,
         "block private: Length too large: 0x200000 in the stream"},
        {{6000, KIB(32), 3 * PAGE, 8 * PAGE, false},
         {6000, KIB(32), 2 * PAGE, 8 * PAGE, true},
         XEN_MIGRATE_ADAPT,
         "block private: Length mismatch: 0x3000 in the stream, 0x2000 here"},
        {{6000, KIB(32), 3 * PAGE, 8 * PAGE, true},
         {6000, KIB(32), 3 * PAGE, 8 * PAGE, false},
         XEN_MIGRATE_STRICT,
         "block rom: not resizeable in the stream, resizeable here"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct xen_migrate_options options = {
            .policy = cases[i].policy,
        };
        struct side source, target;

        sides_init(&source, &target, &cases[i].there, &cases[i].here);
        carry(&source, &target, &options, -EINVAL, cases[i].text);
        sides_fini(&source, &target);
    }
}

static void strict_loads_what_is_equal(void **state)
{
    const struct xen_migrate_options options = {.policy = XEN_MIGRATE_STRICT};
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    carry(&source, &target, &options, 0, "");
    assert_same(&source, &target);
    sides_fini(&source, &target);
}

static struct xen_ram_block *add_block(struct side *side, const char *idstr,
                                       enum xen_ram_kind kind, unsigned flags,
                                       uint64_t gfn)
{
    const struct xen_ram_spec spec = {
        .idstr = idstr,
        .kind = kind,
        .flags = flags,
        .gfn = kind == XEN_RAM_PRIVATE ? XEN_RAM_NO_GFN : gfn,
        .size = PAGE,
    };

    return side_add(side, &spec);
}

static void blocks_of_one_side_only_are_refused(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    add_block(&source, "extra", XEN_RAM_PRIVATE, 0, 0);
    carry(&source, &target, NULL, -EINVAL,
          "block extra: unknown here, 0x1000 bytes in the stream");
    sides_fini(&source, &target);

    sides_init(&source, &target, &usual, &usual);
    add_block(&target, "extra", XEN_RAM_PRIVATE, 0, 0);
    carry(&source, &target, NULL, -EINVAL,
          "block extra: 0x1000 bytes here, missing in the stream");
    sides_fini(&source, &target);
}

static void blocks_of_another_nature_are_refused(void **state)
{
    static const struct {
        enum xen_ram_kind there, here;
        unsigned there_flags, here_flags;
        const char *text;
    } cases[] = {
        {XEN_RAM_PRIVATE, XEN_RAM_VISIBLE, 0, 0,
         "block x: private in the stream, guest-visible here"},
        {XEN_RAM_VISIBLE, XEN_RAM_PRIVATE, 0, 0,
         "block x: guest-visible in the stream, private here"},
        {XEN_RAM_VISIBLE, XEN_RAM_VISIBLE, XEN_RAM_ROM, 0,
         "block x: a ROM in the stream, writable here"},
        {XEN_RAM_VISIBLE, XEN_RAM_VISIBLE, 0, XEN_RAM_ROM,
         "block x: writable in the stream, a ROM here"},
        {XEN_RAM_GUEST, XEN_RAM_VISIBLE, 0, 0,
         "block x: guest RAM in the stream, guest-visible here"},
        {XEN_RAM_GUEST, XEN_RAM_GUEST, 0, 0,
         "block x: gfn 0xf4000 in the stream, 0xf5000 here"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct side source, target;

        sides_init(&source, &target, &usual, &usual);
        add_block(&source, "x", cases[i].there, cases[i].there_flags, 0xf4000);
        add_block(&target, "x", cases[i].here, cases[i].here_flags, 0xf5000);
        carry(&source, &target, NULL, -EINVAL, cases[i].text);
        sides_fini(&source, &target);
    }
}

static void devices_of_one_side_only_are_refused(void **state)
{
    static const struct xen_migrate_state other = {
        .name = "other",
        .size = sizeof(struct uart),
    };
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    source.nr_devices = 1;
    carry(&source, &target, NULL, -EINVAL,
          "device uart instance 1 is here, missing in the stream");
    sides_fini(&source, &target);

    sides_init(&source, &target, &usual, &usual);
    target.nr_devices = 1;
    carry(&source, &target, NULL, -EINVAL,
          "device uart: instance 1 in the stream, but only 0 here");
    sides_fini(&source, &target);

    sides_init(&source, &target, &usual, &usual);
    target.devices[0].saved = &other;
    target.devices[1].saved = &other;
    carry(&source, &target, NULL, -ENOTSUP,
          "unknown section uart instance 0 version 2");
    sides_fini(&source, &target);
}

static void an_optional_device_may_be_missing_unless_strict(void **state)
{
    static const struct xen_migrate_options strict = {.policy =
                                                          XEN_MIGRATE_STRICT};
    struct xen_migrate_state optional;
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    optional = *target.devices[1].saved;
    optional.optional = true;
    target.devices[0].saved = target.devices[1].saved = &optional;
    source.nr_devices = 1;
    target.uarts[1].age = 5;
    carry(&source, &target, &strict, -EINVAL,
          "device uart instance 1 is here, missing in the stream");
    carry(&source, &target, NULL, 0, "");
    assert_int_equal(target.uarts[0].sent, source.uarts[0].sent);
    assert_int_equal(target.uarts[1].age, 5);
    sides_fini(&source, &target);
}

static void an_older_version_loads_and_keeps_what_it_lacks(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    source.devices[0].saved = &uart_v1;
    source.devices[1].saved = &uart_v1;
    target.uarts[0].age = 5;
    carry(&source, &target, NULL, 0, "");
    assert_int_equal(target.uarts[0].sent, source.uarts[0].sent);
    assert_int_equal(target.uarts[0].age, 5);
    assert_int_equal(target.uarts[1].age, 0);
    assert_int_equal(target.uarts[1].scratch, 0);
    sides_fini(&source, &target);
}

static void versions_out_of_reach_are_refused_with_both_numbers(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    target.devices[0].saved = &uart_v1;
    carry(&source, &target, NULL, -ENOTSUP,
          "device uart instance 0: version 2 in the stream, this program "
          "reads 1 to 1: load it with the newer program");
    sides_fini(&source, &target);

    sides_init(&source, &target, &usual, &usual);
    source.devices[0].saved = &uart_v1;
    target.devices[0].saved = &uart_v2_only;
    carry(&source, &target, NULL, -ENOTSUP,
          "device uart instance 0: version 1 in the stream, this program "
          "reads 2 to 2: load it with an older program");
    sides_fini(&source, &target);
}

static void an_unknown_subsection_is_refused_by_name(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    target.devices[1].saved = &uart_v2_only;
    carry(&source, &target, NULL, -ENOTSUP,
          "device uart instance 1: subsection uart/scratch is unknown");
    sides_fini(&source, &target);
}

static void a_subsection_is_written_only_when_needed(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    source.uarts[1].scratch = 0;
    target.devices[1].saved = &uart_v2_only;
    carry(&source, &target, NULL, 0, "");
    sides_fini(&source, &target);
}

static void a_check_that_says_no_refuses_with_its_words(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    source.uarts[1].divisor = 0;
    carry(&source, &target, NULL, -EINVAL,
          "device uart instance 1: divisor is 0, 1 to 65535 go");
    sides_fini(&source, &target);
}

static void a_state_loads_only_in_phase_loading(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    carry(&source, &target, NULL, 0, "");
    assert_int_equal(xen_ram_set_phase(target.ram, XEN_RAM_RUNNING), 0);
    carry(&source, &target, NULL, -EPERM, "phase LOADING");
    sides_fini(&source, &target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_carries_everything),
        cmocka_unit_test(lengths_change_in_both_directions),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(strict_loads_what_is_equal),
        cmocka_unit_test(blocks_of_one_side_only_are_refused),
        cmocka_unit_test(blocks_of_another_nature_are_refused),
        cmocka_unit_test(devices_of_one_side_only_are_refused),
        cmocka_unit_test(an_optional_device_may_be_missing_unless_strict),
        cmocka_unit_test(an_older_version_loads_and_keeps_what_it_lacks),
        cmocka_unit_test(versions_out_of_reach_are_refused_with_both_numbers),
        cmocka_unit_test(an_unknown_subsection_is_refused_by_name),
        cmocka_unit_test(a_subsection_is_written_only_when_needed),
        cmocka_unit_test(a_check_that_says_no_refuses_with_its_words),
        cmocka_unit_test(a_state_loads_only_in_phase_loading),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
