/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/pci.h"

#include "dm/block/disks.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/ide-guest.h"

#define IDE PCI_DEVFN(1, 1)

#define CONTROL_SRST 0x04
#define CONTROL_NIEN 0x02
#define CONTROL_HOB 0x80

static int setup(void **state)
{
    guest_begin(*state ? *state : "d-c-");
    return 0;
}

static uint32_t config_in(unsigned offset, unsigned size)
{
    return pci_config_read(&guest.board.machine, IDE, offset, size);
}

static void config_out(unsigned offset, unsigned size, uint32_t value)
{
    pci_config_write(&guest.board.machine, IDE, offset, size, value);
}

/* ---- the function ---- */

static void the_function_is_that_of_a_piix3(void **state)
{
    (void)state;
    assert_int_equal(config_in(0x00, 4), 0x70108086);
    assert_int_equal(config_in(0x08, 4) >> 8, 0x010180);
    assert_int_equal(config_in(0x3d, 1), 0);
    config_out(0x20, 4, UINT32_MAX); /* hvmloader, pci.c: size of BAR 4 */
    assert_int_equal(config_in(0x20, 4), 0xfffffff1);
    for (unsigned bar = 0x10; bar < 0x20; bar += 4)
        assert_int_equal(config_in(bar, 4), 0);
    assert_int_equal(config_in(0x40, 4), 0);
    config_out(0x40, 2, 0x8000);
    config_out(0x42, 2, 0x8000);
    guest_restore();
    assert_int_equal(config_in(0x40, 4), 0x80008000);
}

static void a_machine_without_drives_has_no_controller(void **state)
{
    (void)state;
    assert_int_equal(config_in(0x00, 4), UINT32_MAX);
    assert_int_equal(inb(R_STATUS), 0xff);
}

/* ---- probing ---- */

/* SeaBIOS, hw/ata.c:ata_detect; Linux, libata-sff.c:ata_devchk. */
static bool registers_hold(unsigned unit)
{
    outb(R_DEVICE, unit ? 0xb0 : 0xa0);
    outb(R_COUNT, 0x55);
    outb(R_LOW, 0xaa);
    return inb(R_COUNT) == 0x55 && inb(R_LOW) == 0xaa &&
           inb(R_DEVICE) == (unit ? 0xb0 : 0xa0);
}

static void only_drives_that_are_there_hold_their_registers(void **state)
{
    static const struct {
        unsigned channel, unit;
        bool holds;
        uint8_t status;
    } cases[] = {
        {0, 0, true, ST_READY},
        {0, 1, false, 0x00},
        {1, 0, true, 0x00},
        {1, 1, false, 0x00},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        use_channel(cases[i].channel);
        assert_int_equal(registers_hold(cases[i].unit), cases[i].holds);
        assert_int_equal(inb(R_STATUS), cases[i].status);
        assert_int_equal(inb(R_CONTROL), cases[i].status);
    }
}

static void a_channel_without_drives_floats(void **state)
{
    (void)state;
    use_channel(1);
    assert_false(registers_hold(0));
    for (uint16_t port = 0x1f1; port < 0x1f8; port++)
        assert_int_equal(inb(port), 0xff);
    assert_int_equal(inb(R_CONTROL), 0xff);
    assert_int_equal(ata_simple(0, 0xec), 0xff);
    assert_int_equal(line(), 0);
}

static void expect_signature(unsigned unit, uint8_t mid, uint8_t high)
{
    outb(R_DEVICE, unit ? 0xb0 : 0xa0);
    assert_int_equal(inb(R_COUNT), 1);
    assert_int_equal(inb(R_LOW), 1);
    assert_int_equal(inb(R_MID), mid);
    assert_int_equal(inb(R_HIGH), high);
    assert_int_equal(inb(R_ERROR), 1);
}

