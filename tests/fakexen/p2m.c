/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <string.h>

#define TYPE_SHIFT 28
#define FRAME_MASK ((UINT32_C(1) << TYPE_SHIFT) - 1)

static uint32_t entry(const struct fx_domain *d, uint64_t gfn)
{
    const uint32_t *leaf;

    if (gfn >= FX_MAX_GFN)
        return 0;
    leaf = d->leaves[gfn / FX_LEAF_ENTRIES];
    return leaf ? leaf[gfn % FX_LEAF_ENTRIES] : 0;
}

enum fakexen_type fx_type(struct fx_domain *d, uint64_t gfn)
{
    return (enum fakexen_type)(entry(d, gfn) >> TYPE_SHIFT);
}

uint32_t fx_p2m_frame(struct fx_domain *d, uint64_t gfn)
{
    return entry(d, gfn) & FRAME_MASK;
}

static bool type_is_ram(enum fakexen_type type)
{
    return type == FAKEXEN_RAM_RW || type == FAKEXEN_RAM_RO ||
           type == FAKEXEN_IOREQ_SERVER;
}

/* The reference that comes with frame is taken over, the old one is dropped. */
void fx_p2m_set(struct fx_domain *d, uint64_t gfn, enum fakexen_type type,
                uint32_t frame)
{
    uint32_t **leaf, old = entry(d, gfn);

    if (gfn >= FX_MAX_GFN)
        fx_die("gfn %#llx is above what fakexen has", (unsigned long long)gfn);
    leaf = &d->leaves[gfn / FX_LEAF_ENTRIES];
    if (!*leaf)
        *leaf = fx_map_zero(FX_LEAF_ENTRIES * sizeof(uint32_t));
    (*leaf)[gfn % FX_LEAF_ENTRIES] = (uint32_t)type << TYPE_SHIFT | frame;
    if (frame && gfn > d->max_gfn)
        d->max_gfn = gfn;
    if ((old & FRAME_MASK) && (old & FRAME_MASK) != frame)
        fx_frame_put(old & FRAME_MASK, false);
}

bool fx_room(struct fx_domain *d, uint64_t nr)
{
    if (d->tot_pages <= d->maxmem && nr <= d->maxmem - d->tot_pages)
        return true;
    fx_sync();
    return d->tot_pages <= d->maxmem && nr <= d->maxmem - d->tot_pages;
}

int fx_populate(struct fx_domain *d, uint64_t gfn)
{
    int rc = fx_refused(d->domid, gfn);

    if (rc)
        return rc;
    if (gfn >= FX_MAX_GFN)
        return -EINVAL;
    if (!fx_room(d, 1))
        return -ENOMEM;
    if (fx_p2m_frame(d, gfn)) {
        fx_violation("domain %u: populate over RAM at gfn %#llx", d->domid,
                     (unsigned long long)gfn);
        /* Xen leaves the old page charged, with nobody who could free it. */
        fx_frame_get(fx_p2m_frame(d, gfn), false);
    }
    fx_p2m_set(d, gfn, FAKEXEN_RAM_RW, fx_frame_new(d));
    return 0;
}

int fx_decrease(struct fx_domain *d, uint64_t gfn)
{
    int rc = fx_refused(d->domid, gfn);

    if (rc)
        return rc;
    if (!type_is_ram(fx_type(d, gfn)))
        return -EINVAL;
    fx_p2m_set(d, gfn, FAKEXEN_HOLE, FAKEXEN_NO_FRAME);
    return 0;
}

int fx_relocate(struct fx_domain *d, uint64_t from, uint64_t to)
{
    enum fakexen_type type = fx_type(d, from);
    uint32_t frame = fx_p2m_frame(d, from);
    int rc = fx_refused(d->domid, from);

    if (rc == 0)
        rc = fx_refused(d->domid, to);
    if (rc)
        return rc;
    if (!type_is_ram(type) || to >= FX_MAX_GFN)
        return -EINVAL;
    if (from != to) {
        fx_frame_get(frame, false);
        fx_p2m_set(d, from, FAKEXEN_HOLE, FAKEXEN_NO_FRAME);
        fx_p2m_set(d, to, type, frame);
    }
    return 0;
}

int fx_pod_fill(struct fx_domain *d, uint64_t gfn)
{
    if (d->pod_cache == 0) {
        d->crashed = true;
        return -EINVAL;
    }
    /* The cache was charged already, the frame charges itself. */
    d->pod_cache--;
    d->tot_pages--;
    fx_p2m_set(d, gfn, FAKEXEN_RAM_RW, fx_frame_new(d));
    return 0;
}

enum fakexen_type fakexen_type(uint32_t domid, uint64_t gfn)
{
    enum fakexen_type type;

    fx_lock();
    type = fx_type(fx_domain_must(domid), gfn);
    fx_unlock();
    return type;
}

