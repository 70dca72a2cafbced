/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/record.h"

#include "tool/source.h"

#define RECORD_ALIGN 8u

int record_read(struct source *source, struct record *record, const char *what)
{
    uint64_t at = source->offset;
    uint8_t header[8];
    int r = source_read(source, header, sizeof(header), what);

    if (r)
        return r;
    record->at = at;
    record->type = get_le32(header);
    record->length = get_le32(header + 4);
    record->end =
        source->offset + ((uint64_t)record->length + RECORD_ALIGN - 1) /
                             RECORD_ALIGN * RECORD_ALIGN;
    return 0;
}

int record_skip(struct source *source, const struct record *record,
                const char *what)
{
    return source_skip(source, record->end - source->offset, what);
}