static void a_soft_reset_shows_signatures(void **state)
{
    (void)state;
    for (unsigned channel = 0; channel < 2; channel++) {
        use_channel(channel);
        registers_hold(0);
        outb(R_CONTROL, CONTROL_SRST);
        assert_int_equal(inb(R_STATUS), ST_BSY);
        outb(R_COMMAND, 0xec); /* not now */
        outb(R_CONTROL, 0);
        assert_int_equal(inb(R_STATUS), channel ? 0x00 : ST_READY);
        assert_int_equal(inb(R_DEVICE), 0xa0);
        expect_signature(0, channel ? 0x14 : 0, channel ? 0xeb : 0);
        assert_int_equal(line(), 0);
    }
}

static void a_diagnostic_shows_signatures_and_interrupts(void **state)
{
    (void)state;
    registers_hold(0);
    outb(R_COMMAND, 0x90);
    assert_int_equal(line(), 1);
    expect_signature(0, 0, 0);
    assert_int_equal(inb(R_STATUS), ST_READY);
    assert_int_equal(line(), 0);
}

/* ---- IDENTIFY ---- */

static uint16_t word(const uint8_t *data, unsigned nr)
{
    return (uint16_t)(data[2 * nr] | data[2 * nr + 1] << 8);
}

static void expect_text(const uint8_t *data, unsigned nr, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        assert_int_equal(data[2 * nr + (i ^ 1)], text[i]);
}

static void identify(unsigned unit, uint8_t command, uint8_t *data)
{
    uint8_t sum = 0;

    assert_int_equal(ata_simple(unit, command), ST_READY | 0x08);
    pio_in(data, 512, 512);
    assert_int_equal(inb(R_STATUS), ST_READY);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + data[i]);
    assert_int_equal(sum, 0);
    assert_int_equal(data[510], 0xa5);
}

static void a_disk_identifies_itself(void **state)
{
    uint8_t data[512];

    (void)state;
    identify(0, 0xec, data);
    assert_int_equal(word(data, 0), 0x0040);
    assert_int_equal(word(data, 1), IMAGE_SECTORS / 16 / 63);
    assert_int_equal(word(data, 60) | word(data, 61) << 16, IMAGE_SECTORS);
    assert_int_equal(word(data, 100) | word(data, 101) << 16, IMAGE_SECTORS);
    assert_int_equal(word(data, 83) & 0xc400, 0x4400);
    expect_text(data, 10, "ide0-hd0 ");
    expect_text(data, 27, "XENRAM DISK ");
    assert_int_equal(ata_simple(0, 0xa1), ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), ER_ABRT);
}

static void a_cdrom_identifies_itself_as_packet_device_only(void **state)
{
    uint8_t data[512];

    (void)state;
    use_channel(1);
    identify(0, 0xa1, data);
    assert_int_equal(word(data, 0), 0x85c0);
    expect_text(data, 27, "XENRAM CD-ROM ");
    outb(R_MID, 0);
    assert_int_equal(ata_simple(0, 0xec), ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), ER_ABRT);
    assert_int_equal(inb(R_MID) | inb(R_HIGH) << 8, 0xeb14);
}

static void a_set_transfer_mode_is_shown(void **state)
{
    static const struct {
        uint8_t mode;
        bool exists;
        unsigned shown; /* word */
        uint16_t bits;
    } cases[] = {
        {0x00, true, 63, 0x0007},  {0x0c, true, 63, 0x0007},
        {0x20, true, 63, 0x0107},  {0x22, true, 63, 0x0407},
        {0x45, true, 88, 0x203f},  {0x40, true, 88, 0x013f},
        {0x46, false, 88, 0x013f}, {0x23, false, 88, 0x013f},
        {0x10, false, 88, 0x013f},
    };
    uint8_t data[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t status = ata(&(struct ata){
            .command = 0xef, .feature = 0x03, .count = cases[i].mode});

        assert_int_equal(status,
                         cases[i].exists ? ST_READY : ST_READY | ST_ERR);
        identify(0, 0xec, data);
        assert_int_equal(word(data, cases[i].shown), cases[i].bits);
    }
}

