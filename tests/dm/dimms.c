/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* DIMMs of the command line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/carried.h"
#include "tests/fakexen/fakexen.h"

#define PAGE UINT64_C(4096)
#define MIB_PAGES UINT64_C(256)
/* 16 MiB of RAM end below 4 GiB; a gap of 4 GiB follows. */
#define PLACE (UINT64_C(8) << 30)
#define PLACE_GFN (PLACE / PAGE)
#define TABLE_GFN 0xfe800u
#define TABLE_PAGES 1u
#define XS(domid, key) "/local/domain/" #domid "/hvmloader/acpi/" key

#define BACKEND(id, size) "-object", "memory-backend-ram,id=" id ",size=" size

static void give_room(uint32_t domid, uint64_t mib)
{
    create_domain(domid);
    fakexen_set_maxmem(domid, GUEST_PAGES + mib * MIB_PAGES + 256);
}

static void have_two(void)
{
    static const char *const extra[] = {BACKEND("a", "128M"),
                                        "-device",
                                        "pc-dimm,id=d0,memdev=a",
                                        BACKEND("b", "256M"),
                                        "-device",
                                        "pc-dimm,id=d1,memdev=b,node=1",
                                        NULL};
    const char *state = scratch("state");
    struct dm source, target;
    struct qmp_peer peer;
    uint64_t pages, word;
    char table[5] = "";

    give_room(SOURCE, 400);
    pages = fakexen_tot_pages(SOURCE);
    dm_prepare(&source, SOURCE, extra);
    dm_launch(&source);
    CHECK(dm_comes_up(&source));
    CHECK_EQUAL(fakexen_tot_pages(SOURCE),
                pages + 384 * MIB_PAGES + TABLE_PAGES);
    CHECK_EQUAL(fakexen_type(SOURCE, PLACE_GFN), FAKEXEN_RAM_RW);
    CHECK_EQUAL(fakexen_type(SOURCE, PLACE_GFN + 384 * MIB_PAGES - 1),
                FAKEXEN_RAM_RW);
    CHECK_EQUAL(fakexen_type(SOURCE, PLACE_GFN - 1), FAKEXEN_HOLE);
    CHECK_EQUAL(fakexen_type(SOURCE, PLACE_GFN + 384 * MIB_PAGES),
                FAKEXEN_HOLE);
    CHECK(strcmp(fakexen_xs_get(XS(7, "address")), "0xfe800000") == 0);
    fakexen_peek(SOURCE, TABLE_GFN * PAGE, table, 4);
    CHECK(strcmp(table, "SSDT") == 0);
    fakexen_peek(SOURCE, TABLE_GFN * PAGE + 4, &word, 4);
    CHECK_EQUAL(strtoul(fakexen_xs_get(XS(7, "length")), NULL, 0),
                (uint32_t)word);

    word = 0x1122334455667788;
    fakexen_poke(SOURCE, PLACE + (300u << 20), &word, sizeof(word));
    qmp_open_peer(&peer, source.qmp_path);
    qmp_save(&peer, state);
    quit(&source, &peer);
    prepare_target(&target, state, extra);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    CHECK_EQUAL(fakexen_tot_pages(TARGET),
                pages + 384 * MIB_PAGES + TABLE_PAGES);
    word = 0;
    fakexen_peek(TARGET, PLACE + (300u << 20), &word, sizeof(word));
    CHECK_EQUAL(word, 0x1122334455667788);
    /* Its firmware has run long ago. */
    CHECK(fakexen_xs_get(XS(8, "address")) == NULL);
    qmp_open_peer(&peer, target.qmp_path);
    quit(&target, &peer);
}

static void dimms_are_there_from_the_start_and_after_a_restore(void **state)
{
    (void)state;
    in_child(have_two);
}

