/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "xenram/mapcache.h"
#include "xenram/ram.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/ide-guest.h"

#define READ_DMA 0xc8
#define READ_DMA_EXT 0x25
#define WRITE_DMA 0xca
#define PAGE 4096u

static int setup(void **state)
{
    guest_begin(*state ? *state : "ddc-");
    map_bus_master();
    return 0;
}

/* The command, its table being in place; the drive's status at its end. */
static uint8_t run_dma(uint8_t command, uint64_t lba, uint32_t count)
{
    bool read = command == READ_DMA || command == READ_DMA_EXT;

    outb(R_CONTROL, 0);
    ata(&(struct ata){.command = command,
                      .lba = lba,
                      .count = count,
                      .extended = command == READ_DMA_EXT || command == 0x35 ||
                                  command == 0x3d});
    dma_start(read);
    return inb(R_CONTROL);
}

static void memory_holds(uint64_t gpa, uint64_t sector, unsigned nr)
{
    uint8_t *data = malloc(nr * 512u);

    assert_non_null(data);
    memory_read(gpa, data, nr * 512u);
    expect_sectors(data, sector, nr);
    free(data);
}

static void end(uint8_t status)
{
    assert_int_equal(dma_status(), status);
    assert_int_equal(line(), !!(status & BM_INTERRUPT));
    dma_stop();
    inb(R_STATUS);
    assert_int_equal(line(), 0);
}

/* ---- what tables may look like ---- */

static void sectors_go_where_the_table_says(void **state)
{
    static const struct {
        uint32_t addresses[4], lengths[4];
        unsigned nr, sectors;
    } cases[] = {
        {{DATA}, {512}, 1, 1},
        {{DATA + 2}, {4096}, 1, 8},
        {{DATA, DATA + 0x10000}, {0, 0}, 2, 256},
        {{DATA, DATA + 4096, DATA + 3 * 4096}, {4096, 4096, 4096}, 3, 24},
        {{DATA, DATA + 1000, DATA + 5000}, {2, 100, 410}, 3, 1},
        {{DATA + 0x8000, DATA, DATA + 0x4000}, {512, 1024, 512}, 3, 4},
        {{DATA + 1}, {513}, 1, 1}, /* bit 0 of both is nothing */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned bytes = cases[i].sectors * 512, at = 0;
        uint8_t *data = malloc(bytes);

        assert_non_null(data);
        dma_table(cases[i].addresses, cases[i].lengths, cases[i].nr);
        assert_int_equal(run_dma(READ_DMA, 10 * i, cases[i].sectors), ST_READY);
        for (unsigned n = 0; n < cases[i].nr; n++) {
            uint32_t len = cases[i].lengths[n] & ~1u;

            len = len ? len : 65536;
            memory_read(cases[i].addresses[n] & ~1u, data + at, len);
            at += len;
        }
        assert_int_equal(at, bytes);
        expect_sectors(data, 10 * i, cases[i].sectors);
        end(BM_INTERRUPT);
        free(data);
    }
}

static void sectors_come_from_where_the_table_says(void **state)
{
    static const uint32_t addresses[] = {DATA + 0x20000, DATA, DATA + 512};
    static const uint32_t lengths[] = {512, 512, 1024};
    static const uint8_t commands[] = {WRITE_DMA, 0xcb, 0x35, 0x3d};
    uint8_t data[2048], got[2048];

    (void)state;
    dma_table(addresses, lengths, 3);
    for (size_t i = 0; i < sizeof(commands); i++) {
        fill_sectors(data, 50, 4, (uint8_t)(1 + i));
        memory_write(addresses[0], data, 512);
        memory_write(addresses[1], data + 512, 1536);
        assert_int_equal(run_dma(commands[i], 50, 4), ST_READY);
        end(BM_INTERRUPT);
        image_read(0, 50, got, 4);
        assert_memory_equal(got, data, sizeof(data));
    }
}

/* As many pieces as sectors have pairs of bytes, and then some. */
static void a_table_of_crumbs_takes_several_requests(void **state)
{
    static uint32_t addresses[2048], lengths[2048];
    uint8_t data[4096];

    (void)state;
    for (unsigned i = 0; i < 2048; i++) {
        addresses[i] = DATA + 4 * i;
        lengths[i] = 2;
    }
    dma_table(addresses, lengths, 2048);
    assert_int_equal(run_dma(READ_DMA, 33, 8), ST_READY);
    end(BM_INTERRUPT);
    for (unsigned i = 0; i < 2048; i++)
        memory_read(addresses[i], data + 2 * i, 2);
    expect_sectors(data, 33, 8);
}

