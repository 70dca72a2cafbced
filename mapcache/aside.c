/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/cache.h"

#include <errno.h>
#include <string.h>

#include "mapcache/piece.h"

#define CLEAR_MAX ((uint64_t)FOREIGN_PAGES_MAX * PAGE)

int cache_map_aside(struct xen_mapcache *cache, uint64_t gfn, unsigned pages,
                    void **host)
{
    int rc;

    cache_count(&cache->counters.map_calls);
    rc = foreign_aside_map(&cache->foreign, gfn, pages, host);
    if (rc) {
        cache_count(rc == -EFAULT || rc == -ESRCH
                        ? &cache->counters.holes
                        : &cache->counters.map_errors);
    }
    return rc;
}

int xen_mapcache_clear(struct xen_mapcache *cache, uint64_t gpa, uint64_t len)
{
    int rc = check_range(cache, gpa, len);
    uint64_t done, n;
    void *host;

    if (rc == 0 && (gpa | len) % PAGE)
        rc = -EINVAL;
    for (done = 0; rc == 0 && done < len; done += n) {
        n = len - done < CLEAR_MAX ? len - done : CLEAR_MAX;
        rc = cache_map_aside(cache, (gpa + done) >> PAGE_SHIFT,
                             (unsigned)(n >> PAGE_SHIFT), &host);
        if (rc == 0) {
            memset(host, 0, n);
            foreign_aside_unmap(&cache->foreign, host,
                                (unsigned)(n >> PAGE_SHIFT));
        }
    }
    return rc;
}
