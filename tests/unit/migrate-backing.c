/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* File-backed blocks: their files carry what is in them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/migrate-sides.h"

/* A file of size bytes of fill; the fd keeps its path alive. */
static int make_file(char path[64], uint64_t size, uint8_t fill)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    uint8_t *bytes = malloc(size);

    assert_true(fd >= 0);
    assert_non_null(bytes);
    memset(bytes, fill, size);
    assert_int_equal(write(fd, bytes, size), size);
    free(bytes);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static int add_file(struct side *side, uint64_t size, bool copy, uint8_t fill,
                    struct xen_ram_block **block)
{
    const struct xen_ram_spec spec = {
        .idstr = "x",
        .kind = XEN_RAM_FILE,
        .flags = copy ? XEN_RAM_COPY : 0,
        .gfn = XEN_RAM_NO_GFN,
        .size = size,
    };
    char path[64];
    int fd = make_file(path, size, fill);

    assert_int_equal(xen_ram_alloc_from_file(side->ram, &spec, path, block), 0);
    return fd;
}

static void assert_file(int fd, uint64_t size, uint8_t fill)
{
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    assert_int_equal(lseek(fd, 0, SEEK_END), size);
    assert_int_equal(pread(fd, bytes, size, 0), size);
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], fill);
    free(bytes);
}

/* Its own file carries what it has: neither side's is written. */
static void a_file_is_compared_and_left_alone(void **state)
{
    static const struct {
        uint64_t there, here;
        bool copy_there, copy_here;
        const char *refusal;
    } cases[] = {
        {2 * PAGE, 2 * PAGE, false, false, NULL},
        {2 * PAGE, 2 * PAGE, true, true, NULL},
        {2 * PAGE, 3 * PAGE, false, false,
         "block x: Length mismatch: 0x2000 in the stream, 0x3000 here"},
        {3 * PAGE, 2 * PAGE, false, false, "block x: Length too large: 0x3000"},
        {5000, 5001, false, false,
         "block x: Length mismatch: 0x1388 in the stream, 0x1389 here"},
        {5001, 5000, true, true,
         "block x: Length mismatch: 0x1389 in the stream, 0x1388 here"},
        {2 * PAGE, 2 * PAGE, true, false,
         "block x: its file is mapped private in the stream, shared here"},
        {2 * PAGE, 2 * PAGE, false, true,
         "block x: its file is mapped shared in the stream, private here"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const struct xen_migrate_options options = {
            .policy = i % 2 ? XEN_MIGRATE_STRICT : XEN_MIGRATE_ADAPT,
        };
        const char *refusal = cases[i / 2].refusal;
        struct xen_ram_block *there_block, *here_block;
        struct side source, target;
        int there, here;

        sides_init(&source, &target, &usual, &usual);
        there = add_file(&source, cases[i / 2].there, cases[i / 2].copy_there,
                         0x31, &there_block);
        here = add_file(&target, cases[i / 2].here, cases[i / 2].copy_here,
                        0x62, &here_block);
        carry(&source, &target, &options, refusal ? -EINVAL : 0,
              refusal ? refusal : "");
        if (!refusal)
            assert_same(&source, &target);
        assert_file(there, cases[i / 2].there, 0x31);
        assert_file(here, cases[i / 2].here, 0x62);
        assert_int_equal(xen_ram_size(here_block), cases[i / 2].here);
        sides_fini(&source, &target);
        close(there);
        close(here);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_compared_and_left_alone),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
