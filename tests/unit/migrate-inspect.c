/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/migrate-sides.h"

#define MAX_SEEN 16

/* What a callback was told, a line each. */
struct seen {
    char lines[MAX_SEEN][512];
    size_t nr;
    uint64_t end; /* of the section before */
};

static char *next_line(struct seen *seen)
{
    assert_true(seen->nr < MAX_SEEN);
    return seen->lines[seen->nr++];
}

static void see_block(const struct xen_migrate_block *block, void *opaque)
{
    snprintf(
        next_line(opaque), sizeof(((struct seen *)0)->lines[0]),
        "%s kind %u flags %u gfn %#llx used %llu max %llu size %llu %s",
        block->idstr, block->kind, block->flags, (unsigned long long)block->gfn,
        (unsigned long long)block->used_length,
        (unsigned long long)block->max_length, (unsigned long long)block->size,
        block->has_sum ? "summed" : "no sum");
}

static void see_section(const struct xen_migrate_section *section, void *opaque)
{
    struct seen *seen = opaque;

    assert_int_equal(section->offset, seen->end);
    seen->end = section->offset + section->length;
    snprintf(next_line(seen), sizeof(seen->lines[0]), "%s %u %u", section->name,
             section->instance, section->version);
}

static void see_verdict(const struct xen_migrate_block *saved,
                        const struct xen_ram_block *here,
                        enum xen_migrate_verdict verdict, const char *reason,
                        void *opaque)
{
    static const char *const words[] = {"same", "grow", "shrink", "refuse"};
    const char *idstr = saved ? saved->idstr : xen_ram_idstr(here);

    assert_true((verdict == XEN_MIGRATE_REFUSE) == (reason != NULL));
    snprintf(next_line(opaque), sizeof(((struct seen *)0)->lines[0]),
             "%s %s%s%s", idstr, words[verdict], reason ? ": " : "",
             reason ? reason : "");
}

static int fd_of(const struct stream *stream)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, stream->bytes, stream->len, 0), stream->len);
    return fd;
}

static int inspect(const struct xen_migrate_device *devices, size_t nr,
                   const struct stream *stream, struct seen *seen,
                   char error[XEN_MIGRATE_ERROR_MAX])
{
    const struct xen_migrate_inspector inspector = {see_block, see_section,
                                                    seen};
    int fd = fd_of(stream);
    int r;

    *seen = (struct seen){.end = 8}; /* behind magic and version */
    r = xen_migrate_inspect(devices, nr, fd, &inspector, error);
    close(fd);
    return r;
}

static int check(struct side *side, const struct xen_migrate_options *options,
                 const struct stream *stream, struct seen *seen,
                 char error[XEN_MIGRATE_ERROR_MAX])
{
    int fd = fd_of(stream);
    int r;

    *seen = (struct seen){0};
    r = xen_migrate_check(side->ram, side->devices, side->nr_devices, options,
                          fd, see_verdict, seen, error);
    close(fd);
    return r;
}

static void inspect_tells_all_blocks_and_sections(void **state)
{
    static const char *const want[] = {
        "low kind 0 flags 0 gfn 0 used 65536 max 65536 size 65536 no sum",
        "rom kind 1 flags 3 gfn 0xf3000 used 8192 max 32768 size 6000 summed",
        ("private kind 2 flags 1 gfn 0xffffffffffffffff used 12288 max 32768 "
         "size 12288 no sum"),
        "xenram/ownership 0 1",
        "ram 0 4",
        "uart 0 2",
        "uart 1 2",
        "xenram/sum 0 1",
    };
    /* Only tables count: neither states nor instances. */
    const struct xen_migrate_device known = {.saved = &uart_v2};
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;
    struct seen seen;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    assert_int_equal(inspect(&known, 1, &stream, &seen, error), 0);
    assert_string_equal(error, "");
    assert_int_equal(seen.nr, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < seen.nr; i++)
        assert_string_equal(seen.lines[i], want[i]);
    assert_int_equal(seen.end, stream.len);
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void inspect_says_where_a_state_was_cut(void **state)
{
    const struct xen_migrate_device known = {.saved = &uart_v2};
    char error[XEN_MIGRATE_ERROR_MAX], where[64];
    struct side source, target;
    struct stream stream;
    struct seen seen;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    for (size_t len = 0; len < stream.len; len++) {
        struct stream part = {stream.bytes, len};

        assert_int_equal(inspect(&known, 1, &part, &seen, error), -EBADMSG);
        assert_true(seen.end <= len || len < 8);
    }
    snprintf(where, sizeof(where), "(read up to byte 0x%zx of", stream.len - 1);
    assert_text(error, where);
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void inspect_ends_at_what_it_does_not_know(void **state)
{
    static const struct {
        const struct xen_migrate_state *known;
        const char *text;
    } cases[] = {
        {NULL, "unknown section uart instance 0 version 2"},
        {&uart_v1, "version 2 in the stream, this program reads 1 to 1"},
    };
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;
    struct seen seen;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct xen_migrate_device known = {.saved = cases[i].known};

        assert_int_equal(
            inspect(&known, known.saved ? 1 : 0, &stream, &seen, error),
            -ENOTSUP);
        assert_text(error, cases[i].text);
        assert_int_equal(seen.nr, 5); /* three blocks, ownership, ram */
    }
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void inspect_bounds_what_it_reads(void **state)
{
    const struct xen_migrate_inspector inspector = {NULL, NULL, NULL};
    int fd = memfd_create("long", MFD_CLOEXEC);
    char error[XEN_MIGRATE_ERROR_MAX];

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)XEN_MIGRATE_INSPECT_MAX + 1), 0);
    assert_int_equal(xen_migrate_inspect(NULL, 0, fd, &inspector, error),
                     -EFBIG);
    assert_text(error, "67108864 bytes");
    close(fd);
}

