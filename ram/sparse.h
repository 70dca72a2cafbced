/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_SPARSE_H
#define RAM_SPARSE_H

/* Blocks whose memory comes and goes in units. */

#include <stdint.h>

struct xen_ram;
struct xen_ram_block;
struct xen_ram_spec;

/* All zero in other blocks. */
struct ram_sparse {
    uint64_t unit; /* bytes */
    uint64_t home; /* gfn */
    uint64_t nr_plugged;
    uint64_t *plugged; /* a bit a unit */
};

/* Is that a spec of a sparse block, or one without anything of it?  -EINVAL. */
int ram_sparse_check(struct xen_ram *ram, const struct xen_ram_spec *spec);

/* Nothing is plugged.  -ENOMEM. */
int ram_sparse_init(struct ram_sparse *sparse, const struct xen_ram_spec *spec);
void ram_sparse_fini(struct ram_sparse *sparse);

/* Nothing is plugged any more; the pages are as they were. */
void ram_sparse_clear(struct xen_ram_block *block);

#endif
