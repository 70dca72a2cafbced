/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

#define DOMID 7u
#define PAGE 4096u
#define CHUNK (16 * PAGE)
#define PAGES 4096u /* 16 MiB of RAM, with the hole at 0xa0 to 0xbf */
#define HOLE_GPA UINT64_C(0xa0000)

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* The thread sanitizer leaves a process about 1 TiB, with luck. */
#if defined(__SANITIZE_THREAD__)
#define SKIP_WITHOUT_ADDRESS_SPACE() skip()
#else
#define SKIP_WITHOUT_ADDRESS_SPACE() ((void)0)
#endif

/* Each frame says which one it is, in its first word. */
static void stamp_all(void)
{
    for (uint64_t gfn = 0; gfn < PAGES; gfn++) {
        uint32_t frame = fakexen_frame(DOMID, gfn);

        if (frame != FAKEXEN_NO_FRAME)
            memcpy(fakexen_frame_host(frame), &frame, sizeof(frame));
    }
}

static int machine_up(void **state)
{
    struct fakexen_domain domain = {.domid = DOMID, .pages = PAGES};

    fakexen_reset();
    fakexen_create(&domain);
    stamp_all();
    *state = NULL;
    return 0;
}

static int cache_up(void **state)
{
    static const struct xen_mapcache_options options = {
        .window = UINT64_C(64) << 20,
        .chunk = CHUNK,
    };
    struct xen_mapcache *cache;

    machine_up(state);
    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    return 0;
}

static int down(void **state)
{
    xen_mapcache_close(*state);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_mapped_bytes(), 0);
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_violations(), 0);
    return 0;
}

static struct xen_mapcache_stats stats_of(const struct xen_mapcache *cache)
{
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(cache, &stats);
    return stats;
}

static uint32_t word_at(const void *host)
{
    return *(const volatile uint32_t *)host;
}

/* The frame that a lookup shows at gfn, or -errno. */
static int64_t shown(struct xen_mapcache *cache, uint64_t gfn)
{
    void *host;
    int rc = xen_mapcache_lookup(cache, gfn * PAGE, 4, &host);
    int64_t frame = rc ? rc : (int64_t)word_at(host);

    xen_mapcache_quiescent();
    return frame;
}

static int64_t read_frame(struct xen_mapcache *cache, uint64_t gfn)
{
    uint32_t frame;
    int rc = xen_mapcache_read(cache, gfn * PAGE, &frame, 4, NULL);

    return rc ? rc : (int64_t)frame;
}

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

static void defaults_and_close_of_null_work(void **state)
{
    struct xen_mapcache *cache;
    struct xen_mapcache_stats stats;

    SKIP_WITHOUT_ADDRESS_SPACE();
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    *state = cache;
    stats = stats_of(cache);
    assert_int_equal(stats.window, UINT64_C(1) << 40);
    assert_int_equal(stats.chunk, 1 << 20);
    assert_int_equal(stats.budget, 256 << 20);
    xen_mapcache_close(NULL);
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
    assert_int_equal(stats_of(cache).window, 2 * CHUNK);
    assert_int_equal(xen_mapcache_lookup(cache, 2 * CHUNK - 1, 1, &host), 0);
    assert_int_equal(xen_mapcache_lookup(cache, 2 * CHUNK, 1, &host), -ERANGE);
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

    SKIP_WITHOUT_ADDRESS_SPACE();
    /* Once before, for what the first call of anything brings in. */
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    assert_int_equal(shown(cache, 0), fakexen_frame(DOMID, 0));
    xen_mapcache_close(cache);
    resident_pages();

    before = resident_pages();
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &cache), 0);
    *state = cache;
    assert_int_equal(shown(cache, 0), fakexen_frame(DOMID, 0));
    xen_mapcache_invalidate(cache);
    xen_mapcache_reclaim(cache, 0);
    assert_true(resident_pages() < before + 16);
}

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
        assert_int_equal(word_at(host + at),
                         fakexen_frame(DOMID, (gpa + at) / PAGE));
        assert_int_equal(xen_mapcache_gpa(cache, host + at + 1, &back), 0);
        assert_int_equal(back, gpa + at + 1);
    }
}

