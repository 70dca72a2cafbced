/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/block/disks.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/ide-guest.h"

#define NO_MEDIUM 0x023a01
#define TRAY_OPEN 0x023a02
#define INVALID_OPCODE 0x052000
#define OUT_OF_RANGE 0x052100
#define INVALID_FIELD 0x052400
#define NOT_SAVED 0x053900
#define LOCKED 0x055300
#define CHANGED 0x062800
#define READ_ERROR 0x031100

static int setup(void **state)
{
    guest_begin(*state ? *state : "--c-");
    use_channel(1);
    map_bus_master();
    return 0;
}

/* Twelve bytes, of which the last ones are mostly zero. */
struct cdb {
    uint8_t bytes[12];
};

static void succeeds(const struct cdb *cdb, void *data, size_t room,
                     size_t want)
{
    size_t len = room;

    assert_int_equal(packet(0, cdb->bytes, data, &len), ST_READY);
    assert_int_equal(len, want);
}

static void fails(const struct cdb *cdb, uint32_t with)
{
    size_t len = 0;

    assert_int_equal(packet(0, cdb->bytes, NULL, &len), ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), with >> 16 << 4);
    assert_int_equal(len, 0);
    assert_int_equal(sense(0), with);
    assert_int_equal(sense(0), 0);
}

static const struct cdb test_unit_ready = {{0x00}};

static struct disk *cdrom(void)
{
    return disks_ide(guest.board.machine.disks, 2);
}

/* ---- replies ---- */

static void replies_are_those_of_a_cdrom_drive(void **state)
{
    static const struct {
        struct cdb cdb;
        size_t len, compared;
        uint8_t bytes[64];
    } cases[] = {
        {{{0x12, 0, 0, 0, 36}},
         36,
         14,
         {0x05, 0x80, 0, 0x21, 31, 0, 0, 0, 'X', 'E', 'N', 'R', 'A', 'M'}},
        {{{0x25}}, 8, 8, {0, 0, 0x03, 0xff, 0, 0, 0x08, 0}},
        /* tables of contents: tracks, with sectors and with times */
        {{{0x43, 0, 0, 0, 0, 0, 0, 0, 20}}, 20, 20, {0,    18, 1, 1,    0,
                                                     0x14, 1,  0, 0,    0,
                                                     0,    0,  0, 0x14, 0xaa,
                                                     0,    0,  0, 0x04, 0}},
        {{{0x43, 2, 0, 0, 0, 0, 1, 0, 20}}, 20, 20, {0,    18, 1, 1,    0,
                                                     0x14, 1,  0, 0,    0,
                                                     2,    0,  0, 0x14, 0xaa,
                                                     0,    0,  0, 15,   49}},
        {{{0x43, 0, 0, 0, 0, 0, 0xaa, 0, 255}},
         12,
         12,
         {0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 0x04, 0}},
        /* sessions */
        {{{0x43, 0, 1, 0, 0, 0, 0, 0, 12}},
         12,
         12,
         {0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}},
        {{{0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40}},
         12,
         12,
         {0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}},
        /* all */
        {{{0x43, 0, 2, 0, 0, 0, 0, 0, 255}},
         48,
         16,
         {0, 46, 1, 1, 1, 0x14, 0, 0xa0, 0, 0, 0, 0, 1, 0, 0, 1}},
        /* mode pages */
        {{{0x1a, 0, 0x01, 0, 255}}, 12, 8, {11, 0x01, 0, 0, 0x01, 6, 0, 5}},
        {{{0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 255}},
         28,
         12,
         {0, 26, 0x01, 0, 0, 0, 0, 0, 0x2a, 0x12, 0x0b, 0}},
        {{{0x5a, 0, 0x6a, 0, 0, 0, 0, 0, 255}}, /* changeable: nothing */
         28,
         12,
         {0, 26, 0x01, 0, 0, 0, 0, 0, 0x2a, 0x12, 0, 0}},
        {{{0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255}}, 48, 2, {0, 46}},
        /* features */
        {{{0x46, 0, 0, 0, 0, 0, 0, 0, 255}}, 40, 24, {0, 0,    0, 36, 0, 0,
                                                      0, 8,    0, 0,  3, 8,
                                                      0, 0x10, 0, 0,  0, 8,
                                                      1, 0,    0, 1,  7, 8}},
        {{{0x46, 2, 0, 3, 0, 0, 0, 0, 255}},
         16,
         16,
         {0, 0, 0, 12, 0, 0, 0, 8, 0, 3, 3, 4, 0x29, 0, 0, 0}},
        {{{0x46, 2, 0, 7, 0, 0, 0, 0, 255}}, 8, 8, {0, 0, 0, 4, 0, 0, 0, 8}},
        {{{0x51, 0, 0, 0, 0, 0, 0, 0, 255}},
         34,
         8,
         {0, 32, 0x0e, 1, 1, 1, 1, 0x20}},
        {{{0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}}, 8, 2, {0, 0}},
        {{{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}}, 8, 6, {0, 6, 4, 0x10, 0, 2}},
        {{{0x4a, 1, 0, 0, 0x40, 0, 0, 0, 8}}, 4, 4, {0, 2, 0x80, 0x10}},
        /* no more than there is room for */
        {{{0x12, 0, 0, 0, 5}}, 5, 5, {0x05, 0x80, 0, 0x21, 31}},
        {{{0x12, 0, 0, 0, 0}}, 0, 0, {0}},
        {{{0x43, 0, 0, 0, 0, 0, 0, 0, 2}}, 2, 2, {0, 18}},
        {{{0x03, 0, 0, 0, 4}}, 4, 4, {0x70, 0, 0, 0}},
        {{{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4}}, 4, 4, {0, 6, 4, 0x10}},
    };
    uint8_t data[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        succeeds(&cases[i].cdb, data, sizeof(data), cases[i].len);
        assert_memory_equal(data, cases[i].bytes, cases[i].compared);
    }
}

