/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/tool.h"

#include "tests/dm/carried.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/run-tool.h"
#include "tests/unit/sum.h"
#include "tests/unit/xl-file.h"

/* xenram inspect and check, beside the device model that saves and restores. */

static bool said(const char *text)
{
    if (strstr(tool_output, text))
        return true;
    fprintf(stderr, "no \"%s\" in:\n%s\n", text, tool_output);
    return false;
}

/* check with the options of a device model. */
static int check_as(const struct dm *dm, const char *path)
{
    const char *words[DM_MAX_ARGS] = {"xenram", "check", path};

    for (int i = 1; i <= dm->argc; i++)
        words[2 + i] = i < dm->argc ? dm->argv[i] : NULL;
    return run_tool(words);
}

static void save(const char *path, const char *const *extra)
{
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, extra);
    set_up_guest(SOURCE);
    qmp_save(&peer, path);
    quit(&dm, &peer);
}

/* Whoever asks Xen from here on is told no. */
static void forbid_xen(void)
{
    fakexen_fail(FAKEXEN_ANY, 1, 0, EPERM);
}

static void check_xen_not_asked(void)
{
    CHECK(!fakexen_failed(FAKEXEN_ANY));
    fakexen_fail(FAKEXEN_ANY, 1, 0, 0);
}

static void save_as_xl(const char *path, const char *state, const char *config)
{
    struct xl_file file;
    size_t len;
    void *data = read_file(state, &len);

    xl_file_make(&file, config, data, len);
    write_file(path, file.bytes, file.len);
    xl_file_free(&file);
    free(data);
}

static void inspect_real_state(void)
{
    const char *state = scratch("state"), *saved = scratch("saved");
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};

    write_kernel(kernel, 8192);
    save(state, extra);
    save_as_xl(saved, state, NULL);
    forbid_xen();
    CHECK_EQUAL(TOOL("inspect", state), 0);
    CHECK(said("guest.low        guest RAM      0x0      0x1000000"));
    CHECK(said("xenram/boot.rom  guest-visible"));
    CHECK(said("resizeable,rom"));
    CHECK(said("piix4-pm"));
    CHECK(said("xenram/sum"));
    CHECK_EQUAL(TOOL("inspect", saved), 0);
    CHECK(said("an HVM guest on Xen 4.20"));
    CHECK(said("boot-rom"));
    CHECK(said("xenram/ownership  0         1        0x20e0"));
    check_xen_not_asked();
}

static void inspect_shows_blocks_and_devices(void **state)
{
    (void)state;
    in_child(inspect_real_state);
}

static void inspect_releases(void)
{
    static const char *const states[] = {"0.1.0/plain.state",
                                         "0.1.0/kernel.state"};
    const char *srcdir = getenv("srcdir");
    char path[4096];

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        snprintf(path, sizeof(path), "%s/tests/vectors/%s",
                 srcdir ? srcdir : ".", states[i]);
        CHECK_EQUAL(TOOL("inspect", path), 0);
        CHECK_EQUAL(TOOL("check", path, "-m", "16", "-serial", "pty",
                         i ? "-kernel" : "-name", "x"),
                    0);
    }
}

static void states_of_all_releases_are_read(void **state)
{
    (void)state;
    in_child(inspect_releases);
}

static const char *text_in(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    CHECK(json_object_object_get_ex(object, key, &value));
    return json_object_get_string(value);
}

static void inspect_as_json(void)
{
    const char *state = scratch("state"), *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};
    struct json_object *out, *blocks, *rom;

    write_kernel(kernel, 8192);
    save(state, extra);
    CHECK_EQUAL(TOOL("inspect", "--json", state), 0);
    out = json_tokener_parse(tool_output);
    CHECK(json_object_object_get_ex(out, "blocks", &blocks));
    CHECK_EQUAL(json_object_array_length(blocks), 3);
    rom = json_object_array_get_idx(blocks, 2);
    CHECK(strcmp(text_in(rom, "name"), "xenram/boot.rom") == 0);
    CHECK(strcmp(text_in(rom, "gfn"), "1040384") == 0);
    CHECK(strcmp(text_in(rom, "max_length"), "65536") == 0);
    CHECK(!json_object_object_get_ex(out, "error", NULL));
    json_object_put(out);
}

static void inspect_speaks_json(void **state)
{
    (void)state;
    in_child(inspect_as_json);
}

