/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/ram-env.h"

static void visible_memory_is_charged_exactly_and_zeroed(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = visible(env, "v", XEN_RAM_RESIZEABLE, 5000);

    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 2);
    assert_filled(env, block, 0, 2 * PAGE, 0);
    assert_types(HOME, 2, FAKEXEN_RAM_RW);
    assert_types(HOME + 2, 8, FAKEXEN_HOLE);
    fill(env, block, 0, 2 * PAGE, 0x44);

    assert_int_equal(xen_ram_resize(env->ram, block, 10 * PAGE), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 10);
    assert_filled(env, block, 0, 5000, 0x44);
    assert_filled(env, block, 5000, 10 * PAGE - 5000, 0);

    assert_int_equal(xen_ram_resize(env->ram, block, 1), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 1);
    assert_types(HOME + 1, 9, FAKEXEN_HOLE);
    assert_int_equal(xen_ram_resize(env->ram, block, 100), 0);
    assert_filled(env, block, 0, 1, 0x44);
    assert_filled(env, block, 1, 99, 0);

    xen_ram_free(env->ram, block);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
    assert_types(HOME, 1, FAKEXEN_HOLE);
}

/* As the guest sees them. */
static bool all_zero(uint64_t gfn, uint64_t nr)
{
    static const uint8_t zeroes[PAGE];

    for (uint64_t i = 0; i < nr; i++)
        if (memcmp(fakexen_host(DOMID, gfn + i), zeroes, PAGE) != 0)
            return false;
    return true;
}

static void new_pages_are_cleared_by_a_map_of_just_them(void **state)
{
    static const uint64_t growths[] = {1, 15, 16, 17, 32, 33, 48, 49, 256, 600};
    static const uint64_t places[] = {0, 1, 15, 500};
    struct env *env = *state;

    for (size_t i = 0; i < NR(growths) * NR(places); i++) {
        struct xen_ram_spec spec = {
            .idstr = "v", .kind = XEN_RAM_VISIBLE, .size = PAGE};
        uint64_t nr = growths[i / NR(places)], mapped;
        struct xen_ram_block *block;

        spec.gfn = HOME + places[i % NR(places)];
        assert_int_equal(
            xen_ram_alloc_resizeable(env->ram, &spec, 601 * PAGE, NULL, &block),
            0);
        mapped = fakexen_mapped_bytes();
        fakexen_reset_counters();
        assert_int_equal(xen_ram_resize(env->ram, block, (1 + nr) * PAGE), 0);
        assert_true(all_zero(spec.gfn, 1 + nr));
        assert_int_equal(fakexen_pages(FAKEXEN_MAP), nr);
        assert_int_equal(fakexen_mapped_bytes(), mapped);
        xen_ram_free(env->ram, block);
    }
}

static void large_extents_come_first(void **state)
{
    struct env *env = *state;
    struct xen_ram_spec spec = {
        .idstr = "v",
        .kind = XEN_RAM_VISIBLE,
        .gfn = HOME + 510,
        .size = (2 + 3 * 512 + 5) * PAGE,
    };
    struct xen_ram_block *block;

    /* Two pages up to the boundary, three large extents, five pages. */
    block = must_alloc(env, &spec);
    assert_int_equal(fakexen_calls(FAKEXEN_POPULATE), 3);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 3 * 512 + 7);
    fakexen_reset_counters();
    xen_ram_free(env->ram, block);
    assert_true(fakexen_calls(FAKEXEN_DECREASE) <= 4);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
}

/* A page in the first large extent is refused in the first call only. */
static void refuse_the_first_extent(enum fakexen_kind kind, void *opaque)
{
    unsigned *calls = opaque;

    if (kind == FAKEXEN_POPULATE) {
        ++*calls;
        fakexen_refuse(DOMID, HOME + 100, *calls == 1 ? ENOMEM : 0);
    }
}

static void where_no_large_extent_is_left_pages_do(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block;
    unsigned calls = 0;

    fakexen_set_hook(refuse_the_first_extent, &calls);
    block = visible(env, "v", 0, 1100 * PAGE);
    fakexen_set_hook(NULL, NULL);
    assert_int_equal(calls, 1 + 3);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 1100);
    assert_filled(env, block, 0, 1100 * PAGE, 0);
}

