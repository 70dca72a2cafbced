/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/ram-env.h"

static void alloc_rejects_specs_out_of_range(void **state)
{
    static char name_127[128], name_128[129];
    static const struct {
        struct xen_ram_spec spec;
        int rc;
    } cases[] = {
        {{NULL, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         -EINVAL},
        {{"", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         -EINVAL},
        {{name_128, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         -EINVAL},
        {{name_127, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         0},
        {{name_127, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         -EEXIST},
        {{"a", (enum xen_ram_kind)4, 0, 0, 1, 0, NULL, NULL, 0}, -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 4, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, XEN_RAM_ROM, XEN_RAM_NO_GFN, 1, 0, NULL, NULL,
          0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, 0, 1, 0, NULL, NULL, 0}, -EINVAL},
        {{"a", XEN_RAM_VISIBLE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL, 0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 0, 0, NULL, NULL, 0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, UINT64_MAX, 0, NULL, NULL,
          0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, UINT64_MAX, NULL, NULL,
          0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 2, 1, NULL, NULL, 0},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, UINT64_C(1) << 50, NULL,
          NULL, 0},
         -ENOMEM},
        {{"ram", XEN_RAM_GUEST, 0, 0, PAGES * PAGE, 0, NULL, NULL, 0}, 0},
        {{"a", XEN_RAM_VISIBLE, 0, PAGES - 1, 1, 0, NULL, NULL, 0}, -EEXIST},
        {{"a", XEN_RAM_VISIBLE, 0, (UINT64_C(1) << 28) - 1, 2 * PAGE, 0, NULL,
          NULL, 0},
         -EINVAL},
        {{"a", XEN_RAM_VISIBLE, 0, XEN_RAM_NO_GFN - 1, PAGE, 0, NULL, NULL, 0},
         -EINVAL},
    };
    struct env *env = *state;
    struct xen_ram_block *block;

    memset(name_127, 'n', 127);
    memset(name_128, 'n', 128);
    for (size_t i = 0; i < NR(cases); i++) {
        block = NULL;
        if (xen_ram_alloc(env->ram, &cases[i].spec, &block) != cases[i].rc)
            fail_msg("case %zu: %s", i, xen_ram_error(env->ram));
        assert_true((block != NULL) == (cases[i].rc == 0));
    }
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
}

static void count_resizes(struct xen_ram_block *block, uint64_t old_length,
                          uint64_t new_length, void *opaque)
{
    assert_int_not_equal(old_length, new_length);
    assert_int_equal(xen_ram_used_length(block), new_length);
    ++*(unsigned *)opaque;
}

static void a_resizeable_block_has_a_maximum_and_tells_of_changes(void **state)
{
    static const struct {
        enum xen_ram_kind kind;
        uint64_t max_length;
        int rc;
    } cases[] = {
        {XEN_RAM_PRIVATE, 0, -EINVAL},  {XEN_RAM_PRIVATE, 4999, -EINVAL},
        {XEN_RAM_PRIVATE, 9 * PAGE, 0}, {XEN_RAM_VISIBLE, 0, -EINVAL},
        {XEN_RAM_VISIBLE, 9 * PAGE, 0}, {XEN_RAM_FILE, 9 * PAGE, -EINVAL},
    };
    struct env *env = *state;

    for (size_t i = 0; i < NR(cases); i++) {
        unsigned resizes = 0;
        struct xen_ram_spec spec = {
            .idstr = "r",
            .kind = cases[i].kind,
            .gfn = cases[i].kind == XEN_RAM_VISIBLE ? HOME : XEN_RAM_NO_GFN,
            .size = 5000,
            .max_length = 6000, /* does not count */
            .opaque = &resizes,
        };
        struct xen_ram_block *block = NULL;

        assert_int_equal(xen_ram_alloc_resizeable(env->ram, &spec,
                                                  cases[i].max_length,
                                                  count_resizes, &block),
                         cases[i].rc);
        assert_true((block != NULL) == (cases[i].rc == 0));
        if (!block) {
            assert_error_says(env, "'r'");
            continue;
        }
        assert_int_equal(xen_ram_get_flags(block), XEN_RAM_RESIZEABLE);
        assert_int_equal(xen_ram_max_length(block), 9 * PAGE);
        assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), 0);
        assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE + 1), -E2BIG);
        assert_int_equal(xen_ram_resize(env->ram, block, 5000), 0);
        assert_int_equal(resizes, 2);
        xen_ram_free(env->ram, block);
    }
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
}

