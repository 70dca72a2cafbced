/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_LINUX_BOOT_H
#define DM_LINUX_BOOT_H

/*
 * Direct kernel boot: a bzImage, its initrd and command line are put where the
 * boot protocol wants them, straight into guest memory.  Linux,
 * Documentation/arch/x86/boot.rst.
 */

#include <stdint.h>

struct machine;

#define LINUX_BOOT_ERROR_MAX 512

/* All zeroes, or as linux_boot_close leaves it: nothing is open. */
struct linux_boot {
    int kernel_fd, initrd_fd; /* valid while setup is not NULL; -1: no initrd */
    uint64_t kernel_size, initrd_size;
    const char *kernel_path, *initrd_path, *cmdline; /* the caller's */
    uint8_t *setup;       /* the real-mode part, as the file had it */
    uint32_t header_size; /* of that part, bytes */
    uint16_t protocol;
    uint32_t initrd_max; /* highest address that an initrd may use */
    uint32_t cmdline_max;
    /* where the kernel itself will unpack to: [unpack, unpack + unpack_size) */
    uint64_t unpack, unpack_size;
};

/* What the option ROM needs to jump. */
struct linux_boot_entry {
    uint16_t setup_segment; /* real-mode code; entry is segment + 0x20 : 0 */
    uint16_t stack;         /* sp */
};

/*
 * Open the files and check the kernel's header, before privileges go.  initrd
 * and cmdline may be NULL.  On failure nothing is left open and error is one
 * line: the file is missing, not a bzImage, too old or too large, or the
 * command line is longer than this kernel takes.
 */
int linux_boot_open(struct linux_boot *boot, const char *kernel,
                    const char *initrd, const char *cmdline,
                    char error[LINUX_BOOT_ERROR_MAX]);
void linux_boot_close(struct linux_boot *boot);

/*
 * Copy everything into the guest.  ram_end is the first byte above usable RAM
 * below 4 GiB, as the firmware reports it, checked by the caller.  Nothing is
 * written unless all of it fits; *entry is set on success only.
 * -ENOSPC: the guest has too little memory.
 * -ENODATA: a file became shorter since it was opened.
 * other: what reading the file, or mapping the guest, gave.
 */
int linux_boot_load(const struct linux_boot *boot, struct machine *machine,
                    uint64_t ram_end, struct linux_boot_entry *entry,
                    char error[LINUX_BOOT_ERROR_MAX]);

#endif
