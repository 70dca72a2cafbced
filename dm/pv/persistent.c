/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/persistent.h"

#include <errno.h>
#include <stdlib.h>

#include "dm/xen-grants.h"

/* Numbers of grants are small and dense: they are their own hash. */
static struct persistent_grant *slot(struct persistent *persistent,
                                     uint32_t ref)
{
    uint32_t at = ref % PERSISTENT_BUCKETS;

    while (persistent->table[at].page && persistent->table[at].ref != ref)
        at = (at + 1) % PERSISTENT_BUCKETS;
    return &persistent->table[at];
}

int persistent_new(struct xen_grants *grants, struct persistent **out)
{
    struct persistent *persistent = calloc(1, sizeof(*persistent));

    if (!persistent)
        return -ENOMEM;
    persistent->grants = grants;
    *out = persistent;
    return 0;
}

void persistent_free(struct persistent *persistent)
{
    if (!persistent)
        return;
    for (unsigned i = 0; i < persistent->nr_regions; i++)
        xen_grants_unmap(persistent->grants, persistent->regions[i].addr,
                         persistent->regions[i].nr);
    free(persistent);
}

/* The refs without a page, each once. */
static unsigned find_missing(struct persistent *persistent,
                             const uint32_t *refs, unsigned nr,
                             uint32_t *missing)
{
    unsigned found = 0;

    for (unsigned i = 0; i < nr; i++) {
        unsigned same = 0;

        if (slot(persistent, refs[i])->page)
            continue;
        while (same < found && missing[same] != refs[i])
            same++;
        if (same == found)
            missing[found++] = refs[i];
    }
    return found;
}

static int map(struct persistent *persistent, const uint32_t *refs, unsigned nr)
{
    void *addr;
    int ret;

    if (nr > PERSISTENT_MAX - persistent->nr)
        return -ENOSPC;
    ret = xen_grants_map(persistent->grants, refs, nr, &addr);
    if (ret)
        return ret;
    for (unsigned i = 0; i < nr; i++)
        *slot(persistent, refs[i]) = (struct persistent_grant){
            refs[i], (uint8_t *)addr + (size_t)i * XEN_GRANTS_PAGE};
    persistent->regions[persistent->nr_regions++] =
        (struct persistent_region){addr, nr};
    persistent->nr += nr;
    return 0;
}

int persistent_get(struct persistent *persistent, const uint32_t *refs,
                   unsigned nr, uint8_t **pages)
{
    uint32_t missing[PERSISTENT_BATCH];
    unsigned nr_missing = find_missing(persistent, refs, nr, missing);
    int ret = nr_missing ? map(persistent, missing, nr_missing) : 0;

    if (ret)
        return ret;
    for (unsigned i = 0; i < nr; i++)
        pages[i] = slot(persistent, refs[i])->page;
    return 0;
}
