/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#define __XEN_TOOLS__ 1 /* structural guest handles */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include <xentoolcore.h>

#include "tests/fakexen/fakexen.h"

/* What tests lean on must itself be right. */

#define DOMID 7u
#define PAGES 1024u /* 4 MiB */

static int setup(void **state)
{
    (void)state;
    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){
        .domid = DOMID, .pages = PAGES, .nr_vcpus = 2});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return fakexen_handles() != 0 || fakexen_resources() != 0 ||
           fakexen_buffers() != 0;
}

static uint32_t guest_word(uint64_t gfn)
{
    uint32_t word;

    fakexen_peek(DOMID, gfn * 4096, &word, sizeof(word));
    return word;
}

static void set_guest_word(uint64_t gfn, uint32_t word)
{
    fakexen_poke(DOMID, gfn * 4096, &word, sizeof(word));
}

/* ---- memory ----------------------------------------------------------- */

static void memory_is_laid_out_as_libxl_does(void **state)
{
    (void)state;
    assert_int_equal(fakexen_tot_pages(DOMID), PAGES - 32);
    assert_int_equal(fakexen_type(DOMID, 0x9f), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_type(DOMID, 0xa0), FAKEXEN_HOLE);
    assert_int_equal(fakexen_type(DOMID, 0xbf), FAKEXEN_HOLE);
    assert_int_equal(fakexen_type(DOMID, 0xc0), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_type(DOMID, PAGES), FAKEXEN_HOLE);
    assert_int_equal(fakexen_maxmem(DOMID), PAGES + 256);

    fakexen_create(&(struct fakexen_domain){
        .domid = 8, .pages = 512, .low_max = 256, .special = true});
    assert_int_equal(fakexen_type(8, 255), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_type(8, 256), FAKEXEN_HOLE);
    assert_int_equal(fakexen_type(8, 0x100000), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_type(8, 0x1000ff), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_type(8, 0x100100), FAKEXEN_HOLE);
    assert_int_equal(fakexen_type(8, 0xfeff0), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_tot_pages(8), 512 - 32 + 16);
    assert_int_equal(fakexen_max_gfn(8), 0x1000ff);
}

static xenforeignmemory_handle *open_foreign(void)
{
    xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);

    assert_non_null(fmem);
    return fmem;
}

static uint8_t *map_at(xenforeignmemory_handle *fmem, void *addr, uint64_t gfn,
                       size_t nr, int *err)
{
    xen_pfn_t *gfns = calloc(nr, sizeof(*gfns));
    void *host;

    assert_non_null(gfns);
    for (size_t i = 0; i < nr; i++)
        gfns[i] = gfn + i;
    host = xenforeignmemory_map2(fmem, DOMID, addr, PROT_READ | PROT_WRITE,
                                 addr ? MAP_FIXED : 0, nr, gfns, err);
    free(gfns);
    return host;
}

static void a_mapping_shows_the_frames_of_that_moment(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint32_t word = 0;
    uint8_t *host;

    (void)state;
    set_guest_word(16, 0x1111);
    set_guest_word(17, 0x2222);
    host = map_at(fmem, NULL, 16, 2, NULL);
    assert_non_null(host);
    memcpy(&word, host, 4);
    assert_int_equal(word, 0x1111);
    fakexen_swap(DOMID, 16, 17);
    memcpy(&word, host, 4);
    assert_int_equal(word, 0x1111);
    assert_int_equal(guest_word(16), 0x2222);
    fakexen_replace(DOMID, 16);
    assert_int_equal(guest_word(16), 0);
    memcpy(&word, host + 4096, 4);
    assert_int_equal(word, 0x2222);
    host[0] = 0x33;
    assert_int_equal(guest_word(17), 0x1133);
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 2), 0);
    assert_int_equal(fakexen_mappings(), 0);
    xenforeignmemory_close(fmem);
    assert_int_equal(fakexen_violations(), 0);
}

static void holes_give_an_error_a_page_or_fail_the_whole(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint8_t *host;
    int err[4] = {1, 1, 1, 1};

    (void)state;
    host = map_at(fmem, NULL, 0x9e, 4, err);
    assert_non_null(host);
    assert_int_equal(err[0], 0);
    assert_int_equal(err[1], 0);
    assert_int_equal(err[2], -EINVAL);
    assert_int_equal(err[3], -EINVAL);
    host[4096] = 1;
    assert_int_equal(guest_word(0x9f), 1);
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 4), 0);

    assert_null(map_at(fmem, NULL, 0x9e, 4, NULL));
    assert_int_equal(errno, EINVAL);
    fakexen_refuse(DOMID, 4, EIO);
    host = map_at(fmem, NULL, 4, 1, err);
    assert_non_null(host);
    assert_int_equal(err[0], -EIO);
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 1), 0);
    fakexen_destroy(DOMID);
    host = map_at(fmem, NULL, 5, 1, err);
    assert_int_equal(err[0], -ESRCH);
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 1), 0);
    assert_int_equal(fakexen_mappings(), 0);
    xenforeignmemory_close(fmem);
}

