/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Pages go into private blocks while the stream is read: after a refusal they
 * are out again, and a resize leaves them in.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "xenram/migrate.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE
#define PAGES 600u /* more than one question to the host */

static struct xen_ram *open_list(uint64_t size, xen_ram_resized_fn *resized,
                                 uint8_t **host)
{
    const struct xen_ram_spec spec = {
        .idstr = "block",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = size,
        .max_length = PAGES * PAGE,
        .resized = resized,
    };
    struct xen_ram_block *block;
    struct xen_ram *ram;

    assert_int_equal(xen_ram_open(1, NULL, &ram), 0);
    assert_int_equal(xen_ram_alloc(ram, &spec, &block), 0);
    *host = xen_ram_host(block);
    return ram;
}

static int save(struct xen_ram *ram)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("stream", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(xen_migrate_save(ram, NULL, 0, NULL, fd, error), 0);
    return fd;
}

static int load(struct xen_ram *ram, int fd)
{
    char error[XEN_MIGRATE_ERROR_MAX];

    xen_ram_set_phase(ram, XEN_RAM_LOADING);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return xen_migrate_load(ram, NULL, 0, NULL, fd, error);
}

/* The sum is the last but the end, so that all pages come before. */
static void damage_sum(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    uint8_t byte;

    assert_int_equal(pread(fd, &byte, 1, end - 2), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, end - 2), 1);
}

static size_t pages_in_memory(uint8_t *host)
{
    unsigned char resident[PAGES];
    size_t nr = 0;

    assert_int_equal(mincore(host, PAGES * PAGE, resident), 0);
    for (size_t i = 0; i < PAGES; i++)
        nr += resident[i] & 1;
    return nr;
}

static void a_refused_state_gives_its_memory_back(void **state)
{
    uint8_t *there, *here;
    struct xen_ram *source = open_list(PAGES * PAGE, NULL, &there);
    struct xen_ram *target = open_list(PAGES * PAGE, NULL, &here);
    int fd;

    (void)state;
    memset(there, 1, PAGES * PAGE);
    here[7 * PAGE] = 7;
    here[PAGES * PAGE - 1] = 8;
    fd = save(source);
    damage_sum(fd);
    assert_int_equal(load(target, fd), -EBADMSG);
    assert_int_equal(pages_in_memory(here), 2);
    assert_int_equal(here[7 * PAGE], 7);
    assert_int_equal(here[PAGES * PAGE - 1], 8);
    close(fd);
    xen_ram_close(source);
    xen_ram_close(target);
}

static struct xen_ram *open_borrowed(void *host)
{
    const struct xen_ram_spec spec = {
        .idstr = "block",
        .kind = XEN_RAM_PRIVATE,
        .gfn = XEN_RAM_NO_GFN,
        .size = PAGES * PAGE,
    };
    struct xen_ram_block *block;
    struct xen_ram *ram;

    assert_int_equal(xen_ram_open(1, NULL, &ram), 0);
    assert_int_equal(xen_ram_alloc_from_ptr(ram, &spec, host, &block), 0);
    return ram;
}

/* A file's pages have content that nobody here touched, and madvise keeps it.
 */
