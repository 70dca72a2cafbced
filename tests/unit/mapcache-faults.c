/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "xenram/mapcache.h"

static void a_failed_map_is_an_error_and_no_more(void **state)
{
    static const int errors[] = {ENOMEM, EINVAL, EPERM, EFAULT, ESRCH};
    struct xen_mapcache *cache = *state;
    uint64_t gfn = 0x200;

    for (size_t i = 0; i < NR(errors); i++, gfn += 16) {
        fakexen_fail(FAKEXEN_MAP, 1, 1, errors[i]);
        assert_int_equal(guest_shown(cache, gfn), -errors[i]);
        assert_true(fakexen_failed(FAKEXEN_MAP));
        assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
        /* And in place of a mapping that is there. */
        xen_mapcache_invalidate(cache);
        fakexen_fail(FAKEXEN_MAP, 1, 1, errors[i]);
        assert_int_equal(guest_read(cache, gfn), -errors[i]);
        assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
        assert_int_equal(fakexen_mapped_bytes(), guest_stats(cache).mapped);
    }
    assert_int_equal(guest_stats(cache).map_errors, 2 * NR(errors));
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
    assert_int_equal(guest_read(cache, 0x200), -ENOMEM);
    fakexen_set_hook(NULL, NULL);
    stranger = mmap(host, PAGE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_equal(stranger, MAP_FAILED);
    assert_int_equal(errno, EEXIST);
    xen_mapcache_quiescent();
    assert_int_equal(guest_shown(cache, 0x200), fakexen_frame(DOMID, 0x200));
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
        assert_int_equal(guest_stats(cache).pinned, 0);
    }
    fakexen_fail(FAKEXEN_MAP, 1, 1, 0);
    assert_int_equal(xen_mapcache_pin(cache, 0x200000, 4 * CHUNK, &host), 0);
    xen_mapcache_unpin(cache, host, 4 * CHUNK);
}

static void a_dead_domain_gives_an_error(void **state)
{
    struct xen_mapcache *cache = *state;
    void *pin;

    assert_int_equal(xen_mapcache_pin(cache, 0x200000, 1, &pin), 0);
    fakexen_destroy(DOMID);
    xen_mapcache_invalidate(cache);
    assert_int_equal(guest_shown(cache, 0x300), -ESRCH);
    assert_int_equal(guest_read(cache, 0x300), -ESRCH);
    assert_int_equal(guest_read(cache, 0x200), -ESRCH);
    (void)guest_word(pin);
    xen_mapcache_unpin(cache, pin, 1);
    assert_int_equal(xen_mapcache_reclaim(cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_WITH_CACHE(a_failed_map_is_an_error_and_no_more),
        GUEST_WITH_CACHE(a_failed_map_leaves_the_window_reserved),
        GUEST_WITH_CACHE(a_failed_pin_leaves_no_pin),
        GUEST_WITH_CACHE(a_dead_domain_gives_an_error),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
