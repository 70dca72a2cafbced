/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * What is known to have gone wrong in other map caches, above all in the hash
 * table of QEMU's hw/xen/xen-mapcache.c (7.2 to 10.2), cannot happen here.
 * Each test says first what happened there.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "xenram/mapcache.h"

#define GFN UINT64_C(0x305)

/* The distance at which QEMU's hash begins anew. */
#define SAME_HEAD (UINT64_C(32) << 30)

static void swap_frames(uint64_t gfn, uint64_t other)
{
    uint32_t before = fakexen_frame(DOMID, gfn);

    fakexen_swap(DOMID, gfn, other);
    assert_int_not_equal(fakexen_frame(DOMID, gfn), before);
}

/*
 * Entries with the same hash are chained behind a pinned one, and a full
 * invalidate skipped the chain: the old frames were shown again.
 */
static void no_chunk_survives_a_full_invalidate(void **state)
{
    static const struct xen_mapcache_options options = {.window = 4 * SAME_HEAD,
                                                        .chunk = 1 << 20};
    uint64_t gfns[3], misses;
    struct xen_mapcache *cache;
    void *pin;

    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, 1, &pin), 0);
    for (uint64_t i = 0; i < NR(gfns); i++) {
        gfns[i] = GFN + (i + 1) * SAME_HEAD / PAGE;
        assert_int_equal(fakexen_balloon_in(DOMID, gfns[i], 2), 0);
        assert_int_equal(guest_shown(cache, gfns[i]), 0);
        fakexen_poke(DOMID, (gfns[i] + 1) * PAGE, &i, sizeof(i));
    }
    xen_mapcache_unpin(cache, pin, 1);
    misses = guest_stats(cache).misses;
    for (uint64_t i = 0; i < NR(gfns); i++)
        fakexen_swap(DOMID, gfns[i], gfns[i] + 1);
    xen_mapcache_invalidate(cache);
    for (uint64_t i = 0; i < NR(gfns); i++)
        assert_int_equal(guest_shown(cache, gfns[i]), i);
    assert_int_equal(guest_stats(cache).misses, misses + NR(gfns));
}

/*
 * The guest filled a hole beside a pinned ring: a second entry with the key of
 * the first, a wrong reverse lookup, and the ring unpinned in place of the
 * request.
 */
static void a_filled_hole_beside_a_ring_does_not_map_twice(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t word = 0x1234;
    uint64_t gpa;
    void *ring, *request;

    fakexen_balloon_out(DOMID, GFN, 1);
    assert_int_equal(xen_mapcache_pin(cache, (GFN + 1) * PAGE, PAGE, &ring), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, GFN, 1), 0);
    guest_stamp();

    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, PAGE, &request),
                     -EBUSY);
    assert_int_equal(xen_mapcache_write(cache, GFN * PAGE + 4, &word, 4, NULL),
                     0);
    assert_int_equal(fakexen_mappings(), 1);
    assert_int_equal(guest_stats(cache).pinned, 1);
    assert_int_equal(xen_mapcache_gpa(cache, ring, &gpa), 0);
    assert_int_equal(gpa, (GFN + 1) * PAGE);
    xen_mapcache_invalidate(cache);
    assert_int_equal(guest_word(ring), fakexen_frame(DOMID, GFN + 1));

    xen_mapcache_unpin(cache, ring, PAGE);
    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, PAGE, &request), 0);
    assert_ptr_equal(request, (char *)ring - PAGE);
    assert_int_equal(guest_word((char *)request + 4), word);
    xen_mapcache_unpin(cache, request, PAGE);
    assert_int_equal(guest_stats(cache).pinned, 0);
}

/*
 * An entry that was re-pointed at moved frames kept its place under the old
 * address: its pointers had no reverse, and its frames were mapped twice.
 */
static void moved_frames_are_found_where_they_are_and_mapped_once(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t from = 0x400, to = 0x2000;
    uint32_t frame = fakexen_frame(DOMID, from);
    uint64_t gpa;
    void *host;

    assert_int_equal(guest_shown(cache, from), frame);
    assert_int_equal(guest_shown(cache, to), -EFAULT);
    fakexen_move(DOMID, from, to);
    assert_int_equal(xen_mapcache_invalidate_range(cache, from * PAGE, PAGE),
                     0);
    assert_int_equal(xen_mapcache_invalidate_range(cache, to * PAGE, PAGE), 0);

    assert_int_equal(guest_shown(cache, from), -EFAULT);
    assert_int_equal(xen_mapcache_lookup(cache, to * PAGE + 9, 1, &host), 0);
    assert_int_equal(guest_word((char *)host - 9), frame);
    assert_int_equal(xen_mapcache_gpa(cache, host, &gpa), 0);
    assert_int_equal(gpa, to * PAGE + 9);
    assert_int_equal(fakexen_frame_refs(frame), 1);
}

