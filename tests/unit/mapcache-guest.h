/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_MAPCACHE_GUEST_H
#define TESTS_MAPCACHE_GUEST_H

/*
 * A guest of 16 MiB for the tests of the map cache, whose frames say which one
 * they are, in their first word.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenram/mapcache.h"

#define DOMID 7u
#define PAGE 4096u
#define CHUNK (16 * PAGE)
#define PAGES 4096u /* with the hole at 0xa0 to 0xbf */
#define HOLE_GPA UINT64_C(0xa0000)
#define WINDOW (UINT64_C(64) << 20)

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* Set-up without and with a cache of WINDOW and CHUNK as the state. */
int guest_up(void **state);
int guest_cache_up(void **state);
/* Closes the cache in *state, NULL is fine, and checks that nothing is left. */
int guest_down(void **state);

#define GUEST_ALONE(test)                                                      \
    cmocka_unit_test_setup_teardown(test, guest_up, guest_down)
#define GUEST_WITH_CACHE(test)                                                 \
    cmocka_unit_test_setup_teardown(test, guest_cache_up, guest_down)

/* Write the numbers of all frames, after some are new. */
void guest_stamp(void);

struct xen_mapcache_stats guest_stats(const struct xen_mapcache *cache);

static inline uint32_t guest_word(const void *host)
{
    return *(const volatile uint32_t *)host;
}

/* Could host be written?  Writes what is there. */
bool guest_writable(const void *host);

/* The frame that a lookup, or a read, shows at gfn, or -errno. */
int64_t guest_shown(struct xen_mapcache *cache, uint64_t gfn);
int64_t guest_read(struct xen_mapcache *cache, uint64_t gfn);

#endif