/* SeaBIOS, block.c:get_translation. */
static void
the_bios_hears_which_disks_are_larger_than_its_old_calls(void **state)
{
    (void)state;
    outb(0x70, 0x39);
    assert_int_equal(inb(0x71), 0x04);
}

/* ---- reading and writing by PIO ---- */

static void sectors_are_read_by_every_command_and_address(void **state)
{
    static const struct {
        struct ata ata;
        uint64_t sector;
        unsigned nr, block;
    } cases[] = {
        {{.command = 0x20, .lba = 0, .count = 1}, 0, 1, 1},
        {{.command = 0x21, .lba = 5, .count = 3}, 5, 3, 1},
        {{.command = 0x20, .lba = 7, .count = 0}, 7, 256, 1},
        {{.command = 0x20, .lba = IMAGE_SECTORS - 1, .count = 1},
         IMAGE_SECTORS - 1,
         1,
         1},
        {{.command = 0x24, .lba = 300, .count = 300, .extended = true},
         300,
         300,
         1},
        {{.command = 0xc4, .lba = 1, .count = 40}, 1, 40, 16},
        {{.command = 0x29, .lba = 9, .count = 33, .extended = true}, 9, 33, 16},
        /* cylinder 2, head 3, sector 4: (2 * 16 + 3) * 63 + 3 */
        {{.command = 0x20, .chs = true, .lba = 0x20304, .count = 20},
         2208,
         20,
         1},
    };
    uint8_t *data = malloc(512 * 512);

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned before = edges();

        assert_int_equal(ata(&cases[i].ata), ST_READY | ST_DRQ);
        for (unsigned at = 0; at < cases[i].nr; at += cases[i].block) {
            unsigned nr = cases[i].nr - at;

            nr = nr < cases[i].block ? nr : cases[i].block;
            pio_in(data + at * 512, nr * 512, nr * 512);
            inb(R_STATUS);
        }
        assert_int_equal(inb(R_STATUS), ST_READY);
        expect_sectors(data, cases[i].sector, cases[i].nr);
        /* one a DRQ block */
        assert_int_equal(edges() - before,
                         (cases[i].nr + cases[i].block - 1) / cases[i].block);
    }
    free(data);
}

static void sectors_are_written_by_every_command(void **state)
{
    static const struct {
        struct ata ata;
        unsigned nr, block;
    } cases[] = {
        {{.command = 0x30, .lba = 1, .count = 1}, 1, 1},
        {{.command = 0x31, .lba = 50, .count = 35}, 35, 1},
        {{.command = 0x34, .lba = 100, .count = 16, .extended = true}, 16, 1},
        {{.command = 0xc5, .lba = 200, .count = 17}, 17, 16},
        {{.command = 0x39, .lba = 300, .count = 32, .extended = true}, 32, 16},
        {{.command = 0xce, .lba = 400, .count = 1, .extended = true}, 1, 16},
    };
    uint8_t data[64 * 512], got[64 * 512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned nr = cases[i].nr, before = edges();

        fill_sectors(data, cases[i].ata.lba, nr, 0x5a);
        assert_int_equal(ata(&cases[i].ata), ST_READY | ST_DRQ);
        assert_int_equal(edges(), before); /* not for the first block */
        for (unsigned at = 0; at < nr; at += cases[i].block) {
            unsigned n = nr - at < cases[i].block ? nr - at : cases[i].block;

            pio_out(data + at * 512, n * 512, n * 512);
            inb(R_STATUS);
        }
        assert_int_equal(inb(R_STATUS), ST_READY);
        assert_int_equal(edges() - before,
                         (nr + cases[i].block - 1) / cases[i].block);
        image_read(0, cases[i].ata.lba, got, nr);
        assert_memory_equal(got, data, nr * 512);
    }
}

