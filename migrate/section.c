/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/section.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "migrate/error.h"
#include "migrate/ownership.h"
#include "migrate/pages.h"
#include "xenram/migrate.h"

/* The sections that are not devices. */
static const struct {
    const char *name;
    uint8_t type;
    uint32_t version;
} sections[] = {
    {OWNERSHIP_NAME, WIRE_FULL, OWNERSHIP_VERSION},
    {PAGES_NAME, WIRE_START, PAGES_VERSION},
    {WIRE_SUM_NAME, WIRE_FULL, WIRE_SUM_VERSION},
};

static int cut_short(const struct wire_reader *in, char *error)
{
    return migrate_error(error, -EBADMSG,
                         "the stream ends after %" PRIu64
                         " bytes, before its sum: it was cut short",
                         in->offset);
}

int section_load_start(struct wire_reader *in, char *error)
{
    uint32_t magic = wire_get_u32(in);
    uint32_t version = wire_get_u32(in);

    if (in->cut)
        return cut_short(in, error);
    if (magic != WIRE_MAGIC)
        return migrate_error(error, -EBADMSG,
                             "no device model's state: starts with 0x%08" PRIx32
                             ", not 0x%08x: use another file",
                             magic, WIRE_MAGIC);
    if (version != WIRE_VERSION)
        return migrate_error(error, -ENOTSUP,
                             "stream version %" PRIu32
                             ", this program reads %u: load it with the "
                             "program that saved it",
                             version, WIRE_VERSION);
    return 0;
}

int section_load_header(struct wire_reader *in, struct section_header *header,
                        char *error)
{
    uint64_t at = in->offset;

    header->type = wire_get_u8(in);
    if (in->cut)
        return cut_short(in, error);
    if (header->type != WIRE_START && header->type != WIRE_FULL)
        return migrate_error(error, -EBADMSG,
                             "type %u at %" PRIu64
                             " where a section should start, %u or %u: "
                             "damaged, or another program's state",
                             header->type, at, WIRE_START, WIRE_FULL);

    header->id = wire_get_u32(in);
    wire_get_name(in, header->name);
    header->instance = wire_get_u32(in);
    header->version = wire_get_u32(in);
    if (in->cut)
        return cut_short(in, error);
    if (in->bad_name)
        return migrate_error(error, -EBADMSG,
                             "the section at %" PRIu64
                             " has no proper name: the stream is damaged",
                             at);
    return 0;
}

/* Ownership comes first, and once: everything else leans on it. */
static int check_order(const struct section_header *header, uint32_t nr,
                       char *error)
{
    bool owned = strcmp(header->name, OWNERSHIP_NAME) == 0;

    if (header->id != nr)
        return migrate_error(error, -EBADMSG,
                             "section %s has id %" PRIu32 ", not %" PRIu32
                             ": the stream is damaged",
                             header->name, header->id, nr);
    if (!owned && nr == 0)
        return migrate_error(
            error, -ENOTSUP,
            "the stream starts with section %s, not " OWNERSHIP_NAME
            ": another program's state, restore it there",
            header->name);
    if (owned && nr != 0)
        return migrate_error(error, -EBADMSG,
                             "section " OWNERSHIP_NAME " is twice in the "
                             "stream, as 0 and %" PRIu32
                             ": the stream is damaged",
                             nr);
    return 0;
}

int section_check(const struct section_header *header, uint32_t nr, char *error)
{
    int r = check_order(header, nr, error);

    for (size_t i = 0; !r && i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (strcmp(sections[i].name, header->name) != 0)
            continue;
        if (header->type != sections[i].type || header->instance != 0)
            r = migrate_error(error, -EBADMSG,
                              "section %s: type %u and instance %" PRIu32
                              ", not %u and 0: the stream is damaged",
                              header->name, header->type, header->instance,
                              sections[i].type);
        else if (header->version != sections[i].version)
            r = migrate_error(error, -ENOTSUP,
                              "section %s: version %" PRIu32 " in the "
                              "stream, this program reads %" PRIu32
                              ": load it with the program that saved it",
                              header->name, header->version,
                              sections[i].version);
    }
    return r;
}

int section_load_sum(struct wire_reader *in, char *error)
{
    uint32_t here = wire_get_sum(in);
    uint64_t len = in->offset;
    uint32_t there = wire_get_u32(in);

    if (in->cut)
        return cut_short(in, error);
    if (here != there)
        return migrate_error(error, -EBADMSG,
                             "the sum over %" PRIu64 " bytes is 0x%08" PRIx32
                             ", the stream says 0x%08" PRIx32
                             ": it is damaged, use another copy",
                             len, here, there);
    if (wire_get_u8(in) != WIRE_EOF || in->cut)
        return migrate_error(error, -EBADMSG,
                             "section " WIRE_SUM_NAME " at %" PRIu64
                             " is not the last: the stream is damaged",
                             len);
    return 0;
}

int section_blame(const struct wire_reader *in, int r, char *error)
{
    char reason[XEN_MIGRATE_ERROR_MAX];

    snprintf(reason, sizeof(reason), "%s", error);
    return migrate_error(error, r,
                         "%s (read up to byte 0x%" PRIx64 " of the state)",
                         reason, in->offset);
}