static void ignore_section(const struct xen_migrate_section *section,
                           void *opaque)
{
    (void)section;
    *(unsigned *)opaque += 1;
}

static void inspect_bounds_what_it_tells(void **state)
{
    const struct xen_migrate_device known = {.saved = &uart_v2};
    unsigned told = 0;
    const struct xen_migrate_inspector inspector = {see_block, ignore_section,
                                                    &told};
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;
    struct seen seen;
    size_t nr_at, at, len;
    int fd;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    nr_at = stream_find(&stream, 0, "xenram/ownership", 16) + 16 + 8;
    stream_replace(&stream, nr_at, 4, "\0\0\x10\1", 4);
    assert_int_equal(inspect(&known, 1, &stream, &seen, error), -EFBIG);
    assert_text(error, "4097 blocks, at most 4096");

    /* No blocks, and one uart again and again, the id one higher each time. */
    at = stream_find(&stream, 0, "\4\0\0\0\2\4uart", 10);
    len = stream_find(&stream, at, "\4\0\0\0\3\4uart", 10) - at;
    stream_replace(&stream, nr_at, at - nr_at, "\0\0\0\0", 4);
    at = nr_at + 4;
    stream.len = at;
    for (uint32_t id = 1; id <= 4096; id++) {
        stream_replace(&stream, stream.len, 0, stream.bytes + at, len);
        stream.bytes[stream.len - len + 3] = (uint8_t)(id >> 8);
        stream.bytes[stream.len - len + 4] = (uint8_t)id;
    }
    fd = fd_of(&stream);
    assert_int_equal(xen_migrate_inspect(&known, 1, fd, &inspector, error),
                     -EFBIG);
    assert_text(error, "4097 sections, at most 4096");
    assert_int_equal(told, 4096);
    close(fd);
    stream_free(&stream);
    sides_fini(&source, &target);
}