#define WINDOW ((size_t)64 * 4096)

static uint8_t *window(void)
{
    void *addr =
        mmap(NULL, WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(addr != MAP_FAILED);
    return addr;
}

static void lay_none(void *addr, size_t len)
{
    assert_ptr_equal(mmap(addr, len, PROT_NONE,
                          MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                     addr);
}

static void an_overlaid_mapping_lets_go_of_its_frames(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint8_t *base = window();
    int err[16];

    (void)state;
    assert_ptr_equal(map_at(fmem, base, 32, 16, err), base);
    assert_ptr_equal(map_at(fmem, base + 16 * 4096, 48, 16, err),
                     base + 16 * 4096);
    assert_int_equal(fakexen_mapped_bytes(), 32 * 4096);
    assert_int_equal(fakexen_frame_refs(fakexen_frame(DOMID, 32)), 1);
    lay_none(base, 16 * 4096);
    assert_int_equal(fakexen_mapped_bytes(), 16 * 4096);
    assert_int_equal(fakexen_frame_refs(fakexen_frame(DOMID, 32)), 0);
    assert_int_equal(fakexen_frame_refs(fakexen_frame(DOMID, 48)), 1);
    /* exactly the same range may be mapped over */
    assert_ptr_equal(map_at(fmem, base + 16 * 4096, 64, 16, err),
                     base + 16 * 4096);
    assert_int_equal(fakexen_mappings(), 1);
    munmap(base, WINDOW);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(fakexen_violations(), 0);
    xenforeignmemory_close(fmem);
}

static void a_mapping_cannot_be_split(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint8_t *base = window();
    int err[16];

    (void)state;
    assert_ptr_equal(map_at(fmem, base, 32, 16, err), base);
    assert_null(map_at(fmem, base + 8 * 4096, 48, 16, err));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fakexen_violations(), 1);
    assert_int_equal(xenforeignmemory_unmap(fmem, base, 4), -1);
    assert_int_equal(fakexen_violations(), 2);
    assert_int_equal(fakexen_mapped_bytes(), 16 * 4096);
    lay_none(base + 15 * 4096, 4096);
    assert_int_equal(fakexen_violations(), 3);
    assert_int_equal(fakexen_mappings(), 0);
    munmap(base, WINDOW);
    fakexen_clear_violations();
    xenforeignmemory_close(fmem);
}

static void a_mapping_keeps_a_frame_charged(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint64_t before = fakexen_tot_pages(DOMID);
    uint8_t *host;
    int err[8];

    (void)state;
    set_guest_word(0x10, 0xabcd);
    host = map_at(fmem, NULL, 0x10, 8, err);
    fakexen_balloon_out(DOMID, 0x10, 4);
    assert_int_equal(fakexen_tot_pages(DOMID), before);
    assert_int_equal(host[0], 0xcd);
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 8), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), before - 4);
    assert_int_equal(fakexen_balloon_in(DOMID, 0x10, 4), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), before);
    assert_int_equal(guest_word(0x10), 0);
    fakexen_balloon_out(DOMID, 0x10, 4);
    fakexen_fill_new_frames(0x77);
    assert_int_equal(fakexen_balloon_in(DOMID, 0x10, 4), 0);
    assert_int_equal(guest_word(0x13), 0x77777777);
    fakexen_balloon_out(DOMID, 0x10, 4);
    fakexen_set_maxmem(DOMID, before - 1);
    assert_int_equal(fakexen_balloon_in(DOMID, 0x10, 4), -ENOMEM);
    xenforeignmemory_close(fmem);
}

static void a_pod_page_comes_from_the_cache(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint64_t before = fakexen_tot_pages(DOMID);
    uint8_t *host;
    int err[2];

    (void)state;
    fakexen_pod(DOMID, 0x100, 16, 1);
    assert_int_equal(fakexen_tot_pages(DOMID), before - 15);
    assert_int_equal(fakexen_type(DOMID, 0x100), FAKEXEN_POD);
    host = map_at(fmem, NULL, 0x100, 2, err);
    assert_int_equal(err[0], 0);
    assert_int_equal(err[1], -EINVAL);
    assert_int_equal(fakexen_type(DOMID, 0x100), FAKEXEN_RAM_RW);
    assert_int_equal(fakexen_tot_pages(DOMID), before - 15);
    assert_true(fakexen_crashed(DOMID));
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 2), 0);
    xenforeignmemory_close(fmem);
}

static void memory_can_be_copied_to_another_domain(void **state)
{
    uint32_t word;

    (void)state;
    set_guest_word(0x3ff, 0x600d);
    fakexen_balloon_out(DOMID, 0x20, 1);
    fakexen_create(&(struct fakexen_domain){.domid = 9});
    fakexen_copy_memory(9, DOMID);
    fakexen_peek(9, 0x3ff000, &word, sizeof(word));
    assert_int_equal(word, 0x600d);
    assert_int_equal(fakexen_type(9, 0x20), FAKEXEN_HOLE);
    assert_int_equal(fakexen_tot_pages(9), fakexen_tot_pages(DOMID));
    assert_int_equal(fakexen_maxmem(9), fakexen_maxmem(DOMID));
}

