/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/migrate-sides.h"

#include <errno.h>
#include <libdeflate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/sum.h"
#include "xenram/mapcache.h"

const struct lengths usual = {
    .rom_size = 6000,
    .rom_max = KIB(32),
    .private_size = 3 * PAGE,
    .private_max = 8 * PAGE,
};

static void uart_pre_save(void *state)
{
    struct uart *uart = state;

    uart->pre_saves++;
}

static int uart_check(const void *staged, char *text, size_t size)
{
    const struct uart *uart = staged;

    if (uart->divisor != 0)
        return 0;
    snprintf(text, size, "divisor is 0, 1 to 65535 go");
    return -EINVAL;
}

static void uart_post_load(void *state)
{
    struct uart *uart = state;

    uart->loads++;
}

static bool has_scratch(const void *state)
{
    return ((const struct uart *)state)->scratch != 0;
}

static bool has_nested(const void *state)
{
    return ((const struct uart *)state)->nested != 0;
}

static const struct xen_migrate_field nested_fields[] = {
    XEN_MIGRATE_FIELD(U8, uart, nested),
    {0},
};

static const struct xen_migrate_state nested = {
    .name = "uart/scratch/nested",
    .version = 1,
    .minimum = 1,
    .fields = nested_fields,
    .needed = has_nested,
};

static const struct xen_migrate_field scratch_fields[] = {
    XEN_MIGRATE_FIELD(U32, uart, scratch),
    {0},
};

static const struct xen_migrate_state *const scratch_subsections[] = {
    &nested,
    NULL,
};

static const struct xen_migrate_state scratch = {
    .name = "uart/scratch",
    .version = 1,
    .minimum = 1,
    .fields = scratch_fields,
    .subsections = scratch_subsections,
    .needed = has_scratch,
};

static const struct xen_migrate_state *const uart_subsections[] = {
    &scratch,
    NULL,
};

static const struct xen_migrate_field uart_fields_v1[] = {
    XEN_MIGRATE_FIELD(BOOL, uart, on),
    XEN_MIGRATE_FIELD_RANGE(U8, uart, lcr, 1, 127),
    XEN_MIGRATE_FIELD(U16, uart, divisor),
    XEN_MIGRATE_FIELD(U32, uart, baud),
    XEN_MIGRATE_FIELD(U64, uart, sent),
    XEN_MIGRATE_FIELD_RANGE(U8, uart, level, 0, 14),
    XEN_MIGRATE_ARRAY(BUFFER, uart, fifo),
    XEN_MIGRATE_ARRAY(U16, uart, times),
    {0},
};

static const struct xen_migrate_field uart_fields_v2[] = {
    XEN_MIGRATE_FIELD(BOOL, uart, on),
    XEN_MIGRATE_FIELD_RANGE(U8, uart, lcr, 1, 127),
    XEN_MIGRATE_FIELD(U16, uart, divisor),
    XEN_MIGRATE_FIELD(U32, uart, baud),
    XEN_MIGRATE_FIELD(U64, uart, sent),
    XEN_MIGRATE_FIELD_RANGE(U8, uart, level, 0, 14),
    XEN_MIGRATE_ARRAY(BUFFER, uart, fifo),
    XEN_MIGRATE_ARRAY(U16, uart, times),
    {
        .name = "age",
        .type = XEN_MIGRATE_U32,
        .offset = offsetof(struct uart, age),
        .count = 1,
        .since = 2,
    },
    {0},
};

const struct xen_migrate_state uart_v1 = {
    .name = "uart",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct uart),
    .fields = uart_fields_v1,
};

const struct xen_migrate_state uart_v2 = {
    .name = "uart",
    .version = 2,
    .minimum = 1,
    .size = sizeof(struct uart),
    .fields = uart_fields_v2,
    .subsections = uart_subsections,
    .pre_save = uart_pre_save,
    .check = uart_check,
    .post_load = uart_post_load,
};

const struct xen_migrate_state uart_v2_only = {
    .name = "uart",
    .version = 2,
    .minimum = 2,
    .size = sizeof(struct uart),
    .fields = uart_fields_v2,
};

