/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* Memory of devices: files, lengths, and when it is taken. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/carried.h"
#include "tests/fakexen/fakexen.h"

#define HOME_GFN 0xfe000u
#define PAGE 4096u
#define CMOS_SIZE 128u

static void make_file(const char *path, size_t size)
{
    char *zeroes = calloc(1, size + 1);

    CHECK(zeroes != NULL);
    write_file(path, zeroes, size);
    free(zeroes);
}

static uint8_t byte_of(const char *path, size_t at)
{
    size_t len;
    uint8_t *bytes = read_file(path, &len), byte;

    CHECK(at < len);
    byte = bytes[at];
    free(bytes);
    return byte;
}

/* NAME=PATH and more; of a child's few. */
static const char *joined(const char *format, const char *path)
{
    static char lines[8][300];
    static unsigned next;
    char *line = lines[next++];

    CHECK(next <= 8);
    snprintf(line, sizeof(lines[0]), format, path);
    return line;
}

static void begin(struct dm *dm, const char *const *extra)
{
    fakexen_xs_set("/local/domain/0/device-model/7/state", "");
    dm_start(dm, SOURCE, extra);
}

/* ---- files ------------------------------------------------------------ */

static void set_cmos(uint32_t domid, uint8_t index, uint8_t value)
{
    fakexen_out(domid, 0x70, 1, index);
    fakexen_out(domid, 0x71, 1, value);
}

static uint8_t get_cmos(uint32_t domid, uint8_t index)
{
    fakexen_out(domid, 0x70, 1, index);
    return (uint8_t)fakexen_in(domid, 0x71, 1);
}

static void keep_cmos(void)
{
    const char *path = scratch("cmos");
    const char *extra[] = {"-xenram-file", joined("xenram/cmos=%s", path),
                           NULL};
    struct dm dm;

    make_file(path, CMOS_SIZE);
    for (uint8_t round = 1; round <= 3; round++) {
        begin(&dm, extra);
        CHECK_EQUAL(get_cmos(SOURCE, 0x40), round - 1);
        CHECK_EQUAL(get_cmos(SOURCE, 0x3d) & 0xf, 2); /* -boot order=c */
        set_cmos(SOURCE, 0x40, round);
        dm_end(&dm);
        CHECK_EQUAL(byte_of(path, 0x40), round);
        fakexen_destroy(SOURCE);
    }

    extra[1] = joined("xenram/cmos=%s,private", path);
    begin(&dm, extra);
    CHECK_EQUAL(get_cmos(SOURCE, 0x40), 3);
    set_cmos(SOURCE, 0x40, 9);
    CHECK_EQUAL(get_cmos(SOURCE, 0x40), 9);
    dm_end(&dm);
    CHECK_EQUAL(byte_of(path, 0x40), 3);
}

static void a_file_keeps_a_block_from_one_guest_to_the_next(void **state)
{
    (void)state;
    in_child(keep_cmos);
}

/* A start that ends at once, says words, once, and leaves the guest alone. */
static void check_refused(const char *const *extra, const char *words)
{
    uint64_t pages = fakexen_tot_pages(SOURCE);
    struct dm dm;

    dm_prepare(&dm, SOURCE, extra);
    dm_launch(&dm);
    CHECK(!dm_comes_up(&dm));
    CHECK_EQUAL(dm_join(&dm), 1);
    CHECK(logged(words));
    CHECK(!logged("error: device "));
    CHECK_EQUAL(fakexen_tot_pages(SOURCE), pages);
    check_nothing_left();
}

