/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/harness.h"
#include "tests/fakexen/fakexen.h"

/* What a guest sees of the platform, through Xen's routing. */

#define DOMID 7u

#define MOST_VCPUS 128u /* xen/hvm/hvm_info_table.h, HVM_MAX_VCPUS */

#define HOST_BRIDGE 0x00
#define ISA_BRIDGE 0x08
#define PM 0x0b
#define PLATFORM 0x10

static struct dm dm;

static void start(const char *const *extra)
{
    struct qmp_peer peer;

    dm_start(&dm, DOMID, extra);
    qmp_open_peer(&peer, dm.qmp_path);
    qmp_do(&peer, "cont", NULL);
    qmp_close_peer(&peer);
}

static void end(void)
{
    CHECK(!fakexen_crashed(DOMID));
    dm_end(&dm);
}

static uint32_t pci_read(uint8_t devfn, unsigned offset, unsigned size)
{
    return fakexen_pci_read(DOMID, devfn, offset, size);
}

static void pci_write(uint8_t devfn, unsigned offset, unsigned size,
                      uint32_t value)
{
    fakexen_pci_write(DOMID, devfn, offset, size, value);
}

static uint32_t in(uint16_t port, unsigned size)
{
    return (uint32_t)fakexen_in(DOMID, port, size);
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    fakexen_out(DOMID, port, size, value);
}

/* ---- PCI -------------------------------------------------------------- */

static void look_at_the_bus(void)
{
    static const struct {
        uint8_t devfn;
        uint32_t ids;
    } functions[] = {{HOST_BRIDGE, 0x12378086},
                     {ISA_BRIDGE, 0x70008086},
                     {PM, 0x71138086},
                     {PLATFORM, 0x00015853}};
    uint32_t found[256];

    start(NULL);
    for (unsigned devfn = 0; devfn < 256; devfn++)
        found[devfn] = pci_read((uint8_t)devfn, 0, 4);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        CHECK_EQUAL(found[functions[i].devfn], functions[i].ids);
        found[functions[i].devfn] = UINT32_MAX;
    }
    for (unsigned devfn = 0; devfn < 256; devfn++)
        CHECK_EQUAL(found[devfn], UINT32_MAX);
    CHECK(pci_read(ISA_BRIDGE, 0x0e, 1) & 0x80);
    /* Linux's check of mechanism 1 */
    out(0xcf8, 4, 0x80000000);
    CHECK_EQUAL(in(0xcf8, 4), 0x80000000);
    end();
}

static void the_bus_has_four_functions(void **state)
{
    (void)state;
    in_child(look_at_the_bus);
}

static void program_bars(void)
{
    start(NULL);
    pci_write(PLATFORM, 0x10, 4, UINT32_MAX);
    pci_write(PLATFORM, 0x14, 4, UINT32_MAX);
    CHECK_EQUAL(pci_read(PLATFORM, 0x10, 4), 0xffffff01);
    CHECK_EQUAL(pci_read(PLATFORM, 0x14, 4), 0xff000008);
    pci_write(PLATFORM, 0x10, 4, 0xc000);
    pci_write(PLATFORM, 0x14, 4, 0xf2000000);
    CHECK(!fakexen_claimed(DOMID, false, 0xc000, 0xc0ff));
    pci_write(PLATFORM, 0x04, 2, 3);
    CHECK(fakexen_claimed(DOMID, false, 0xc000, 0xc0ff));
    CHECK(fakexen_claimed(DOMID, true, 0xf2000000, 0xf2ffffff));
    CHECK_EQUAL(fakexen_readm(DOMID, 0xf2000000, 4), 0);
    fakexen_writem(DOMID, 0xf2fffff8, 8, UINT64_MAX);
    CHECK_EQUAL(in(0xc004, 1), 0xff);
    /* moved while it is enabled */
    pci_write(PLATFORM, 0x10, 4, 0xc200);
    CHECK(!fakexen_claimed(DOMID, false, 0xc000, 0xc000));
    CHECK(fakexen_claimed(DOMID, false, 0xc200, 0xc2ff));
    pci_write(PLATFORM, 0x04, 2, 0);
    CHECK(!fakexen_claimed(DOMID, false, 0xc200, 0xc200));
    CHECK(!fakexen_claimed(DOMID, true, 0xf2000000, 0xf2000000));
    end();
}

