/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_PRIVATE_H
#define RAM_PRIVATE_H

/*
 * Memory of our own that can grow in place: max bytes of address space, of
 * which the first used are accessible and charged.  Lengths are whole pages.
 * 0 or -errno; on failure nothing has changed.
 */

#include <stdint.h>

/* flags: enum xen_ram_flags, of which the advice counts. */
int private_init(void **host, uint64_t used, uint64_t max, unsigned flags);
void private_fini(void *host, uint64_t max);

/* New bytes read as zero.  -ENOMEM: the host will not promise that much. */
int private_grow(void *host, uint64_t used, uint64_t new_used, unsigned flags);
/* The bytes go back to the host. */
int private_shrink(void *host, uint64_t used, uint64_t new_used);

/* Tell the kernel what the flags say about [host, host + length). */
int memory_advise(void *host, uint64_t length, unsigned flags);

#endif
