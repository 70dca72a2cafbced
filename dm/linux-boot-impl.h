/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_LINUX_BOOT_IMPL_H
#define DM_LINUX_BOOT_IMPL_H

/*
 * Shared by linux-boot.c, which opens and checks, and linux-load.c, which hands
 * over.
 */

#include <stddef.h>
#include <stdint.h>

#include "dm/linux-boot.h"

/*
 * Real-mode code, its heap and its stack share one segment; the command line
 * follows it.  Both stay below the tables that hvmloader keeps at 0x9f800 and
 * the BIOS's data above it.
 */
#define LINUX_SETUP_ADDRESS 0x10000u
#define LINUX_SETUP_MAX 0x8000u
#define LINUX_HEAP_END 0xe000u
#define LINUX_CMDLINE_ADDRESS 0x20000u
#define LINUX_CMDLINE_ROOM 0x10000u
#define LINUX_KERNEL_ADDRESS 0x100000u

/* Offset into the real-mode header that both look at. */
#define LINUX_LOADFLAGS 0x211

/* Write the reason to error and return ret. */
int linux_boot_fail(char error[LINUX_BOOT_ERROR_MAX], int ret,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* All of [offset, offset + len); -ENODATA: the file ends before. */
int linux_boot_read(int fd, uint64_t offset, void *buf, size_t len);
const char *linux_boot_read_error(int ret);

#endif
