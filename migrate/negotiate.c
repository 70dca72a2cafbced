/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/ownership.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/error.h"

const char *xen_migrate_kind_name(unsigned kind)
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

/* A block of ours, and the record that has its name. */
struct pair {
    struct xen_ram_block *block;
    const struct ownership_record *record;
};

struct pairs {
    struct pair *pair;
    size_t nr;
};

static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    return strcmp(xen_ram_idstr(x->block), xen_ram_idstr(y->block));
}

static int has_name(const void *key, const void *element)
{
    const struct pair *pair = element;

    return strcmp(key, xen_ram_idstr(pair->block));
}

static int by_gfn(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    return (x->record->gfn > y->record->gfn) -
           (x->record->gfn < y->record->gfn);
}

/* All blocks, sorted by name. */
static int list_blocks(struct pairs *pairs, const struct xen_ram *ram,
                       char *error)
{
    struct xen_ram_block *block = NULL;
    size_t nr = 0;

    while ((block = xen_ram_next(ram, block)))
        nr++;
    pairs->nr = 0;
    pairs->pair = calloc(nr + 1, sizeof(*pairs->pair));
    if (!pairs->pair)
        return migrate_error(error, -ENOMEM, "no memory to compare %zu blocks",
                             nr);
    while ((block = xen_ram_next(ram, block)))
        pairs->pair[pairs->nr++].block = block;
    qsort(pairs->pair, pairs->nr, sizeof(*pairs->pair), by_name);
    return 0;
}

static int pair_record(struct pairs *pairs, const struct ownership *owned,
                       size_t i, char *error)
{
    struct ownership_record *record = &owned->records[i];
    struct pair *pair = bsearch(record->idstr, pairs->pair, pairs->nr,
                                sizeof(*pairs->pair), has_name);

    record->block = pair ? pair->block : NULL;
    if (!pair)
        return migrate_error(error, -EINVAL,
                             "block %s: unknown here, 0x%" PRIx64
                             " bytes in the stream: configure the device "
                             "that owns it",
                             record->idstr, record->used_length);
    if (pair->record)
        return migrate_error(error, -EINVAL,
                             "block %s: twice in the stream, as "
                             "records %zu and %zu: save it again",
                             record->idstr,
                             (size_t)(pair->record - owned->records), i);
    pair->record = record;
    return 0;
}

static int check_pair(const struct pair *pair, char *error)
{
    if (pair->record)
        return 0;
    return migrate_error(error, -EINVAL,
                         "block %s: 0x%" PRIx64 " bytes here, missing "
                         "in the stream: leave out the device that "
                         "owns it",
                         xen_ram_idstr(pair->block),
                         xen_ram_used_length(pair->block));
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
                             record->idstr, xen_migrate_kind_name(record->kind),
                             xen_migrate_kind_name(kind));
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
    if (record->unit != xen_ram_unit(block))
        return migrate_error(error, -EINVAL,
                             "block %s: comes in units of 0x%" PRIx64
                             " in the stream, 0x%" PRIx64 " here (0: as a "
                             "whole): use the block-size that it was saved "
                             "with",
                             record->idstr, record->unit, xen_ram_unit(block));
    if (record->unit && record->gfn != xen_ram_home(block))
        return migrate_error(error, -EINVAL,
                             "block %s: gfn 0x%" PRIx64 " in the stream, "
                             "0x%" PRIx64 " here: use the memory devices that "
                             "it was saved with, in the same order, or give "
                             "it the address 0x%" PRIx64,
                             record->idstr, record->gfn, xen_ram_home(block),
                             record->gfn * XEN_RAM_PAGE_SIZE);
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

static int check_record(const struct ownership_record *record,
                        enum xen_migrate_policy policy, char *error)
{
    int r = check_nature(record, error);

    if (!r)
        r = check_size(record, policy, error);
    if (!r && policy == XEN_MIGRATE_STRICT)
        r = check_strict(record, error);
    return r;
}

/* Every block has a record. */
static int check_overlaps(struct pairs *pairs, char *error)
{
    const struct ownership_record *low = NULL;

    qsort(pairs->pair, pairs->nr, sizeof(*pairs->pair), by_gfn);
    for (size_t i = 0; i < pairs->nr; i++) {
        const struct ownership_record *record = pairs->pair[i].record;

        if (record->gfn == XEN_RAM_NO_GFN)
            break; /* and all that follow */
        if (low &&
            record->gfn - low->gfn < low->used_length / XEN_RAM_PAGE_SIZE)
            return migrate_error(
                error, -EINVAL,
                "block %s at gfn 0x%" PRIx64 " overlaps "
                "block %s at gfn 0x%" PRIx64 " in the stream: save it again",
                record->idstr, record->gfn, low->idstr, low->gfn);
        low = record;
    }
    return 0;
}

int ownership_negotiate(struct ownership *owned, const struct xen_ram *ram,
                        enum xen_migrate_policy policy, char *error)
{
    struct pairs pairs;
    int r = list_blocks(&pairs, ram, error);

    if (r)
        return r;
    for (size_t i = 0; !r && i < owned->nr; i++)
        r = pair_record(&pairs, owned, i, error);
    for (size_t i = 0; !r && i < pairs.nr; i++)
        r = check_pair(&pairs.pair[i], error);
    for (size_t i = 0; !r && i < owned->nr; i++)
        r = check_record(&owned->records[i], policy, error);
    if (!r)
        r = check_overlaps(&pairs, error);
    free(pairs.pair);
    return r;
}

static enum xen_migrate_verdict outcome(const struct ownership_record *record,
                                        int r)
{
    uint64_t size;

    if (r)
        return XEN_MIGRATE_REFUSE;
    size = xen_ram_size(record->block);
    if (record->size == size)
        return XEN_MIGRATE_SAME;
    return record->size > size ? XEN_MIGRATE_GROW : XEN_MIGRATE_SHRINK;
}

int ownership_report(struct ownership *owned, const struct xen_ram *ram,
                     enum xen_migrate_policy policy,
                     xen_migrate_verdict_fn *verdict, void *opaque, char *error)
{
    char reason[XEN_MIGRATE_ERROR_MAX];
    struct pairs pairs;
    int r = list_blocks(&pairs, ram, error);

    if (r)
        return r;
    for (size_t i = 0; i < owned->nr; i++) {
        const struct ownership_record *record = &owned->records[i];
        struct xen_migrate_block saved;

        r = pair_record(&pairs, owned, i, reason);
        if (!r)
            r = check_record(record, policy, reason);
        ownership_export(record, &saved);
        verdict(&saved, record->block, outcome(record, r), r ? reason : NULL,
                opaque);
    }
    for (size_t i = 0; i < pairs.nr; i++) {
        if (check_pair(&pairs.pair[i], reason))
            verdict(NULL, pairs.pair[i].block, XEN_MIGRATE_REFUSE, reason,
                    opaque);
    }
    free(pairs.pair);
    return 0;
}
