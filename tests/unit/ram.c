/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define DOMID 5u
#define PAGE 4096u
#define PAGES 2048u   /* 8 MiB of RAM */
#define MAXMEM 12288u /* pages */
#define HOME UINT64_C(0xf0000)
#define BAR UINT64_C(0xe0000)

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct env {
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    uint64_t tot; /* pages of the guest before any block */
};

static int setup(void **state)
{
    static struct env env;
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = PAGES, .maxmem = MAXMEM};

    fakexen_reset();
    fakexen_create(&domain);
    fakexen_fill_new_frames(0xa5);
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &env.cache), 0);
    assert_int_equal(xen_ram_open(DOMID, env.cache, &env.ram), 0);
    env.tot = fakexen_tot_pages(DOMID);
    *state = &env;
    return 0;
}

static int teardown(void **state)
{
    struct env *env = *state;

    xen_ram_close(env->ram);
    xen_mapcache_close(env->cache);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(fakexen_violations(), 0);
    return 0;
}

static struct xen_ram_block *must_alloc(struct env *env,
                                        const struct xen_ram_spec *spec)
{
    struct xen_ram_block *block = NULL;
    int rc = xen_ram_alloc(env->ram, spec, &block);

    if (rc)
        fail_msg("%s: %d, %s", spec->idstr, rc, xen_ram_error(env->ram));
    return block;
}

static struct xen_ram_block *visible(struct env *env, const char *idstr,
                                     unsigned flags, uint64_t size)
{
    struct xen_ram_spec spec = {
        .idstr = idstr,
        .kind = XEN_RAM_VISIBLE,
        .flags = flags,
        .gfn = HOME,
        .size = size,
        .max_length = 16 << 20,
    };

    return must_alloc(env, &spec);
}

static struct xen_ram_block *private(struct env *env, uint64_t size,
                                     uint64_t max_length)
{
    struct xen_ram_spec spec = {
        .idstr = "private",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = size,
        .max_length = max_length,
    };

    return must_alloc(env, &spec);
}

static void assert_error_says(const struct env *env, const char *words)
{
    const char *error = xen_ram_error(env->ram);

    if (!strstr(error, words) || strchr(error, '\n'))
        fail_msg("'%s' does not say '%s' on one line", error, words);
}

/* The bytes that the owner sees are all value. */
static void assert_filled(struct env *env, struct xen_ram_block *block,
                          uint64_t offset, uint64_t len, uint8_t value)
{
    uint8_t page[PAGE];
    size_t n;

    for (uint64_t done = 0; done < len; done += n) {
        n = len - done < PAGE ? (size_t)(len - done) : PAGE;
        assert_int_equal(xen_ram_read(env->ram, block, offset + done, page, n),
                         0);
        for (size_t i = 0; i < n; i++) {
            if (page[i] != value) {
                fail_msg("byte %#lx is %#x, not %#x",
                         (unsigned long)(offset + done + i), page[i], value);
            }
        }
    }
}

static void fill(struct env *env, struct xen_ram_block *block, uint64_t offset,
                 uint64_t len, uint8_t value)
{
    uint8_t page[PAGE];
    size_t n;

    memset(page, value, sizeof(page));
    for (uint64_t done = 0; done < len; done += n) {
        n = len - done < PAGE ? (size_t)(len - done) : PAGE;
        assert_int_equal(xen_ram_write(env->ram, block, offset + done, page, n),
                         0);
    }
}

static void assert_types(uint64_t gfn, uint64_t nr, enum fakexen_type type)
{
    for (uint64_t i = 0; i < nr; i++)
        assert_int_equal(fakexen_type(DOMID, gfn + i), type);
}

/* Can the kernel read a byte there?  A pipe says so without a signal. */
static bool accessible(const void *host)
{
    int fds[2];
    bool yes;

    assert_int_equal(pipe(fds), 0);
    yes = write(fds[1], host, 1) == 1;
    close(fds[0]);
    close(fds[1]);
    return yes;
}

