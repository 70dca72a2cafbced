/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "xenram/mapcache.h"

static void open_rejects_options_out_of_range(void **state)
{
    static const struct {
        struct xen_mapcache_options options;
        int rc;
    } cases[] = {
        {{.chunk = 2048}, -EINVAL},
        {{.chunk = 3 * PAGE}, -EINVAL},
        {{.chunk = 4u << 20}, -EINVAL},
        {{.window = (UINT64_C(1) << 52) + 1}, -EINVAL},
        {{.window = UINT64_MAX}, -EINVAL},
        {{.window = UINT64_C(1) << 50}, -ENOMEM},
    };
    struct xen_mapcache *cache;

    (void)state;
    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(xen_mapcache_open(DOMID, &cases[i].options, &cache),
                         cases[i].rc);
    }
}

static void open_gives_what_the_library_gave(void **state)
{
    static const struct xen_mapcache_options options = {.window = CHUNK};
    struct xen_mapcache *cache;

    (void)state;
    fakexen_fail(FAKEXEN_OPEN, 1, 1, EACCES);
    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), -EACCES);
    assert_true(fakexen_failed(FAKEXEN_OPEN));
}

static void a_window_is_rounded_up_to_chunks(void **state)
{
    static const struct xen_mapcache_options options = {
        .window = CHUNK + 1,
        .chunk = CHUNK,
    };
    struct xen_mapcache *cache;
    void *host;

    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    assert_int_equal(guest_stats(cache).window, 2 * CHUNK);
    assert_int_equal(xen_mapcache_lookup(cache, 2 * CHUNK - 1, 1, &host), 0);
    assert_int_equal(xen_mapcache_lookup(cache, 2 * CHUNK, 1, &host), -ERANGE);
}

/* The thread sanitizer leaves too little address space, and takes memory. */
#if !defined(__SANITIZE_THREAD__)
static void defaults_and_close_of_null_work(void **state)
{
    struct xen_mapcache *cache;
    struct xen_mapcache_stats stats;

    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    *state = cache;
    stats = guest_stats(cache);
    assert_int_equal(stats.window, UINT64_C(1) << 40);
    assert_int_equal(stats.chunk, 1 << 20);
    assert_int_equal(stats.budget, 256 << 20);
    xen_mapcache_close(NULL);
}

static uint64_t resident_pages(void)
{
    unsigned long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident;
}

static void an_idle_cache_of_1_TiB_takes_few_pages(void **state)
{
    struct xen_mapcache *cache;
    uint64_t before;

    /* Once before, for what the first call of anything brings in. */
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    assert_int_equal(guest_shown(cache, 0), fakexen_frame(DOMID, 0));
    xen_mapcache_close(cache);
    resident_pages();

    before = resident_pages();
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    *state = cache;
    assert_int_equal(guest_shown(cache, 0), fakexen_frame(DOMID, 0));
    xen_mapcache_invalidate(cache);
    xen_mapcache_reclaim(cache, 0);
    assert_true(resident_pages() < before + 16);
}

static void a_guest_of_16_TiB_costs_what_it_touches(void **state)
{
    static const struct xen_mapcache_options options = {.window = UINT64_C(16)
                                                                  << 40};
    /* As far up as a frame can be here, and at the end of the window. */
    const uint64_t high = (UINT64_C(1) << 28) - 1;
    const uint64_t last = (options.window - 1) / PAGE;
    struct xen_mapcache *cache;
    uint64_t before;

    assert_int_equal(fakexen_balloon_in(DOMID, high, 1), 0);
    fakexen_poke(DOMID, high * PAGE, &high, 4);
    resident_pages();
    before = resident_pages();
    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    assert_int_equal(guest_shown(cache, high), high);
    assert_int_equal(guest_shown(cache, last), -EFAULT);
    assert_int_equal(guest_shown(cache, last + 1), -ERANGE);
    xen_mapcache_invalidate(cache);
    xen_mapcache_reclaim(cache, 0);
    assert_int_equal(fakexen_mappings(), 0);
    assert_true(resident_pages() < before + 64);
}

