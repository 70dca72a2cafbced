/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/ownership.h"

#include <errno.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/error.h"
#include "migrate/vmdesc.h"

/* A record without its name: all but the name's bytes have fixed width. */
#define RECORD_FIXED (1 + 1 + 4 + 4 * 8 + 4)

#define KNOWN_FLAGS                                                            \
    (OWNERSHIP_RESIZEABLE | OWNERSHIP_ROM | OWNERSHIP_SUM | OWNERSHIP_COPY)

uint64_t ownership_max_length(const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;
    uint64_t length = 4;

    while ((block = xen_ram_next(ram, block)))
        length += RECORD_FIXED + WIRE_NAME_MAX;
    return length;
}

int ownership_sum(struct xen_ram *ram, struct xen_ram_block *block,
                  uint32_t *sum)
{
    uint64_t size = xen_ram_size(block);
    uint8_t buf[XEN_RAM_PAGE_SIZE];

    *sum = 0;
    for (uint64_t offset = 0; offset < size; offset += sizeof(buf)) {
        uint64_t rest = size - offset;
        size_t len = rest < sizeof(buf) ? (size_t)rest : sizeof(buf);
        int r = xen_ram_read(ram, block, offset, buf, len);

        if (r)
            return r;
        *sum = libdeflate_crc32(*sum, buf, len);
    }
    return 0;
}

/* The toolstack carries its pages, and nobody may write them. */
static bool has_sum(unsigned kind, uint32_t flags)
{
    return kind == XEN_RAM_VISIBLE && (flags & OWNERSHIP_ROM);
}

/* A ROM that the guest took pages out of is saved without a sum. */
static int rom_sum(struct xen_ram *ram, struct xen_ram_block *block,
                   uint32_t *flags, uint32_t *sum, char *error)
{
    int r;

    *sum = 0;
    if (!has_sum(xen_ram_get_kind(block), *flags))
        return 0;

    r = ownership_sum(ram, block, sum);
    if (r == 0) {
        *flags |= OWNERSHIP_SUM;
        return 0;
    }
    *sum = 0;
    if (r == -EFAULT)
        return 0;
    return migrate_error(error, r, "block %s: cannot be read: %s",
                         xen_ram_idstr(block), strerror(-r));
}

static uint32_t wire_flags(const struct xen_ram_block *block)
{
    unsigned flags = xen_ram_get_flags(block);

    return (flags & XEN_RAM_RESIZEABLE ? OWNERSHIP_RESIZEABLE : 0) |
           (flags & XEN_RAM_ROM ? OWNERSHIP_ROM : 0) |
           (flags & XEN_RAM_COPY ? OWNERSHIP_COPY : 0);
}

static int save_record(struct wire_writer *out, struct xen_ram *ram,
                       struct xen_ram_block *block, char *error)
{
    const char *idstr = xen_ram_idstr(block);
    uint32_t flags = wire_flags(block);
    uint32_t sum;
    int r;

    if (!wire_name_ok(idstr))
        return migrate_error(error, -EINVAL,
                             "block %s: its name is not 1 to %d printable "
                             "ASCII characters",
                             idstr, WIRE_NAME_MAX);
    r = rom_sum(ram, block, &flags, &sum, error);
    if (r)
        return r;

    wire_put_name(out, idstr);
    wire_put_u8(out, (uint8_t)xen_ram_get_kind(block));
    wire_put_u32(out, flags);
    wire_put_u64(out, xen_ram_gfn(block));
    wire_put_u64(out, xen_ram_used_length(block));
    wire_put_u64(out, xen_ram_max_length(block));
    wire_put_u64(out, xen_ram_size(block));
    wire_put_u32(out, sum);
    return 0;
}

static uint32_t count_blocks(const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;
    uint32_t nr = 0;

    while ((block = xen_ram_next(ram, block)))
        nr++;
    return nr;
}

int ownership_save(struct wire_writer *out, struct xen_ram *ram, char *error)
{
    struct xen_ram_block *block = NULL;
    int r = 0;

    wire_put_u32(out, count_blocks(ram));
    while (!r && (block = xen_ram_next(ram, block)))
        r = save_record(out, ram, block, error);
    return r;
}

static int check_lengths(const struct ownership_record *record, char *error)
{
    uint64_t rest = record->used_length - record->size;

    if (record->size == 0 || record->size > record->used_length ||
        rest >= XEN_RAM_PAGE_SIZE ||
        record->used_length % XEN_RAM_PAGE_SIZE != 0 ||
        record->max_length % XEN_RAM_PAGE_SIZE != 0 ||
        record->used_length > record->max_length)
        return migrate_error(error, -EBADMSG,
                             "block %s: size 0x%" PRIx64 ", used length "
                             "0x%" PRIx64 " and max length 0x%" PRIx64
                             " contradict each other: the stream is damaged",
                             record->idstr, record->size, record->used_length,
                             record->max_length);
    return 0;
}

static int check_place(const struct ownership_record *record, char *error)
{
    uint64_t pages = record->used_length / XEN_RAM_PAGE_SIZE;
    uint64_t gfns = UINT64_MAX / XEN_RAM_PAGE_SIZE;
    bool placed =
        record->kind == XEN_RAM_GUEST || record->kind == XEN_RAM_VISIBLE;

    if (placed ? record->gfn > gfns || pages > gfns - record->gfn
               : record->gfn != XEN_RAM_NO_GFN)
        return migrate_error(error, -EBADMSG,
                             "block %s: gfn 0x%" PRIx64 " with 0x%" PRIx64
                             " pages is no place for it: the stream is "
                             "damaged",
                             record->idstr, record->gfn, pages);
    return 0;
}

