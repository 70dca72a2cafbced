/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/mapcache-guest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"

void guest_stamp(void)
{
    for (uint64_t gfn = 0; gfn < PAGES; gfn++) {
        uint32_t frame = fakexen_frame(DOMID, gfn);

        if (frame != FAKEXEN_NO_FRAME)
            memcpy(fakexen_frame_host(frame), &frame, sizeof(frame));
    }
}

int guest_up(void **state)
{
    struct fakexen_domain domain = {.domid = DOMID, .pages = PAGES};

    fakexen_reset();
    fakexen_create(&domain);
    guest_stamp();
    *state = NULL;
    return 0;
}

int guest_cache_up(void **state)
{
    static const struct xen_mapcache_options options = {
        .window = WINDOW,
        .chunk = CHUNK,
    };
    struct xen_mapcache *cache;

    guest_up(state);
    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    return 0;
}

int guest_down(void **state)
{
    xen_mapcache_close(*state);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_mapped_bytes(), 0);
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_violations(), 0);
    return 0;
}

struct xen_mapcache_stats guest_stats(const struct xen_mapcache *cache)
{
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(cache, &stats);
    return stats;
}

/* The kernel tries, and says. */
bool guest_writable(const void *host)
{
    const char byte = *(const volatile char *)host;
    int ends[2], rc;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], &byte, 1), 1);
    rc = (int)read(ends[0], (void *)(uintptr_t)host, 1);
    assert_true(rc == 1 || errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    return rc == 1;
}

int64_t guest_shown(struct xen_mapcache *cache, uint64_t gfn)
{
    void *host;
    int rc = xen_mapcache_lookup(cache, gfn * PAGE, 4, &host);
    int64_t frame = rc ? rc : (int64_t)guest_word(host);

    xen_mapcache_quiescent();
    return frame;
}

int64_t guest_read(struct xen_mapcache *cache, uint64_t gfn)
{
    uint32_t frame;
    int rc = xen_mapcache_read(cache, gfn * PAGE, &frame, 4, NULL);

    return rc ? rc : (int64_t)frame;
}