/* ---- hypercalls ------------------------------------------------------- */

static long memory_op(xencall_handle *xcall, unsigned op, uint64_t gfn,
                      unsigned nr, unsigned order)
{
    struct xen_memory_reservation *res;
    xen_pfn_t *gfns;
    long rc;

    res = xencall_alloc_buffer(xcall, sizeof(*res));
    gfns = xencall_alloc_buffer(xcall, nr * sizeof(*gfns));
    assert_non_null(res);
    assert_non_null(gfns);
    for (unsigned i = 0; i < nr; i++)
        gfns[i] = gfn + ((uint64_t)i << order);
    *res = (struct xen_memory_reservation){
        .nr_extents = nr, .extent_order = order, .domid = DOMID};
    set_xen_guest_handle(res->extent_start, gfns);
    rc = xencall2L(xcall, __HYPERVISOR_memory_op, op, (uintptr_t)res);
    xencall_free_buffer(xcall, gfns);
    xencall_free_buffer(xcall, res);
    return rc;
}

static void populate_stops_at_maxmem_and_keeps_what_it_got(void **state)
{
    xencall_handle *xcall = xencall_open(NULL, 0);
    uint64_t before = fakexen_tot_pages(DOMID), room;

    (void)state;
    room = fakexen_maxmem(DOMID) - before;
    assert_int_equal(room, 288); /* 1 MiB and the VGA hole */
    assert_int_equal(memory_op(xcall, XENMEM_populate_physmap, 0xfe000, 16, 0),
                     16);
    assert_int_equal(fakexen_tot_pages(DOMID), before + 16);
    assert_int_equal(memory_op(xcall, XENMEM_populate_physmap, 0xfe100, 300, 0),
                     272);
    assert_int_equal(fakexen_tot_pages(DOMID), fakexen_maxmem(DOMID));
    assert_int_equal(memory_op(xcall, XENMEM_populate_physmap, 0x140000, 1, 9),
                     0);
    assert_int_equal(
        memory_op(xcall, XENMEM_decrease_reservation, 0xfe100, 272, 0), 272);
    assert_int_equal(
        memory_op(xcall, XENMEM_decrease_reservation, 0xfe100, 1, 0), 0);
    assert_int_equal(fakexen_tot_pages(DOMID), before + 16);
    fakexen_set_maxmem(DOMID, before + 16 + 512);
    assert_int_equal(memory_op(xcall, XENMEM_populate_physmap, 0x140000, 1, 9),
                     1);
    assert_int_equal(fakexen_type(DOMID, 0x1401ff), FAKEXEN_RAM_RW);
    fakexen_refuse(DOMID, 0x141000, ENOMEM);
    fakexen_set_maxmem(DOMID, 1 << 20);
    assert_int_equal(memory_op(xcall, XENMEM_populate_physmap, 0x140e00, 2, 9),
                     1);
    assert_int_equal(fakexen_pages(FAKEXEN_POPULATE),
                     16 + 300 + 512 + 512 + 1024);
    assert_int_equal(fakexen_calls(FAKEXEN_DECREASE), 2);
    assert_int_equal(fakexen_violations(), 0);
    memory_op(xcall, XENMEM_populate_physmap, 0x140000, 1, 0);
    assert_int_equal(fakexen_violations(), 1);
    fakexen_clear_violations();
    xencall_close(xcall);
}

static void a_hypercall_argument_must_be_in_a_buffer(void **state)
{
    xencall_handle *xcall = xencall_open(NULL, 0);
    struct xen_memory_reservation res = {.nr_extents = 1, .domid = DOMID};

    (void)state;
    assert_int_equal(xencall2(xcall, __HYPERVISOR_memory_op,
                              XENMEM_populate_physmap, (uintptr_t)&res),
                     0);
    assert_int_equal(fakexen_violations(), 1);
    assert_int_equal(xencall1(xcall, __HYPERVISOR_domctl, 0), -1);
    assert_int_equal(errno, ENOSYS);
    assert_int_equal(fakexen_unknown_calls(), 1);
    fakexen_clear_violations();
    xencall_close(xcall);
}

static void hvm_parameters_are_kept(void **state)
{
    xencall_handle *xcall = xencall_open(NULL, 0);
    struct xen_hvm_param *param;

    (void)state;
    param = xencall_alloc_buffer(xcall, sizeof(*param));
    *param = (struct xen_hvm_param){
        .domid = DOMID, .index = HVM_PARAM_ACPI_S_STATE, .value = 3};
    assert_int_equal(
        xencall2(xcall, __HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)param),
        0);
    assert_int_equal(fakexen_hvm_param(DOMID, HVM_PARAM_ACPI_S_STATE), 3);
    param->value = 0;
    assert_int_equal(
        xencall2(xcall, __HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)param),
        0);
    assert_int_equal(param->value, 3);
    xencall_free_buffer(xcall, param);
    xencall_close(xcall);
}

