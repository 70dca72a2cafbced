/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* Blocks of which only some units are there, through a save and a load. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/migrate-sides.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define PLACE UINT64_C(0xf4000)
#define UNITS 13u

static const struct xen_ram_spec vm0 = {
    .idstr = "vm0",
    .kind = XEN_RAM_VISIBLE,
    .flags = XEN_RAM_SPARSE,
    .gfn = PLACE,
    .size = UNITS * PAGE,
    .unit = PAGE,
};

struct pair {
    struct side source, target;
    struct xen_ram_block *there, *here;
};

/* map: a character a unit, '1' where it is plugged. */
static void pair_init(struct pair *pair, const char *map,
                      const struct xen_ram_spec *here)
{
    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){
        .domid = SOURCE_DOMID,
        .pages = LOW_PAGES,
    });
    side_init_source(&pair->source, &usual);
    xen_ram_set_phase(pair->source.ram, XEN_RAM_RESET);
    assert_int_equal(xen_ram_alloc(pair->source.ram, &vm0, &pair->there), 0);
    xen_ram_set_phase(pair->source.ram, XEN_RAM_RUNNING);
    for (unsigned i = 0; map[i]; i++) {
        const uint8_t byte = (uint8_t)(0x50 + i);

        if (map[i] != '1')
            continue;
        assert_int_equal(
            xen_ram_plug(pair->source.ram, pair->there, i * PAGE, PAGE), 0);
        assert_int_equal(xen_ram_write(pair->source.ram, pair->there,
                                       i * PAGE + 9, &byte, 1),
                         0);
    }
    fakexen_create(&(struct fakexen_domain){.domid = TARGET_DOMID});
    fakexen_copy_memory(TARGET_DOMID, SOURCE_DOMID);
    side_init_target(&pair->target, &usual);
    assert_int_equal(xen_ram_alloc(pair->target.ram, here, &pair->here), 0);
}

static void pair_fini(struct pair *pair)
{
    sides_fini(&pair->source, &pair->target);
}

static void assert_map(const struct xen_ram_block *block, const char *map)
{
    uint64_t offset, length;

    for (unsigned i = 0; i < UNITS; i++) {
        bool there = xen_ram_next_plugged(block, i * PAGE, &offset, &length) &&
                     offset == i * PAGE;

        assert_int_equal(there, map[i] == '1');
    }
}

static void plugged_units_come_back_where_they_were(void **state)
{
    static const char *const maps[] = {
        "0000000000000", "1111111111111", "1000000000000", "0000000000001",
        "0101101110111", "0000000110000", "0111111100000",
    };

    (void)state;
    for (size_t i = 0; i < NR(maps); i++) {
        struct pair pair;
        uint64_t tot;

        pair_init(&pair, maps[i], &vm0);
        carry(&pair.source, &pair.target, NULL, 0, "");
        assert_same(&pair.source, &pair.target);
        assert_map(pair.here, maps[i]);
        assert_int_equal(xen_ram_gfn(pair.here), PLACE);
        tot = fakexen_tot_pages(TARGET_DOMID);
        assert_int_equal(tot, fakexen_tot_pages(SOURCE_DOMID));
        for (unsigned unit = 0; unit < UNITS; unit++) {
            uint8_t byte = 0;

            if (maps[i][unit] != '1')
                continue;
            fakexen_peek(TARGET_DOMID, (PLACE + unit) * PAGE + 9, &byte, 1);
            assert_int_equal(byte, 0x50 + unit);
        }
        xen_ram_set_phase(pair.target.ram, XEN_RAM_RUNNING);
        if (xen_ram_plugged(pair.here))
            assert_int_equal(
                xen_ram_plug(pair.target.ram, pair.here, 0, UNITS * PAGE),
                -EEXIST);
        pair_fini(&pair);
    }
}

static void
a_device_that_differs_is_refused_before_anything_changes(void **state)
{
    static const struct {
        unsigned flags;
        uint64_t gfn, size, unit;
        const char *text;
    } rows[] = {
        {XEN_RAM_SPARSE, PLACE + 16, UNITS * PAGE, PAGE,
         "gfn 0xf4000 in the stream, 0xf4010 here"},
        {XEN_RAM_SPARSE, PLACE, 12 * PAGE, PAGE, "Length too large"},
        {XEN_RAM_SPARSE, PLACE, 14 * PAGE, PAGE, "Length mismatch: 0xd000"},
        {XEN_RAM_SPARSE, PLACE, 16 * PAGE, 4 * PAGE,
         "units of 0x1000 in the stream, 0x4000 here"},
        {0, PLACE, UNITS * PAGE, 0, "units of 0x1000 in the stream, 0x0 here"},
    };

    (void)state;
    for (size_t i = 0; i < NR(rows); i++) {
        struct xen_ram_spec here = vm0;
        struct pair pair;

        here.flags = rows[i].flags;
        here.gfn = rows[i].gfn;
        here.size = rows[i].size;
        here.unit = rows[i].unit;
        pair_init(&pair, "0110000000001", &here);
        carry(&pair.source, &pair.target, NULL, -EINVAL, rows[i].text);
        assert_int_equal(xen_ram_gfn(pair.here), XEN_RAM_NO_GFN);
        assert_int_equal(xen_ram_plugged(pair.here), 0);
        pair_fini(&pair);
    }
}

/* Offset of the record's flags, of a stream with the device in it. */
static size_t find_flags(const struct stream *stream)
{
    return stream_find(stream, 0, "\3vm0", 4) + 4 + 1;
}