static void check_answer(struct qmp_peer *peer, const char *command,
                         const char *arguments, const char *answer)
{
    struct json_object *value = qmp_call(peer, command, arguments);
    const char *text = json_object_get_string(value);

    if (!json_object_is_type(value, json_type_string))
        text = json_object_to_json_string_ext(
            value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (strcmp(text, answer) != 0)
        fprintf(stderr, "%s\n%s\n", text, answer);
    CHECK(strcmp(text, answer) == 0);
    json_object_put(value);
}

static void ask(void)
{
    static const char *const extra[] = {
        BACKEND("a", "128M"),
        "-device",
        "pc-dimm,id=d0,memdev=a,addr=0x210000000,slot=3,node=2",
        BACKEND("b", "128M"),
        "-device",
        "pc-dimm,memdev=b",
        NULL};
    struct qmp_peer peer;
    struct dm dm;

    give_room(SOURCE, 300);
    fakexen_xs_set("/local/domain/7/memory/static-max", "393216");
    fakexen_xs_set("/local/domain/7/memory/target", "131072");
    dm_prepare(&dm, SOURCE, extra);
    dm_launch(&dm);
    CHECK(dm_comes_up(&dm));
    qmp_open_peer(&peer, dm.qmp_path);
    check_answer(&peer, "query-memory-devices", NULL,
                 "[{\"type\":\"dimm\",\"data\":{\"addr\":8589934592,"
                 "\"size\":134217728,\"slot\":0,\"node\":0,"
                 "\"memdev\":\"/objects/b\",\"hotplugged\":false,"
                 "\"hotpluggable\":false}},"
                 "{\"type\":\"dimm\",\"data\":{\"id\":\"d0\","
                 "\"addr\":8858370048,\"size\":134217728,\"slot\":3,\"node\":2,"
                 "\"memdev\":\"/objects/a\",\"hotplugged\":false,"
                 "\"hotpluggable\":false}}]");
    check_answer(&peer, "query-memory-size-summary", NULL,
                 "{\"base-memory\":16777216,\"plugged-memory\":268435456}");
    check_answer(&peer, "human-monitor-command",
                 "{\"command-line\":\"info memory_size_summary\"}",
                 "base memory: 16777216\r\nplugged memory: 268435456\r\n");
    check_answer(&peer, "human-monitor-command",
                 "{\"command-line\":\"info memory-devices\"}",
                 "Memory device [dimm]: \"\"\r\n  addr: 0x200000000\r\n"
                 "  slot: 0\r\n  node: 0\r\n  size: 134217728\r\n"
                 "  memdev: /objects/b\r\n  hotplugged: false\r\n"
                 "  hotpluggable: false\r\n"
                 "Memory device [dimm]: \"d0\"\r\n  addr: 0x210000000\r\n"
                 "  slot: 3\r\n  node: 2\r\n  size: 134217728\r\n"
                 "  memdev: /objects/a\r\n  hotplugged: false\r\n"
                 "  hotpluggable: false\r\n");
    CHECK(strcmp(fakexen_xs_get("/local/domain/7/memory/static-max"),
                 "131072") == 0);
    qmp_do(&peer, "query-cpus-fast", NULL);
    CHECK(strcmp(fakexen_xs_get("/local/domain/7/memory/static-max"),
                 "393216") == 0);
    quit(&dm, &peer);
}

static void questions_are_answered_in_the_words_of_QEMU(void **state)
{
    (void)state;
    in_child(ask);
}

static void refuse_others(void)
{
    static const char *const saved[] = {BACKEND("a", "128M"), "-device",
                                        "pc-dimm,memdev=a", NULL};
    static const struct {
        const char *object, *device, *words;
    } cases[] = {
        {"memory-backend-ram,id=a,size=128M",
         "pc-dimm,memdev=a,addr=0x240000000",
         "block /objects/a: gfn 0x200000 in the stream, 0x240000 here"},
        {"memory-backend-ram,id=a,size=256M", "pc-dimm,memdev=a",
         "block /objects/a: Length mismatch: 0x8000000"},
        {"memory-backend-ram,id=z,size=128M", "pc-dimm,memdev=z",
         "block /objects/a: unknown here"},
    };
    const char *state = scratch("state");
    struct dm source, target;
    struct qmp_peer peer;

    give_room(SOURCE, 300);
    dm_prepare(&source, SOURCE, saved);
    dm_launch(&source);
    CHECK(dm_comes_up(&source));
    qmp_open_peer(&peer, source.qmp_path);
    qmp_save(&peer, state);
    quit(&source, &peer);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const extra[] = {"-object", cases[i].object, "-device",
                                     cases[i].device, NULL};

        prepare_target(&target, state, extra);
        dm_launch(&target);
        CHECK(!dm_comes_up(&target));
        CHECK_EQUAL(dm_join(&target), 1);
        CHECK(logged(cases[i].words));
    }
}