static void pages_are_counted_from_the_offset(void **state)
{
    static const struct {
        uint64_t gpa;
        size_t len;
        int rc;
    } cases[] = {
        /* The hole begins at 0xa0000 and ends at 0xc0000. */
        {HOLE_GPA - 1, 1, 0},
        {HOLE_GPA - 1, 2, -EFAULT},
        {HOLE_GPA - PAGE, PAGE, 0},
        {HOLE_GPA - PAGE + 1, PAGE, -EFAULT},
        {HOLE_GPA - 2 * CHUNK - 1, 2 * CHUNK + 1, 0},
        {HOLE_GPA - 2 * CHUNK - 1, 2 * CHUNK + 2, -EFAULT},
        {HOLE_GPA, 1, -EFAULT},
        {0xc0000 - 1, 1, -EFAULT},
        {0xc0000 - 1, 2, -EFAULT},
        {0xc0000, 1, 0},
        {0, 0x100000, -EFAULT},
    };
    struct xen_mapcache *cache = *state;
    void *host;

    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(
            xen_mapcache_lookup(cache, cases[i].gpa, cases[i].len, &host),
            cases[i].rc);
        xen_mapcache_quiescent();
        assert_int_equal(
            xen_mapcache_pin(cache, cases[i].gpa, cases[i].len, &host),
            cases[i].rc);
        if (cases[i].rc == 0)
            xen_mapcache_unpin(cache, host, cases[i].len);
        assert_int_equal(stats_of(cache).pinned, 0);
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
        assert_true(read_frame(cache, 0x200) > 0);
        xen_mapcache_quiescent();
    }
    assert_int_equal(fakexen_calls(FAKEXEN_ANY), calls);
    assert_int_equal(stats_of(cache).misses, 1);
}

static void a_hole_costs_one_page_and_never_its_chunk(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint64_t pages;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(shown(cache, gfn), -EFAULT);
    pages = fakexen_pages(FAKEXEN_MAP);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(shown(cache, gfn), -EFAULT);
        assert_int_equal(shown(cache, gfn + 1), fakexen_frame(DOMID, gfn + 1));
    }
    assert_true(fakexen_pages(FAKEXEN_MAP) - pages <= 10);
    assert_int_equal(stats_of(cache).holes, 11);
    assert_int_equal(stats_of(cache).misses, 1);
}

static void a_page_that_came_is_seen_without_an_invalidate(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;

    fakexen_balloon_out(DOMID, gfn, 2);
    assert_int_equal(shown(cache, gfn), -EFAULT);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 2), 0);
    stamp_all();
    assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_int_equal(shown(cache, gfn + 1), fakexen_frame(DOMID, gfn + 1));
    assert_int_equal(shown(cache, gfn + 2), fakexen_frame(DOMID, gfn + 2));
    assert_int_equal(fakexen_mappings(), 1);
}

static void a_page_that_came_beside_a_pin_is_copied(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    void *pin;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(xen_mapcache_pin(cache, (gfn + 1) * PAGE, 1, &pin), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 1), 0);
    stamp_all();
    assert_int_equal(shown(cache, gfn), -EBUSY);
    assert_int_equal(read_frame(cache, gfn), fakexen_frame(DOMID, gfn));
    /* The other pages of the chunk are as they were. */
    assert_int_equal(shown(cache, gfn + 1), fakexen_frame(DOMID, gfn + 1));
    xen_mapcache_unpin(cache, pin, 1);
    assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
}

