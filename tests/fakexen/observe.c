/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <string.h>

/* What device model ops left behind in a domain. */

bool fakexen_isa_level(uint32_t domid, unsigned irq)
{
    bool level;

    fx_lock();
    level = fx_domain_must(domid)->isa[irq % 16];
    fx_unlock();
    return level;
}

unsigned fakexen_isa_edges(uint32_t domid, unsigned irq)
{
    unsigned nr;

    fx_lock();
    nr = fx_domain_must(domid)->isa_edges[irq % 16];
    fx_unlock();
    return nr;
}

bool fakexen_intx_level(uint32_t domid, unsigned dev, unsigned intx)
{
    bool level;

    fx_lock();
    level = fx_domain_must(domid)->intx[dev % 32][intx % 4];
    fx_unlock();
    return level;
}

unsigned fakexen_intx_edges(uint32_t domid, unsigned dev, unsigned intx)
{
    unsigned nr;

    fx_lock();
    nr = fx_domain_must(domid)->intx_edges[dev % 32][intx % 4];
    fx_unlock();
    return nr;
}

unsigned fakexen_link_route(uint32_t domid, unsigned link)
{
    unsigned irq;

    fx_lock();
    irq = fx_domain_must(domid)->links[link % 4];
    fx_unlock();
    return irq;
}

unsigned fakexen_msis(uint32_t domid, uint64_t *addr, uint32_t *data)
{
    struct fx_domain *d;
    unsigned nr;

    fx_lock();
    d = fx_domain_must(domid);
    nr = d->msis;
    if (addr)
        *addr = d->msi_addr;
    if (data)
        *data = d->msi_data;
    fx_unlock();
    return nr;
}

void fakexen_set_log_dirty(uint32_t domid, bool enable)
{
    fx_lock();
    fx_domain_must(domid)->log_dirty = enable;
    fx_unlock();
}

bool fakexen_dirty(uint32_t domid, uint64_t gfn)
{
    uint64_t *leaf;
    bool dirty;

    if (gfn >= FX_MAX_GFN)
        return false;
    fx_lock();
    leaf = fx_domain_must(domid)->dirty[gfn / FX_LEAF_ENTRIES];
    dirty = leaf && leaf[gfn % FX_LEAF_ENTRIES / 64] >> gfn % 64 & 1;
    fx_unlock();
    return dirty;
}

uint64_t fakexen_tracked(uint32_t domid, uint64_t *gfn)
{
    struct fx_domain *d;
    uint64_t nr;

    fx_lock();
    d = fx_domain_must(domid);
    *gfn = d->vram_first;
    nr = d->vram_nr;
    fx_unlock();
    return nr;
}

uint64_t fakexen_dirty_count(uint32_t domid)
{
    uint64_t nr;

    fx_lock();
    nr = fx_domain_must(domid)->nr_dirty;
    fx_unlock();
    return nr;
}

void fakexen_clear_dirty(uint32_t domid)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    for (uint64_t i = 0; i < FX_NR_LEAVES; i++)
        if (d->dirty[i])
            memset(d->dirty[i], 0, FX_LEAF_ENTRIES / 8);
    d->nr_dirty = 0;
    fx_unlock();
}

int fakexen_cacheattr(uint32_t domid, uint64_t gfn)
{
    struct fx_domain *d;
    int type = -1;

    fx_lock();
    d = fx_domain_must(domid);
    for (unsigned i = 0; i < d->nr_cacheattrs; i++)
        if (d->cacheattrs[i].start <= gfn && gfn <= d->cacheattrs[i].end)
            type = (int)d->cacheattrs[i].type;
    fx_unlock();
    return type;
}