/* ---- device model ops ------------------------------------------------- */

static void types_and_places_change_as_measured(void **state)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(NULL, 0);
    uint64_t before = fakexen_tot_pages(DOMID);

    (void)state;
    set_guest_word(0x200, 0x5555);
    assert_int_equal(
        xendevicemodel_set_mem_type(dmod, DOMID, HVMMEM_ram_ro, 0x200, 16), 0);
    assert_int_equal(fakexen_type(DOMID, 0x20f), FAKEXEN_RAM_RO);
    assert_int_equal(
        xendevicemodel_relocate_memory(dmod, DOMID, 8, 0x200, 0xf2000), 0);
    assert_int_equal(fakexen_type(DOMID, 0x200), FAKEXEN_HOLE);
    assert_int_equal(fakexen_type(DOMID, 0xf2000), FAKEXEN_RAM_RO);
    assert_int_equal(guest_word(0xf2000), 0x5555);
    assert_int_equal(fakexen_tot_pages(DOMID), before);
    assert_int_equal(
        xendevicemodel_set_mem_type(dmod, DOMID, HVMMEM_ram_rw, 0x200, 16), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(
        xendevicemodel_set_mem_type(dmod, DOMID, HVMMEM_ram_rw, 0x208, 8), 0);
    assert_int_equal(
        xendevicemodel_set_mem_type(dmod, DOMID, HVMMEM_ram_rw, 0xf3000, 1),
        -1);
    /* multiples of 65536 silently do nothing */
    assert_int_equal(
        xendevicemodel_relocate_memory(dmod, DOMID, 65536, 0, 0x200000), 0);
    assert_int_equal(fakexen_type(DOMID, 0), FAKEXEN_RAM_RW);
    xendevicemodel_close(dmod);
}

static void the_top_gfn_cannot_be_marked_dirty(void **state)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(NULL, 0);
    struct xen_dm_op_modified_memory_extent extents[2] = {
        {.nr = 1, .first_pfn = PAGES - 1}, {.nr = 4, .first_pfn = 0x10}};

    (void)state;
    assert_int_equal(fakexen_max_gfn(DOMID), PAGES - 1);
    assert_int_equal(
        xendevicemodel_modified_memory_bulk(dmod, DOMID, extents, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fakexen_dirty_count(DOMID), 4); /* the last comes first */
    assert_true(fakexen_dirty(DOMID, 0x13));
    assert_false(fakexen_dirty(DOMID, 0x14));
    assert_int_equal(xendevicemodel_modified_memory(dmod, DOMID, 0x20, 2), 0);
    assert_int_equal(fakexen_dirty_count(DOMID), 6);
    fakexen_clear_dirty(DOMID);
    assert_int_equal(fakexen_dirty_count(DOMID), 0);
    assert_false(fakexen_dirty(DOMID, 0x13));
    xendevicemodel_close(dmod);
}

static void cache_attributes_refuse_an_overlap(void **state)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(NULL, 0);
    uint32_t wb = XEN_DMOP_MEM_CACHEATTR_WB;
    uint32_t del = XEN_DMOP_DELETE_MEM_CACHEATTR;

    (void)state;
    assert_int_equal(
        xendevicemodel_pin_memory_cacheattr(dmod, DOMID, 16, 31, wb), 0);
    assert_int_equal(
        xendevicemodel_pin_memory_cacheattr(dmod, DOMID, 31, 40, wb), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(fakexen_cacheattr(DOMID, 31), (int)wb);
    assert_int_equal(fakexen_cacheattr(DOMID, 32), -1);
    assert_int_equal(
        xendevicemodel_pin_memory_cacheattr(dmod, DOMID, 16, 31, del), 0);
    assert_int_equal(
        xendevicemodel_pin_memory_cacheattr(dmod, DOMID, 16, 31, del), -1);
    assert_int_equal(errno, ENOENT);
    xendevicemodel_close(dmod);
}

static void lines_have_levels_and_edges(void **state)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(NULL, 0);

    (void)state;
    assert_int_equal(xendevicemodel_set_isa_irq_level(dmod, DOMID, 4, 1), 0);
    assert_int_equal(xendevicemodel_set_isa_irq_level(dmod, DOMID, 4, 1), 0);
    assert_true(fakexen_isa_level(DOMID, 4));
    assert_int_equal(fakexen_isa_edges(DOMID, 4), 1);
    assert_int_equal(xendevicemodel_set_isa_irq_level(dmod, DOMID, 4, 0), 0);
    assert_false(fakexen_isa_level(DOMID, 4));
    assert_int_equal(
        xendevicemodel_set_pci_intx_level(dmod, DOMID, 0, 0, 3, 1, 1), 0);
    assert_true(fakexen_intx_level(DOMID, 3, 1));
    assert_int_equal(
        xendevicemodel_set_pci_intx_level(dmod, DOMID, 0, 1, 3, 1, 1), -1);
    assert_int_equal(xendevicemodel_set_pci_link_route(dmod, DOMID, 2, 11), 0);
    assert_int_equal(fakexen_link_route(DOMID, 2), 11);
    assert_int_equal(xendevicemodel_set_isa_irq_level(dmod, DOMID, 16, 1), -1);
    assert_int_equal(errno, EINVAL);
    xendevicemodel_close(dmod);
}