static void refuse_files(void)
{
    const char *kernel = scratch("kernel"), *small = scratch("small");
    const char *good = scratch("good"), *missing = scratch("missing");
    const struct {
        const char *argument, *words;
    } cases[] = {
        {joined("xenram/cmos=%s", missing), "No such file"},
        {joined("xenram/cmos=%s", "/dev/null"), "not a regular file"},
        {joined("xenram/cmos=%s", small),
         "has 127 bytes, must have 128: make it with truncate -s 128"},
        {joined("guest.low=%s", good), "guest RAM is the toolstack's"},
        {joined("xenram/boot.rom=%s", good), "its pages are the guest's"},
        {joined("xenram/nvram=%s", good), "no device has memory of that"},
    };
    const char *extra[] = {"-kernel", kernel, "-xenram-file", NULL, NULL};

    write_kernel(kernel, 8192);
    make_file(small, CMOS_SIZE - 1);
    make_file(good, CMOS_SIZE);
    create_domain(SOURCE);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        extra[3] = cases[i].argument;
        check_refused(extra, cases[i].words);
    }
}

static void files_that_do_not_fit_stop_the_start(void **state)
{
    (void)state;
    in_child(refuse_files);
}

static void carry_file(void)
{
    const char *path = scratch("cmos"), *other = scratch("other");
    const char *state = scratch("state");
    const char *extra[] = {"-xenram-file", joined("xenram/cmos=%s", path),
                           NULL};
    const char *there[] = {"-xenram-file", joined("xenram/cmos=%s", other),
                           NULL};
    struct dm source, target;
    struct qmp_peer peer;
    size_t with, without;

    make_file(path, CMOS_SIZE);
    make_file(other, CMOS_SIZE);
    begin(&source, NULL);
    qmp_open_peer(&peer, source.qmp_path);
    qmp_save(&peer, state);
    quit(&source, &peer);
    free(read_file(state, &without));
    fakexen_destroy(SOURCE);

    begin(&source, extra);
    qmp_open_peer(&peer, source.qmp_path);
    set_cmos(SOURCE, 0x40, 0x77);
    qmp_save(&peer, state);
    quit(&source, &peer);
    free(read_file(state, &with));
    CHECK(with + PAGE / 2 < without); /* listed, not sent */

    /* Its own file is what a restored guest sees. */
    prepare_target(&target, state, there);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    CHECK_EQUAL(get_cmos(TARGET, 0x40), 0);
    qmp_open_peer(&peer, target.qmp_path);
    quit(&target, &peer);

    prepare_target(&target, state, NULL);
    dm_launch(&target);
    CHECK(!dm_comes_up(&target));
    CHECK_EQUAL(dm_join(&target), 1);
    CHECK(logged("block xenram/cmos: file-backed in the stream, private here"));
}

static void a_restored_guest_has_its_file_or_is_refused(void **state)
{
    (void)state;
    in_child(carry_file);
}

/* ---- lengths ---------------------------------------------------------- */

static void place_rom(uint32_t domid, uint32_t address)
{
    fakexen_pci_write(domid, HOST_BRIDGE, 0x30, 4, address | 1);
    fakexen_pci_write(domid, HOST_BRIDGE, 0x04, 2, 2);
}

static uint32_t rom_bar_size(uint32_t domid)
{
    uint32_t before = fakexen_pci_read(domid, HOST_BRIDGE, 0x30, 4), mask;

    fakexen_pci_write(domid, HOST_BRIDGE, 0x30, 4, 0xfffff800);
    mask = fakexen_pci_read(domid, HOST_BRIDGE, 0x30, 4);
    fakexen_pci_write(domid, HOST_BRIDGE, 0x30, 4, before);
    return -mask;
}

