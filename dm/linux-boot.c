/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/linux-boot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dm/linux-boot-impl.h"

/* Offsets into the file: boot.rst, "The Real-Mode Kernel Header". */
#define SETUP_SECTS 0x1f1
#define BOOT_FLAG 0x1fe
#define HEADER 0x202
#define VERSION 0x206
#define INITRD_ADDR_MAX 0x22c  /* from 2.03 on */
#define KERNEL_ALIGNMENT 0x230 /* 2.05 */
#define RELOCATABLE 0x234      /* 2.05 */
#define CMDLINE_SIZE 0x238     /* 2.06 */
#define PREF_ADDRESS 0x258     /* 2.10 */
#define INIT_SIZE 0x260        /* 2.10 */

#define BOOT_FLAG_MAGIC 0xaa55
#define HEADER_MAGIC 0x53726448 /* "HdrS" */
#define OLDEST_PROTOCOL 0x0202
#define LOADED_HIGH 0x01
#define SECTOR 512u

/* What a protocol that does not say has (boot.rst). */
#define OLD_INITRD_MAX 0x37ffffffu
#define OLD_CMDLINE_MAX 255u

#define KERNEL_MAX (UINT64_C(2) << 30)
#define INITRD_MAX (UINT64_C(4) << 30)

int linux_boot_fail(char error[LINUX_BOOT_ERROR_MAX], int ret,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, LINUX_BOOT_ERROR_MAX, format, args);
    va_end(args);
    return ret;
}

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static uint64_t get64(const uint8_t *bytes)
{
    return get32(bytes) | (uint64_t)get32(bytes + 4) << 32;
}

