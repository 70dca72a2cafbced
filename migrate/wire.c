/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/wire.h"

#include <endian.h>
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wire_writer *wire_writer_new(int fd)
{
    struct wire_writer *writer = malloc(sizeof(*writer));

    if (!writer)
        return NULL;

    writer->fd = fd;
    writer->error = 0;
    writer->sum = 0;
    writer->summed = 0;
    writer->placed = 0;
    writer->len = 0;
    writer->nr = 0;
    return writer;
}

void wire_writer_free(struct wire_writer *writer)
{
    free(writer);
}

uint32_t wire_put_sum(struct wire_writer *writer)
{
    writer->sum = libdeflate_crc32(writer->sum, writer->buf + writer->summed,
                                   writer->len - writer->summed);
    writer->summed = writer->len;
    return writer->sum;
}

static void add_piece(struct wire_writer *writer, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    writer->pieces[writer->nr].iov_base = (void *)bytes;
    writer->pieces[writer->nr].iov_len = len;
    writer->nr++;
}

static void place_buffered(struct wire_writer *writer)
{
    add_piece(writer, writer->buf + writer->placed,
              writer->len - writer->placed);
    writer->placed = writer->len;
}

/* Take len written bytes off the front. */
static void drop_pieces(struct iovec **pieces, unsigned *nr, size_t len)
{
    while (*nr > 0 && len >= (*pieces)->iov_len) {
        len -= (*pieces)->iov_len;
        (*pieces)++;
        (*nr)--;
    }
    if (len > 0) {
        (*pieces)->iov_base = (uint8_t *)(*pieces)->iov_base + len;
        (*pieces)->iov_len -= len;
    }
}

int wire_flush(struct wire_writer *writer)
{
    struct iovec *pieces = writer->pieces;

    wire_put_sum(writer);
    place_buffered(writer);
    while (!writer->error && writer->nr > 0) {
        ssize_t n = writev(writer->fd, pieces, (int)writer->nr);

        if (n > 0)
            drop_pieces(&pieces, &writer->nr, (size_t)n);
        else if (n == 0)
            writer->error = -EIO;
        else if (errno != EINTR)
            writer->error = -errno;
    }

    writer->nr = 0;
    writer->len = 0;
    writer->placed = 0;
    writer->summed = 0;
    return writer->error;
}

void wire_put_bytes(struct wire_writer *writer, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    while (len > 0) {
        size_t room = sizeof(writer->buf) - writer->len;
        size_t n = len < room ? len : room;

        memcpy(writer->buf + writer->len, from, n);
        writer->len += n;
        from += n;
        len -= n;
        if (writer->len == sizeof(writer->buf))
            wire_flush(writer);
    }
}

void wire_put_lasting(struct wire_writer *writer, const void *bytes, size_t len)
{
    wire_put_sum(writer);
    place_buffered(writer);
    writer->sum = libdeflate_crc32(writer->sum, bytes, len);
    add_piece(writer, bytes, len);
    /* Room for what is buffered next, these bytes and what follows them. */
    if (writer->nr > WIRE_PIECES - 3)
        wire_flush(writer);
}

void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
    wire_put_bytes(writer, &value, 1);
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
    uint32_t bytes = htobe32(value);

    wire_put_bytes(writer, &bytes, sizeof(bytes));
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
    uint64_t bytes = htobe64(value);

    /* Two a page, so that a copy of any length would be felt. */
    if (sizeof(writer->buf) - writer->len > sizeof(bytes)) {
        memcpy(writer->buf + writer->len, &bytes, sizeof(bytes));
        writer->len += sizeof(bytes);
    } else {
        wire_put_bytes(writer, &bytes, sizeof(bytes));
    }
}

void wire_put_name(struct wire_writer *writer, const char *name)
{
    size_t len = strlen(name);

    wire_put_u8(writer, (uint8_t)len);
    wire_put_bytes(writer, name, len);
}

void wire_put_header(struct wire_writer *writer, enum wire_section type,
                     uint32_t id, const char *name, uint32_t instance,
                     uint32_t version)
{
    wire_put_u8(writer, (uint8_t)type);
    wire_put_u32(writer, id);
    wire_put_name(writer, name);
    wire_put_u32(writer, instance);
    wire_put_u32(writer, version);
}

struct wire_reader *wire_reader_new(int fd, uint64_t limit)
{
    struct wire_reader *reader = malloc(sizeof(*reader));

