/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "xenram/mapcache.h"

#define GFN UINT64_C(0x305)
#define NEXT (GFN + 16) /* in the chunk after it */

static void *pinned(struct xen_mapcache *cache, uint64_t gfn)
{
    void *host = NULL;

    assert_int_equal(xen_mapcache_pin(cache, gfn * PAGE, PAGE, &host), 0);
    assert_int_equal(guest_word(host), fakexen_frame(DOMID, gfn));
    return host;
}

static int replace(struct xen_mapcache *cache, uint64_t gfn, uint64_t pages)
{
    return xen_mapcache_replace(cache, gfn * PAGE, pages * PAGE);
}

static void rings_go_on_with_new_frames_at_their_addresses(void **state)
{
    struct xen_mapcache *cache = *state;
    void *rings[] = {pinned(cache, GFN), pinned(cache, GFN + 1),
                     pinned(cache, NEXT)};
    const uint64_t gfns[] = {GFN, GFN + 1, NEXT};
    uint64_t calls = fakexen_calls(FAKEXEN_MAP);
    uint32_t word = 77, now;

    for (size_t i = 0; i < NR(rings); i++)
        fakexen_swap(DOMID, gfns[i], gfns[i] + 0x100);
    xen_mapcache_invalidate(cache);
    assert_int_equal(guest_shown(cache, GFN + 2), -EBUSY);
    assert_int_equal(replace(cache, GFN, 17), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls + 2);
    assert_int_equal(fakexen_mappings(), 2);

    for (size_t i = 0; i < NR(rings); i++) {
        assert_true(guest_writable(rings[i]));
        assert_int_equal(guest_word(rings[i]), fakexen_frame(DOMID, gfns[i]));
        ((volatile uint32_t *)rings[i])[1] = word;
        fakexen_peek(DOMID, gfns[i] * PAGE + 4, &now, 4);
        assert_int_equal(now, word);
    }
    assert_int_equal(guest_stats(cache).pinned, 2);
    assert_int_equal(guest_stats(cache).quarantined, 0);
    assert_int_equal(guest_shown(cache, GFN + 2),
                     fakexen_frame(DOMID, GFN + 2));
    for (size_t i = 0; i < NR(rings); i++)
        xen_mapcache_unpin(cache, rings[i], PAGE);
    assert_int_equal(guest_stats(cache).pinned, 0);
}

static void a_replace_invalidates_what_is_not_pinned(void **state)
{
    struct xen_mapcache *cache = *state;
    void *ring = pinned(cache, GFN);

    assert_true(guest_shown(cache, NEXT) > 0);
    fakexen_swap(DOMID, GFN, GFN + 0x100);
    fakexen_swap(DOMID, NEXT, NEXT + 0x100);
    assert_int_equal(replace(cache, GFN, 17), 0);
    assert_int_equal(guest_word(ring), fakexen_frame(DOMID, GFN));
    assert_int_equal(guest_shown(cache, NEXT), fakexen_frame(DOMID, NEXT));
    xen_mapcache_unpin(cache, ring, PAGE);
}

static void pins_of_other_chunks_are_left(void **state)
{
    struct xen_mapcache *cache = *state;
    void *ring = pinned(cache, GFN), *other = pinned(cache, NEXT);
    uint32_t old = fakexen_frame(DOMID, NEXT);

    fakexen_swap(DOMID, NEXT, NEXT + 0x100);
    xen_mapcache_invalidate(cache);
    assert_int_equal(replace(cache, GFN, 1), 0);
    assert_int_equal(guest_word(other), old);
    assert_int_equal(guest_stats(cache).quarantined, 1);
    xen_mapcache_unpin(cache, ring, PAGE);
    xen_mapcache_unpin(cache, other, PAGE);
}

static void a_replaced_chunk_gives_its_old_frames_back(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t old = fakexen_frame(DOMID, GFN);
    void *ring = pinned(cache, GFN);

    fakexen_replace(DOMID, GFN);
    assert_int_equal(fakexen_frame_refs(old), 1);
    assert_int_equal(replace(cache, GFN, 1), 0);
    assert_int_equal(fakexen_frame_refs(old), 0);
    xen_mapcache_unpin(cache, ring, PAGE);
}

static void a_hole_is_said_and_the_rest_replaced(void **state)
{
    struct xen_mapcache *cache = *state;
    void *ring = pinned(cache, GFN);

    fakexen_swap(DOMID, GFN, GFN + 0x100);
    fakexen_balloon_out(DOMID, GFN + 1, 1);
    assert_int_equal(replace(cache, GFN, 2), -EFAULT);
    assert_int_equal(guest_word(ring), fakexen_frame(DOMID, GFN));
    assert_int_equal(guest_shown(cache, GFN + 1), -EFAULT);
    assert_int_equal(replace(cache, GFN, 1), 0);
    assert_int_equal(fakexen_balloon_in(DOMID, GFN + 1, 1), 0);
    assert_int_equal(replace(cache, GFN, 2), 0);
    assert_int_equal(guest_word((char *)ring + PAGE), 0);
    xen_mapcache_unpin(cache, ring, PAGE);
}