static void bars_follow_what_the_guest_programs(void **state)
{
    (void)state;
    in_child(program_bars);
}

static void route_links(void)
{
    start(NULL);
    pci_write(ISA_BRIDGE, 0x60, 4, 0x0a0b050b);
    CHECK_EQUAL(fakexen_link_route(DOMID, 0), 11);
    CHECK_EQUAL(fakexen_link_route(DOMID, 1), 5);
    CHECK_EQUAL(fakexen_link_route(DOMID, 2), 11);
    CHECK_EQUAL(fakexen_link_route(DOMID, 3), 10);
    pci_write(ISA_BRIDGE, 0x61, 1, 0x80);
    CHECK_EQUAL(fakexen_link_route(DOMID, 1), 0);
    CHECK_EQUAL(fakexen_link_route(DOMID, 2), 11);
    end();
}

static void pci_links_are_routed_in_xen(void **state)
{
    (void)state;
    in_child(route_links);
}

/* ---- small devices ---------------------------------------------------- */

static void use_cmos(void)
{
    start(NULL);
    out(0x70, 1, 0x3d);
    CHECK_EQUAL(in(0x71, 1) & 0xf, 2); /* -boot order=c */
    out(0x70, 1, 0x34);
    out(0x71, 1, 0xa5);
    out(0x70, 1, 0x35);
    out(0x71, 1, 0x5a);
    out(0x70, 1, 0x80 | 0x34); /* the NMI bit */
    CHECK_EQUAL(in(0x71, 1), 0xa5);
    end();
}

static void cmos_keeps_what_is_written(void **state)
{
    (void)state;
    in_child(use_cmos);
}

static void use_keyboard_controller(void)
{
    start(NULL);
    out(0x64, 1, 0xaa);
    CHECK_EQUAL(in(0x64, 1) & 1, 1);
    CHECK_EQUAL(in(0x60, 1), 0x55);
    CHECK_EQUAL(in(0x64, 1) & 1, 0);
    end();
}

static void the_keyboard_controller_passes_its_test(void **state)
{
    (void)state;
    in_child(use_keyboard_controller);
}

static void use_platform_ports(void)
{
    start(NULL);
    CHECK_EQUAL(in(0x10, 2), 0x49d2);
    CHECK_EQUAL(in(0x12, 1), 1);
    CHECK_EQUAL(fakexen_type(DOMID, 0xf0), FAKEXEN_RAM_RW);
    out(0x10, 1, 1);
    CHECK_EQUAL(fakexen_type(DOMID, 0xc0), FAKEXEN_RAM_RO);
    CHECK_EQUAL(fakexen_type(DOMID, 0xff), FAKEXEN_RAM_RO);
    CHECK_EQUAL(fakexen_type(DOMID, 0x100), FAKEXEN_RAM_RW);
    CHECK_EQUAL(in(0x10, 1), 1);
    out(0x10, 1, 0);
    CHECK_EQUAL(fakexen_type(DOMID, 0xf0), FAKEXEN_RAM_RW);
    out(0x12, 2, 3);    /* product */
    out(0x10, 4, 1);    /* build */
    out(0x10, 2, 0xff); /* unplug all */
    CHECK_EQUAL(pci_read(PLATFORM, 0, 4), 0x00015853);
    end();
}

static void the_platform_device_locks_roms(void **state)
{
    (void)state;
    in_child(use_platform_ports);
}

