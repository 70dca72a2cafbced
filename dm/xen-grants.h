/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_GRANTS_H
#define DM_XEN_GRANTS_H

/*
 * Pages that a guest grants to us.  Numbers of grants come from the guest: a
 * wrong one is an error, never more.  Functions return 0 or -errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xen_grants;

#define XEN_GRANTS_PAGE 4096u

struct xen_grant_copy {
    bool to_guest;
    uint32_t ref;
    uint16_t offset, length; /* within one page */
    void *local;
};

/* Impossible once restricted.  -ENOENT: no gntdev (module xen-gntdev). */
int xen_grants_open(uint32_t domid, struct xen_grants **out);
/* What is still mapped is unmapped.  NULL is fine. */
void xen_grants_close(struct xen_grants *grants);

/* Map nr pages side by side, to read and write: all of them or none. */
int xen_grants_map(struct xen_grants *grants, const uint32_t *refs, unsigned nr,
                   void **out);
/* addr and nr as they were mapped. */
void xen_grants_unmap(struct xen_grants *grants, void *addr, unsigned nr);

/* -EFAULT: not all could be copied, of which some may have been. */
int xen_grants_copy(struct xen_grants *grants,
                    const struct xen_grant_copy *copies, unsigned nr);

#endif