    if (!reader)
        return NULL;

    reader->fd = fd;
    reader->error = 0;
    reader->limit = limit;
    reader->offset = 0;
    reader->at = 0;
    reader->len = 0;
    reader->summed = 0;
    reader->sum = 0;
    reader->cut = false;
    reader->bad_name = false;
    return reader;
}

void wire_reader_free(struct wire_reader *reader)
{
    free(reader);
}

/* Make room behind the bytes from the cursor on. */
static void move_to_front(struct wire_reader *reader)
{
    wire_get_sum(reader);
    reader->len -= reader->at;
    memmove(reader->buf, reader->buf + reader->at, reader->len);
    reader->at = 0;
    reader->summed = 0;
}

static void read_more(struct wire_reader *reader, size_t len)
{
    ssize_t n = 1;

    move_to_front(reader);
    while (reader->len < len && n != 0 && !reader->error) {
        uint64_t left = reader->limit - reader->offset - reader->len;
        size_t room = sizeof(reader->buf) - reader->len;

        n = read(reader->fd, reader->buf + reader->len,
                 left < room ? (size_t)left : room);
        if (n > 0)
            reader->len += (size_t)n;
        else if (n < 0 && errno != EINTR)
            reader->error = -errno;
    }
}

/* Bytes that lie behind the cursor: len at least, unless the stream ends. */
static size_t look_ahead(struct wire_reader *reader, size_t len)
{
    if (reader->len - reader->at < len)
        read_more(reader, len);
    return reader->len - reader->at;
}

static void go_on(struct wire_reader *reader, size_t len)
{
    reader->at += len;
    reader->offset += len;
}

const uint8_t *wire_peek(struct wire_reader *reader, size_t len)
{
    return look_ahead(reader, len) < len ? NULL : reader->buf + reader->at;
}

const uint8_t *wire_get_bytes(struct wire_reader *reader, size_t len)
{
    size_t there = look_ahead(reader, len);

    if (there < len) {
        go_on(reader, there);
        reader->cut = true;
        return NULL;
    }
    go_on(reader, len);
    return reader->buf + reader->at - len;
}

bool wire_get_copy(struct wire_reader *reader, void *to, size_t len)
{
    uint8_t *next = to;

    while (len > 0) {
        size_t n = len < WIRE_AHEAD ? len : WIRE_AHEAD;
        const uint8_t *bytes = wire_get_bytes(reader, n);

        if (!bytes)
            return false;
        memcpy(next, bytes, n);
        next += n;
        len -= n;
    }
    return true;
}

static uint64_t big_endian(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; bytes && i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
    return (uint8_t)big_endian(wire_get_bytes(reader, 1), 1);
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
    return (uint32_t)big_endian(wire_get_bytes(reader, 4), 4);
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
    return big_endian(wire_get_bytes(reader, 8), 8);
}

uint8_t wire_peek_u8(struct wire_reader *reader)
{
    return (uint8_t)big_endian(wire_peek(reader, 1), 1);
}

uint32_t wire_peek_u32(struct wire_reader *reader)
{
    return (uint32_t)big_endian(wire_peek(reader, 4), 4);
}

static bool printable(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x20 || bytes[i] > 0x7e)
            return false;
    }
    return true;
}

void wire_get_name(struct wire_reader *reader, char name[WIRE_NAME_MAX + 1])
{
    uint8_t len = wire_get_u8(reader);
    const uint8_t *bytes = wire_get_bytes(reader, len);

    name[0] = '\0';
    if (!bytes)
        return;

    if (len == 0 || len > WIRE_NAME_MAX || !printable(bytes, len)) {
        reader->bad_name = true;
        return;
    }
    memcpy(name, bytes, len);
    name[len] = '\0';
}

uint32_t wire_get_sum(struct wire_reader *reader)
{
    reader->sum = libdeflate_crc32(reader->sum, reader->buf + reader->summed,
                                   reader->at - reader->summed);
    reader->summed = reader->at;
    return reader->sum;
}

void wire_drain(struct wire_reader *reader)
{
    do
        go_on(reader, reader->len - reader->at);
    while (look_ahead(reader, 1) > 0);
}

bool wire_name_ok(const char *name)
{
    size_t len = strnlen(name, WIRE_NAME_MAX + 1);

    return len > 0 && len <= WIRE_NAME_MAX &&
           printable((const uint8_t *)name, len);
}
