/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/linux-boot.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "dm/linux-boot-impl.h"
#include "dm/log.h"
#include "dm/machine.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

/* Offsets into the file: boot.rst, "The Real-Mode Kernel Header". */
#define VID_MODE 0x1fa
#define TYPE_OF_LOADER 0x210
#define RAMDISK_IMAGE 0x218
#define RAMDISK_SIZE 0x21c
#define HEAP_END_PTR 0x224
#define CMD_LINE_PTR 0x228

#define CAN_USE_HEAP 0x80
#define LOADER_UNDEFINED 0xff
#define VGA_NORMAL 0xffff
#define PIECE (UINT64_C(1) << 20) /* pinned at a time */

static void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, (uint16_t)value);
    put16(bytes + 2, (uint16_t)(value >> 16));
}

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + XEN_RAM_PAGE_SIZE - 1) & ~(uint64_t)(XEN_RAM_PAGE_SIZE - 1);
}

static uint64_t page_down(uint64_t bytes)
{
    return bytes & ~(uint64_t)(XEN_RAM_PAGE_SIZE - 1);
}

/* MiB, rounded up. */
static uint64_t mebibytes(uint64_t bytes)
{
    return (bytes + (1u << 20) - 1) >> 20;
}

static uint64_t kernel_end(const struct linux_boot *boot)
{
    uint64_t file =
        LINUX_KERNEL_ADDRESS + boot->kernel_size - boot->header_size;
    uint64_t unpacked = boot->unpack + boot->unpack_size;

    return file > unpacked ? file : unpacked;
}

static int check_room(const struct linux_boot *boot, uint64_t ram_end,
                      char *error)
{
    uint64_t end = kernel_end(boot);

    if (end <= ram_end)
        return 0;
    return linux_boot_fail(error, -ENOSPC,
                           "kernel %s: needs memory up to %#" PRIx64
                           ", usable RAM ends at %#" PRIx64
                           ": give the guest %" PRIu64 " MiB more",
                           boot->kernel_path, end, ram_end,
                           mebibytes(end - ram_end));
}

/* As high as it goes: out of the way of whatever the kernel does first. */
static int place_initrd(const struct linux_boot *boot, uint64_t ram_end,
                        uint64_t *address, char *error)
{
    uint64_t bottom = page_up(kernel_end(boot));
    uint64_t size = page_up(boot->initrd_size);
    uint64_t limit = page_down((uint64_t)boot->initrd_max + 1);
    uint64_t top = page_down(ram_end);

    if (bottom > limit || size > limit - bottom)
        return linux_boot_fail(
            error, -ENOSPC,
            "initrd %s: %" PRIu64 " bytes do not fit between %#" PRIx64
            ", where the kernel ends, and %#" PRIx64
            ", its limit for an initrd: give a smaller one",
            boot->initrd_path, boot->initrd_size, bottom, limit);
    if (bottom > top || size > top - bottom)
        return linux_boot_fail(
            error, -ENOSPC,
            "initrd %s: %" PRIu64 " bytes do not fit between %#" PRIx64
            ", where the kernel ends, and %#" PRIx64
            ", where usable RAM does: give the guest %" PRIu64 " MiB more",
            boot->initrd_path, boot->initrd_size, bottom, top,
            mebibytes(bottom + size - top));
    *address = (limit < top ? limit : top) - size;
    return 0;
}

/* Straight from the page cache into the guest's frames. */
static int copy_file(struct machine *machine, int fd, uint64_t offset,
                     uint64_t gpa, uint64_t len, char *error)
{
    while (len > 0) {
        size_t n = PIECE - gpa % PIECE;
        void *host;
        int ret;

        if (n > len)
            n = len;
        ret = xen_mapcache_pin(machine->cache, gpa, n, &host);
        if (ret)
            return linux_boot_fail(
                error, ret, "cannot map guest memory at %#" PRIx64 ": %s", gpa,
                strerror(-ret));
        ret = linux_boot_read(fd, offset, host, n);
        xen_ram_mark_dirty(machine->ram, gpa, n);
        xen_mapcache_unpin(machine->cache, host, n);
        if (ret)
            return linux_boot_fail(error, ret, "at byte %" PRIu64 ": %s",
                                   offset, linux_boot_read_error(ret));
        offset += n;
        gpa += n;
        len -= n;
    }
    return 0;
}