/* Xen hands a REP INSW over as one request; libxl, 4096 bytes at most. */
static void string_instructions_move_whole_blocks(void **state)
{
    uint8_t data[4 * 512];

    (void)state;
    assert_int_equal(ata(&(struct ata){.command = 0xc4, .lba = 3, .count = 4}),
                     ST_READY | ST_DRQ);
    bus_read_many(guest.board.machine.bus, R_DATA, 2, data, 512);
    bus_read_many(guest.board.machine.bus, R_DATA, 4, data + 1024, 256);
    assert_int_equal(inb(R_STATUS), ST_READY);
    expect_sectors(data, 3, 4);
    /* there is no more */
    bus_read_many(guest.board.machine.bus, R_DATA, 2, data, 512);
    assert_int_equal(data[0], 0xff);

    fill_sectors(data, 60, 2, 0x11);
    ata(&(struct ata){.command = 0xc5, .lba = 60, .count = 2});
    bus_write_many(guest.board.machine.bus, R_DATA, 4, data, 256);
    settle();
    assert_int_equal(inb(R_STATUS), ST_READY);
    image_read(0, 60, data + 1024, 2);
    assert_memory_equal(data, data + 1024, 1024);
}

/* ---- errors ---- */

static void addresses_outside_of_the_disk_are_not_found(void **state)
{
    static const struct ata cases[] = {
        {.command = 0x20, .lba = IMAGE_SECTORS, .count = 1},
        {.command = 0x20, .lba = IMAGE_SECTORS - 1, .count = 2},
        {.command = 0x30, .lba = IMAGE_SECTORS - 255, .count = 0},
        {.command = 0xc8, .lba = 0x0fffffff, .count = 1},
        {.command = 0x25,
         .lba = UINT64_C(0xffffffffffff),
         .count = 0,
         .extended = true},
        {.command = 0x35, .lba = 0, .count = 0, .extended = true},
        {.command = 0x40, .lba = IMAGE_SECTORS, .count = 1},
        {.command = 0x20, .chs = true, .lba = 0x000000, .count = 1},
        {.command = 0x20, .chs = true, .lba = 0x000040, .count = 1},
        {.command = 0x20, .chs = true, .lba = 0xffff0f3f, .count = 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned before = edges();

        assert_int_equal(ata(&cases[i]), ST_READY | ST_ERR);
        assert_int_equal(inb(R_ERROR), ER_IDNF);
        assert_int_equal(edges(), before + 1);
    }
}

static void commands_that_nobody_has_are_aborted(void **state)
{
    static const uint8_t cases[] = {0x00, 0x08, 0x06, 0xb0, 0xa0, 0xa1,
                                    0xf1, 0xf5, 0xf9, 0xff, 0x22};

    (void)state;
    for (size_t i = 0; i < sizeof(cases); i++) {
        assert_int_equal(ata_simple(0, cases[i]), ST_READY | ST_ERR);
        assert_int_equal(inb(R_ERROR), ER_ABRT);
    }
}

static void commands_without_data_succeed(void **state)
{
    static const struct ata cases[] = {
        {.command = 0x10},
        {.command = 0x70},
        {.command = 0x40, .lba = 8, .count = 8},
        {.command = 0x42, .lba = 8, .count = 8, .extended = true},
        {.command = 0x91, .chs = true, .lba = 0x0f00, .count = 63},
        {.command = 0xc6, .count = 8},
        {.command = 0xc6, .count = 0},
        {.command = 0xe0},
        {.command = 0xe1},
        {.command = 0xe5},
        {.command = 0xe7},
        {.command = 0xea},
        {.command = 0xef, .feature = 0x82},
        {.command = 0xef, .feature = 0x02},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned before = edges();

        assert_int_equal(ata(&cases[i]), ST_READY);
        assert_int_equal(edges(), before + 1);
        assert_int_equal(line(), 0);
    }
    ata_simple(0, 0xe5);
    assert_int_equal(inb(R_COUNT), 0xff);
}

static void a_power_of_two_of_sectors_may_be_a_block(void **state)
{
    (void)state;
    for (unsigned count = 0; count < 256; count++) {
        bool good = count <= 16 && (count & (count - 1)) == 0;

        assert_int_equal(ata(&(struct ata){.command = 0xc6, .count = count}),
                         good ? ST_READY : ST_READY | ST_ERR);
    }
    ata(&(struct ata){.command = 0xc6, .count = 0});
    assert_int_equal(ata(&(struct ata){.command = 0xc4, .count = 1}),
                     ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), ER_ABRT);
}

