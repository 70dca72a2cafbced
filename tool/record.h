/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_RECORD_H
#define TOOL_RECORD_H

/*
 * Records as libxl and libxc both write them: type, length, body, and padding
 * up to 8 bytes, all of it little-endian on x86.
 */

#include <stdint.h>

struct source;

/* Those from here on may be left out by who does not know them. */
#define RECORD_OPTIONAL 0x80000000u

struct record {
    uint64_t at; /* of its header */
    uint32_t type;
    uint32_t length; /* of its body */
    uint64_t end;    /* of its padding */
};

static inline uint32_t get_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint32_t get_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

/* Read the header of a record.  Errors as source_read. */
int record_read(struct source *source, struct record *record, const char *what);
/* Go to its end, wherever in its body source is. */
int record_skip(struct source *source, const struct record *record,
                const char *what);

#endif