static void count_resize(struct xen_ram_block *block, uint64_t old_length,
                         uint64_t new_length, void *opaque)
{
    struct side *side = opaque;

    (void)block;
    (void)old_length;
    (void)new_length;
    side->resized++;
}

static void alloc_blocks(struct side *side, const struct lengths *lengths)
{
    const struct xen_ram_spec low = {
        .idstr = "low",
        .kind = XEN_RAM_GUEST,
        .gfn = 0,
        .size = LOW_PAGES * PAGE,
    };
    const struct xen_ram_spec rom = {
        .idstr = "rom",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM | (lengths->fixed ? 0 : XEN_RAM_RESIZEABLE),
        .gfn = ROM_GFN,
        .size = lengths->rom_size,
        .max_length = lengths->rom_max,
        .resized = count_resize,
        .opaque = side,
    };
    const struct xen_ram_spec private = {
        .idstr = "private",
        .kind = XEN_RAM_PRIVATE,
        .flags = lengths->fixed ? 0 : XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = lengths->private_size,
        .max_length = lengths->private_max,
        .resized = count_resize,
        .opaque = side,
    };

    assert_int_equal(xen_ram_alloc(side->ram, &low, &side->low), 0);
    assert_int_equal(xen_ram_alloc(side->ram, &rom, &side->rom), 0);
    assert_int_equal(xen_ram_alloc(side->ram, &private, &side->private), 0);
}

static void side_init(struct side *side, uint32_t domid,
                      enum xen_ram_phase phase, const struct lengths *lengths)
{
    memset(side, 0, sizeof(*side));
    side->domid = domid;
    assert_int_equal(xen_mapcache_open(domid, NULL, &side->cache), 0);
    assert_int_equal(xen_ram_open(domid, side->cache, &side->ram), 0);
    xen_ram_set_phase(side->ram, phase);
    alloc_blocks(side, lengths);
    side->nr_devices = 2;
    for (uint32_t i = 0; i < 2; i++) {
        side->devices[i].saved = &uart_v2;
        side->devices[i].instance = i;
        side->devices[i].state = &side->uarts[i];
    }
}

void side_init_source(struct side *side, const struct lengths *lengths)
{
    uint8_t *host;
    uint8_t byte = 1;

    side_init(side, SOURCE_DOMID, XEN_RAM_RESET, lengths);
    for (uint64_t i = 0; i < lengths->rom_size; i++) {
        byte = (uint8_t)(byte * 5 + 3);
        assert_int_equal(xen_ram_write(side->ram, side->rom, i, &byte, 1), 0);
    }
    /* The first page of private memory stays zero. */
    host = xen_ram_host(side->private);
    for (uint64_t i = PAGE; i < lengths->private_size; i++)
        host[i] = (uint8_t)(i * 7 + (i >> 8) + 1);

    for (uint8_t i = 0; i < 2; i++) {
        side->uarts[i] = (struct uart){
            .on = true,
            .lcr = 0x3,
            .divisor = (uint16_t)(0x1234 + i),
            .baud = 115200,
            .sent = UINT64_C(0x0123456789abcdef),
            .level = 14,
            .fifo = {1, 2, 3, 4, 5, 6, 7, i},
            .times = {1, 0x100, 0xffff},
            .age = 77,
            .scratch = i ? 0xcafe : 0,
            .nested = i ? 9 : 0,
            .not_saved = side,
        };
    }
    xen_ram_set_phase(side->ram, XEN_RAM_RUNNING);
}

void side_init_target(struct side *side, const struct lengths *lengths)
{
    side_init(side, TARGET_DOMID, XEN_RAM_LOADING, lengths);
}

void side_fini(struct side *side)
{
    xen_ram_close(side->ram);
    xen_mapcache_close(side->cache);
}

struct xen_ram_block *side_add(struct side *side,
                               const struct xen_ram_spec *spec)
{
    enum xen_ram_phase phase = xen_ram_get_phase(side->ram);
    struct xen_ram_block *block;

    if (phase == XEN_RAM_RUNNING)
        xen_ram_set_phase(side->ram, XEN_RAM_RESET);
    assert_int_equal(xen_ram_alloc(side->ram, spec, &block), 0);
    xen_ram_set_phase(side->ram, phase);
    return block;
}