static void inspect_damaged(void)
{
    const char *state = scratch("state"), *saved = scratch("saved");
    struct json_object *out;
    struct xl_file file;
    size_t len;
    char *data;

    save(state, NULL);
    data = read_file(state, &len);
    data[len / 2] ^= 1;
    xl_file_make(&file, NULL, data, len);
    write_file(saved, file.bytes, file.len);
    CHECK_EQUAL(TOOL("inspect", saved), 1);
    CHECK(said("guest.low")); /* what was in order is shown */
    CHECK(said("saved: state at 0x20d8: "));
    CHECK_EQUAL(TOOL("check", saved, "-m", "16", "-serial", "pty"), 1);
    CHECK(said("guest.low"));
    CHECK(said("would not be restored: "));
    CHECK_EQUAL(TOOL("inspect", "--json", saved), 1);
    *strstr(tool_output, "xenram: ") = '\0';
    out = json_tokener_parse(tool_output);
    CHECK(strstr(text_in(out, "error"), "of the state)"));
    json_object_put(out);

    /* In the middle of the state's record: its own words would mislead. */
    write_file(saved, file.bytes, file.state + 16);
    CHECK_EQUAL(TOOL("inspect", saved), 1);
    CHECK(said("ends at 0x20e8, within the device model's state"));
    xl_file_free(&file);
    free(data);
}

static void damage_is_told_with_its_offset(void **state)
{
    (void)state;
    in_child(inspect_damaged);
}

static void call_wrongly(void)
{
    static const struct {
        const char *words[5];
        int status;
        const char *text;
    } cases[] = {
        {{"xenram"}, 1, "inspect, check or plug, not ''"},
        {{"xenram", "load", "x"}, 1, "inspect, check or plug, not 'load'"},
        {{"xenram", "--help"}, 0, "usage: xenram inspect"},
        {{"xenram", "--version"}, 0, "xenram " PACKAGE_VERSION},
        {{"xenram", "inspect"}, 1, "inspect takes one file"},
        {{"xenram", "check", "--json"}, 1, "check takes one file"},
        {{"xenram", "inspect", "--xml", "f"}, 1, "--xml is not an option"},
        {{"xenram", "inspect", "f", "g"}, 1, "inspect takes one file"},
        {{"xenram", "inspect", "/no/such"}, 1, "/no/such: cannot be opened"},
        {{"xenram", "inspect", "/"}, 1, "cannot be read at 0x0"},
        {{"xenram", "inspect", "/dev/null"}, 1, "ends at 0x0, within"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_EQUAL(run_tool(cases[i].words), cases[i].status);
        CHECK(said(cases[i].text));
    }
}

static void a_wrong_command_line_is_refused_with_a_line(void **state)
{
    (void)state;
    in_child(call_wrongly);
}

static void inspect_standard_input(void)
{
    const char *state = scratch("state");

    save(state, NULL);
    CHECK(freopen(state, "r", stdin) != NULL);
    CHECK_EQUAL(TOOL("inspect", "-"), 0);
    CHECK(said("guest.low"));
}

static void a_dash_is_the_standard_input(void **state)
{
    (void)state;
    in_child(inspect_standard_input);
}

static void write_nowhere(void)
{
    const char *state = scratch("state");
    char *words[] = {"xenram", "inspect", (char *)(uintptr_t)state, NULL};
    int out = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    int status;

    save(state, NULL);
    fflush(stdout);
    dup2(full, STDOUT_FILENO);
    status = tool_main(3, words);
    dup2(out, STDOUT_FILENO);
    clearerr(stdout);
    close(out);
    close(full);
    CHECK_EQUAL(status, 1);
    CHECK(logged("cannot write what was found"));
}

static void output_that_is_lost_is_a_failure(void **state)
{
    (void)state;
    in_child(write_nowhere);
}

static void inspect_file_backed(void)
{
    const char *state = scratch("state"), *cmos = scratch("cmos");
    char file[300], copy[300], bytes[128] = "before";
    const char *const shared[] = {"-xenram-file", file, NULL};
    const char *const private[] = {"-xenram-file", copy, NULL};
    size_t len;
    char *after;

    snprintf(file, sizeof(file), "xenram/cmos=%s", cmos);
    snprintf(copy, sizeof(copy), "xenram/cmos=%s,private", cmos);
    write_file(cmos, bytes, sizeof(bytes));
    save(state, private);
    CHECK_EQUAL(TOOL("inspect", state), 0);
    CHECK(said("xenram/cmos  file-backed"));
    CHECK(said("private\n"));
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty",
                     "-xenram-file", file),
                1);
    CHECK(said("its file is mapped private in the stream, shared here"));

    fakexen_destroy(SOURCE);
    fakexen_xs_set("/local/domain/0/device-model/7/state", "");
    save(state, shared);
    write_file(cmos, bytes, sizeof(bytes));
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty",
                     "-xenram-file", file),
                0);
    after = read_file(cmos, &len);
    CHECK(len == sizeof(bytes) && memcmp(after, bytes, len) == 0);
    free(after);
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty"), 1);
    CHECK(said("file-backed in the stream, private here"));
    CHECK(unlink(cmos) == 0);
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty",
                     "-xenram-file", file),
                1);
    CHECK(said("would not start"));
}

