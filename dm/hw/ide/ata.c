/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of hard disks, and of CD-ROM drives up to the packet: ATA/ATAPI-7,
 * volume 1, chapter 6; ACS-2.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "dm/hw/ide/ide.h"

/* Of the FEATURE register, SET FEATURES. */
#define FEATURE_WRITE_CACHE 0x02
#define FEATURE_TRANSFER_MODE 0x03
#define FEATURE_NO_WRITE_CACHE 0x82

#define POWER_ACTIVE 0xff

static void abort_command(struct ide_drive *drive)
{
    ide_fail(drive, ER_ABRT);
}

/* ---- addresses ---- */

uint32_t ata_cylinders(uint64_t nr_sectors, unsigned heads, unsigned sectors)
{
    uint64_t cylinders = nr_sectors / (heads * sectors);

    return cylinders < 16383 ? (uint32_t)cylinders : 16383;
}

static uint64_t get_extended(const struct ide_drive *drive)
{
    const uint8_t *task = drive->task, *previous = drive->previous;
    uint32_t low = task[TASK(IDE_LOW)] | (uint32_t)task[TASK(IDE_MID)] << 8 |
                   (uint32_t)task[TASK(IDE_HIGH)] << 16;
    uint32_t high = previous[TASK(IDE_LOW)] |
                    (uint32_t)previous[TASK(IDE_MID)] << 8 |
                    (uint32_t)previous[TASK(IDE_HIGH)] << 16;

    return low | (uint64_t)high << 24;
}

/* UINT64_MAX: no such place. */
static uint64_t get_chs(const struct ide_drive *drive)
{
    uint32_t cylinder =
        drive->task[TASK(IDE_MID)] | (uint32_t)drive->task[TASK(IDE_HIGH)] << 8;
    uint32_t head = drive->device & DEVICE_HEAD;
    uint32_t sector = drive->task[TASK(IDE_LOW)];

    if (sector == 0 || sector > drive->sectors || head >= drive->heads)
        return UINT64_MAX;
    return ((uint64_t)cylinder * drive->heads + head) * drive->sectors +
           sector - 1;
}

static uint64_t get_address(const struct ide_drive *drive, bool extended)
{
    if (extended)
        return get_extended(drive);
    if (!(drive->device & DEVICE_LBA))
        return get_chs(drive);
    return (get_extended(drive) & 0xffffff) |
           (uint64_t)(drive->device & DEVICE_HEAD) << 24;
}

static uint32_t get_count(const struct ide_drive *drive, bool extended)
{
    uint32_t count = drive->task[TASK(IDE_COUNT)];

    if (extended)
        count |= (uint32_t)drive->previous[TASK(IDE_COUNT)] << 8;
    if (count == 0)
        return extended ? 0x10000 : 0x100;
    return count;
}

static void set_chs(struct ide_drive *drive, uint64_t sector)
{
    uint64_t track = sector / drive->sectors;

    drive->task[TASK(IDE_LOW)] = (uint8_t)(sector % drive->sectors + 1);
    drive->task[TASK(IDE_MID)] = (uint8_t)(track / drive->heads);
    drive->task[TASK(IDE_HIGH)] = (uint8_t)(track / drive->heads >> 8);
    drive->device = (uint8_t)((drive->device & ~DEVICE_HEAD) |
                              (track % drive->heads & DEVICE_HEAD));
}

void ata_set_address(struct ide_drive *drive, uint64_t sector, bool extended)
{
    if (!extended && !(drive->device & DEVICE_LBA)) {
        set_chs(drive, sector);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        drive->task[TASK(IDE_LOW) + i] = (uint8_t)(sector >> 8 * i);
        drive->previous[TASK(IDE_LOW) + i] = (uint8_t)(sector >> (24 + 8 * i));
    }
    if (!extended)
        drive->device = (uint8_t)((drive->device & ~DEVICE_HEAD) |
                                  (sector >> 24 & DEVICE_HEAD));
}

/* ---- reads and writes ---- */

enum {
    EXTENDED = 1u << 0,
    MULTIPLE = 1u << 1,
    DMA = 1u << 2,
    WRITE = 1u << 3,
    FUA = 1u << 4,
    VERIFY = 1u << 5,
};