static void a_page_that_came_waits_for_looked_up_pointers(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    void *held, *host;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(xen_mapcache_lookup(cache, (gfn + 1) * PAGE, 1, &held), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 1), 0);
    stamp_all();
    assert_int_equal(xen_mapcache_lookup(cache, gfn * PAGE, 1, &host), -EBUSY);
    assert_int_equal(read_frame(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_int_equal(word_at(held), fakexen_frame(DOMID, gfn + 1));
    xen_mapcache_quiescent();
    assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
}

static void a_chunk_of_holes_is_not_mapped(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t pages;

    assert_int_equal(shown(cache, HOLE_GPA / PAGE), -EFAULT);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(stats_of(cache).mapped, 0);
    pages = fakexen_pages(FAKEXEN_MAP);
    assert_int_equal(shown(cache, HOLE_GPA / PAGE + 3), -EFAULT);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + 1);
    assert_int_equal(fakexen_balloon_in(DOMID, HOLE_GPA / PAGE + 3, 1), 0);
    assert_int_equal(read_frame(cache, HOLE_GPA / PAGE + 3), 0);
    assert_int_equal(shown(cache, HOLE_GPA / PAGE), -EFAULT);
}

static void after_an_invalidate_the_new_frames_are_seen(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint32_t old = fakexen_frame(DOMID, gfn);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(shown(cache, gfn), old);
        fakexen_swap(DOMID, gfn, gfn + 0x100);
        assert_int_not_equal(fakexen_frame(DOMID, gfn), old);
        old = fakexen_frame(DOMID, gfn);
        if (i == 1) {
            assert_int_equal(
                xen_mapcache_invalidate_range(cache, gfn * PAGE, 1), 0);
        } else {
            xen_mapcache_invalidate(cache);
        }
        assert_int_equal(shown(cache, gfn), old);
        assert_int_equal(read_frame(cache, gfn), old);
    }
    /* Replaced in place: one mapping a chunk, whatever happened. */
    assert_int_equal(fakexen_mappings(), 1);
}

static void a_range_invalidate_leaves_other_chunks(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t misses;

    for (uint64_t gfn = 0x300; gfn < 0x340; gfn += 16)
        assert_true(shown(cache, gfn) > 0);
    assert_int_equal(xen_mapcache_invalidate_range(cache, 0x320 * PAGE - 1, 2),
                     0);
    assert_int_equal(stats_of(cache).stale, 2);
    misses = stats_of(cache).misses;
    for (uint64_t gfn = 0x300; gfn < 0x340; gfn += 16)
        assert_true(shown(cache, gfn) > 0);
    assert_int_equal(stats_of(cache).misses, misses + 2);
}

/* Generations are 16 bits: a chunk must not come to life at the wrap. */
static void stale_chunks_stay_stale_for_ever(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint64_t misses;

    assert_true(shown(cache, gfn) > 0);
    assert_int_equal(shown(cache, HOLE_GPA / PAGE), -EFAULT);
    fakexen_swap(DOMID, gfn, gfn + 0x100);
    misses = stats_of(cache).misses;
    for (unsigned i = 0; i < 3 * 65535; i++) {
        xen_mapcache_invalidate(cache);
        if (i >= 65530 && i < 65540)
            assert_int_equal(stats_of(cache).stale, 1);
    }
    assert_int_equal(stats_of(cache).misses, misses);
    assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_int_equal(stats_of(cache).invalidates, 3 * 65535);
}

static void a_pinned_chunk_keeps_its_frames_in_quarantine(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint32_t old = fakexen_frame(DOMID, gfn), now, word = 0;
    void *pin, *host;

    assert_int_equal(xen_mapcache_pin(cache, gfn * PAGE, PAGE, &pin), 0);
    fakexen_swap(DOMID, gfn, gfn + 0x100);
    now = fakexen_frame(DOMID, gfn);
    xen_mapcache_invalidate(cache);
    assert_int_equal(stats_of(cache).quarantined, 1);
    assert_int_equal(stats_of(cache).stale, 0);

    assert_int_equal(word_at(pin), old);
    assert_int_equal(shown(cache, gfn), -EBUSY);
    assert_int_equal(shown(cache, gfn + 1), -EBUSY);
    assert_int_equal(xen_mapcache_pin(cache, gfn * PAGE, 4, &host), -EBUSY);
    assert_int_equal(read_frame(cache, gfn), now);
    assert_int_equal(xen_mapcache_write(cache, gfn * PAGE + 8, &now, 4, NULL),
                     0);
    fakexen_peek(DOMID, gfn * PAGE + 8, &word, 4);
    assert_int_equal(word, now);
    assert_int_equal(word_at((char *)pin + 8), 0);

    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(word_at(pin), old);
    xen_mapcache_unpin(cache, pin, PAGE);
    assert_int_equal(stats_of(cache).quarantined, 0);
    assert_int_equal(shown(cache, gfn), now);
}