static void a_guest_without_room_is_told_so(void **state)
{
    struct env *env = *state;
    struct xen_ram_spec spec = {
        .idstr = "vram", .kind = XEN_RAM_VISIBLE, .gfn = HOME};
    struct xen_ram_block *block;

    fakexen_set_maxmem(DOMID, env->tot + 700);
    spec.size = 701 * PAGE;
    assert_int_equal(xen_ram_alloc(env->ram, &spec, &block), -ENOSPC);
    assert_error_says(env, "'vram'");
    assert_error_says(env, "videoram");
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
    assert_types(HOME, 701, FAKEXEN_HOLE);
    assert_null(xen_ram_find(env->ram, "vram"));
    spec.size = 700 * PAGE;
    must_alloc(env, &spec);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 700);
}

static void a_rom_is_read_only_for_the_guest_alone(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *rom =
        visible(env, "rom", XEN_RAM_ROM | XEN_RAM_RESIZEABLE, 2 * PAGE);
    uint8_t byte;

    assert_types(HOME, 2, FAKEXEN_RAM_RO);
    fill(env, rom, 0, 2 * PAGE, 0x55);
    fakexen_peek(DOMID, HOME * PAGE + 77, &byte, 1);
    assert_int_equal(byte, 0x55);
    assert_int_equal(xen_ram_resize(env->ram, rom, 5 * PAGE), 0);
    assert_types(HOME, 5, FAKEXEN_RAM_RO);
    assert_int_equal(xen_ram_relocate(env->ram, rom, BAR), 0);
    assert_types(BAR, 5, FAKEXEN_RAM_RO);
    assert_types(HOME, 5, FAKEXEN_HOLE);
    assert_filled(env, rom, 0, 2 * PAGE, 0x55);
    assert_filled(env, rom, 2 * PAGE, 3 * PAGE, 0);
}

static void what_a_guest_tells_a_device_to_write_spares_roms(void **state)
{
    static const struct {
        uint64_t offset; /* from the page before the ROM */
        size_t len;
        int rc;
    } cases[] = {
        {0, PAGE, 0},
        {PAGE - 8, 8, 0},
        {PAGE - 8, 9, -EROFS},
        {PAGE, 1, -EROFS},
        {3 * PAGE - 1, 1, -EROFS},
        {3 * PAGE, 1, -EFAULT},
        {0, 4 * PAGE, -EROFS},
        {0, 0, 0},
    };
    static uint8_t bytes[4 * PAGE];
    struct env *env = *state;
    struct xen_ram_block *rom = visible(env, "rom", XEN_RAM_ROM, 2 * PAGE);

    memset(bytes, 0x99, sizeof(bytes));
    assert_int_equal(fakexen_balloon_in(DOMID, HOME - 1, 1), 0);
    for (size_t i = 0; i < NR(cases); i++)
        assert_int_equal(
            xen_ram_guest_write(env->ram, (HOME - 1) * PAGE + cases[i].offset,
                                bytes, cases[i].len),
            cases[i].rc);
    assert_filled(env, rom, 0, 2 * PAGE, 0);
}

static void a_write_that_meets_a_hole_is_dirty_up_to_there(void **state)
{
    struct env *env = *state;
    uint8_t bytes[2 * PAGE] = {1};

    visible(env, "v", 0, PAGE);
    fakexen_set_log_dirty(DOMID, true);
    assert_int_equal(xen_ram_log_dirty(env->ram, true), 0);
    assert_int_equal(
        xen_ram_guest_write(env->ram, HOME * PAGE, bytes, 2 * PAGE), -EFAULT);
    fakexen_clear_dirty(DOMID);
    /* Above it there is a page, so that Xen listens. */
    assert_int_equal(fakexen_balloon_in(DOMID, HOME + 9, 1), 0);
    assert_int_equal(xen_ram_report_dirty(env->ram), 0);
    assert_int_equal(fakexen_dirty_count(DOMID), 1);
    assert_true(fakexen_dirty(DOMID, HOME));
}

