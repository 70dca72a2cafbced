/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/migrate-sides.h"

static const struct lengths small = {
    .rom_size = 6000,
    .rom_max = 8 * PAGE,
    .private_size = 2 * PAGE,
    .private_max = 4 * PAGE,
};

/* Load something that must be refused, and leave the target as it was. */
static void refuse(struct side *target, const struct stream *stream, int r,
                   const char *text)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct snapshot before, after;
    int got;

    side_snapshot(target, &before);
    got = stream_load(target, NULL, stream, error);
    side_snapshot(target, &after);
    if (got != r)
        fail_msg("%d, not %d: '%s', for '%s'", got, r, error, text);
    assert_text(error, text);
    assert_memory_equal(&before, &after, sizeof(before));
}

/* ---- one change, with a right sum ------------------------------------- */

/* len bytes of a string literal, and their number. */
#define BYTES(text) text, sizeof(text) - 1

/* Where records of the stream start. */
#define OWNED BYTES("\x10xenram/ownership")
#define REC_LOW BYTES("\x03low\x00")
#define REC_ROM BYTES("\x03rom\x01")
#define REC_PRIVATE BYTES("\x07private\x02")
#define RAM BYTES("\x01\x00\x00\x00\x01\x03ram")
#define LIST BYTES("\x07private\x00\x00\x00\x00\x00\x00\x20\x00")
#define PART BYTES("\x10\x02\x00\x00\x00\x01") /* behind EOS */
#define END BYTES("\x10\x03\x00\x00\x00\x01")
#define PAGE0 BYTES("\x00\x00\x00\x00\x00\x00\x00\x02\x07private\x00")
#define PAGE1 BYTES("\x00\x00\x00\x00\x00\x00\x10\x28")
#define UART0 BYTES("\x04\x00\x00\x00\x02\x04uart")
#define UART1 BYTES("\x04\x00\x00\x00\x03\x04uart")
#define SCRATCH BYTES("\x05\x0cuart/scratch")
#define NESTED BYTES("\x05\x13uart/scratch/nested")
#define SUM BYTES("\x04\x00\x00\x00\x04\x0axenram/sum")

#define X32 "0123456789abcdef0123456789abcdef"
#define X128 X32 X32 X32 X32

/* Offsets in an ownership record of "rom" and of "low". */
#define REC_KIND 4
#define REC_FLAGS 5
#define REC_GFN 9
#define REC_USED 17
#define REC_MAX 25
#define REC_SIZE 33
#define REC_LEN 45