/* Is all of it on the disk?  If not, the command has failed. */
static bool check_range(struct ide_drive *drive, uint64_t sector,
                        uint32_t count)
{
    uint64_t nr = disk_nr_sectors(drive->disk);

    if (sector < nr && count <= nr - sector)
        return true;
    disk_count_invalid(drive->disk);
    ide_fail(drive, ER_IDNF);
    return false;
}

static void transfer_sectors(struct ide_drive *drive, unsigned how)
{
    struct ide_channel *channel = drive->channel;
    bool extended = how & EXTENDED;
    uint64_t sector = get_address(drive, extended);
    uint32_t count = get_count(drive, extended);
    struct ide_transfer *transfer;

    if (how & MULTIPLE && drive->multiple == 0) {
        abort_command(drive);
        return;
    }
    if (!check_range(drive, sector, count))
        return;
    if (how & VERIFY) {
        ide_finish(drive);
        return;
    }
    transfer = ide_begin(drive, IDE_SECTORS);
    transfer->sector = sector;
    transfer->left = count;
    transfer->extended = extended;
    transfer->block = (how & MULTIPLE ? drive->multiple : 1u) * DISK_SECTOR;
    transfer->write = how & WRITE;
    transfer->flush = how & WRITE && (how & FUA || !drive->write_cache);
    if (how & DMA)
        ide_dma_begin(channel);
    else if (how & WRITE)
        ide_write_next(channel);
    else
        ide_read_next(channel);
}

/* ---- other commands ---- */

static void nothing(struct ide_drive *drive)
{
    ide_finish(drive);
}

static void flush(struct ide_drive *drive)
{
    struct ide_transfer *transfer = ide_begin(drive, IDE_SECTORS);

    transfer->write = true;
    transfer->flush = true;
    ide_written(drive->channel);
}

static void identify(struct ide_drive *drive)
{
    struct ide_transfer *transfer = ide_begin(drive, IDE_REPLY);

    ide_identify(drive, drive->channel->buffer);
    transfer->block = DISK_SECTOR;
    ide_send(drive->channel, DISK_SECTOR);
}

static void set_multiple(struct ide_drive *drive)
{
    uint8_t count = drive->task[TASK(IDE_COUNT)];

    if (count > IDE_MAX_MULTIPLE || count & (count - 1)) {
        abort_command(drive);
        return;
    }
    drive->multiple = count;
    ide_finish(drive);
}

static void set_translation(struct ide_drive *drive)
{
    uint8_t heads = (drive->device & DEVICE_HEAD) + 1;
    uint8_t sectors = drive->task[TASK(IDE_COUNT)];

    if (sectors == 0 || sectors > 63) {
        abort_command(drive);
        return;
    }
    drive->heads = heads;
    drive->sectors = sectors;
    ide_finish(drive);
}

static void check_power(struct ide_drive *drive)
{
    drive->task[TASK(IDE_COUNT)] = POWER_ACTIVE;
    ide_finish(drive);
}

static void native_max(struct ide_drive *drive, bool extended)
{
    uint64_t nr = disk_nr_sectors(drive->disk);

    if (!extended && !(drive->device & DEVICE_LBA)) {
        abort_command(drive);
        return;
    }
    if (!extended && nr > 0x10000000)
        nr = 0x10000000;
    ata_set_address(drive, nr > 0 ? nr - 1 : 0, extended);
    ide_finish(drive);
}

/* PIO, and multiword and ultra DMA as IDENTIFY offers them. */
static bool mode_exists(uint8_t mode)
{
    unsigned kind = mode >> 3, nr = mode & 7;

    switch (kind) {
    case 0:
        return nr <= 1;
    case 1:
        return nr <= 4;
    case 4:
        return nr <= 2;
    case 8:
        return nr <= 5;
    }
    return false;
}

static void set_features(struct ide_drive *drive)
{
    uint8_t count = drive->task[TASK(IDE_COUNT)];

    switch (drive->task[TASK(IDE_FEATURE)]) {
    case FEATURE_TRANSFER_MODE:
        if (!mode_exists(count)) {
            abort_command(drive);
            return;
        }
        drive->mode = count;
        break;
    case FEATURE_WRITE_CACHE:
        drive->write_cache = true;
        break;
    case FEATURE_NO_WRITE_CACHE:
        drive->write_cache = false;
        if (drive->kind == IDE_DISK) {
            flush(drive);
            return;
        }
        break;
    case 0x55: /* read look-ahead off, on */
    case 0xaa:
    case 0x66: /* settings outlive a soft reset, or do not */
    case 0xcc:
        break;
    default:
        abort_command(drive);
        return;
    }
    ide_finish(drive);
}