uint32_t fakexen_frame(uint32_t domid, uint64_t gfn)
{
    uint32_t frame;

    fx_lock();
    frame = fx_p2m_frame(fx_domain_must(domid), gfn);
    fx_unlock();
    return frame;
}

/* What the guest touches: a PoD page appears. */
static void *touch(struct fx_domain *d, uint64_t gfn)
{
    if (fx_type(d, gfn) == FAKEXEN_POD)
        fx_pod_fill(d, gfn);
    if (!fx_p2m_frame(d, gfn)) {
        fx_die("domain %u has no frame at gfn %#llx", d->domid,
               (unsigned long long)gfn);
    }
    return fx_frame_host(fx_p2m_frame(d, gfn));
}

void *fakexen_host(uint32_t domid, uint64_t gfn)
{
    void *host;

    fx_lock();
    host = touch(fx_domain_must(domid), gfn);
    fx_unlock();
    return host;
}

static void note_write(struct fx_domain *d, uint64_t gfn)
{
    uint64_t at = gfn - d->vram_first;

    if (at < d->vram_nr)
        d->vram[at / 8] |= (uint8_t)(1u << at % 8);
}

static void copy(uint32_t domid, uint64_t gpa, uint8_t *in, const uint8_t *out,
                 size_t len)
{
    struct fx_domain *d;
    size_t nr;
    uint8_t *host;

    fx_lock();
    d = fx_domain_must(domid);
    while (len > 0) {
        host = (uint8_t *)touch(d, gpa / 4096) + gpa % 4096;
        nr = 4096 - gpa % 4096;
        nr = nr < len ? nr : len;
        if (in) {
            memcpy(in, host, nr);
            in += nr;
        } else {
            memcpy(host, out, nr);
            out += nr;
            note_write(d, gpa / 4096);
        }
        gpa += nr;
        len -= nr;
    }
    fx_unlock();
}

void fakexen_peek(uint32_t domid, uint64_t gpa, void *buf, size_t len)
{
    copy(domid, gpa, buf, NULL, len);
}

void fakexen_poke(uint32_t domid, uint64_t gpa, const void *buf, size_t len)
{
    copy(domid, gpa, NULL, buf, len);
}

void fakexen_swap(uint32_t domid, uint64_t gfn, uint64_t other)
{
    struct fx_domain *d;
    uint32_t a, b;

    fx_lock();
    d = fx_domain_must(domid);
    a = fx_p2m_frame(d, gfn);
    b = fx_p2m_frame(d, other);
    if (!a || !b) {
        fx_die("swap of gfns %#llx and %#llx: a hole", (unsigned long long)gfn,
               (unsigned long long)other);
    }
    if (a != b) {
        fx_frame_get(a, false);
        fx_frame_get(b, false);
        fx_p2m_set(d, gfn, fx_type(d, gfn), b);
        fx_p2m_set(d, other, fx_type(d, other), a);
    }
    fx_unlock();
}

void fakexen_move(uint32_t domid, uint64_t from, uint64_t to)
{
    int rc;

    fx_lock();
    rc = fx_relocate(fx_domain_must(domid), from, to);
    fx_unlock();
    if (rc) {
        fx_die("move of gfn %#llx to %#llx: %s", (unsigned long long)from,
               (unsigned long long)to, strerror(-rc));
    }
}

void fakexen_replace(uint32_t domid, uint64_t gfn)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    touch(d, gfn);
    /* The new one first, so that it is never the old one again. */
    fx_p2m_set(d, gfn, fx_type(d, gfn), fx_frame_new(d));
    fx_unlock();
}

void fakexen_balloon_out(uint32_t domid, uint64_t gfn, uint64_t nr)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    for (uint64_t i = 0; i < nr; i++)
        if (type_is_ram(fx_type(d, gfn + i)))
            fx_p2m_set(d, gfn + i, FAKEXEN_HOLE, FAKEXEN_NO_FRAME);
    fx_unlock();
}

int fakexen_balloon_in(uint32_t domid, uint64_t gfn, uint64_t nr)
{
    struct fx_domain *d;
    uint64_t missing = 0;
    int rc = 0;

    fx_lock();
    d = fx_domain_must(domid);
    for (uint64_t i = 0; i < nr; i++)
        missing += !fx_p2m_frame(d, gfn + i);
    if (!fx_room(d, missing))
        rc = -ENOMEM;
    for (uint64_t i = 0; rc == 0 && i < nr; i++)
        if (!fx_p2m_frame(d, gfn + i))
            fx_p2m_set(d, gfn + i, FAKEXEN_RAM_RW, fx_frame_new(d));
    fx_unlock();
    return rc;
}

void fakexen_pod(uint32_t domid, uint64_t gfn, uint64_t nr, uint64_t keep)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    for (uint64_t i = 0; i < nr; i++)
        fx_p2m_set(d, gfn + i, FAKEXEN_POD, FAKEXEN_NO_FRAME);
    d->pod_cache += keep;
    d->tot_pages += keep;
    fx_unlock();
}