/* Since 9.1 the last unpin of a bucket unmapped it: a map call per request. */
static void pins_in_turn_do_not_thrash(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t gpa;
    void *host;

    for (unsigned i = 0; i < 20000; i++) {
        gpa = GFN / 16 * CHUNK + i % 16 * PAGE;
        if (xen_mapcache_pin(cache, gpa, PAGE, &host))
            fail_msg("pin %u failed", i);
        xen_mapcache_unpin(cache, host, PAGE);
    }
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), 1);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), 16);
}

/*
 * A full invalidate unmapped without telling those who had been told of the
 * map, so that they kept counting it.
 */
static void what_counts_as_mapped_is_what_is_mapped(void **state)
{
    struct xen_mapcache *cache = *state;
    void *pin;

    for (uint64_t round = 0; round < 100; round++) {
        assert_true(guest_shown(cache, 0x200 + 16 * round) > 0);
        assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, 1, &pin), 0);
        if (round % 2) {
            xen_mapcache_invalidate(cache);
        } else {
            assert_int_equal(
                xen_mapcache_invalidate_range(cache, 0, round * CHUNK + 1), 0);
        }
        if (round % 3)
            xen_mapcache_reclaim(cache, CHUNK);
        assert_int_equal(guest_stats(cache).mapped, fakexen_mapped_bytes());
        xen_mapcache_unpin(cache, pin, 1);
    }
    xen_mapcache_invalidate(cache);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(guest_stats(cache).mapped, 0);
    assert_int_equal(fakexen_mappings(), 0);
}

/* A lookup of a page that the guest had given back was NULL, then memcpy. */
static void a_ballooned_page_is_an_error_for_every_access(void **state)
{
    struct xen_mapcache *cache = *state;
    uint8_t buffer[16] = {7};
    void *host = buffer;
    size_t done = 99;

    fakexen_balloon_out(DOMID, GFN, 1);
    assert_int_equal(xen_mapcache_lookup(cache, GFN * PAGE, 1, &host), -EFAULT);
    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, 1, &host), -EFAULT);
    assert_ptr_equal(host, buffer);
    assert_int_equal(xen_mapcache_read(cache, GFN * PAGE, buffer, 16, &done),
                     -EFAULT);
    assert_int_equal(done, 0);
    assert_int_equal(buffer[0], 7);
    assert_int_equal(
        xen_mapcache_write(cache, GFN * PAGE - 8, buffer, 16, &done), -EFAULT);
    assert_int_equal(done, 8);
    assert_int_equal(guest_stats(cache).pinned, 0);
}

/* A map that failed as a whole ended the device model. */
static void a_map_that_fails_ends_nothing(void **state)
{
    struct xen_mapcache *cache = *state;

    fakexen_fail(FAKEXEN_MAP, 1, 0, EPERM);
    assert_int_equal(guest_shown(cache, GFN), -EPERM);
    assert_int_equal(guest_read(cache, GFN), -EPERM);
    xen_mapcache_invalidate(cache);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    fakexen_fail(FAKEXEN_MAP, 1, 0, 0);
    assert_int_equal(guest_shown(cache, GFN), fakexen_frame(DOMID, GFN));
}

/*
 * While a state was loaded, a page that could not be mapped was shown as
 * zeroes, and stayed so for those who had pinned it.
 */
static void an_absent_page_is_never_shown_as_zeroes(void **state)
{
    struct xen_mapcache *cache = *state;
    void *host;

    fakexen_balloon_out(DOMID, GFN, 1);
    assert_int_equal(xen_mapcache_pin(cache, (GFN - 1) * PAGE, 2 * PAGE, &host),
                     -EFAULT);
    assert_int_equal(xen_mapcache_pin(cache, (GFN - 1) * PAGE, PAGE, &host), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, GFN, 1), 0);
    guest_stamp();
    xen_mapcache_invalidate(cache);
    assert_int_equal(guest_shown(cache, GFN), -EBUSY);
    assert_int_equal(guest_read(cache, GFN), fakexen_frame(DOMID, GFN));
    xen_mapcache_unpin(cache, host, PAGE);
    assert_int_equal(guest_shown(cache, GFN), fakexen_frame(DOMID, GFN));
}