static void commands_without_data_succeed(void **state)
{
    static const struct cdb cases[] = {
        {{0x00}},
        {{0x1b, 0, 0, 0, 1}},
        {{0x1b, 0, 0, 0, 0}},
        {{0x1e, 0, 0, 0, 1}},
        {{0x1e, 0, 0, 0, 0}},
        {{0x2b, 0, 0, 0, 0x03, 0xff}},
        {{0xbb, 0, 0xff, 0xff}},
        {{0x28, 0, 0, 0, 0, 5}}, /* nothing is read */
        {{0x15}},
        {{0x55}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned before = edges();

        succeeds(&cases[i], NULL, 0, 0);
        assert_int_equal(edges(), before + 1);
    }
}

static void what_cannot_be_is_refused_with_its_sense(void **state)
{
    static const struct {
        struct cdb cdb;
        uint32_t sense;
    } cases[] = {
        {{{0x2a}}, INVALID_OPCODE}, /* WRITE */
        {{{0xff}}, INVALID_OPCODE},
        {{{0x12, 1}}, INVALID_FIELD},
        {{{0x1a, 0, 0x07, 0, 255}}, INVALID_FIELD},
        {{{0x5a, 0, 0xff, 0, 0, 0, 0, 0, 255}}, NOT_SAVED},
        {{{0x43, 0, 3, 0, 0, 0, 0, 0, 255}}, INVALID_FIELD},
        {{{0x43, 0, 0, 0, 0, 0, 2, 0, 255}}, INVALID_FIELD},
        {{{0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8}}, INVALID_FIELD},
        {{{0x46, 3}}, INVALID_FIELD},
        {{{0x51, 1, 0, 0, 0, 0, 0, 0, 255}}, INVALID_FIELD},
        {{{0x28, 0, 0, 0, 0x04, 0, 0, 0, 1}}, OUT_OF_RANGE},
        {{{0x28, 0, 0, 0, 0x03, 0xff, 0, 0, 2}}, OUT_OF_RANGE},
        {{{0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}}, OUT_OF_RANGE},
        {{{0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0xf8}}, INVALID_FIELD},
        {{{0xbe, 4, 0, 0, 0, 1, 0, 0, 1, 0x10}}, INVALID_FIELD},
        {{{0x2b, 0, 0, 0, 0x04, 0}}, OUT_OF_RANGE},
        {{{0x55, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, INVALID_FIELD},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fails(&cases[i].cdb, cases[i].sense);
}

/* ---- sectors ---- */

static void sectors_are_read_by_every_command(void **state)
{
    static const struct {
        struct cdb cdb;
        uint32_t first, nr;
    } cases[] = {
        {{{0x28, 0, 0, 0, 0, 16, 0, 0, 1}}, 16, 1},
        {{{0x28, 0, 0, 0, 0x03, 0xff, 0, 0, 1}}, CD_SECTORS - 1, 1},
        {{{0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 9}}, 3, 9},
        {{{0xbe, 0, 0, 0, 0, 7, 0, 0, 5, 0x10}}, 7, 5},
        {{{0xbe, 0x08, 0, 0, 0, 7, 0, 0, 2, 0x10}}, 7, 2},
        {{{0xbe, 0, 0, 0, 0, 7, 0, 0, 5, 0}}, 7, 0},
    };
    uint8_t data[9 * 2048];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        succeeds(&cases[i].cdb, data, sizeof(data), cases[i].nr * 2048);
        expect_sectors(data, cases[i].first * 4, cases[i].nr * 4);
    }
}

/* SeaBIOS asks for 2048 bytes a block; others for what their buffer has. */
static void blocks_are_as_long_as_the_guest_asked(void **state)
{
    static const struct {
        uint16_t limit, first;
    } cases[] = {{2048, 2048}, {0x1000, 0x1000}, {2, 2},    {100, 100},
                 {101, 100},   {0, 8192},        {1, 8192}, {0xffff, 8192}};
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 1, 0, 0, 4}};
    uint8_t data[8192];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t got = 0;

        ata(&(struct ata){.command = 0xa0,
                          .lba = (uint64_t)cases[i].limit << 8});
        pio_out(read.bytes, 12, 12);
        assert_int_equal(inb(R_MID) | inb(R_HIGH) << 8, cases[i].first);
        while (inb(R_STATUS) & ST_DRQ) {
            size_t block = inb(R_MID) | (size_t)inb(R_HIGH) << 8;

            assert_true(got + block <= sizeof(data));
            pio_in(data + got, block, block);
            got += block;
        }
        assert_int_equal(got, sizeof(data));
        expect_sectors(data, 4, 16);
    }
}

