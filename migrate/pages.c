/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "migrate/error.h"
#include "migrate/present.h"
#include "xenram/migrate.h"

/* Low bits of a word whose high bits are an offset (QEMU, migration/ram.c). */
#define PAGE_ZERO UINT64_C(0x02)     /* a fill byte follows, which is 0 */
#define PAGE_MEM_SIZE UINT64_C(0x04) /* the list of blocks follows */
#define PAGE_RAW UINT64_C(0x08)      /* the bytes of the page follow */
#define PAGE_EOS UINT64_C(0x10)      /* end of the chunk */
#define PAGE_CONTINUE UINT64_C(0x20) /* same block, its name is left out */
#define PAGE_FLAGS UINT64_C(0xfff)

#define CACHE_LINE 64u

static struct xen_ram_block *next_private(const struct xen_ram *ram,
                                          const struct xen_ram_block *block)
{
    struct xen_ram_block *next = xen_ram_next(ram, block);

    while (next && xen_ram_get_kind(next) != XEN_RAM_PRIVATE)
        next = xen_ram_next(ram, next);
    return next;
}

uint64_t pages_max_length(const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;
    uint64_t length = 1 + 4 + 1 + WIRE_NAME_MAX + 4 + 4 + 8 + 8 + 5 + 8;

    while ((block = next_private(ram, block))) {
        uint64_t max_length = xen_ram_max_length(block);

        length += 1 + WIRE_NAME_MAX + 8;
        /* No more than a named record in a chunk of its own for each page. */
        length += max_length + max_length / XEN_RAM_PAGE_SIZE *
                                   (5 + 8 + 1 + WIRE_NAME_MAX + 8);
    }
    return length;
}

static void save_list(struct wire_writer *out, const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;
    uint64_t total = 0;

    while ((block = next_private(ram, block)))
        total += xen_ram_used_length(block);
    wire_put_u64(out, total | PAGE_MEM_SIZE);

    while ((block = next_private(ram, block))) {
        wire_put_name(out, xen_ram_idstr(block));
        wire_put_u64(out, xen_ram_used_length(block));
    }
    wire_put_u64(out, PAGE_EOS);
}

/* A processor does not look beyond the page by itself. */
static void fetch_page(const uint8_t *page)
{
    for (size_t at = 0; at < XEN_RAM_PAGE_SIZE; at += CACHE_LINE)
        __builtin_prefetch(page + at);
}

static void save_block(struct wire_writer *out,
                       const struct xen_ram_block *block,
                       struct present *present)
{
    const uint8_t *host = xen_ram_host(block);
    uint64_t length = xen_ram_used_length(block);

    for (uint64_t offset = 0; offset < length; offset += XEN_RAM_PAGE_SIZE) {
        const uint8_t *page = host + offset;
        bool zero = present_absent(present, block, page);

        if (!zero && length - offset > XEN_RAM_PAGE_SIZE)
            fetch_page(page + XEN_RAM_PAGE_SIZE);
        zero = zero || present_is_zero(page);
        wire_put_u64(out, offset | (zero ? PAGE_ZERO : PAGE_RAW) |
                              (offset ? PAGE_CONTINUE : 0));
        if (offset == 0)
            wire_put_name(out, xen_ram_idstr(block));
        if (zero)
            wire_put_u8(out, 0);
        else
            wire_put_lasting(out, page, XEN_RAM_PAGE_SIZE);
    }
    wire_put_u64(out, PAGE_EOS);
}

void pages_save(struct wire_writer *out, uint32_t id, const struct xen_ram *ram)
{
    struct xen_ram_block *block = NULL;
    struct present present;

    wire_put_header(out, WIRE_START, id, PAGES_NAME, 0, PAGES_VERSION);
    save_list(out, ram);
    present_open(&present);
    while ((block = next_private(ram, block))) {
        wire_put_u8(out, WIRE_PART);
        wire_put_u32(out, id);
        save_block(out, block, &present);
    }
    present_close(&present);
    wire_put_u8(out, WIRE_END);
    wire_put_u32(out, id);
    wire_put_u64(out, PAGE_EOS);
}

