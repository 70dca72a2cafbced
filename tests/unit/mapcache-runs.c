/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What of a chunk a miss maps, and what of the budget it takes. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-blocks.h"
#include "xenram/mapcache.h"

static void a_first_access_maps_one_block(void **state)
{
    static const struct {
        unsigned chunk, block; /* pages */
    } cases[] = {
        {1, 1},   {2, 2},    {16, 16},  {32, 32},
        {64, 32}, {128, 32}, {256, 32}, {512, 64},
    };
    struct xen_mapcache_options options = {.window = WINDOW};
    struct xen_mapcache *cache;

    for (size_t i = 0; i < NR(cases); i++) {
        options.chunk = cases[i].chunk * PAGE;
        assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
        assert_int_equal(blocks_mapped_for(cache, 0x4d3), cases[i].block);
        assert_int_equal(guest_stats(cache).mapped, cases[i].block * PAGE);
        assert_int_equal(fakexen_mapped_bytes(), cases[i].block * PAGE);
        xen_mapcache_close(cache);
    }
    *state = NULL;
}

/* Five blocks of a chunk are touched; how many blocks each of them maps. */
static void a_chunk_is_mapped_as_it_is_used(void **state)
{
    static const struct {
        unsigned touched[5], mapped[5], areas;
    } cases[] = {
        /* In order, up and down. */
        {{0, 1, 2, 3, 7}, {1, 7, 0, 0, 0}, 2},
        {{7, 6, 5, 4, 0}, {1, 7, 0, 0, 0}, 2},
        {{2, 3, 7, 1, 0}, {1, 5, 0, 2, 0}, 3},
        {{5, 4, 0, 6, 7}, {1, 5, 0, 2, 0}, 3},
        /* Here and there: from the third on all that is missing there. */
        {{1, 6, 3, 4, 5}, {1, 1, 4, 0, 0}, 5},
        {{2, 5, 0, 4, 7}, {1, 1, 2, 2, 2}, 5},
        {{0, 7, 4, 1, 6}, {1, 1, 6, 0, 0}, 3},
        {{4, 0, 2, 6, 7}, {1, 1, 3, 3, 0}, 4},
    };
    struct xen_mapcache *cache;

    for (size_t i = 0; i < NR(cases); i++) {
        cache = blocks_open(state, 1024);
        for (size_t k = 0; k < NR(cases[i].touched); k++)
            assert_int_equal(blocks_mapped_for(cache, IN(cases[i].touched[k])),
                             cases[i].mapped[k] * BLOCK);
        for (unsigned block = 0; block < BLOCKS; block++)
            assert_true(guest_shown(cache, IN(block)) > 0);
        blocks_assert_mapped(cache, BLOCKS, cases[i].areas);
        xen_mapcache_close(cache);
    }
    *state = NULL;
}

static void a_sequential_walk_maps_each_chunk_with_one_call(void **state)
{
    const unsigned nr = PAGES - LARGE;
    struct xen_mapcache *cache;
    uint64_t calls, pages;

    for (unsigned down = 0; down <= 1; down++) {
        cache = blocks_open(state, 1024);
        calls = fakexen_calls(FAKEXEN_MAP);
        pages = fakexen_pages(FAKEXEN_MAP);
        for (unsigned i = 0; i < nr; i++) {
            uint64_t gfn = down ? PAGES - 1 - i : LARGE + i;

            assert_int_equal(guest_shown(cache, gfn),
                             fakexen_frame(DOMID, gfn));
        }
        /* The first one with two: nobody knew then. */
        assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls + nr / LARGE + 1);
        assert_int_equal(fakexen_pages(FAKEXEN_MAP), pages + nr);
        xen_mapcache_close(cache);
    }
    *state = NULL;
}

