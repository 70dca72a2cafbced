/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/ram-env.h"

#define UNIT (UINT64_C(2) << 20)
#define UNIT_PAGES (UNIT / PAGE)
#define UNITS 12u
#define PLACE UINT64_C(0x200000) /* gfn, 8 GiB */

static const struct xen_ram_spec devmem = {
    .idstr = "vm0",
    .kind = XEN_RAM_VISIBLE,
    .flags = XEN_RAM_SPARSE,
    .gfn = PLACE,
    .size = UNITS * UNIT,
    .unit = UNIT,
};

static void assert_plugged(struct env *env, const struct xen_ram_block *block,
                           const char *map)
{
    uint64_t offset = 0, length = 0, nr = 0;

    for (unsigned i = 0; i < UNITS; i++) {
        nr += map[i] == '1';
        assert_types(PLACE + i * UNIT_PAGES, UNIT_PAGES,
                     map[i] == '1' ? FAKEXEN_RAM_RW : FAKEXEN_HOLE);
    }
    assert_int_equal(xen_ram_plugged(block), nr * UNIT);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + nr * UNIT_PAGES);
    for (unsigned i = 0; i < UNITS; i++) {
        bool starts = map[i] == '1' && (i == 0 || map[i - 1] != '1');

        if (!starts)
            continue;
        assert_true(
            xen_ram_next_plugged(block, offset + length, &offset, &length));
        assert_int_equal(offset, i * UNIT);
        assert_int_equal(length, strspn(map + i, "1") * UNIT);
    }
    assert_false(
        xen_ram_next_plugged(block, offset + length, &offset, &length));
}

static void units_come_zeroed_and_go_and_the_page_count_is_exact(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block;
    uint8_t byte;

    fakexen_set_maxmem(DOMID, env->tot + UNITS * UNIT_PAGES);
    block = must_alloc(env, &devmem);
    assert_plugged(env, block, "000000000000");
    assert_int_equal(xen_ram_plug(env->ram, block, 2 * UNIT, 3 * UNIT), 0);
    assert_plugged(env, block, "001110000000");
    assert_filled(env, block, 2 * UNIT, 3 * UNIT, 0);
    fill(env, block, 2 * UNIT, 3 * UNIT, 0x31);
    assert_int_equal(xen_ram_unplug(env->ram, block, 3 * UNIT, UNIT), 0);
    assert_plugged(env, block, "001010000000");
    assert_int_equal(xen_ram_read(env->ram, block, 3 * UNIT, &byte, 1),
                     -EFAULT);
    assert_filled(env, block, 2 * UNIT, UNIT, 0x31);
    assert_int_equal(xen_ram_plug(env->ram, block, 3 * UNIT, UNIT), 0);
    assert_filled(env, block, 3 * UNIT, UNIT, 0);
    assert_filled(env, block, 4 * UNIT, UNIT, 0x31);
    assert_int_equal(xen_ram_plug(env->ram, block, 0, 2 * UNIT), 0);
    assert_int_equal(xen_ram_plug(env->ram, block, 11 * UNIT, UNIT), 0);
    assert_plugged(env, block, "111110000001");
    xen_ram_free(env->ram, block);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
    assert_types(PLACE, UNITS * UNIT_PAGES, FAKEXEN_HOLE);
}

static void it_does_in_any_phase_but_loading(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);

    assert_int_equal(xen_ram_plug(env->ram, block, 0, UNIT), 0);
    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_RUNNING), 0);
    assert_int_equal(xen_ram_plug(env->ram, block, UNIT, UNIT), 0);
    assert_int_equal(xen_ram_unplug(env->ram, block, 0, UNIT), 0);
    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_RESET), 0);
    assert_int_equal(xen_ram_unplug(env->ram, block, UNIT, UNIT), 0);
    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_LOADING), 0);
    assert_int_equal(xen_ram_plug(env->ram, block, 0, UNIT), -EPERM);
    assert_error_says(env, "vm0");
    assert_plugged(env, block, "000000000000");
}

