/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_SECTION_H
#define MIGRATE_SECTION_H

/*
 * What holds a stream together: its start, the headers of sections and their
 * order, the sum at its end.  Whoever reads a stream, to load it or to look at
 * it, reads these here.
 */

#include <stdint.h>

#include "migrate/wire.h"

struct section_header {
    uint8_t type; /* WIRE_START or WIRE_FULL */
    uint32_t id;
    char name[WIRE_NAME_MAX + 1];
    uint32_t instance;
    uint32_t version;
};

/* Magic and version.  -EBADMSG; -ENOTSUP: another version. */
int section_load_start(struct wire_reader *in, char *error);

/* The header of a section.  -EBADMSG: cut short, or there is none. */
int section_load_header(struct wire_reader *in, struct section_header *header,
                        char *error);

/*
 * The header may come after nr others, and if the section is not a device's, it
 * is one that this program reads.
 * -EBADMSG: out of order.  -ENOTSUP: another program's, or another version.
 */
int section_check(const struct section_header *header, uint32_t nr,
                  char *error);

/* What follows the header of the sum, which is over all before, and the end. */
int section_load_sum(struct wire_reader *in, char *error);

/* Put the offset of the cursor, where a failure was met, into error.  Gives r.
 */
int section_blame(const struct wire_reader *in, int r, char *error);

#endif
