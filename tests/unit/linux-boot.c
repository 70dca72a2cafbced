/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/linux-boot.h"
#include "dm/machine.h"
#include "tests/fakexen/fakexen.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define DOMID 7
#define MIB (UINT64_C(1) << 20)
#define RAM (64 * MIB)
#define RAM_END (RAM - 0x20000) /* the firmware keeps something */
#define SETUP_SIZE (3 * 512)
#define SETUP_AT 0x10000u
#define KERNEL_AT 0x100000u

/* Like the bzImages of many years: fields behind the header's end are junk. */
struct image {
    uint16_t protocol;
    uint8_t setup_sects, loadflags, relocatable;
    uint32_t initrd_max, alignment, cmdline_size, init_size;
    uint64_t preferred, size;
};

struct fixture {
    struct machine machine;
    struct linux_boot boot;
    struct linux_boot_entry entry;
    char dir[64], kernel[96], initrd[96];
    int nr_fds;
    char error[LINUX_BOOT_ERROR_MAX];
};

static void put(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* Bytes that tell where in their file they come from. */
static uint8_t pattern(uint64_t at, uint8_t salt)
{
    return (uint8_t)(at ^ at >> 8 ^ at >> 16 ^ salt);
}

static void write_file(const char *path, const uint8_t *start, size_t len,
                       uint64_t size, uint8_t salt)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    if (len > 0)
        assert_int_equal(fwrite(start, 1, len, file), len);
    for (uint64_t i = len; i < size; i++)
        assert_int_not_equal(putc(pattern(i, salt), file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void write_kernel(struct fixture *f, const struct image *image)
{
    uint8_t start[1024];
    unsigned sects = image->setup_sects;

    for (unsigned i = 0; i < sizeof(start); i++)
        start[i] = pattern(i, 1);
    start[0x1f1] = (uint8_t)sects;
    put(start + 0x1fe, 0xaa55, 2);
    memcpy(start + 0x202, "HdrS", 4);
    put(start + 0x206, image->protocol, 2);
    start[0x211] = image->loadflags;
    if (image->protocol >= 0x0203)
        put(start + 0x22c, image->initrd_max, 4);
    if (image->protocol >= 0x0205) {
        put(start + 0x230, image->alignment, 4);
        start[0x234] = image->relocatable;
    }
    if (image->protocol >= 0x0206)
        put(start + 0x238, image->cmdline_size, 4);
    if (image->protocol >= 0x020a) {
        put(start + 0x258, image->preferred, 8);
        put(start + 0x260, image->init_size, 4);
    }
    write_file(f->kernel, start, sizeof(start), image->size, 1);
}

/* A kernel of our days, small. */
static struct image modern(void)
{
    return (struct image){
        .protocol = 0x020f,
        .setup_sects = 2,
        .loadflags = 0x01,
        .relocatable = 1,
        .initrd_max = 0x7fffffff,
        .alignment = 0x200000,
        .cmdline_size = 2047,
        .init_size = 0x900000,
        .preferred = 0x1000000,
        .size = 3 * MIB + 77,
    };
}

static int count_fds(void)
{
    int nr = 0;

    for (int fd = 0; fd < 256; fd++)
        nr += fcntl(fd, F_GETFD) != -1;
    return nr;
}

static int setup(void **state)
{
    static const struct options options = {.ram_mb = RAM / MIB};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fakexen_reset();
    fakexen_create(
        &(struct fakexen_domain){.domid = DOMID, .pages = RAM / 4096});
    f->nr_fds = count_fds();
    f->machine.options = &options;
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &f->machine.cache), 0);
    assert_int_equal(xen_ram_open(DOMID, f->machine.cache, &f->machine.ram), 0);
    strcpy(f->dir, "/tmp/linux-boot-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->kernel, sizeof(f->kernel), "%s/kernel", f->dir);
    snprintf(f->initrd, sizeof(f->initrd), "%s/initrd", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    linux_boot_close(&f->boot);
    xen_ram_close(f->machine.ram);
    xen_mapcache_close(f->machine.cache);
    unlink(f->kernel);
    unlink(f->initrd);
    assert_int_equal(rmdir(f->dir), 0);
    assert_int_equal(count_fds(), f->nr_fds); /* all are closed */
    assert_int_equal(fakexen_violations(), 0);
    free(f);
    return 0;
}

static int open_files(struct fixture *f, const char *initrd,
                      const char *cmdline)
{
    linux_boot_close(&f->boot);
    strcpy(f->error, "");
    return linux_boot_open(&f->boot, f->kernel, initrd, cmdline, f->error);
}

static int load(struct fixture *f, uint64_t ram_end)
{
    f->entry = (struct linux_boot_entry){0};
    return linux_boot_load(&f->boot, &f->machine, ram_end, &f->entry, f->error);
}

static void peek(uint64_t gpa, void *buf, size_t len)
{
    fakexen_peek(DOMID, gpa, buf, len);
}

static uint64_t peek_field(unsigned offset, unsigned size)
{
    uint8_t bytes[8];

    peek(SETUP_AT + offset, bytes, size);
    return get(bytes, size);
}

static bool shows_file(uint64_t gpa, uint64_t first, uint64_t end, uint8_t salt)
{
    uint8_t page[4096];

    for (uint64_t at = first; at < end; at += sizeof(page)) {
        uint64_t n = end - at < sizeof(page) ? end - at : sizeof(page);

        peek(gpa + at - first, page, n);
        for (uint64_t i = 0; i < n; i++)
            if (page[i] != pattern(at + i, salt))
                return false;
    }
    return true;
}

static bool says(const struct fixture *f, const char *text)
{
    if (strstr(f->error, text) && !strchr(f->error, '\n'))
        return true;
    print_message("# \"%s\" lacks \"%s\"\n", f->error, text);
    return false;
}

static void every_byte_arrives_where_the_protocol_wants_it(void **state)
{
    struct fixture *f = *state;
    struct image image = modern();
    const char *cmdline = "console=hvc0 root=/dev/xvda1";
    uint64_t size = 5 * MIB + 1234;
    uint64_t initrd = (RAM_END - size) & ~UINT64_C(4095);
    char text[64];

    write_kernel(f, &image);
    write_file(f->initrd, NULL, 0, size, 2);
    assert_int_equal(open_files(f, f->initrd, cmdline), 0);
    assert_int_equal(load(f, RAM_END), 0);

    assert_int_equal(f->entry.setup_segment << 4, SETUP_AT);
    assert_true(shows_file(KERNEL_AT, SETUP_SIZE, image.size, 1));
    assert_true(shows_file(initrd, 0, size, 2));
    assert_true(shows_file(SETUP_AT, 0, 0x1f1, 1));
    assert_true(shows_file(SETUP_AT + 1024, 1024, SETUP_SIZE, 1));

    assert_int_equal(peek_field(0x210, 1), 0xff);
    assert_int_equal(peek_field(0x211, 1), 0x81);
    assert_int_equal(peek_field(0x1fa, 2), 0xffff);
    assert_int_equal(peek_field(0x218, 4), initrd);
    assert_int_equal(peek_field(0x21c, 4), size);
    assert_int_equal(peek_field(0x224, 2), f->entry.stack - 0x200);
    peek(peek_field(0x228, 4), text, sizeof(text));
    assert_string_equal(text, cmdline);
}

static void the_command_line_and_the_stack_stay_below_the_bios_data(void **s)
{
    struct fixture *f = *s;
    struct image image = modern();
    char line[2048];
    uint64_t at;

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = 0;
    write_kernel(f, &image);
    assert_int_equal(open_files(f, NULL, line), 0);
    assert_int_equal(load(f, RAM_END), 0);

    at = peek_field(0x228, 4);
    assert_true(at >= SETUP_AT + f->entry.stack);
    assert_true(at + sizeof(line) <= 0x9a000);
    assert_true(f->entry.stack > 0x8000); /* heap above the setup code */
    assert_int_equal(peek_field(0x218, 8), 0);
}

static void old_protocols_have_the_limits_that_they_do_not_tell(void **state)
{
    static const struct {
        uint16_t protocol;
        uint32_t initrd_max, cmdline_max;
        uint64_t unpack, unpack_size;
    } cases[] = {
        {0x0202, 0x37ffffff, 255, KERNEL_AT, 0},
        {0x0203, 0x7fffffff, 255, KERNEL_AT, 0},
        {0x0205, 0x7fffffff, 255, KERNEL_AT, 0},
        {0x0206, 0x7fffffff, 2047, KERNEL_AT, 0},
        {0x0209, 0x7fffffff, 2047, KERNEL_AT, 0},
        {0x020a, 0x7fffffff, 2047, 0x1000000, 0x900000},
        {0x020c, 0x7fffffff, 2047, 0x1000000, 0x900000},
        {0x020f, 0x7fffffff, 2047, 0x1000000, 0x900000},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image = modern();

        image.protocol = cases[i].protocol;
        write_kernel(f, &image);
        assert_int_equal(open_files(f, NULL, ""), 0);
        assert_int_equal(f->boot.protocol, cases[i].protocol);
        assert_int_equal(f->boot.initrd_max, cases[i].initrd_max);
        assert_int_equal(f->boot.cmdline_max, cases[i].cmdline_max);
        assert_int_equal(f->boot.unpack, cases[i].unpack);
        assert_int_equal(f->boot.unpack_size, cases[i].unpack_size);
        assert_int_equal(load(f, RAM_END), 0);
    }
}

static void the_kernel_unpacks_where_its_header_says(void **state)
{
    static const struct {
        uint8_t relocatable;
        uint32_t alignment;
        uint64_t preferred, unpack;
    } cases[] = {
        {1, 0x200000, 0x1000000, 0x1000000}, {1, 0x200000, 0x100000, 0x200000},
        {1, 0x1000000, 0x200000, 0x1000000}, {1, 0x100000, 0, 0x100000},
        {1, 0x300000, 0x1000000, 0x1000000}, /* no alignment at all */
        {1, 0, 0x1000000, 0x1000000},        {0, 0x200000, 0x400000, 0x400000},
        {0, 0x1000000, 0x100000, 0x100000},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image = modern();

        image.relocatable = cases[i].relocatable;
        image.alignment = cases[i].alignment;
        image.preferred = cases[i].preferred;
        write_kernel(f, &image);
        assert_int_equal(open_files(f, NULL, NULL), 0);
        assert_int_equal(f->boot.unpack, cases[i].unpack);
    }
}

static void four_setup_sectors_are_meant_by_none(void **state)
{
    struct fixture *f = *state;
    struct image image = modern();

    image.setup_sects = 0;
    write_kernel(f, &image);
    assert_int_equal(open_files(f, NULL, ""), 0);
    assert_int_equal(f->boot.header_size, 5 * 512);
    assert_int_equal(load(f, RAM_END), 0);
    assert_true(shows_file(KERNEL_AT, 5 * 512, image.size, 1));
}

static void what_is_no_bzimage_is_called_by_its_name(void **state)
{
    static const struct {
        unsigned offset, len;
        const char *bytes;
        const char *words;
    } cases[] = {
        {0x202, 4, "SrdH", "not a Linux bzImage"},
        {0x1fe, 2, "\0\0", "not a Linux bzImage"},
        {0x206, 2, "\1\2", "boot protocol 2.01, need 2.02"},
        {0x206, 2, "\0\0", "boot protocol 0.00, need 2.02"},
        {0x211, 1, "\0", "zImage"},
        {0x211, 1, "\200", "zImage"},
        {0x1f1, 1, "\100", "setup code has 33280 bytes, at most 32768"},
        {0x25c, 4, "\1\0\0\0", "above 4 GiB"},
    };
    struct fixture *f = *state;
    struct image image = modern();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd;

        write_kernel(f, &image);
        fd = open(f->kernel, O_WRONLY);
        assert_int_equal(
            pwrite(fd, cases[i].bytes, cases[i].len, cases[i].offset),
            cases[i].len);
        close(fd);
        assert_int_equal(open_files(f, NULL, ""), -ENOEXEC);
        assert_true(says(f, cases[i].words));
        assert_true(says(f, f->kernel));
        assert_null(f->boot.setup);
    }
}

static void other_kinds_of_kernel_get_advice(void **state)
{
    static const struct {
        const char *start, *words;
    } cases[] = {
        {"\177ELF\2\1\1", "ELF file, perhaps vmlinux; give the bzImage"},
        {"\37\213\10\0\0\0", "compressed with gzip; give the bzImage"},
        {"#!/bin/sh\n", "not a Linux bzImage"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *start = cases[i].start;

        write_file(f->kernel, (const uint8_t *)start, strlen(start), 4096, 0);
        assert_int_equal(open_files(f, NULL, ""), -ENOEXEC);
        assert_true(says(f, cases[i].words));
    }
}

static void files_of_a_wrong_size_are_refused(void **state)
{
    static const struct {
        uint64_t size;
        int ret;
        const char *words;
    } cases[] = {
        {0, -EINVAL, "the file is empty"},
        {1, -ENOEXEC, "1 bytes are too short"},
        {1023, -ENOEXEC, "1023 bytes are too short"},
        {1024, -ENOEXEC, "cut short"},
        {SETUP_SIZE, -ENOEXEC, "cut short: 1536 bytes"},
        {2048 * MIB, -EFBIG, "2147483648 bytes, must be less than 2147483648"},
    };
    struct fixture *f = *state;
    struct image image = modern();

    write_kernel(f, &image);
    for (size_t i = sizeof(cases) / sizeof(cases[0]); i-- > 0;) {
        assert_int_equal(truncate(f->kernel, (off_t)cases[i].size), 0);
        assert_int_equal(open_files(f, NULL, ""), cases[i].ret);
        assert_true(says(f, cases[i].words));
    }
    image.size = SETUP_SIZE + 1;
    write_kernel(f, &image);
    assert_int_equal(open_files(f, NULL, ""), 0);
}

static void what_cannot_be_opened_is_named(void **state)
{
    struct fixture *f = *state;
    struct image image = modern();

    assert_int_equal(open_files(f, NULL, ""), -ENOENT);
    assert_true(says(f, f->kernel));
    assert_int_equal(mkfifo(f->kernel, 0600), 0);
    assert_int_equal(open_files(f, NULL, ""), -EINVAL);
    assert_true(says(f, "not a regular file"));
    unlink(f->kernel);

    write_kernel(f, &image);
    assert_int_equal(open_files(f, f->initrd, ""), -ENOENT);
    assert_true(says(f, f->initrd));
    write_file(f->initrd, NULL, 0, 0, 0);
    assert_int_equal(open_files(f, f->initrd, ""), -EINVAL);
    assert_true(says(f, "initrd"));
    assert_null(f->boot.setup);
}

static void a_command_line_too_long_is_refused_never_cut(void **state)
{
    static const struct {
        uint16_t protocol;
        uint32_t cmdline_size;
        size_t fits;
    } cases[] = {
        {0x0202, 0, 255}, {0x0206, 511, 511},          {0x020f, 2047, 2047},
        {0x020f, 0, 0},   {0x020f, UINT32_MAX, 65535},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image = modern();
        char line[65537] = {0}, words[64];

        image.protocol = cases[i].protocol;
        image.cmdline_size = cases[i].cmdline_size;
        write_kernel(f, &image);
        memset(line, 'y', cases[i].fits);
        assert_int_equal(open_files(f, NULL, line), 0);
        line[cases[i].fits] = 'y';
        assert_int_equal(open_files(f, NULL, line), -E2BIG);
        snprintf(words, sizeof(words),
                 "has %zu bytes, this kernel takes %zu:", cases[i].fits + 1,
                 cases[i].fits);
        assert_true(says(f, words));
    }
}

static void the_initrd_goes_as_high_as_kernel_and_ram_allow(void **state)
{
    static const struct {
        uint64_t size, ram_end;
        uint32_t initrd_max;
        uint64_t at;
    } cases[] = {
        {4096, RAM, 0x7fffffff, RAM - 4096},
        {1, RAM, 0x7fffffff, RAM - 4096},
        {4097, RAM, 0x7fffffff, RAM - 8192},
        {4096, RAM - 1, 0x7fffffff, RAM - 8192},
        {4096, RAM, 0x1ffffff, 0x1fff000},
        {4096, RAM, 0x1fffffe, 0x1ffe000},
        {4096, RAM, RAM - 1, RAM - 4096},
        {4096, RAM, UINT32_MAX, RAM - 4096},
        /* the room that the kernel leaves, to the byte */
        {RAM - 0x1900000, RAM, 0x7fffffff, 0x1900000},
        {0x2000000 - 0x1900000, RAM, 0x1ffffff, 0x1900000},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image = modern();

        image.initrd_max = cases[i].initrd_max;
        write_kernel(f, &image);
        write_file(f->initrd, NULL, 0, 1, 3);
        assert_int_equal(truncate(f->initrd, (off_t)cases[i].size), 0);
        assert_int_equal(open_files(f, f->initrd, ""), 0);
        assert_int_equal(load(f, cases[i].ram_end), 0);
        assert_int_equal(peek_field(0x218, 4), cases[i].at);
    }
}

static void too_little_memory_is_an_error_with_numbers(void **state)
{
    static const struct {
        uint64_t initrd, ram_end;
        uint32_t initrd_max;
        const char *words[3];
    } cases[] = {
        {0, 0, 0x7fffffff, {"kernel", "0x1900000", "25 MiB more"}},
        {0, 0x100000, 0x7fffffff, {"kernel", "0x100000", "24 MiB more"}},
        {0, 0x18fffff, 0x7fffffff, {"kernel", "0x18fffff", "1 MiB more"}},
        {4096, 0x1900000, 0x7fffffff, {"initrd", "0x1900000", "1 MiB more"}},
        {40 * MIB,
         RAM,
         0x7fffffff,
         {"41943040 bytes", "0x4000000", "1 MiB more"}},
        {4097, RAM, 0x1900fff, {"4097 bytes", "0x1901000", "smaller one"}},
        {4096, RAM, 0x17fffff, {"4096 bytes", "0x1800000", "smaller one"}},
        {4096, RAM, 0, {"4096 bytes", "between", "smaller one"}},
        {3584 * MIB, RAM, UINT32_MAX, {"initrd", "0x4000000", "MiB more"}},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image = modern();
        uint64_t size = cases[i].initrd;

        image.initrd_max = cases[i].initrd_max;
        write_kernel(f, &image);
        write_file(f->initrd, NULL, 0, 1, 3);
        assert_int_equal(truncate(f->initrd, (off_t)size), 0);
        assert_int_equal(open_files(f, size ? f->initrd : NULL, ""), 0);
        assert_int_equal(load(f, cases[i].ram_end), -ENOSPC);
        for (size_t j = 0; j < 3; j++)
            assert_true(says(f, cases[i].words[j]));
        assert_int_equal(f->entry.setup_segment, 0);
    }
    assert_int_equal(fakexen_calls(FAKEXEN_MAP), 0);
}

static void a_file_that_shrank_starts_nothing(void **state)
{
    struct fixture *f = *state;
    struct image image = modern();

    write_kernel(f, &image);
    write_file(f->initrd, NULL, 0, 3 * MIB, 2);
    assert_int_equal(open_files(f, f->initrd, ""), 0);
    assert_int_equal(truncate(f->initrd, 2 * MIB), 0);
    assert_int_equal(load(f, RAM_END), -ENODATA);
    assert_true(says(f, "became shorter"));
    assert_true(says(f, f->initrd));
    assert_int_equal(f->entry.setup_segment, 0);

    assert_int_equal(truncate(f->kernel, 2 * MIB), 0);
    assert_int_equal(load(f, RAM_END), -ENODATA);
    assert_true(says(f, f->kernel));
}

static void the_header_that_was_checked_is_the_one_that_boots(void **state)
{
    struct fixture *f = *state;
    struct image image = modern(), other = modern();

    write_kernel(f, &image);
    assert_int_equal(open_files(f, NULL, ""), 0);
    other.loadflags = 0;
    other.setup_sects = 60;
    write_kernel(f, &other); /* the same inode, rewritten */
    assert_int_equal(load(f, RAM_END), 0);
    assert_int_equal(peek_field(0x211, 1), 0x81);
    assert_int_equal(peek_field(0x1f1, 1), 2);
}

static void a_hole_in_guest_memory_is_an_error_not_a_crash(void **state)
{
    static const uint64_t gfns[] = {0x10, 0x20, 0x100, 0x2ff, 0x3fdf};
    struct fixture *f = *state;
    struct image image = modern();

    write_kernel(f, &image);
    write_file(f->initrd, NULL, 0, 2 * MIB, 2);
    for (size_t i = 0; i < sizeof(gfns) / sizeof(gfns[0]); i++) {
        fakexen_balloon_out(DOMID, gfns[i], 1);
        xen_mapcache_invalidate(f->machine.cache);
        assert_int_equal(open_files(f, f->initrd, "x"), 0);
        assert_int_equal(load(f, RAM_END), -EFAULT);
        assert_true(says(f, "guest memory at 0x"));
        assert_int_equal(f->entry.setup_segment, 0);
        assert_int_equal(fakexen_balloon_in(DOMID, gfns[i], 1), 0);
        xen_mapcache_invalidate(f->machine.cache);
    }
    assert_int_equal(load(f, RAM_END), 0);
}

static void pages_written_are_reported_dirty_and_no_pin_is_left(void **state)
{
    struct fixture *f = *state;
    struct image image = modern();
    struct xen_mapcache_stats stats;
    uint64_t nr = (image.size - SETUP_SIZE + 4095) / 4096 + 2 + 1;

    write_kernel(f, &image);
    write_file(f->initrd, NULL, 0, 4097, 2);
    assert_int_equal(open_files(f, f->initrd, "x"), 0);
    xen_ram_log_dirty(f->machine.ram, true);
    assert_int_equal(load(f, RAM_END), 0);
    assert_int_equal(xen_ram_report_dirty(f->machine.ram), 0);
    assert_int_equal(fakexen_dirty_count(DOMID), nr + 1);
    assert_true(fakexen_dirty(DOMID, KERNEL_AT / 4096));
    assert_true(fakexen_dirty(DOMID, SETUP_AT / 4096));
    assert_true(fakexen_dirty(DOMID, 0x20));
    xen_mapcache_get_stats(f->machine.cache, &stats);
    assert_int_equal(stats.pinned, 0);
}

static void closing_is_safe_on_what_was_never_open(void **state)
{
    struct linux_boot boot = {0};

    (void)state;
    linux_boot_close(&boot);
    linux_boot_close(&boot);
    assert_int_not_equal(fcntl(0, F_GETFD), -1); /* fd 0 is not ours */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_byte_arrives_where_the_protocol_wants_it),
        TEST(the_command_line_and_the_stack_stay_below_the_bios_data),
        TEST(old_protocols_have_the_limits_that_they_do_not_tell),
        TEST(the_kernel_unpacks_where_its_header_says),
        TEST(four_setup_sectors_are_meant_by_none),
        TEST(what_is_no_bzimage_is_called_by_its_name),
        TEST(other_kinds_of_kernel_get_advice),
        TEST(files_of_a_wrong_size_are_refused),
        TEST(what_cannot_be_opened_is_named),
        TEST(a_command_line_too_long_is_refused_never_cut),
        TEST(the_initrd_goes_as_high_as_kernel_and_ram_allow),
        TEST(too_little_memory_is_an_error_with_numbers),
        TEST(a_file_that_shrank_starts_nothing),
        TEST(the_header_that_was_checked_is_the_one_that_boots),
        TEST(a_hole_in_guest_memory_is_an_error_not_a_crash),
        TEST(pages_written_are_reported_dirty_and_no_pin_is_left),
        TEST(closing_is_safe_on_what_was_never_open),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