static int check_sum(const struct ownership_record *record, char *error)
{
    bool there = record->flags & OWNERSHIP_SUM;

    if (there ? !has_sum(record->kind, record->flags) : record->sum != 0)
        return migrate_error(error, -EBADMSG,
                             "block %s: sum 0x%08" PRIx32 " does not go with "
                             "flags 0x%" PRIx32 ": the stream is damaged",
                             record->idstr, record->sum, record->flags);
    return 0;
}

static int check_record(const struct ownership_record *record, char *error)
{
    int r;

    if (record->kind > XEN_RAM_FILE)
        return migrate_error(error, -ENOTSUP,
                             "block %s: kind %u is unknown: load it with the "
                             "program that saved it",
                             record->idstr, record->kind);
    if (record->flags & ~KNOWN_FLAGS)
        return migrate_error(error, -ENOTSUP,
                             "block %s: flags 0x%" PRIx32 ", this program "
                             "knows 0x%x: load it with the program that saved "
                             "it",
                             record->idstr, record->flags, KNOWN_FLAGS);
    if (record->flags & OWNERSHIP_COPY && record->kind != XEN_RAM_FILE)
        return migrate_error(error, -EBADMSG,
                             "block %s: kind %u has no file that could be "
                             "mapped private: the stream is damaged",
                             record->idstr, record->kind);
    r = check_lengths(record, error);
    if (!r)
        r = check_place(record, error);
    return r ? r : check_sum(record, error);
}

static int cut_short(char *error)
{
    return migrate_error(error, -EBADMSG,
                         "the stream ends in the ownership records: it was "
                         "cut short");
}

static int load_record(struct wire_reader *in, struct ownership_record *record,
                       char *error)
{
    wire_get_name(in, record->idstr);
    record->kind = wire_get_u8(in);
    record->flags = wire_get_u32(in);
    record->gfn = wire_get_u64(in);
    record->used_length = wire_get_u64(in);
    record->max_length = wire_get_u64(in);
    record->size = wire_get_u64(in);
    record->sum = wire_get_u32(in);
    if (in->cut)
        return cut_short(error);
    if (in->bad_name)
        return migrate_error(error, -EBADMSG,
                             "an ownership record has no proper name: the "
                             "stream is damaged");
    return check_record(record, error);
}

/* Twice as many when they are a power of two: a count alone takes nothing. */
static int add_record(struct ownership *owned)
{
    size_t room = owned->nr ? 2 * owned->nr : 1;
    struct ownership_record *records = owned->records;

    if ((owned->nr & (owned->nr - 1)) == 0) {
        records = realloc(records, room * sizeof(*records));
        if (!records)
            return -ENOMEM;
        owned->records = records;
    }
    owned->nr++;
    return 0;
}

int ownership_load(struct wire_reader *in, struct ownership *owned, char *error)
{
    uint32_t nr = wire_get_u32(in);
    int r = 0;

    if (in->cut)
        return cut_short(error);
    for (uint32_t i = 0; !r && i < nr; i++) {
        r = add_record(owned);
        if (r)
            return migrate_error(
                error, r, "no memory for %" PRIu32 " ownership records", nr);
        r = load_record(in, &owned->records[i], error);
    }
    return r;
}

void ownership_fini(struct ownership *owned)
{
    free(owned->records);
    owned->records = NULL;
    owned->nr = 0;
}

void ownership_export(const struct ownership_record *record,
                      struct xen_migrate_block *out)
{
    uint32_t flags = record->flags;

    *out = (struct xen_migrate_block){
        .idstr = record->idstr,
        .kind = record->kind,
        .flags = (flags & OWNERSHIP_RESIZEABLE ? XEN_RAM_RESIZEABLE : 0u) |
                 (flags & OWNERSHIP_ROM ? XEN_RAM_ROM : 0u) |
                 (flags & OWNERSHIP_COPY ? XEN_RAM_COPY : 0u),
        .gfn = record->gfn,
        .used_length = record->used_length,
        .max_length = record->max_length,
        .size = record->size,
        .has_sum = flags & OWNERSHIP_SUM,
        .sum = record->sum,
    };
}

static void describe_record(FILE *json, const struct xen_ram_block *block)
{
    const char *idstr = xen_ram_idstr(block);

    fputs(",{\"name\":", json);
    vmdesc_string(json, idstr);
    fprintf(json,
            ",\"type\":\"struct\",\"size\":%zu,\"struct\":{\"fields\":["
            "{\"name\":\"idstr_length\",\"type\":\"uint8\",\"size\":1},"
            "{\"name\":\"idstr\",\"type\":\"buffer\",\"size\":%zu},"
            "{\"name\":\"kind\",\"type\":\"uint8\",\"size\":1},"
            "{\"name\":\"flags\",\"type\":\"uint32\",\"size\":4},"
            "{\"name\":\"gfn\",\"type\":\"uint64\",\"size\":8},"
            "{\"name\":\"used_length\",\"type\":\"uint64\",\"size\":8},"
            "{\"name\":\"max_length\",\"type\":\"uint64\",\"size\":8},"
            "{\"name\":\"size\",\"type\":\"uint64\",\"size\":8},"
            "{\"name\":\"sum\",\"type\":\"uint32\",\"size\":4}]}}",
            RECORD_FIXED + strlen(idstr), strlen(idstr));
}

void ownership_describe(FILE *json, const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;

    fputs("\"fields\":[{\"name\":\"nr\",\"type\":\"uint32\",\"size\":4}", json);
    while ((block = xen_ram_next(ram, block)))
        describe_record(json, block);
    fputs("]", json);
}
