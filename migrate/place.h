/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_PLACE_H
#define MIGRATE_PLACE_H

/*
 * The pages of private blocks while a stream is read.  They go into the blocks
 * at once, so that the host has to find memory for them only once, and what
 * they replace is kept until the load cannot fail any more.  Pages that a block
 * is too short for, or that its resize would change, wait beside it.
 */

#include <stdint.h>

#include "migrate/ownership.h"
#include "migrate/present.h"

struct place {
    struct present present;
    struct place_block *blocks; /* the last one first */
    struct place_kept *kept;    /* likewise */
};

void place_open(struct place *place);
/* Blocks stay as they are, what is kept and what waits goes. */
void place_close(struct place *place);

/*
 * The page at offset of the block that record was paired with; bytes is NULL
 * for one of zeroes.  A block's pages come upwards, each once, and the blocks
 * one after the other.
 * -ENOMEM: what is there cannot be kept.
 */
int place_page(struct place *place, const struct ownership_record *record,
               uint64_t offset, const uint8_t *bytes, char *error);

/* The blocks have the lengths of their records now: what waits goes in. */
void place_finish(struct place *place);

/* The blocks have the lengths again that they had first: and their bytes. */
void place_undo(struct place *place);

#endif