static void blocks_of_a_guest_need_a_cache(void **state)
{
    static const struct xen_ram_spec spec = {
        .idstr = "a", .kind = XEN_RAM_GUEST, .size = 1};
    struct env *env = *state, bare = {0};
    struct xen_ram_block *block;

    assert_int_equal(xen_ram_open(DOMID, NULL, &bare.ram), 0);
    assert_int_equal(xen_ram_alloc(bare.ram, &spec, &block), -EINVAL);
    assert_error_says(&bare, "map cache");
    block = private(&bare, 5000, 0);
    assert_filled(&bare, block, 0, 2 * PAGE, 0);
    xen_ram_log_dirty(bare.ram, true);
    xen_ram_mark_dirty(bare.ram, 0, 4096);
    assert_int_equal(xen_ram_report_dirty(bare.ram), 0);
    xen_ram_close(bare.ram);
    assert_string_equal(xen_ram_error(env->ram), "");
}

static void open_gives_what_the_libraries_gave(void **state)
{
    struct env *env = *state;
    struct xen_ram *ram;

    for (unsigned nth = 1; nth <= 2; nth++) {
        fakexen_fail(FAKEXEN_OPEN, nth, 1, EACCES);
        assert_int_equal(xen_ram_open(DOMID, env->cache, &ram), -EACCES);
        assert_true(fakexen_failed(FAKEXEN_OPEN));
    }
    fakexen_fail(FAKEXEN_OPEN, 1, 1, 0);
    fakexen_fail(FAKEXEN_BUFFER, 1, 1, ENOMEM);
    assert_int_equal(xen_ram_open(DOMID, env->cache, &ram), -ENOMEM);
    assert_true(fakexen_failed(FAKEXEN_BUFFER));
    fakexen_fail(FAKEXEN_BUFFER, 1, 1, 0);
    xen_ram_close(NULL);
}

static void the_list_can_be_walked_and_searched(void **state)
{
    static const struct xen_ram_spec low = {
        .idstr = "low", .kind = XEN_RAM_GUEST, .gfn = 0, .size = PAGES * PAGE};
    struct env *env = *state;
    struct xen_ram_block *a = must_alloc(env, &low);
    struct xen_ram_block *b = visible(env, "b", XEN_RAM_RESIZEABLE, 5000);
    struct xen_ram_block *c = private(env, 1, 3 * PAGE);

    assert_ptr_equal(xen_ram_next(env->ram, NULL), a);
    assert_ptr_equal(xen_ram_next(env->ram, a), b);
    assert_ptr_equal(xen_ram_next(env->ram, b), c);
    assert_null(xen_ram_next(env->ram, c));
    assert_ptr_equal(xen_ram_find(env->ram, "b"), b);
    assert_null(xen_ram_find(env->ram, "bb"));
    assert_ptr_equal(xen_ram_find_gfn(env->ram, PAGES - 1), a);
    assert_null(xen_ram_find_gfn(env->ram, PAGES));
    assert_ptr_equal(xen_ram_find_gfn(env->ram, HOME + 1), b);
    assert_null(xen_ram_find_gfn(env->ram, HOME + 2));
    assert_null(xen_ram_find_gfn(env->ram, HOME - 1));
    assert_null(xen_ram_find_gfn(env->ram, XEN_RAM_NO_GFN));
    assert_ptr_equal(xen_ram_find_offset(env->ram, PAGES * PAGE - 1), a);
    assert_ptr_equal(xen_ram_find_offset(env->ram, PAGES * PAGE + 8191), b);
    assert_null(xen_ram_find_offset(env->ram, PAGES * PAGE + 8192));
    assert_ptr_equal(xen_ram_find_offset(env->ram, PAGES * PAGE + (16 << 20)),
                     c);
    assert_null(xen_ram_find_offset(env->ram, UINT64_MAX));

    assert_int_equal(xen_ram_size(b), 5000);
    assert_int_equal(xen_ram_used_length(b), 2 * PAGE);
    assert_int_equal(xen_ram_max_length(b), 16 << 20);
    assert_int_equal(xen_ram_gfn(b), HOME);
    assert_int_equal(xen_ram_gfn(c), XEN_RAM_NO_GFN);
    assert_int_equal(xen_ram_offset(a), 0);
    assert_int_equal(xen_ram_offset(b), PAGES * PAGE);
    assert_int_equal(xen_ram_offset(c), PAGES * PAGE + (16 << 20));
    assert_int_equal(xen_ram_get_kind(c), XEN_RAM_PRIVATE);
    assert_int_equal(xen_ram_get_flags(b), XEN_RAM_RESIZEABLE);
    assert_string_equal(xen_ram_idstr(c), "private");
    assert_null(xen_ram_host(b));
    assert_non_null(xen_ram_host(c));
    xen_ram_free(env->ram, b);
    xen_ram_free(env->ram, NULL);
    assert_ptr_equal(xen_ram_next(env->ram, a), c);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot);
}

