/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What becomes of a chunk that is mapped in part. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-blocks.h"
#include "tests/unit/test-clock.h"
#include "xenram/mapcache.h"

static void what_was_mapped_of_a_stale_chunk_is_so_again(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);

    assert_int_equal(blocks_mapped_for(cache, IN(2)), BLOCK);
    assert_int_equal(blocks_mapped_for(cache, IN(5)), BLOCK);
    fakexen_swap(DOMID, IN(2), IN(2) + 0x100);
    fakexen_swap(DOMID, IN(5), IN(5) + 0x100);
    xen_mapcache_invalidate(cache);
    assert_int_equal(blocks_mapped_for(cache, IN(4)), 4 * BLOCK);
    blocks_assert_mapped(cache, 4, 1);
    assert_int_equal(blocks_mapped_for(cache, IN(2)), 0);
    assert_int_equal(blocks_mapped_for(cache, IN(5)), 0);
    xen_mapcache_invalidate(cache);
    assert_int_equal(blocks_mapped_for(cache, IN(7)), 6 * BLOCK);
    blocks_assert_mapped(cache, 6, 1);
    /* After a reclaim there is nothing to be mapped again. */
    xen_mapcache_invalidate(cache);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    blocks_assert_mapped(cache, 0, 0);
    assert_int_equal(blocks_mapped_for(cache, IN(7)), BLOCK);
}

static void all_areas_of_a_chunk_go_at_once(void **state)
{
    static const unsigned blocks[] = {2, 5, 0, 4, 7};
    struct xen_mapcache *cache = blocks_open(state, 1024);

    for (size_t i = 0; i < NR(blocks); i++)
        assert_true(guest_shown(cache, IN(blocks[i])) > 0);
    assert_int_equal(blocks_mapped_for(cache, GFN + 2 * LARGE), BLOCK);
    blocks_assert_mapped(cache, BLOCKS + 1, 6);
    xen_mapcache_invalidate(cache);
    assert_int_equal(xen_mapcache_reclaim(cache, PAGE), BLOCK_BYTES);
    blocks_assert_mapped(cache, 1, 1);
    assert_int_equal(xen_mapcache_reclaim(cache, PAGE), 0);
    blocks_assert_mapped(cache, 0, 0);
}

static void holes_are_found_in_blocks_mapped_before_and_after(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);

    fakexen_balloon_out(DOMID, IN(6) + 1, 1);
    fakexen_balloon_out(DOMID, IN(2), 1);
    assert_int_equal(blocks_mapped_for(cache, IN(0)), BLOCK);
    assert_int_equal(blocks_mapped_for(cache, IN(6)), BLOCK);
    assert_int_equal(guest_shown(cache, IN(6) + 1), -EFAULT);
    assert_int_equal(blocks_mapped_for(cache, IN(0) + 1), 0);
    assert_int_equal(blocks_mapped_for(cache, IN(6) + 2), 0);
    assert_int_equal(blocks_mapped_for(cache, IN(3)), 5 * BLOCK);
    for (uint64_t gfn = GFN; gfn < GFN + LARGE; gfn++) {
        if (gfn == IN(6) + 1 || gfn == IN(2))
            assert_int_equal(guest_shown(cache, gfn), -EFAULT);
        else
            assert_int_equal(guest_shown(cache, gfn),
                             fakexen_frame(DOMID, gfn));
    }
    blocks_assert_mapped(cache, BLOCKS, 4);
    /* A page that came has all of it mapped anew, at once. */
    assert_int_equal(fakexen_balloon_in(DOMID, IN(2), 1), 0);
    guest_stamp();
    xen_mapcache_invalidate(cache);
    assert_int_equal(blocks_mapped_for(cache, IN(2)), LARGE);
    assert_int_equal(guest_shown(cache, IN(6) + 1), -EFAULT);
    blocks_assert_mapped(cache, BLOCKS, 1);
}

static void a_page_that_came_has_what_is_mapped_mapped_anew(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    const uint64_t gfn = IN(1) + 1;

    fakexen_balloon_out(DOMID, gfn, 1);
    assert_int_equal(blocks_mapped_for(cache, IN(1)), BLOCK);
    assert_int_equal(blocks_mapped_for(cache, IN(4)), BLOCK);
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
    assert_int_equal(fakexen_balloon_in(DOMID, gfn, 1), 0);
    guest_stamp();
    test_clock_us += 1000;
    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
    blocks_assert_mapped(cache, 4, 1);
    /* Without a hole in it, it is as if there never was one. */
    for (uint64_t at = IN(1); at <= IN(4); at++)
        assert_int_equal(blocks_mapped_for(cache, at), 0);
    assert_int_equal(blocks_mapped_for(cache, IN(6)), BLOCK);
}

