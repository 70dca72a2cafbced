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
#include "xenram/mapcache.h"

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
        assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_true(guest_stats(cache).mapped <= 4 * CHUNK);
    }
    assert_int_equal(fakexen_mappings(), 4);
    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16) {
        assert_int_equal(guest_read(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_true(guest_stats(cache).mapped <= 4 * CHUNK);
    }
    assert_true(guest_stats(cache).evictions > 400);
}

static void a_chunk_in_use_survives_the_clock(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 8);
    uint64_t misses = 0;

    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16) {
        assert_true(guest_shown(cache, gfn) > 0);
        misses = guest_stats(cache).misses;
        assert_true(guest_shown(cache, 0x80) > 0);
        /* Referenced between any two evictions: mapped once, then kept. */
        assert_int_equal(guest_stats(cache).misses, misses + (gfn == 0x100));
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
        assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_true(guest_stats(cache).mapped <= 14 * CHUNK);
    }
    misses = guest_stats(cache).misses;
    for (uint64_t gfn = 0x8d0; gfn < 0x900; gfn += 16)
        assert_true(guest_shown(cache, gfn) > 0);
    assert_int_equal(guest_stats(cache).misses, misses);
    for (size_t i = 0; i < NR(pins); i++) {
        assert_int_equal(guest_word(pins[i]),
                         fakexen_frame(DOMID, 0x200 + 16 * i));
        xen_mapcache_unpin(cache, pins[i], CHUNK);
    }
    assert_true(guest_shown(cache, 0x900) > 0);
    assert_true(guest_stats(cache).mapped <= 4 * CHUNK);
}

static void looked_up_pointers_outlive_the_budget(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 2);
    void *host[20];

    for (size_t i = 0; i < NR(host); i++) {
        assert_int_equal(
            xen_mapcache_lookup(cache, 0x200000 + i * CHUNK, 4, &host[i]), 0);
        assert_true(guest_read(cache, 0x900 + 16 * i) > 0);
        xen_mapcache_reclaim(cache, 0);
    }
    for (size_t i = 0; i < NR(host); i++) {
        assert_int_equal(guest_word(host[i]),
                         fakexen_frame(DOMID, 0x200 + 16 * i));
    }
    xen_mapcache_quiescent();
    xen_mapcache_reclaim(cache, 0);
    assert_true(guest_shown(cache, 0x900) > 0);
    assert_true(guest_shown(cache, 0x910) > 0);
    assert_true(guest_shown(cache, 0x920) > 0);
    assert_true(guest_stats(cache).mapped <= 2 * CHUNK);
}

static void a_range_above_the_budget_can_be_looked_up(void **state)
{
    struct xen_mapcache *cache = small_cache(state, 1);
    uint8_t *host;

    assert_int_equal(
        xen_mapcache_lookup(cache, 0x200000, 9 * CHUNK, (void **)&host), 0);
    for (uint64_t i = 0; i < 9 * 16; i++) {
        assert_int_equal(guest_word(host + i * PAGE),
                         fakexen_frame(DOMID, 0x200 + i));
    }
    assert_int_equal(
        xen_mapcache_pin(cache, 0x400000, 9 * CHUNK, (void **)&host), 0);
    xen_mapcache_unpin(cache, host, 9 * CHUNK);
}

/*
 * Whatever the budget: each call of Xen's makes an area of the kernel, and what
 * lies between two of them is another; a process has 65530.
 */
static void a_quarter_of_the_areas_of_a_process_is_enough(void **state)
{
    const struct fakexen_domain domain = {.domid = DOMID, .pages = 40000};
    static const struct xen_mapcache_options options = {
        .window = UINT64_C(1) << 28,
        .budget = UINT64_C(1) << 30,
        .chunk = PAGE,
    };
    struct xen_mapcache *cache;
    void *host;

    fakexen_reset();
    fakexen_create(&domain);
    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    for (uint64_t gfn = 0x101; gfn < domain.pages; gfn += 2) {
        assert_int_equal(xen_mapcache_lookup(cache, gfn * PAGE, 4, &host), 0);
        xen_mapcache_quiescent();
        assert_true(guest_stats(cache).mapped <= 16384 * PAGE);
    }
    assert_true(fakexen_mappings() <= 16384);
    assert_true(fakexen_mappings() > 15000);
    assert_true(guest_stats(cache).evictions > 3000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_ALONE(the_budget_is_kept),
        GUEST_ALONE(a_chunk_in_use_survives_the_clock),
        GUEST_ALONE(pinned_chunks_do_not_count_for_the_budget),
        GUEST_ALONE(looked_up_pointers_outlive_the_budget),
        GUEST_ALONE(a_range_above_the_budget_can_be_looked_up),
        GUEST_ALONE(a_quarter_of_the_areas_of_a_process_is_enough),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