static void alloc_rejects_specs_out_of_range(void **state)
{
    static char name_127[128], name_128[129];
    static const struct {
        struct xen_ram_spec spec;
        int rc;
    } cases[] = {
        {{NULL, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL}, -EINVAL},
        {{"", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL}, -EINVAL},
        {{name_128, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL},
         -EINVAL},
        {{name_127, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL}, 0},
        {{name_127, XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL},
         -EEXIST},
        {{"a", (enum xen_ram_kind)3, 0, 0, 1, 0, NULL, NULL}, -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 4, XEN_RAM_NO_GFN, 1, 0, NULL, NULL}, -EINVAL},
        {{"a", XEN_RAM_PRIVATE, XEN_RAM_ROM, XEN_RAM_NO_GFN, 1, 0, NULL, NULL},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, 0, 1, 0, NULL, NULL}, -EINVAL},
        {{"a", XEN_RAM_VISIBLE, 0, XEN_RAM_NO_GFN, 1, 0, NULL, NULL}, -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 0, 0, NULL, NULL}, -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, UINT64_MAX, 0, NULL, NULL},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, UINT64_MAX, NULL, NULL},
         -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 2, 1, NULL, NULL}, -EINVAL},
        {{"a", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, 1, UINT64_C(1) << 50, NULL,
          NULL},
         -ENOMEM},
        {{"ram", XEN_RAM_GUEST, 0, 0, PAGES * PAGE, 0, NULL, NULL}, 0},
        {{"a", XEN_RAM_VISIBLE, 0, PAGES - 1, 1, 0, NULL, NULL}, -EEXIST},
        {{"a", XEN_RAM_VISIBLE, 0, (UINT64_C(1) << 28) - 1, 2 * PAGE, 0, NULL,
          NULL},
         -EINVAL},
        {{"a", XEN_RAM_VISIBLE, 0, XEN_RAM_NO_GFN - 1, PAGE, 0, NULL, NULL},
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

static void private_memory_ends_at_used_length(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = private(env, PAGE + 1, 64 * PAGE);
    uint8_t *host = xen_ram_host(block);

    assert_true(accessible(host + 2 * PAGE - 1));
    assert_false(accessible(host + 2 * PAGE));
    assert_false(accessible(host + 64 * PAGE - 1));
    fill(env, block, 0, 2 * PAGE, 0x11);

    assert_int_equal(xen_ram_resize(env->ram, block, 10 * PAGE), 0);
    assert_ptr_equal(xen_ram_host(block), host);
    assert_filled(env, block, 0, PAGE + 1, 0x11);
    assert_filled(env, block, PAGE + 1, 9 * PAGE - 1, 0);
    assert_true(accessible(host + 10 * PAGE - 1));
    assert_false(accessible(host + 10 * PAGE));

    fill(env, block, 0, 10 * PAGE, 0x22);
    assert_int_equal(xen_ram_resize(env->ram, block, 3 * PAGE), 0);
    assert_false(accessible(host + 3 * PAGE));
    assert_int_equal(xen_ram_resize(env->ram, block, 64 * PAGE), 0);
    assert_filled(env, block, 0, 3 * PAGE, 0x22);
    assert_filled(env, block, 3 * PAGE, 61 * PAGE, 0);
}

static void private_growth_can_fail_and_changes_nothing(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = private(env, 2 * PAGE, UINT64_C(1) << 40);
    struct rlimit old, none;
    int rc;

    fill(env, block, 0, 2 * PAGE, 0x33);
    assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
    none = old;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_DATA, &none), 0);
    rc = xen_ram_resize(env->ram, block, UINT64_C(1) << 30);
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    assert_int_equal(rc, -ENOMEM);
    assert_error_says(env, "'private'");
    assert_int_equal(xen_ram_size(block), 2 * PAGE);
    assert_false(accessible((uint8_t *)xen_ram_host(block) + 2 * PAGE));
    assert_filled(env, block, 0, 2 * PAGE, 0x33);
    assert_int_equal(xen_ram_resize(env->ram, block, 4 * PAGE), 0);
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
        .flags = XEN_RAM_ROM,
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

static void a_failed_call_changes_nothing(void **state)
{
    static const enum fakexen_kind kinds[] = {
        FAKEXEN_POPULATE, FAKEXEN_BUFFER,   FAKEXEN_MAP,
        FAKEXEN_MEM_TYPE, FAKEXEN_RELOCATE,
    };
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "block", XEN_RAM_ROM | XEN_RAM_RESIZEABLE, 300 * PAGE);
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

static void a_page_that_refuses_changes_nothing(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block =
        visible(env, "block", XEN_RAM_RESIZEABLE, 300 * PAGE);

    fill(env, block, 0, 300 * PAGE, 0x77);
    fakexen_refuse(DOMID, HOME + 555, ENOMEM);
    assert_int_equal(xen_ram_resize(env->ram, block, 700 * PAGE), -ENOSPC);
    fakexen_refuse(DOMID, BAR + 222, ENOMEM);
    assert_true(xen_ram_relocate(env->ram, block, BAR) < 0);
    assert_int_equal(xen_ram_gfn(block), HOME);
    assert_int_equal(fakexen_tot_pages(DOMID), env->tot + 300);
    assert_types(HOME, 300, FAKEXEN_RAM_RW);
    assert_types(HOME + 300, 600, FAKEXEN_HOLE);
    assert_types(BAR, 300, FAKEXEN_HOLE);
    assert_filled(env, block, 0, 300 * PAGE, 0x77);
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
    xen_ram_set_phase(env->ram, XEN_RAM_LOADING);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), 0);
}

/* What a notifier was told, as text. */
struct diary {
    char text[512];
    bool refuse;
    const uint8_t *host; /* of a private block, to see when memory goes */
};

static void note(struct diary *diary, const char *what,
                 const struct xen_ram_block *block)
{
    size_t len = strlen(diary->text);

    snprintf(diary->text + len, sizeof(diary->text) - len, "%s %s%s;", what,
             xen_ram_idstr(block),
             !diary->host                         ? ""
             : accessible(diary->host + 2 * PAGE) ? " there"
                                                  : " gone");
}

static void on_added(struct xen_ram_block *block, void *opaque)
{
    note(opaque, "+", block);
}