static void use_serial(void)
{
    const char *path = scratch("serial");
    char spec[300];
    const char *extra[] = {"-serial", spec, NULL};
    char *text;
    size_t len;

    /* a second -serial is the second port: 0x2f8, IRQ 3 */
    snprintf(spec, sizeof(spec), "file:%s", path);
    start(extra);
    for (const char *p = "hello\n"; *p; p++) {
        CHECK(in(0x2fd, 1) & 0x20);
        out(0x2f8, 1, (uint8_t)*p);
    }
    out(0x2fc, 1, 0x08); /* OUT2 opens the interrupt */
    out(0x2f9, 1, 0x02); /* THR empty */
    CHECK(fakexen_isa_level(DOMID, 3));
    CHECK_EQUAL(in(0x2fa, 1) & 0x0f, 0x02);
    CHECK(!fakexen_isa_level(DOMID, 3));
    /* loop: what is sent comes back */
    out(0x2fc, 1, 0x18);
    out(0x2f8, 1, 'x');
    CHECK(in(0x2fd, 1) & 1);
    CHECK_EQUAL(in(0x2f8, 1), 'x');
    end();
    text = read_file(path, &len);
    CHECK(strcmp(text, "hello\n") == 0);
    free(text);
}

static void the_second_serial_port_writes_a_file(void **state)
{
    (void)state;
    in_child(use_serial);
}

/* ---- the end of the guest --------------------------------------------- */

#define POWEROFF 0
#define REBOOT 1

static void reset_by_port92(void)
{
    start(NULL);
    out(0x92, 1, 0x02);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), -1);
    out(0x92, 1, 0x03);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), REBOOT);
    end();
}

static void reset_by_cf9(void)
{
    start(NULL);
    out(0xcf9, 1, 0x02);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), -1);
    out(0xcf9, 1, 0x06);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), REBOOT);
    end();
}

static void reset_by_keyboard_controller(void)
{
    start(NULL);
    out(0x64, 1, 0xfe);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), REBOOT);
    end();
}

static void power_off_by_pm1(void)
{
    start(NULL);
    out(0xb004, 2, 0x0001);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), -1);
    out(0xb004, 2, 0x2001);
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), POWEROFF);
    end();
}

static void a_guest_resets_and_powers_off(void **state)
{
    (void)state;
    in_child(reset_by_port92);
    in_child(reset_by_cf9);
    in_child(reset_by_keyboard_controller);
    in_child(power_off_by_pm1);
}

/* ---- string instructions, memory that changes ------------------------- */

static struct fakexen_io outsb(uint16_t port, uint64_t gpa, uint32_t count)
{
    return (struct fakexen_io){.addr = port,
                               .size = 1,
                               .data = gpa,
                               .count = count,
                               .data_is_ptr = true};
}

static void print_by_outsb(const char *text, uint64_t gpa, bool df)
{
    size_t len = strlen(text);
    struct fakexen_io io = outsb(0x12, gpa, (uint32_t)len);

    io.df = df;
    CHECK_EQUAL(fakexen_io(DOMID, &io), 0);
    CHECK(io.handled);
}

static void move_strings(void)
{
    struct fakexen_io io = outsb(0x71, 0x5fff, 2);
    uint8_t bytes[3] = {0, 0, 0};

    start(NULL);
    fakexen_poke(DOMID, 0x4ffc, "in two pages\n", 13);
    print_by_outsb("in two pages\n", 0x4ffc, false);
    CHECK(logged("guest: in two pages"));
    fakexen_poke(DOMID, 0x6000, "\nsdrawkcab", 10);
    print_by_outsb("\nsdrawkcab", 0x6009, true);
    CHECK(logged("guest: backwards"));

    out(0x70, 1, 0x40);
    out(0x71, 1, 0xc3);
    io.read = true;
    CHECK_EQUAL(fakexen_io(DOMID, &io), 0);
    fakexen_peek(DOMID, 0x5ffe, bytes, 3);
    CHECK_EQUAL(bytes[1], 0xc3);
    CHECK_EQUAL(bytes[2], 0xc3);
    end();
}

