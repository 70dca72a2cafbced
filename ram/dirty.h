/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_DIRTY_H
#define RAM_DIRTY_H

/* Which gfns were written to, for each client that wants to know. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ram/bitmap.h"
#include "xenram/ram.h"

struct ram_dirty {
    atomic_uint clients; /* a bit for each that was started */
    bool tracking;       /* Xen looks at what the guest writes, see track.c */
    struct ram_bitmap bitmaps[XEN_RAM_NR_CLIENTS];
};

void ram_dirty_fini(struct ram_dirty *dirty);

bool ram_dirty_started(const struct xen_ram *ram, enum xen_ram_client client);

/* Whole gfns; any thread. */
void ram_mark_gfns(struct xen_ram *ram, uint64_t gfn, uint64_t nr);
/* These gfns are no pages any more: nobody needs to know. */
void ram_unmark_gfns(struct xen_ram *ram, uint64_t gfn, uint64_t nr);

#endif