static void a_host_pointer_leads_to_its_block(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *v = visible(env, "v", 0, 2 * PAGE);
    struct xen_ram_block *p = private(env, PAGE, 3 * PAGE);
    uint8_t *inside = xen_ram_host(p);
    uint64_t offset = 0;
    void *host;

    assert_ptr_equal(xen_ram_find_host(env->ram, inside + 77, &offset), p);
    assert_int_equal(offset, 77);
    assert_null(xen_ram_find_host(env->ram, inside + PAGE, &offset));
    assert_null(xen_ram_find_host(env->ram, &offset, &offset));
    assert_null(xen_ram_find_host(env->ram, NULL, &offset));

    assert_int_equal(
        xen_mapcache_lookup(env->cache, (HOME + 1) * PAGE + 5, 1, &host), 0);
    assert_ptr_equal(xen_ram_find_host(env->ram, host, &offset), v);
    assert_int_equal(offset, PAGE + 5);
    assert_null(xen_ram_find_host(env->ram, (uint8_t *)host + PAGE, &offset));
    xen_mapcache_quiescent();
}

static void access_ends_at_used_length(void **state)
{
    static const struct {
        uint64_t offset;
        size_t len;
        int rc;
    } cases[] = {
        {0, 2 * PAGE, 0},       {0, 2 * PAGE + 1, -ERANGE},
        {2 * PAGE, 0, 0},       {2 * PAGE, 1, -ERANGE},
        {2 * PAGE - 1, 1, 0},   {UINT64_MAX, 2, -ERANGE},
        {1, SIZE_MAX, -ERANGE},
    };
    struct env *env = *state;
    struct xen_ram_block *blocks[2] = {visible(env, "v", 0, PAGE + 1),
                                       private(env, PAGE + 1, 0)};
    static uint8_t buffer[2 * PAGE + 1];

    for (size_t i = 0; i < NR(cases); i++) {
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(xen_ram_read(env->ram, blocks[j], cases[i].offset,
                                          buffer, cases[i].len),
                             cases[i].rc);
            assert_int_equal(xen_ram_write(env->ram, blocks[j], cases[i].offset,
                                           buffer, cases[i].len),
                             cases[i].rc);
        }
    }
}

static void lengths_are_refused_in_the_words_of_the_field(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *fixed = visible(env, "fixed", 0, 5000);
    struct xen_ram_block *block = private(env, 5000, 3 * PAGE);

    assert_int_equal(xen_ram_resize(env->ram, fixed, 6000), -EINVAL);
    assert_error_says(env, "Length mismatch");
    assert_error_says(env, "'fixed'");
    assert_error_says(env, "0x1388");
    assert_error_says(env, "0x1770");
    assert_int_equal(xen_ram_resize(env->ram, fixed, 5000), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, 0), -EINVAL);
    assert_int_equal(xen_ram_resize(env->ram, block, 3 * PAGE + 1), -E2BIG);
    assert_error_says(env, "Length too large");
    assert_error_says(env, "0x3001");
    assert_int_equal(xen_ram_resize(env->ram, block, UINT64_MAX), -E2BIG);
    assert_int_equal(xen_ram_resize(env->ram, block, 3 * PAGE), 0);

    xen_ram_set_phase(env->ram, XEN_RAM_RUNNING);
    assert_int_equal(xen_ram_get_phase(env->ram), XEN_RAM_RUNNING);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), -EPERM);
    assert_error_says(env, "reset");
    assert_int_equal(xen_ram_size(block), 3 * PAGE);
    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_RESET), 0);
    assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_LOADING), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), 0);
}

