/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "tests/unit/test-clock.h"
#include "xenram/mapcache.h"

/* As the header says: at most this long is a hole remembered. */
#define REMEMBERED_US 1000u

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
        assert_int_equal(guest_stats(cache).pinned, 0);
    }
}

static void a_hole_costs_one_page_and_never_its_chunk(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint64_t pages;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    pages = fakexen_pages(FAKEXEN_MAP);
    for (int i = 0; i < 10; i++) {
        test_clock_us += REMEMBERED_US;
        assert_int_equal(guest_shown(cache, gfn), -EFAULT);
        assert_int_equal(guest_shown(cache, gfn + 1),
                         fakexen_frame(DOMID, gfn + 1));
    }
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + 10);
    assert_int_equal(guest_stats(cache).holes, 11);
    assert_int_equal(guest_stats(cache).misses, 1);
}

static void a_hole_is_asked_for_once_a_millisecond(void **state)
{
    /* In a mapped chunk, in one of holes alone, and each byte of an access. */
    static const uint64_t gpas[] = {0x305 * PAGE, HOLE_GPA, HOLE_GPA + CHUNK};
    struct xen_mapcache *cache = *state;
    uint64_t calls;
    uint8_t byte;

    fakexen_balloon_out(DOMID, 0x305, 1);
    for (size_t i = 0; i < NR(gpas); i++) {
        assert_int_equal(xen_mapcache_read(cache, gpas[i], &byte, 1, NULL),
                         -EFAULT);
        calls = fakexen_calls(FAKEXEN_MAP);
        for (unsigned at = 0; at < PAGE; at++) {
            assert_int_equal(
                xen_mapcache_read(cache, gpas[i] + at, &byte, 1, NULL),
                -EFAULT);
        }
        test_clock_us += REMEMBERED_US - 1;
        assert_int_equal(xen_mapcache_read(cache, gpas[i], &byte, 1, NULL),
                         -EFAULT);
        assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls);
        test_clock_us += 1;
        assert_int_equal(xen_mapcache_read(cache, gpas[i], &byte, 1, NULL),
                         -EFAULT);
        assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls + 1);
    }
    assert_int_equal(guest_stats(cache).holes, NR(gpas) * (PAGE + 3));
}

/* As many as the library may ever have room for, and some. */
static void probing_many_holes_forgets_the_first_and_no_more(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t calls;

    fakexen_balloon_out(DOMID, 0x300, 0x100);
    for (uint64_t gfn = 0x300; gfn < 0x400; gfn++)
        assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    calls = fakexen_calls(FAKEXEN_MAP);
    assert_int_equal(guest_shown(cache, 0x3ff), -EFAULT);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls);
    assert_int_equal(guest_shown(cache, 0x300), -EFAULT);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(guest_stats(cache).mapped, 0);
}

static void a_page_that_came_is_seen_without_an_invalidate(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;

    fakexen_balloon_out(DOMID, gfn, 2);
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 2), 0);
    guest_stamp();
    test_clock_us += REMEMBERED_US;
    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_int_equal(guest_shown(cache, gfn + 1),
                     fakexen_frame(DOMID, gfn + 1));
    assert_int_equal(guest_shown(cache, gfn + 2),
                     fakexen_frame(DOMID, gfn + 2));
    assert_int_equal(fakexen_mappings(), 1);
}

static void a_page_nobody_missed_is_seen_at_once(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;

    fakexen_balloon_out(DOMID, gfn, 2);
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 2), 0);
    guest_stamp();
    assert_int_equal(guest_shown(cache, gfn + 1),
                     fakexen_frame(DOMID, gfn + 1));
    /* The chunk was mapped for it, and so this page is there as well. */
    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
}