static void a_quarantined_chunk_is_reclaimed_after_its_last_unpin(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint64_t tot = fakexen_tot_pages(DOMID);
    void *pin[2];

    assert_int_equal(xen_mapcache_pin(cache, gfn * PAGE, 9, &pin[0]), 0);
    assert_int_equal(xen_mapcache_pin(cache, gfn * PAGE + 1, 1, &pin[1]), 0);
    fakexen_balloon_out(DOMID, gfn, 1);
    xen_mapcache_invalidate(cache);
    xen_mapcache_unpin(cache, pin[0], 9);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), tot);
    xen_mapcache_unpin(cache, pin[1], 1);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), tot - 1);
    assert_int_equal(shown(cache, gfn), -EFAULT);
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
    assert_int_equal(stats_of(cache).pinned, 1);
    assert_int_equal(xen_mapcache_lookup(cache, CHUNK, 1, &host), 0);
    for (unsigned i = 0; i < most; i++)
        xen_mapcache_unpin(cache, host, 1);
    assert_int_equal(stats_of(cache).pinned, 0);
    xen_mapcache_invalidate(cache);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 0);
}

static void reclaim_works_in_bounded_steps(void **state)
{
    struct xen_mapcache *cache = *state;
    void *host;

    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(xen_mapcache_lookup(cache, 0x200000, 10 * CHUNK, &host),
                     0);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 10);
    xen_mapcache_invalidate(cache);
    assert_int_equal(fakexen_mappings(), 10);
    assert_int_equal(xen_mapcache_reclaim(cache, 4 * CHUNK), 6 * CHUNK);
    assert_int_equal(fakexen_mappings(), 6);
    assert_int_equal(xen_mapcache_reclaim(cache, 1), 5 * CHUNK);
    assert_int_equal(stats_of(cache).mapped, 5 * CHUNK);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 0);
}

static struct xen_mapcache *small_cache(void **state, unsigned chunks)
{
    struct xen_mapcache_options options = {
        .window = UINT64_C(64) << 20,
        .budget = (uint64_t)chunks * CHUNK,
        .chunk = CHUNK,
    };
    struct xen_mapcache *cache;

    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    return cache;
}

static void the_budget_is_kept(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 4);

    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16) {
        assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_true(stats_of(cache).mapped <= 4 * CHUNK);
    }
    assert_int_equal(fakexen_mappings(), 4);
    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16) {
        assert_int_equal(read_frame(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_true(stats_of(cache).mapped <= 4 * CHUNK);
    }
    assert_true(stats_of(cache).evictions > 400);
}

static void a_chunk_in_use_survives_the_clock(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 8);
    uint64_t misses = 0;

    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16) {
        assert_true(shown(cache, gfn) > 0);
        misses = stats_of(cache).misses;
        assert_true(shown(cache, 0x80) > 0);
        /* Referenced between any two evictions: mapped once, then kept. */
        assert_int_equal(stats_of(cache).misses, misses + (gfn == 0x100));
    }
}

static void pinned_chunks_do_not_count_for_the_budget(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 4);
    uint64_t misses;
    void *pins[10];

    for (size_t i = 0; i < NR(pins); i++) {
        assert_int_equal(
            xen_mapcache_pin(cache, 0x200000 + i * CHUNK, CHUNK, &pins[i]), 0);
    }
    for (uint64_t gfn = 0x800; gfn < 0x900; gfn += 16) {
        assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_true(stats_of(cache).mapped <= 14 * CHUNK);
    }
    misses = stats_of(cache).misses;
    for (uint64_t gfn = 0x8d0; gfn < 0x900; gfn += 16)
        assert_true(shown(cache, gfn) > 0);
    assert_int_equal(stats_of(cache).misses, misses);
    for (size_t i = 0; i < NR(pins); i++) {
        assert_int_equal(word_at(pins[i]),
                         fakexen_frame(DOMID, 0x200 + 16 * i));
        xen_mapcache_unpin(cache, pins[i], CHUNK);
    }
    assert_true(shown(cache, 0x900) > 0);
    assert_true(stats_of(cache).mapped <= 4 * CHUNK);
}