static uint8_t packet_dma(const struct cdb *cdb, bool to_memory)
{
    ata(&(struct ata){.command = 0xa0, .feature = 1});
    pio_out(cdb->bytes, 12, 12);
    dma_start(to_memory);
    return inb(R_CONTROL);
}

static void sectors_and_replies_go_by_dma_too(void **state)
{
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 20, 0, 0, 32}};
    static const struct cdb inquiry = {{0x12, 0, 0, 0, 36}};
    static const struct cdb select = {{0x55, 0, 0, 0, 0, 0, 0, 0, 16}};
    static const uint32_t addresses[] = {DATA}, all[] = {0}, some[] = {36},
                          few[] = {16};
    uint8_t data[65536];

    (void)state;
    dma_table(addresses, all, 1);
    assert_int_equal(packet_dma(&read, true), ST_READY);
    assert_int_equal(dma_status(), BM_INTERRUPT);
    dma_stop();
    memory_read(DATA, data, sizeof(data));
    expect_sectors(data, 80, 128);

    dma_table(addresses, some, 1);
    assert_int_equal(packet_dma(&inquiry, true), ST_READY);
    assert_int_equal(dma_status(), BM_INTERRUPT);
    dma_stop();
    memory_read(DATA, data, 36);
    assert_memory_equal(data + 16, "CD-ROM", 6);

    dma_table(addresses, few, 1);
    assert_int_equal(packet_dma(&select, false), ST_READY);
    assert_int_equal(dma_status(), BM_INTERRUPT);
    dma_stop();

    dma_table(&(uint32_t){0xa0000}, some, 1);
    assert_int_equal(packet_dma(&inquiry, true), ST_READY | ST_ERR);
    assert_int_equal(dma_status(), BM_INTERRUPT | BM_ERROR);
}