static void the_largest_address_is_told(void **state)
{
    (void)state;
    assert_int_equal(ata_simple(0, 0xf8), ST_READY);
    assert_int_equal(inb(R_LOW), (IMAGE_SECTORS - 1) & 0xff);
    assert_int_equal(inb(R_MID), (IMAGE_SECTORS - 1) >> 8);
    assert_int_equal(ata(&(struct ata){.command = 0x27, .extended = true}),
                     ST_READY);
    assert_int_equal(inb(R_MID), (IMAGE_SECTORS - 1) >> 8);
    outb(R_CONTROL, CONTROL_HOB);
    assert_int_equal(inb(R_MID), 0);
}

static void old_bytes_are_seen_through_the_hob_bit(void **state)
{
    (void)state;
    outb(R_COUNT, 0x12);
    outb(R_COUNT, 0x34);
    assert_int_equal(inb(R_COUNT), 0x34);
    outb(R_CONTROL, CONTROL_HOB);
    assert_int_equal(inb(R_COUNT), 0x12);
    outb(R_LOW, 0); /* any write ends it */
    assert_int_equal(inb(R_COUNT), 0x34);
}

/* The image ends before the disk does: it was cut short by somebody. */
static void a_truncated_image_is_an_uncorrectable_error(void **state)
{
    uint8_t data[16 * 512];

    (void)state;
    assert_int_equal(truncate(guest.paths[0], 1000 * 512), 0);
    assert_int_equal(
        ata(&(struct ata){.command = 0x20, .lba = 990, .count = 16}),
        ST_READY | ST_DRQ);
    for (unsigned i = 0; i < 10; i++)
        pio_in(data + i * 512, 512, 512);
    assert_int_equal(inb(R_STATUS), ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), ER_UNC);
    assert_int_equal(inb(R_LOW) | inb(R_MID) << 8, 1000);
    expect_sectors(data, 990, 10);
}

/* ---- interrupts ---- */

static void
status_ends_the_interrupt_and_alternate_status_does_not(void **state)
{
    (void)state;
    outb(R_COMMAND, 0xe5);
    assert_int_equal(line(), 1);
    inb(R_CONTROL);
    assert_int_equal(line(), 1);
    inb(R_STATUS);
    assert_int_equal(line(), 0);
}

static void no_interrupt_comes_while_it_is_off(void **state)
{
    (void)state;
    outb(R_CONTROL, CONTROL_NIEN);
    outb(R_COMMAND, 0xe5);
    assert_int_equal(line(), 0);
    outb(R_CONTROL, 0); /* it waited */
    assert_int_equal(line(), 1);
    outb(R_DEVICE, 0xb0); /* of the drive that is not selected */
    assert_int_equal(line(), 0);
    outb(R_DEVICE, 0xa0);
    assert_int_equal(line(), 1);
    outb(R_COMMAND, 0xe5);
    assert_int_equal(edges(), 3);
}

static void a_reset_ends_what_is_in_flight(void **state)
{
    unsigned before = edges();

    (void)state;
    outb(R_DEVICE, 0xe0);
    outb(R_COUNT, 1);
    outb(R_COMMAND, 0x20);
    assert_int_equal(inb(R_CONTROL), ST_BSY);
    outb(R_CONTROL, CONTROL_SRST);
    outb(R_CONTROL, 0);
    settle();
    assert_int_equal(inb(R_STATUS), ST_READY);
    assert_int_equal(line(), 0);
    assert_int_equal(edges(), before);
}