static const struct {
    const char *find; /* in place of drop bytes, delta behind this, put put */
    size_t find_len;
    int delta;
    size_t drop;
    const char *put;
    size_t put_len;
    int r;
    const char *text;
} edits[] = {
    /* The start. */
    {BYTES("QEVM"), 0, 1, BYTES("R"), -EBADMSG,
     "starts with 0x5245564d, not 0x5145564d"},
    {BYTES("QEVM"), 4, 4, BYTES("\0\0\0\x02"), -ENOTSUP,
     "stream version 2, this program reads 3"},
    {BYTES("QEVM"), 8, 1, BYTES("\x07"), -EBADMSG,
     "type 7 at 8 where a section should start"},

    /* Sections. */
    {OWNED, 0, 17, BYTES("\x05other"), -ENOTSUP,
     "starts with section other, not xenram/ownership: another program"},
    {OWNED, 24, 1, BYTES("\x02"), -ENOTSUP,
     "section xenram/ownership: version 2 in the stream, this program reads "
     "1"},
    {OWNED, 20, 1, BYTES("\x02"), -EBADMSG,
     "section xenram/ownership: type 4 and instance 2, not 4 and 0"},
    {RAM, 0, 1, BYTES("\x04"), -EBADMSG,
     "section ram: type 4 and instance 0, not 1 and 0"},
    {RAM, 4, 1, BYTES("\x02"), -EBADMSG, "section ram has id 2, not 1"},
    {RAM, 16, 1, BYTES("\x05"), -ENOTSUP,
     "section ram: version 5 in the stream, this program reads 4"},
    {RAM, 0, 0, BYTES("\x7e\0\0\0\0"), -EBADMSG, "type 126 at"},
    {UART0, 0, 1, BYTES("\x03"), -EBADMSG, "type 3 at"},
    {UART0, 0, 1, BYTES("\x01"), -EBADMSG,
     "device uart instance 0: section type 1, not 4"},
    {UART0, 4, 1, BYTES("\x03"), -EBADMSG, "section uart has id 3, not 2"},
    {UART0, 6, 4, BYTES("uarx"), -ENOTSUP,
     "unknown section uarx instance 0 version 2"},
    {UART0, 6, 4, BYTES("ua\nt"), -EBADMSG, "has no proper name"},
    {UART0, 6, 4, BYTES("ua\0t"), -EBADMSG, "has no proper name"},
    {UART0, 5, 5, BYTES("\0"), -EBADMSG, "has no proper name"},
    {UART0, 13, 1, BYTES("\x01"), -EINVAL,
     "device uart instance 1 is twice in the stream"},
    {UART1, 13, 1, BYTES("\x00"), -EINVAL,
     "device uart instance 0 is twice in the stream"},
    {UART0, 17, 1, BYTES("\x09"), -ENOTSUP,
     "version 9 in the stream, this program reads 1 to 2"},
    {UART0, 0, 0, BYTES("\x04\0\0\0\x02\x10xenram/ownership\0\0\0\0\0\0\0\x01"),
     -EBADMSG, "section xenram/ownership is twice"},
    {UART0, 0, 0, BYTES("\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04"), -EBADMSG,
     "section ram is twice in the stream, as 1 and 2"},
    {UART0, 0, 10, BYTES("\x04\0\0\0\x02\x0axenram/sum"), -ENOTSUP,
     "section xenram/sum: version 2 in the stream, this program reads 1"},
    {UART0, 0, 0,
     BYTES("\x04\0\0\0\x02\x0axenram/sum\0\0\0\0\0\0\0\x01\0\0\0\0"), -EBADMSG,
     "section xenram/sum at "},
    {UART1, 0, 0,
     BYTES("\x04\0\0\0\x03\x0axenram/sum\0\0\0\0\0\0\0\x01\0\0\0\0\0"), -EINVAL,
     "device uart instance 1 is here, missing in the stream"},
    {RAM, 0, 0,
     BYTES("\x04\0\0\0\x01\x0axenram/sum\0\0\0\0\0\0\0\x01\0\0\0\0\0"),
     -EBADMSG, "section ram is missing"},
    {SUM, 0, 0,
     BYTES("\x04\0\0\0\x04\x07"
           "another\0\0\0\0\0\0\0\x07"),
     -ENOTSUP, "unknown section another instance 0 version 7"},
    {SUM, 28, 1, BYTES("\x04"), -EBADMSG, "is not the last"},

    /* Ownership records. */
    {OWNED, 25, 4, BYTES("\xff\xff\xff\xff"), -EBADMSG,
     "ownership record has no proper name"},
    {OWNED, 25, 4, BYTES("\0\0\0\x02"), -EBADMSG, ""},
    {REC_ROM, 0, 1, BYTES("\0"), -EBADMSG, "no proper name"},
    {REC_ROM, 0, 1, BYTES("\xff"), -EBADMSG, "no proper name"},
    {REC_ROM, 0, 1, BYTES("\x80" X128), -EBADMSG, "no proper name"},
    {REC_ROM, 1, 3, BYTES("r\x7fm"), -EBADMSG, "no proper name"},
    {REC_ROM, 1, 3, BYTES("\x1b[m"), -EBADMSG, "no proper name"},
    {REC_ROM, 1, 3, BYTES("row"), -EINVAL,
     "block row: unknown here, 0x2000 bytes in the stream"},
    {REC_ROM, 1, 3, BYTES("low"), -EINVAL,
     "block low: twice in the stream, as records 0 and 1"},
    {REC_ROM, REC_KIND, 1, BYTES("\x04"), -ENOTSUP,
     "block rom: kind 4 is unknown"},
    {REC_ROM, REC_KIND, 1, BYTES("\0"), -EBADMSG, "does not go with flags"},
    {REC_ROM, REC_FLAGS, 1, BYTES("\x80"), -ENOTSUP,
     "block rom: flags 0x80000007, this program knows 0x1f"},
    {REC_ROM, REC_GFN, 8, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), -EBADMSG,
     "block rom: gfn 0xffffffffffffffff with 0x2 pages is no place"},
    {REC_ROM, REC_GFN, 8, BYTES("\0\x0f\xff\xff\xff\xff\xff\xff"), -EBADMSG,
     "is no place"},
    {REC_ROM, REC_GFN, 8, BYTES("\0\0\0\0\0\0\0\x0f"), -EINVAL,
     "block rom at gfn 0xf overlaps block low at gfn 0x0"},
    {REC_LOW, REC_GFN, 8, BYTES("\0\0\0\0\0\0\0\x01"), -EINVAL,
     "block low: gfn 0x1 in the stream, 0x0 here"},
    {REC_LOW, REC_USED, 24,
     BYTES("\0\0\0\0\0\x01\x10\0"
           "\0\0\0\0\0\x01\x10\0"
           "\0\0\0\0\0\x01\x10\0"),
     -EINVAL, "block low: Length too large: 0x11000 in the stream, 0x10000"},
    {REC_LOW, REC_USED, 24,
     BYTES("\0\0\0\0\0\0\x10\0"
           "\0\0\0\0\0\0\x10\0"
           "\0\0\0\0\0\0\x10\0"),
     -EINVAL, "block low: Length mismatch: 0x1000 in the stream, 0x10000"},
    {REC_PRIVATE, REC_GFN + 4, 8, BYTES("\0\0\0\0\0\0\0\0"), -EBADMSG,
     "block private: gfn 0x0 with 0x2 pages is no place"},
    {REC_ROM, REC_USED, 8, BYTES("\0\0\0\0\0\0\x20\x01"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_USED, 8, BYTES("\0\0\0\0\0\0\x30\0"), -EBADMSG,
     "block rom: size 0x1770, used length 0x3000 and max length 0x8000 "
     "contradict"},
    {REC_ROM, REC_USED, 8, BYTES("\0\0\0\0\0\0\x10\0"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_MAX, 8, BYTES("\0\0\0\0\0\0\x10\0"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_MAX, 8, BYTES("\0\0\0\0\0\0\x80\x01"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_SIZE, 8, BYTES("\0\0\0\0\0\0\x10\0"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_SIZE, 8, BYTES("\0\0\0\0\0\0\0\0"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_SIZE, 8, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), -EBADMSG,
     "contradict each other"},
    {REC_ROM, REC_USED, 24,
     BYTES("\xff\xff\xff\xff\xff\xff\xf0\0"
           "\xff\xff\xff\xff\xff\xff\xf0\0"
           "\xff\xff\xff\xff\xff\xff\xf0\0"),
     -EBADMSG, "is no place"},
    {REC_ROM, REC_LEN - 4, 1, BYTES("\x77"), -EINVAL,
     "block rom: the pages restored at gfn 0xf3000 have sum 0x"},
    {REC_ROM, REC_FLAGS + 3, 1, BYTES("\x05"), -EBADMSG,
     "does not go with flags 0x5"},
    {REC_ROM, REC_FLAGS + 3, 1, BYTES("\x03"), -EBADMSG,
     "does not go with flags 0x3"},
    {REC_LOW, REC_FLAGS + 3, 1, BYTES("\x06"), -EBADMSG,
     "block low: sum 0x00000000 does not go with flags 0x6"},
    {REC_ROM, REC_FLAGS + 3, 1, BYTES("\x0f"), -EBADMSG,
     "block rom: kind 1 has no file that could be mapped private"},

    /* The list of section ram. */
    {RAM, 17, 8, BYTES("\0\0\0\0\0\0\x20\x08"), -EBADMSG,
     "section ram starts with 0x2008, not with its list"},
    {RAM, 17, 8, BYTES("\0\0\0\0\0\0\x10\x04"), -EBADMSG,
     "block private: 0x2000 bytes, but only 0x1000 are left"},
    {RAM, 17, 8, BYTES("\0\0\0\0\0\0\x30\x04"), -EBADMSG,
     "announces 0x1000 bytes more than its blocks have"},
    {RAM, 17, 8, BYTES("\xff\xff\xff\xff\xff\xff\xf0\x04"), -EBADMSG,
     "announces 0xffffffffffffd000 bytes more"},
    {LIST, 7, 1, BYTES("x"), -EBADMSG,
     "section ram lists block privatx where block private was expected"},
    {LIST, 14, 1, BYTES("\x30"), -EBADMSG,
     "block private: section ram has 0x3000 bytes, its ownership record "
     "0x2000"},
    {LIST, 0, 0, LIST, -EBADMSG, "announces"},
    {LIST, 8, 8, BYTES("\xff\xff\xff\xff\xff\xff\xf0\0"), -EBADMSG,
     "section ram has 0xfffffffffffff000 bytes"},

    /* Pages. */
    {PART, 1, 1, BYTES("\x04"), -EBADMSG,
     "section type 4 of id 1 inside of section ram with id 1"},
    {PART, 5, 1, BYTES("\x02"), -EBADMSG, "section type 2 of id 2 inside of"},
    {END, 5, 1, BYTES("\0"), -EBADMSG, "section type 3 of id 0 inside of"},
    {PART, 1, 1, BYTES("\x03"), -EBADMSG, "type 3 at"},
    {PAGE0, 0, 8, BYTES("\0\0\0\0\0\0\x20\x02"), -EBADMSG,
     "block private: Illegal RAM offset 0x2000, used length 0x2000"},
    {PAGE0, 0, 8, BYTES("\xff\xff\xff\xff\xff\xff\xf0\x02"), -EBADMSG,
     "block private: Illegal RAM offset 0xfffffffffffff000"},
    {PAGE0, 0, 8, BYTES("\0\0\0\0\0\0\x10\x02"), -EBADMSG,
     "block private: page 0x1000 is twice in the stream or out of order"},
    {PAGE1, 0, 8, BYTES("\0\0\0\0\0\0\0\x28"), -EBADMSG,
     "block private: page 0x0 is twice in the stream or out of order"},
    {PAGE0, 9, 1, BYTES("P"), -EBADMSG,
     "a page of block 'Private', which has none"},
    {PAGE0, 8, 8, BYTES("\x03rom"), -EBADMSG,
     "a page of block 'rom', which has none"},
    {PAGE0, 7, 9, BYTES("\x22"), -EBADMSG,
     "a page of block '', which has none"},
    {PAGE0, 16, 1, BYTES("\x01"), -EBADMSG,
     "block private: page 0x0 is filled with something else than zero"},
    {PAGE0, 7, 1, BYTES("\x00"), -EBADMSG, "a page with flags 0x0"},
    {PAGE0, 7, 1, BYTES("\x0a"), -EBADMSG, "a page with flags 0xa"},
    {PAGE0, 7, 1, BYTES("\x12"), -EBADMSG, "a page with flags 0x12"},
    {PAGE0, 7, 1, BYTES("\x40"), -EBADMSG, "a page with flags 0x40"},
    {PAGE0, 7, 1, BYTES("\x80"), -EBADMSG, "a page with flags 0x80"},
    {PAGE0, 6, 2, BYTES("\x01\x00"), -EBADMSG, "a page with flags 0x100"},
    {PAGE0, 0, 17, BYTES(""), -EBADMSG, "a page of block '', which has none"},
    {PAGE1, 0, 0, BYTES("\0\0\0\0\0\0\0\x10\x02\0\0\0\x01"), -EBADMSG,
     "a page of block '', which has none"},
    {PAGE1, 0, 8 + PAGE, BYTES(""), -EBADMSG,
     "block private: page 0x1000 and what follows are missing"},
    {PAGE1, 8 + PAGE, 8, BYTES("\0\0\0\0\0\0\x10\x22\0\0\0\0\0\0\0\0\x10"),
     -EBADMSG, "block private: page 0x1000 is twice in the stream"},

    /* Devices. */
    {UART0, 18, 1, BYTES("\x02"), -EBADMSG,
     "device uart instance 0: field on is 2, not in 0 to 1"},
    {UART0, 18 + 1, 1, BYTES("\0"), -EBADMSG,
     "device uart instance 0: field lcr is 0, not in 1 to 127"},
    {UART0, 18 + 16, 1, BYTES("\x0f"), -EBADMSG,
     "device uart instance 0: field level is 15, not in 0 to 14"},
    {UART0, 18 + 2, 2, BYTES("\0\0"), -EINVAL,
     "device uart instance 0: divisor is 0, 1 to 65535 go"},
    {UART1, 0, 0, BYTES("\x05\x04uart\0\0\0\x01"), -ENOTSUP,
     "device uart instance 0: subsection uart is unknown"},
    {UART1, 0, 0, BYTES("\x05\x00\0\0\0\x01"), -EBADMSG,
     "device uart instance 0: a subsection without a name"},
    {SCRATCH, 17, 1, BYTES("\x02"), -ENOTSUP,
     "device uart instance 1, subsection uart/scratch: version 2 in the "
     "stream, this program reads 1 to 1"},
    {NESTED, 24, 1, BYTES("\0"), -ENOTSUP,
     "subsection uart/scratch/nested: version 0 in the stream"},
    {NESTED, 26, 0, NESTED, -ENOTSUP,
     "subsection uart/scratch/nested is unknown, there twice or out of order"},
    {SCRATCH, 0, 0, BYTES("\x05\x0cuart/scratch\0\0\0\x01\0\0\0\x01"), -ENOTSUP,
     "subsection uart/scratch is unknown, there twice or out of order"},
    {SCRATCH, 0, 22, BYTES(""), -ENOTSUP,
     "subsection uart/scratch/nested is unknown, there twice or out of "
     "order"},
};

static void damage_is_refused_and_named(void **state)
{
    struct side source, target;
    struct stream good;

    (void)state;
    sides_init(&source, &target, &small, &small);
    stream_save(&source, NULL, &good);
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct stream bad = {malloc(good.len), good.len};
        size_t at;

        assert_non_null(bad.bytes);
        memcpy(bad.bytes, good.bytes, good.len);
        at = stream_find(&bad, 0, edits[i].find, edits[i].find_len);
        stream_replace(&bad, at + (size_t)edits[i].delta, edits[i].drop,
                       edits[i].put, edits[i].put_len);
        stream_fix_sum(&bad);
        refuse(&target, &bad, edits[i].r, edits[i].text);
        stream_free(&bad);
    }
    stream_free(&good);
    sides_fini(&source, &target);
}

/* What a save does not do, but a reader takes. */
static void other_ways_to_write_the_same_load(void **state)
{
    static const struct {
        const char *find;
        size_t find_len;
        int delta;
        size_t drop;
        const char *put;
        size_t put_len;
    } same[] = {
        {PART, 1, 0, BYTES("\x02\0\0\0\x01\0\0\0\0\0\0\0\x10")},
        {PAGE1, 0, 8, BYTES("\0\0\0\0\0\0\x10\x08\x07private")},
        {PAGE1, 0, 8,
         BYTES("\0\0\0\0\0\0\0\x10\x02\0\0\0\x01"
               "\0\0\0\0\0\0\x10\x08\x07private")},
    };
    struct side source, target;
    struct stream good;

    (void)state;
    sides_init(&source, &target, &small, &small);
    stream_save(&source, NULL, &good);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct stream other = {malloc(good.len), good.len};
        char error[XEN_MIGRATE_ERROR_MAX];
        struct side fresh;
        size_t at;

        assert_non_null(other.bytes);
        memcpy(other.bytes, good.bytes, good.len);
        at = stream_find(&other, 0, same[i].find, same[i].find_len);
        stream_replace(&other, at + (size_t)same[i].delta, same[i].drop,
                       same[i].put, same[i].put_len);
        stream_fix_sum(&other);

        side_init_target(&fresh, &small);
        assert_int_equal(stream_load(&fresh, NULL, &other, error), 0);
        assert_memory_equal(xen_ram_host(fresh.private),
                            xen_ram_host(source.private), 2 * PAGE);
        side_fini(&fresh);
        stream_free(&other);
    }
    stream_free(&good);
    sides_fini(&source, &target);
}

/* ---- every place ------------------------------------------------------ */

static void a_stream_cut_at_any_length_is_refused(void **state)
{
    struct side source, target;
    struct stream stream;
    size_t len;

    (void)state;
    sides_init(&source, &target, &small, &small);
    stream_save(&source, NULL, &stream);
    for (len = stream.len; stream.len-- > 0;)
        refuse(&target, &stream, -EBADMSG, "");
    stream.len = len;
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct snapshot before, after;
    struct stream stream;
    int fd;

    (void)state;
    sides_init(&source, &target, &small, &small);
    stream_save(&source, NULL, &stream);
    side_snapshot(&target, &before);
    fd = memfd_create("stream", MFD_CLOEXEC);
    assert_int_equal(write(fd, stream.bytes, stream.len), stream.len);

    for (size_t bit = 0; bit < 8 * stream.len; bit++) {
        uint8_t byte = stream.bytes[bit / 8] ^ (uint8_t)(1u << bit % 8);

        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
        lseek(fd, 0, SEEK_SET);
        if (xen_migrate_load(target.ram, target.devices, 2, NULL, fd, error) >=
            0)
            fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
        assert_true(error[0]);
        assert_int_equal(
            pwrite(fd, &stream.bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    side_snapshot(&target, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    close(fd);
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void zeroes_without_end_are_refused_without_much_memory(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    int fd = memfd_create("stream", MFD_CLOEXEC);

    (void)state;
    sides_init(&source, &target, &small, &small);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    assert_int_equal(
        xen_migrate_load(target.ram, target.devices, 2, NULL, fd, error),
        -EBADMSG);
    /* No more was read than the machine can need and a MiB. */
    assert_true(lseek(fd, 0, SEEK_CUR) < 2 * 1024 * 1024);
    close(fd);
    sides_fini(&source, &target);
}

static void what_lies_behind_a_state_is_read_up_to_a_limit(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;
    int fd = memfd_create("stream", MFD_CLOEXEC);

    (void)state;
    sides_init(&source, &target, &small, &small);
    stream_save(&source, NULL, &stream);
    assert_int_equal(write(fd, stream.bytes, stream.len), stream.len);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(
        xen_migrate_load(target.ram, target.devices, 2, NULL, fd, error), 0);
    assert_true(lseek(fd, 0, SEEK_CUR) < 2 * 1024 * 1024);
    close(fd);
    stream_free(&stream);
    sides_fini(&source, &target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_refused_and_named),
        cmocka_unit_test(other_ways_to_write_the_same_load),
        cmocka_unit_test(a_stream_cut_at_any_length_is_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(zeroes_without_end_are_refused_without_much_memory),
        cmocka_unit_test(what_lies_behind_a_state_is_read_up_to_a_limit),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