/* ---- ioreqs ----------------------------------------------------------- */

struct emulator {
    xendevicemodel_handle *dmod;
    xenforeignmemory_handle *fmem;
    xenforeignmemory_resource_handle *page;
    xenevtchn_handle *xce;
    ioservid_t id;
    ioreq_t *slots;
    int ports[2];
    unsigned bad_state; /* answer with this one */
    unsigned handled, invalidates;
    ioreq_t last;
};

static void emulator_open(struct emulator *e)
{
    void *addr = NULL;

    *e = (struct emulator){0};
    e->dmod = xendevicemodel_open(NULL, 0);
    e->fmem = xenforeignmemory_open(NULL, 0);
    e->xce = xenevtchn_open(NULL, 0);
    fcntl(xenevtchn_fd(e->xce), F_SETFL, O_NONBLOCK);
    assert_int_equal(
        xendevicemodel_create_ioreq_server(e->dmod, DOMID, 0, &e->id), 0);
    e->page = xenforeignmemory_map_resource(
        e->fmem, DOMID, XENMEM_resource_ioreq_server, e->id, 1, 1, &addr,
        PROT_READ | PROT_WRITE, 0);
    assert_non_null(e->page);
    e->slots = addr;
    assert_int_equal(
        xendevicemodel_set_ioreq_server_state(e->dmod, DOMID, e->id, 1), 0);
    for (unsigned i = 0; i < 2; i++) {
        e->ports[i] =
            xenevtchn_bind_interdomain(e->xce, DOMID, e->slots[i].vp_eport);
        assert_true(e->ports[i] > 0);
    }
}

static void emulator_close(struct emulator *e)
{
    fakexen_set_pump(NULL, NULL);
    assert_int_equal(xendevicemodel_destroy_ioreq_server(e->dmod, DOMID, e->id),
                     0);
    xenforeignmemory_unmap_resource(e->fmem, e->page);
    xenforeignmemory_close(e->fmem);
    xendevicemodel_close(e->dmod);
    xenevtchn_close(e->xce);
}

static void handle_slot(struct emulator *e, ioreq_t *slot, int port)
{
    if (slot->state != STATE_IOREQ_READY)
        return;
    e->last = *slot;
    e->handled++;
    if (slot->type == IOREQ_TYPE_INVALIDATE)
        e->invalidates++;
    else if (slot->dir == IOREQ_READ)
        slot->data = slot->addr ^ 0x5a5a5a5a;
    slot->state = e->bad_state ? e->bad_state : STATE_IORESP_READY;
    xenevtchn_notify(e->xce, (evtchn_port_t)port);
}

static void emulator_run(void *opaque)
{
    struct emulator *e = opaque;
    int port;

    while ((port = xenevtchn_pending(e->xce)) >= 0) {
        for (unsigned i = 0; i < 2; i++)
            if (e->ports[i] == port)
                handle_slot(e, &e->slots[i], port);
        xenevtchn_unmask(e->xce, (evtchn_port_t)port);
    }
    assert_int_equal(errno, EAGAIN);
}

static void claims_follow_the_rules_of_range_sets(void **state)
{
    struct emulator e;

    (void)state;
    emulator_open(&e);
    assert_int_equal(xendevicemodel_map_io_range_to_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0x3f8, 0x3ff),
                     0);
    assert_int_equal(xendevicemodel_map_io_range_to_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0x3ff, 0x400),
                     -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(xendevicemodel_map_io_range_to_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0x3f0, 0x3f7),
                     0);
    /* neighbours count as one range */
    assert_true(fakexen_claimed(DOMID, false, 0x3f0, 0x3ff));
    assert_false(fakexen_claimed(DOMID, true, 0x3f8, 0x3ff));
    assert_int_equal(xendevicemodel_unmap_io_range_from_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0x3f4, 0x3fb),
                     0);
    assert_true(fakexen_claimed(DOMID, false, 0x3f0, 0x3f3));
    assert_false(fakexen_claimed(DOMID, false, 0x3f4, 0x3f4));
    assert_true(fakexen_claimed(DOMID, false, 0x3fc, 0x3ff));
    assert_int_equal(xendevicemodel_unmap_io_range_from_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0x3f0, 0x3ff),
                     -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(xendevicemodel_map_pcidev_to_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0, 3, 1),
                     0);
    assert_true(fakexen_claimed_pci(DOMID, 3 << 3 | 1));
    assert_int_equal(xendevicemodel_map_pcidev_to_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0, 3, 1),
                     -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(xendevicemodel_unmap_pcidev_from_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0, 3, 1),
                     0);
    for (unsigned i = 0; i < 254; i++) {
        assert_int_equal(
            xendevicemodel_map_io_range_to_ioreq_server(
                e.dmod, DOMID, e.id, 0, 0x1000 + 2 * i, 0x1000 + 2 * i),
            0);
    }
    assert_int_equal(xendevicemodel_map_io_range_to_ioreq_server(
                         e.dmod, DOMID, e.id, 0, 0x2000, 0x2000),
                     -1);
    assert_int_equal(errno, ENOMEM);
    emulator_close(&e);
}