static void a_page_that_refuses_changes_nothing(void **state)
{
    /* Before, at, inside and after the large extent; the last of all. */
    static const uint64_t pages[] = {300, 301, 511, 512, 777, 1023, 1024, 1199};
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "block", XEN_RAM_RESIZEABLE, 300 * PAGE);

    fill(env, block, 0, 300 * PAGE, 0x77);
    for (size_t i = 0; i < NR(pages); i++) {
        fakexen_refuse(DOMID, HOME + pages[i], ENOMEM);
        assert_int_equal(xen_ram_resize(env->ram, block, 1200 * PAGE), -ENOSPC);
        fakexen_refuse(DOMID, HOME + pages[i], 0);
        fakexen_refuse(DOMID, BAR + pages[i] % 300, ENOMEM);
        assert_true(xen_ram_relocate(env->ram, block, BAR) < 0);
        fakexen_refuse(DOMID, BAR + pages[i] % 300, 0);
        assert_int_equal(xen_ram_gfn(block), HOME);
        assert_int_equal(xen_ram_size(block), 300 * PAGE);
        assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 300);
        assert_types(HOME, 300, FAKEXEN_RAM_RW);
        assert_types(HOME + 300, 900, FAKEXEN_HOLE);
        assert_types(BAR, 300, FAKEXEN_HOLE);
        assert_filled(env, block, 0, 300 * PAGE, 0x77);
    }
    assert_int_equal(xen_ram_resize(env->ram, block, 1200 * PAGE), 0);
}

static void a_failed_shrink_keeps_the_length(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "block", XEN_RAM_RESIZEABLE, 1200 * PAGE);

    fill(env, block, 0, 1200 * PAGE, 0x78);
    fakexen_fail(FAKEXEN_DECREASE, 1, 1, EPERM);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), -EPERM);
    assert_int_equal(xen_ram_size(block), 1200 * PAGE);
    assert_filled(env, block, 0, 1200 * PAGE, 0x78);
    /* In the middle: the length is right again, what was gone is zero. */
    fakexen_fail(FAKEXEN_DECREASE, 2, 1, EPERM);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), -EPERM);
    assert_int_equal(xen_ram_size(block), 1200 * PAGE);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 1200);
    assert_filled(env, block, 0, PAGE, 0x78);
}

static void a_shrink_passes_over_pages_that_the_guest_took(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "block", XEN_RAM_RESIZEABLE, 100 * PAGE);

    fakexen_balloon_out(DOMID, HOME + 40, 3);
    fakexen_balloon_out(DOMID, HOME + 99, 1);
    assert_int_equal(xen_ram_resize(env->ram, block, 10 * PAGE), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 10);
    assert_types(HOME + 10, 90, FAKEXEN_HOLE);
}

/*
 * Every call that an operation makes fails once: it gives an error, and the
 * block, its content and the guest are as they were.
 */
enum operation { ALLOC, GROW, RELOCATE, NR_OPERATIONS };

static int operate(struct env *env, enum operation operation,
                   struct xen_ram_block *block)
{
    static const struct xen_ram_spec spec = {
        .idstr = "other",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM | XEN_RAM_WRITEBACK,
        .gfn = 0xd0000,
        .size = 600 * PAGE,
    };

    switch (operation) {
    case ALLOC:
        return xen_ram_alloc(env->ram, &spec, &block);
    case GROW:
        return xen_ram_resize(env->ram, block, 900 * PAGE);
    default:
        return xen_ram_relocate(env->ram, block, BAR);
    }
}

/* nr pages from gfn on are pinned as cached, and none after them. */
static void assert_write_back(uint64_t gfn, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++)
        assert_int_equal(fakexen_cacheattr(DOMID, gfn + i), 6);
    assert_int_equal(fakexen_cacheattr(DOMID, gfn + nr), -1);
}

static void the_cache_attribute_goes_where_the_block_goes(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "vram", XEN_RAM_RESIZEABLE | XEN_RAM_WRITEBACK, 4 * PAGE);

    assert_write_back(HOME, 4);
    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), 0);
    assert_write_back(HOME, 9);
    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE - 1), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, 2 * PAGE), 0);
    assert_write_back(HOME, 2);
    fakexen_fail(FAKEXEN_DECREASE, 1, 1, EPERM);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), -EPERM);
    fakexen_fail(FAKEXEN_DECREASE, 1, 1, 0);
    assert_write_back(HOME, 2);
    assert_int_equal(xen_ram_relocate(env->ram, block, BAR), 0);
    assert_write_back(BAR, 2);
    assert_write_back(HOME, 0);
    xen_ram_free(env->ram, block);
    assert_write_back(BAR, 0);
}