static void looked_up_pointers_outlive_the_budget(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 2);
    void *host[20];

    for (size_t i = 0; i < NR(host); i++) {
        assert_int_equal(
            xen_mapcache_lookup(cache, 0x200000 + i * CHUNK, 4, &host[i]), 0);
        assert_true(read_frame(cache, 0x900 + 16 * i) > 0);
        xen_mapcache_reclaim(cache, 0);
    }
    for (size_t i = 0; i < NR(host); i++) {
        assert_int_equal(word_at(host[i]),
                         fakexen_frame(DOMID, 0x200 + 16 * i));
    }
    xen_mapcache_quiescent();
    xen_mapcache_reclaim(cache, 0);
    assert_true(shown(cache, 0x900) > 0);
    assert_true(shown(cache, 0x910) > 0);
    assert_true(shown(cache, 0x920) > 0);
    assert_true(stats_of(cache).mapped <= 2 * CHUNK);
}

static void a_range_above_the_budget_can_be_looked_up(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 1);
    uint8_t *host;

    assert_int_equal(
        xen_mapcache_lookup(cache, 0x200000, 9 * CHUNK, (void **)&host), 0);
    for (uint64_t i = 0; i < 9 * 16; i++) {
        assert_int_equal(word_at(host + i * PAGE),
                         fakexen_frame(DOMID, 0x200 + i));
    }
    assert_int_equal(
        xen_mapcache_pin(cache, 0x400000, 9 * CHUNK, (void **)&host), 0);
    xen_mapcache_unpin(cache, host, 9 * CHUNK);
}

static void a_failed_map_is_an_error_and_no_more(void **state)
{
    static const int errors[] = {ENOMEM, EINVAL, EPERM, EFAULT, ESRCH};
    struct xen_mapcache *cache = *state;
    uint64_t gfn = 0x200;

    for (size_t i = 0; i < NR(errors); i++, gfn += 16) {
        fakexen_fail(FAKEXEN_MAP, 1, 1, errors[i]);
        assert_int_equal(shown(cache, gfn), -errors[i]);
        assert_true(fakexen_failed(FAKEXEN_MAP));
        assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
        /* And in place of a mapping that is there. */
        xen_mapcache_invalidate(cache);
        fakexen_fail(FAKEXEN_MAP, 1, 1, errors[i]);
        assert_int_equal(read_frame(cache, gfn), -errors[i]);
        assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_int_equal(fakexen_mapped_bytes(), stats_of(cache).mapped);
    }
    assert_int_equal(stats_of(cache).map_errors, 2 * NR(errors));
}

/* The library unmaps what it could not map, and so makes a hole. */
static void unmap_before_the_call(enum fakexen_kind kind, void *opaque)
{
    if (kind == FAKEXEN_MAP)
        munmap(opaque, CHUNK);
}

