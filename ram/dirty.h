/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_DIRTY_H
#define RAM_DIRTY_H

/*
 * Gfns that we wrote to, as a short list of runs.  A list that is full and
 * cannot be reported joins the two runs that are closest: Xen may be told more
 * than was written, never less.
 */

#include <stdbool.h>
#include <stdint.h>

/* A call takes one buffer of 4096 bytes, 16 bytes a run. */
#define RAM_DIRTY_RUNS 256u

struct ram_run {
    uint64_t first, nr; /* gfns */
};

struct ram_dirty {
    bool enabled;
    unsigned nr;
    struct ram_run runs[RAM_DIRTY_RUNS];
};

struct xen_ram;

/* Whole gfns; nothing while logging is off. */
void ram_mark_gfns(struct xen_ram *ram, uint64_t gfn, uint64_t nr);

#endif
