/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <libdeflate.h>
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
#include "tests/unit/sum.h"

/*
 * States of other versions: such as have a boot ROM of another length, and
 * those of each release, which are kept in tests/vectors.
 *
 * versions --keep DIRECTORY writes the states that this version saves.
 */

#define PAGE 4096u
#define ROM_GFN UINT64_C(0xf3000)
#define ROM_HOME_GFN UINT64_C(0xfe000)
#define ROM_BAR 0x30
#define OUR_ROM_SIZE 512u
#define ROM_MAX_SIZE 0x10000u

static const char *kernel_option[3] = {"-kernel", NULL, NULL};
static const char *strict_options[5] = {"-kernel", NULL, "-xenram-policy",
                                        "strict", NULL};

static void use_kernel(void)
{
    const char *kernel = scratch("kernel");

    write_kernel(kernel, 8192);
    kernel_option[1] = kernel;
    strict_options[1] = kernel;
}

/* A guest with every device there is, which saw its boot ROM. */
static void save_source(const char *state, const char *const *extra)
{
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, extra);
    if (extra) {
        fakexen_pci_write(SOURCE, HOST_BRIDGE, ROM_BAR, 4,
                          (uint32_t)(ROM_GFN * PAGE) | 1);
        fakexen_pci_write(SOURCE, HOST_BRIDGE, 0x04, 2, 2);
        CHECK_EQUAL(fakexen_type(SOURCE, ROM_GFN), FAKEXEN_RAM_RO);
    }
    set_up_guest(SOURCE);
    qmp_save(&peer, state);
    quit(&dm, &peer);
}

/* ---- a ROM of another length --------------------------------------------- */

/* In an ownership record, behind the name. */
#define RECORD_USED 13
#define RECORD_SIZE 29
#define RECORD_SUM 37

static void put(uint8_t *at, size_t width, uint64_t value)
{
    while (width-- > 0) {
        at[width] = (uint8_t)value;
        value >>= 8;
    }
}

static uint8_t *find(void *data, size_t len, const char *text)
{
    uint8_t *at = memmem(data, len, text, strlen(text));

    CHECK(at != NULL);
    return at + strlen(text);
}

/* What a version with a ROM of size bytes would have saved. */
static void write_with_rom(const char *state, const char *edited,
                           const uint8_t *rom, size_t size)
{
    size_t len;
    uint8_t *data = read_file(state, &len);
    uint8_t *record = find(data, len, "xenram/boot.rom");

    put(record + RECORD_USED, 8, (size + PAGE - 1) / PAGE * PAGE);
    put(record + RECORD_SIZE, 8, size);
    put(record + RECORD_SUM, 4, libdeflate_crc32(0, rom, size));
    CHECK(fix_sum(data, len));
    write_file(edited, data, len);
    free(data);
}

static uint8_t *make_rom(size_t size)
{
    uint8_t *rom = calloc(1, (size + PAGE - 1) / PAGE * PAGE);

    CHECK(rom != NULL);
    for (size_t i = 0; i < size; i++)
        rom[i] = (uint8_t)(i * 11 + (i >> 9) + 1);
    return rom;
}

/* The end of the source took its ROM home, where the copy has it too. */
static void place_rom(const uint8_t *rom, size_t size)
{
    size_t pages = (size + PAGE - 1) / PAGE;

    fakexen_balloon_out(TARGET, ROM_HOME_GFN, 1);
    CHECK_EQUAL(fakexen_balloon_in(TARGET, ROM_GFN, pages), 0);
    fakexen_poke(TARGET, ROM_GFN * PAGE, rom, pages * PAGE);
}

static void check_rom(uint32_t domid, const uint8_t *rom, size_t size)
{
    size_t pages = (size + PAGE - 1) / PAGE;
    uint8_t *there = calloc(pages, PAGE);

    CHECK(there != NULL);
    fakexen_peek(domid, ROM_GFN * PAGE, there, pages * PAGE);
    CHECK(memcmp(there, rom, pages * PAGE) == 0);
    for (size_t page = 0; page < pages; page++)
        CHECK_EQUAL(fakexen_type(domid, ROM_GFN + page), FAKEXEN_RAM_RO);
    CHECK_EQUAL(fakexen_type(domid, ROM_GFN + pages), FAKEXEN_HOLE);
    free(there);
}