static void a_failed_map_leaves_the_window_reserved(void **state)
{
    struct xen_mapcache *cache = *state;
    uint8_t *host;
    void *stranger;

    assert_int_equal(xen_mapcache_lookup(cache, 0, 1, (void **)&host), 0);
    host += 0x200000;
    fakexen_set_hook(unmap_before_the_call, host);
    fakexen_fail(FAKEXEN_MAP, 1, 1, ENOMEM);
    assert_int_equal(read_frame(cache, 0x200), -ENOMEM);
    fakexen_set_hook(NULL, NULL);
    stranger = mmap(host, PAGE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_equal(stranger, MAP_FAILED);
    assert_int_equal(errno, EEXIST);
    xen_mapcache_quiescent();
    assert_int_equal(shown(cache, 0x200), fakexen_frame(DOMID, 0x200));
}

static void a_failed_pin_leaves_no_pin(void **state)
{
    struct xen_mapcache *cache = *state;
    void *host;

    for (unsigned nth = 1; nth <= 4; nth++) {
        xen_mapcache_invalidate(cache);
        xen_mapcache_reclaim(cache, 0);
        fakexen_fail(FAKEXEN_MAP, nth, 1, ENOMEM);
        assert_int_equal(xen_mapcache_pin(cache, 0x200000, 4 * CHUNK, &host),
                         -ENOMEM);
        assert_int_equal(stats_of(cache).pinned, 0);
    }
    fakexen_fail(FAKEXEN_MAP, 1, 1, 0);
    assert_int_equal(xen_mapcache_pin(cache, 0x200000, 4 * CHUNK, &host), 0);
    xen_mapcache_unpin(cache, host, 4 * CHUNK);
}

static void a_page_that_cannot_be_mapped_is_a_hole(void **state)
{
    struct xen_mapcache *cache = *state;

    fakexen_refuse(DOMID, 0x203, EINVAL);
    fakexen_refuse(DOMID, 0x204, ENOMEM);
    assert_int_equal(shown(cache, 0x203), -EFAULT);
    assert_int_equal(shown(cache, 0x204), -ENOMEM);
    assert_int_equal(shown(cache, 0x205), fakexen_frame(DOMID, 0x205));
    fakexen_refuse(DOMID, 0x203, 0);
    assert_int_equal(shown(cache, 0x203), fakexen_frame(DOMID, 0x203));
}

static void a_dead_domain_gives_an_error(void **state)
{
    struct xen_mapcache *cache = *state;
    void *pin;

    assert_int_equal(xen_mapcache_pin(cache, 0x200000, 1, &pin), 0);
    fakexen_destroy(DOMID);
    xen_mapcache_invalidate(cache);
    assert_int_equal(shown(cache, 0x300), -ESRCH);
    assert_int_equal(read_frame(cache, 0x300), -ESRCH);
    assert_int_equal(read_frame(cache, 0x200), -ESRCH);
    (void)word_at(pin);
    xen_mapcache_unpin(cache, pin, 1);
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
                assert_int_equal(shown(cache, gfn), -EFAULT);
            else
                assert_int_equal(shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_int_equal(shown(cache, PAGES), -EFAULT);
        assert_int_equal(fakexen_mapped_bytes(), stats_of(cache).mapped);
        xen_mapcache_close(cache);
        assert_int_equal(fakexen_mappings(), 0);
    }
    *state = NULL;
}

/* Several words of valid bits a chunk, holes anywhere. */
static void a_range_is_judged_by_each_of_its_pages(void **state)
{
    static const struct xen_mapcache_options options = {
        .chunk = 2 << 20, .window = UINT64_C(1) << 32};
    struct xen_mapcache *cache;
    uint64_t gfn, nr;
    uint32_t seed = 4711;
    bool whole;
    void *host;

    for (gfn = 0x100; gfn < PAGES; gfn += 1 + seed % 97) {
        seed = seed * 1664525 + 1013904223;
        fakexen_balloon_out(DOMID, gfn, 1);
    }
    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1664525 + 1013904223;
        gfn = 0x100 + (seed >> 8) % (PAGES - 0x100);
        nr = 1 + (seed >> 24) % 80;
        whole = gfn + nr <= PAGES;
        for (uint64_t at = gfn; at < gfn + nr && whole; at++)
            whole = fakexen_frame(DOMID, at) != FAKEXEN_NO_FRAME;
        assert_int_equal(
            xen_mapcache_lookup(cache, gfn * PAGE, nr * PAGE, &host),
            whole ? 0 : -EFAULT);
    }
}

struct holder {
    struct xen_mapcache *cache;
    pthread_barrier_t barrier;
    atomic_bool returned;
    bool early;
    uint32_t frame;
};