/* Each in a page of its own of a table that has a word for each chunk. */
static void holes_that_a_guest_points_at_take_no_memory(void **state)
{
    struct xen_mapcache *cache;
    uint64_t before;

    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    *state = cache;
    assert_int_equal(guest_shown(cache, PAGES), -EFAULT);
    resident_pages();
    before = resident_pages();
    for (uint64_t gpa = UINT64_C(1) << 32; gpa < UINT64_C(1) << 40;
         gpa += UINT64_C(512) << 20)
        assert_int_equal(guest_shown(cache, gpa / PAGE), -EFAULT);
    assert_true(resident_pages() < before + 64);
}
#endif

static void a_range_outside_is_refused(void **state)
{
    static const struct {
        uint64_t gpa;
        size_t len;
        int rc;
    } cases[] = {
        {0, 0, -EINVAL},
        {UINT64_C(64) << 20, 0, -EINVAL},
        {UINT64_C(64) << 20, 1, -ERANGE},
        {(UINT64_C(64) << 20) - 1, 2, -ERANGE},
        {0, SIZE_MAX, -ERANGE},
        {1, SIZE_MAX, -ERANGE},
        {UINT64_MAX, 1, -ERANGE},
        {UINT64_MAX, SIZE_MAX, -ERANGE},
        {UINT64_MAX - 4095, 4096, -ERANGE},
    };
    struct xen_mapcache *cache = *state;
    char byte[1] = {0};
    void *host;

    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(
            xen_mapcache_lookup(cache, cases[i].gpa, cases[i].len, &host),
            cases[i].rc);
        assert_int_equal(
            xen_mapcache_pin(cache, cases[i].gpa, cases[i].len, &host),
            cases[i].rc);
        assert_int_equal(
            xen_mapcache_invalidate_range(cache, cases[i].gpa, cases[i].len),
            cases[i].rc);
    }
    assert_int_equal(
        xen_mapcache_read(cache, UINT64_MAX, byte, sizeof(byte), NULL),
        -ERANGE);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), 0);
}

static void a_range_over_chunks_is_one_pointer(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gpa = UINT64_C(0x200000) - 5;
    uint8_t *host;
    uint64_t back;

    assert_int_equal(xen_mapcache_lookup(cache, gpa, 3 * CHUNK, (void **)&host),
                     0);
    for (uint64_t at = 5; at < 3 * CHUNK; at += PAGE) {
        assert_int_equal(guest_word(host + at),
                         fakexen_frame(DOMID, (gpa + at) / PAGE));
        assert_int_equal(xen_mapcache_gpa(cache, host + at + 1, &back), 0);
        assert_int_equal(back, gpa + at + 1);
    }
}

static void a_pointer_from_elsewhere_has_no_gpa(void **state)
{
    struct xen_mapcache *cache = *state;
    uint8_t *host;
    uint64_t gpa;

    assert_int_equal(xen_mapcache_lookup(cache, 0, 1, (void **)&host), 0);
    assert_int_equal(xen_mapcache_gpa(cache, host + (64 << 20) - 1, &gpa), 0);
    assert_int_equal(gpa, (64 << 20) - 1);
    assert_int_equal(xen_mapcache_gpa(cache, host + (64 << 20), &gpa), -ERANGE);
    assert_int_equal(xen_mapcache_gpa(cache, host - 1, &gpa), -ERANGE);
    assert_int_equal(xen_mapcache_gpa(cache, NULL, &gpa), -ERANGE);
    assert_int_equal(xen_mapcache_gpa(cache, &gpa, &gpa), -ERANGE);
}

static void copies_cross_chunks(void **state)
{
    struct xen_mapcache *cache = *state;
    static uint8_t out[3 * CHUNK], in[3 * CHUNK];
    const uint64_t gpa = 0x300000 - 77;
    size_t done;

    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 31 + i / PAGE);
    assert_int_equal(xen_mapcache_write(cache, gpa, out, sizeof(out), &done),
                     0);
    assert_int_equal(done, sizeof(out));
    fakexen_peek(DOMID, gpa, in, sizeof(in));
    assert_memory_equal(in, out, sizeof(in));
    memset(in, 0, sizeof(in));
    assert_int_equal(xen_mapcache_read(cache, gpa, in, sizeof(in), &done), 0);
    assert_int_equal(done, sizeof(in));
    assert_memory_equal(in, out, sizeof(in));
}

/* Linked with --wrap for memcpy, which may tear a word or read it twice. */
void *__real_memcpy(void *to, const void *from, size_t len);
void *__wrap_memcpy(void *to, const void *from, size_t len);

static struct {
    const struct xen_mapcache *cache;
    unsigned calls; /* of memcpy, into or out of the window of cache */
} watched;