static void choose_lengths(void)
{
    static const struct {
        const char *argument;
        unsigned pages;
        uint32_t bar;
    } cases[] = {
        {"xenram/boot.rom,max=1048576", 1, 4096},
        {"xenram/boot.rom,size=20000", 5, 32768},
        {"xenram/boot.rom,size=1048576,max=8388608", 256, 1048576},
    };
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, "-xenram-block", NULL, NULL};
    uint8_t byte;
    struct dm dm;

    write_kernel(kernel, 8192);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t pages;

        create_domain(SOURCE);
        pages = fakexen_tot_pages(SOURCE);
        extra[3] = cases[i].argument;
        begin(&dm, extra);
        CHECK_EQUAL(fakexen_tot_pages(SOURCE), pages + cases[i].pages);
        CHECK_EQUAL(rom_bar_size(SOURCE), cases[i].bar);
        place_rom(SOURCE, 0xf3000000);
        for (unsigned page = 0; page < cases[i].pages; page++)
            CHECK_EQUAL(fakexen_type(SOURCE, 0xf3000 + page), FAKEXEN_RAM_RO);
        CHECK_EQUAL(fakexen_type(SOURCE, 0xf3000 + cases[i].pages),
                    FAKEXEN_HOLE);
        fakexen_peek(SOURCE, 0xf3000000, &byte, 1);
        CHECK_EQUAL(byte, 0x55);
        /* Nobody answers beyond. */
        CHECK_EQUAL(
            fakexen_readm(SOURCE, 0xf3000000 + cases[i].pages * PAGE, 4),
            UINT32_MAX);
        dm_end(&dm);
        fakexen_destroy(SOURCE);
    }
}

static void the_rom_has_the_length_that_was_asked_for(void **state)
{
    (void)state;
    in_child(choose_lengths);
}

static void refuse_lengths(void)
{
    static const struct {
        const char *argument, *words;
    } cases[] = {
        {"xenram/boot.rom,size=100", "size=100 is too small"},
        {"xenram/cmos,size=4096", "its length cannot be chosen"},
        {"guest.low,size=4096", "its length cannot be chosen"},
        {"xenram/vram,size=4096", "no device has memory of that name"},
        {"xenram/boot.rom,size=8388608",
         "no room for 0x800 pages at gfn 0xfe000"},
    };
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, "-xenram-block", NULL, NULL};

    write_kernel(kernel, 8192);
    create_domain(SOURCE);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        extra[3] = cases[i].argument;
        check_refused(extra, cases[i].words);
    }
}

static void lengths_that_cannot_be_stop_the_start(void **state)
{
    (void)state;
    in_child(refuse_lengths);
}

/* What is 20000 bytes here and something else there. */
static void renegotiate(void)
{
    static const struct {
        const char *argument;
        const char *refusal; /* NULL: loads */
    } cases[] = {
        {"xenram/boot.rom,max=65536", NULL},
        {"xenram/boot.rom,size=65536", NULL},
        {"xenram/boot.rom,size=4096,max=8192",
         "Length too large: 0x4e20 in the stream, 0x1000 here, at most 0x2000"},
    };
    const char *kernel = scratch("kernel"), *state = scratch("state");
    const char *extra[] = {"-kernel", kernel, "-xenram-block",
                           "xenram/boot.rom,size=20000", NULL};
    struct dm source, target;
    struct qmp_peer peer;
    uint64_t pages;

    write_kernel(kernel, 8192);
    begin(&source, extra);
    qmp_open_peer(&peer, source.qmp_path);
    place_rom(SOURCE, 0xf3000000);
    qmp_save(&peer, state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        extra[3] = cases[i].argument;
        prepare_target(&target, state, extra);
        pages = fakexen_tot_pages(TARGET);
        dm_launch(&target);
        CHECK_EQUAL(dm_comes_up(&target), cases[i].refusal == NULL);
        CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
        if (cases[i].refusal) {
            CHECK_EQUAL(dm_join(&target), 1);
            CHECK(logged(cases[i].refusal));
            CHECK_EQUAL(fakexen_type(TARGET, 0xf3000), FAKEXEN_RAM_RW);
        } else {
            struct qmp_peer other;

            CHECK_EQUAL(fakexen_type(TARGET, 0xf3004), FAKEXEN_RAM_RO);
            CHECK_EQUAL(fakexen_type(TARGET, 0xf3005), FAKEXEN_HOLE);
            CHECK_EQUAL(rom_bar_size(TARGET), 32768);
            qmp_open_peer(&other, target.qmp_path);
            quit(&target, &other);
        }
        fakexen_destroy(TARGET);
    }
    quit(&source, &peer);
}

static void a_saved_guest_keeps_the_length_of_its_rom(void **state)
{
    (void)state;
    in_child(renegotiate);
}