static void an_access_reaches_the_server_that_claimed_all_of_it(void **state)
{
    struct emulator e;
    struct fakexen_io io = {
        .mmio = true, .read = true, .addr = 0xf0000ffe, .size = 4};

    (void)state;
    emulator_open(&e);
    fakexen_set_pump(emulator_run, &e);
    xendevicemodel_map_io_range_to_ioreq_server(e.dmod, DOMID, e.id, 0, 0xcf8,
                                                0xcff);
    xendevicemodel_map_io_range_to_ioreq_server(e.dmod, DOMID, e.id, 1,
                                                0xf0000000, 0xf0000fff);
    assert_int_equal(fakexen_in(DOMID, 0xcfa, 2), (0xcfa ^ 0x5a5a) & 0xffff);
    assert_int_equal(fakexen_in(DOMID, 0x60, 1), 0xff);
    assert_int_equal(fakexen_in(DOMID, 0xcff, 2), 0xffff);
    assert_int_equal(fakexen_readm(DOMID, 0xf0000ffc, 4),
                     0xf0000ffc ^ 0x5a5a5a5a);
    assert_int_equal(fakexen_io(DOMID, &io), 0);
    assert_false(io.handled);
    assert_int_equal(io.data, 0xffffffff);
    fakexen_writem(DOMID, 0xf0000010, 8, UINT64_C(0x1122334455667788));
    assert_int_equal(e.last.type, IOREQ_TYPE_COPY);
    assert_int_equal(e.last.data, UINT64_C(0x1122334455667788));
    assert_int_equal(e.last.count, 1);
    assert_int_equal(e.last.dir, IOREQ_WRITE);
    assert_int_equal(e.handled, 3);
    assert_int_equal(fakexen_violations(), 0);
    emulator_close(&e);
}

static void the_config_latch_becomes_pci_config(void **state)
{
    struct emulator e;

    (void)state;
    emulator_open(&e);
    fakexen_set_pump(emulator_run, &e);
    xendevicemodel_map_io_range_to_ioreq_server(e.dmod, DOMID, e.id, 0, 0xcf8,
                                                0xcff);
    xendevicemodel_map_pcidev_to_ioreq_server(e.dmod, DOMID, e.id, 0, 0, 2, 0);
    fakexen_pci_read(DOMID, 2 << 3, 0x3e, 2);
    assert_int_equal(e.last.type, IOREQ_TYPE_PCI_CONFIG);
    assert_int_equal(e.last.addr, UINT64_C(0x10) << 32 | 0x3e);
    assert_int_equal(e.last.size, 2);
    assert_int_equal(fakexen_pci_read(DOMID, 3 << 3, 0, 4), 0xffffffff);
    fakexen_out(DOMID, 0xcf8, 4, 0x1000);
    fakexen_in(DOMID, 0xcfc, 4);
    assert_int_equal(e.last.type, IOREQ_TYPE_PIO);
    /* only a write of 4 bytes moves the latch */
    fakexen_out(DOMID, 0xcf8, 4, 0x80001000);
    fakexen_out(DOMID, 0xcf8, 2, 0);
    fakexen_in(DOMID, 0xcfc, 4);
    assert_int_equal(e.last.type, IOREQ_TYPE_PCI_CONFIG);
    emulator_close(&e);
}

static void invalidate_goes_to_every_enabled_server(void **state)
{
    struct emulator e;
    ioservid_t other;

    (void)state;
    emulator_open(&e);
    fakexen_set_pump(emulator_run, &e);
    assert_int_equal(
        xendevicemodel_create_ioreq_server(e.dmod, DOMID, 0, &other), 0);
    assert_int_equal(other, e.id + 1);
    assert_int_equal(fakexen_invalidate(DOMID, 1), 0);
    assert_int_equal(e.invalidates, 1);
    assert_int_equal(e.last.size, 4);
    assert_int_equal(e.last.data, UINT64_MAX);
    xendevicemodel_set_ioreq_server_state(e.dmod, DOMID, other, 1);
    fakexen_set_timeout(50);
    assert_int_equal(fakexen_invalidate(DOMID, 1), -ETIMEDOUT);
    fakexen_set_timeout(0);
    xendevicemodel_destroy_ioreq_server(e.dmod, DOMID, other);
    assert_int_equal(fakexen_ioreq_servers(DOMID), 1);
    emulator_close(&e);
    assert_int_equal(fakexen_ioreq_servers(DOMID), 0);
}