/* Verdicts, and that check and load agree to the letter. */
static void check_agrees_with_load(void **state)
{
    static const struct {
        struct lengths here;
        enum xen_migrate_policy policy;
        const char *rom, *private;
    } cases[] = {
        {{6000, KIB(32), 3 * PAGE, 8 * PAGE, false}, 0, "same", "same"},
        {{100, KIB(32), 4 * PAGE, 8 * PAGE, false}, 0, "grow", "shrink"},
        {{KIB(32), KIB(32), 1, 3 * PAGE, false}, 0, "shrink", "grow"},
        {{PAGE, PAGE, 3 * PAGE, 8 * PAGE, false},
         0,
         "refuse: block rom: Length too large: 0x1770",
         "same"},
        {{6000, KIB(32), PAGE, 8 * PAGE, true},
         0,
         "same",
         "refuse: block private: Length mismatch: 0x3000"},
        {{6000, KIB(32), PAGE, 2 * PAGE, true},
         0,
         "same",
         "refuse: block private: Length too large: 0x3000"},
        {{6000, KIB(16), PAGE, 8 * PAGE, false},
         XEN_MIGRATE_STRICT,
         "refuse: block rom: max length 0x8000",
         "refuse: block private: Length mismatch: 0x3000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct xen_migrate_options options = {.policy = cases[i].policy};
        char checked[XEN_MIGRATE_ERROR_MAX], loaded[XEN_MIGRATE_ERROR_MAX];
        struct snapshot before, after;
        struct side source, target;
        struct stream stream;
        struct seen seen;
        int r;

        sides_init(&source, &target, &usual, &cases[i].here);
        stream_save(&source, NULL, &stream);
        side_snapshot(&target, &before);
        r = check(&target, &options, &stream, &seen, checked);
        side_snapshot(&target, &after);
        assert_memory_equal(&before, &after, sizeof(before));

        assert_int_equal(seen.nr, 3);
        assert_string_equal(seen.lines[0], "low same");
        assert_text(seen.lines[1], cases[i].rom);
        assert_text(seen.lines[2], cases[i].private);
        assert_int_equal(stream_load(&target, &options, &stream, loaded), r);
        assert_string_equal(checked, loaded);
        assert_int_equal(r != 0, strncmp(cases[i].rom, "ref", 3) == 0 ||
                                     strncmp(cases[i].private, "ref", 3) == 0);
        stream_free(&stream);
        sides_fini(&source, &target);
    }
}

static void check_needs_neither_guest_nor_cache(void **state)
{
    static const struct xen_ram_spec specs[] = {
        {.idstr = "low", .kind = XEN_RAM_GUEST, .size = LOW_PAGES * PAGE},
        {.idstr = "rom",
         .kind = XEN_RAM_VISIBLE,
         .flags = XEN_RAM_ROM | XEN_RAM_RESIZEABLE,
         .gfn = ROM_GFN,
         .size = PAGE,
         .max_length = KIB(32)},
        {.idstr = "other",
         .kind = XEN_RAM_PRIVATE,
         .gfn = XEN_RAM_NO_GFN,
         .size = PAGE},
    };
    struct xen_ram_block *blocks[3];
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct side here = {0};
    struct stream stream;
    struct seen seen;
    uint8_t byte;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    fakexen_fail(FAKEXEN_ANY, 1, 0, EPERM);
    assert_int_equal(xen_ram_open(TARGET_DOMID, NULL, &here.ram), 0);
    xen_ram_set_phase(here.ram, XEN_RAM_LOADING);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(xen_ram_alloc(here.ram, &specs[i], &blocks[i]), 0);
    memcpy(here.devices, target.devices, sizeof(here.devices));
    here.nr_devices = target.nr_devices;

    assert_int_equal(check(&here, NULL, &stream, &seen, error), -EINVAL);
    assert_int_equal(seen.nr, 4);
    assert_string_equal(seen.lines[0], "low same");
    assert_string_equal(seen.lines[1], "rom grow");
    assert_text(seen.lines[2], "private refuse: block private: unknown here");
    assert_text(seen.lines[3], "other refuse: block other: 0x1000 bytes here");

    /* Such a list is good for nothing else, and says so. */
    assert_int_equal(xen_ram_adopt(here.ram, blocks[1], ROM_GFN, PAGE),
                     -EINVAL);
    assert_int_equal(xen_ram_read(here.ram, blocks[0], 0, &byte, 1), -EFAULT);
    assert_int_equal(xen_ram_write(here.ram, blocks[0], 0, &byte, 1), -EFAULT);
    xen_ram_close(here.ram);
    assert_false(fakexen_failed(FAKEXEN_ANY));
    fakexen_fail(FAKEXEN_ANY, 1, 0, 0);
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void check_tells_blocks_of_a_damaged_state(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;
    struct seen seen;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    stream.len -= 10;
    assert_int_equal(check(&target, NULL, &stream, &seen, error), -EBADMSG);
    assert_text(error, "cut short");
    assert_int_equal(seen.nr, 3);
    stream_free(&stream);
    sides_fini(&source, &target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_tells_all_blocks_and_sections),
        cmocka_unit_test(inspect_says_where_a_state_was_cut),
        cmocka_unit_test(inspect_ends_at_what_it_does_not_know),
        cmocka_unit_test(inspect_bounds_what_it_reads),
        cmocka_unit_test(inspect_bounds_what_it_tells),
        cmocka_unit_test(check_agrees_with_load),
        cmocka_unit_test(check_needs_neither_guest_nor_cache),
        cmocka_unit_test(check_tells_blocks_of_a_damaged_state),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