static void files_of_blocks_are_named_and_not_written(void **state)
{
    (void)state;
    in_child(inspect_file_backed);
}

/* ---- check ------------------------------------------------------------ */

static void restore_or_not(const char *state, const char *const *extra,
                           const char *const *more, const char *text)
{
    struct qmp_peer peer;
    struct dm dm;
    bool up;
    int status;

    prepare_target(&dm, state, extra);
    for (; *more; more++)
        dm_add(&dm, *more);
    forbid_xen();
    status = check_as(&dm, state);
    check_xen_not_asked();
    CHECK(said(text));
    dm_launch(&dm);
    up = dm_comes_up(&dm);
    CHECK_EQUAL(status, up ? 0 : 1);
    if (!up) {
        char *why = strstr(tool_output, "would not be restored: ") + 23;

        CHECK_EQUAL(dm_join(&dm), 1);
        why[strcspn(why, "\n")] = '\0';
        CHECK(logged(why));
        return;
    }
    qmp_open_peer(&peer, dm.qmp_path);
    quit(&dm, &peer);
}

static void check_and_restore(void)
{
    const char *state = scratch("state"), *kernel = scratch("kernel");
    const char *rom[] = {"-kernel", kernel, NULL};
    const char *none[] = {NULL};
    const struct {
        const char *const *extra;
        const char *more[4];
        const char *text;
    } cases[] = {
        {rom, {NULL}, "would be restored"},
        {rom, {"-xenram-policy", "strict"}, "would be restored"},
        {rom, {"-m", "17"}, "guest.low: Length mismatch: 0x1000000"},
        {rom, {"-m", "5000"}, "guest.high: 0x48800000 bytes here, missing"},
        {rom, {"-serial", "null"}, "serial instance 1 is here, missing"},
        {rom, {"-machine", "pc,accel=xen"}, "unknown section xen-platform"},
        {none, {NULL}, "block xenram/boot.rom: unknown here"},
    };

    write_kernel(kernel, 8192);
    save(state, rom);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        restore_or_not(state, cases[i].extra, cases[i].more, cases[i].text);
}

static void check_says_what_a_restore_then_does(void **state)
{
    (void)state;
    in_child(check_and_restore);
}

static void check_memory_devices(void)
{
    static const char *const dimm[] = {"-object",
                                       "memory-backend-ram,id=a,size=128M",
                                       "-device", "pc-dimm,memdev=a", NULL};
    const char *state = scratch("state");
    struct qmp_peer peer;
    struct dm dm;

    create_domain(SOURCE);
    fakexen_set_maxmem(SOURCE, (16 + 130) * 256);
    dm_prepare(&dm, SOURCE, dimm);
    dm_launch(&dm);
    CHECK(dm_comes_up(&dm));
    qmp_open_peer(&peer, dm.qmp_path);
    qmp_save(&peer, state);
    quit(&dm, &peer);
    CHECK_EQUAL(TOOL("inspect", state), 0);
    CHECK(said("/objects/a"));
    CHECK(said("sparse"));
    forbid_xen();
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty", "-object",
                     "memory-backend-ram,id=a,size=128M", "-device",
                     "pc-dimm,memdev=a"),
                0);
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty", "-object",
                     "memory-backend-ram,id=a,size=128M", "-device",
                     "pc-dimm,memdev=a,addr=0x210000000"),
                1);
    CHECK(said("gfn 0x200000 in the stream, 0x210000 here"));
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty"), 1);
    CHECK(said("/objects/a: unknown here"));
    check_xen_not_asked();
}

static void check_knows_memory_devices(void **state)
{
    (void)state;
    in_child(check_memory_devices);
}