static void a_chunk_of_one_page_may_become_a_hole(void **state)
{
    static const struct xen_mapcache_options options = {.window = WINDOW,
                                                        .chunk = PAGE};
    struct xen_mapcache *cache;
    void *ring;

    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    ring = pinned(cache, GFN);
    fakexen_balloon_out(DOMID, GFN, 1);
    assert_int_equal(replace(cache, GFN, 1), -EFAULT);
    assert_int_equal(guest_shown(cache, GFN), -EFAULT);
    assert_int_equal(fakexen_balloon_in(DOMID, GFN, 1), 0);
    assert_int_equal(replace(cache, GFN, 1), 0);
    assert_int_equal(guest_word(ring), 0);
    xen_mapcache_unpin(cache, ring, PAGE);
}

static void a_failed_replace_can_be_tried_again_or_unpinned(void **state)
{
    struct xen_mapcache *cache = *state;
    void *rings[] = {pinned(cache, GFN), pinned(cache, NEXT)};

    for (unsigned nth = 1; nth <= 2; nth++) {
        fakexen_fail(FAKEXEN_MAP, nth, 1, ENOMEM);
        assert_int_equal(replace(cache, GFN, 17), -ENOMEM);
        assert_int_equal(guest_stats(cache).pinned, 2);
        assert_int_equal(guest_stats(cache).quarantined, 1);
        assert_int_equal(guest_stats(cache).mapped, CHUNK);
        assert_int_equal(fakexen_mapped_bytes(), CHUNK);
        assert_int_equal(guest_shown(cache, nth == 1 ? GFN : NEXT), -EBUSY);
    }
    assert_int_equal(guest_read(cache, NEXT), fakexen_frame(DOMID, NEXT));
    xen_mapcache_unpin(cache, rings[1], PAGE);
    assert_int_equal(guest_shown(cache, NEXT), fakexen_frame(DOMID, NEXT));
    assert_int_equal(replace(cache, GFN, 17), 0);
    assert_int_equal(guest_word(rings[0]), fakexen_frame(DOMID, GFN));
    xen_mapcache_unpin(cache, rings[0], PAGE);
}

/* With the hole alone the pins could be used, so the failure is told. */
static void a_hole_does_not_hide_a_failure(void **state)
{
    struct xen_mapcache *cache = *state;
    void *rings[] = {pinned(cache, GFN), pinned(cache, NEXT)};

    fakexen_balloon_out(DOMID, GFN, 1);
    fakexen_balloon_out(DOMID, NEXT, 1);
    for (unsigned nth = 1; nth <= 2; nth++) {
        fakexen_fail(FAKEXEN_MAP, nth, 1, ENOMEM);
        assert_int_equal(replace(cache, GFN, 17), -ENOMEM);
    }
    assert_int_equal(replace(cache, GFN, 17), -EFAULT);
    for (size_t i = 0; i < NR(rings); i++)
        xen_mapcache_unpin(cache, rings[i], PAGE);
}

static void a_read_only_pin_stays_read_only(void **state)
{
    struct xen_mapcache *cache = *state;
    const void *rom;
    void *host;

    assert_int_equal(xen_mapcache_pin_ro(cache, GFN * PAGE, PAGE, &rom), 0);
    fakexen_swap(DOMID, GFN, GFN + 0x100);
    assert_int_equal(replace(cache, GFN, 1), 0);
    assert_int_equal(guest_word(rom), fakexen_frame(DOMID, GFN));
    assert_false(guest_writable(rom));
    assert_int_equal(xen_mapcache_lookup(cache, GFN * PAGE, 1, &host), -EBUSY);
    xen_mapcache_unpin(cache, rom, PAGE);
}

static void a_range_outside_is_refused(void **state)
{
    struct xen_mapcache *cache = *state;

    assert_int_equal(xen_mapcache_replace(cache, 0, 0), -EINVAL);
    assert_int_equal(xen_mapcache_replace(cache, WINDOW - 1, 2), -ERANGE);
    assert_int_equal(xen_mapcache_replace(cache, 0, UINT64_MAX), -ERANGE);
    assert_int_equal(xen_mapcache_replace(cache, 0, WINDOW), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_WITH_CACHE(rings_go_on_with_new_frames_at_their_addresses),
        GUEST_WITH_CACHE(a_replace_invalidates_what_is_not_pinned),
        GUEST_WITH_CACHE(pins_of_other_chunks_are_left),
        GUEST_WITH_CACHE(a_replaced_chunk_gives_its_old_frames_back),
        GUEST_WITH_CACHE(a_hole_is_said_and_the_rest_replaced),
        GUEST_ALONE(a_chunk_of_one_page_may_become_a_hole),
        GUEST_WITH_CACHE(a_failed_replace_can_be_tried_again_or_unpinned),
        GUEST_WITH_CACHE(a_hole_does_not_hide_a_failure),
        GUEST_WITH_CACHE(a_read_only_pin_stays_read_only),
        GUEST_WITH_CACHE(a_range_outside_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
