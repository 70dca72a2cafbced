/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/ownership.h"

#include <errno.h>
#include <inttypes.h>

#include "migrate/error.h"

static const char *kind_name(unsigned kind)
{
    switch (kind) {
    case XEN_RAM_GUEST:
        return "guest RAM";
    case XEN_RAM_VISIBLE:
        return "guest-visible";
    case XEN_RAM_FILE:
        return "file-backed";
    default:
        return "private";
    }
}

static int pair(struct ownership *owned, const struct xen_ram *ram, char *error)
{
    for (size_t i = 0; i < owned->nr; i++) {
        struct ownership_record *record = &owned->records[i];

        record->block = xen_ram_find(ram, record->idstr);
        if (!record->block)
            return migrate_error(error, -EINVAL,
                                 "block %s: unknown here, 0x%" PRIx64
                                 " bytes in the stream: configure the device "
                                 "that owns it",
                                 record->idstr, record->used_length);
        for (size_t j = 0; j < i; j++) {
            if (owned->records[j].block == record->block)
                return migrate_error(error, -EINVAL,
                                     "block %s: twice in the stream, as "
                                     "records %zu and %zu: save it again",
                                     record->idstr, j, i);
        }
    }
    return 0;
}

static int find_missing(const struct ownership *owned,
                        const struct xen_ram *ram, char *error)
{
    struct xen_ram_block *block = NULL;

    while ((block = xen_ram_next(ram, block))) {
        size_t i = 0;

        while (i < owned->nr && owned->records[i].block != block)
            i++;
        if (i == owned->nr)
            return migrate_error(error, -EINVAL,
                                 "block %s: 0x%" PRIx64 " bytes here, missing "
                                 "in the stream: leave out the device that "
                                 "owns it",
                                 xen_ram_idstr(block),
                                 xen_ram_used_length(block));
    }
    return 0;
}

static int check_nature(const struct ownership_record *record, char *error)
{
    const struct xen_ram_block *block = record->block;
    unsigned kind = xen_ram_get_kind(block);
    bool rom = xen_ram_get_flags(block) & XEN_RAM_ROM;
    bool copied = xen_ram_get_flags(block) & XEN_RAM_COPY;

    if (record->kind != kind)
        return migrate_error(error, -EINVAL,
                             "block %s: %s in the stream, %s here: use the "
                             "configuration that it was saved with",
                             record->idstr, kind_name(record->kind),
                             kind_name(kind));
    if (rom != !!(record->flags & OWNERSHIP_ROM))
        return migrate_error(error, -EINVAL,
                             "block %s: %s in the stream, %s here: use the "
                             "configuration that it was saved with",
                             record->idstr, rom ? "writable" : "a ROM",
                             rom ? "a ROM" : "writable");
    if (kind == XEN_RAM_FILE && copied != !!(record->flags & OWNERSHIP_COPY))
        return migrate_error(error, -EINVAL,
                             "block %s: its file is mapped %s in the stream, "
                             "%s here: use the configuration that it was saved "
                             "with",
                             record->idstr, copied ? "shared" : "private",
                             copied ? "private" : "shared");
    if (kind == XEN_RAM_GUEST && record->gfn != xen_ram_gfn(block))
        return migrate_error(error, -EINVAL,
                             "block %s: gfn 0x%" PRIx64 " in the stream, "
                             "0x%" PRIx64 " here: use the memory layout that "
                             "it was saved with",
                             record->idstr, record->gfn, xen_ram_gfn(block));
    return 0;
}

/* What strict wants equal and a resize cannot make so. */
static int check_strict(const struct ownership_record *record, char *error)
{
    const struct xen_ram_block *block = record->block;
    bool here = xen_ram_get_flags(block) & XEN_RAM_RESIZEABLE;
    bool there = record->flags & OWNERSHIP_RESIZEABLE;

    if (record->max_length != xen_ram_max_length(block))
        return migrate_error(error, -EINVAL,
                             "block %s: max length 0x%" PRIx64 " in the "
                             "stream, 0x%" PRIx64 " here, and the policy is "
                             "strict: adapt would load it",
                             record->idstr, record->max_length,
                             xen_ram_max_length(block));
    if (here != there)
        return migrate_error(error, -EINVAL,
                             "block %s: %sresizeable in the stream, "
                             "%sresizeable here, and the policy is strict: "
                             "adapt would load it",
                             record->idstr, there ? "" : "not ",
                             here ? "" : "not ");
    return 0;
}

static int check_size(const struct ownership_record *record,
                      enum xen_migrate_policy policy, char *error)
{
    const struct xen_ram_block *block = record->block;
    uint64_t max_length = xen_ram_max_length(block);

    if (record->size == xen_ram_size(block))
        return 0;
    if (record->used_length > max_length)
        return migrate_error(error, -EINVAL,
                             "block %s: Length too large: 0x%" PRIx64
                             " in the stream, 0x%" PRIx64 " here, at most "
                             "0x%" PRIx64 ": start with a larger maximum, or "
                             "with the file it was saved with",
                             record->idstr, record->size, xen_ram_size(block),
                             max_length);
    if (!(xen_ram_get_flags(block) & XEN_RAM_RESIZEABLE))
        return migrate_error(error, -EINVAL,
                             "block %s: Length mismatch: 0x%" PRIx64
                             " in the stream, 0x%" PRIx64 " here, and it "
                             "cannot be resized: use the length it was saved "
                             "with",
                             record->idstr, record->size, xen_ram_size(block));
    if (policy == XEN_MIGRATE_STRICT)
        return migrate_error(error, -EINVAL,
                             "block %s: Length mismatch: 0x%" PRIx64
                             " in the stream, 0x%" PRIx64 " here, and the "
                             "policy is strict: adapt would load it",
                             record->idstr, record->size, xen_ram_size(block));
    return 0;
}

static bool overlap(const struct ownership_record *a,
                    const struct ownership_record *b)
{
    uint64_t apart = a->gfn < b->gfn ? b->gfn - a->gfn : a->gfn - b->gfn;
    const struct ownership_record *low = a->gfn < b->gfn ? a : b;

    if (a->gfn == XEN_RAM_NO_GFN || b->gfn == XEN_RAM_NO_GFN)
        return false;
    return apart < low->used_length / XEN_RAM_PAGE_SIZE;
}

static int check_overlap(const struct ownership *owned, size_t i, char *error)
{
    const struct ownership_record *record = &owned->records[i];

    for (size_t j = 0; j < i; j++) {
        const struct ownership_record *other = &owned->records[j];

        if (overlap(record, other))
            return migrate_error(
                error, -EINVAL,
                "block %s at gfn 0x%" PRIx64 " overlaps "
                "block %s at gfn 0x%" PRIx64 " in the stream: save it again",
                record->idstr, record->gfn, other->idstr, other->gfn);
    }
    return 0;
}

int ownership_negotiate(struct ownership *owned, const struct xen_ram *ram,
                        enum xen_migrate_policy policy, char *error)
{
    int r = pair(owned, ram, error);

    if (!r)
        r = find_missing(owned, ram, error);
    for (size_t i = 0; !r && i < owned->nr; i++) {
        const struct ownership_record *record = &owned->records[i];

        r = check_nature(record, error);
        if (!r)
            r = check_size(record, policy, error);
        if (!r && policy == XEN_MIGRATE_STRICT)
            r = check_strict(record, error);
        if (!r)
            r = check_overlap(owned, i, error);
    }
    return r;
}
