/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <xenforeignmemory.h>

#include "tests/fakexen/fakexen.h"

/* Linked with --wrap for mmap, munmap, mremap and mprotect: see wrap.c. */

#define DOMID 7u
#define NR 16u
#define BYTES ((size_t)NR * 4096)

struct mapping {
    xenforeignmemory_handle *fmem;
    uint8_t *host;
};

static void mapping_open(struct mapping *m)
{
    xen_pfn_t gfns[NR];

    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){.domid = DOMID, .pages = 256});
    m->fmem = xenforeignmemory_open(NULL, 0);
    assert_non_null(m->fmem);
    for (unsigned i = 0; i < NR; i++)
        gfns[i] = 16 + i;
    m->host = xenforeignmemory_map(m->fmem, DOMID, PROT_READ | PROT_WRITE, NR,
                                   gfns, NULL);
    assert_non_null(m->host);
}

static void mapping_close(struct mapping *m, unsigned violations)
{
    assert_int_equal(fakexen_violations(), violations);
    if (fakexen_mappings() > 0)
        assert_int_equal(xenforeignmemory_unmap(m->fmem, m->host, NR), 0);
    assert_int_equal(xenforeignmemory_close(m->fmem), 0);
    fakexen_clear_violations();
}

static void *lay_none(void *addr, size_t len)
{
    return mmap(addr, len, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
}

static void a_part_cannot_be_overlaid(void **state)
{
    struct mapping m;

    (void)state;
    mapping_open(&m);
    assert_true(lay_none(m.host + 4096, 4096) == MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    m.host[4096] = 1; /* still there */
    mapping_close(&m, 1);
}

static void a_part_cannot_be_unmapped(void **state)
{
    struct mapping m;

    (void)state;
    mapping_open(&m);
    assert_int_equal(munmap(m.host, BYTES / 2), -1);
    assert_int_equal(errno, EINVAL);
    m.host[0] = 1;
    mapping_close(&m, 1);
}

static void a_mapping_cannot_be_moved(void **state)
{
    struct mapping m;

    (void)state;
    mapping_open(&m);
    assert_true(mremap(m.host, BYTES, 2 * BYTES, MREMAP_MAYMOVE) == MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    mapping_close(&m, 1);
}

static void a_mapping_keeps_its_protection(void **state)
{
    struct mapping m;

    (void)state;
    mapping_open(&m);
    assert_int_equal(mprotect(m.host, BYTES, PROT_READ), -1);
    assert_int_equal(errno, EINVAL);
    mapping_close(&m, 1);
}

static void the_whole_can_be_overlaid_and_counts(void **state)
{
    struct mapping m;

    (void)state;
    mapping_open(&m);
    assert_ptr_equal(lay_none(m.host, BYTES), m.host);
    assert_int_equal(fakexen_calls(FAKEXEN_OVERLAY), 1);
    assert_int_equal(fakexen_pages(FAKEXEN_OVERLAY), NR);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(munmap(m.host, BYTES), 0);
    mapping_close(&m, 0);
}

static void other_memory_is_left_alone(void **state)
{
    struct mapping m;
    uint8_t *host;

    (void)state;
    mapping_open(&m);
    host = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(host != MAP_FAILED);
    host[0] = 42;
    host = mremap(host, BYTES, 4 * BYTES, MREMAP_MAYMOVE);
    assert_true(host != MAP_FAILED);
    assert_int_equal(host[0], 42);
    assert_int_equal(munmap(host, BYTES), 0);
    assert_int_equal(munmap(host + BYTES, 3 * BYTES), 0);
    mapping_close(&m, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_cannot_be_overlaid),
        cmocka_unit_test(a_part_cannot_be_unmapped),
        cmocka_unit_test(a_mapping_cannot_be_moved),
        cmocka_unit_test(a_mapping_keeps_its_protection),
        cmocka_unit_test(the_whole_can_be_overlaid_and_counts),
        cmocka_unit_test(other_memory_is_left_alone),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
