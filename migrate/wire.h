/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_WIRE_H
#define MIGRATE_WIRE_H

/*
 * Bytes of a stream: big-endian integers and names, with a CRC-32 (that of
 * IEEE 802.3 and zlib) over everything that went by.
 *
 * Both sides keep the first failure, so that a caller checks once a record and
 * not once a number.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* analyze-migration.py reads the length of a name as a signed byte. */
#define WIRE_NAME_MAX 127

#define WIRE_MAGIC 0x5145564du /* "QEVM" */
#define WIRE_VERSION 3

/* The last section: the sum over every byte of the stream before its value. */
#define WIRE_SUM_NAME "xenram/sum"
#define WIRE_SUM_VERSION 1

enum wire_section {
    WIRE_EOF = 0x00,
    WIRE_START = 0x01,
    WIRE_PART = 0x02,
    WIRE_END = 0x03,
    WIRE_FULL = 0x04,
    WIRE_SUBSECTION = 0x05,
    WIRE_VMDESC = 0x06,
};

/* What one writev takes: a page and what is between two pages. */
#define WIRE_PIECES 128u

struct wire_writer {
    int fd;
    int error;     /* the first, -errno */
    uint32_t sum;  /* over all before buf[summed] */
    size_t summed; /* bytes of buf that are in sum */
    size_t placed; /* bytes of buf that are in pieces */
    size_t len;    /* bytes of buf */
    unsigned nr;   /* of pieces */
    struct iovec pieces[WIRE_PIECES];
    uint8_t buf[64 * 1024];
};

/* A writer to fd, NULL when there is no memory. */
struct wire_writer *wire_writer_new(int fd);
/* Drops what was not flushed.  NULL is allowed. */
void wire_writer_free(struct wire_writer *writer);

void wire_put_bytes(struct wire_writer *writer, const void *bytes, size_t len);
/* As wire_put_bytes, not copied: they must stay as they are until wire_flush.
 */
void wire_put_lasting(struct wire_writer *writer, const void *bytes,
                      size_t len);
void wire_put_u8(struct wire_writer *writer, uint8_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
/* A length byte and the name, which must be wire_name_ok. */
void wire_put_name(struct wire_writer *writer, const char *name);
void wire_put_header(struct wire_writer *writer, enum wire_section type,
                     uint32_t id, const char *name, uint32_t instance,
                     uint32_t version);
/* The sum over all that was put so far. */
uint32_t wire_put_sum(struct wire_writer *writer);
/* Write out what is buffered.  The first error of all, or 0. */
int wire_flush(struct wire_writer *writer);

/* As much as wire_get_bytes and wire_peek can be asked for. */
#define WIRE_AHEAD 4096u

/*
 * A cursor over what fd gives, read through a buffer that is small enough to
 * stay in the processor's cache.  Reading behind the end, or behind limit,
 * gives zeroes, leaves the cursor at the end and sets cut; so does a read that
 * fails.
 */
struct wire_reader {
    int fd;
    int error; /* of read, -errno */
    uint64_t limit;
    uint64_t offset; /* of the cursor, in the stream */
    size_t at;       /* of the cursor, in buf */
    size_t len;      /* bytes of buf */
    size_t summed;   /* bytes of buf that are in sum */
    uint32_t sum;    /* over all before buf[summed] */
    bool cut;
    bool bad_name; /* wire_get_name met one that is not wire_name_ok */
    uint8_t buf[64 * 1024];
};

/* A reader of at most limit bytes from fd, NULL when there is no memory. */
struct wire_reader *wire_reader_new(int fd, uint64_t limit);
/* NULL is allowed. */
void wire_reader_free(struct wire_reader *reader);

uint8_t wire_get_u8(struct wire_reader *reader);
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
/*
 * The next len bytes, which stay where they are until the next call with this
 * reader; NULL when they are cut off.
 */
const uint8_t *wire_get_bytes(struct wire_reader *reader, size_t len);
/* Any number of bytes; false when they are cut off. */
bool wire_get_copy(struct wire_reader *reader, void *to, size_t len);
void wire_get_name(struct wire_reader *reader, char name[WIRE_NAME_MAX + 1]);
/* As wire_get_bytes, but the cursor stays, and nothing is cut. */
const uint8_t *wire_peek(struct wire_reader *reader, size_t len);
/* What comes next, which stays; 0 behind the end. */
uint8_t wire_peek_u8(struct wire_reader *reader);
uint32_t wire_peek_u32(struct wire_reader *reader);
/* The sum over all before the cursor. */
uint32_t wire_get_sum(struct wire_reader *reader);
/* Go to the end. */
void wire_drain(struct wire_reader *reader);

/* 1 to WIRE_NAME_MAX bytes, all of them printable ASCII. */
bool wire_name_ok(const char *name);

#endif