static void a_truncated_image_is_a_read_error(void **state)
{
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 6, 0, 0, 4}};
    uint8_t data[4096];
    size_t len = sizeof(data);

    (void)state;
    assert_int_equal(truncate(guest.paths[2], 8 * 2048), 0);
    assert_int_equal(packet(0, read.bytes, data, &len), ST_READY | ST_ERR);
    assert_int_equal(len, 4096);
    expect_sectors(data, 24, 8);
    assert_int_equal(sense(0), READ_ERROR);
}

static void parameters_are_taken_and_change_nothing(void **state)
{
    static const struct cdb select = {{0x15, 0x10, 0, 0, 12}};
    static const uint8_t list[12] = {0, 0, 0, 0, 0x01, 6, 0xff, 0xff};
    static const struct cdb sense_page = {{0x1a, 0, 0x01, 0, 12}};
    uint8_t data[12];

    (void)state;
    ata(&(struct ata){.command = 0xa0});
    pio_out(select.bytes, 12, 12);
    assert_int_equal(inb(R_COUNT), 0);
    guest_restore();
    pio_out(list, 12, 12);
    assert_int_equal(inb(R_STATUS), ST_READY);
    succeeds(&sense_page, data, 12, 12);
    assert_int_equal(data[7], 5);
}

/* ---- media ---- */

static void another_medium_is_told_once(void **state)
{
    static const struct cdb event = {{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}};
    static const struct cdb capacity = {{0x25}};
    uint8_t data[8];

    (void)state;
    assert_int_equal(disk_change(cdrom(), NULL, -1), 0);
    succeeds(&event, data, 8, 8);
    assert_int_equal(data[4], 3); /* removed */
    assert_int_equal(data[5], 0);
    fails(&test_unit_ready, NO_MEDIUM);
    fails(&capacity, NO_MEDIUM);

    assert_int_equal(truncate(guest.paths[2], 100 * 2048), 0);
    assert_int_equal(disk_change(cdrom(), guest.paths[2], -1), 0);
    guest_restore();
    succeeds(&event, data, 8, 8);
    assert_int_equal(data[4], 2); /* new */
    assert_int_equal(data[5], 2);
    succeeds(&event, data, 8, 8);
    assert_int_equal(data[4], 0);
    fails(&test_unit_ready, CHANGED);
    succeeds(&test_unit_ready, NULL, 0, 0);
    succeeds(&capacity, data, 8, 8);
    assert_int_equal(data[3], 99);
}

static void an_empty_drive_is_not_ready(void **state)
{
    static const struct cdb features = {{0x46, 0, 0, 0, 0, 0, 0, 0, 8}};
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 1, 0, 0, 1}};
    uint8_t data[8];

    (void)state;
    fails(&test_unit_ready, NO_MEDIUM);
    fails(&read, NO_MEDIUM);
    succeeds(&features, data, 8, 8);
    assert_int_equal(data[7], 0); /* no profile */
}

static void operators_see_the_tray(void **state)
{
    static const struct cdb lock = {{0x1e, 0, 0, 0, 1}}, unlock = {{0x1e}},
                            eject = {{0x1b, 0, 0, 0, 2}},
                            event = {{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}};
    uint8_t data[8];

    (void)state;
    assert_false(disk_tray_locked(cdrom()));
    succeeds(&lock, NULL, 0, 0);
    assert_true(disk_tray_locked(cdrom()));
    disk_ask_for_medium(cdrom());
    succeeds(&event, data, 8, 8);
    assert_int_equal(data[4], 1);
    succeeds(&unlock, NULL, 0, 0);
    assert_false(disk_tray_locked(cdrom()));
    assert_false(disk_tray_open(cdrom()));
    succeeds(&eject, NULL, 0, 0);
    assert_true(disk_tray_open(cdrom()));
}