static void what_is_no_sum_of_units_is_refused(void **state)
{
    static const struct {
        uint64_t offset, length;
        int plug, unplug;
        const char *words;
    } cases[] = {
        {0, 0, -EINVAL, -EINVAL, "whole units of 0x200000"},
        {0, PAGE, -EINVAL, -EINVAL, "whole units"},
        {PAGE, UNIT, -EINVAL, -EINVAL, "whole units"},
        {UNITS * UNIT, UNIT, -ERANGE, -ERANGE, "leave its 0x1800000"},
        {11 * UNIT, 2 * UNIT, -ERANGE, -ERANGE, "leave"},
        {-UNIT, UNIT, -ERANGE, -ERANGE, "leave"},
        {UNIT, -UNIT, -ERANGE, -ERANGE, "leave"},
        {3 * UNIT, 3 * UNIT, -EEXIST, -ENOENT, "the unit at 0x"},
        {0, UNITS * UNIT, -EEXIST, -ENOENT, "the unit at 0x"},
    };
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);
    struct xen_ram_block *whole = visible(env, "whole", 0, UNIT);

    assert_int_equal(xen_ram_plug(env->ram, block, 4 * UNIT, UNIT), 0);
    env->tot += UNIT_PAGES;
    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(
            xen_ram_plug(env->ram, block, cases[i].offset, cases[i].length),
            cases[i].plug);
        assert_error_says(env, cases[i].words);
        assert_int_equal(
            xen_ram_unplug(env->ram, block, cases[i].offset, cases[i].length),
            cases[i].unplug);
        assert_error_says(env, cases[i].words);
        assert_plugged(env, block, "000010000000");
    }
    assert_int_equal(xen_ram_plug(env->ram, whole, 0, UNIT), -EINVAL);
    assert_int_equal(xen_ram_unplug(env->ram, whole, 0, UNIT), -EINVAL);
    assert_int_equal(xen_ram_plugged(whole), 0);
    assert_int_equal(xen_ram_unit(whole), 0);
    assert_int_equal(xen_ram_relocate(env->ram, block, BAR), -EINVAL);
    assert_int_equal(xen_ram_resize(env->ram, block, UNIT), -EINVAL);
}

static void a_spec_that_contradicts_itself_is_refused(void **state)
{
    static const struct {
        unsigned flags;
        uint64_t size, max_length, unit;
    } cases[] = {
        {XEN_RAM_SPARSE, UNIT, 0, 0},
        {XEN_RAM_SPARSE, UNIT, 0, 2048},
        {XEN_RAM_SPARSE, 3 * UNIT, 0, 3 * PAGE},
        {XEN_RAM_SPARSE, UNIT + PAGE, 0, UNIT},
        {XEN_RAM_SPARSE, UNIT, 2 * UNIT, UNIT},
        {XEN_RAM_SPARSE | XEN_RAM_ROM, UNIT, 0, UNIT},
        {XEN_RAM_SPARSE | XEN_RAM_RESIZEABLE, UNIT, 0, UNIT},
        {0, UNIT, 0, UNIT},
    };
    struct env *env = *state;
    struct xen_ram_block *block;

    for (size_t i = 0; i < NR(cases); i++) {
        struct xen_ram_spec spec = devmem;

        spec.flags = cases[i].flags;
        spec.size = cases[i].size;
        spec.max_length = cases[i].max_length;
        spec.unit = cases[i].unit;
        assert_int_equal(xen_ram_alloc(env->ram, &spec, &block), -EINVAL);
        assert_error_says(env, "vm0");
        assert_null(xen_ram_find(env->ram, "vm0"));
    }
}

static void a_guest_without_room_is_told_both_numbers(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);
    struct xen_ram_room room;
    char words[64];

    fakexen_set_maxmem(DOMID, env->tot + 2 * UNIT_PAGES + 100);
    assert_int_equal(xen_ram_plug(env->ram, block, 0, UNIT), 0);
    assert_int_equal(xen_ram_get_room(env->ram, &room), 0);
    assert_int_equal(room.used, (env->tot + UNIT_PAGES) * PAGE);
    assert_int_equal(room.limit, (env->tot + 2 * UNIT_PAGES + 100) * PAGE);
    assert_int_equal(xen_ram_plug(env->ram, block, UNIT, 2 * UNIT), -ENOSPC);
    assert_error_says(env, "no room for 0x400 pages");
    snprintf(words, sizeof(words), "has 0x%" PRIx64 " of the 0x%" PRIx64,
             env->tot + UNIT_PAGES, env->tot + 2 * UNIT_PAGES + 100);
    assert_error_says(env, words);
    assert_error_says(env, "videoram");
    assert_plugged(env, block, "100000000000");
    assert_int_equal(xen_ram_plug(env->ram, block, 11 * UNIT, UNIT), 0);
    assert_plugged(env, block, "100000000001");
    fakexen_fail(FAKEXEN_XENCALL, 2, 1, EPERM);
    assert_int_equal(xen_ram_get_room(env->ram, &room), -EPERM);
}

static void a_page_that_is_refused_leaves_all_as_it_was(void **state)
{
    static const uint64_t pages[] = {0, 1, 511, 512, 1000, 1535};
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);

    for (size_t i = 0; i < NR(pages); i++) {
        uint64_t gfn = PLACE + 4 * UNIT_PAGES + pages[i];

        fakexen_refuse(DOMID, gfn, ENOMEM);
        assert_int_equal(xen_ram_plug(env->ram, block, 4 * UNIT, 3 * UNIT),
                         -ENOSPC);
        assert_error_says(env, "Xen does not give 0x600 pages");
        assert_plugged(env, block, "000000000000");
        fakexen_refuse(DOMID, gfn, 0);
    }
    assert_int_equal(xen_ram_plug(env->ram, block, 4 * UNIT, 3 * UNIT), 0);
    assert_plugged(env, block, "000011100000");
}