/* The page that comes next, and the block that CONTINUE means. */
struct cursor {
    const struct ownership *owned;
    size_t record; /* owned->nr: all pages were there */
    uint64_t offset;
    const struct ownership_record *named; /* in this chunk; NULL: none yet */
    struct place *place;                  /* NULL: the pages are only checked */
};

static void skip_to_private(struct cursor *cursor)
{
    const struct ownership *owned = cursor->owned;

    while (cursor->record < owned->nr &&
           owned->records[cursor->record].kind != XEN_RAM_PRIVATE)
        cursor->record++;
}

/* From the record whose turn it is on, and then round: names may be twice. */
static const struct ownership_record *find_private(const struct cursor *cursor,
                                                   const char *idstr)
{
    const struct ownership *owned = cursor->owned;

    for (size_t i = 0; i < owned->nr; i++) {
        size_t at = (cursor->record + i) % owned->nr;

        if (owned->records[at].kind == XEN_RAM_PRIVATE &&
            strcmp(owned->records[at].idstr, idstr) == 0)
            return &owned->records[at];
    }
    return NULL;
}

static int cut_short(char *error)
{
    return migrate_error(error, -EBADMSG,
                         "the stream ends in section " PAGES_NAME
                         ": it was cut short");
}

static int load_list_entry(struct wire_reader *in,
                           const struct ownership_record *record,
                           uint64_t *rest, char *error)
{
    char idstr[WIRE_NAME_MAX + 1];
    uint64_t length;

    wire_get_name(in, idstr);
    length = wire_get_u64(in);
    if (in->cut)
        return cut_short(error);
    if (strcmp(idstr, record->idstr) != 0)
        return migrate_error(error, -EBADMSG,
                             "section " PAGES_NAME " lists block %s where "
                             "block %s was expected: the stream is damaged",
                             idstr, record->idstr);
    if (length != record->used_length)
        return migrate_error(error, -EBADMSG,
                             "block %s: section " PAGES_NAME " has 0x%" PRIx64
                             " bytes, its ownership record 0x%" PRIx64
                             ": the stream is damaged",
                             idstr, length, record->used_length);
    if (length > *rest)
        return migrate_error(error, -EBADMSG,
                             "block %s: 0x%" PRIx64 " bytes, but only "
                             "0x%" PRIx64 " are left of the announced total: "
                             "the stream is damaged",
                             idstr, length, *rest);
    *rest -= length;
    return 0;
}

static int load_list(struct wire_reader *in, const struct ownership *owned,
                     char *error)
{
    uint64_t word = wire_get_u64(in);
    uint64_t rest = word & ~PAGE_FLAGS;
    uint64_t end;
    int r = 0;

    if (in->cut)
        return cut_short(error);
    if ((word & PAGE_FLAGS) != PAGE_MEM_SIZE)
        return migrate_error(error, -EBADMSG,
                             "section " PAGES_NAME " starts with 0x%" PRIx64
                             ", not with its list of blocks: the stream is "
                             "damaged",
                             word);

    for (size_t i = 0; !r && i < owned->nr; i++) {
        if (owned->records[i].kind == XEN_RAM_PRIVATE)
            r = load_list_entry(in, &owned->records[i], &rest, error);
    }
    if (r)
        return r;

    end = wire_get_u64(in);
    if (in->cut)
        return cut_short(error);
    if (rest != 0 || end != PAGE_EOS)
        return migrate_error(error, -EBADMSG,
                             "section " PAGES_NAME " announces 0x%" PRIx64
                             " bytes more than its blocks have: the stream is "
                             "damaged",
                             rest);
    return 0;
}