static void memory_of_the_callers_gets_its_bytes_back(void **state)
{
    static uint8_t want[PAGES * PAGE];
    static _Alignas(PAGE) uint8_t there[PAGES * PAGE];
    int file = memfd_create("file", MFD_CLOEXEC), fd;
    struct xen_ram *source = open_borrowed(there), *target;
    uint8_t *here;

    (void)state;
    for (size_t page = 0; page < PAGES; page++) {
        memset(want + page * PAGE, page % 3 ? (int)(page % 251) : 0, PAGE);
        memset(there + page * PAGE, page % 2 ? 0x77 : 0, PAGE);
    }
    assert_int_equal(write(file, want, sizeof(want)), sizeof(want));
    here =
        mmap(NULL, sizeof(want), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(here != MAP_FAILED);
    target = open_borrowed(here);
    fd = save(source);
    damage_sum(fd);
    assert_int_equal(load(target, fd), -EBADMSG);
    assert_memory_equal(here, want, sizeof(want));
    damage_sum(fd);
    assert_int_equal(load(target, fd), 0);
    assert_memory_equal(here, there, sizeof(there));
    close(fd);
    xen_ram_close(source);
    xen_ram_close(target);
    munmap(here, sizeof(want));
    close(file);
}

static void write_all(struct xen_ram_block *block, uint64_t old_length,
                      uint64_t new_length, void *opaque)
{
    (void)old_length;
    (void)opaque;
    memset(xen_ram_host(block), 0xee, new_length);
}

/* Where pages wait for the resize, and that is all of them for no page. */
static void pages_that_waited_replace_what_the_owner_wrote(void **state)
{
    static const uint64_t lengths[][2] = {
        {PAGE, PAGES * PAGE}, {100, 200}, {200, 100}, {PAGE - 1, 3 * PAGE + 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint64_t here_size = lengths[i][0], there_size = lengths[i][1];
        uint64_t direct = here_size < there_size ? here_size : there_size;
        uint8_t *there, *here;
        struct xen_ram *source = open_list(there_size, NULL, &there);
        struct xen_ram *target = open_list(here_size, write_all, &here);
        int fd;

        there[0] = 1;
        there[there_size - 1] = 2;
        fd = save(source);
        assert_int_equal(load(target, fd), 0);
        direct -= direct % PAGE;
        assert_memory_equal(here + direct, there + direct, there_size - direct);
        close(fd);
        xen_ram_close(source);
        xen_ram_close(target);
    }
}

/* ---- where the reader reads on ------------------------------------------ */

#define SLOTS 40000u

struct device {
    uint8_t bytes[3 * SLOTS];
    uint16_t words[SLOTS];
    uint32_t last;
    uint8_t extra;
};

static bool always(const void *state)
{
    (void)state;
    return true;
}

static const struct xen_migrate_field extra_fields[] = {
    XEN_MIGRATE_FIELD(U8, device, extra),
    {0},
};
static const struct xen_migrate_state extra = {
    .name = "device/extra",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct device),
    .fields = extra_fields,
    .needed = always,
};
static const struct xen_migrate_state *const subsections[] = {&extra, NULL};

/* nr more bytes put all that follows nr bytes further. */
static void carry_shifted(uint32_t nr)
{
    static struct device there, here;
    struct xen_migrate_field fields[] = {
        XEN_MIGRATE_FIELD(BUFFER, device, bytes),
        XEN_MIGRATE_ARRAY(U16, device, words),
        XEN_MIGRATE_FIELD(U32, device, last),
        {0},
    };
    const struct xen_migrate_state saved = {
        .name = "device",
        .version = 1,
        .minimum = 1,
        .size = sizeof(struct device),
        .fields = fields,
        .subsections = subsections,
    };
    const struct xen_migrate_device from = {&saved, 0, &there};
    const struct xen_migrate_device to = {&saved, 0, &here};
    int fd = memfd_create("stream", MFD_CLOEXEC);
    char error[XEN_MIGRATE_ERROR_MAX];
    struct xen_ram *ram;

    fields[0].count = nr;
    for (size_t i = 0; i < sizeof(there.bytes); i++)
        there.bytes[i] = i < nr ? (uint8_t)(i % 255 + 1) : 0;
    for (size_t i = 0; i < SLOTS; i++)
        there.words[i] = (uint16_t)(i * 7);
    there.last = 0x12345678;
    there.extra = 9;
    memset(&here, 0, sizeof(here));
    assert_int_equal(xen_ram_open(1, NULL, &ram), 0);
    assert_int_equal(xen_migrate_save(ram, &from, 1, NULL, fd, error), 0);
    lseek(fd, 0, SEEK_SET);
    xen_ram_set_phase(ram, XEN_RAM_LOADING);
    assert_int_equal(xen_migrate_load(ram, &to, 1, NULL, fd, error), 0);
    assert_memory_equal(&here, &there, sizeof(here));
    xen_ram_close(ram);
    close(fd);
}

static void a_state_loads_wherever_the_reader_reads_on(void **state)
{
    (void)state;
    carry_shifted(3 * SLOTS);
    /* The end of 64 KiB or a multiple lies in each byte of what follows. */
    for (uint32_t nr = 50800; nr < 51200; nr++)
        carry_shifted(nr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_state_gives_its_memory_back),
        cmocka_unit_test(memory_of_the_callers_gets_its_bytes_back),
        cmocka_unit_test(pages_that_waited_replace_what_the_owner_wrote),
        cmocka_unit_test(a_state_loads_wherever_the_reader_reads_on),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
