/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/ide-guest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/pci.h"

#include "dm/block/disks.h"

#include "tests/fakexen/fakexen.h"

#define IDE PCI_DEVFN(1, 1)
#define OTHER_DOMID 8u
#define SECONDARY 0x80u /* its ports are that much lower */

struct ide_guest guest;

/* ---- data ------------------------------------------------------------- */

uint8_t sector_byte(uint64_t sector, unsigned i)
{
    return (uint8_t)(sector * 7 + sector / 256 + i * 3 + i / 256);
}

void fill_sectors(uint8_t *data, uint64_t sector, unsigned nr, uint8_t twist)
{
    for (unsigned s = 0; s < nr; s++)
        for (unsigned i = 0; i < 512; i++)
            *data++ = sector_byte(sector + s, i) ^ twist;
}

void expect_sectors(const uint8_t *data, uint64_t sector, unsigned nr)
{
    uint8_t *want = malloc(nr * 512u);

    assert_non_null(want);
    fill_sectors(want, sector, nr, 0);
    assert_memory_equal(data, want, nr * 512u);
    free(want);
}

void image_read(unsigned drive, uint64_t sector, void *data, unsigned nr)
{
    int fd = open(guest.paths[drive], O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, data, nr * 512u, (off_t)sector * 512),
                     nr * 512u);
    close(fd);
}

void memory_read(uint64_t gpa, void *data, size_t len)
{
    fakexen_peek(guest.options.domid, gpa, data, len);
}

void memory_write(uint64_t gpa, const void *data, size_t len)
{
    fakexen_poke(guest.options.domid, gpa, data, len);
}

/* ---- life ------------------------------------------------------------- */

static void make_large_image(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 30), 0);
    close(fd);
}

static void make_image(const char *path)
{
    uint8_t *data = malloc(IMAGE_SECTORS * 512u);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_non_null(data);
    assert_true(fd >= 0);
    fill_sectors(data, 0, IMAGE_SECTORS, 0);
    assert_int_equal(write(fd, data, IMAGE_SECTORS * 512u),
                     IMAGE_SECTORS * 512u);
    close(fd);
    free(data);
}

/* The images of guest_begin, as other drives perhaps. */
static void set_drives(struct options *options, const char *drives)
{
    static const char *const ids[] = {"ide0-hd0", "ide0-hd1", "ide1-hd0",
                                      "ide1-hd1"};

    for (unsigned i = 0; i < 4; i++) {
        bool cdrom = drives[i] == 'c' || drives[i] == 'e';

        options->drives[i] = (struct options_drive){0};
        if (drives[i] == '-')
            continue;
        options->drives[i] = (struct options_drive){
            .id = ids[i],
            .file = drives[i] == 'e' ? NULL : guest.paths[i],
            .cdrom = cdrom,
            .read_only = cdrom,
            .raw = true,
        };
    }
}

void guest_begin(const char *drives)
{
    const char *tmp = getenv("TMPDIR");

    memset(&guest, 0, sizeof(guest));
    snprintf(guest.dir, sizeof(guest.dir), "%.40s/ide-XXXXXX",
             tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(guest.dir));
    guest.options = (struct options){.domid = GUEST_DOMID,
                                     .ram_mb = GUEST_MIB,
                                     .boot_order = "c",
                                     .max_vcpus = 1,
                                     .platform_device = true,
                                     .incoming_fd = -1};
    for (unsigned i = 0; i < 4; i++) {
        snprintf(guest.paths[i], sizeof(guest.paths[i]), "%s/%u", guest.dir, i);
        if (drives[i] == 'c' || drives[i] == 'd')
            make_image(guest.paths[i]);
        else if (drives[i] == 'D')
            make_large_image(guest.paths[i]);
    }
    set_drives(&guest.options, drives);
    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){.domid = GUEST_DOMID,
                                            .pages = GUEST_MIB * 256});
    board_open(&guest.board, &guest.options, false);
    machine_reset(&guest.board.machine);
    machine_cont(&guest.board.machine);
}

void guest_end(void)
{
    board_close(&guest.board);
    for (unsigned i = 0; i < 4; i++)
        unlink(guest.paths[i]);
    rmdir(guest.dir);
    assert_int_equal(fakexen_violations(), 0);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(fakexen_handles(), 0);
}

