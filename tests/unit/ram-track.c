/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What a guest writes to memory that somebody shows. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/ram-env.h"

#define FAR UINT64_C(0x400000) /* more than 1 GiB from HOME */

static struct xen_ram_block *block_at(struct env *env, const char *idstr,
                                      unsigned flags, uint64_t gfn,
                                      uint64_t pages)
{
    return must_alloc(env, &(struct xen_ram_spec){
                               .idstr = idstr,
                               .kind = XEN_RAM_VISIBLE,
                               .flags = flags | XEN_RAM_RESIZEABLE,
                               .gfn = gfn,
                               .size = pages * PAGE,
                               .max_length = 16 * PAGE,
                           });
}

static struct xen_ram_block *tracked(struct env *env, const char *idstr,
                                     uint64_t gfn, uint64_t pages)
{
    return block_at(env, idstr, XEN_RAM_TRACKED, gfn, pages);
}

static int note_run(uint64_t gfn, uint64_t nr, void *opaque)
{
    char *text = opaque;
    size_t len = strlen(text);

    snprintf(text + len, 256 - len, "0x%" PRIx64 "+%" PRIu64 " ", gfn, nr);
    return 0;
}

/* What the display gets to know, after a look of Xen's. */
static const char *seen(struct env *env)
{
    static char text[256];

    text[0] = '\0';
    assert_int_equal(xen_ram_sync_dirty(env->ram), 0);
    assert_int_equal(xen_ram_dirty_take(env->ram, XEN_RAM_DISPLAY, 0,
                                        UINT64_C(1) << 28, note_run, text),
                     0);
    return text;
}

static void guest_writes(uint64_t gfn)
{
    static const uint8_t byte = 1;

    fakexen_poke(DOMID, gfn * PAGE + 99, &byte, 1);
}

static void start(struct env *env)
{
    assert_int_equal(xen_ram_dirty_start(env->ram, XEN_RAM_DISPLAY), 0);
}

static void several_blocks_are_tracked_at_once(void **state)
{
    struct env *env = *state;
    uint64_t gfn;

    block_at(env, "b", 0, HOME - 0x100, 1);
    start(env);
    tracked(env, "a", HOME, 4);
    tracked(env, "c", BAR, 2);
    assert_string_equal(seen(env), "0xe0000+2 0xf0000+4 ");
    assert_string_equal(seen(env), "");
    guest_writes(HOME + 3);
    guest_writes(BAR + 1);
    guest_writes(HOME + 3);
    guest_writes(0x200);
    guest_writes(HOME - 0x100);
    assert_string_equal(seen(env), "0xe0001+1 0xf0003+1 ");
    assert_string_equal(seen(env), "");
    assert_int_equal(fakexen_tracked(DOMID, &gfn), HOME + 4 - BAR);
    assert_int_equal(gfn, BAR);
}

static void blocks_that_change_are_written_anew(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = tracked(env, "a", HOME, 4);

    start(env);
    assert_string_equal(seen(env), "0xf0000+4 ");
    assert_int_equal(xen_ram_resize(env->ram, block, 6 * PAGE), 0);
    assert_string_equal(seen(env), "0xf0000+6 ");
    assert_int_equal(xen_ram_relocate(env->ram, block, BAR), 0);
    assert_string_equal(seen(env), "0xe0000+6 ");
    guest_writes(BAR + 5);
    assert_string_equal(seen(env), "0xe0005+1 ");
}

static void blocks_too_far_apart_count_as_written(void **state)
{
    struct env *env = *state;

    start(env);
    tracked(env, "a", HOME, 1);
    tracked(env, "b", FAR, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_string_equal(seen(env), "0xf0000+1 0x400000+2 ");
    assert_int_equal(fakexen_calls(FAKEXEN_DM), 0);
}

static void nothing_is_asked_that_nobody_wants_to_know(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block;
    uint64_t gfn;

    start(env);
    assert_string_equal(seen(env), "");
    block = tracked(env, "a", HOME, 1);
    xen_ram_dirty_stop(env->ram, XEN_RAM_DISPLAY);
    assert_int_equal(xen_ram_sync_dirty(env->ram), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_DM), 0);
    start(env);
    assert_string_equal(seen(env), "0xf0000+1 ");
    xen_ram_dirty_stop(env->ram, XEN_RAM_DISPLAY);
    assert_int_equal(fakexen_tracked(DOMID, &gfn), 0);
    xen_ram_free(env->ram, block);
}

static void what_xen_does_not_tell_counts_as_written(void **state)
{
    struct env *env = *state;

    start(env);
    tracked(env, "a", HOME, 2);
    assert_string_equal(seen(env), "0xf0000+2 ");
    fakexen_fail(FAKEXEN_DM, 1, 1, EPERM);
    assert_int_equal(xen_ram_sync_dirty(env->ram), -EPERM);
    assert_error_says(env, "what the guest wrote to 0x2 pages");
    assert_string_equal(seen(env), "0xf0000+2 ");
}

static void only_guest_visible_blocks_are_tracked(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block;
    struct xen_ram_spec spec = {.idstr = "p",
                                .kind = XEN_RAM_PRIVATE,
                                .flags = XEN_RAM_TRACKED,
                                .gfn = XEN_RAM_NO_GFN,
                                .size = PAGE};

    assert_int_equal(xen_ram_alloc(env->ram, &spec, &block), -EINVAL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(several_blocks_are_tracked_at_once),
        RAM_TEST(blocks_that_change_are_written_anew),
        RAM_TEST(blocks_too_far_apart_count_as_written),
        RAM_TEST(nothing_is_asked_that_nobody_wants_to_know),
        RAM_TEST(what_xen_does_not_tell_counts_as_written),
        RAM_TEST(only_guest_visible_blocks_are_tracked),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