static void a_chunk_that_was_to_go_may_come_back_and_get_more(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 8);
    void *held, *host;
    uint64_t calls;

    assert_int_equal(xen_mapcache_lookup(cache, IN(1) * PAGE, 4, &held), 0);
    /* It cannot be dropped as long as this thread goes on. */
    for (uint64_t i = 1; i < 12; i++)
        assert_int_equal(
            xen_mapcache_lookup(cache, (IN(1) + i * LARGE) * PAGE, 4, &host),
            0);
    assert_true(guest_stats(cache).evictions > 0);
    calls = fakexen_calls(FAKEXEN_MAP);
    assert_int_equal(xen_mapcache_lookup(cache, (IN(1) + 1) * PAGE, 4, &host),
                     0);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls);
    assert_int_equal(xen_mapcache_lookup(cache, IN(6) * PAGE, 4, &host), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls + 1);
    assert_int_equal(guest_word(held), fakexen_frame(DOMID, IN(1)));
    assert_int_equal(guest_word(host), fakexen_frame(DOMID, IN(6)));
    xen_mapcache_quiescent();
    xen_mapcache_reclaim(cache, 0);
    assert_int_equal(blocks_mapped_for(cache, IN(6)), 0);
    assert_int_equal(guest_stats(cache).mapped, fakexen_mapped_bytes());
}

/* The VGA hole is a block of the first chunk. */
static void a_block_of_holes_is_not_mapped(void **state)
{
    const uint64_t hole = HOLE_GPA / PAGE;
    struct xen_mapcache *cache = blocks_open(state, 1024);
    uint64_t pages;

    assert_int_equal(blocks_mapped_for(cache, 5), BLOCK);
    pages = fakexen_pages(FAKEXEN_MAP);
    assert_int_equal(guest_shown(cache, hole), -EFAULT);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + BLOCK);
    blocks_assert_mapped(cache, 1, 1);
    /* A page is remembered, and the others are asked for one by one. */
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(guest_shown(cache, hole + k), -EFAULT);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + BLOCK + 2);
    test_clock_us += 1000;
    assert_int_equal(guest_shown(cache, hole), -EFAULT);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + BLOCK + 3);
    blocks_assert_mapped(cache, 1, 1);
    /* What lies beside it is not taken for a part of it. */
    assert_int_equal(blocks_mapped_for(cache, hole - 1), BLOCK);
    assert_int_equal(fakexen_balloon_in(DOMID, hole + 3, 1), 0);
    guest_stamp();
    assert_int_equal(guest_shown(cache, hole + 3),
                     fakexen_frame(DOMID, hole + 3));
    assert_int_equal(guest_shown(cache, hole + 4), -EFAULT);
}

static const char *shown_ro(struct xen_mapcache *cache, uint64_t gfn)
{
    const void *host = NULL;

    assert_int_equal(xen_mapcache_lookup_ro(cache, gfn * PAGE, PAGE, &host), 0);
    assert_int_equal(guest_word(host), fakexen_frame(DOMID, gfn));
    xen_mapcache_quiescent();
    return host;
}

static void all_blocks_of_a_chunk_have_the_same_rights(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    const char *first = shown_ro(cache, IN(1)), *second;

    /* A reader's stay a reader's. */
    second = shown_ro(cache, IN(5));
    assert_false(guest_writable(first));
    assert_false(guest_writable(second));
    blocks_assert_mapped(cache, 2, 2);
    /* A writer of one more is a writer of all. */
    assert_int_equal(blocks_mapped_for(cache, IN(6)), 6 * BLOCK);
    blocks_assert_mapped(cache, 6, 1);
    assert_ptr_equal(shown_ro(cache, IN(1)), first);
    assert_true(guest_writable(first));
    assert_true(guest_writable(second));
    /* And a reader of one more is given a writer's. */
    assert_true(guest_writable(shown_ro(cache, IN(0))));
    blocks_assert_mapped(cache, 7, 2);
}

static void a_writer_beside_a_read_only_pin_is_sent_aside(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    uint32_t word = 0xabcd, now;
    const void *pin;
    void *host;

    assert_int_equal(xen_mapcache_pin_ro(cache, IN(1) * PAGE, 4, &pin), 0);
    assert_int_equal(xen_mapcache_lookup(cache, IN(5) * PAGE, 4, &host),
                     -EBUSY);
    assert_int_equal(
        xen_mapcache_write(cache, IN(5) * PAGE + 4, &word, 4, NULL), 0);
    fakexen_peek(DOMID, IN(5) * PAGE + 4, &now, 4);
    assert_int_equal(now, word);
    blocks_assert_mapped(cache, 1, 1);
    /* A reader is not. */
    shown_ro(cache, IN(5));
    blocks_assert_mapped(cache, 2, 2);
    assert_int_equal(guest_word(pin), fakexen_frame(DOMID, IN(1)));
    xen_mapcache_unpin(cache, pin, 4);
}