static void a_call_that_fails_leaves_all_as_it_was(void **state)
{
    static const enum fakexen_kind kinds[] = {FAKEXEN_POPULATE, FAKEXEN_MAP,
                                              FAKEXEN_DECREASE};
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);
    unsigned failed = 0;

    for (size_t i = 0; i < NR(kinds); i++) {
        for (unsigned nth = 1;; nth++) {
            fakexen_fail(kinds[i], nth, 1, EPERM);
            if (xen_ram_plug(env->ram, block, UNIT, 3 * UNIT) == 0)
                break;
            fakexen_fail(kinds[i], 1, 1, 0);
            failed++;
            assert_plugged(env, block, "000000000000");
        }
        fakexen_fail(kinds[i], 1, 1, 0);
        for (unsigned nth = 1;; nth++) {
            fakexen_fail(kinds[i], nth, 1, EPERM);
            if (xen_ram_unplug(env->ram, block, UNIT, 3 * UNIT) == 0)
                break;
            fakexen_fail(kinds[i], 1, 1, 0);
            failed++;
            assert_plugged(env, block, "011100000000");
        }
        fakexen_fail(kinds[i], 1, 1, 0);
        assert_plugged(env, block, "000000000000");
    }
    assert_true(failed >= 5);
}

static void pages_that_the_guest_gave_away_go_with_their_unit(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);

    assert_int_equal(xen_ram_plug(env->ram, block, 0, 2 * UNIT), 0);
    fakexen_balloon_out(DOMID, PLACE + 3, 2);
    fakexen_balloon_out(DOMID, PLACE + UNIT_PAGES - 1, 1);
    assert_int_equal(xen_ram_unplug(env->ram, block, 0, UNIT), 0);
    assert_plugged(env, block, "010000000000");
}

static void what_is_unplugged_is_gone_here_too(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = must_alloc(env, &devmem);
    void *host;

    assert_int_equal(xen_ram_plug(env->ram, block, 0, 2 * UNIT), 0);
    assert_int_equal(xen_mapcache_lookup(env->cache, PLACE * PAGE, 8, &host),
                     0);
    xen_mapcache_quiescent();
    assert_int_equal(xen_ram_unplug(env->ram, block, 0, UNIT), 0);
    assert_plugged(env, block, "010000000000");
    assert_int_equal(xen_mapcache_lookup(env->cache, PLACE * PAGE, 8, &host),
                     -EFAULT);
}

static void a_load_puts_units_where_they_were_and_takes_them_back(void **state)
{
    static const uint8_t plugged[] = {0x0d, 0x08};
    struct env *env = *state;
    struct xen_ram_block *block;
    uint64_t offset, length;

    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_LOADING), 0);
    block = must_alloc(env, &devmem);
    assert_int_equal(xen_ram_gfn(block), XEN_RAM_NO_GFN);
    assert_int_equal(xen_ram_home(block), PLACE);
    assert_int_equal(
        xen_ram_adopt(env->ram, block, PLACE + UNIT_PAGES, UNITS * UNIT),
        -EINVAL);
    assert_error_says(env, "0x200000");
    assert_error_says(env, "0x200200");
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(xen_ram_adopt_plugged(env->ram, block, plugged), 0);
        assert_int_equal(xen_ram_gfn(block), PLACE);
        assert_int_equal(xen_ram_plugged(block), 4 * UNIT);
        assert_true(
            xen_ram_next_plugged(block, 3 * UNIT + 5, &offset, &length));
        assert_int_equal(offset, 3 * UNIT + 5);
        assert_int_equal(length, UNIT - 5);
        if (round)
            break;
        assert_int_equal(
            xen_ram_adopt(env->ram, block, XEN_RAM_NO_GFN, UNITS * UNIT), 0);
        assert_int_equal(xen_ram_plugged(block), 0);
        assert_int_equal(xen_ram_gfn(block), XEN_RAM_NO_GFN);
    }
    assert_int_equal(fakexen_calls(FAKEXEN_POPULATE), 0);
    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_RUNNING), 0);
    assert_int_equal(xen_ram_plug(env->ram, block, UNIT, UNIT), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(units_come_zeroed_and_go_and_the_page_count_is_exact),
        RAM_TEST(it_does_in_any_phase_but_loading),
        RAM_TEST(what_is_no_sum_of_units_is_refused),
        RAM_TEST(a_spec_that_contradicts_itself_is_refused),
        RAM_TEST(a_guest_without_room_is_told_both_numbers),
        RAM_TEST(a_page_that_is_refused_leaves_all_as_it_was),
        RAM_TEST(a_call_that_fails_leaves_all_as_it_was),
        RAM_TEST(pages_that_the_guest_gave_away_go_with_their_unit),
        RAM_TEST(what_is_unplugged_is_gone_here_too),
        RAM_TEST(a_load_puts_units_where_they_were_and_takes_them_back),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
