/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/xen-grants.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>

#include <xen/grant_table.h>

#define COPIES_PER_CALL 64u

struct xen_grants {
    uint32_t domid;
    xengnttab_handle *handle;
};

int xen_grants_open(uint32_t domid, struct xen_grants **out)
{
    struct xen_grants *grants = calloc(1, sizeof(*grants));
    int ret;

    if (!grants)
        return -ENOMEM;
    grants->domid = domid;
    grants->handle = xengnttab_open(NULL, 0);
    if (!grants->handle) {
        ret = errno ? -errno : -EIO;
        free(grants);
        return ret;
    }
    *out = grants;
    return 0;
}

void xen_grants_close(struct xen_grants *grants)
{
    if (!grants)
        return;
    xengnttab_close(grants->handle);
    free(grants);
}

int xen_grants_map(struct xen_grants *grants, const uint32_t *refs, unsigned nr,
                   void **out)
{
    /* The library's prototype lacks a const. */
    void *addr = xengnttab_map_domain_grant_refs(
        grants->handle, nr, grants->domid, (uint32_t *)(uintptr_t)refs,
        PROT_READ | PROT_WRITE);

    if (!addr)
        return errno ? -errno : -EIO;
    *out = addr;
    return 0;
}

void xen_grants_unmap(struct xen_grants *grants, void *addr, unsigned nr)
{
    xengnttab_unmap(grants->handle, addr, nr);
}

static void describe(const struct xen_grants *grants,
                     const struct xen_grant_copy *copy,
                     xengnttab_grant_copy_segment_t *segment)
{
    union xengnttab_copy_ptr guest = {
        .foreign = {.ref = copy->ref,
                    .offset = copy->offset,
                    .domid = (uint16_t)grants->domid},
    };
    union xengnttab_copy_ptr local = {.virt = copy->local};

    *segment = (xengnttab_grant_copy_segment_t){
        .source = copy->to_guest ? local : guest,
        .dest = copy->to_guest ? guest : local,
        .len = copy->length,
        .flags = copy->to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
    };
}

static int copy_some(struct xen_grants *grants,
                     const struct xen_grant_copy *copies, unsigned nr)
{
    xengnttab_grant_copy_segment_t segments[COPIES_PER_CALL];

    for (unsigned i = 0; i < nr; i++)
        describe(grants, &copies[i], &segments[i]);
    if (xengnttab_grant_copy(grants->handle, nr, segments))
        return errno ? -errno : -EIO;
    for (unsigned i = 0; i < nr; i++)
        if (segments[i].status != GNTST_okay)
            return -EFAULT;
    return 0;
}

int xen_grants_copy(struct xen_grants *grants,
                    const struct xen_grant_copy *copies, unsigned nr)
{
    int ret = 0;

    for (unsigned i = 0; i < nr && ret == 0; i += COPIES_PER_CALL) {
        unsigned some = nr - i < COPIES_PER_CALL ? nr - i : COPIES_PER_CALL;

        ret = copy_some(grants, copies + i, some);
    }
    return ret;
}
