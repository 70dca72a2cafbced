/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/savefile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tool/libxc.h"
#include "tool/record.h"
#include "tool/source.h"

#include "xenram/migrate.h"

/* What a file begins with is told apart by this many bytes. */
#define MAGIC_LEN 8
#define QEVM_MAGIC "QEVM"
#define LIBXL_MAGIC "LibxlFmt"
#define XL_MAGIC_LEN 32u

#define XL_BYTE_ORDER 0x01020304u
/* Configuration in JSON, and a stream of Xen 4.6 or later. */
#define XL_FLAGS 3u
/* xl writes some KiB. */
#define XL_CONFIG_MAX (16u << 20)

#define LIBXL_VERSION 2
#define LIBXL_BIG_ENDIAN 1

#define REC_END 0
#define REC_LIBXC_CONTEXT 1
#define REC_EMULATOR_XENSTORE_DATA 2
#define REC_EMULATOR_CONTEXT 3

#define EMULATOR_TRADITIONAL 1

static const char xl_magic[] = "Xen saved domain, xl format\n \0 \r";

/* ---- the state ---- */

static int begin_state(struct source *source, struct savefile *out,
                       uint64_t offset)
{
    out->state_offset = offset;
    out->state_fd = memfd_create("state", MFD_CLOEXEC);
    if (out->state_fd < 0)
        return source_fail(source, -errno, "no memory for the state: %s",
                           strerror(errno));
    return 0;
}

static int add_state(struct source *source, struct savefile *out,
                     const void *bytes, size_t len)
{
    if (out->state_length + len > XEN_MIGRATE_INSPECT_MAX)
        return source_fail(source, -EFBIG,
                           "the state at 0x%" PRIx64 " is longer than the "
                           "%" PRIu64 " bytes that can be looked at",
                           out->state_offset, XEN_MIGRATE_INSPECT_MAX);
    if (pwrite(out->state_fd, bytes, len, (off_t)out->state_length) !=
        (ssize_t)len)
        return source_fail(source, -ENOMEM,
                           "no memory for the state at "
                           "0x%" PRIx64,
                           out->state_offset);
    out->state_length += len;
    return 0;
}

/* A device model's own file: nothing else is in it. */
static int read_bare(struct source *source, struct savefile *out,
                     const uint8_t *magic)
{
    uint8_t buf[64 * 1024];
    size_t len = MAGIC_LEN;
    int r = begin_state(source, out, source->offset - MAGIC_LEN);

    memcpy(buf, magic, MAGIC_LEN);
    while (!r && len > 0) {
        r = add_state(source, out, buf, len);
        if (!r)
            r = source_read_rest(source, buf, sizeof(buf), &len);
    }
    return r;
}

static int read_emulator(struct source *source, struct savefile *out,
                         const struct record *record)
{
    uint8_t buf[64 * 1024];
    uint64_t left;
    int r;

    if (record->length < 8 || out->state_fd >= 0)
        return source_fail(
            source, -EBADMSG,
            "the device model's record at 0x%" PRIx64 " %s: the "
            "file is damaged",
            record->at, record->length < 8 ? "is too short" : "is the second");
    r = source_read(source, buf, 8, "a device model's record");
    if (r)
        return r;
    if (get_le32(buf) == EMULATOR_TRADITIONAL)
        return source_fail(source, -ENOTSUP,
                           "the state at 0x%" PRIx64
                           " is of qemu-xen-traditional: restore it with that",
                           source->offset);

    left = record->length - 8;
    r = begin_state(source, out, source->offset);
    while (!r && left > 0) {
        size_t len = left < sizeof(buf) ? (size_t)left : sizeof(buf);

        r = source_read(source, buf, len, "the device model's state");
        if (!r)
            r = add_state(source, out, buf, len);
        left -= len;
    }
    return r;
}

/* ---- what is around it ---- */

static int read_record(struct source *source, struct savefile *out, bool *end)
{
    struct record record;
    int r = record_read(source, &record, "a record of libxl");

    if (r)
        return r;
    if (record.type > REC_EMULATOR_CONTEXT && !(record.type & RECORD_OPTIONAL))
        return source_fail(source, -EBADMSG,
                           "the record at 0x%" PRIx64 " has type 0x%" PRIx32
                           " of libxl, which no saved guest has: damaged, or "
                           "of a newer Xen",
                           record.at, record.type);
    *end = record.type == REC_END;
    /* This one is a mark: the stream of libxc follows, not inside of it. */
    if (record.type == REC_LIBXC_CONTEXT)
        return libxc_read(source, out);
    if (record.type == REC_EMULATOR_CONTEXT)
        r = read_emulator(source, out, &record);
    return r ? r : record_skip(source, &record, "a record of libxl");
}