static void a_range_is_mapped_with_one_call_for_each_chunk(void **state)
{
    static const struct {
        uint64_t gfn;
        unsigned nr, calls, pages;
    } cases[] = {
        {GFN + 31, 2, 1, 64},
        {GFN, LARGE, 1, LARGE},
        {GFN + 40, 100, 1, 128},
        {GFN + LARGE - 1, 2, 2, 64},
        /* What goes on behind a whole chunk goes on in order. */
        {GFN - 1, LARGE + 2, 3, 32 + 2 * LARGE},
    };
    struct xen_mapcache *cache;
    uint64_t calls, pages;
    uint8_t *host;

    for (size_t i = 0; i < 2 * NR(cases); i++) {
        uint64_t gpa = cases[i / 2].gfn * PAGE;
        size_t len = cases[i / 2].nr * PAGE;

        cache = blocks_open(state, 1024);
        calls = fakexen_calls(FAKEXEN_MAP);
        pages = fakexen_pages(FAKEXEN_MAP);
        assert_int_equal(
            i % 2 ? xen_mapcache_pin(cache, gpa, len, (void **)&host)
                  : xen_mapcache_lookup(cache, gpa, len, (void **)&host),
            0);
        for (size_t at = 0; at < len; at += PAGE)
            assert_int_equal(guest_word(host + at),
                             fakexen_frame(DOMID, (gpa + at) / PAGE));
        assert_int_equal(fakexen_calls(FAKEXEN_MAP),
                         calls + cases[i / 2].calls);
        assert_int_equal(fakexen_pages(FAKEXEN_MAP),
                         pages + cases[i / 2].pages);
        if (i % 2)
            xen_mapcache_unpin(cache, host, len);
        xen_mapcache_close(cache);
    }
    *state = NULL;
}

static void a_range_over_mapped_blocks_maps_those_between(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    uint8_t *host;

    assert_int_equal(blocks_mapped_for(cache, IN(2)), BLOCK);
    assert_int_equal(blocks_mapped_for(cache, IN(5)), BLOCK);
    assert_int_equal(
        xen_mapcache_pin(cache, IN(1) * PAGE, 5 * BLOCK_BYTES, (void **)&host),
        0);
    for (unsigned i = 0; i < 5 * BLOCK; i++)
        assert_int_equal(guest_word(host + i * PAGE),
                         fakexen_frame(DOMID, IN(1) + i));
    blocks_assert_mapped(cache, BLOCKS, 5);
    xen_mapcache_unpin(cache, host, 5 * BLOCK_BYTES);
}

/* No reader can be where nothing is mapped, so nobody is waited for. */
static void more_is_mapped_beside_pointers_that_are_in_use(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1024);
    void *held, *pin, *host;

    assert_int_equal(xen_mapcache_lookup(cache, IN(0) * PAGE, 4, &held), 0);
    assert_int_equal(xen_mapcache_pin(cache, IN(3) * PAGE, 4, &pin), 0);
    assert_int_equal(xen_mapcache_lookup(cache, IN(7) * PAGE, 4, &host), 0);
    assert_int_equal(guest_word(held), fakexen_frame(DOMID, IN(0)));
    assert_int_equal(guest_word(pin), fakexen_frame(DOMID, IN(3)));
    assert_int_equal(guest_word(host), fakexen_frame(DOMID, IN(7)));
    assert_ptr_equal((char *)host - (char *)held, (IN(7) - IN(0)) * PAGE);
    assert_int_equal(guest_stats(cache).pinned, 1);
    xen_mapcache_unpin(cache, pin, 4);
    assert_int_equal(guest_stats(cache).pinned, 0);
}

static void a_budget_is_spent_on_blocks(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 8);

    for (unsigned round = 0; round < 3; round++)
        for (uint64_t gfn = 0x105; gfn < 0x900; gfn += LARGE)
            assert_int_equal(blocks_mapped_for(cache, gfn), round ? 0 : BLOCK);
    blocks_assert_mapped(cache, 8, 8);
    assert_int_equal(guest_stats(cache).evictions, 0);
    /* The next one costs one of them. */
    assert_int_equal(blocks_mapped_for(cache, 0x905), BLOCK);
    blocks_assert_mapped(cache, 8, 8);
    assert_int_equal(guest_stats(cache).evictions, 1);
}

