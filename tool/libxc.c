/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/libxc.h"

#include <errno.h>
#include <inttypes.h>

#include "tool/record.h"
#include "tool/savefile.h"
#include "tool/source.h"

/* Xen: tools/libs/guest/xg_sr_stream_format.h */
#define IMAGE_ID 0x58454e46u /* "XENF" */
#define IMAGE_OLDEST 2
#define IMAGE_NEWEST 3
#define IMAGE_BIG_ENDIAN 1
#define DOMAIN_PV 1
#define DOMAIN_HVM 2
#define PAGE_SHIFT 12
#define LENGTH_MAX (128u << 20)

#define REC_END 0x00
#define REC_PAGE_DATA 0x01
#define REC_CHECKPOINT 0x0e
#define REC_LAST_KNOWN 0x12

static int read_image_header(struct source *source, struct savefile *out)
{
    uint64_t at = source->offset;
    uint8_t header[24]; /* marker, id, version, options, reserved */
    uint32_t version;
    int r = source_read(source, header, sizeof(header), "the header of libxc");

    if (r)
        return r;
    version = get_be32(header + 12);
    if (get_be32(header) != UINT32_MAX || get_be32(header + 4) != UINT32_MAX ||
        get_be32(header + 8) != IMAGE_ID)
        return source_fail(
            source, -EBADMSG,
            "no stream of libxc at 0x%" PRIx64 ": the file is damaged", at);
    if (version < IMAGE_OLDEST || version > IMAGE_NEWEST ||
        header[17] & IMAGE_BIG_ENDIAN)
        return source_fail(source, -ENOTSUP,
                           "the stream of libxc at 0x%" PRIx64 " has version "
                           "%" PRIu32 " and options 0x%x, known are versions "
                           "%u and %u, little-endian",
                           at, version, header[17], IMAGE_OLDEST, IMAGE_NEWEST);
    out->libxc_version = version;
    return 0;
}

static int read_domain_header(struct source *source, struct savefile *out)
{
    uint64_t at = source->offset;
    uint8_t header[16]; /* type, page shift, reserved, Xen's version */
    uint32_t type, shift;
    int r =
        source_read(source, header, sizeof(header), "the header of a guest");

    if (r)
        return r;
    type = get_le32(header);
    shift = get_le32(header + 4) & 0xffff;
    if ((type != DOMAIN_PV && type != DOMAIN_HVM) || shift != PAGE_SHIFT)
        return source_fail(source, -EBADMSG,
                           "the guest at 0x%" PRIx64 " has type %" PRIu32
                           " and page shift %" PRIu32 ", known are %u, %u and "
                           "%u: damaged, or no x86 guest",
                           at, type, shift, DOMAIN_PV, DOMAIN_HVM, PAGE_SHIFT);
    out->hvm = type == DOMAIN_HVM;
    out->xen_major = get_le32(header + 8);
    out->xen_minor = get_le32(header + 12);
    out->memory = true;
    return 0;
}

/* The number of pages in the list, 8 bytes each, then those that have bytes. */
static int count_pages(struct source *source, struct savefile *out,
                       const struct record *record)
{
    const uint32_t page = 1u << PAGE_SHIFT;
    uint8_t header[8];
    uint32_t listed, room;
    int r;

    if (record->length < sizeof(header))
        return source_fail(source, -EBADMSG,
                           "pages at 0x%" PRIx64 " have %" PRIu32
                           " bytes: the file is damaged",
                           record->at, record->length);
    r = source_read(source, header, sizeof(header), "a record of pages");
    if (r)
        return r;
    listed = get_le32(header);
    room = record->length - (uint32_t)sizeof(header);
    if (listed == 0 || listed > room / 8 || (room - listed * 8) % page != 0 ||
        (room - listed * 8) / page > listed)
        return source_fail(source, -EBADMSG,
                           "%" PRIu32 " pages at 0x%" PRIx64 " do not go into "
                           "%" PRIu32 " bytes: the file is damaged",
                           listed, record->at, record->length);
    out->pages += (room - listed * 8) / page;
    return 0;
}

static int check_record(struct source *source, const struct record *record)
{
    if (record->length > LENGTH_MAX)
        return source_fail(source, -EBADMSG,
                           "the record at 0x%" PRIx64 " has %" PRIu32
                           " bytes, at most %u can be: the file is damaged",
                           record->at, record->length, LENGTH_MAX);
    if (record->type == REC_CHECKPOINT)
        return source_fail(source, -ENOTSUP,
                           "a checkpoint at 0x%" PRIx64
                           ": a stream of Remus or COLO, not a saved guest",
                           record->at);
    if (record->type > REC_LAST_KNOWN && !(record->type & RECORD_OPTIONAL))
        return source_fail(source, -EBADMSG,
                           "the record at 0x%" PRIx64 " has type 0x%" PRIx32
                           " of libxc, which is unknown: damaged, or of a "
                           "newer Xen",
                           record->at, record->type);
    return 0;
}

int libxc_read(struct source *source, struct savefile *out)
{
    struct record record = {.type = REC_PAGE_DATA};
    int r = read_image_header(source, out);

    if (!r)
        r = read_domain_header(source, out);
    while (!r && record.type != REC_END) {
        r = record_read(source, &record, "a record of libxc");
        if (!r)
            r = check_record(source, &record);
        if (!r && record.type == REC_PAGE_DATA)
            r = count_pages(source, out, &record);
        if (!r)
            r = record_skip(source, &record, "a record of libxc");
    }
    return r;
}