static void string_instructions_move_guest_memory(void **state)
{
    (void)state;
    in_child(move_strings);
}

static void touch_holes(void)
{
    static const uint64_t places[] = {0xa0000,
                                      0x9fffe,
                                      UINT64_C(1) << 40,
                                      UINT64_C(1) << 51,
                                      UINT64_MAX - 1,
                                      0xfffffffe,
                                      0};
    struct fakexen_io io;

    start(NULL);
    out(0x70, 1, 0x40);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (unsigned bits = 0; bits < 4; bits++) {
            io = outsb(0x71, places[i], 4);
            io.read = bits & 1;
            io.df = bits & 2;
            CHECK_EQUAL(fakexen_io(DOMID, &io), 0);
        }
    }
    io = outsb(0x71, 0xa0000, 1);
    CHECK_EQUAL(fakexen_io(DOMID, &io), 0);
    CHECK_EQUAL(in(0x71, 1), 0xff); /* a hole reads as ones */
    end();
}

static void strings_in_holes_do_no_harm(void **state)
{
    (void)state;
    in_child(touch_holes);
}

static int64_t counter(const char *name)
{
    struct json_object *object, *value;
    struct qmp_peer peer;
    int64_t count;

    qmp_open_peer(&peer, dm.qmp_path);
    object = qmp_call(&peer, "query-xenram-mapcache", NULL);
    CHECK(json_object_object_get_ex(object, name, &value));
    count = json_object_get_int64(value);
    json_object_put(object);
    qmp_close_peer(&peer);
    return count;
}

static void change_frames(void)
{
    static const char before[] = "before the swap\n";
    static const char after[] = "after the swap\n";

    start(NULL);
    fakexen_poke(DOMID, 0x10000, before, sizeof(before));
    fakexen_poke(DOMID, 0x11000, after, sizeof(after));
    print_by_outsb(before, 0x10000, false);
    CHECK_EQUAL(counter("invalidates"), 0);
    CHECK_EQUAL(counter("misses"), 1);
    CHECK_EQUAL(counter("mapped-bytes"), 32 * 4096);
    fakexen_swap(DOMID, 0x10, 0x11);
    CHECK_EQUAL(fakexen_invalidate(DOMID, 1), 0);
    print_by_outsb(after, 0x10000, false);
    CHECK_EQUAL(counter("invalidates"), 1);
    CHECK_EQUAL(counter("misses"), 2);
    CHECK(logged("guest: before the swap"));
    CHECK(logged("guest: after the swap"));
    end();
}

static void after_an_invalidate_new_frames_are_seen(void **state)
{
    (void)state;
    in_child(change_frames);
}

static void balloon(void)
{
    uint64_t before;
    time_t deadline = time(NULL) + 10;

    start(NULL);
    before = fakexen_tot_pages(DOMID);
    fakexen_poke(DOMID, 0x200000, "mapped now\n", 11);
    print_by_outsb("mapped now\n", 0x200000, false);
    /* What a first access maps. */
    fakexen_balloon_out(DOMID, 0x200, 32);
    CHECK_EQUAL(fakexen_tot_pages(DOMID), before);
    CHECK_EQUAL(fakexen_invalidate(DOMID, 0), 0);
    /* the guest goes on meanwhile */
    while (fakexen_tot_pages(DOMID) != before - 32) {
        CHECK(time(NULL) < deadline);
        CHECK_EQUAL(in(0x10, 2), 0x49d2);
    }
    end();
}

static void ballooned_pages_go_back_to_xen(void **state)
{
    (void)state;
    in_child(balloon);
}

/* ---- every port, odd requests ----------------------------------------- */

