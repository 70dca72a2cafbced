/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* Pages that have come to the guest are cleared aside, not in the window. */

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

#define FIRST UINT64_C(0x100)

static void fill(uint64_t gfn, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++)
        memset(fakexen_host(DOMID, gfn + i), 0x5a, PAGE);
}

static bool is_all(uint64_t gfn, uint64_t nr, uint8_t value)
{
    const uint8_t *page;

    for (uint64_t i = 0; i < nr; i++) {
        page = fakexen_host(DOMID, gfn + i);
        for (unsigned at = 0; at < PAGE; at++)
            if (page[at] != value)
                return false;
    }
    return true;
}

static void just_these_pages_are_cleared(void **state)
{
    static const uint64_t numbers[] = {1, 2, 511, 512, 513, 600};

    for (size_t i = 0; i < NR(numbers); i++) {
        uint64_t nr = numbers[i];

        fill(FIRST - 1, nr + 2);
        fakexen_reset_counters();
        assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, nr * PAGE),
                         0);
        assert_true(is_all(FIRST, nr, 0));
        assert_true(is_all(FIRST - 1, 1, 0x5a));
        assert_true(is_all(FIRST + nr, 1, 0x5a));
        assert_int_equal(fakexen_pages(FAKEXEN_MAP), nr);
        assert_int_equal(fakexen_calls(FAKEXEN_MAP), (nr + 511) / 512);
    }
}

static void nothing_of_it_stays_mapped_or_counts(void **state)
{
    uint64_t before = fakexen_mapped_bytes();
    void *host;

    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, 3 * PAGE), 0);
    assert_int_equal(fakexen_mapped_bytes(), before);
    assert_int_equal(guest_stats(*state).mapped, 0);
    assert_int_equal(guest_stats(*state).misses, 0);
    assert_int_equal(xen_mapcache_lookup(*state, FIRST * PAGE, PAGE, &host), 0);
    memset(host, 0x77, PAGE);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, PAGE), 0);
    assert_int_equal(*(uint8_t *)host, 0);
}

static void parts_of_pages_and_places_outside_are_refused(void **state)
{
    struct xen_mapcache_stats stats = guest_stats(*state);

    fill(FIRST, 2);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, 0), -EINVAL);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE + 1, PAGE),
                     -EINVAL);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, PAGE + 8),
                     -EINVAL);
    assert_int_equal(xen_mapcache_clear(*state, stats.window, PAGE), -ERANGE);
    assert_int_equal(
        xen_mapcache_clear(*state, FIRST * PAGE, UINT64_MAX - PAGE + 1),
        -ERANGE);
    assert_true(is_all(FIRST, 2, 0x5a));
    assert_int_equal(guest_stats(*state).map_calls, stats.map_calls);
}

static void a_hole_is_an_error_and_a_failed_map_too(void **state)
{
    uint64_t before = fakexen_mapped_bytes();

    fill(FIRST, 3);
    fakexen_balloon_out(DOMID, FIRST + 1, 1);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, 3 * PAGE),
                     -EFAULT);
    assert_true(is_all(FIRST + 2, 1, 0x5a));
    fakexen_fail(FAKEXEN_MAP, 1, 1, ENOMEM);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, PAGE), -ENOMEM);
    assert_true(is_all(FIRST, 1, 0x5a));
    assert_int_equal(fakexen_mapped_bytes(), before);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, PAGE), 0);
    assert_true(is_all(FIRST, 1, 0));
}

static void frames_do_not_stay_when_an_unmap_fails(void **state)
{
    uint64_t before = fakexen_mapped_bytes();

    fakexen_fail(FAKEXEN_UNMAP, 1, 1, ENOMEM);
    assert_int_equal(xen_mapcache_clear(*state, FIRST * PAGE, 3 * PAGE), 0);
    assert_true(fakexen_failed(FAKEXEN_UNMAP));
    assert_int_equal(fakexen_mapped_bytes(), before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_WITH_CACHE(just_these_pages_are_cleared),
        GUEST_WITH_CACHE(nothing_of_it_stays_mapped_or_counts),
        GUEST_WITH_CACHE(parts_of_pages_and_places_outside_are_refused),
        GUEST_WITH_CACHE(a_hole_is_an_error_and_a_failed_map_too),
        GUEST_WITH_CACHE(frames_do_not_stay_when_an_unmap_fails),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