static void a_budget_is_kept_whatever_is_touched(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 20);
    uint32_t seed = 4711;
    uint64_t gfn, nr;
    void *host;

    for (unsigned i = 0; i < 5000; i++) {
        seed = seed * 1664525 + 1013904223;
        gfn = LARGE + (seed >> 8) % (PAGES - LARGE);
        nr = i % 3 ? 1 : 1 + (seed >> 24) % 64;
        /* The second chunk of a range may come when the first is in use. */
        if (nr > LARGE - gfn % LARGE)
            nr = LARGE - gfn % LARGE;
        assert_int_equal(
            xen_mapcache_lookup(cache, gfn * PAGE, nr * PAGE, &host), 0);
        assert_int_equal(guest_word(host), fakexen_frame(DOMID, gfn));
        xen_mapcache_quiescent();
        assert_true(guest_stats(cache).mapped <= 20 * BLOCK_BYTES);
        if (i % 100 == 0)
            assert_int_equal(guest_stats(cache).mapped, fakexen_mapped_bytes());
    }
    assert_true(guest_stats(cache).evictions > 1000);
}

/* Not even when it is the first that the clock comes to. */
static void a_chunk_that_gets_more_is_not_evicted_for_it(void **state)
{
    struct xen_mapcache *cache;
    uint64_t gfn, other;
    void *host;

    for (unsigned i = 0; i < 2; i++) {
        gfn = IN(1) + i * LARGE;
        other = GFN + (1 - i) * LARGE;
        cache = blocks_open(state, 8);
        assert_int_equal(blocks_mapped_for(cache, gfn), BLOCK);
        assert_int_equal(
            xen_mapcache_lookup(cache, other * PAGE, 7 * BLOCK_BYTES, &host),
            0);
        xen_mapcache_quiescent();
        blocks_assert_mapped(cache, 8, 2);
        assert_int_equal(blocks_mapped_for(cache, gfn + 5 * BLOCK), BLOCK);
        blocks_assert_mapped(cache, 2, 2);
        assert_int_equal(blocks_mapped_for(cache, gfn), 0);
        assert_int_equal(guest_stats(cache).evictions, 1);
        /* So it is with one that is mapped anew and gets more. */
        assert_int_equal(
            xen_mapcache_lookup(cache, other * PAGE, 6 * BLOCK_BYTES, &host),
            0);
        xen_mapcache_quiescent();
        assert_int_equal(xen_mapcache_invalidate_range(cache, gfn * PAGE, PAGE),
                         0);
        assert_int_equal(blocks_mapped_for(cache, gfn - BLOCK), 7 * BLOCK);
        blocks_assert_mapped(cache, 7, 1);
        assert_int_equal(guest_stats(cache).evictions, 2);
        /* What is stale of it does not wait to be dropped. */
        assert_int_equal(blocks_mapped_for(cache, other), BLOCK);
        assert_int_equal(xen_mapcache_invalidate_range(cache, gfn * PAGE, PAGE),
                         0);
        assert_int_equal(blocks_mapped_for(cache, gfn + 6 * BLOCK), 8 * BLOCK);
        blocks_assert_mapped(cache, 8, 1);
        assert_int_equal(guest_stats(cache).evictions, 3);
        xen_mapcache_close(cache);
    }
    *state = NULL;
}

/* A budget below a chunk is one: the chunk that is filled is not evicted. */
static void a_chunk_can_always_be_filled(void **state)
{
    struct xen_mapcache *cache = blocks_open(state, 1);

    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 2 * BLOCKS; i++)
            assert_int_equal(guest_shown(cache, GFN + i * 5 % 16 * BLOCK),
                             fakexen_frame(DOMID, GFN + i * 5 % 16 * BLOCK));
    assert_true(guest_stats(cache).mapped <= BLOCKS * BLOCK_BYTES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_ALONE(a_first_access_maps_one_block),
        GUEST_ALONE(a_chunk_is_mapped_as_it_is_used),
        GUEST_ALONE(a_sequential_walk_maps_each_chunk_with_one_call),
        GUEST_ALONE(a_range_is_mapped_with_one_call_for_each_chunk),
        GUEST_ALONE(a_range_over_mapped_blocks_maps_those_between),
        GUEST_ALONE(more_is_mapped_beside_pointers_that_are_in_use),
        GUEST_ALONE(a_budget_is_spent_on_blocks),
        GUEST_ALONE(a_budget_is_kept_whatever_is_touched),
        GUEST_ALONE(a_chunk_that_gets_more_is_not_evicted_for_it),
        GUEST_ALONE(a_chunk_can_always_be_filled),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