static void sweep_ports(void)
{
    start(NULL);
    for (unsigned size = 1; size <= 4; size *= 2)
        for (uint32_t port = 0; port < 0x10000; port++)
            if (fakexen_claimed(DOMID, false, port, port))
                in((uint16_t)port, size);
    for (unsigned offset = 0; offset < 256; offset += 4) {
        pci_read(HOST_BRIDGE, offset, 4);
        pci_read(PLATFORM, offset + 1, 2);
        pci_read(PM, offset + 3, 1);
    }
    CHECK_EQUAL(fakexen_shutdown_reason(DOMID), -1);
    end();
}

static void every_port_can_be_read_at_every_width(void **state)
{
    (void)state;
    in_child(sweep_ports);
}

static void send_odd_requests(void)
{
    static const uint32_t sizes[] = {0, 1, 3, 4, 8, 16, 0x80000000, UINT32_MAX};
    struct fakexen_io io;

    start(NULL);
    for (unsigned type = 0; type < 256; type++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            for (unsigned bits = 0; bits < 8; bits++) {
                io = (struct fakexen_io){.addr = 0xcfc | (uint64_t)type << 32,
                                         .size = sizes[i],
                                         .count = bits & 4 ? 3 : 0,
                                         .read = bits & 1,
                                         .data_is_ptr = bits & 2};
                CHECK_EQUAL(fakexen_raw_ioreq(DOMID, 0, (uint8_t)type, &io), 0);
                CHECK(io.handled);
            }
        }
    }
    CHECK_EQUAL(pci_read(HOST_BRIDGE, 0, 4), 0x12378086);
    end();
}

static void odd_requests_are_answered(void **state)
{
    (void)state;
    in_child(send_odd_requests);
}

/* Both vCPUs at once. */
static void *other_vcpu(void *opaque)
{
    struct fakexen_io io;

    (void)opaque;
    for (unsigned i = 0; i < 2000; i++) {
        io = (struct fakexen_io){
            .vcpu = 1, .read = true, .addr = 0x10, .size = 2};
        CHECK_EQUAL(fakexen_io(DOMID, &io), 0);
        CHECK_EQUAL(io.data, 0x49d2);
    }
    return NULL;
}

static void use_both_vcpus(void)
{
    pthread_t thread;

    start(NULL);
    CHECK(pthread_create(&thread, NULL, other_vcpu, NULL) == 0);
    out(0x70, 1, 0x50);
    for (unsigned i = 0; i < 2000; i++) {
        out(0x71, 1, (uint8_t)i);
        CHECK_EQUAL(in(0x71, 1), (uint8_t)i);
    }
    pthread_join(thread, NULL);
    end();
}

static void two_vcpus_are_served(void **state)
{
    (void)state;
    in_child(use_both_vcpus);
}

static void *one_of_many(void *opaque)
{
    const unsigned *vcpu = opaque;
    struct fakexen_io io;

    for (unsigned i = 0; i < 20; i++) {
        io = (struct fakexen_io){
            .vcpu = *vcpu, .read = true, .addr = 0x10, .size = 2};
        CHECK_EQUAL(fakexen_io(DOMID, &io), 0);
        CHECK_EQUAL(io.data, 0x49d2);
    }
    return NULL;
}

static void use_all_vcpus(void)
{
    static const char *const extra[] = {"-smp", "128,maxcpus=128", NULL};
    pthread_t threads[MOST_VCPUS];
    unsigned vcpus[MOST_VCPUS];

    fakexen_create(&(struct fakexen_domain){.domid = DOMID,
                                            .pages = GUEST_PAGES,
                                            .nr_vcpus = MOST_VCPUS,
                                            .special = true});
    start(extra);
    for (unsigned i = 0; i < MOST_VCPUS; i++) {
        vcpus[i] = i;
        CHECK(pthread_create(&threads[i], NULL, one_of_many, &vcpus[i]) == 0);
    }
    for (unsigned i = 0; i < MOST_VCPUS; i++)
        pthread_join(threads[i], NULL);
    end();
}

static void as_many_vcpus_as_xen_has_are_served(void **state)
{
    (void)state;
    in_child(use_all_vcpus);
}