static void put_be64(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* Give the boot ROM of a state another length, as another release might. */
static void set_rom_length(const char *path, uint64_t used, uint64_t size)
{
    static const char name[] = "\x0fxenram/boot.rom";
    size_t len;
    uint8_t *data = read_file(path, &len);
    uint8_t *at = memmem(data, len, name, strlen(name));

    CHECK(at != NULL);
    at += strlen(name) + 1 + 4 + 8; /* kind, flags, gfn */
    put_be64(at, used);
    put_be64(at + 8, 0x100000);
    put_be64(at + 16, size);
    CHECK(fix_sum(data, len));
    write_file(path, data, len);
    free(data);
}

static void check_lengths(void)
{
    static const struct {
        uint64_t used, size;
        int status;
        const char *text;
    } cases[] = {
        {0x1000, 0x200, 0, "0x200      0x200      0x10000    same"},
        {0x1000, 0x100, 0, "0x100      0x200      0x10000    shrink"},
        {0x3000, 0x2001, 0, "0x2001     0x200      0x10000    grow"},
        {0x10000, 0x10000, 0, "0x10000    0x200      0x10000    grow"},
        {0x11000, 0x10001, 1,
         "refuse  block xenram/boot.rom: Length too large"},
    };
    const char *state = scratch("state"), *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};

    write_kernel(kernel, 8192);
    save(state, extra);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_rom_length(state, cases[i].used, cases[i].size);
        CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty",
                         "-kernel", "none"),
                    cases[i].status);
        CHECK(said(cases[i].text));
    }
    set_rom_length(state, 0x1000, 0x100);
    CHECK_EQUAL(TOOL("check", state, "-m", "16", "-serial", "pty", "-kernel",
                     "none", "-xenram-policy", "strict"),
                1);
    CHECK(said("and the policy is strict"));
}

static void check_tells_growth_and_shrinking(void **state)
{
    (void)state;
    in_child(check_lengths);
}

static void check_with_config(void)
{
#define HVM(info, hvm)                                                         \
    "{\"b_info\":{\"kernel\":\"/k\"," info ",\"type.hvm\":{" hvm "}}}"
    static const struct {
        const char *config;
        int status;
        const char *text;
    } cases[] = {
        {HVM("\"max_memkb\":16384", "\"serial\":\"pty\""), 0, "would be"},
        {HVM("\"max_memkb\":16383", "\"serial_list\":[\"pty\"]"), 0, "would"},
        {HVM("\"max_memkb\":24576,\"video_memkb\":8192",
             "\"serial\":\"pty\",\"xen_platform_pci\":\"<default>\""),
         0, "would be restored"},
        {HVM("\"max_memkb\":16384,\"extra_hvm\":[\"-xenram-policy\",\"x\"]",
             "\"serial\":\"pty\""),
         1, "adapt or strict"},
        {HVM("\"max_memkb\":16384,\"extra\":[\"-serial\",\"null\"]",
             "\"serial\":\"pty\""),
         1, "serial instance 1 is here"},
        {HVM("\"max_memkb\":16384",
             "\"serial\":\"pty\",\"xen_platform_pci\":\"False\""),
         1, "unknown section xen-platform"},
        {HVM("\"max_memkb\":16384", "\"serial\":\"pty\","
                                    "\"mmio_hole_memkb\":4190208"),
         1, "guest.high: 0xc00000 bytes here"},
        {HVM("\"max_memkb\":0", ""), 1, "refuses its options"},
        {"{\"b_info\":{\"type.pv\":{}}}", 1, "not that of an HVM guest"},
        {"{\"b_info\":[]}", 1, "not that of an HVM guest"},
        {"{", 1, "not that of an HVM guest"},
        {NULL, 1, "no configuration in it"},
    };
    const char *state = scratch("state"), *saved = scratch("saved");
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};

    write_kernel(kernel, 8192);
    save(state, extra);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        save_as_xl(saved, state, cases[i].config);
        CHECK_EQUAL(TOOL("check", saved), cases[i].status);
        CHECK(said(cases[i].text));
    }
    CHECK_EQUAL(TOOL("check", state), 1);
    CHECK(said("no configuration in it"));
}

static void check_finds_the_options_that_xl_would_give(void **state)
{
    (void)state;
    in_child(check_with_config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_shows_blocks_and_devices),
        cmocka_unit_test(states_of_all_releases_are_read),
        cmocka_unit_test(inspect_speaks_json),
        cmocka_unit_test(damage_is_told_with_its_offset),
        cmocka_unit_test(a_wrong_command_line_is_refused_with_a_line),
        cmocka_unit_test(a_dash_is_the_standard_input),
        cmocka_unit_test(output_that_is_lost_is_a_failure),
        cmocka_unit_test(files_of_blocks_are_named_and_not_written),
        cmocka_unit_test(check_says_what_a_restore_then_does),
        cmocka_unit_test(check_knows_memory_devices),
        cmocka_unit_test(check_tells_growth_and_shrinking),
        cmocka_unit_test(check_finds_the_options_that_xl_would_give),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
