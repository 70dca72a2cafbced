/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDENTIFY DEVICE and IDENTIFY PACKET DEVICE: ATA/ATAPI-7, volume 1, 6.16 and
 * 6.17.
 */
#include "config.h"

#include <string.h>

#include "dm/hw/ide/ide.h"

#define NR_WORDS 256
#define LBA28_MAX 0x0fffffff
#define WORD_VALID 0x4000 /* bits 15 and 14 are 01 */

#define SERIAL 10
#define SERIAL_LEN 20
#define FIRMWARE 23
#define FIRMWARE_LEN 8
#define MODEL 27
#define MODEL_LEN 40

#define MODE_MULTIWORD 4
#define MODE_ULTRA 8

static void put(uint8_t *buffer, unsigned word, uint32_t value)
{
    buffer[2 * word] = (uint8_t)value;
    buffer[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_wide(uint8_t *buffer, unsigned word, uint64_t value,
                     unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        put(buffer, word + i, (uint16_t)(value >> 16 * i));
}

/* The first letter of two is in the upper byte. */
static void put_text(uint8_t *buffer, unsigned word, size_t len,
                     const char *text)
{
    size_t used = strnlen(text, len);

    for (size_t i = 0; i < len; i++)
        buffer[2 * word + (i ^ 1)] = i < used ? (uint8_t)text[i] : ' ';
}

/* The modes up to max of a kind, and which of them is set. */
static void put_modes(const struct ide_drive *drive, uint8_t *buffer,
                      unsigned word, unsigned kind, unsigned max)
{
    uint32_t value = (2u << max) - 1;

    if (drive->mode >> 3 == kind)
        value |= 0x100u << (drive->mode & 7);
    put(buffer, word, value);
}

static void identify_both(const struct ide_drive *drive, uint8_t *buffer)
{
    put_text(buffer, SERIAL, SERIAL_LEN, disk_id(drive->disk));
    put_text(buffer, FIRMWARE, FIRMWARE_LEN, PACKAGE_VERSION);
    put(buffer, 49, 0x0b00); /* IORDY, LBA, DMA */
    put(buffer, 50, WORD_VALID);
    put(buffer, 53, 0x0007); /* words 54-58, 64-70 and 88 count */
    put_modes(drive, buffer, 63, MODE_MULTIWORD, 2);
    put(buffer, 64, 0x0003); /* PIO 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        put(buffer, word, 120); /* cycle times, ns */
    put(buffer, 80, 0x00f0);    /* ATA/ATAPI-4 to 7 */
    put_modes(drive, buffer, 88, MODE_ULTRA, 5);
    put(buffer, 93, ide_unit(drive) ? 0x6100 : 0x6001); /* 80-wire cable */
}

static void identify_geometry(const struct ide_drive *drive, uint8_t *buffer)
{
    uint64_t nr = disk_nr_sectors(drive->disk);
    uint32_t cylinders = ata_cylinders(nr, drive->heads, drive->sectors);

    put(buffer, 1, ata_cylinders(nr, 16, 63));
    put(buffer, 3, 16);
    put(buffer, 6, 63);
    put(buffer, 54, cylinders);
    put(buffer, 55, drive->heads);
    put(buffer, 56, drive->sectors);
    put_wide(buffer, 57, (uint64_t)cylinders * drive->heads * drive->sectors,
             2);
    put_wide(buffer, 60, nr < LBA28_MAX ? nr : LBA28_MAX, 2);
    put_wide(buffer, 100, nr, 4);
}

static void identify_disk(const struct ide_drive *drive, uint8_t *buffer)
{
    uint32_t cache = drive->write_cache ? 0x0020 : 0;

    put(buffer, 0, 0x0040); /* fixed */
    identify_geometry(drive, buffer);
    put(buffer, 47, 0x8000 | IDE_MAX_MULTIPLE);
    put(buffer, 59, drive->multiple ? 0x0100u | drive->multiple : 0);
    put(buffer, 82, 0x4028);              /* NOP, write cache, power */
    put(buffer, 83, WORD_VALID | 0x3400); /* FLUSH (EXT), 48 bits */
    put(buffer, 84, WORD_VALID | 0x0040); /* FUA */
    put(buffer, 85, 0x4008 | cache);
    put(buffer, 86, 0x3400);
    put(buffer, 87, WORD_VALID | 0x0040);
}

static void identify_cdrom(uint8_t *buffer)
{
    put(buffer, 0, 0x85c0);  /* CD-ROM, removable, packets of 12 bytes */
    put(buffer, 82, 0x0218); /* DEVICE RESET, PACKET, power */
    put(buffer, 83, WORD_VALID);
    put(buffer, 84, WORD_VALID);
    put(buffer, 85, 0x0218);
    put(buffer, 87, WORD_VALID);
}

void ide_identify(const struct ide_drive *drive, uint8_t *buffer)
{
    uint8_t sum = 0;

    memset(buffer, 0, 2 * NR_WORDS);
    identify_both(drive, buffer);
    if (drive->kind == IDE_CDROM) {
        put_text(buffer, MODEL, MODEL_LEN, "XENRAM CD-ROM");
        identify_cdrom(buffer);
    } else {
        put_text(buffer, MODEL, MODEL_LEN, "XENRAM DISK");
        identify_disk(drive, buffer);
    }
    buffer[510] = 0xa5; /* the last byte makes the sum zero */
    for (unsigned i = 0; i < 511; i++)
        sum = (uint8_t)(sum + buffer[i]);
    buffer[511] = (uint8_t)-sum;
}
