/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>

#include "tests/unit/ram-env.h"

/* Lengths that the owner was told last. */
struct told {
    unsigned times;
    uint64_t old_length, new_length;
};

static void on_resized(struct xen_ram_block *block, uint64_t old_length,
                       uint64_t new_length, void *opaque)
{
    struct told *told = opaque;

    assert_int_equal(xen_ram_used_length(block), new_length);
    *told = (struct told){told->times + 1, old_length, new_length};
}

static void restored_pages_are_adopted_and_not_touched(void **state)
{
    struct env *env = *state;
    struct told told = {0};
    struct xen_ram_spec spec = {
        .idstr = "rom",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM | XEN_RAM_RESIZEABLE,
        .gfn = HOME,
        .size = 2 * PAGE,
        .max_length = 8 * PAGE,
        .resized = on_resized,
        .opaque = &told,
    };
    struct xen_ram_block *rom;
    uint8_t byte = 0;

    assert_int_equal(fakexen_balloon_in(DOMID, BAR, 4), 0);
    fakexen_poke(DOMID, BAR * PAGE, "x", 1);
    xen_ram_set_phase(env->ram, XEN_RAM_LOADING);
    rom = must_alloc(env, &spec);
    assert_int_equal(xen_ram_gfn(rom), XEN_RAM_NO_GFN);
    assert_int_equal(xen_ram_read(env->ram, rom, 0, &byte, 1), -EFAULT);
    assert_int_equal(xen_ram_write(env->ram, rom, 0, &byte, 1), -EFAULT);
    assert_int_equal(xen_ram_relocate(env->ram, rom, BAR), -EINVAL);
    assert_int_equal(xen_ram_reapply(env->ram, rom), 0);
    assert_int_equal(xen_ram_adopt(env->ram, rom, BAR, 9 * PAGE), -E2BIG);
    assert_int_equal(xen_ram_adopt(env->ram, rom, UINT64_MAX - 1, PAGE),
                     -EINVAL);
    assert_int_equal(xen_ram_gfn(rom), XEN_RAM_NO_GFN);
    /* Taken over and taken back. */
    assert_int_equal(xen_ram_adopt(env->ram, rom, BAR, 2 * PAGE), 0);
    assert_int_equal(xen_ram_read(env->ram, rom, 0, &byte, 1), 0);
    assert_int_equal(xen_ram_adopt(env->ram, rom, XEN_RAM_NO_GFN, 2 * PAGE), 0);
    assert_int_equal(xen_ram_read(env->ram, rom, 0, &byte, 1), -EFAULT);

    assert_int_equal(xen_ram_adopt(env->ram, rom, BAR, 4 * PAGE - 9), 0);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.old_length, 2 * PAGE);
    assert_int_equal(told.new_length, 4 * PAGE);
    assert_int_equal(xen_ram_gfn(rom), BAR);
    assert_int_equal(xen_ram_size(rom), 4 * PAGE - 9);
    assert_types(BAR, 4, FAKEXEN_RAM_RW);
    assert_int_equal(xen_ram_reapply(env->ram, rom), 0);
    assert_types(BAR, 4, FAKEXEN_RAM_RO);
    assert_int_equal(xen_ram_read(env->ram, rom, 0, &byte, 1), 0);
    assert_int_equal(byte, 'x');
    assert_int_equal(fakexen_calls(FAKEXEN_POPULATE), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_DECREASE), 0);

    xen_ram_set_phase(env->ram, XEN_RAM_RESET);
    assert_int_equal(xen_ram_adopt(env->ram, rom, HOME, PAGE), -EPERM);
    assert_int_equal(xen_ram_resize(env->ram, rom, PAGE), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 1);
}

static struct xen_ram_block *loading(struct env *env, const char *idstr,
                                     uint64_t gfn, uint64_t size,
                                     uint64_t max_length)
{
    struct xen_ram_spec spec = {
        .idstr = idstr,
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM | XEN_RAM_RESIZEABLE | XEN_RAM_WRITEBACK,
        .gfn = gfn,
        .size = size,
        .max_length = max_length,
    };

    xen_ram_set_phase(env->ram, XEN_RAM_LOADING);
    return must_alloc(env, &spec);
}