void *__wrap_memcpy(void *to, const void *from, size_t len)
{
    uint64_t gpa;

    if (watched.cache && (xen_mapcache_gpa(watched.cache, to, &gpa) == 0 ||
                          xen_mapcache_gpa(watched.cache, from, &gpa) == 0))
        watched.calls++;
    return __real_memcpy(to, from, len);
}

static void a_word_of_the_guest_is_one_access(void **state)
{
    struct xen_mapcache *cache = *state;
    /* Beside the alignment of a word, which is the caller's business. */
    uint8_t buffer[9] = {0};
    bool word;

    for (uint64_t at = 0; at < 8; at++) {
        for (size_t len = 1; len <= 8; len++) {
            word = (len & (len - 1)) == 0 && at % len == 0;
            watched.cache = cache;
            watched.calls = 0;
            assert_int_equal(
                xen_mapcache_read(cache, 0x300000 + at, buffer + 1, len, NULL),
                0);
            assert_int_equal(
                xen_mapcache_write(cache, 0x300000 + at, buffer + 1, len, NULL),
                0);
            watched.cache = NULL;
            assert_int_equal(watched.calls, word ? 0 : 2);
        }
    }
}

static void copies_of_all_sizes_and_alignments_work(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gpa = 0x300000 - 16;
    uint8_t out[24], in[24], there[64];

    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(0xa0 + i);
    for (uint64_t at = 0; at < 16; at++) {
        for (size_t len = 1; len <= sizeof(out); len++) {
            memset(there, 0, sizeof(there));
            fakexen_poke(DOMID, gpa, there, sizeof(there));
            memcpy(there + at, out, len);
            assert_int_equal(
                xen_mapcache_write(cache, gpa + at, out, len, NULL), 0);
            memset(in, 0, sizeof(in));
            assert_int_equal(xen_mapcache_read(cache, gpa + at, in, len, NULL),
                             0);
            assert_memory_equal(in, out, len);
            for (size_t i = 0; i < sizeof(there); i += 8) {
                uint64_t word;

                fakexen_peek(DOMID, gpa + i, &word, 8);
                assert_memory_equal(&word, there + i, 8);
            }
        }
    }
}

static void copies_go_as_far_as_they_can(void **state)
{
    static const struct {
        uint64_t gpa;
        size_t len, done;
        int rc;
    } cases[] = {
        {HOLE_GPA - 3 * PAGE - 9, 8 * PAGE, 3 * PAGE + 9, -EFAULT},
        {HOLE_GPA - 1, 2, 1, -EFAULT},
        {HOLE_GPA, 1, 0, -EFAULT},
        {PAGES * PAGE - 5, 10, 5, -EFAULT},
        {0xc0000, 0, 0, -EINVAL},
        {UINT64_C(64) << 20, 1, 0, -ERANGE},
    };
    struct xen_mapcache *cache = *state;
    static uint8_t buffer[8 * PAGE];
    size_t done;

    for (size_t i = 0; i < NR(cases); i++) {
        done = 99;
        assert_int_equal(
            xen_mapcache_read(cache, cases[i].gpa, buffer, cases[i].len, &done),
            cases[i].rc);
        assert_int_equal(done, cases[i].done);
        done = 99;
        assert_int_equal(xen_mapcache_write(cache, cases[i].gpa, buffer,
                                            cases[i].len, &done),
                         cases[i].rc);
        assert_int_equal(done, cases[i].done);
    }
}

static void a_copy_ends_at_the_end_of_the_window(void **state)
{
    static const struct xen_mapcache_options options = {.window = CHUNK,
                                                        .chunk = CHUNK};
    struct xen_mapcache *cache;
    uint8_t buffer[64];
    size_t done;

    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    assert_int_equal(
        xen_mapcache_read(cache, CHUNK - 16, buffer, sizeof(buffer), &done),
        -ERANGE);
    assert_int_equal(done, 16);
}

static void a_hit_does_not_call_xen(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t calls;
    void *host;

    assert_int_equal(xen_mapcache_lookup(cache, 0x200000, CHUNK, &host), 0);
    calls = fakexen_calls(FAKEXEN_ANY);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(xen_mapcache_lookup(cache, 0x200000, CHUNK, &host), 0);
        assert_int_equal(xen_mapcache_pin(cache, 0x200000, CHUNK, &host), 0);
        xen_mapcache_unpin(cache, host, CHUNK);
        assert_true(guest_read(cache, 0x200) > 0);
        xen_mapcache_quiescent();
    }
    assert_int_equal(fakexen_calls(FAKEXEN_ANY), calls);
    assert_int_equal(guest_stats(cache).misses, 1);
}