int guest_teardown(void **state)
{
    (void)state;
    guest_end();
    return 0;
}

static int save(void)
{
    char error[XEN_MIGRATE_ERROR_MAX] = "";
    int fd = memfd_create("state", MFD_CLOEXEC);

    assert_true(fd >= 0);
    settle();
    assert_int_equal(machine_stop(&guest.board.machine), 0);
    assert_int_equal(machine_save(&guest.board.machine, fd, false, error), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

void guest_restore(void)
{
    char error[XEN_MIGRATE_ERROR_MAX] = "";
    uint32_t from = guest.options.domid;
    int fd = save();

    board_close(&guest.board);
    guest.options.domid = from == GUEST_DOMID ? OTHER_DOMID : GUEST_DOMID;
    fakexen_create(&(struct fakexen_domain){.domid = guest.options.domid});
    fakexen_copy_memory(guest.options.domid, from);
    fakexen_destroy(from);
    board_open(&guest.board, &guest.options, true);
    if (machine_load(&guest.board.machine, fd, error))
        fail_msg("%s", error);
    close(fd);
    machine_cont(&guest.board.machine);
}

void guest_restore_with(const char *drives)
{
    set_drives(&guest.options, drives);
    guest_restore();
}

int guest_try_restore(const char *drives, char *error)
{
    struct options options = guest.options;
    struct board board;
    int fd = save(), ret;

    assert_int_equal(disks_deactivate(guest.board.machine.disks), 0);
    options.domid = OTHER_DOMID;
    set_drives(&options, drives);
    fakexen_create(&(struct fakexen_domain){.domid = OTHER_DOMID});
    fakexen_copy_memory(OTHER_DOMID, GUEST_DOMID);
    board_open(&board, &options, true);
    ret = machine_load(&board.machine, fd, error);
    close(fd);
    board_close(&board);
    fakexen_destroy(OTHER_DOMID);
    assert_int_equal(disks_activate(guest.board.machine.disks), 0);
    machine_cont(&guest.board.machine);
    return ret;
}

void settle(void)
{
    disks_drain(guest.board.machine.disks);
}

/* ---- registers -------------------------------------------------------- */

void use_channel(unsigned channel)
{
    guest.base = channel ? SECONDARY : 0;
}

static uint64_t place(uint16_t port)
{
    return port >= 0x170 && port < 0x400 ? port - guest.base : port;
}

uint32_t in(uint16_t port, unsigned size)
{
    return (uint32_t)bus_read(guest.board.machine.bus, BUS_PIO, place(port),
                              size);
}

void out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(guest.board.machine.bus, BUS_PIO, place(port), size, value);
}

uint8_t inb(uint16_t port)
{
    return (uint8_t)in(port, 1);
}

void outb(uint16_t port, uint8_t value)
{
    out(port, 1, value);
}

static unsigned irq(void)
{
    return guest.base ? 15 : 14;
}

unsigned line(void)
{
    return fakexen_isa_level(guest.options.domid, irq());
}

unsigned edges(void)
{
    return fakexen_isa_edges(guest.options.domid, irq());
}

/* ---- commands --------------------------------------------------------- */

static void write_address(const struct ata *ata)
{
    if (ata->extended) {
        outb(R_FEATURE, 0);
        outb(R_COUNT, (uint8_t)(ata->count >> 8));
        outb(R_LOW, (uint8_t)(ata->lba >> 24));
        outb(R_MID, (uint8_t)(ata->lba >> 32));
        outb(R_HIGH, (uint8_t)(ata->lba >> 40));
    }
    outb(R_FEATURE, ata->feature);
    outb(R_COUNT, (uint8_t)ata->count);
    if (ata->chs) {
        outb(R_LOW, (uint8_t)ata->lba);
        outb(R_MID, (uint8_t)(ata->lba >> 16));
        outb(R_HIGH, (uint8_t)(ata->lba >> 24));
    } else {
        outb(R_LOW, (uint8_t)ata->lba);
        outb(R_MID, (uint8_t)(ata->lba >> 8));
        outb(R_HIGH, (uint8_t)(ata->lba >> 16));
    }
}

uint8_t ata(const struct ata *ata)
{
    uint8_t device = ata->unit ? 0xb0 : 0xa0;

    if (ata->chs)
        device |= ata->lba >> 8 & 0x0f;
    else
        device |= 0x40 | (ata->extended ? 0 : ata->lba >> 24 & 0x0f);
    outb(R_DEVICE, device);
    write_address(ata);
    outb(R_COMMAND, ata->command);
    settle();
    return inb(R_STATUS);
}

uint8_t ata_simple(unsigned unit, uint8_t command)
{
    return ata(&(struct ata){.command = command, .unit = unit});
}

void pio_in(void *data, size_t len, size_t block)
{
    uint8_t *to = data;

    while (len > 0) {
        uint16_t word;

        assert_int_equal(inb(R_CONTROL) & (ST_BSY | ST_DRQ), ST_DRQ);
        for (size_t i = 0; i < block && len > 0; i += 2) {
            word = (uint16_t)in(R_DATA, 2);
            memcpy(to, &word, len < 2 ? len : 2);
            to += 2;
            len -= len < 2 ? len : 2;
        }
        settle();
    }
}

void pio_out(const void *data, size_t len, size_t block)
{
    const uint8_t *from = data;

    while (len > 0) {
        assert_int_equal(inb(R_CONTROL) & (ST_BSY | ST_DRQ), ST_DRQ);
        for (size_t i = 0; i < block && len > 0; i += 2, len -= 2) {
            out(R_DATA, 2, from[0] | (uint32_t)from[1] << 8);
            from += 2;
        }
        settle();
    }
}

uint8_t packet(unsigned unit, const uint8_t *bytes, void *data, size_t *len)
{
    uint8_t *to = data;
    size_t room = len ? *len : 0, got = 0;
    uint8_t status;

    status = ata(&(struct ata){
        .command = 0xa0, .unit = unit, .lba = (uint64_t)0xfffe << 8});
    assert_int_equal(status & (ST_DRQ | ST_ERR), ST_DRQ);
    assert_int_equal(inb(R_COUNT), 1);
    pio_out(bytes, 12, 12);
    status = inb(R_STATUS);
    while (status & ST_DRQ) {
        size_t block = inb(R_MID) | (size_t)inb(R_HIGH) << 8;

        assert_int_equal(inb(R_COUNT), 2);
        assert_true(got + block <= room);
        pio_in(to + got, block, block);
        got += block;
        status = inb(R_STATUS);
    }
    assert_int_equal(inb(R_COUNT), 3);
    if (len)
        *len = got;
    return status;
}

uint32_t sense(unsigned unit)
{
    static const uint8_t request[12] = {0x03, 0, 0, 0, 18};
    uint8_t data[18];
    size_t len = sizeof(data);

    assert_int_equal(packet(unit, request, data, &len) & ST_ERR, 0);
    assert_int_equal(len, 18);
    assert_int_equal(data[0], 0x70);
    return (uint32_t)data[2] << 16 | (uint32_t)data[12] << 8 | data[13];
}

/* ---- DMA -------------------------------------------------------------- */

void map_bus_master(void)
{
    struct machine *machine = &guest.board.machine;

    pci_config_write(machine, IDE, 0x20, 4, BUS_MASTER);
    pci_config_write(machine, IDE, 0x04, 2, 0x0005);
}

void dma_table(const uint32_t *addresses, const uint32_t *lengths, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        uint32_t prd[2] = {addresses[i], lengths[i] & 0xffff};

        if (i == nr - 1)
            prd[1] |= PRD_LAST;
        memory_write(TABLE + 8 * i, prd, sizeof(prd));
    }
}

static uint16_t bus_master(unsigned reg)
{
    return (uint16_t)(BUS_MASTER + (guest.base ? 8 : 0) + reg);
}

void dma_start(bool to_memory)
{
    out(bus_master(4), 4, TABLE);
    out(bus_master(2), 1, 0x66); /* error and interrupt off */
    out(bus_master(0), 1, to_memory ? 0x08 : 0);
    out(bus_master(0), 1, (to_memory ? 0x08u : 0) | 1);
    settle();
}

uint8_t dma_status(void)
{
    return (uint8_t)in(bus_master(2), 1) & 0x07;
}

void dma_stop(void)
{
    out(bus_master(0), 1, 0);
}
