/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_ROM_BOOT_ROM_H
#define DM_ROM_BOOT_ROM_H

/*
 * What the option ROM and the device model say to each other: a doorbell of
 * BOOT_ROM_NR_PORTS ports.  The ROM writes the first byte above usable RAM
 * below 4 GiB to RING (32 bits); when that access is over, STATUS (32 bits) is
 * READY and ENTRY and STACK (16 bits each) say where the kernel's setup code
 * waits, or STATUS is something else and the ROM goes back to the BIOS.
 *
 * The ports lie where nothing else of this platform can come: above the ACPI
 * blocks at 0xae00 and 0xaf00 and below GPE0 at 0xafe0 (Xen, libacpi) and the
 * PM block at 0xb000; hvmloader places I/O BARs from 0xc000 on.
 */

#define BOOT_ROM_PORT 0xafc0
#define BOOT_ROM_NR_PORTS 16
#define BOOT_ROM_RING 0
#define BOOT_ROM_STATUS 0
#define BOOT_ROM_ENTRY 4
#define BOOT_ROM_STACK 6

/* All ones, what an unclaimed port gives, is none of these. */
#define BOOT_ROM_IDLE 0
#define BOOT_ROM_READY 1
#define BOOT_ROM_FAILED 2

#define BOOT_ROM_BLOCK 512 /* the unit in which a ROM says how long it is */
#define BOOT_ROM_BLOCKS 1
#define BOOT_ROM_SIZE (BOOT_ROM_BLOCKS * BOOT_ROM_BLOCK)

/* PCI Firmware Specification 3.0, 5.1.2; offset 6 is free for our use. */
#define BOOT_ROM_SUM_OFFSET 0x06
#define BOOT_ROM_PCIR_OFFSET 0x18
#define BOOT_ROM_PNP_OFFSET 0x1a

#ifndef __ASSEMBLER__
#include <stdint.h>

/* ids of the function and both sums are zero in it: the device fills them in */
extern const uint8_t boot_rom_image[BOOT_ROM_SIZE];
#endif

#endif