static void a_bad_state_crashes_the_domain(void **state)
{
    struct fakexen_io io = {.addr = 0x80, .size = 1};
    struct emulator e;

    (void)state;
    emulator_open(&e);
    fakexen_set_pump(emulator_run, &e);
    xendevicemodel_map_io_range_to_ioreq_server(e.dmod, DOMID, e.id, 0, 0x80,
                                                0x80);
    e.slots[0].state = STATE_IORESP_READY;
    assert_int_equal(fakexen_io(DOMID, &io), -EBUSY);
    e.slots[0].state = STATE_IOREQ_NONE;
    e.slots[0].vp_eport++;
    assert_int_equal(fakexen_io(DOMID, &io), -EBUSY);
    e.slots[0].vp_eport--;
    assert_int_equal(fakexen_io(DOMID, &io), 0);
    e.bad_state = 7;
    assert_int_equal(fakexen_io(DOMID, &io), -ESRCH);
    assert_true(fakexen_crashed(DOMID));
    assert_int_equal(fakexen_violations(), 3);
    fakexen_clear_violations();
    emulator_close(&e);
}

static void *run_loop(void *opaque)
{
    struct emulator *e = opaque;
    struct pollfd poll_fd = {.fd = xenevtchn_fd(e->xce), .events = POLLIN};

    while (e->invalidates == 0) {
        poll(&poll_fd, 1, 1000);
        emulator_run(e);
    }
    return NULL;
}

static void another_thread_can_answer(void **state)
{
    struct emulator e;
    pthread_t thread;

    (void)state;
    emulator_open(&e);
    xendevicemodel_map_io_range_to_ioreq_server(e.dmod, DOMID, e.id, 0, 0x80,
                                                0x8f);
    pthread_create(&thread, NULL, run_loop, &e);
    for (uint16_t i = 0; i < 1000; i++) {
        assert_int_equal(fakexen_in(DOMID, 0x80 + i % 16, 1),
                         (0x80 + i % 16) ^ 0x5a);
    }
    assert_int_equal(fakexen_invalidate(DOMID, 1), 0);
    pthread_join(thread, NULL);
    assert_int_equal(e.handled, 1001);
    emulator_close(&e);
}

/* ---- event channels, xenstore, restriction ---------------------------- */

static void a_port_that_fired_waits_for_unmask(void **state)
{
    struct emulator e;
    struct pollfd poll_fd = {.events = POLLIN};

    (void)state;
    emulator_open(&e);
    poll_fd.fd = xenevtchn_fd(e.xce);
    /* a fresh binding fires once */
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    assert_int_equal(xenevtchn_pending(e.xce), e.ports[0]);
    assert_int_equal(xenevtchn_pending(e.xce), e.ports[1]);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    assert_int_equal(xenevtchn_unmask(e.xce, (evtchn_port_t)e.ports[0]), 0);
    assert_int_equal(xenevtchn_pending(e.xce), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(
        xenevtchn_bind_interdomain(e.xce, DOMID, e.slots[0].vp_eport), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(xenevtchn_unbind(e.xce, (evtchn_port_t)e.ports[0]), 0);
    assert_int_equal(xenevtchn_notify(e.xce, (evtchn_port_t)e.ports[0]), -1);
    emulator_close(&e);
}

static void xenstore_keeps_a_tree(void **state)
{
    struct xs_handle *xs = xs_open(0);
    char **list, **event, *value;
    unsigned nr;

    (void)state;
    assert_true(xs_watch(xs, "/a", "token"));
    event = xs_check_watch(xs);
    assert_non_null(event);
    free(event);
    assert_null(xs_check_watch(xs));
    assert_true(xs_write(xs, XBT_NULL, "/a/b/c", "one", 3));
    assert_true(xs_write(xs, XBT_NULL, "/a/d", "", 0));
    event = xs_read_watch(xs, &nr);
    assert_string_equal(event[XS_WATCH_PATH], "/a/b/c");
    assert_string_equal(event[XS_WATCH_TOKEN], "token");
    free(event);
    value = xs_read(xs, XBT_NULL, "/a/b/c", &nr);
    assert_string_equal(value, "one");
    assert_int_equal(nr, 3);
    free(value);
    assert_null(xs_read(xs, XBT_NULL, "/a/x", &nr));
    assert_int_equal(errno, ENOENT);
    list = xs_directory(xs, XBT_NULL, "/a", &nr);
    assert_int_equal(nr, 2);
    free(list);
    assert_true(xs_rm(xs, XBT_NULL, "/a/b"));
    assert_null(fakexen_xs_get("/a/b/c"));
    assert_true(xs_write(xs, XBT_NULL, "memory/target", "7", 1));
    assert_string_equal(fakexen_xs_get("/local/domain/0/memory/target"), "7");
    value = xs_get_domain_path(xs, 12);
    assert_string_equal(value, "/local/domain/12");
    free(value);
    xs_close(xs);
}

static void restriction_takes_rights_away(void **state)
{
    xencall_handle *xcall = xencall_open(NULL, 0);
    xenforeignmemory_handle *fmem = open_foreign();
    xendevicemodel_handle *dmod = xendevicemodel_open(NULL, 0);
    struct xs_handle *xs = xs_open(0);
    unsigned vcpus;
    uint8_t *host;

    (void)state;
    fakexen_create(&(struct fakexen_domain){.domid = 8, .pages = 16});
    assert_int_equal(xentoolcore_restrict_all(8), 0);
    assert_int_equal(memory_op(xcall, XENMEM_populate_physmap, 0xfe000, 1, 0),
                     -1);
    assert_false(xs_write(xs, XBT_NULL, "/a", "b", 1));
    assert_null(map_at(fmem, NULL, 0, 1, NULL));
    assert_int_equal(errno, EPERM);
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, 8, &vcpus), 0);
    assert_int_equal(vcpus, 1);
    assert_int_equal(xentoolcore_restrict_all(DOMID), 0);
    host = map_at(fmem, NULL, 0, 1, NULL);
    assert_non_null(host);
    assert_int_equal(xenforeignmemory_unmap(fmem, host, 1), 0);
    xs_close(xs);
    xendevicemodel_close(dmod);
    xenforeignmemory_close(fmem);
    xencall_close(xcall);
}