static void a_type_goes_with_the_block_that_set_it(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *rom = loading(env, "rom", HOME, 4 * PAGE, 4 * PAGE);

    assert_int_equal(fakexen_balloon_in(DOMID, BAR, 4), 0);
    assert_int_equal(xen_ram_adopt(env->ram, rom, BAR, 4 * PAGE), 0);
    assert_int_equal(xen_ram_reapply(env->ram, rom), 0);
    assert_types(BAR, 4, FAKEXEN_RAM_RO);
    assert_int_equal(fakexen_cacheattr(DOMID, BAR + 3), 6);

    fakexen_fail(FAKEXEN_MEM_TYPE, 1, 1, EPERM);
    assert_int_equal(xen_ram_adopt(env->ram, rom, XEN_RAM_NO_GFN, 4 * PAGE),
                     -EPERM);
    assert_int_equal(xen_ram_gfn(rom), BAR);
    fakexen_fail(FAKEXEN_MEM_TYPE, 1, 1, 0);
    assert_int_equal(xen_ram_adopt(env->ram, rom, XEN_RAM_NO_GFN, 4 * PAGE), 0);
    assert_types(BAR, 4, FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_cacheattr(DOMID, BAR + 3), -1);

    /* Once more, and a page in the middle does not take the type. */
    assert_int_equal(xen_ram_adopt(env->ram, rom, BAR, 4 * PAGE), 0);
    fakexen_refuse(DOMID, BAR + 2, EPERM);
    assert_int_equal(xen_ram_reapply(env->ram, rom), -EPERM);
    assert_error_says(env, "read-only");
    assert_types(BAR, 4, FAKEXEN_RAM_RW);
}

static void a_block_with_pages_of_its_own_takes_over_none(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *v = visible(env, "v", 0, 2 * PAGE);

    assert_int_equal(fakexen_balloon_in(DOMID, BAR, 2), 0);
    xen_ram_set_phase(env->ram, XEN_RAM_LOADING);
    assert_int_equal(xen_ram_adopt(env->ram, v, BAR, 2 * PAGE), -EINVAL);
    assert_error_says(env, "has pages at gfn 0xf0000");
    assert_int_equal(xen_ram_gfn(v), HOME);
    xen_ram_free(env->ram, v);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 2);
}

static void pages_that_the_guest_gave_back_need_no_type(void **state)
{
    static const uint64_t gone[] = {0, 5, 6, 15};
    struct env *env = *state;
    struct xen_ram_block *rom = loading(env, "rom", HOME, 16 * PAGE, 0);

    assert_int_equal(fakexen_balloon_in(DOMID, BAR, 16), 0);
    for (size_t i = 0; i < NR(gone); i++)
        fakexen_balloon_out(DOMID, BAR + gone[i], 1);
    assert_int_equal(xen_ram_adopt(env->ram, rom, BAR, 16 * PAGE), 0);
    assert_int_equal(xen_ram_reapply(env->ram, rom), 0);
    for (uint64_t i = 0; i < 16; i++) {
        bool hole = i == 0 || i == 5 || i == 6 || i == 15;

        assert_int_equal(fakexen_type(DOMID, BAR + i),
                         hole ? FAKEXEN_HOLE : FAKEXEN_RAM_RO);
    }
    /* All of them, and a call that fails for another reason. */
    fakexen_balloon_out(DOMID, BAR, 16);
    xen_mapcache_invalidate(env->cache);
    assert_int_equal(xen_ram_reapply(env->ram, rom), 0);
    fakexen_fail(FAKEXEN_MEM_TYPE, 1, 1, EPERM);
    assert_int_equal(xen_ram_reapply(env->ram, rom), -EPERM);
    fakexen_fail(FAKEXEN_MEM_TYPE, 1, 1, 0);
}

/* Headroom may be there once: it belongs to nobody until somebody grows. */
static void blocks_lie_as_close_as_their_pages(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *a = loading(env, "a", HOME, PAGE, 8 * PAGE);
    struct xen_ram_block *b = loading(env, "b", HOME + 8, PAGE, 8 * PAGE);

    assert_int_equal(fakexen_balloon_in(DOMID, BAR, 4), 0);
    assert_int_equal(xen_ram_adopt(env->ram, a, BAR, 2 * PAGE), 0);
    assert_int_equal(xen_ram_adopt(env->ram, b, BAR + 1, 2 * PAGE), -EEXIST);
    assert_error_says(env, "overlap block 'a', 0x2 pages");
    assert_int_equal(xen_ram_adopt(env->ram, b, BAR + 2, 2 * PAGE), 0);

    xen_ram_set_phase(env->ram, XEN_RAM_RESET);
    assert_int_equal(xen_ram_resize(env->ram, a, 3 * PAGE), -EEXIST);
    assert_error_says(env, "'b'");
    assert_int_equal(xen_ram_resize(env->ram, a, PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, b, 8 * PAGE), 0);
    assert_int_equal(xen_ram_relocate(env->ram, a, BAR + 2 + 8), 0);
    assert_int_equal(xen_ram_resize(env->ram, a, 8 * PAGE), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 16);
    /* At the end of the guest's space there is no room to grow either. */
    assert_int_equal(xen_ram_resize(env->ram, a, PAGE), 0);
    assert_int_equal(xen_ram_relocate(env->ram, a, (UINT64_C(1) << 28) - 1), 0);
    assert_int_equal(xen_ram_resize(env->ram, a, 2 * PAGE), -EINVAL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(restored_pages_are_adopted_and_not_touched),
        RAM_TEST(a_type_goes_with_the_block_that_set_it),
        RAM_TEST(a_block_with_pages_of_its_own_takes_over_none),
        RAM_TEST(pages_that_the_guest_gave_back_need_no_type),
        RAM_TEST(blocks_lie_as_close_as_their_pages),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