/* Our room ends in the middle of a sector, and so does a table. */
static void a_request_ends_with_a_whole_sector(void **state)
{
    static uint32_t addresses[400], lengths[400];
    uint8_t data[4096];
    unsigned at = 0;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        addresses[i] = DATA + 64 * i;
        lengths[i] = i % 2 ? 2 : 4;
    }
    for (unsigned i = 0, sum = 0; i < 400; i++) {
        if (i == 399)
            lengths[i] = 2048 - sum;
        sum += lengths[i];
    }
    dma_table(addresses, lengths, 400);
    assert_int_equal(run_dma(READ_DMA, 21, 4), ST_READY);
    end(BM_INTERRUPT);
    for (unsigned i = 0; i < 400; at += lengths[i++])
        memory_read(addresses[i], data + at, lengths[i]);
    expect_sectors(data, 21, 4);

    dma_table(addresses, (uint32_t[]){700}, 1);
    assert_int_equal(run_dma(READ_DMA, 5, 2) & (ST_BSY | ST_DRQ), ST_DRQ);
    memory_holds(DATA, 5, 1);
    end(0);
}

static void neighbours_are_one_piece(void **state)
{
    static uint32_t addresses[64], lengths[64];
    uint64_t before, after;

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        addresses[i] = DATA + PAGE * i;
        lengths[i] = PAGE;
    }
    dma_table(addresses, lengths, 64);
    run_dma(READ_DMA_EXT, 0, 512); /* the memory is mapped from here on */
    end(BM_INTERRUPT);
    before = fakexen_calls(FAKEXEN_MAP);
    assert_int_equal(run_dma(READ_DMA_EXT, 100, 512), ST_READY);
    end(BM_INTERRUPT);
    after = fakexen_calls(FAKEXEN_MAP);
    assert_int_equal(after, before);
    memory_holds(DATA, 100, 512);
}

static void a_longer_table_leaves_the_bus_master_active(void **state)
{
    static const uint32_t addresses[] = {DATA, DATA + PAGE};
    static const uint32_t lengths[] = {PAGE, PAGE};

    (void)state;
    dma_table(addresses, lengths, 2);
    assert_int_equal(run_dma(READ_DMA, 1, 8), ST_READY);
    memory_holds(DATA, 1, 8);
    assert_int_equal(dma_status(), BM_INTERRUPT | BM_ACTIVE);
    dma_stop();
    assert_int_equal(dma_status(), BM_INTERRUPT);
}

/* The device waits, and another table brings the rest. */
static void a_shorter_table_stops_without_an_interrupt(void **state)
{
    static const uint32_t first[] = {DATA}, second[] = {DATA + PAGE};
    static const uint32_t lengths[] = {PAGE};

    (void)state;
    dma_table(first, lengths, 1);
    assert_int_equal(run_dma(READ_DMA, 1, 16) & (ST_BSY | ST_DRQ), ST_DRQ);
    assert_int_equal(dma_status(), 0);
    assert_int_equal(line(), 0);
    dma_stop();
    guest_restore();
    dma_table(second, lengths, 1);
    dma_start(true);
    assert_int_equal(inb(R_CONTROL), ST_READY);
    memory_holds(DATA, 1, 16);
    end(BM_INTERRUPT);
}

static void the_bus_master_may_be_started_before_the_command(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {512};

    (void)state;
    dma_table(addresses, lengths, 1);
    dma_start(true);
    assert_int_equal(dma_status(), BM_ACTIVE);
    ata(&(struct ata){.command = READ_DMA, .lba = 4, .count = 1});
    assert_int_equal(inb(R_CONTROL), ST_READY);
    memory_holds(DATA, 4, 1);
}

/* ---- memory that is not what it was ---- */

static void a_hole_is_an_error_of_the_bus(void **state)
{
    static const struct {
        uint32_t table, address;
    } cases[] = {
        {TABLE, 0xa0000},    /* the VGA hole */
        {TABLE, 0xfffff000}, /* nothing, up to 4 GiB */
        {TABLE, 0xfffff800}, /* and beyond */
        {TABLE, DATA},       /* its last page */
        {0xa0000, DATA},     /* the table itself */
        {0xfffffffc, DATA},
    };
    static const uint32_t lengths[] = {PAGE};

    (void)state;
    fakexen_balloon_out(GUEST_DOMID, (DATA + PAGE) / PAGE, 1);
    assert_int_equal(fakexen_invalidate(GUEST_DOMID, 0), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t address = cases[i].address;

        if (address == DATA)
            address += 512;
        dma_table(&address, lengths, 1);
        ata(&(struct ata){.command = READ_DMA, .lba = 1, .count = 8});
        out(BUS_MASTER + 2, 1, 0x06);
        out(BUS_MASTER + 4, 4, cases[i].table);
        out(BUS_MASTER, 1, 9);
        settle();
        assert_int_equal(inb(R_CONTROL), ST_READY | ST_ERR);
        assert_int_equal(inb(R_ERROR), ER_ABRT);
        end(BM_INTERRUPT | BM_ERROR);
    }
}

