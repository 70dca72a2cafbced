/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/grant_table.h>
#include <xengnttab.h>

/*
 * Pages that guests grant to us.  One table serves all domains; a frame stays
 * what it was when it was granted, whatever the p2m says later.
 */

#define NR_GRANTS 16384u
#define FIRST_GRANT 8u /* Xen keeps those below for itself */

struct grant {
    uint32_t frame; /* FAKEXEN_NO_FRAME: no grant */
    uint32_t domid;
    bool read_only;
};

struct region {
    struct region *next;
    uint8_t *addr;
    unsigned nr;
    uint32_t refs[];
};

struct xengntdev_handle {
    struct fx_handle base;
    struct region *regions;
};

static struct grant grants[NR_GRANTS];
static unsigned mapped;

/* ---- the guest -------------------------------------------------------- */

uint32_t fakexen_grant(uint32_t domid, uint64_t gfn, bool read_only)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    for (uint32_t ref = FIRST_GRANT; ref < NR_GRANTS; ref++) {
        if (grants[ref].frame != FAKEXEN_NO_FRAME)
            continue;
        grants[ref] = (struct grant){fx_p2m_frame(d, gfn), domid, read_only};
        if (grants[ref].frame == FAKEXEN_NO_FRAME)
            fx_die("gfn %llx cannot be granted: it is a hole",
                   (unsigned long long)gfn);
        fx_unlock();
        return ref;
    }
    fx_die("out of grants");
}

void fakexen_end_grant(uint32_t ref)
{
    fx_lock();
    if (ref < NR_GRANTS)
        grants[ref].frame = FAKEXEN_NO_FRAME;
    fx_unlock();
}

unsigned fakexen_grants_mapped(void)
{
    unsigned nr;

    fx_lock();
    nr = mapped;
    fx_unlock();
    return nr;
}

void fx_grant_reset(void)
{
    memset(grants, 0, sizeof(grants));
}

/* ---- libxengnttab ----------------------------------------------------- */

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
                                 unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    return fx_handle_open(FX_GNTTAB, sizeof(struct xengntdev_handle));
}

static void drop(struct region **link)
{
    struct region *region = *link;

    *link = region->next;
    fx_munmap(region->addr, region->nr * 4096ul);
    mapped -= region->nr;
    fx_free(region);
}

int xengnttab_close(xengnttab_handle *xgt)
{
    if (!xgt)
        return 0;
    fx_lock();
    while (xgt->regions)
        drop(&xgt->regions);
    fx_handle_unlink(&xgt->base);
    fx_free(xgt);
    fx_unlock();
    return 0;
}

/* Grant table status of an access. */
static int16_t status_of(uint32_t domid, uint32_t ref, bool write)
{
    if (!fx_domain(domid))
        return GNTST_bad_domain;
    if (ref >= NR_GRANTS || grants[ref].frame == FAKEXEN_NO_FRAME ||
        grants[ref].domid != domid)
        return GNTST_bad_gntref;
    if (write && grants[ref].read_only)
        return GNTST_permission_denied;
    return GNTST_okay;
}

static int map_pages(struct region *region, uint32_t domid, int prot)
{
    for (unsigned i = 0; i < region->nr; i++)
        if (status_of(domid, region->refs[i], prot & PROT_WRITE) != GNTST_okay)
            return -EINVAL;
    region->addr = fx_mmap(NULL, region->nr * 4096ul, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region->addr == MAP_FAILED)
        return -errno;
    for (unsigned i = 0; i < region->nr; i++)
        if (fx_mmap(region->addr + i * 4096ul, 4096, prot,
                    MAP_SHARED | MAP_FIXED, fx_frames_fd(),
                    (off_t)grants[region->refs[i]].frame * 4096) == MAP_FAILED)
            fx_die("mmap: %s", strerror(errno));
    return 0;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
                                      uint32_t domid, uint32_t *refs, int prot)
{
    struct region *region = NULL;
    int rc = fx_enter(FAKEXEN_GNT_MAP, count);

    if (rc == 0) {
        region = fx_alloc(sizeof(*region) + count * sizeof(*refs));
        region->nr = count;
        memcpy(region->refs, refs, count * sizeof(*refs));
        rc = xgt->base.dead ? -ENOTTY : map_pages(region, domid, prot);
        if (rc) {
            fx_free(region);
        } else {
            region->next = xgt->regions;
            xgt->regions = region;
            mapped += count;
        }
        fx_unlock();
    }
    return fx_result(rc) == 0 ? region->addr : NULL;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
    struct region **link = &xgt->regions;
    int rc = fx_enter(FAKEXEN_GNT_UNMAP, count);

    if (rc)
        return fx_result(rc);
    while (*link && (*link)->addr != start_address)
        link = &(*link)->next;
    if (*link && (*link)->nr == count) {
        drop(link);
    } else {
        fx_violation("unmap of %u grants that were not mapped so", count);
        rc = -EINVAL;
    }
    return fx_leave(rc);
}

static int16_t copy_segment(xengnttab_grant_copy_segment_t *segment)
{
    bool to_guest = segment->flags & GNTCOPY_dest_gref;
    union xengnttab_copy_ptr *guest =
        to_guest ? &segment->dest : &segment->source;
    void *local = to_guest ? segment->source.virt : segment->dest.virt;
    int16_t status =
        status_of(guest->foreign.domid, guest->foreign.ref, to_guest);
    uint8_t *page;

    if (status != GNTST_okay)
        return status;
    if (guest->foreign.offset > 4096 ||
        segment->len > 4096 - guest->foreign.offset)
        return GNTST_bad_copy_arg;
    page = fx_frame_host(grants[guest->foreign.ref].frame);
    if (to_guest)
        memcpy(page + guest->foreign.offset, local, segment->len);
    else
        memcpy(local, page + guest->foreign.offset, segment->len);
    return GNTST_okay;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
                         xengnttab_grant_copy_segment_t *segs)
{
    int rc = fx_enter(FAKEXEN_GNT_COPY, count);

    if (rc)
        return fx_result(rc);
    if (xgt->base.dead)
        rc = -ENOTTY;
    for (uint32_t i = 0; i < count && rc == 0; i++)
        segs[i].status = copy_segment(&segs[i]);
    return fx_leave(rc);
}