static void check_same_file(const char *a, const char *b)
{
    size_t len, other;
    char *x = read_file(a, &len), *y = read_file(b, &other);

    CHECK_EQUAL(len, other);
    CHECK(memcmp(x, y, len) == 0);
    free(x);
    free(y);
}

/* The same domain once more, as a toolstack builds it after a reboot. */
static void boot_again(void)
{
    struct dm dm;
    uint8_t start[2];
    uint8_t byte = 1;

    fakexen_destroy(TARGET);
    fakexen_xs_set("/local/domain/0/device-model/8/state", "");
    dm_start(&dm, TARGET, kernel_option);
    fakexen_peek(TARGET, ROM_HOME_GFN * PAGE, start, 2);
    CHECK(start[0] == 0x55 && start[1] == 0xaa);
    fakexen_peek(TARGET, ROM_HOME_GFN * PAGE + OUR_ROM_SIZE, &byte, 1);
    CHECK_EQUAL(byte, 0);
    CHECK_EQUAL(fakexen_type(TARGET, ROM_HOME_GFN + 1), FAKEXEN_HOLE);
    dm_end(&dm);
}

static void restore_with_rom_of(const char *state, size_t size)
{
    const char *edited = scratch("edited"), *again = scratch("again");
    uint8_t *rom = make_rom(size);
    struct qmp_peer peer;
    struct dm target;
    uint64_t pages;

    write_with_rom(state, edited, rom, size);
    prepare_target(&target, edited, kernel_option);
    place_rom(rom, size);
    pages = fakexen_tot_pages(TARGET);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
    check_rom(TARGET, rom, size);
    qmp_open_peer(&peer, target.qmp_path);
    /* It would keep the ROM wherever it went from here. */
    qmp_save(&peer, again);
    check_same_file(again, edited);
    qmp_do(&peer, "cont", NULL);
    check_guest(TARGET);
    quit(&target, &peer);
    check_nothing_left();
    boot_again();
    fakexen_destroy(TARGET);
    CHECK(unlink(again) == 0);
    free(rom);
}

static void restore_with_other_roms(void)
{
    static const size_t sizes[] = {
        1, OUR_ROM_SIZE - 1, OUR_ROM_SIZE, PAGE, PAGE + 1, 9000, ROM_MAX_SIZE};
    const char *state = scratch("state");

    use_kernel();
    save_source(state, kernel_option);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        restore_with_rom_of(state, sizes[i]);
}

static void a_guest_keeps_its_rom_until_it_boots_again(void **state)
{
    (void)state;
    in_child(restore_with_other_roms);
}

static void refuse_rom_of(const char *state, size_t size,
                          const char *const *extra, const char *text)
{
    const char *edited = scratch("edited");
    uint8_t *rom = make_rom(size);
    struct dm target;
    uint64_t pages;

    write_with_rom(state, edited, rom, size);
    prepare_target(&target, edited, extra);
    place_rom(rom, size);
    pages = fakexen_tot_pages(TARGET);
    dm_launch(&target);
    CHECK(!dm_comes_up(&target));
    CHECK_EQUAL(dm_join(&target), 1);
    CHECK(logged(text));
    CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
    CHECK_EQUAL(fakexen_type(TARGET, ROM_GFN), FAKEXEN_RAM_RW);
    check_nothing_left();
    fakexen_destroy(TARGET);
    free(rom);
}

static void refuse_other_roms(void)
{
    const char *state = scratch("state");

    use_kernel();
    save_source(state, kernel_option);
    refuse_rom_of(state, ROM_MAX_SIZE + 1, kernel_option,
                  "cannot restore: block xenram/boot.rom: size 0x10001");
    refuse_rom_of(state, 9000, strict_options,
                  "cannot restore: block xenram/boot.rom: Length mismatch: "
                  "0x2328 in the stream, 0x200 here, and the policy is strict");
}

