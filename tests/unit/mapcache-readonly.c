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

#define GFN UINT64_C(0x305)

static const void *looked_up_ro(struct xen_mapcache *cache, uint64_t gfn)
{
    const void *host = NULL;

    assert_int_equal(xen_mapcache_lookup_ro(cache, gfn * PAGE, PAGE, &host), 0);
    assert_int_equal(guest_word(host), fakexen_frame(DOMID, gfn));
    xen_mapcache_quiescent();
    return host;
}

static void *looked_up(struct xen_mapcache *cache, uint64_t gfn)
{
    void *host = NULL;

    assert_int_equal(xen_mapcache_lookup(cache, gfn * PAGE, PAGE, &host), 0);
    assert_int_equal(guest_word(host), fakexen_frame(DOMID, gfn));
    xen_mapcache_quiescent();
    return host;
}

static void what_only_readers_use_cannot_be_written(void **state)
{
    struct xen_mapcache *cache = *state;
    const void *pin;

    assert_false(guest_writable(looked_up_ro(cache, GFN)));
    assert_int_equal(xen_mapcache_pin_ro(cache, 0x200000, 2 * CHUNK, &pin), 0);
    assert_false(guest_writable(pin));
    assert_false(guest_writable((const char *)pin + CHUNK));
    xen_mapcache_unpin(cache, pin, 2 * CHUNK);
    /* A copy out of the guest is no writer. */
    assert_int_equal(guest_read(cache, GFN), fakexen_frame(DOMID, GFN));
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), 3);
}

static void a_reader_uses_what_a_writer_mapped(void **state)
{
    struct xen_mapcache *cache = *state;
    void *host = looked_up(cache, GFN);

    assert_ptr_equal(looked_up_ro(cache, GFN), host);
    assert_true(guest_writable(host));
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), 1);
}

static void write_word(struct xen_mapcache *cache)
{
    uint32_t word = fakexen_frame(DOMID, GFN);

    assert_int_equal(xen_mapcache_write(cache, GFN * PAGE, &word, 4, NULL), 0);
}

static void pin_once(struct xen_mapcache *cache)
{
    void *host;

    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, 4, &host), 0);
    xen_mapcache_unpin(cache, host, 4);
}

static void look_up_once(struct xen_mapcache *cache)
{
    looked_up(cache, GFN);
}

/* QEMU's cache maps for writing always, because it cannot do this. */
static void the_first_writer_has_it_mapped_for_writing(void **state)
{
    void (*const writers[])(struct xen_mapcache *) = {look_up_once, pin_once,
                                                      write_word};
    struct xen_mapcache *cache = *state;
    const void *host;
    uint64_t calls;

    for (size_t i = 0; i < NR(writers); i++) {
        host = looked_up_ro(cache, GFN);
        assert_false(guest_writable(host));
        calls = fakexen_calls(FAKEXEN_MAP);
        writers[i](cache);
        assert_int_equal(fakexen_calls(FAKEXEN_MAP), calls + 1);
        assert_true(guest_writable(host));
        assert_int_equal(fakexen_mappings(), 1);

        /* And so it stays, also in place of frames that went. */
        fakexen_swap(DOMID, GFN, GFN + 0x100);
        xen_mapcache_invalidate(cache);
        assert_ptr_equal(looked_up_ro(cache, GFN), host);
        assert_true(guest_writable(host));

        /* Until it is given back. */
        xen_mapcache_invalidate(cache);
        assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    }
}

static void a_read_only_pin_stays_when_a_writer_comes(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t frame = fakexen_frame(DOMID, GFN), word = 0xabcd;
    const char *pin;
    void *host;

    assert_int_equal(
        xen_mapcache_pin_ro(cache, GFN * PAGE, PAGE, (const void **)&pin), 0);
    assert_int_equal(xen_mapcache_lookup(cache, GFN * PAGE, 4, &host), -EBUSY);
    assert_int_equal(xen_mapcache_pin(cache, (GFN + 1) * PAGE, 4, &host),
                     -EBUSY);
    assert_int_equal(xen_mapcache_write(cache, GFN * PAGE + 4, &word, 4, NULL),
                     0);
    /* The same frame, so the pin shows what was written. */
    assert_int_equal(guest_word(pin), frame);
    assert_int_equal(guest_word(pin + 4), word);
    looked_up_ro(cache, GFN + 2);
    assert_int_equal(guest_stats(cache).pinned, 1);
    assert_int_equal(fakexen_mappings(), 1);

    xen_mapcache_unpin(cache, pin, PAGE);
    assert_ptr_equal(looked_up(cache, GFN), pin);
    assert_true(guest_writable(pin));
}