static void a_busy_drive_takes_no_registers_and_no_command(void **state)
{
    uint8_t data[512];

    (void)state;
    outb(R_DEVICE, 0xe0);
    outb(R_LOW, 7);
    outb(R_COUNT, 1);
    outb(R_COMMAND, 0x20);
    outb(R_LOW, 9);
    outb(R_COMMAND, 0x90);
    assert_int_equal(inb(R_LOW), 7);
    assert_int_equal(inb(R_CONTROL), ST_BSY);
    settle();
    pio_in(data, 512, 512);
    expect_sectors(data, 7, 1);
}

static void writes_that_must_last_are_flushed(void **state)
{
    static const struct {
        struct ata ata;
        bool cached;
        unsigned flushes;
    } cases[] = {
        {{.command = 0x30, .count = 20}, true, 0},
        {{.command = 0x30, .count = 20}, false, 1},
        {{.command = 0xce, .count = 20, .extended = true}, true, 1},
        {{.command = 0xe7}, true, 1},
        {{.command = 0xea, .extended = true}, false, 1},
    };
    static uint8_t data[20 * 512];
    struct disk *disk = disks_ide(guest.board.machine.disks, 0);
    struct disk_stats before, after;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ata(&(struct ata){.command = 0xef,
                          .feature = cases[i].cached ? 0x02 : 0x82});
        disk_get_stats(disk, &before);
        if (ata(&cases[i].ata) & ST_DRQ)
            pio_out(data, sizeof(data),
                    cases[i].ata.command == 0x30 ? 512 : 8192);
        assert_int_equal(inb(R_STATUS), ST_READY);
        disk_get_stats(disk, &after);
        assert_int_equal(after.flush_operations - before.flush_operations,
                         cases[i].flushes);
    }
}

static void another_drive_can_be_spoken_to_in_a_transfer(void **state)
{
    uint8_t data[512];

    (void)state;
    ata(&(struct ata){.command = 0x20, .lba = 1, .count = 2});
    outb(R_DEVICE, 0xf0);
    assert_int_equal(inb(R_STATUS), ST_READY);
    assert_int_equal(in(R_DATA, 2), 0xffff); /* not its data */
    outb(R_DEVICE, 0xe0);
    pio_in(data, 512, 512);
    expect_sectors(data, 1, 1);
    /* a command gives up what the other one had begun */
    assert_int_equal(
        ata(&(struct ata){.command = 0x20, .lba = 9, .count = 1, .unit = 1}),
        ST_READY | ST_DRQ);
    pio_in(data, 512, 512);
    expect_sectors(data, 9, 1);
    outb(R_DEVICE, 0xe0);
    assert_int_equal(inb(R_STATUS), ST_READY);
}

/* ---- saved state ---- */

static void a_read_goes_on_after_a_restore(void **state)
{
    uint8_t data[40 * 512];

    (void)state;
    ata(&(struct ata){.command = 0x20, .lba = 77, .count = 40});
    pio_in(data, 512, 512);
    for (unsigned i = 0; i < 100; i += 2) {
        uint16_t value = (uint16_t)in(R_DATA, 2);

        memcpy(data + 512 + i, &value, 2);
    }
    guest_restore();
    pio_in(data + 512 + 100, 412, 412);
    for (unsigned i = 2; i < 40; i++)
        pio_in(data + i * 512, 512, 512);
    expect_sectors(data, 77, 40);
    assert_int_equal(inb(R_STATUS), ST_READY);
}