static void a_rom_can_be_written_to_disk_but_not_read_into(void **state)
{
    static const uint32_t addresses[] = {0xfe000000}, lengths[] = {PAGE};
    static const struct xen_ram_spec spec = {
        .idstr = "rom",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM,
        .gfn = 0xfe000,
        .size = PAGE,
    };
    struct xen_ram *ram = guest.board.machine.ram;
    struct xen_ram_block *rom;
    uint8_t data[PAGE], got[PAGE];

    (void)state;
    assert_int_equal(xen_ram_alloc(ram, &spec, &rom), 0);
    fill_sectors(data, 1, 8, 0x99);
    assert_int_equal(xen_ram_write(ram, rom, 0, data, PAGE), 0);
    dma_table(addresses, lengths, 1);
    assert_int_equal(run_dma(READ_DMA, 0, 8), ST_READY | ST_ERR);
    end(BM_INTERRUPT | BM_ERROR);
    memory_read(addresses[0], got, PAGE);
    assert_memory_equal(got, data, PAGE);
    assert_int_equal(run_dma(WRITE_DMA, 40, 8), ST_READY);
    end(BM_INTERRUPT);
    image_read(0, 40, got, 8);
    assert_memory_equal(got, data, PAGE);
    xen_ram_free(ram, rom);
}

/* As while the guest's balloon works: pinned frames are exchanged. */
static void data_goes_to_the_frames_that_the_guest_has_now(void **state)
{
    static const uint32_t addresses[] = {DATA, DATA + 0x20000};
    static const uint32_t lengths[] = {PAGE, PAGE};
    struct xen_mapcache *cache = guest.board.machine.cache;
    uint8_t data[16 * 512], got[16 * 512];
    void *pinned;

    (void)state;
    assert_int_equal(xen_mapcache_pin(cache, DATA, 512, &pinned), 0);
    fakexen_replace(GUEST_DOMID, DATA / PAGE);
    xen_mapcache_invalidate(cache);
    dma_table(addresses, lengths, 2);
    assert_int_equal(run_dma(READ_DMA, 70, 16), ST_READY);
    end(BM_INTERRUPT);
    memory_holds(DATA, 70, 8);
    memory_holds(DATA + 0x20000, 78, 8);

    fill_sectors(data, 90, 16, 0x3c);
    memory_write(DATA, data, PAGE);
    memory_write(DATA + 0x20000, data + PAGE, PAGE);
    assert_int_equal(run_dma(WRITE_DMA, 90, 16), ST_READY);
    end(BM_INTERRUPT);
    image_read(0, 90, got, 16);
    assert_memory_equal(got, data, sizeof(data));
    xen_mapcache_unpin(cache, pinned, 512);
}

static void what_arrives_is_reported_as_dirty(void **state)
{
    static const uint32_t addresses[] = {DATA + PAGE, DATA + 9 * PAGE};
    static const uint32_t lengths[] = {2 * PAGE, PAGE};

    (void)state;
    assert_int_equal(xen_ram_log_dirty(guest.board.machine.ram, true), 0);
    fakexen_clear_dirty(GUEST_DOMID);
    dma_table(addresses, lengths, 2);
    assert_int_equal(run_dma(WRITE_DMA, 0, 24), ST_READY);
    end(BM_INTERRUPT);
    assert_int_equal(xen_ram_report_dirty(guest.board.machine.ram), 0);
    assert_int_equal(fakexen_dirty_count(GUEST_DOMID), 0);
    assert_int_equal(run_dma(READ_DMA, 0, 24), ST_READY);
    end(BM_INTERRUPT);
    assert_int_equal(xen_ram_report_dirty(guest.board.machine.ram), 0);
    assert_true(fakexen_dirty(GUEST_DOMID, DATA / PAGE + 1));
    assert_true(fakexen_dirty(GUEST_DOMID, DATA / PAGE + 2));
    assert_true(fakexen_dirty(GUEST_DOMID, DATA / PAGE + 9));
    assert_int_equal(fakexen_dirty_count(GUEST_DOMID), 3);
}

/* ---- in the middle ---- */

static void start_without_waiting(uint8_t command, uint32_t count)
{
    outb(R_DEVICE, 0xe0);
    outb(R_COUNT, (uint8_t)count);
    outb(R_LOW, 0);
    outb(R_MID, 0);
    outb(R_HIGH, 0);
    outb(R_COMMAND, command);
    out(BUS_MASTER + 4, 4, TABLE);
    out(BUS_MASTER, 1, 9);
}