static void the_error_that_is_told_is_the_first(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "vram", XEN_RAM_RESIZEABLE | XEN_RAM_WRITEBACK, 4 * PAGE);

    fakexen_fail(FAKEXEN_CACHEATTR, 1, 1, ENOMEM);
    fakexen_fail(FAKEXEN_DECREASE, 1, 1, EPERM);
    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), -ENOMEM);
    assert_true(fakexen_failed(FAKEXEN_DECREASE));
    assert_error_says(env, "cache");
    assert_int_equal(xen_ram_resize(env->ram, block, 0), -EINVAL);
    assert_error_says(env, "Length mismatch");
}

static void a_failed_call_changes_nothing(void **state)
{
    static const enum fakexen_kind kinds[] = {
        FAKEXEN_POPULATE, FAKEXEN_MAP,       FAKEXEN_MEM_TYPE,
        FAKEXEN_RELOCATE, FAKEXEN_CACHEATTR,
    };
    struct env *env = *state;
    struct xen_ram_block *block = visible(
        env, "block", XEN_RAM_ROM | XEN_RAM_RESIZEABLE | XEN_RAM_WRITEBACK,
        300 * PAGE);
    unsigned failed = 0, nth;
    int rc;

    fill(env, block, 0, 300 * PAGE, 0x66);
    for (enum operation op = ALLOC; op < NR_OPERATIONS; op++) {
        for (size_t i = 0; i < NR(kinds); i++) {
            for (nth = 1;; nth++) {
                fakexen_fail(kinds[i], nth, 1, EPERM);
                rc = operate(env, op, block);
                if (!fakexen_failed(kinds[i]))
                    break;
                fakexen_fail(kinds[i], 1, 1, 0);
                failed++;
                assert_true(rc < 0);
                assert_int_equal(xen_ram_size(block), 300 * PAGE);
                assert_int_equal(xen_ram_gfn(block), HOME);
                assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 300);
                assert_types(HOME, 300, FAKEXEN_RAM_RO);
                assert_types(HOME + 300, 600, FAKEXEN_HOLE);
                assert_types(BAR, 300, FAKEXEN_HOLE);
                assert_write_back(HOME, 300);
                assert_write_back(BAR, 0);
                assert_write_back(0xd0000, 0);
                assert_filled(env, block, 0, 300 * PAGE, 0x66);
            }
            fakexen_fail(kinds[i], 1, 1, 0);
            assert_int_equal(rc, 0);
            if (op == ALLOC) {
                xen_ram_free(env->ram, xen_ram_find(env->ram, "other"));
            } else if (op == GROW) {
                assert_int_equal(xen_ram_resize(env->ram, block, 300 * PAGE),
                                 0);
            } else {
                assert_int_equal(xen_ram_relocate(env->ram, block, HOME), 0);
            }
        }
    }
    assert_true(failed >= 8);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(visible_memory_is_charged_exactly_and_zeroed),
        RAM_TEST(new_pages_are_cleared_by_a_map_of_just_them),
        RAM_TEST(large_extents_come_first),
        RAM_TEST(where_no_large_extent_is_left_pages_do),
        RAM_TEST(a_guest_without_room_is_told_so),
        RAM_TEST(a_rom_is_read_only_for_the_guest_alone),
        RAM_TEST(what_a_guest_tells_a_device_to_write_spares_roms),
        RAM_TEST(a_write_that_meets_a_hole_is_dirty_up_to_there),
        RAM_TEST(a_page_that_refuses_changes_nothing),
        RAM_TEST(a_failed_shrink_keeps_the_length),
        RAM_TEST(a_shrink_passes_over_pages_that_the_guest_took),
        RAM_TEST(the_cache_attribute_goes_where_the_block_goes),
        RAM_TEST(the_error_that_is_told_is_the_first),
        RAM_TEST(a_failed_call_changes_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