static void a_write_goes_on_after_a_restore(void **state)
{
    uint8_t data[20 * 512], got[20 * 512];

    (void)state;
    fill_sectors(data, 500, 20, 0xc3);
    ata(&(struct ata){.command = 0x30, .lba = 500, .count = 20});
    for (unsigned i = 0; i < 20; i++) {
        pio_out(data + i * 512, 512, 512);
        if (i == 5 || i == 17)
            guest_restore();
    }
    assert_int_equal(inb(R_STATUS), ST_READY);
    image_read(0, 500, got, 20);
    assert_memory_equal(got, data, sizeof(data));
}

static void settings_survive_a_restore(void **state)
{
    uint8_t data[512];

    (void)state;
    ata(&(struct ata){.command = 0xc6, .count = 4});
    ata(&(struct ata){.command = 0xef, .feature = 0x82});
    ata(&(struct ata){.command = 0xef, .feature = 3, .count = 0x22});
    ata(&(struct ata){.command = 0x91, .chs = true, .lba = 0x700, .count = 32});
    outb(R_DEVICE, 0xa5);
    outb(R_COMMAND, 0xe5);
    guest_restore();
    assert_int_equal(line(), 1);
    assert_int_equal(inb(R_DEVICE), 0xa5);
    identify(0, 0xec, data);
    assert_int_equal(word(data, 59), 0x0104);
    assert_int_equal(word(data, 85) & 0x20, 0);
    assert_int_equal(word(data, 63), 0x0407);
    assert_int_equal(word(data, 55), 8);
    assert_int_equal(word(data, 56), 32);
}

static void a_state_of_other_drives_is_refused(void **state)
{
    static const struct {
        const char *drives, *reason;
    } cases[] = {
        {"d-d-", "IDE drive 1.0: a CD-ROM drive in the state, a disk here"},
        {"d---", "IDE drive 1.0: a CD-ROM drive in the state, no drive here"},
        {"c-c-", "IDE drive 0.0: a disk in the state, a CD-ROM drive here"},
    };
    char error[XEN_MIGRATE_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_not_equal(guest_try_restore(cases[i].drives, error), 0);
        assert_non_null(strstr(error, cases[i].reason));
    }
}

/* ---- unplug ---- */

static bool there(unsigned drive)
{
    uint8_t status;

    use_channel(drive / 2);
    outb(R_DEVICE, drive % 2 ? 0xb0 : 0xa0);
    status = inb(R_STATUS);
    return registers_hold(drive % 2) && status != 0xff;
}

static void unplug_takes_disks_away_and_they_stay_away(void **state)
{
    static const struct {
        uint16_t mask;
        bool left[4];
    } cases[] = {
        {0x0002, {true, true, true, true}},
        {0x0004, {true, false, true, false}},
        {0x0001, {false, false, true, false}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out(0x10, 2, cases[i].mask);
        for (unsigned n = 0; n < 2; n++) {
            for (unsigned drive = 0; drive < 4; drive++) {
                struct disks *disks = guest.board.machine.disks;

                assert_int_equal(there(drive), cases[i].left[drive]);
                assert_int_equal(disks_ide(disks, drive) != NULL,
                                 cases[i].left[drive]);
            }
            guest_restore();
        }
    }
}

static void a_controller_without_drives_leaves_too(void **state)
{
    (void)state;
    out(0x10, 2, 4);
    assert_int_equal(config_in(0x00, 4), 0x70108086);
    out(0x10, 2, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(config_in(0x00, 4), UINT32_MAX);
        assert_int_equal(inb(R_STATUS), 0xff);
        guest_restore();
    }
}

/* By a program that had no disks yet; its guest has none to miss. */
static void a_state_without_a_controller_takes_all_drives_away(void **state)
{
    (void)state;
    guest_restore_with("e-e-");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(config_in(0x00, 4), UINT32_MAX);
        assert_int_equal(inb(R_STATUS), 0xff);
        assert_null(disks_ide(guest.board.machine.disks, 2));
        guest_restore();
    }
}