static int copy_bytes(struct machine *machine, uint64_t gpa, const void *bytes,
                      size_t len, char *error)
{
    int ret = xen_mapcache_write(machine->cache, gpa, bytes, len, NULL);

    xen_ram_mark_dirty(machine->ram, gpa, len);
    if (ret)
        return linux_boot_fail(error, ret,
                               "cannot write guest memory at %#" PRIx64 ": %s",
                               gpa, strerror(-ret));
    return 0;
}

/* What boot.rst has as "write" and "modify", of the fields that we need. */
static void fill_header(const struct linux_boot *boot, uint64_t initrd)
{
    uint8_t *setup = boot->setup;

    put16(setup + VID_MODE, VGA_NORMAL);
    setup[TYPE_OF_LOADER] = LOADER_UNDEFINED;
    setup[LINUX_LOADFLAGS] |= CAN_USE_HEAP;
    put16(setup + HEAP_END_PTR, LINUX_HEAP_END - 0x200);
    put32(setup + CMD_LINE_PTR, LINUX_CMDLINE_ADDRESS);
    put32(setup + RAMDISK_IMAGE, (uint32_t)initrd);
    put32(setup + RAMDISK_SIZE, (uint32_t)boot->initrd_size);
}

static int copy_all(const struct linux_boot *boot, struct machine *machine,
                    uint64_t initrd, char *error)
{
    char why[LINUX_BOOT_ERROR_MAX];
    int ret = copy_file(machine, boot->kernel_fd, boot->header_size,
                        LINUX_KERNEL_ADDRESS,
                        boot->kernel_size - boot->header_size, why);

    if (ret == 0)
        ret = copy_bytes(machine, LINUX_SETUP_ADDRESS, boot->setup,
                         boot->header_size, why);
    if (ret == 0)
        ret = copy_bytes(machine, LINUX_CMDLINE_ADDRESS, boot->cmdline,
                         strlen(boot->cmdline) + 1, why);
    if (ret)
        return linux_boot_fail(error, ret, "kernel %s: %s", boot->kernel_path,
                               why);

    if (boot->initrd_fd >= 0)
        ret = copy_file(machine, boot->initrd_fd, 0, initrd, boot->initrd_size,
                        why);
    if (ret)
        return linux_boot_fail(error, ret, "initrd %s: %s", boot->initrd_path,
                               why);
    return 0;
}

static double milliseconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) * 1e3 +
           (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

int linux_boot_load(const struct linux_boot *boot, struct machine *machine,
                    uint64_t ram_end, struct linux_boot_entry *entry,
                    char error[LINUX_BOOT_ERROR_MAX])
{
    struct timespec start;
    uint64_t initrd = 0;
    int ret = check_room(boot, ram_end, error);

    if (ret == 0 && boot->initrd_fd >= 0)
        ret = place_initrd(boot, ram_end, &initrd, error);
    if (ret)
        return ret;

    clock_gettime(CLOCK_MONOTONIC, &start);
    fill_header(boot, initrd);
    ret = copy_all(boot, machine, initrd, error);
    if (ret)
        return ret;
    log_debug("kernel %" PRIu64 " bytes and initrd %" PRIu64
              " bytes handed over in %.1f ms",
              boot->kernel_size, boot->initrd_size, milliseconds_since(&start));
    *entry = (struct linux_boot_entry){
        .setup_segment = LINUX_SETUP_ADDRESS >> 4,
        .stack = LINUX_HEAP_END,
    };
    return 0;
}