static void an_invalidate_forgets_holes(void **state)
{
    static const uint64_t gfns[] = {0x305, HOLE_GPA / PAGE};
    struct xen_mapcache *cache = *state;

    fakexen_balloon_out(DOMID, 0x305, 1);
    for (size_t i = 0; i < NR(gfns); i++) {
        assert_int_equal(guest_shown(cache, gfns[i]), -EFAULT);
        assert_int_equal(fakexen_balloon_in(DOMID, gfns[i], 1), 0);
        guest_stamp();
        assert_int_equal(guest_shown(cache, gfns[i]), -EFAULT);
        if (i == 0) {
            xen_mapcache_invalidate(cache);
        } else {
            assert_int_equal(
                xen_mapcache_invalidate_range(cache, gfns[i] * PAGE, 1), 0);
        }
        assert_int_equal(guest_shown(cache, gfns[i]),
                         fakexen_frame(DOMID, gfns[i]));
    }
}

static void a_page_that_came_beside_a_pin_is_copied(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    void *pin;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(xen_mapcache_pin(cache, (gfn + 1) * PAGE, 1, &pin), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 1), 0);
    guest_stamp();
    assert_int_equal(guest_shown(cache, gfn), -EBUSY);
    assert_int_equal(guest_read(cache, gfn), fakexen_frame(DOMID, gfn));
    /* The other pages of the chunk are as they were. */
    assert_int_equal(guest_shown(cache, gfn + 1),
                     fakexen_frame(DOMID, gfn + 1));
    xen_mapcache_unpin(cache, pin, 1);
    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
}

static void a_page_that_came_waits_for_looked_up_pointers(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    void *held, *host;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(xen_mapcache_lookup(cache, (gfn + 1) * PAGE, 1, &held), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 1), 0);
    guest_stamp();
    assert_int_equal(xen_mapcache_lookup(cache, gfn * PAGE, 1, &host), -EBUSY);
    assert_int_equal(guest_read(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_int_equal(guest_word(held), fakexen_frame(DOMID, gfn + 1));
    xen_mapcache_quiescent();
    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
}

static void a_chunk_of_holes_is_not_mapped(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = HOLE_GPA / PAGE;
    uint64_t pages;

    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(guest_stats(cache).mapped, 0);
    pages = fakexen_pages(FAKEXEN_MAP);
    assert_int_equal(guest_shown(cache, gfn + 3), -EFAULT);
    test_clock_us += REMEMBERED_US;
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + 2);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn + 3, 1), 0);
    test_clock_us += REMEMBERED_US;
    assert_int_equal(guest_read(cache, gfn + 3), 0);
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
}

static void a_page_that_cannot_be_mapped_is_a_hole(void **state)
{
    struct xen_mapcache *cache = *state;

    fakexen_refuse(DOMID, 0x203, EINVAL);
    fakexen_refuse(DOMID, 0x204, ENOMEM);
    assert_int_equal(guest_shown(cache, 0x203), -EFAULT);
    assert_int_equal(guest_shown(cache, 0x204), -ENOMEM);
    assert_int_equal(guest_shown(cache, 0x205), fakexen_frame(DOMID, 0x205));
    fakexen_refuse(DOMID, 0x203, 0);
    test_clock_us += REMEMBERED_US;
    assert_int_equal(guest_shown(cache, 0x203), fakexen_frame(DOMID, 0x203));
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_WITH_CACHE(pages_are_counted_from_the_offset),
        GUEST_WITH_CACHE(a_hole_costs_one_page_and_never_its_chunk),
        GUEST_WITH_CACHE(a_hole_is_asked_for_once_a_millisecond),
        GUEST_WITH_CACHE(probing_many_holes_forgets_the_first_and_no_more),
        GUEST_WITH_CACHE(a_page_that_came_is_seen_without_an_invalidate),
        GUEST_WITH_CACHE(a_page_nobody_missed_is_seen_at_once),
        GUEST_WITH_CACHE(an_invalidate_forgets_holes),
        GUEST_WITH_CACHE(a_page_that_came_beside_a_pin_is_copied),
        GUEST_WITH_CACHE(a_page_that_came_waits_for_looked_up_pointers),
        GUEST_WITH_CACHE(a_chunk_of_holes_is_not_mapped),
        GUEST_WITH_CACHE(a_page_that_cannot_be_mapped_is_a_hole),
        GUEST_ALONE(a_range_is_judged_by_each_of_its_pages),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
