/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_IDE_GUEST_H
#define TESTS_IDE_GUEST_H

/*
 * A machine on fakexen with IDE drives whose images are files, and a guest that
 * drives their registers.  Byte i of sector n of an image is sector_byte(n, i).
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/fuzz/board.h"

#define GUEST_DOMID 7u
#define GUEST_MIB 8u
#define IMAGE_SECTORS 4096u /* of a disk; a CD-ROM has a quarter of them */
#define CD_SECTORS (IMAGE_SECTORS / 4)

#define TABLE 0x10000u /* where dma_table puts descriptors */
#define DATA 0x100000u /* guest memory for data */
#define PRD_LAST 0x80000000u

#define ST_ERR 0x01
#define ST_DRQ 0x08
#define ST_READY 0x50
#define ST_BSY 0x80
#define ER_ABRT 0x04
#define ER_IDNF 0x10
#define ER_UNC 0x40

#define BM_ACTIVE 0x01
#define BM_ERROR 0x02
#define BM_INTERRUPT 0x04

/* Registers, by the ports of the primary channel. */
#define R_DATA 0x1f0
#define R_ERROR 0x1f1
#define R_FEATURE 0x1f1
#define R_COUNT 0x1f2
#define R_LOW 0x1f3
#define R_MID 0x1f4
#define R_HIGH 0x1f5
#define R_DEVICE 0x1f6
#define R_STATUS 0x1f7
#define R_COMMAND 0x1f7
#define R_CONTROL 0x3f6

/*
 * guest_begin takes a letter a drive, d: disk, D: one of 1 GiB of zeroes, c:
 * CD-ROM, e: a CD-ROM drive without a medium, '-': none.  "d-c-" is what xl
 * makes of hda and hdc.
 */
struct ide_guest {
    struct board board;
    struct options options;
    char dir[64];
    char paths[4][96];
    unsigned base; /* how much lower the ports of the channel in use are */
};

extern struct ide_guest guest;

void guest_begin(const char *drives);
void guest_end(void);
int guest_teardown(void **state); /* for cmocka */

/* Tests by a setup that takes the letters, or NULL, from *state. */
#define DRIVES(test, drives)                                                   \
    cmocka_unit_test_prestate_setup_teardown(test, setup, guest_teardown,      \
                                             drives)
#define TEST(test) DRIVES(test, NULL)

/* Save and load: the machine goes on as another one, with the same memory. */
void guest_restore(void);
/* The same; from here on the machine is built with these drives. */
void guest_restore_with(const char *drives);
/* What a load of our state says to a machine of other drives; 0: it went. */
int guest_try_restore(const char *drives, char *error);

/* All that is in flight ends. */
void settle(void);

/* The channel that the registers below belong to: 0 or 1. */
void use_channel(unsigned channel);
uint32_t in(uint16_t port, unsigned size);
void out(uint16_t port, unsigned size, uint32_t value);
uint8_t inb(uint16_t port);
void outb(uint16_t port, uint8_t value);
unsigned line(void); /* level of the channel's interrupt */
unsigned edges(void);

/* ---- commands --------------------------------------------------------- */

struct ata {
    uint8_t command, feature;
    uint64_t lba;
    uint32_t count;
    bool extended; /* 48 bits */
    unsigned unit;
    bool chs; /* lba is cylinder << 16 | head << 8 | sector */
};

/* Write the registers, wait; returns the status, read once. */
uint8_t ata(const struct ata *ata);
uint8_t ata_simple(unsigned unit, uint8_t command);
/* Move data through the port, a DRQ block of bytes at a time, waiting. */
void pio_in(void *data, size_t len, size_t block);
void pio_out(const void *data, size_t len, size_t block);

/* A packet command of at most 12 bytes by PIO; *len: room, then bytes. */
uint8_t packet(unsigned unit, const uint8_t *bytes, void *data, size_t *len);
/* Sense of the drive as key << 16 | asc << 8 | ascq. */
uint32_t sense(unsigned unit);

/* ---- DMA -------------------------------------------------------------- */

/* Where BAR 4 is mapped; map_bus_master does what firmware does. */
#define BUS_MASTER 0xc000u
void map_bus_master(void);
void dma_table(const uint32_t *addresses, const uint32_t *lengths, unsigned nr);
/* Table, status bits, start; then the transfer has ended. */
void dma_start(bool to_memory);
uint8_t dma_status(void);
void dma_stop(void);

/* ---- data ------------------------------------------------------------- */

uint8_t sector_byte(uint64_t sector, unsigned i);
void expect_sectors(const uint8_t *data, uint64_t sector, unsigned nr);
void fill_sectors(uint8_t *data, uint64_t sector, unsigned nr, uint8_t twist);
/* What the file of a drive has. */
void image_read(unsigned drive, uint64_t sector, void *data, unsigned nr);
void memory_read(uint64_t gpa, void *data, size_t len);
void memory_write(uint64_t gpa, const void *data, size_t len);

#endif