static uint64_t pinned_chunks(void)
{
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(guest.board.machine.cache, &stats);
    return stats.pinned;
}

static void
memory_is_the_guests_again_once_the_bus_master_is_stopped(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {0};

    (void)state;
    dma_table(addresses, lengths, 1);
    start_without_waiting(READ_DMA, 128);
    assert_int_equal(inb(R_CONTROL), ST_BSY);
    assert_int_equal(pinned_chunks(), 1);
    dma_stop();
    assert_int_equal(pinned_chunks(), 0);
    assert_int_equal(dma_status() & BM_ACTIVE, 0);
    /* what had begun is finished */
    assert_int_equal(inb(R_CONTROL), ST_READY);
    memory_holds(DATA, 0, 128);
}

static void a_reset_or_an_unplug_waits_for_a_transfer(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {0};

    (void)state;
    dma_table(addresses, lengths, 1);
    start_without_waiting(READ_DMA, 128);
    outb(R_CONTROL, 0x04);
    assert_int_equal(pinned_chunks(), 0);
    outb(R_CONTROL, 0);
    assert_int_equal(inb(R_STATUS), ST_READY);
    assert_int_equal(line(), 0);
    dma_stop();

    start_without_waiting(READ_DMA, 128);
    out(0x10, 2, 1);
    assert_int_equal(pinned_chunks(), 0);
    assert_int_equal(line(), 0);
    dma_stop();
    dma_start(true);
    assert_int_equal(inb(R_STATUS), 0xff);
}

static void a_machine_that_ends_in_a_transfer_leaves_nothing(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {0};

    (void)state;
    dma_table(addresses, lengths, 1);
    start_without_waiting(READ_DMA, 128);
}

static void both_drives_of_a_channel_take_turns(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {512};

    (void)state;
    dma_table(addresses, lengths, 1);
    for (unsigned i = 0; i < 6; i++) {
        ata(&(struct ata){
            .command = READ_DMA, .lba = i, .count = 1, .unit = i % 2});
        dma_start(true);
        assert_int_equal(inb(R_CONTROL), ST_READY);
        memory_holds(DATA, i, 1);
        end(BM_INTERRUPT);
    }
}

static void an_error_of_the_disk_is_one_of_the_drive(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {16 * 512};

    (void)state;
    assert_int_equal(truncate(guest.paths[0], 512 * 20), 0);
    dma_table(addresses, lengths, 1);
    assert_int_equal(run_dma(READ_DMA, 10, 16), ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), ER_UNC);
    assert_int_equal(dma_status() & BM_ERROR, 0);
    dma_stop();
    assert_int_equal(run_dma(READ_DMA, 4, 16), ST_READY);
    memory_holds(DATA, 4, 16);
}

/* What a full file system is to it, a limit of file sizes is as well. */
static void a_write_that_fails_is_an_error_of_the_medium(void **state)
{
    static const uint32_t addresses[] = {DATA}, lengths[] = {16 * 512};
    struct rlimit before, limit;
    uint8_t status;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 512 * 20;
    dma_table(addresses, lengths, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    status = run_dma(WRITE_DMA, 10, 16);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, ST_READY | ST_ERR);
    assert_int_equal(inb(R_ERROR), ER_UNC);
    assert_int_equal(dma_status() & BM_ERROR, 0);
    dma_stop();
    assert_int_equal(run_dma(WRITE_DMA, 10, 16), ST_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sectors_go_where_the_table_says),
        TEST(sectors_come_from_where_the_table_says),
        TEST(a_table_of_crumbs_takes_several_requests),
        TEST(a_request_ends_with_a_whole_sector),
        TEST(neighbours_are_one_piece),
        TEST(a_longer_table_leaves_the_bus_master_active),
        TEST(a_shorter_table_stops_without_an_interrupt),
        TEST(the_bus_master_may_be_started_before_the_command),
        TEST(a_hole_is_an_error_of_the_bus),
        TEST(a_rom_can_be_written_to_disk_but_not_read_into),
        TEST(data_goes_to_the_frames_that_the_guest_has_now),
        TEST(what_arrives_is_reported_as_dirty),
        TEST(memory_is_the_guests_again_once_the_bus_master_is_stopped),
        DRIVES(a_reset_or_an_unplug_waits_for_a_transfer, "d---"),
        TEST(a_machine_that_ends_in_a_transfer_leaves_nothing),
        TEST(both_drives_of_a_channel_take_turns),
        TEST(an_error_of_the_disk_is_one_of_the_drive),
        TEST(a_write_that_fails_is_an_error_of_the_medium),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