static void phases_follow_each_other_as_the_header_says(void **state)
{
    static const enum xen_ram_phase phases[] = {XEN_RAM_RESET, XEN_RAM_LOADING,
                                                XEN_RAM_RUNNING};
    static const bool legal[3][3] = {
        [XEN_RAM_RESET] = {true, true, true},
        [XEN_RAM_LOADING] = {true, true, true},
        [XEN_RAM_RUNNING] = {true, false, true},
    };
    struct env *env = *state;

    private(env, PAGE, 0);
    visible(env, "v", 0, PAGE);
    for (size_t i = 0; i < NR(phases); i++) {
        for (size_t j = 0; j < NR(phases); j++) {
            enum xen_ram_phase from = phases[i], to = phases[j];

            assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_RESET), 0);
            assert_int_equal(xen_ram_set_phase(env->ram, from), 0);
            assert_int_equal(xen_ram_set_phase(env->ram, to),
                             legal[from][to] ? 0 : -EPERM);
            assert_int_equal(xen_ram_get_phase(env->ram),
                             legal[from][to] ? to : from);
        }
    }
    assert_error_says(env, "RUNNING cannot become LOADING");
    assert_int_equal(xen_ram_set_phase(env->ram, (enum xen_ram_phase)3),
                     -EINVAL);
    assert_error_says(env, "RUNNING cannot become phase 3");
}

static void a_load_ends_when_each_block_of_the_guest_has_pages(void **state)
{
    static const enum xen_ram_phase next[] = {XEN_RAM_RESET, XEN_RAM_RUNNING};
    static const char *const says[] = {"LOADING cannot become RESET",
                                       "LOADING cannot become RUNNING"};
    struct env *env = *state;
    struct xen_ram_block *block;

    assert_int_equal(fakexen_balloon_in(DOMID, BAR, 1), 0);
    for (size_t i = 0; i < NR(next); i++) {
        assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_RESET), 0);
        assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_LOADING), 0);
        private(env, PAGE, 0);
        block = visible(env, "waiting", 0, PAGE);
        assert_int_equal(xen_ram_set_phase(env->ram, next[i]), -EPERM);
        assert_error_says(env, says[i]);
        assert_error_says(env, "'waiting'");
        assert_int_equal(xen_ram_set_phase(env->ram, XEN_RAM_LOADING), 0);
        assert_int_equal(xen_ram_adopt(env->ram, block, BAR, PAGE), 0);
        assert_int_equal(xen_ram_set_phase(env->ram, next[i]), 0);
        assert_int_equal(xen_ram_get_phase(env->ram), next[i]);
        xen_ram_free(env->ram, block);
        xen_ram_free(env->ram, xen_ram_find(env->ram, "private"));
        assert_int_equal(fakexen_balloon_in(DOMID, BAR, 1), 0);
    }
}

static void a_closed_list_leaves_the_guest_its_pages(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block;

    visible(env, "v", 0, 9 * PAGE);
    xen_ram_close(env->ram);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 9);
    assert_types(HOME, 9, FAKEXEN_RAM_RW);
    assert_int_equal(xen_ram_open(DOMID, env->cache, &env->ram), 0);
    block = private(env, 1, 0);
    assert_ptr_equal(xen_ram_next(env->ram, NULL), block);
}

static void a_dead_domain_fails_every_call_and_frees_nothing_twice(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "v", XEN_RAM_RESIZEABLE | XEN_RAM_ROM, 9 * PAGE);
    uint8_t byte = 0;

    fakexen_destroy(DOMID);
    xen_mapcache_invalidate(env->cache);
    assert_true(xen_ram_resize(env->ram, block, 12 * PAGE) < 0);
    assert_true(xen_ram_relocate(env->ram, block, BAR) < 0);
    assert_int_equal(xen_ram_write(env->ram, block, 0, &byte, 1), -ESRCH);
    assert_int_equal(xen_ram_size(block), 9 * PAGE);
    xen_ram_free(env->ram, block);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(alloc_rejects_specs_out_of_range),
        RAM_TEST(a_resizeable_block_has_a_maximum_and_tells_of_changes),
        RAM_TEST(blocks_of_a_guest_need_a_cache),
        RAM_TEST(open_gives_what_the_libraries_gave),
        RAM_TEST(the_list_can_be_walked_and_searched),
        RAM_TEST(a_host_pointer_leads_to_its_block),
        RAM_TEST(access_ends_at_used_length),
        RAM_TEST(lengths_are_refused_in_the_words_of_the_field),
        RAM_TEST(phases_follow_each_other_as_the_header_says),
        RAM_TEST(a_load_ends_when_each_block_of_the_guest_has_pages),
        RAM_TEST(a_closed_list_leaves_the_guest_its_pages),
        RAM_TEST(a_dead_domain_fails_every_call_and_frees_nothing_twice),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