/* ---- faults ----------------------------------------------------------- */

static void count_call(enum fakexen_kind kind, void *opaque)
{
    (void)kind;
    ++*(unsigned *)opaque;
}

static void calls_fail_where_they_were_told_to(void **state)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(NULL, 0);
    unsigned vcpus, hooked = 0;

    (void)state;
    fakexen_fail(FAKEXEN_DM, 2, 2, EIO);
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), 0);
    assert_false(fakexen_failed(FAKEXEN_DM));
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), -1);
    assert_int_equal(errno, EIO);
    assert_true(fakexen_failed(FAKEXEN_DM));
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), -1);
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), 0);
    fakexen_fail(FAKEXEN_ANY, 1, 0, ENOMEM);
    assert_null(xenforeignmemory_open(NULL, 0));
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), -1);
    fakexen_fail(FAKEXEN_ANY, 1, 0, 0);
    fakexen_set_hook(count_call, &hooked);
    assert_int_equal(xendevicemodel_nr_vcpus(dmod, DOMID, &vcpus), 0);
    fakexen_set_hook(NULL, NULL);
    assert_int_equal(hooked, 1);
    assert_int_equal(fakexen_calls(FAKEXEN_DM), 6);
    fakexen_reset_counters();
    assert_int_equal(fakexen_calls(FAKEXEN_ANY), 0);
    xendevicemodel_close(dmod);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void latency_is_charged_by_call_and_page(void **state)
{
    xenforeignmemory_handle *fmem = open_foreign();
    uint64_t start;
    int err[16];
    uint8_t *host;

    (void)state;
    fakexen_latency(FAKEXEN_MAP, 1000000, 100000);
    start = now_ns();
    host = map_at(fmem, NULL, 0, 16, err);
    assert_true(now_ns() - start >= 1000000 + 16 * 100000);
    xenforeignmemory_unmap(fmem, host, 16);
    xenforeignmemory_close(fmem);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_is_laid_out_as_libxl_does),
        TEST(a_mapping_shows_the_frames_of_that_moment),
        TEST(holes_give_an_error_a_page_or_fail_the_whole),
        TEST(an_overlaid_mapping_lets_go_of_its_frames),
        TEST(a_mapping_cannot_be_split),
        TEST(a_mapping_keeps_a_frame_charged),
        TEST(a_pod_page_comes_from_the_cache),
        TEST(memory_can_be_copied_to_another_domain),
        TEST(populate_stops_at_maxmem_and_keeps_what_it_got),
        TEST(a_hypercall_argument_must_be_in_a_buffer),
        TEST(hvm_parameters_are_kept),
        TEST(types_and_places_change_as_measured),
        TEST(the_top_gfn_cannot_be_marked_dirty),
        TEST(cache_attributes_refuse_an_overlap),
        TEST(lines_have_levels_and_edges),
        TEST(claims_follow_the_rules_of_range_sets),
        TEST(an_access_reaches_the_server_that_claimed_all_of_it),
        TEST(the_config_latch_becomes_pci_config),
        TEST(invalidate_goes_to_every_enabled_server),
        TEST(a_bad_state_crashes_the_domain),
        TEST(another_thread_can_answer),
        TEST(a_port_that_fired_waits_for_unmask),
        TEST(xenstore_keeps_a_tree),
        TEST(restriction_takes_rights_away),
        TEST(calls_fail_where_they_were_told_to),
        TEST(latency_is_charged_by_call_and_page),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