void sides_init(struct side *source, struct side *target,
                const struct lengths *there, const struct lengths *here)
{
    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){
        .domid = SOURCE_DOMID,
        .pages = LOW_PAGES,
    });
    side_init_source(source, there);
    fakexen_create(&(struct fakexen_domain){.domid = TARGET_DOMID});
    fakexen_copy_memory(TARGET_DOMID, SOURCE_DOMID);
    side_init_target(target, here);
}

void sides_fini(struct side *source, struct side *target)
{
    side_fini(source);
    side_fini(target);
    assert_int_equal(fakexen_violations(), 0);
}

static uint64_t next_page(uint32_t domid, uint64_t gfn)
{
    do {
        gfn++;
        if (gfn == LOW_PAGES)
            gfn = ROM_GFN;
        else if (gfn % NEXT_GFN == LOW_PAGES)
            gfn += NEXT_GFN - LOW_PAGES;
    } while (gfn < HIGH_GFN_END && fakexen_type(domid, gfn) == FAKEXEN_HOLE);
    return gfn;
}

static uint32_t sum_guest(uint32_t domid)
{
    uint32_t sum = 0;

    for (uint64_t gfn = 0; gfn < HIGH_GFN_END; gfn = next_page(domid, gfn)) {
        const uint8_t type = (uint8_t)fakexen_type(domid, gfn);

        sum = libdeflate_crc32(sum, &gfn, sizeof(gfn));
        sum = libdeflate_crc32(sum, &type, 1);
        sum = libdeflate_crc32(sum, fakexen_host(domid, gfn), PAGE);
    }
    return sum;
}

void side_snapshot(const struct side *side, struct snapshot *snapshot)
{
    memset(snapshot, 0, sizeof(*snapshot));
    memcpy(snapshot->uarts, side->uarts, sizeof(snapshot->uarts));
    snapshot->rom_gfn = xen_ram_gfn(side->rom);
    snapshot->rom_size = xen_ram_size(side->rom);
    snapshot->private_size = xen_ram_size(side->private);
    snapshot->private_sum = libdeflate_crc32(
        0, xen_ram_host(side->private), xen_ram_used_length(side->private));
    snapshot->guest_sum = sum_guest(side->domid);
}

void stream_save(struct side *side, const struct xen_migrate_options *options,
                 struct stream *stream)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("stream", MFD_CLOEXEC);
    off_t len;

    assert_true(fd >= 0);
    assert_int_equal(xen_migrate_save(side->ram, side->devices,
                                      side->nr_devices, options, fd, error),
                     0);
    len = lseek(fd, 0, SEEK_CUR);
    assert_true(len > 0);
    stream->len = (size_t)len;
    stream->bytes = malloc(stream->len);
    assert_non_null(stream->bytes);
    assert_int_equal(pread(fd, stream->bytes, stream->len, 0), len);
    close(fd);
}

int stream_load(struct side *side, const struct xen_migrate_options *options,
                const struct stream *stream, char error[XEN_MIGRATE_ERROR_MAX])
{
    static int fd = -1; /* kept: a fuzzer's time goes into this */

    if (fd < 0)
        fd = memfd_create("stream", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, stream->bytes, stream->len, 0), stream->len);
    assert_int_equal(ftruncate(fd, (off_t)stream->len), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return xen_migrate_load(side->ram, side->devices, side->nr_devices, options,
                            fd, error);
}

void stream_free(struct stream *stream)
{
    free(stream->bytes);
    *stream = (struct stream){0};
}

size_t stream_find(const struct stream *stream, size_t from, const void *bytes,
                   size_t len)
{
    const uint8_t *at = NULL;

    if (from <= stream->len)
        at = memmem(stream->bytes + from, stream->len - from, bytes, len);
    assert_non_null(at);
    return (size_t)(at - stream->bytes);
}

void stream_fix_sum(struct stream *stream)
{
    assert_true(fix_sum(stream->bytes, stream->len));
}