static void a_tray_opens_unless_it_is_locked(void **state)
{
    static const struct cdb lock = {{0x1e, 0, 0, 0, 1}}, unlock = {{0x1e}},
                            eject = {{0x1b, 0, 0, 0, 2}},
                            load = {{0x1b, 0, 0, 0, 3}},
                            page = {{0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 28}},
                            status = {{0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}};
    uint8_t data[28];

    (void)state;
    succeeds(&lock, NULL, 0, 0);
    guest_restore();
    succeeds(&page, data, 28, 28);
    assert_int_equal(data[8 + 6], 0x2b);
    fails(&eject, LOCKED);
    succeeds(&test_unit_ready, NULL, 0, 0);
    succeeds(&unlock, NULL, 0, 0);
    succeeds(&eject, NULL, 0, 0);
    guest_restore();
    fails(&test_unit_ready, TRAY_OPEN);
    succeeds(&status, data, 8, 8);
    assert_int_equal(data[1], 0x10);
    succeeds(&load, NULL, 0, 0);
    fails(&test_unit_ready, CHANGED);
    succeeds(&test_unit_ready, NULL, 0, 0);
}

/* ---- resets ---- */

static void a_device_reset_ends_a_command(void **state)
{
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 1, 0, 0, 4}};

    (void)state;
    ata(&(struct ata){.command = 0xa0, .lba = 0x80000});
    for (unsigned i = 0; i < 12; i += 2)
        out(R_DATA, 2, read.bytes[i] | (uint32_t)read.bytes[i + 1] << 8);
    assert_int_equal(inb(R_CONTROL), ST_BSY);
    outb(R_COMMAND, 0x08);
    assert_int_equal(inb(R_STATUS), 0);
    assert_int_equal(inb(R_MID) | inb(R_HIGH) << 8, 0xeb14);
    settle();
    assert_int_equal(line(), 0);
    succeeds(&test_unit_ready, NULL, 0, 0);
}

static void a_reading_goes_on_after_a_restore(void **state)
{
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 1, 0, 0, 9}};
    uint8_t data[9 * 2048];

    (void)state;
    ata(&(struct ata){.command = 0xa0, .lba = 0x80000});
    pio_out(read.bytes, 12, 12);
    for (unsigned i = 0; i < 9; i++) {
        guest_restore();
        pio_in(data + i * 2048, 2048, 2048);
    }
    expect_sectors(data, 4, 36);
    assert_int_equal(inb(R_STATUS), ST_READY);
}

/* Packets of all opcodes and much else; the drive then still works. */
static void any_packet_is_survived(void **state)
{
    uint32_t seed = 7;
    uint8_t bytes[12], data[2048];
    static const struct cdb read = {{0x28, 0, 0, 0, 0, 1, 0, 0, 1}};

    (void)state;
    for (unsigned i = 0; i < 4096; i++) {
        bytes[0] = (uint8_t)i;
        for (unsigned n = 1; n < 12; n++) {
            seed = seed * 1664525 + 1013904223;
            bytes[n] = seed & 0x800000 ? (uint8_t)(seed >> 24) : 0;
        }
        ata(&(struct ata){
            .command = 0xa0, .feature = seed >> 9 & 1, .lba = seed});
        pio_out(bytes, 12, 12);
        for (unsigned n = 0; n < (seed >> 8) % 64; n++)
            in(R_DATA, 4);
        settle();
    }
    outb(R_COMMAND, 0x08);
    outb(R_DEVICE, 0xa0);
    succeeds(&(struct cdb){{0x1e}}, NULL, 0, 0);
    packet(0, (const uint8_t[12]){0x1b, 0, 0, 0, 3}, NULL, NULL);
    packet(0, test_unit_ready.bytes, NULL, NULL);
    succeeds(&read, data, sizeof(data), 2048);
    expect_sectors(data, 4, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replies_are_those_of_a_cdrom_drive),
        TEST(commands_without_data_succeed),
        TEST(what_cannot_be_is_refused_with_its_sense),
        TEST(sectors_are_read_by_every_command),
        TEST(blocks_are_as_long_as_the_guest_asked),
        TEST(sectors_and_replies_go_by_dma_too),
        TEST(a_truncated_image_is_a_read_error),
        TEST(parameters_are_taken_and_change_nothing),
        TEST(another_medium_is_told_once),
        DRIVES(an_empty_drive_is_not_ready, "--e-"),
        TEST(operators_see_the_tray),
        TEST(a_tray_opens_unless_it_is_locked),
        TEST(a_device_reset_ends_a_command),
        TEST(a_reading_goes_on_after_a_restore),
        TEST(any_packet_is_survived),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