/* String input: the processor may not write a ROM, a device could. */
static void read_into(uint64_t gpa)
{
    struct fakexen_io io = {.addr = 0x71,
                            .read = true,
                            .size = 1,
                            .data = gpa,
                            .count = 8,
                            .data_is_ptr = true};

    CHECK_EQUAL(fakexen_io(SOURCE, &io), 0);
}

static void write_rom(void)
{
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};
    uint8_t before[16], after[16];
    struct dm dm;

    write_kernel(kernel, 8192);
    begin(&dm, extra);
    place_rom(SOURCE, 0xf3000000);
    fakexen_peek(SOURCE, 0xf3000000, before, sizeof(before));
    set_cmos(SOURCE, 0x40, 0x99);
    read_into(0xf3000000);
    read_into(0x100000);
    fakexen_peek(SOURCE, 0xf3000000, after, sizeof(after));
    CHECK(memcmp(before, after, sizeof(before)) == 0);
    fakexen_peek(SOURCE, 0x100000, after, 8);
    CHECK(after[0] == 0x99 && after[7] == 0x99);
    dm_end(&dm);
}

static void a_guest_cannot_have_a_device_write_its_rom(void **state)
{
    (void)state;
    in_child(write_rom);
}

/* ---- when memory is taken --------------------------------------------- */

static unsigned restricted, late;

static void watch_order(enum fakexen_kind kind, void *opaque)
{
    (void)opaque;
    if (kind == FAKEXEN_RESTRICT)
        restricted++;
    if (restricted && (kind == FAKEXEN_POPULATE || kind == FAKEXEN_DECREASE ||
                       kind == FAKEXEN_BUFFER || kind == FAKEXEN_OPEN))
        late++;
}

static void populate_early(void)
{
    const char *kernel = scratch("kernel"), *path = scratch("qmp");
    const char *root = scratch("root"), *file = scratch("cmos");
    const char *extra[] = {"-kernel",
                           kernel,
                           "-xenram-block",
                           "xenram/boot.rom,size=65536",
                           "-xenram-file",
                           joined("xenram/cmos=%s", file),
                           "-S",
                           "-xen-domid-restrict",
                           "-chroot",
                           root,
                           "-runas",
                           "65544:65536",
                           NULL};
    struct qmp_peer peer;
    struct dm dm;

    write_kernel(kernel, 8192);
    make_file(file, CMOS_SIZE);
    CHECK(mkdir(root, 0) == 0);
    if (getuid() != 0)
        extra[8] = NULL; /* these need root */
    create_domain(SOURCE);
    dm_prepare(&dm, SOURCE, extra);
    dm_use_qmp_fd(&dm, path);
    qmp_connect(&peer, path);
    fakexen_set_hook(watch_order, NULL);
    dm_launch(&dm);
    qmp_negotiate(&peer);
    qmp_do(&peer, "cont", NULL);
    place_rom(SOURCE, 0xf3000000);
    CHECK_EQUAL(fakexen_type(SOURCE, 0xf300f), FAKEXEN_RAM_RO);
    set_cmos(SOURCE, 0x40, 0x77);
    quit(&dm, &peer);
    fakexen_set_hook(NULL, NULL);
    CHECK(restricted > 0);
    CHECK_EQUAL(late, 0);
    check_nothing_left();
    pass_without_leak_check();
}

static void all_memory_is_there_before_rights_go(void **state)
{
    (void)state;
    in_child(populate_early);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_keeps_a_block_from_one_guest_to_the_next),
        cmocka_unit_test(files_that_do_not_fit_stop_the_start),
        cmocka_unit_test(a_restored_guest_has_its_file_or_is_refused),
        cmocka_unit_test(the_rom_has_the_length_that_was_asked_for),
        cmocka_unit_test(lengths_that_cannot_be_stop_the_start),
        cmocka_unit_test(a_saved_guest_keeps_the_length_of_its_rom),
        cmocka_unit_test(a_guest_cannot_have_a_device_write_its_rom),
        cmocka_unit_test(all_memory_is_there_before_rights_go),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