/* Each access to a hole mapped the 256 pages around it again. */
static void a_hole_does_not_map_its_neighbours_again(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t pages;

    fakexen_balloon_out(DOMID, GFN, 1);
    assert_int_equal(guest_shown(cache, GFN - 1),
                     fakexen_frame(DOMID, GFN - 1));
    pages = fakexen_pages(FAKEXEN_MAP);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(guest_shown(cache, GFN), -EFAULT);
    assert_true(fakexen_pages(FAKEXEN_MAP) <= pages + 100);
    assert_int_equal(guest_stats(cache).misses, 1);
}

/*
 * A second way to an address, over a table of moved regions, was tried when the
 * first failed, and rotted.  Here a page is at its gfn or nowhere.
 */
static void a_page_is_looked_for_at_its_gfn_only(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t to = 0x2000;

    fakexen_move(DOMID, GFN, to);
    assert_int_equal(guest_shown(cache, GFN), -EFAULT);
    assert_int_equal(guest_read(cache, GFN), -EFAULT);
    assert_int_equal(guest_read(cache, to), fakexen_frame(DOMID, to));
}

/* 256 pins of one bucket were none, and it was unmapped under its users. */
static void many_pins_are_not_none(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t old = fakexen_frame(DOMID, GFN);
    void *host;

    for (unsigned i = 0; i < 65536; i++)
        if (xen_mapcache_pin(cache, GFN * PAGE, 1, &host))
            fail_msg("pin %u failed", i);
    swap_frames(GFN, GFN + 0x100);
    xen_mapcache_invalidate(cache);
    xen_mapcache_reclaim(cache, 0);
    assert_int_equal(guest_word(host), old);
    for (unsigned i = 0; i < 65536; i++)
        xen_mapcache_unpin(cache, host, 1);
    assert_int_equal(guest_shown(cache, GFN), fakexen_frame(DOMID, GFN));
}

/*
 * An invalidate waited for all disk requests, whose buffers are pinned.  Pins
 * of our own thread would make a wait for them endless.
 */
static void an_invalidate_does_not_wait_for_pins(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t old = fakexen_frame(DOMID, GFN);
    void *request;

    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, PAGE, &request), 0);
    swap_frames(GFN, GFN + 0x100);
    for (unsigned i = 0; i < 1024; i++)
        xen_mapcache_invalidate(cache);
    assert_int_equal(guest_word(request), old);
    xen_mapcache_unpin(cache, request, PAGE);
}

/* A pointer into the midst of a mapping had no address. */
static void every_byte_of_a_pin_has_its_gpa(void **state)
{
    struct xen_mapcache *cache = *state;
    uint8_t *host;
    uint64_t gpa;

    assert_int_equal(
        xen_mapcache_pin(cache, 0x200000, 3 * CHUNK, (void **)&host), 0);
    for (uint64_t i = 0; i < 3 * CHUNK; i += 61) {
        assert_int_equal(xen_mapcache_gpa(cache, host + i, &gpa), 0);
        assert_int_equal(gpa, 0x200000 + i);
    }
    xen_mapcache_unpin(cache, host, 3 * CHUNK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_ALONE(no_chunk_survives_a_full_invalidate),
        GUEST_WITH_CACHE(a_filled_hole_beside_a_ring_does_not_map_twice),
        GUEST_WITH_CACHE(moved_frames_are_found_where_they_are_and_mapped_once),
        GUEST_WITH_CACHE(pins_in_turn_do_not_thrash),
        GUEST_WITH_CACHE(what_counts_as_mapped_is_what_is_mapped),
        GUEST_WITH_CACHE(a_ballooned_page_is_an_error_for_every_access),
        GUEST_WITH_CACHE(a_map_that_fails_ends_nothing),
        GUEST_WITH_CACHE(an_absent_page_is_never_shown_as_zeroes),
        GUEST_WITH_CACHE(a_hole_does_not_map_its_neighbours_again),
        GUEST_WITH_CACHE(a_page_is_looked_for_at_its_gfn_only),
        GUEST_WITH_CACHE(many_pins_are_not_none),
        GUEST_WITH_CACHE(an_invalidate_does_not_wait_for_pins),
        GUEST_WITH_CACHE(every_byte_of_a_pin_has_its_gpa),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