static void damage_to_a_record_is_found(void **state)
{
    static const struct {
        size_t at; /* behind the flags */
        const char *bytes;
        size_t len;
        int r;
        const char *text;
    } rows[] = {
        /* flags, gfn, used, max, size, sum, unit, plugged */
        {0, "\0\0\0\x11", 4, -EBADMSG, "contradict"},
        {0, "\0\0\0\x32", 4, -ENOTSUP, "knows 0x1f"},
        {36, "\0\0\0\1", 4, -EBADMSG, "sum 0x00000001"},
        {40, "\0\0\0\0\0\0\0\0", 8, -EBADMSG, "unit of 0x0"},
        {40, "\0\0\0\0\0\0\x08\0", 8, -EBADMSG, "unit of 0x800"},
        {40, "\0\0\0\0\0\0\x30\0", 8, -EBADMSG, "unit of 0x3000"},
        {40, "\0\0\0\0\0\0\x20\0", 8, -EBADMSG, "unit of 0x2000"},
        {40, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, -EBADMSG, "contradict"},
        {49, "\x30", 1, -EBADMSG, "more units are plugged than the 0xd"},
    };

    (void)state;
    for (size_t i = 0; i < NR(rows); i++) {
        char error[XEN_MIGRATE_ERROR_MAX];
        struct stream stream;
        struct pair pair;

        pair_init(&pair, "0110000000001", &vm0);
        stream_save(&pair.source, NULL, &stream);
        stream_replace(&stream, find_flags(&stream) + rows[i].at, rows[i].len,
                       rows[i].bytes, rows[i].len);
        stream_fix_sum(&stream);
        assert_int_equal(stream_load(&pair.target, NULL, &stream, error),
                         rows[i].r);
        assert_text(error, rows[i].text);
        assert_int_equal(xen_ram_gfn(pair.here), XEN_RAM_NO_GFN);
        stream_free(&stream);
        pair_fini(&pair);
    }
}

static void a_bitmap_that_the_stream_cannot_hold_takes_no_memory(void **state)
{
    /* used, max and size of a pebibyte. */
    static const char lengths[] = "\0\4\0\0\0\0\0\0\0\4\0\0\0\0\0\0"
                                  "\0\4\0\0\0\0\0\0";
    char error[XEN_MIGRATE_ERROR_MAX];
    struct stream stream;
    struct pair pair;

    (void)state;
    pair_init(&pair, "0110000000001", &vm0);
    stream_save(&pair.source, NULL, &stream);
    stream_replace(&stream, find_flags(&stream) + 12, 24, lengths, 24);
    stream_fix_sum(&stream);
    assert_int_equal(stream_load(&pair.target, NULL, &stream, error), -EBADMSG);
    assert_text(error, "cut short");
    stream_free(&stream);
    pair_fini(&pair);
}

static void a_load_that_fails_later_takes_the_units_back(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct stream stream;
    struct pair pair;

    (void)state;
    pair_init(&pair, "0110000000001", &vm0);
    stream_save(&pair.source, NULL, &stream);
    fakexen_fail(FAKEXEN_MEM_TYPE, 1, 1, EPERM);
    assert_int_equal(stream_load(&pair.target, NULL, &stream, error), -EPERM);
    assert_true(fakexen_failed(FAKEXEN_MEM_TYPE));
    assert_int_equal(xen_ram_gfn(pair.here), XEN_RAM_NO_GFN);
    assert_int_equal(xen_ram_plugged(pair.here), 0);
    fakexen_fail(FAKEXEN_MEM_TYPE, 1, 1, 0);
    assert_int_equal(stream_load(&pair.target, NULL, &stream, error), 0);
    assert_map(pair.here, "0110000000001");
    stream_free(&stream);
    pair_fini(&pair);
}

static void note(const struct xen_migrate_block *block, void *opaque)
{
    struct xen_migrate_block *seen = opaque;

    if (strcmp(block->idstr, "vm0") == 0)
        *seen = *block;
}

static void pass_over(const struct xen_migrate_section *section, void *opaque)
{
    (void)section;
    (void)opaque;
}

static void what_is_plugged_can_be_looked_at(void **state)
{
    struct xen_migrate_block seen = {0};
    const struct xen_migrate_inspector inspector = {
        .block = note, .section = pass_over, .opaque = &seen};
    char error[XEN_MIGRATE_ERROR_MAX];
    FILE *file = tmpfile();
    struct stream stream;
    struct pair pair;

    (void)state;
    pair_init(&pair, "0110000000001", &vm0);
    stream_save(&pair.source, NULL, &stream);
    assert_non_null(file);
    assert_int_equal(fwrite(stream.bytes, 1, stream.len, file), stream.len);
    rewind(file);
    assert_int_equal(xen_migrate_inspect(pair.target.devices,
                                         pair.target.nr_devices, fileno(file),
                                         &inspector, error),
                     0);
    assert_int_equal(seen.flags, XEN_RAM_SPARSE);
    assert_int_equal(seen.unit, PAGE);
    assert_int_equal(seen.plugged, 3 * PAGE);
    assert_int_equal(seen.gfn, PLACE);
    fclose(file);
    stream_free(&stream);
    pair_fini(&pair);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugged_units_come_back_where_they_were),
        cmocka_unit_test(
            a_device_that_differs_is_refused_before_anything_changes),
        cmocka_unit_test(damage_to_a_record_is_found),
        cmocka_unit_test(a_bitmap_that_the_stream_cannot_hold_takes_no_memory),
        cmocka_unit_test(a_load_that_fails_later_takes_the_units_back),
        cmocka_unit_test(what_is_plugged_can_be_looked_at),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
