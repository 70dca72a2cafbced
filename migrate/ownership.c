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
    (OWNERSHIP_RESIZEABLE | OWNERSHIP_ROM | OWNERSHIP_SUM | OWNERSHIP_COPY |   \
     OWNERSHIP_SPARSE)

/* Bytes of a bitmap of length / unit bits; unit is no zero. */
static uint64_t bitmap_bytes(uint64_t length, uint64_t unit)
{
    uint64_t nr = length / unit;

    return nr / 8 + (nr % 8 != 0);
}

/* Behind a record: nothing, or the unit and the bitmap of a sparse block. */
static uint64_t extra_length(const struct xen_ram_block *block)
{
    uint64_t unit = xen_ram_unit(block);

    return unit ? 8 + bitmap_bytes(xen_ram_used_length(block), unit) : 0;
}

uint64_t ownership_max_length(const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;
    uint64_t length = 4;

    while ((block = xen_ram_next(ram, block)))
        length += RECORD_FIXED + WIRE_NAME_MAX + extra_length(block);
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
           (flags & XEN_RAM_COPY ? OWNERSHIP_COPY : 0) |
           (flags & XEN_RAM_SPARSE ? OWNERSHIP_SPARSE : 0);
}

static int save_plugged(struct wire_writer *out,
                        const struct xen_ram_block *block, char *error)
{
    uint64_t unit = xen_ram_unit(block), offset = 0, length = 0;
    uint64_t bytes = bitmap_bytes(xen_ram_used_length(block), unit);
    uint8_t *plugged = calloc((size_t)bytes, 1);

    if (!plugged)
        return migrate_error(error, -ENOMEM,
                             "block %s: no memory for the 0x%" PRIx64
                             " bytes that tell what of it is plugged",
                             xen_ram_idstr(block), bytes);
    while (xen_ram_next_plugged(block, offset + length, &offset, &length))
        for (uint64_t i = offset / unit; i < (offset + length) / unit; i++)
            plugged[i / 8] |= (uint8_t)(1u << i % 8);
    wire_put_u64(out, unit);
    wire_put_bytes(out, plugged, (size_t)bytes);
    free(plugged);
    return 0;
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
    return flags & OWNERSHIP_SPARSE ? save_plugged(out, block, error) : 0;
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

/* What goes with the flag, but for the bitmap. */
static int check_sparse(const struct ownership_record *record, char *error)
{
    uint64_t unit = record->unit;

    if (!(record->flags & OWNERSHIP_SPARSE))
        return 0;
    if (record->kind != XEN_RAM_VISIBLE || record->flags != OWNERSHIP_SPARSE ||
        unit < XEN_RAM_PAGE_SIZE || unit & (unit - 1) ||
        record->size % unit != 0 || record->max_length != record->size)
        return migrate_error(error, -EBADMSG,
                             "block %s: %s, flags 0x%" PRIx32
                             ", size 0x%" PRIx64 " and a unit of 0x%" PRIx64
                             " contradict each other: the stream is damaged",
                             record->idstr, xen_migrate_kind_name(record->kind),
                             record->flags, record->size, unit);
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
    if (!r)
        r = check_sparse(record, error);
    return r ? r : check_sum(record, error);
}

static int cut_short(char *error)
{
    return migrate_error(error, -EBADMSG,
                         "the stream ends in the ownership records: it was "
                         "cut short");
}

/* Memory grows with what has come: a length alone takes none. */
static int get_bitmap(struct wire_reader *in, uint64_t bytes, uint8_t **out)
{
    uint8_t *bitmap = NULL;
    uint64_t have = 0;
    int r = 0;

    while (!r && have < bytes) {
        uint64_t more = have ? have : WIRE_AHEAD;
        uint8_t *grown;

        if (more > bytes - have)
            more = bytes - have;
        grown = realloc(bitmap, (size_t)(have + more));
        if (grown) {
            bitmap = grown;
            r = wire_get_copy(in, bitmap + have, (size_t)more) ? 0 : -EBADMSG;
        } else {
            r = -ENOMEM;
        }
        have += more;
    }
    if (r) {
        free(bitmap);
        bitmap = NULL;
    }
    *out = bitmap;
    return r;
}

static int load_plugged(struct wire_reader *in, struct ownership_record *record,
                        char *error)
{
    uint64_t bytes = bitmap_bytes(record->size, record->unit);
    unsigned last = (unsigned)(record->size / record->unit % 8);
    int r = get_bitmap(in, bytes, &record->plugged);

    if (r == -EBADMSG)
        return cut_short(error);
    if (r)
        return migrate_error(error, r,
                             "block %s: no memory for the 0x%" PRIx64
                             " bytes that tell what of it is plugged",
                             record->idstr, bytes);
    if (last && record->plugged[bytes - 1] >> last)
        return migrate_error(error, -EBADMSG,
                             "block %s: more units are plugged than the "
                             "0x%" PRIx64 " that it has: the stream is damaged",
                             record->idstr, record->size / record->unit);
    return 0;
}

static int load_record(struct wire_reader *in, struct ownership_record *record,
                       char *error)
{
    int r;

    wire_get_name(in, record->idstr);
    record->kind = wire_get_u8(in);
    record->flags = wire_get_u32(in);
    record->gfn = wire_get_u64(in);
    record->used_length = wire_get_u64(in);
    record->max_length = wire_get_u64(in);
    record->size = wire_get_u64(in);
    record->sum = wire_get_u32(in);
    if (record->flags & OWNERSHIP_SPARSE)
        record->unit = wire_get_u64(in);
    if (in->cut)
        return cut_short(error);
    if (in->bad_name)
        return migrate_error(error, -EBADMSG,
                             "an ownership record has no proper name: the "
                             "stream is damaged");
    r = check_record(record, error);
    if (!r && record->flags & OWNERSHIP_SPARSE)
        r = load_plugged(in, record, error);
    return r;
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
    memset(&records[owned->nr++], 0, sizeof(*records));
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
    for (size_t i = 0; i < owned->nr; i++)
        free(owned->records[i].plugged);
    free(owned->records);
    owned->records = NULL;
    owned->nr = 0;
}

static uint64_t count_plugged(const struct ownership_record *record)
{
    uint64_t nr = 0;

    if (record->plugged)
        for (uint64_t i = 0; i < bitmap_bytes(record->size, record->unit); i++)
            nr += (unsigned)__builtin_popcount(record->plugged[i]);
    return nr;
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
                 (flags & OWNERSHIP_COPY ? XEN_RAM_COPY : 0u) |
                 (flags & OWNERSHIP_SPARSE ? XEN_RAM_SPARSE : 0u),
        .gfn = record->gfn,
        .used_length = record->used_length,
        .max_length = record->max_length,
        .size = record->size,
        .unit = record->unit,
        .plugged = count_plugged(record) * record->unit,
        .has_sum = flags & OWNERSHIP_SUM,
        .sum = record->sum,
    };
}

static void describe_record(FILE *json, const struct xen_ram_block *block)
{
    const char *idstr = xen_ram_idstr(block);
    uint64_t extra = extra_length(block);

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
            "{\"name\":\"sum\",\"type\":\"uint32\",\"size\":4}",
            RECORD_FIXED + strlen(idstr) + (size_t)extra, strlen(idstr));
    if (extra)
        fprintf(json,
                ",{\"name\":\"unit\",\"type\":\"uint64\",\"size\":8},"
                "{\"name\":\"plugged\",\"type\":\"buffer\",\"size\":%zu}",
                (size_t)extra - 8);
    fputs("]}}", json);
}

void ownership_describe(FILE *json, const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;

    fputs("\"fields\":[{\"name\":\"nr\",\"type\":\"uint32\",\"size\":4}", json);
    while ((block = xen_ram_next(ram, block)))
        describe_record(json, block);
    fputs("]", json);
}