static void *hold_a_pointer(void *opaque)
{
    struct holder *holder = opaque;
    void *host;

    xen_mapcache_thread_online();
    if (xen_mapcache_lookup(holder->cache, 0x305 * PAGE, 4, &host) == 0) {
        pthread_barrier_wait(&holder->barrier);
        /* The invalidate that starts now must wait for this loop. */
        for (int i = 0; i < 100000; i++) {
            holder->frame = word_at(host);
            holder->early |= atomic_load(&holder->returned);
        }
    } else {
        pthread_barrier_wait(&holder->barrier);
    }
    xen_mapcache_thread_offline();
    return NULL;
}

static void an_invalidate_waits_for_epochs(void **state)
{
    struct holder holder = {.cache = *state};
    uint32_t old = fakexen_frame(DOMID, 0x305);
    pthread_t thread;

    pthread_barrier_init(&holder.barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, hold_a_pointer, &holder), 0);
    pthread_barrier_wait(&holder.barrier);
    xen_mapcache_invalidate(holder.cache);
    atomic_store(&holder.returned, true);
    xen_mapcache_reclaim(holder.cache, 0);
    assert_int_equal(fakexen_mappings(), 0);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&holder.barrier);
    assert_false(holder.early);
    assert_int_equal(holder.frame, old);
}

#define WITH_CACHE(test) cmocka_unit_test_setup_teardown(test, cache_up, down)
#define WITHOUT(test) cmocka_unit_test_setup_teardown(test, machine_up, down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITHOUT(open_rejects_options_out_of_range),
        WITHOUT(open_gives_what_the_library_gave),
        WITHOUT(defaults_and_close_of_null_work),
        WITHOUT(a_window_is_rounded_up_to_chunks),
        WITHOUT(an_idle_cache_of_1_TiB_takes_few_pages),
        WITH_CACHE(a_range_outside_is_refused),
        WITH_CACHE(a_range_over_chunks_is_one_pointer),
        WITH_CACHE(pages_are_counted_from_the_offset),
        WITH_CACHE(a_pointer_from_elsewhere_has_no_gpa),
        WITH_CACHE(copies_cross_chunks),
        WITH_CACHE(copies_go_as_far_as_they_can),
        WITHOUT(a_copy_ends_at_the_end_of_the_window),
        WITH_CACHE(a_hit_does_not_call_xen),
        WITH_CACHE(a_hole_costs_one_page_and_never_its_chunk),
        WITH_CACHE(a_page_that_came_is_seen_without_an_invalidate),
        WITH_CACHE(a_page_that_came_beside_a_pin_is_copied),
        WITH_CACHE(a_page_that_came_waits_for_looked_up_pointers),
        WITH_CACHE(a_chunk_of_holes_is_not_mapped),
        WITH_CACHE(after_an_invalidate_the_new_frames_are_seen),
        WITH_CACHE(a_range_invalidate_leaves_other_chunks),
        WITH_CACHE(stale_chunks_stay_stale_for_ever),
        WITH_CACHE(a_pinned_chunk_keeps_its_frames_in_quarantine),
        WITH_CACHE(a_quarantined_chunk_is_reclaimed_after_its_last_unpin),
        WITH_CACHE(pins_are_counted_and_cannot_overflow),
        WITH_CACHE(reclaim_works_in_bounded_steps),
        WITHOUT(the_budget_is_kept),
        WITHOUT(a_chunk_in_use_survives_the_clock),
        WITHOUT(pinned_chunks_do_not_count_for_the_budget),
        WITHOUT(looked_up_pointers_outlive_the_budget),
        WITHOUT(a_range_above_the_budget_can_be_looked_up),
        WITH_CACHE(a_failed_map_is_an_error_and_no_more),
        WITH_CACHE(a_failed_map_leaves_the_window_reserved),
        WITH_CACHE(a_failed_pin_leaves_no_pin),
        WITH_CACHE(a_page_that_cannot_be_mapped_is_a_hole),
        WITH_CACHE(a_dead_domain_gives_an_error),
        WITHOUT(chunks_of_all_sizes_work),
        WITHOUT(a_range_is_judged_by_each_of_its_pages),
        WITH_CACHE(an_invalidate_waits_for_epochs),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
