/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_FOREIGN_H
#define MAPCACHE_FOREIGN_H

/*
 * Foreign mappings of one domain, and the address space they are laid into.
 *
 * Linux makes each mapping one area that can be replaced and dropped as a whole
 * only: a drop covers whole mappings, a map exactly the range that the mapping
 * before it had.  A foreign mapping is never moved; that corrupts a PVH dom0.
 * Nor is its protection changed: a PV dom0 would lose the frames, which its
 * kernel cannot translate back (pte_mfn_to_pfn of arch/x86/xen/mmu_pv.c).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREIGN_PAGE 4096u
#define FOREIGN_PAGES_MAX 512u /* of one mapping */

struct xenforeignmemory_handle;

struct foreign {
    struct xenforeignmemory_handle *handle;
    uint32_t domid;
};

int foreign_open(struct foreign *foreign, uint32_t domid);
void foreign_close(struct foreign *foreign);

/* Inaccessible address space, NULL when there is none. */
void *foreign_reserve(size_t len);
void foreign_release(void *host, size_t len);

/*
 * Map pages from gfn on at host, in place of what is mapped there, and set
 * error[i] to 0 or the errno of page i.  Returns the number of good pages; on
 * -errno nothing is mapped there any more.
 */
int foreign_map(struct foreign *foreign, void *host, uint64_t gfn,
                unsigned pages, bool writable, int error[]);

/* Make [host, host + len), whole mappings, inaccessible. */
int foreign_drop(void *host, size_t len);

/*
 * Map pages, FOREIGN_PAGES_MAX at most, somewhere else for a moment.  All or
 * nothing.  -EFAULT: one is not RAM.
 */
int foreign_aside_map(struct foreign *foreign, uint64_t gfn, unsigned pages,
                      void **host);
void foreign_aside_unmap(struct foreign *foreign, void *host, unsigned pages);

/* What the error of a page means to a caller, -errno. */
int foreign_page_error(int error);

#endif
