/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_PAGES_H
#define MIGRATE_PAGES_H

/*
 * The ram section: the bytes of private blocks, in the order of the ownership
 * records, each page once and in ascending order.
 */

#include <stdint.h>

#include "migrate/ownership.h"
#include "migrate/place.h"
#include "migrate/wire.h"
#include "xenram/ram.h"

#define PAGES_NAME "ram"
#define PAGES_VERSION 4

/* Bytes on the wire at most, with every private block at max_length. */
uint64_t pages_max_length(const struct xen_ram *ram);

/* START, a PART for each private block, END. */
void pages_save(struct wire_writer *out, uint32_t id,
                const struct xen_ram *ram);

/*
 * Read from behind the header of START to behind END.  place gets the pages; if
 * it is NULL they are only checked.
 * -EBADMSG: not a ram section that agrees with the ownership records.
 * -ENOMEM:  as place_page.
 */
int pages_load(struct wire_reader *in, uint32_t id,
               const struct ownership *owned, struct place *place, char *error);

#endif
