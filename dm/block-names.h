/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_NAMES_H
#define DM_BLOCK_NAMES_H

/* What RAM blocks are, in words: for info ram and for QMP. */

#include "xenram/ram.h"

struct block_attribute {
    unsigned flag;       /* XEN_RAM_… */
    const char *name;    /* in QMP */
    const char *monitor; /* the same, short */
};

/* Ends with flag 0. */
extern const struct block_attribute block_attributes[];

const char *block_kind(const struct xen_ram_block *block);

#endif