static int read_libxl(struct source *source, struct savefile *out)
{
    uint64_t at = source->offset - MAGIC_LEN;
    uint8_t header[8];
    bool end = false;
    int r = source_read(source, header, sizeof(header), "the header of libxl");

    if (r)
        return r;
    if (get_be32(header) != LIBXL_VERSION || header[7] & LIBXL_BIG_ENDIAN)
        return source_fail(source, -ENOTSUP,
                           "the stream of libxl at 0x%" PRIx64 " has version "
                           "%" PRIu32 " and options 0x%" PRIx32 ", known is "
                           "version %u, little-endian",
                           at, get_be32(header), get_be32(header + 4),
                           LIBXL_VERSION);
    out->libxl = true;
    while (!r && !end)
        r = read_record(source, out, &end);
    return r;
}

/* A length, that many bytes, and room for what a later xl may add. */
static int read_config(struct source *source, struct savefile *out,
                       uint32_t room)
{
    static const char what[] = "the configuration";
    uint64_t at = source->offset;
    uint8_t word[4];
    uint32_t len;
    int r;

    if (room < sizeof(word))
        return source_skip(source, room, what);
    r = source_read(source, word, sizeof(word), what);
    if (r)
        return r;
    len = get_le32(word);
    room -= (uint32_t)sizeof(word);
    if (len > room || len > XL_CONFIG_MAX)
        return source_fail(
            source, -EBADMSG,
            "the configuration at 0x%" PRIx64 " has %" PRIu32
            " bytes, at most %" PRIu32 " can be: the file is damaged",
            at, len, room < XL_CONFIG_MAX ? room : XL_CONFIG_MAX);
    out->config = calloc(1, (size_t)len + 1);
    if (!out->config)
        return source_fail(source, -ENOMEM, "no memory for the configuration");
    r = source_read(source, out->config, len, what);
    return r ? r : source_skip(source, room - len, what);
}

static int read_xl(struct source *source, struct savefile *out)
{
    uint8_t header[XL_MAGIC_LEN - MAGIC_LEN + 16], magic[MAGIC_LEN];
    const uint8_t *fields = header + XL_MAGIC_LEN - MAGIC_LEN;
    int r = source_read(source, header, sizeof(header), "the header of xl");

    if (r)
        return r;
    if (memcmp(header, xl_magic + MAGIC_LEN, XL_MAGIC_LEN - MAGIC_LEN) != 0 ||
        get_le32(fields) != XL_BYTE_ORDER || get_le32(fields + 4) != XL_FLAGS)
        return source_fail(source, -ENOTSUP,
                           "the header of xl has byte order 0x%08" PRIx32
                           " and flags 0x%" PRIx32 ", not 0x%08x and 0x%x: "
                           "damaged, or not of Xen 4.6 or later on x86",
                           get_le32(fields), get_le32(fields + 4),
                           XL_BYTE_ORDER, XL_FLAGS);
    r = read_config(source, out, get_le32(fields + 12));
    if (!r)
        r = source_read(source, magic, sizeof(magic), "the header of libxl");
    if (!r && memcmp(magic, LIBXL_MAGIC, MAGIC_LEN) != 0)
        r = source_fail(source, -EBADMSG,
                        "no stream of libxl at 0x%" PRIx64
                        ": the file is damaged",
                        source->offset - MAGIC_LEN);
    return r ? r : read_libxl(source, out);
}

int savefile_read(struct source *source, struct savefile *out)
{
    uint8_t magic[MAGIC_LEN];
    int r;

    *out = (struct savefile){.state_fd = -1};
    r = source_read(source, magic, sizeof(magic), "its first word");
    if (r)
        return r;
    if (memcmp(magic, QEVM_MAGIC, strlen(QEVM_MAGIC)) == 0)
        r = read_bare(source, out, magic);
    else if (memcmp(magic, LIBXL_MAGIC, MAGIC_LEN) == 0)
        r = read_libxl(source, out);
    else if (memcmp(magic, xl_magic, MAGIC_LEN) == 0)
        r = read_xl(source, out);
    else
        r = source_fail(source, -EBADMSG,
                        "neither a device model's state nor a guest saved by "
                        "xl: begins with 0x%08" PRIx32 "%08" PRIx32,
                        get_be32(magic), get_be32(magic + 4));
    out->length = source->offset;
    return r;
}

void savefile_fini(struct savefile *savefile)
{
    if (savefile->state_fd >= 0)
        close(savefile->state_fd);
    free(savefile->config);
    *savefile = (struct savefile){.state_fd = -1};
}