/* Which block a record is for, and whether this page is the next one. */
static int find_page(struct wire_reader *in, struct cursor *cursor,
                     uint64_t offset, bool named, char *error)
{
    char idstr[WIRE_NAME_MAX + 1] = "";

    if (named) {
        wire_get_name(in, idstr);
        if (in->cut)
            return cut_short(error);
        cursor->named = find_private(cursor, idstr);
    }
    if (!cursor->named)
        return migrate_error(error, -EBADMSG,
                             "section " PAGES_NAME ": a page of block '%s', "
                             "which has none: the stream is damaged",
                             idstr);
    if (offset >= cursor->named->used_length)
        return migrate_error(
            error, -EBADMSG,
            "block %s: Illegal RAM offset 0x%" PRIx64 ", used length 0x%" PRIx64
            ": the stream is damaged",
            cursor->named->idstr, offset, cursor->named->used_length);
    if (cursor->named != &cursor->owned->records[cursor->record] ||
        offset != cursor->offset)
        return migrate_error(error, -EBADMSG,
                             "block %s: page 0x%" PRIx64 " is twice in the "
                             "stream or out of order: the stream is damaged",
                             cursor->named->idstr, offset);
    return 0;
}

static int load_page(struct wire_reader *in, struct cursor *cursor,
                     uint64_t word, char *error)
{
    uint64_t kind = word & PAGE_FLAGS & ~PAGE_CONTINUE;
    const uint8_t *bytes = NULL;
    int r;

    if (kind != PAGE_ZERO && kind != PAGE_RAW)
        return migrate_error(error, -EBADMSG,
                             "section " PAGES_NAME ": a page with flags "
                             "0x%" PRIx64 ", known are 0x%" PRIx64
                             " and 0x%" PRIx64 ": the stream is damaged",
                             kind, PAGE_ZERO, PAGE_RAW);
    r = find_page(in, cursor, word & ~PAGE_FLAGS, !(word & PAGE_CONTINUE),
                  error);
    if (r)
        return r;

    if (kind == PAGE_RAW)
        bytes = wire_get_bytes(in, XEN_RAM_PAGE_SIZE);
    else if (wire_get_u8(in) != 0)
        return migrate_error(error, -EBADMSG,
                             "block %s: page 0x%" PRIx64 " is filled with "
                             "something else than zero: the stream is damaged",
                             cursor->named->idstr, cursor->offset);
    if (in->cut)
        return cut_short(error);

    r = cursor->place ? place_page(cursor->place, cursor->named, cursor->offset,
                                   bytes, error)
                      : 0;
    if (r)
        return r;
    cursor->offset += XEN_RAM_PAGE_SIZE;
    if (cursor->offset == cursor->named->used_length) {
        cursor->offset = 0;
        cursor->record++;
        skip_to_private(cursor);
    }
    return 0;
}

static int load_chunk(struct wire_reader *in, struct cursor *cursor,
                      char *error)
{
    uint64_t word;
    int r;

    cursor->named = NULL;
    while ((word = wire_get_u64(in)) != PAGE_EOS) {
        if (in->cut)
            return cut_short(error);
        r = load_page(in, cursor, word, error);
        if (r)
            return r;
    }
    return 0;
}

static int load_parts(struct wire_reader *in, uint32_t id,
                      struct cursor *cursor, char *error)
{
    const struct ownership *owned = cursor->owned;
    uint8_t type = WIRE_PART;
    int r = load_list(in, owned, error);

    skip_to_private(cursor);
    while (!r && type != WIRE_END) {
        uint32_t part;

        type = wire_get_u8(in);
        part = wire_get_u32(in);
        if (in->cut)
            return cut_short(error);
        if ((type != WIRE_PART && type != WIRE_END) || part != id)
            return migrate_error(error, -EBADMSG,
                                 "section type %u of id %" PRIu32 " inside of "
                                 "section " PAGES_NAME " with id %" PRIu32
                                 ": the stream is damaged",
                                 type, part, id);
        r = load_chunk(in, cursor, error);
    }
    if (!r && cursor->record < owned->nr)
        r = migrate_error(error, -EBADMSG,
                          "block %s: page 0x%" PRIx64 " and what follows are "
                          "missing: the stream is damaged",
                          owned->records[cursor->record].idstr, cursor->offset);
    return r;
}

int pages_load(struct wire_reader *in, uint32_t id,
               const struct ownership *owned, struct place *place, char *error)
{
    struct cursor cursor = {.owned = owned, .place = place};

    return load_parts(in, id, &cursor, error);
}