static void a_second_miss_is_one_call(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t calls, prepared;

    assert_true(guest_shown(cache, 0x200) > 0);
    calls = fakexen_calls(FAKEXEN_MAP);
    prepared = fakexen_calls(FAKEXEN_MMAP);
    assert_true(guest_shown(cache, 0x210) > 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls + 1);
    assert_int_equal(fakexen_calls(FAKEXEN_MMAP), prepared);
}

static void pins_are_counted_and_cannot_overflow(void **state)
{
    struct xen_mapcache *cache = *state;
    const unsigned most = (1u << 24) - 1;
    void *host;

    for (unsigned i = 0; i < most; i++)
        if (xen_mapcache_pin(cache, CHUNK, 1, &host))
            fail_msg("pin %u failed", i);
    assert_int_equal(xen_mapcache_pin(cache, CHUNK, 1, &host), -EOVERFLOW);
    /* A range that begins before it leaves nothing pinned behind. */
    assert_int_equal(xen_mapcache_pin(cache, CHUNK - 1, 2, &host), -EOVERFLOW);
    assert_int_equal(guest_stats(cache).pinned, 1);
    assert_int_equal(xen_mapcache_lookup(cache, CHUNK, 1, &host), 0);
    for (unsigned i = 0; i < most; i++)
        xen_mapcache_unpin(cache, host, 1);
    assert_int_equal(guest_stats(cache).pinned, 0);
    xen_mapcache_invalidate(cache);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 0);
}

static void chunks_of_all_sizes_work(void **state)
{
    static const uint32_t sizes[] = {4096, 8192, 1 << 17, 1 << 20, 2 << 20};
    struct xen_mapcache *cache;
    struct xen_mapcache_options options;

    for (size_t i = 0; i < NR(sizes); i++) {
        options = (struct xen_mapcache_options){.chunk = sizes[i],
                                                .window = UINT64_C(1) << 32};
        assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
        for (uint64_t gfn = 0; gfn < PAGES; gfn += 7)
            if (fakexen_frame(DOMID, gfn) == FAKEXEN_NO_FRAME)
                assert_int_equal(guest_shown(cache, gfn), -EFAULT);
            else
                assert_int_equal(guest_shown(cache, gfn),
                                 fakexen_frame(DOMID, gfn));
        assert_int_equal(guest_shown(cache, PAGES), -EFAULT);
        assert_int_equal(fakexen_mapped_bytes(), guest_stats(cache).mapped);
        xen_mapcache_close(cache);
        assert_int_equal(fakexen_mappings(), 0);
    }
    *state = NULL;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_ALONE(open_rejects_options_out_of_range),
        GUEST_ALONE(open_gives_what_the_library_gave),
        GUEST_ALONE(a_window_is_rounded_up_to_chunks),
#if !defined(__SANITIZE_THREAD__)
        GUEST_ALONE(defaults_and_close_of_null_work),
        GUEST_ALONE(an_idle_cache_of_1_TiB_takes_few_pages),
        GUEST_ALONE(a_guest_of_16_TiB_costs_what_it_touches),
        GUEST_ALONE(holes_that_a_guest_points_at_take_no_memory),
#endif
        GUEST_WITH_CACHE(a_range_outside_is_refused),
        GUEST_WITH_CACHE(a_range_over_chunks_is_one_pointer),
        GUEST_WITH_CACHE(a_pointer_from_elsewhere_has_no_gpa),
        GUEST_WITH_CACHE(copies_cross_chunks),
        GUEST_WITH_CACHE(a_word_of_the_guest_is_one_access),
        GUEST_WITH_CACHE(copies_of_all_sizes_and_alignments_work),
        GUEST_WITH_CACHE(copies_go_as_far_as_they_can),
        GUEST_ALONE(a_copy_ends_at_the_end_of_the_window),
        GUEST_WITH_CACHE(a_hit_does_not_call_xen),
        GUEST_WITH_CACHE(a_second_miss_is_one_call),
        GUEST_WITH_CACHE(pins_are_counted_and_cannot_overflow),
        GUEST_ALONE(chunks_of_all_sizes_work),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