static void a_pinned_chunk_is_replaced_as_far_as_it_was_mapped(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    const unsigned blocks[] = {2, 4};
    void *pins[NR(blocks)];
    uint64_t pages;

    for (size_t i = 0; i < NR(blocks); i++) {
        assert_int_equal(
            xen_mapcache_pin(cache, IN(blocks[i]) * PAGE, PAGE, &pins[i]), 0);
        fakexen_swap(DOMID, IN(blocks[i]), IN(blocks[i]) + 0x100);
    }
    xen_mapcache_invalidate(cache);
    assert_int_equal(guest_stats(cache).quarantined, 1);
    assert_int_equal(guest_shown(cache, IN(7)), -EBUSY);
    assert_int_equal(guest_read(cache, IN(7)), fakexen_frame(DOMID, IN(7)));
    /* A failure leaves nothing mapped, and the next time all. */
    fakexen_fail(FAKEXEN_MAP, 1, 1, ENOMEM);
    assert_int_equal(xen_mapcache_replace(cache, GFN * PAGE, LARGE * PAGE),
                     -ENOMEM);
    blocks_assert_mapped(cache, 0, 0);
    assert_int_equal(guest_stats(cache).pinned, 1);
    assert_int_equal(guest_shown(cache, IN(7)), -EBUSY);
    pages = fakexen_pages(FAKEXEN_MAP);
    assert_int_equal(xen_mapcache_replace(cache, GFN * PAGE, LARGE * PAGE), 0);
    assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + 3 * BLOCK);
    blocks_assert_mapped(cache, 3, 1);
    for (size_t i = 0; i < NR(blocks); i++) {
        assert_int_equal(guest_word(pins[i]),
                         fakexen_frame(DOMID, IN(blocks[i])));
        assert_true(guest_writable(pins[i]));
    }
    /* It is current again: more is mapped beside the pins. */
    assert_int_equal(blocks_mapped_for(cache, IN(7)), BLOCK);
    assert_int_equal(guest_stats(cache).pinned, 1);
    for (size_t i = 0; i < NR(blocks); i++)
        xen_mapcache_unpin(cache, pins[i], PAGE);
    assert_int_equal(guest_stats(cache).pinned, 0);
}

static void a_block_that_cannot_be_mapped_leaves_the_others(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    uint64_t calls;
    void *held, *pin, *host;

    assert_int_equal(xen_mapcache_lookup(cache, IN(1) * PAGE, 4, &held), 0);
    assert_int_equal(xen_mapcache_pin(cache, IN(1) * PAGE, 4, &pin), 0);
    for (unsigned i = 0; i < 3; i++) {
        fakexen_fail(FAKEXEN_MAP, 1, 1, ENOMEM);
        assert_int_equal(xen_mapcache_lookup(cache, IN(6) * PAGE, 4, &host),
                         -ENOMEM);
        blocks_assert_mapped(cache, 1, 1);
    }
    calls = fakexen_calls(FAKEXEN_MAP);
    assert_int_equal(guest_word(held), fakexen_frame(DOMID, IN(1)));
    assert_int_equal(xen_mapcache_lookup(cache, IN(1) * PAGE, 4, &host), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls);
    assert_int_equal(guest_stats(cache).pinned, 1);
    xen_mapcache_unpin(cache, pin, 4);
    assert_int_equal(blocks_mapped_for(cache, IN(6)), BLOCK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_ALONE(what_was_mapped_of_a_stale_chunk_is_so_again),
        GUEST_ALONE(all_areas_of_a_chunk_go_at_once),
        GUEST_ALONE(holes_are_found_in_blocks_mapped_before_and_after),
        GUEST_ALONE(a_page_that_came_has_what_is_mapped_mapped_anew),
        GUEST_ALONE(a_chunk_that_was_to_go_may_come_back_and_get_more),
        GUEST_ALONE(a_block_of_holes_is_not_mapped),
        GUEST_ALONE(all_blocks_of_a_chunk_have_the_same_rights),
        GUEST_ALONE(a_writer_beside_a_read_only_pin_is_sent_aside),
        GUEST_ALONE(a_pinned_chunk_is_replaced_as_far_as_it_was_mapped),
        GUEST_ALONE(a_block_that_cannot_be_mapped_leaves_the_others),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