static void a_restore_with_other_dimms_is_refused(void **state)
{
    (void)state;
    in_child(refuse_others);
}

static void refuse_starts(void)
{
    static const struct {
        const char *size, *device, *words;
        uint64_t room;
        bool slots; /* one is allowed */
    } cases[] = {
        {"128M", "pc-dimm,memdev=a",
         "0x8000000 bytes are wanted, and 0x0 of the 0x4100000 for memory "
         "devices are in use: raise videoram",
         64, false},
        {"64M", "pc-dimm,memdev=a", "must be a multiple of 0x8000000", 400,
         false},
        {"128M", "pc-dimm,memdev=a,addr=0x200100000",
         "must be a multiple of 0x8000000", 400, false},
        {"128M", "pc-dimm,memdev=a,addr=0x100000000",
         "leave the region for memory devices", 400, false},
        {"128M", "pc-dimm,memdev=a,slot=1", "slot 1 is taken", 400, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char object[64];
        const char *const extra[] = {
            "-object", object,
            "-device", cases[i].device,
            "-m",      cases[i].slots ? "slots=1" : "slots=0",
            NULL};
        uint64_t pages;
        struct dm dm;

        snprintf(object, sizeof(object), "memory-backend-ram,id=a,size=%s",
                 cases[i].size);
        give_room(SOURCE, cases[i].room);
        pages = fakexen_tot_pages(SOURCE);
        dm_prepare(&dm, SOURCE, extra);
        dm_launch(&dm);
        CHECK(!dm_comes_up(&dm));
        CHECK_EQUAL(dm_join(&dm), 1);
        CHECK(logged(cases[i].words));
        CHECK_EQUAL(fakexen_tot_pages(SOURCE), pages);
        fakexen_destroy(SOURCE);
    }
}

static void dimms_that_cannot_be_stop_the_start(void **state)
{
    (void)state;
    in_child(refuse_starts);
}

static void respect_tables(void)
{
    static const char *const extra[] = {BACKEND("a", "128M"), "-device",
                                        "pc-dimm,memdev=a", NULL};
    struct dm dm;

    give_room(SOURCE, 300);
    fakexen_xs_set(XS(7, "address"), "0xfc002000");
    dm_prepare(&dm, SOURCE, extra);
    dm_launch(&dm);
    CHECK(dm_comes_up(&dm));
    CHECK(strcmp(fakexen_xs_get(XS(7, "address")), "0xfc002000") == 0);
    CHECK(logged("xl.cfg: acpi_firmware"));
    dm_end(&dm);
}

static void tables_of_the_operator_stay(void **state)
{
    (void)state;
    in_child(respect_tables);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(dimms_are_there_from_the_start_and_after_a_restore),
        cmocka_unit_test(questions_are_answered_in_the_words_of_QEMU),
        cmocka_unit_test(a_restore_with_other_dimms_is_refused),
        cmocka_unit_test(dimms_that_cannot_be_stop_the_start),
        cmocka_unit_test(tables_of_the_operator_stay),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