static void on_removed(struct xen_ram_block *block, void *opaque)
{
    note(opaque, "-", block);
}

static int on_prepare(struct xen_ram_block *block, uint64_t new_length,
                      void *opaque)
{
    struct diary *diary = opaque;

    assert_int_not_equal(new_length, 0);
    note(diary, "?", block);
    return diary->refuse ? -EBUSY : 0;
}

static void on_resized(struct xen_ram_block *block, uint64_t old_length,
                       uint64_t new_length, void *opaque)
{
    assert_int_equal(xen_ram_used_length(block), new_length);
    note(opaque,
         new_length > old_length   ? "grown"
         : new_length < old_length ? "shrunk"
                                   : "same",
         block);
}

static void notifiers_are_told_in_order(void **state)
{
    struct env *env = *state;
    struct diary diary = {0};
    struct xen_ram_notifier notifier = {
        .added = on_added,
        .removed = on_removed,
        .prepare_resize = on_prepare,
        .resized = on_resized,
        .opaque = &diary,
    };
    struct xen_ram_notifier silent = {0};
    struct xen_ram_block *v = visible(env, "v", 0, PAGE);
    struct xen_ram_block *p = private(env, PAGE, 8 * PAGE);

    xen_ram_notifier_add(env->ram, &silent);
    xen_ram_notifier_add(env->ram, &notifier);
    assert_string_equal(diary.text, "+ v;+ private;");
    diary = (struct diary){.host = xen_ram_host(p)};
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE - 1), 0);
    assert_int_equal(xen_ram_resize(env->ram, p, PAGE), 0);
    assert_string_equal(diary.text, "? private gone;grown private there;"
                                    "? private there;same private there;"
                                    "? private there;shrunk private there;");
    diary = (struct diary){.refuse = true};
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE), -EBUSY);
    assert_error_says(env, "'private'");
    assert_int_equal(xen_ram_size(p), PAGE);
    assert_string_equal(diary.text, "? private;");

    diary = (struct diary){0};
    xen_ram_free(env->ram, v);
    xen_ram_notifier_remove(env->ram, &notifier);
    xen_ram_notifier_remove(env->ram, &notifier);
    xen_ram_notifier_remove(env->ram, &silent);
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE), 0);
    assert_string_equal(diary.text, "- v;- private;");
}

static void the_owner_is_told_of_a_resize(void **state)
{
    struct env *env = *state;
    struct diary diary = {0};
    struct xen_ram_spec spec = {
        .idstr = "v",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = HOME,
        .size = 1,
        .max_length = 9 * PAGE,
        .resized = on_resized,
        .opaque = &diary,
    };
    struct xen_ram_block *block = must_alloc(env, &spec);

    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, 1), 0);
    assert_string_equal(diary.text, "grown v;shrunk v;");
}

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

static void restored_pages_are_adopted_and_not_touched(void **state)
{
    struct env *env = *state;
    struct diary diary = {0};
    struct xen_ram_spec spec = {
        .idstr = "rom",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM | XEN_RAM_RESIZEABLE,
        .gfn = HOME,
        .size = 2 * PAGE,
        .max_length = 8 * PAGE,
        .resized = on_resized,
        .opaque = &diary,
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
    assert_string_equal(diary.text, "grown rom;");
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

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(alloc_rejects_specs_out_of_range),
        TEST(blocks_of_a_guest_need_a_cache),
        TEST(open_gives_what_the_libraries_gave),
        TEST(the_list_can_be_walked_and_searched),
        TEST(private_memory_ends_at_used_length),
        TEST(private_growth_can_fail_and_changes_nothing),
        TEST(access_ends_at_used_length),
        TEST(visible_memory_is_charged_exactly_and_zeroed),
        TEST(large_extents_come_first),
        TEST(where_no_large_extent_is_left_pages_do),
        TEST(a_guest_without_room_is_told_so),
        TEST(a_rom_is_read_only_for_the_guest_alone),
        TEST(a_failed_call_changes_nothing),
        TEST(a_page_that_refuses_changes_nothing),
        TEST(a_failed_shrink_keeps_the_length),
        TEST(a_shrink_passes_over_pages_that_the_guest_took),
        TEST(lengths_are_refused_in_the_words_of_the_field),
        TEST(notifiers_are_told_in_order),
        TEST(the_owner_is_told_of_a_resize),
        TEST(relocation_carries_content_wherever_it_goes),
        TEST(overlapping_moves_that_fail_are_undone),
        TEST(large_blocks_move_in_steps_that_xen_takes),
        TEST(relocation_refuses_what_it_would_destroy),
        TEST(the_guest_sees_the_pages_where_they_went),
        TEST(restored_pages_are_adopted_and_not_touched),
        TEST(writes_are_reported_while_logging_is_on),
        TEST(neighbours_are_merged_and_calls_are_full),
        TEST(the_highest_page_is_left_out_alone),
        TEST(what_could_not_be_reported_is_kept),
        TEST(moved_pages_are_dirty),
        TEST(a_closed_list_leaves_the_guest_its_pages),
        TEST(a_dead_domain_fails_every_call_and_frees_nothing_twice),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
