/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Every allocation of a save and a load is made to fail once, and what a load
 * asks for is counted.  Linked with --wrap for malloc, calloc, realloc and
 * open_memstream.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "xenram/migrate.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
FILE *__real_open_memstream(char **text, size_t *len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *old, size_t size);
FILE *__wrap_open_memstream(char **text, size_t *len);

#define MIB (1024u * 1024)
#define MAX_PAGES 2048u

static unsigned until_failure; /* calls; 0: none fails */
static size_t taken;           /* bytes that were asked for */

static bool fails(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    taken += size;
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
    taken += nr * size;
    return fails() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    taken += size;
    return fails() ? NULL : __real_realloc(old, size);
}

FILE *__wrap_open_memstream(char **text, size_t *len)
{
    return fails() ? NULL : __real_open_memstream(text, len);
}

struct counter {
    uint32_t count;
};

static const struct xen_migrate_field fields[] = {
    XEN_MIGRATE_FIELD(U32, counter, count),
    {0},
};

static const struct xen_migrate_state saved = {
    .name = "counter",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct counter),
    .fields = fields,
};

/* A block that shrinks at load and is large enough to make the buffer grow. */
static struct xen_ram *open_list(uint64_t size, uint8_t fill)
{
    const struct xen_ram_spec spec = {
        .idstr = "block",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = size,
        .max_length = MAX_PAGES * PAGE,
    };
    struct xen_ram_block *block;
    struct xen_ram *ram;

    assert_int_equal(xen_ram_open(1, NULL, &ram), 0);
    assert_int_equal(xen_ram_alloc(ram, &spec, &block), 0);
    memset(xen_ram_host(block), fill, size);
    return ram;
}

static unsigned save(struct xen_ram *ram, struct counter *counter, int fd)
{
    const struct xen_migrate_device device = {&saved, 0, counter};
    const struct xen_migrate_options options = {.vmdesc = true};
    char error[XEN_MIGRATE_ERROR_MAX];
    unsigned failures = 0;
    int r = -ENOMEM;

    while (r) {
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        until_failure = ++failures;
        r = xen_migrate_save(ram, &device, 1, &options, fd, error);
        until_failure = 0;
        assert_int_equal(error[0] != '\0', r != 0);
    }
    return failures - 1;
}

static unsigned load(struct xen_ram *ram, struct counter *counter, int fd)
{
    const struct xen_migrate_device device = {&saved, 0, counter};
    const uint8_t *host = xen_ram_host(xen_ram_find(ram, "block"));
    char error[XEN_MIGRATE_ERROR_MAX];
    unsigned failures = 0;
    int r = -ENOMEM;

    while (r) {
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(counter->count, 1);
        assert_int_equal(host[0], 2);
        assert_int_equal(host[40 * PAGE - 1], 2);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        until_failure = ++failures;
        r = xen_migrate_load(ram, &device, 1, NULL, fd, error);
        until_failure = 0;
        assert_int_equal(error[0] != '\0', r != 0);
    }
    return failures - 1;
}

static void
every_failed_allocation_is_an_error_that_changes_nothing(void **state)
{
    struct counter there = {7}, here = {1};
    struct xen_ram *source = open_list(30 * PAGE, 1);
    struct xen_ram *target = open_list(40 * PAGE, 2);
    int fd = memfd_create("stream", MFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    xen_ram_set_phase(target, XEN_RAM_LOADING);

    /* The writer and the description. */
    assert_true(save(source, &there, fd) >= 2);
    /* The log, the stages, the buffer and its growth, records, changes. */
    assert_true(load(target, &here, fd) >= 7);
    assert_int_equal(here.count, 7);
    assert_int_equal(xen_ram_size(xen_ram_find(target, "block")), 30 * PAGE);

    close(fd);
    xen_ram_close(source);
    xen_ram_close(target);
}

/* All that is asked for counts, as if nothing were given back before the end.
 */
static void a_load_takes_what_it_replaces_and_little_more(void **state)
{
    static const struct {
        uint64_t there, here; /* pages */
        uint8_t fill;
        size_t replaced; /* MiB: kept, waiting for a growth, cut off */
    } rows[] = {
        {2048, 2048, 0, 0},
        {2048, 2048, 2, 8},
        {2048, 512, 0, 6},
        {512, 2048, 2, 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xen_ram *source = open_list(rows[i].there * PAGE, 1);
        struct xen_ram *target = open_list(rows[i].here * PAGE, rows[i].fill);
        int fd = memfd_create("stream", MFD_CLOEXEC);
        char error[XEN_MIGRATE_ERROR_MAX];

        assert_true(fd >= 0);
        assert_int_equal(xen_migrate_save(source, NULL, 0, NULL, fd, error), 0);
        lseek(fd, 0, SEEK_SET);
        xen_ram_set_phase(target, XEN_RAM_LOADING);
        taken = 0;
        assert_int_equal(xen_migrate_load(target, NULL, 0, NULL, fd, error), 0);
        assert_in_range(taken, rows[i].replaced * MIB,
                        (rows[i].replaced + 2) * MIB);
        close(fd);
        xen_ram_close(source);
        xen_ram_close(target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            every_failed_allocation_is_an_error_that_changes_nothing),
        cmocka_unit_test(a_load_takes_what_it_replaces_and_little_more),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
