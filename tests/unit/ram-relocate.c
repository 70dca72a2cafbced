/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>

#include "tests/unit/ram-env.h"

static void pattern(struct env *env, struct xen_ram_block *block, uint64_t nr,
                    bool check)
{
    for (uint64_t i = 0; i < nr; i++) {
        uint64_t value = i * 0x9e3779b97f4a7c15, seen = 0;

        if (check) {
            assert_int_equal(xen_ram_read(env->ram, block, i * PAGE, &seen, 8),
                             0);
            assert_int_equal(seen, value);
        } else {
            assert_int_equal(
                xen_ram_write(env->ram, block, i * PAGE, &value, 8), 0);
        }
    }
}

static void relocation_carries_content_wherever_it_goes(void **state)
{
    static const int64_t moves[] = {-1,  1,        -7,      100, -299,
                                    300, -0x10000, 0x10000, 5,   0};
    struct env *env = *state;
    struct xen_ram_block *block = visible(env, "v", 0, 300 * PAGE);
    uint64_t gfn = HOME;

    pattern(env, block, 300, false);
    for (size_t i = 0; i < NR(moves); i++) {
        gfn += (uint64_t)moves[i];
        assert_int_equal(xen_ram_relocate(env->ram, block, gfn), 0);
        assert_int_equal(xen_ram_gfn(block), gfn);
        pattern(env, block, 300, true);
        assert_types(gfn, 300, FAKEXEN_RAM_RW);
        assert_int_equal(fakexen_type(DOMID, gfn - 1), FAKEXEN_HOLE);
        assert_int_equal(fakexen_type(DOMID, gfn + 300), FAKEXEN_HOLE);
        assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 300);
    }
}

static void overlapping_moves_that_fail_are_undone(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = visible(env, "v", 0, 30 * PAGE);

    pattern(env, block, 30, false);
    for (unsigned nth = 1; nth <= 30; nth++) {
        fakexen_fail(FAKEXEN_RELOCATE, nth, 1, ENOMEM);
        assert_int_equal(
            xen_ram_relocate(env->ram, block, nth % 2 ? HOME + 1 : HOME - 1),
            -ENOMEM);
        pattern(env, block, 30, true);
        assert_types(HOME, 30, FAKEXEN_RAM_RW);
        assert_int_equal(fakexen_type(DOMID, HOME - 1), FAKEXEN_HOLE);
        assert_int_equal(fakexen_type(DOMID, HOME + 30), FAKEXEN_HOLE);
    }
}

static void large_blocks_move_in_steps_that_xen_takes(void **state)
{
    struct env *env = *state;
    struct xen_ram_spec spec = {
        .idstr = "big",
        .kind = XEN_RAM_VISIBLE,
        .gfn = 0x100000,
        .size = (uint64_t)70000 * PAGE,
    };
    struct xen_ram_block *block;

    fakexen_set_maxmem(DOMID, 200000);
    fakexen_fill_new_frames(0);
    block = must_alloc(env, &spec);
    assert_int_equal(xen_ram_relocate(env->ram, block, 0x200000), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_RELOCATE), 3);
    for (uint64_t i = 0; i < 70000; i += 999) {
        assert_int_equal(fakexen_type(DOMID, 0x200000 + i), FAKEXEN_RAM_RW);
        assert_int_equal(fakexen_type(DOMID, 0x100000 + i), FAKEXEN_HOLE);
    }
}

static void relocation_refuses_what_it_would_destroy(void **state)
{
    static const struct xen_ram_spec low = {
        .idstr = "low", .kind = XEN_RAM_GUEST, .gfn = 0, .size = PAGES * PAGE};
    struct env *env = *state;
    struct xen_ram_block *ram = must_alloc(env, &low);
    struct xen_ram_block *v = visible(env, "v", 0, 3 * PAGE);
    struct xen_ram_block *p = private(env, 1, 0);

    assert_int_equal(xen_ram_relocate(env->ram, v, PAGES - 1), -EEXIST);
    assert_error_says(env, "'low'");
    assert_int_equal(xen_ram_relocate(env->ram, v, UINT64_C(1) << 28), -EINVAL);
    assert_int_equal(xen_ram_relocate(env->ram, v, XEN_RAM_NO_GFN), -EINVAL);
    assert_int_equal(xen_ram_relocate(env->ram, p, BAR), -EINVAL);
    assert_int_equal(xen_ram_relocate(env->ram, ram, BAR), -EINVAL);
    assert_int_equal(fakexen_calls(FAKEXEN_RELOCATE), 0);
}

static void the_guest_sees_the_pages_where_they_went(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = visible(env, "v", 0, 4 * PAGE);
    uint32_t value = 0xdeadbeef, seen;
    void *host;

    /* Known to the map cache as holes before, and as RAM after. */
    assert_int_equal(xen_mapcache_lookup(env->cache, BAR * PAGE, 4, &host),
                     -EFAULT);
    assert_int_equal(xen_ram_write(env->ram, block, 0, &value, 4), 0);
    assert_int_equal(xen_ram_relocate(env->ram, block, BAR), 0);
    assert_int_equal(xen_mapcache_lookup(env->cache, BAR * PAGE, 4, &host), 0);
    assert_int_equal(*(const volatile uint32_t *)host, value);
    assert_int_equal(xen_mapcache_lookup(env->cache, HOME * PAGE, 4, &host),
                     -EFAULT);
    fakexen_peek(DOMID, BAR * PAGE, &seen, 4);
    assert_int_equal(seen, value);
    xen_mapcache_quiescent();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(relocation_carries_content_wherever_it_goes),
        RAM_TEST(overlapping_moves_that_fail_are_undone),
        RAM_TEST(large_blocks_move_in_steps_that_xen_takes),
        RAM_TEST(relocation_refuses_what_it_would_destroy),
        RAM_TEST(the_guest_sees_the_pages_where_they_went),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