/* ---- the tables ---- */

struct command {
    void (*run)(struct ide_drive *drive); /* NULL: an access, if how is set */
    unsigned how;
};

#define TRANSFER 0x80000000u

static void native_max_28(struct ide_drive *drive)
{
    native_max(drive, false);
}

static void native_max_48(struct ide_drive *drive)
{
    native_max(drive, true);
}

static const struct command commands[256] = {
    [0x20] = {.how = TRANSFER},
    [0x21] = {.how = TRANSFER},
    [0x24] = {.how = TRANSFER | EXTENDED},
    [0x25] = {.how = TRANSFER | EXTENDED | DMA},
    [0x27] = {.run = native_max_48},
    [0x29] = {.how = TRANSFER | EXTENDED | MULTIPLE},
    [0x30] = {.how = TRANSFER | WRITE},
    [0x31] = {.how = TRANSFER | WRITE},
    [0x34] = {.how = TRANSFER | WRITE | EXTENDED},
    [0x35] = {.how = TRANSFER | WRITE | EXTENDED | DMA},
    [0x39] = {.how = TRANSFER | WRITE | EXTENDED | MULTIPLE},
    [0x3d] = {.how = TRANSFER | WRITE | EXTENDED | DMA | FUA},
    [0x40] = {.how = TRANSFER | VERIFY},
    [0x41] = {.how = TRANSFER | VERIFY},
    [0x42] = {.how = TRANSFER | VERIFY | EXTENDED},
    [0x91] = {.run = set_translation},
    [0xc4] = {.how = TRANSFER | MULTIPLE},
    [0xc5] = {.how = TRANSFER | WRITE | MULTIPLE},
    [0xc6] = {.run = set_multiple},
    [0xc8] = {.how = TRANSFER | DMA},
    [0xc9] = {.how = TRANSFER | DMA},
    [0xca] = {.how = TRANSFER | WRITE | DMA},
    [0xcb] = {.how = TRANSFER | WRITE | DMA},
    [0xce] = {.how = TRANSFER | WRITE | EXTENDED | MULTIPLE | FUA},
    [0xe7] = {.run = flush},
    [0xea] = {.run = flush},
    [0xec] = {.run = identify},
    [0xef] = {.run = set_features},
    [0xf8] = {.run = native_max_28},
};

/* Commands that old and new drivers give, and that have nothing to do here. */
static bool is_idle(uint8_t command)
{
    switch (command) {
    case 0x94: /* STANDBY IMMEDIATE, IDLE IMMEDIATE, STANDBY, IDLE, SLEEP */
    case 0x95:
    case 0x96:
    case 0x97:
    case 0x99:
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
    case 0xe6:
        return true;
    }
    return (command & 0xf0) == 0x10 || (command & 0xf0) == 0x70; /* seeks */
}

void ata_command(struct ide_drive *drive, uint8_t command)
{
    const struct command *entry = &commands[command];

    if (entry->run)
        entry->run(drive);
    else if (entry->how)
        transfer_sectors(drive, entry->how);
    else if (command == 0x98 || command == 0xe5)
        check_power(drive);
    else if (is_idle(command))
        nothing(drive);
    else
        abort_command(drive);
}

void atapi_command(struct ide_drive *drive, uint8_t command)
{
    struct ide_transfer *transfer;

    switch (command) {
    case 0xa0: /* PACKET; overlap is not supported */
        transfer = ide_begin(drive, IDE_PACKET);
        transfer->dma = drive->task[TASK(IDE_FEATURE)] & 0x01;
        transfer->block = IDE_PACKET_SIZE;
        drive->task[TASK(IDE_COUNT)] = REASON_COMMAND;
        ide_receive(drive->channel, IDE_PACKET_SIZE);
        break;
    case 0xa1: /* IDENTIFY PACKET DEVICE */
        identify(drive);
        break;
    case 0xef:
        set_features(drive);
        break;
    case 0x98:
    case 0xe5:
        check_power(drive);
        break;
    case 0xe7:
        nothing(drive);
        break;
    case 0x20: /* READ SECTORS and IDENTIFY DEVICE tell what it is */
    case 0xec:
        ide_signature(drive);
        abort_command(drive);
        break;
    default:
        if (is_idle(command) && command >= 0x90)
            nothing(drive);
        else
            abort_command(drive);
    }
}