/* ---- direct kernel boot ----------------------------------------------- */

#define KERNEL_SIZE 20000

static uint32_t ring_doorbell(uint32_t ram_end)
{
    out(0xafc0, 4, ram_end);
    return in(0xafc0, 4);
}

static void boot_a_kernel(void)
{
    const char *kernel = scratch("kernel"), *initrd = scratch("initrd");
    const char *extra[] = {"-kernel", kernel,          "-initrd", initrd,
                           "-append", "console=ttyS0", NULL};
    uint8_t rom[2], byte;
    uint64_t before;
    uint32_t segment;
    char cmdline[16];

    write_kernel(kernel, KERNEL_SIZE);
    write_file(initrd, "initrd", 6);
    create_domain(DOMID);
    before = fakexen_tot_pages(DOMID);
    start(extra);
    CHECK_EQUAL(fakexen_tot_pages(DOMID), before + 1);

    /* the ROM follows its BAR */
    pci_write(HOST_BRIDGE, 0x30, 4, 0xfffffffe);
    CHECK_EQUAL(pci_read(HOST_BRIDGE, 0x30, 4) & 0x7ff, 0);
    pci_write(HOST_BRIDGE, 0x30, 4, 0xf3000001);
    pci_write(HOST_BRIDGE, 0x04, 2, 2);
    CHECK_EQUAL(fakexen_type(DOMID, 0xf3000), FAKEXEN_RAM_RO);
    fakexen_peek(DOMID, UINT64_C(0xf3000000), rom, 2);
    CHECK(rom[0] == 0x55 && rom[1] == 0xaa);
    pci_write(HOST_BRIDGE, 0x30, 4, 0xf3000000);
    CHECK_EQUAL(fakexen_type(DOMID, 0xf3000), FAKEXEN_HOLE);

    CHECK_EQUAL(ring_doorbell(GUEST_MIB << 20), 1);
    segment = in(0xafc4, 2);
    CHECK(segment != 0);
    fakexen_peek(DOMID, segment * 16 + 0x202, cmdline, 4);
    CHECK(memcmp(cmdline, "HdrS", 4) == 0);
    fakexen_peek(DOMID, 0x100000, &byte, 1);
    CHECK_EQUAL(byte, 'K');
    fakexen_peek(DOMID, 0x100000 + KERNEL_SIZE - 1024 - 1, &byte, 1);
    CHECK_EQUAL(byte, 'K');
    CHECK(ring_doorbell(GUEST_MIB << 20) != 1);
    end();
    /* A guest that has run keeps its ROM. */
    CHECK_EQUAL(fakexen_tot_pages(DOMID), before + 1);
}

static void a_kernel_is_copied_by_the_doorbell(void **state)
{
    (void)state;
    in_child(boot_a_kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bus_has_four_functions),
        cmocka_unit_test(bars_follow_what_the_guest_programs),
        cmocka_unit_test(pci_links_are_routed_in_xen),
        cmocka_unit_test(cmos_keeps_what_is_written),
        cmocka_unit_test(the_keyboard_controller_passes_its_test),
        cmocka_unit_test(the_platform_device_locks_roms),
        cmocka_unit_test(the_second_serial_port_writes_a_file),
        cmocka_unit_test(a_guest_resets_and_powers_off),
        cmocka_unit_test(string_instructions_move_guest_memory),
        cmocka_unit_test(strings_in_holes_do_no_harm),
        cmocka_unit_test(after_an_invalidate_new_frames_are_seen),
        cmocka_unit_test(ballooned_pages_go_back_to_xen),
        cmocka_unit_test(every_port_can_be_read_at_every_width),
        cmocka_unit_test(odd_requests_are_answered),
        cmocka_unit_test(two_vcpus_are_served),
        cmocka_unit_test(as_many_vcpus_as_xen_has_are_served),
        cmocka_unit_test(a_kernel_is_copied_by_the_doorbell),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