static void what_was_written_before_an_unplug_is_in_the_image(void **state)
{
    uint8_t data[512], got[512];

    (void)state;
    fill_sectors(data, 3, 1, 0x77);
    ata(&(struct ata){.command = 0x30, .lba = 3, .count = 1});
    for (unsigned i = 0; i < 512; i += 2)
        out(R_DATA, 2, data[i] | (uint32_t)data[i + 1] << 8);
    out(0x10, 2, 1); /* the write is in flight */
    image_read(0, 3, got, 1);
    assert_memory_equal(got, data, 512);
    assert_int_equal(line(), 0);
}

/* ---- a guest gone mad ---- */

static void any_sequence_of_accesses_is_survived(void **state)
{
    uint32_t seed = 1;

    (void)state;
    map_bus_master();
    for (unsigned i = 0; i < 100000; i++) {
        uint16_t port;
        unsigned size;

        seed = seed * 1664525 + 1013904223;
        port = (uint16_t)(seed >> 8 & 8 ? BUS_MASTER + (seed >> 16) % 16
                                        : 0x1f0 + (seed >> 16) % 8);
        use_channel(seed >> 30 & 1);
        size = 1u << (seed >> 12) % 3;
        if (seed & 0x10)
            in(port, size);
        else if (port == R_COMMAND && seed & 0x20)
            out(port, 1, 0x20 + (seed >> 20) % 0x20);
        else
            out(port, size, seed ^ seed << 13);
        if (i % 97 == 0)
            settle();
        if (i % 20011 == 0)
            guest_restore();
    }
    settle();
    for (unsigned channel = 0; channel < 2; channel++) {
        use_channel(channel);
        outb(R_CONTROL, CONTROL_SRST);
        outb(R_CONTROL, 0);
        outb(R_DEVICE, 0xa0);
        assert_int_equal(inb(R_STATUS), channel ? 0 : ST_READY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_function_is_that_of_a_piix3),
        DRIVES(a_machine_without_drives_has_no_controller, "----"),
        TEST(only_drives_that_are_there_hold_their_registers),
        DRIVES(a_channel_without_drives_floats, "d---"),
        TEST(a_soft_reset_shows_signatures),
        TEST(a_diagnostic_shows_signatures_and_interrupts),
        TEST(a_disk_identifies_itself),
        TEST(a_cdrom_identifies_itself_as_packet_device_only),
        TEST(a_set_transfer_mode_is_shown),
        DRIVES(the_bios_hears_which_disks_are_larger_than_its_old_calls,
               "dDc-"),
        TEST(sectors_are_read_by_every_command_and_address),
        TEST(sectors_are_written_by_every_command),
        TEST(string_instructions_move_whole_blocks),
        TEST(addresses_outside_of_the_disk_are_not_found),
        TEST(commands_that_nobody_has_are_aborted),
        TEST(commands_without_data_succeed),
        TEST(a_power_of_two_of_sectors_may_be_a_block),
        TEST(the_largest_address_is_told),
        TEST(old_bytes_are_seen_through_the_hob_bit),
        TEST(a_truncated_image_is_an_uncorrectable_error),
        TEST(status_ends_the_interrupt_and_alternate_status_does_not),
        TEST(no_interrupt_comes_while_it_is_off),
        TEST(a_busy_drive_takes_no_registers_and_no_command),
        TEST(writes_that_must_last_are_flushed),
        TEST(a_reset_ends_what_is_in_flight),
        DRIVES(another_drive_can_be_spoken_to_in_a_transfer, "ddc-"),
        TEST(a_read_goes_on_after_a_restore),
        TEST(a_write_goes_on_after_a_restore),
        TEST(settings_survive_a_restore),
        TEST(a_state_of_other_drives_is_refused),
        DRIVES(unplug_takes_disks_away_and_they_stay_away, "ddcd"),
        DRIVES(a_controller_without_drives_leaves_too, "dd--"),
        DRIVES(a_state_without_a_controller_takes_all_drives_away, "----"),
        TEST(what_was_written_before_an_unplug_is_in_the_image),
        TEST(any_sequence_of_accesses_is_survived),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