static void a_writer_waits_for_looked_up_pointers(void **state)
{
    struct xen_mapcache *cache = *state;
    const void *held, *beside;
    void *host;

    assert_int_equal(xen_mapcache_lookup_ro(cache, GFN * PAGE, 4, &held), 0);
    assert_int_equal(xen_mapcache_lookup(cache, GFN * PAGE, 4, &host), -EBUSY);
    /* Readers are not kept out meanwhile. */
    assert_int_equal(
        xen_mapcache_lookup_ro(cache, (GFN + 1) * PAGE, 4, &beside), 0);
    write_word(cache);
    assert_int_equal(guest_word(held), fakexen_frame(DOMID, GFN));
    assert_false(guest_writable(held));
    xen_mapcache_quiescent();
    assert_true(guest_writable(looked_up(cache, GFN)));
}

static void a_quarantined_read_only_pin_keeps_its_frames(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t old = fakexen_frame(DOMID, GFN);
    const void *pin;

    assert_int_equal(xen_mapcache_pin_ro(cache, GFN * PAGE, PAGE, &pin), 0);
    fakexen_swap(DOMID, GFN, GFN + 0x100);
    xen_mapcache_invalidate(cache);
    write_word(cache);
    assert_int_equal(guest_read(cache, GFN), fakexen_frame(DOMID, GFN));
    assert_int_equal(guest_word(pin), old);
    assert_int_equal(guest_stats(cache).quarantined, 1);
    xen_mapcache_unpin(cache, pin, PAGE);
    looked_up(cache, GFN);
}

static void holes_and_ranges_are_judged_alike(void **state)
{
    static const struct {
        uint64_t gpa;
        size_t len;
        int rc;
    } cases[] = {
        {0, 0, -EINVAL},
        {WINDOW, 1, -ERANGE},
        {HOLE_GPA - 1, 2, -EFAULT},
        {HOLE_GPA, 1, -EFAULT},
        {HOLE_GPA - 1, 1, 0},
    };
    struct xen_mapcache *cache = *state;
    const void *host;

    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(
            xen_mapcache_lookup_ro(cache, cases[i].gpa, cases[i].len, &host),
            cases[i].rc);
        xen_mapcache_quiescent();
        assert_int_equal(
            xen_mapcache_pin_ro(cache, cases[i].gpa, cases[i].len, &host),
            cases[i].rc);
        if (cases[i].rc == 0)
            xen_mapcache_unpin(cache, host, cases[i].len);
        assert_int_equal(guest_stats(cache).pinned, 0);
    }
}

static void a_map_for_a_writer_that_fails_loses_nothing(void **state)
{
    struct xen_mapcache *cache = *state;
    uint32_t frame = fakexen_frame(DOMID, GFN);

    looked_up_ro(cache, GFN);
    fakexen_fail(FAKEXEN_MAP, 1, 1, ENOMEM);
    assert_int_equal(guest_shown(cache, GFN), -ENOMEM);
    assert_false(guest_writable(looked_up_ro(cache, GFN)));
    assert_int_equal(guest_shown(cache, GFN), frame);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_WITH_CACHE(what_only_readers_use_cannot_be_written),
        GUEST_WITH_CACHE(a_reader_uses_what_a_writer_mapped),
        GUEST_WITH_CACHE(the_first_writer_has_it_mapped_for_writing),
        GUEST_WITH_CACHE(a_read_only_pin_stays_when_a_writer_comes),
        GUEST_WITH_CACHE(a_writer_waits_for_looked_up_pointers),
        GUEST_WITH_CACHE(a_quarantined_read_only_pin_keeps_its_frames),
        GUEST_WITH_CACHE(holes_and_ranges_are_judged_alike),
        GUEST_WITH_CACHE(a_map_for_a_writer_that_fails_loses_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
