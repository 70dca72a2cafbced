/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/wire.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    uint8_t bytes[4];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
    wire_put_bytes(writer, bytes, sizeof(bytes));
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    wire_put_bytes(writer, bytes, sizeof(bytes));
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

const uint8_t *wire_get_bytes(struct wire_reader *reader, size_t len)
{
    const uint8_t *bytes = reader->data + reader->offset;

    if (len > reader->len - reader->offset) {
        reader->offset = reader->len;
        reader->cut = true;
        return NULL;
    }

    reader->offset += len;
    return bytes;
}

static uint64_t get_big_endian(struct wire_reader *reader, size_t len)
{
    const uint8_t *bytes = wire_get_bytes(reader, len);
    uint64_t value = 0;

    for (size_t i = 0; bytes && i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
    return (uint8_t)get_big_endian(reader, 1);
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
    return (uint32_t)get_big_endian(reader, 4);
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
    return get_big_endian(reader, 8);
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

void wire_drop(struct wire_reader *reader)
{
    const uintptr_t step = 128 * 1024;
    uintptr_t from = (uintptr_t)reader->data + reader->dropped;
    uintptr_t to = (uintptr_t)reader->data + reader->offset;

    from = (from + step - 1) & ~(step - 1);
    to &= ~(step - 1);
    if (from >= to)
        return;
    /* Whole pages inside of what was allocated; it only saves memory. */
    (void)madvise((void *)from, to - from, MADV_DONTNEED);
    reader->dropped = (size_t)(to - (uintptr_t)reader->data);
}

uint8_t wire_peek_u8(const struct wire_reader *reader)
{
    return reader->offset < reader->len ? reader->data[reader->offset]
                                        : WIRE_EOF;
}

uint32_t wire_get_sum(const struct wire_reader *reader)
{
    return libdeflate_crc32(0, reader->data, reader->offset);
}

bool wire_name_ok(const char *name)
{
    size_t len = strnlen(name, WIRE_NAME_MAX + 1);

    return len > 0 && len <= WIRE_NAME_MAX &&
           printable((const uint8_t *)name, len);
}

static int grow(uint8_t **data, size_t *room, uint64_t limit)
{
    uint64_t want = *room ? (uint64_t)*room * 2 : 64 * 1024;
    uint8_t *more;

    if (want > limit)
        want = limit;
    if (want > SIZE_MAX)
        return -ENOMEM;
    more = realloc(*data, (size_t)want);
    if (!more)
        return -ENOMEM;

    *data = more;
    *room = (size_t)want;
    return 0;
}

int wire_read_all(int fd, uint64_t limit, uint8_t **data, size_t *len)
{
    uint8_t *bytes = NULL;
    size_t room = 0;
    size_t done = 0;
    ssize_t n = 1;
    int r = 0;

    while (n != 0 && done < limit) {
        if (done == room) {
            r = grow(&bytes, &room, limit);
            if (r)
                goto err_free;
        }
        n = read(fd, bytes + done, room - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            r = -errno;
            goto err_free;
        }
    }

    *data = bytes;
    *len = done;
    return 0;

err_free:
    free(bytes);
    return r;
}
