/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/mapcache-blocks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"

struct xen_mapcache *blocks_open(void **state, unsigned budget_blocks)
{
    struct xen_mapcache_options options = {
        .window = WINDOW,
        .budget = budget_blocks * BLOCK_BYTES,
        .chunk = LARGE * PAGE,
    };
    struct xen_mapcache *cache;

    assert_int_equal(xen_mapcache_open(DOMID, &options, &cache), 0);
    *state = cache;
    return cache;
}

unsigned blocks_mapped_for(struct xen_mapcache *cache, uint64_t gfn)
{
    uint64_t calls = fakexen_calls(FAKEXEN_MAP);
    uint64_t pages = fakexen_pages(FAKEXEN_MAP);

    assert_int_equal(guest_shown(cache, gfn), fakexen_frame(DOMID, gfn));
    assert_true(fakexen_calls(FAKEXEN_MAP) <= calls + 1);
    return (unsigned)(fakexen_pages(FAKEXEN_MAP) - pages);
}

void blocks_assert_mapped(struct xen_mapcache *cache, unsigned blocks,
                          unsigned areas)
{
    assert_int_equal(guest_stats(cache).mapped, blocks * BLOCK_BYTES);
    assert_int_equal(fakexen_mapped_bytes(), blocks * BLOCK_BYTES);
    assert_int_equal(fakexen_mappings(), areas);
}