void stream_replace(struct stream *stream, size_t offset, size_t drop,
                    const void *bytes, size_t len)
{
    uint8_t *edited;

    assert_true(offset <= stream->len && drop <= stream->len - offset);
    edited = malloc(stream->len - drop + len + 1);
    assert_non_null(edited);
    memcpy(edited, stream->bytes, offset);
    if (len)
        memcpy(edited + offset, bytes, len);
    memcpy(edited + offset + len, stream->bytes + offset + drop,
           stream->len - offset - drop);
    free(stream->bytes);
    stream->bytes = edited;
    stream->len = stream->len - drop + len;
}

void assert_text(const char *error, const char *part)
{
    if (!strstr(error, part))
        fail_msg("'%s' is not in '%s'", part, error);
    assert_null(strchr(error, '\n'));
}

static void assert_same_uarts(const struct side *source,
                              const struct side *target)
{
    for (size_t i = 0; i < 2; i++) {
        struct uart there = source->uarts[i];
        struct uart here = target->uarts[i];

        assert_int_equal(there.pre_saves, 1);
        assert_int_equal(here.loads, 1);
        assert_null(here.not_saved);
        assert_int_equal(here.on, there.on);
        assert_int_equal(here.lcr, there.lcr);
        assert_int_equal(here.divisor, there.divisor);
        assert_int_equal(here.baud, there.baud);
        assert_int_equal(here.sent, there.sent);
        assert_int_equal(here.level, there.level);
        assert_memory_equal(here.fifo, there.fifo, sizeof(here.fifo));
        assert_memory_equal(here.times, there.times, sizeof(here.times));
        assert_int_equal(here.age, there.age);
        assert_int_equal(here.scratch, there.scratch);
        assert_int_equal(here.nested, there.nested);
    }
}

static void assert_same_block(struct side *source, struct xen_ram_block *there,
                              struct side *target, struct xen_ram_block *here)
{
    uint64_t size = xen_ram_size(there);
    uint8_t *want = malloc(size);
    uint8_t *got = malloc(size);

    assert_non_null(want);
    assert_non_null(got);
    assert_int_equal(xen_ram_size(here), size);
    assert_int_equal(xen_ram_used_length(here), xen_ram_used_length(there));
    assert_int_equal(xen_ram_gfn(here), xen_ram_gfn(there));
    assert_int_equal(xen_ram_read(source->ram, there, 0, want, size), 0);
    assert_int_equal(xen_ram_read(target->ram, here, 0, got, size), 0);
    assert_memory_equal(got, want, size);
    free(want);
    free(got);
}

static void assert_same_guest(void)
{
    for (uint64_t gfn = 0; gfn < HIGH_GFN_END;
         gfn = next_page(SOURCE_DOMID, gfn)) {
        assert_int_equal(fakexen_type(TARGET_DOMID, gfn),
                         fakexen_type(SOURCE_DOMID, gfn));
        assert_memory_equal(fakexen_host(TARGET_DOMID, gfn),
                            fakexen_host(SOURCE_DOMID, gfn), PAGE);
    }
}

void assert_same(struct side *source, struct side *target)
{
    assert_same_uarts(source, target);
    assert_same_guest();
    assert_same_block(source, source->rom, target, target->rom);
    assert_same_block(source, source->private, target, target->private);
    assert_int_equal(fakexen_tot_pages(TARGET_DOMID),
                     fakexen_tot_pages(SOURCE_DOMID));
    for (uint64_t i = 0; i < xen_ram_used_length(target->rom) / PAGE; i++)
        assert_int_equal(fakexen_type(TARGET_DOMID, ROM_GFN + i),
                         FAKEXEN_RAM_RO);
}

void carry(struct side *source, struct side *target,
           const struct xen_migrate_options *options, int r, const char *text)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct snapshot before, after;
    struct stream stream;

    stream_save(source, NULL, &stream);
    side_snapshot(target, &before);
    assert_int_equal(stream_load(target, options, &stream, error), r);
    assert_text(error, text);
    if (r) {
        side_snapshot(target, &after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
    stream_free(&stream);
}
