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

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "xenram/mapcache.h"

static void after_an_invalidate_the_new_frames_are_seen(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint32_t old = fakexen_frame(DOMID, gfn);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(guest_shown(cache, gfn), old);
        fakexen_swap(DOMID, gfn, gfn + 0x100);
        assert_int_not_equal(fakexen_frame(DOMID, gfn), old);
        old = fakexen_frame(DOMID, gfn);
        if (i == 1) {
            assert_int_equal(
                xen_mapcache_invalidate_range(cache, gfn * PAGE, 1), 0);
        } else {
            xen_mapcache_invalidate(cache);
        }
        assert_int_equal(guest_shown(cache, gfn), old);
        assert_int_equal(guest_read(cache, gfn), old);
    }
    /* Replaced in place: one mapping a chunk, whatever happened. */
    assert_int_equal(fakexen_mappings(), 1);
}

static void a_range_invalidate_leaves_other_chunks(void **state)
{
    struct xen_mapcache *cache = *state;
    uint64_t misses;

    for (uint64_t gfn = 0x300; gfn < 0x340; gfn += 16)
        assert_true(guest_shown(cache, gfn) > 0);
    assert_int_equal(xen_mapcache_invalidate_range(cache, 0x320 * PAGE - 1, 2),
                     0);
    assert_int_equal(guest_stats(cache).stale, 2);
    misses = guest_stats(cache).misses;
    for (uint64_t gfn = 0x300; gfn < 0x340; gfn += 16)
        assert_true(guest_shown(cache, gfn) > 0);
    assert_int_equal(guest_stats(cache).misses, misses + 2);
}

/* Generations are 16 bits: a chunk must not come to life at the wrap. */
static void stale_chunks_stay_stale_for_ever(void **state)
{
    struct xen_mapcache *cache = *state;
    const uint64_t gfn = 0x305;
    uint64_t misses;

    assert_true(guest_shown(cache, gfn) > 0);
    assert_int_equal(guest_shown(cache, HOLE_GPA / PAGE), -EFAULT);
    fakexen_swap(DOMID, gfn, gfn + 0x100);
    misses = guest_stats(cache).misses;
    for (unsigned i = 0; i < 3 * 65535; i++) {
        xen_mapcache_invalidate(cache);
        if (i >= 65530 && i < 65540)
            assert_int_equal(guest_stats(cache).stale, 1);
    }
    assert_int_equal(guest_stats(cache).misses, misses);
    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_int_equal(guest_stats(cache).invalidates, 3 * 65535);
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
    assert_int_equal(guest_stats(cache).quarantined, 1);
    assert_int_equal(guest_stats(cache).stale, 0);

    assert_int_equal(guest_word(pin), old);
    assert_int_equal(guest_shown(cache, gfn), -EBUSY);
    assert_int_equal(guest_shown(cache, gfn + 1), -EBUSY);
    assert_int_equal(xen_mapcache_pin(cache, gfn * PAGE, 4, &host), -EBUSY);
    assert_int_equal(guest_read(cache, gfn), now);
    assert_int_equal(xen_mapcache_write(cache, gfn * PAGE + 8, &now, 4, NULL),
                     0);
    fakexen_peek(DOMID, gfn * PAGE + 8, &word, 4);
    assert_int_equal(word, now);
    assert_int_equal(guest_word((char *)pin + 8), 0);

    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(guest_word(pin), old);
    xen_mapcache_unpin(cache, pin, PAGE);
    assert_int_equal(guest_stats(cache).quarantined, 0);
    assert_int_equal(guest_shown(cache, gfn), now);
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
    assert_int_equal(guest_shown(cache, gfn), -EFAULT);
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
    assert_int_equal(guest_stats(cache).mapped, 5 * CHUNK);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 0);
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
            holder->frame = guest_word(host);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_WITH_CACHE(after_an_invalidate_the_new_frames_are_seen),
        GUEST_WITH_CACHE(a_range_invalidate_leaves_other_chunks),
        GUEST_WITH_CACHE(stale_chunks_stay_stale_for_ever),
        GUEST_WITH_CACHE(a_pinned_chunk_keeps_its_frames_in_quarantine),
        GUEST_WITH_CACHE(a_quarantined_chunk_is_reclaimed_after_its_last_unpin),
        GUEST_WITH_CACHE(reclaim_works_in_bounded_steps),
        GUEST_WITH_CACHE(an_invalidate_waits_for_epochs),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