int linux_boot_read(int fd, uint64_t offset, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        to += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

const char *linux_boot_read_error(int ret)
{
    return ret == -ENODATA ? "the file became shorter" : strerror(-ret);
}

static int check_file(const char *what, const char *path, int fd,
                      uint64_t limit, uint64_t *size, char *error)
{
    struct stat st;

    if (fstat(fd, &st))
        return linux_boot_fail(error, -errno, "%s %s: %s", what, path,
                               strerror(errno));
    if (!S_ISREG(st.st_mode))
        return linux_boot_fail(error, -EINVAL, "%s %s: not a regular file",
                               what, path);
    if (st.st_size == 0)
        return linux_boot_fail(error, -EINVAL, "%s %s: the file is empty", what,
                               path);
    if ((uint64_t)st.st_size >= limit)
        return linux_boot_fail(error, -EFBIG,
                               "%s %s: %" PRIu64
                               " bytes, must be less than %" PRIu64,
                               what, path, (uint64_t)st.st_size, limit);
    *size = (uint64_t)st.st_size;
    return 0;
}

static int open_file(const char *what, const char *path, uint64_t limit,
                     int *out, uint64_t *size, char *error)
{
    /* O_NONBLOCK: a FIFO must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int ret;

    if (fd < 0)
        return linux_boot_fail(error, -errno, "%s %s: %s", what, path,
                               strerror(errno));
    ret = check_file(what, path, fd, limit, size, error);
    if (ret) {
        close(fd);
        return ret;
    }
    /* The disk works while the firmware does. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    *out = fd;
    return 0;
}

static int no_bzimage(const struct linux_boot *boot, const uint8_t *start,
                      char *error)
{
    const char *why = "not a Linux bzImage";

    if (memcmp(start, "\177ELF", 4) == 0)
        why = "an ELF file, perhaps vmlinux; give the bzImage of this kernel";
    else if (start[0] == 0x1f && start[1] == 0x8b)
        why = "compressed with gzip; give the bzImage of this kernel";
    return linux_boot_fail(error, -ENOEXEC, "kernel %s: %s", boot->kernel_path,
                           why);
}

static int check_header(const struct linux_boot *boot, const uint8_t *start,
                        char *error)
{
    const char *path = boot->kernel_path;

    if (get16(start + BOOT_FLAG) != BOOT_FLAG_MAGIC ||
        get32(start + HEADER) != HEADER_MAGIC)
        return no_bzimage(boot, start, error);
    if (boot->protocol < OLDEST_PROTOCOL)
        return linux_boot_fail(
            error, -ENOEXEC,
            "kernel %s: boot protocol %u.%02u, need 2.02 or newer", path,
            boot->protocol >> 8, boot->protocol & 0xff);
    if (!(start[LINUX_LOADFLAGS] & LOADED_HIGH))
        return linux_boot_fail(
            error, -ENOEXEC,
            "kernel %s: a zImage, which loads below 1 MiB; give a bzImage",
            path);
    if (boot->header_size > LINUX_SETUP_MAX)
        return linux_boot_fail(error, -ENOEXEC,
                               "kernel %s: its setup code has %" PRIu32
                               " bytes, at most %u fit",
                               path, boot->header_size, LINUX_SETUP_MAX);
    if (boot->kernel_size <= boot->header_size)
        return linux_boot_fail(error, -ENOEXEC,
                               "kernel %s: cut short: %" PRIu64
                               " bytes, its setup code alone has %" PRIu32,
                               path, boot->kernel_size, boot->header_size);
    return 0;
}

/*
 * Where the kernel unpacks itself: its load address rounded up, but not below
 * the address that it prefers, which is also where one that cannot be moved
 * goes (boot.rst, init_size).  Before 2.10 nobody knows.
 */
static int find_unpack(struct linux_boot *boot, const uint8_t *start,
                       char *error)
{
    uint64_t align = get32(start + KERNEL_ALIGNMENT);
    uint64_t preferred = get64(start + PREF_ADDRESS);

    boot->unpack = LINUX_KERNEL_ADDRESS;
    if (boot->protocol < 0x020a)
        return 0;
    if (start[RELOCATABLE] && align > 0 && (align & (align - 1)) == 0)
        boot->unpack = (LINUX_KERNEL_ADDRESS + align - 1) & ~(align - 1);
    if (!start[RELOCATABLE] || preferred > boot->unpack)
        boot->unpack = preferred;
    boot->unpack_size = get32(start + INIT_SIZE);
    if (boot->unpack > UINT32_MAX)
        return linux_boot_fail(error, -ENOEXEC,
                               "kernel %s: its preferred address %#" PRIx64
                               " is above 4 GiB: the file is damaged",
                               boot->kernel_path, boot->unpack);
    return 0;
}

static int read_limits(struct linux_boot *boot, const uint8_t *start,
                       char *error)
{
    boot->initrd_max = OLD_INITRD_MAX;
    if (boot->protocol >= 0x0203)
        boot->initrd_max = get32(start + INITRD_ADDR_MAX);
    boot->cmdline_max = OLD_CMDLINE_MAX;
    if (boot->protocol >= 0x0206)
        boot->cmdline_max = get32(start + CMDLINE_SIZE);
    if (boot->cmdline_max > LINUX_CMDLINE_ROOM - 1)
        boot->cmdline_max = LINUX_CMDLINE_ROOM - 1;
    return find_unpack(boot, start, error);
}

static int read_header(struct linux_boot *boot, char *error)
{
    const char *path = boot->kernel_path;
    uint8_t start[2 * SECTOR];
    unsigned sectors;
    int ret;

    if (boot->kernel_size < sizeof(start))
        return linux_boot_fail(error, -ENOEXEC,
                               "kernel %s: %" PRIu64
                               " bytes are too short for a Linux bzImage",
                               path, boot->kernel_size);
    ret = linux_boot_read(boot->kernel_fd, 0, start, sizeof(start));
    if (ret)
        return linux_boot_fail(error, ret, "kernel %s: %s", path,
                               linux_boot_read_error(ret));

    boot->protocol = get16(start + VERSION);
    sectors = start[SETUP_SECTS] ? start[SETUP_SECTS] : 4;
    boot->header_size = (sectors + 1) * SECTOR;
    ret = check_header(boot, start, error);
    if (ret == 0)
        ret = read_limits(boot, start, error);
    if (ret)
        return ret;

    boot->setup = malloc(boot->header_size);
    if (!boot->setup)
        return linux_boot_fail(error, -ENOMEM, "kernel %s: no memory", path);
    memcpy(boot->setup, start, sizeof(start));
    ret = linux_boot_read(boot->kernel_fd, sizeof(start),
                          boot->setup + sizeof(start),
                          boot->header_size - sizeof(start));
    if (ret)
        return linux_boot_fail(error, ret, "kernel %s: %s", path,
                               linux_boot_read_error(ret));
    return 0;
}

static void release(struct linux_boot *boot)
{
    free(boot->setup);
    if (boot->kernel_fd >= 0)
        close(boot->kernel_fd);
    if (boot->initrd_fd >= 0)
        close(boot->initrd_fd);
    *boot = (struct linux_boot){0};
}

int linux_boot_open(struct linux_boot *boot, const char *kernel,
                    const char *initrd, const char *cmdline,
                    char error[LINUX_BOOT_ERROR_MAX])
{
    size_t len = cmdline ? strlen(cmdline) : 0;
    int ret;

    *boot = (struct linux_boot){
        .kernel_fd = -1,
        .initrd_fd = -1,
        .kernel_path = kernel,
        .initrd_path = initrd,
        .cmdline = cmdline ? cmdline : "",
    };
    ret = open_file("kernel", kernel, KERNEL_MAX, &boot->kernel_fd,
                    &boot->kernel_size, error);
    if (ret == 0)
        ret = read_header(boot, error);
    if (ret == 0 && initrd)
        ret = open_file("initrd", initrd, INITRD_MAX, &boot->initrd_fd,
                        &boot->initrd_size, error);
    if (ret == 0 && len > boot->cmdline_max)
        ret = linux_boot_fail(
            error, -E2BIG,
            "kernel %s: the command line has %zu bytes, this kernel "
            "takes %" PRIu32 ": shorten root=, extra= or cmdline=",
            kernel, len, boot->cmdline_max);
    if (ret)
        release(boot);
    return ret;
}

void linux_boot_close(struct linux_boot *boot)
{
    if (boot->setup)
        release(boot);
}