static void a_rom_that_is_too_long_or_not_wanted_is_refused(void **state)
{
    (void)state;
    in_child(refuse_other_roms);
}

/* ---- how long a state is ------------------------------------------------- */

static void measure(void)
{
    const char *extra[] = {"-kernel", NULL, "-serial", "null", NULL};
    const char *state = scratch("state");
    struct stat st;

    use_kernel();
    extra[1] = kernel_option[1];
    save_source(state, extra);
    CHECK(stat(state, &st) == 0);
    CHECK(st.st_size > 0 && st.st_size <= 64 * 1024);
}

static void a_state_has_at_most_64_KiB(void **state)
{
    (void)state;
    in_child(measure);
}

/* ---- releases ------------------------------------------------------------ */

static const struct {
    const char *release;
    bool kernel; /* the guest has a boot ROM, which is beside the state */
} vectors[] = {
    {"0.1.0", false},
    {"0.1.0", true},
};

static void vector_path(char *path, size_t size, const char *directory,
                        const char *name)
{
    CHECK(snprintf(path, size, "%s/%s", directory, name) < (int)size);
}

static const char *state_name(bool kernel)
{
    return kernel ? "kernel.state" : "plain.state";
}

static void load_vector(size_t i)
{
    const char *srcdir = getenv("srcdir");
    char directory[2048], path[4096];
    struct qmp_peer peer;
    struct dm target;
    size_t len;
    char *rom;

    snprintf(directory, sizeof(directory), "%s/tests/vectors/%s",
             srcdir ? srcdir : ".", vectors[i].release);
    use_kernel();
    create_domain(TARGET);
    fakexen_poke(TARGET, 0x8000, "guest memory", 12);
    vector_path(path, sizeof(path), directory, state_name(vectors[i].kernel));
    prepare_target(&target, path, vectors[i].kernel ? kernel_option : NULL);
    vector_path(path, sizeof(path), directory, "kernel.rom");
    rom = read_file(path, &len);
    if (vectors[i].kernel)
        place_rom((uint8_t *)rom, len);

    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    qmp_open_peer(&peer, target.qmp_path);
    qmp_do(&peer, "cont", NULL);
    check_guest(TARGET);
    if (vectors[i].kernel)
        check_rom(TARGET, (uint8_t *)rom, len);
    quit(&target, &peer);
    check_nothing_left();
    fakexen_destroy(TARGET);
    free(rom);
}

static void load_vectors(void)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        load_vector(i);
}

static void the_states_of_all_releases_load(void **state)
{
    (void)state;
    in_child(load_vectors);
}

static const char *keep_in; /* an absolute path */

static void keep_vectors(void)
{
    uint8_t rom[PAGE];
    char path[4096];

    use_kernel();
    vector_path(path, sizeof(path), keep_in, state_name(false));
    save_source(path, NULL);
    fakexen_destroy(SOURCE);
    fakexen_xs_set("/local/domain/0/device-model/7/state", "");
    vector_path(path, sizeof(path), keep_in, state_name(true));
    save_source(path, kernel_option);
    fakexen_peek(SOURCE, ROM_HOME_GFN * PAGE, rom, sizeof(rom));
    vector_path(path, sizeof(path), keep_in, "kernel.rom");
    write_file(path, rom, sizeof(rom));
}

static void kept(void **state)
{
    (void)state;
    in_child(keep_vectors);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest keep[] = {
        cmocka_unit_test(kept),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_keeps_its_rom_until_it_boots_again),
        cmocka_unit_test(a_rom_that_is_too_long_or_not_wanted_is_refused),
        cmocka_unit_test(a_state_has_at_most_64_KiB),
        cmocka_unit_test(the_states_of_all_releases_load),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc == 3 && strcmp(argv[1], "--keep") == 0) {
        keep_in = argv[2];
        return cmocka_run_group_tests(keep, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
