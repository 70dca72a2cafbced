/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/pci.h"
#include "dm/virtio-mem.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/virtio-guest.h"

#include "xenram/mapcache.h"

#define MIB (UINT64_C(1) << 20)
#define SLOT 0x10
#define DEVFN PCI_DEVFN(SLOT, 0)
#define FEATURES (FEATURE_VERSION_1 | 0x7)
#define STATE_REQUEST 3

/* The device is a virtio-mem, which answers a request for a block's state. */
static struct driver driver;

static int begin(void **state)
{
    (void)state;
    memset(&guest, 0, sizeof(guest));
    guest.options.nr_virtio_mems = 1;
    guest.options.virtio_mems[0] = (struct options_virtio_mem){
        .id = "vm0",
        .memdev = "m0",
        .size = 64 * MIB,
        .requested_size = 8 * MIB,
        .block_size = 2 * MIB,
    };
    guest_begin(64);
    driver_probe(&driver, DEVFN);
    return 0;
}

static int end(void **state)
{
    (void)state;
    guest_end();
    return 0;
}

static uint64_t config64(unsigned offset)
{
    return reg_read(&driver, REG_CONFIG + offset, 8);
}

static void state_request(uint8_t bytes[24])
{
    uint64_t addr = config64(16);

    memset(bytes, 0, 24);
    bytes[0] = STATE_REQUEST;
    memcpy(bytes + 8, &addr, 8);
    bytes[16] = 1;
}

/* The device answers, so it works. */
static bool answers(void)
{
    uint8_t out[24], in[10];

    state_request(out);
    return driver_ask(&driver, out, sizeof(out), in, sizeof(in)) &&
           in[0] == 0 && in[8] == 1;
}

static void started(void)
{
    assert_int_equal(driver_start(&driver, FEATURES),
                     STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK |
                         STATUS_DRIVER_OK);
}

/* ---- what a driver finds ---- */

static unsigned capability(uint8_t id, uint8_t type)
{
    struct machine *machine = &guest.machine;
    unsigned at = pci_config_read(machine, DEVFN, 0x34, 1);

    assert_true(pci_config_read(machine, DEVFN, 0x06, 2) & 0x10);
    for (unsigned i = 0; at && i < 48; i++) {
        if (pci_config_read(machine, DEVFN, at, 1) == id &&
            (id != 9 || pci_config_read(machine, DEVFN, at + 3, 1) == type))
            return at;
        at = pci_config_read(machine, DEVFN, at + 1, 1);
    }
    return 0;
}

static void each_structure_has_a_capability(void **state)
{
    static const struct {
        uint8_t type;
        uint32_t offset, length;
    } places[] = {
        {1, 0, 0x38},
        {2, REG_NOTIFY, 4},
        {3, REG_ISR, 1},
        {4, REG_CONFIG, 56},
    };
    struct machine *machine = &guest.machine;

    (void)state;
    assert_int_equal(pci_config_read(machine, DEVFN, 2, 2), 0x1040 + 24);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        unsigned at = capability(9, places[i].type);

        assert_int_not_equal(at, 0);
        assert_int_equal(pci_config_read(machine, DEVFN, at + 4, 1), 0);
        assert_int_equal(pci_config_read(machine, DEVFN, at + 8, 4),
                         places[i].offset);
        assert_int_equal(pci_config_read(machine, DEVFN, at + 12, 4),
                         places[i].length);
    }
    assert_int_not_equal(capability(0x11, 0), 0);
}

static void a_driver_reaches_registers_by_configuration_space(void **state)
{
    struct machine *machine = &guest.machine;
    unsigned at = capability(9, 5);

    (void)state;
    assert_int_not_equal(at, 0);
    pci_config_write(machine, DEVFN, at + 8, 4, REG_NR_QUEUES);
    pci_config_write(machine, DEVFN, at + 12, 4, 2);
    assert_int_equal(pci_config_read(machine, DEVFN, at + 16, 2), 1);
    pci_config_write(machine, DEVFN, at + 8, 4, REG_STATUS);
    pci_config_write(machine, DEVFN, at + 12, 4, 1);
    pci_config_write(machine, DEVFN, at + 16, 1, STATUS_ACKNOWLEDGE);
    assert_int_equal(driver_status(&driver), STATUS_ACKNOWLEDGE);

    /* Not aligned, too wide, another BAR, beyond its end: nothing. */
    pci_config_write(machine, DEVFN, at + 16, 4, 0x5a5a5a5a);
    pci_config_write(machine, DEVFN, at + 12, 4, 3);
    assert_int_equal(pci_config_read(machine, DEVFN, at + 16, 1), 0x5a);
    pci_config_write(machine, DEVFN, at + 12, 4, 4);
    pci_config_write(machine, DEVFN, at + 8, 4, 2);
    assert_int_equal(pci_config_read(machine, DEVFN, at + 16, 1), 0x5a);
    pci_config_write(machine, DEVFN, at + 8, 4, 0x4000);
    assert_int_equal(pci_config_read(machine, DEVFN, at + 16, 1), 0x5a);
    pci_config_write(machine, DEVFN, at + 8, 4, 0);
    pci_config_write(machine, DEVFN, at + 4, 1, 1);
    assert_int_equal(pci_config_read(machine, DEVFN, at + 16, 1), 0x5a);
}

static void features_come_in_two_words(void **state)
{
    (void)state;
    reg_write(&driver, REG_DEVICE_SELECT, 4, 0);
    assert_int_equal(reg_read(&driver, REG_DEVICE_FEATURES, 4), 7);
    reg_write(&driver, REG_DEVICE_SELECT, 4, 1);
    assert_int_equal(reg_read(&driver, REG_DEVICE_FEATURES, 4), 1);
    reg_write(&driver, REG_DEVICE_SELECT, 4, 2);
    assert_int_equal(reg_read(&driver, REG_DEVICE_FEATURES, 4), 0);
}

static void features_that_do_not_fit_are_not_taken(void **state)
{
    static const uint64_t bad[] = {
        0x7,                          /* not modern */
        FEATURE_VERSION_1,            /* without what is needed */
        FEATURES | 0x8,               /* not offered */
        FEATURES | UINT64_C(1) << 28, /* indirect descriptors */
        FEATURES | UINT64_C(1) << 63,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t status = driver_start(&driver, bad[i]);

        assert_int_equal(status, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    }
    started();
    assert_true(answers());
}

static void features_are_fixed_once_they_are_agreed_on(void **state)
{
    (void)state;
    started();
    driver_features(&driver, 0);
    reg_write(&driver, REG_DRIVER_SELECT, 4, 0);
    assert_int_equal(reg_read(&driver, REG_DRIVER_FEATURES, 4), 7);
    reg_write(&driver, REG_DRIVER_SELECT, 4, 7);
    reg_write(&driver, REG_DRIVER_FEATURES, 4, UINT32_MAX);
    assert_true(answers());
}

static void a_driver_that_says_ok_first_is_not_served(void **state)
{
    (void)state;
    reg_write(&driver, REG_STATUS, 1, STATUS_DRIVER_OK);
    assert_int_equal(driver_status(&driver), 0);
    reg_write(&driver, REG_QUEUE_DESC, 8, driver.desc);
    reg_write(&driver, REG_QUEUE_AVAIL, 8, driver.avail);
    reg_write(&driver, REG_QUEUE_USED, 8, driver.used);
    reg_write(&driver, REG_QUEUE_ENABLE, 2, 1);
    assert_false(answers());
    assert_false(driver_broken(&driver));
}

static void a_reset_takes_all_back(void **state)
{
    (void)state;
    started();
    reg_write(&driver, REG_STATUS, 1, 0);
    assert_int_equal(driver_status(&driver), 0);
    assert_int_equal(reg_read(&driver, REG_QUEUE_ENABLE, 2), 0);
    assert_int_equal(reg_read(&driver, REG_QUEUE_SIZE, 2), 128);
    assert_int_equal(reg_read(&driver, REG_QUEUE_DESC, 8), 0);
    assert_int_equal(reg_read(&driver, REG_CONFIG_VECTOR, 2), 0xffff);
    assert_false(answers());
    started();
    assert_true(answers());
}

static void a_queue_that_is_enabled_does_not_change(void **state)
{
    (void)state;
    started();
    reg_write(&driver, REG_QUEUE_SIZE, 2, 2);
    reg_write(&driver, REG_QUEUE_DESC, 8, 0);
    reg_write(&driver, REG_QUEUE_ENABLE, 2, 0);
    assert_int_equal(reg_read(&driver, REG_QUEUE_SIZE, 2), DRIVER_SIZE);
    assert_int_equal(reg_read(&driver, REG_QUEUE_DESC, 8), driver.desc);
    assert_true(answers());
}

static void other_queues_are_not_there(void **state)
{
    (void)state;
    started();
    reg_write(&driver, REG_QUEUE_SELECT, 2, 1);
    assert_int_equal(reg_read(&driver, REG_QUEUE_SIZE, 2), 0);
    reg_write(&driver, REG_QUEUE_SIZE, 2, 8);
    reg_write(&driver, REG_QUEUE_ENABLE, 2, 1);
    reg_write(&driver, REG_QUEUE_DESC, 8, 0x1000);
    assert_int_equal(reg_read(&driver, REG_QUEUE_ENABLE, 2), 0);
    reg_write(&driver, REG_QUEUE_SELECT, 2, 0xffff);
    assert_int_equal(reg_read(&driver, REG_QUEUE_SIZE, 2), 0);
    assert_true(answers());
}

/* ---- rings ---- */

static void indices_wrap(void **state)
{
    (void)state;
    started();
    for (unsigned i = 0; i < 3 * DRIVER_SIZE; i++)
        assert_true(answers());
    /* A run to where they begin anew is long: they are put near it. */
    reg_write(&driver, REG_STATUS, 1, 0);
    started();
    for (unsigned i = 0; i < 0x10000 / 64; i++)
        for (unsigned j = 0; j < 64 + (i == 0); j++)
            if (!answers())
                fail_msg("no answer to %u", i * 64 + j);
}

static void requests_may_be_in_pieces(void **state)
{
    uint64_t buffer = 0x300000;
    uint8_t out[24], in[10];
    uint32_t len;

    (void)state;
    started();
    state_request(out);
    for (unsigned i = 0; i < 4; i++)
        fakexen_poke(GUEST_DOMID, buffer + i * 0x1000, out + i * 6, 6);
    for (unsigned i = 0; i < 4; i++)
        driver_desc(&driver, i, buffer + i * 0x1000, 6, DESC_NEXT,
                    (uint16_t)(i + 1));
    driver_desc(&driver, 4, 0, 0, DESC_NEXT | DESC_WRITE, 5);
    driver_desc(&driver, 5, buffer + 0x8000, 9, DESC_NEXT | DESC_WRITE, 6);
    driver_desc(&driver, 6, buffer + 0x9000, 100, DESC_WRITE, 0);
    driver_offer(&driver, 0);
    driver_notify(&driver);
    guest_turns();
    assert_int_equal(driver_returned(&driver, &len), 1);
    assert_int_equal(len, 10);
    fakexen_peek(GUEST_DOMID, buffer + 0x8000, in, 9);
    assert_int_equal(in[0], 0);
    assert_int_equal(in[8], 1);
}

static void chains_that_wait_are_served_in_order(void **state)
{
    uint64_t buffer = 0x300000;
    uint8_t out[24], in[10] = {0};

    (void)state;
    started();
    state_request(out);
    fakexen_poke(GUEST_DOMID, buffer, out, sizeof(out));
    for (unsigned i = 0; i < 4; i++) {
        driver_desc(&driver, 2 * i, buffer, 24, DESC_NEXT,
                    (uint16_t)(2 * i + 1));
        driver_desc(&driver, 2 * i + 1, buffer + 0x1000 + 16 * i, 10,
                    DESC_WRITE, 0);
        driver_offer(&driver, (uint16_t)(2 * i));
    }
    driver_notify(&driver);
    guest_turns();
    assert_int_equal(driver_returned(&driver, NULL), 4);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t head;

        fakexen_peek(GUEST_DOMID, driver.used + 4 + 8 * i, &head, 4);
        assert_int_equal(head, 2 * i);
        fakexen_peek(GUEST_DOMID, buffer + 0x1000 + 16 * i, in, 10);
        assert_int_equal(in[8], 1);
    }
}

/* Each makes a bad chain available; buffers are at 0x300000. */
static void head_beyond_the_table(void)
{
    driver_offer(&driver, DRIVER_SIZE);
}

static void next_beyond_the_table(void)
{
    driver_desc(&driver, 0, 0x300000, 24, DESC_NEXT, 0xffff);
    driver_offer(&driver, 0);
}

static void a_loop(void)
{
    driver_desc(&driver, 0, 0x300000, 24, DESC_NEXT, 1);
    driver_desc(&driver, 1, 0x301000, 24, DESC_NEXT, 0);
    driver_offer(&driver, 0);
}

static void itself(void)
{
    driver_desc(&driver, 3, 0x300000, 24, DESC_NEXT | DESC_WRITE, 3);
    driver_offer(&driver, 3);
}

static void indirect(void)
{
    driver_desc(&driver, 0, 0x300000, 32, DESC_INDIRECT, 0);
    driver_offer(&driver, 0);
}

static void written_before_read(void)
{
    driver_desc(&driver, 0, 0x300000, 10, DESC_NEXT | DESC_WRITE, 1);
    driver_desc(&driver, 1, 0x301000, 24, 0, 0);
    driver_offer(&driver, 0);
}

static void a_short_request(void)
{
    driver_desc(&driver, 0, 0x300000, 23, DESC_NEXT, 1);
    driver_desc(&driver, 1, 0x301000, 10, DESC_WRITE, 0);
    driver_offer(&driver, 0);
}

static void no_room_for_a_response(void)
{
    driver_desc(&driver, 0, 0x300000, 24, DESC_NEXT, 1);
    driver_desc(&driver, 1, 0x301000, 9, DESC_WRITE, 0);
    driver_offer(&driver, 0);
}

static void a_request_in_a_hole(void)
{
    driver_desc(&driver, 0, UINT64_C(0x90000000), 24, DESC_NEXT, 1);
    driver_desc(&driver, 1, 0x301000, 10, DESC_WRITE, 0);
    driver_offer(&driver, 0);
}

static void a_request_at_the_end_of_all(void)
{
    driver_desc(&driver, 0, UINT64_MAX - 8, 24, DESC_NEXT, 1);
    driver_desc(&driver, 1, 0x301000, 10, DESC_WRITE, 0);
    driver_offer(&driver, 0);
}

static void a_response_in_a_hole(void)
{
    driver_desc(&driver, 0, 0x300000, 24, DESC_NEXT, 1);
    driver_desc(&driver, 1, UINT64_C(0x90000000), 10, DESC_WRITE, 0);
    driver_offer(&driver, 0);
}

static void more_than_there_are(void)
{
    uint16_t index = (uint16_t)(driver.next + DRIVER_SIZE + 1);

    fakexen_poke(GUEST_DOMID, driver.avail + 2, &index, 2);
}

static void a_ring_that_went_away_needs_a_reset(void **state)
{
    (void)state;
    started();
    fakexen_balloon_out(GUEST_DOMID, driver.avail >> 12, 1);
    xen_mapcache_invalidate(guest.machine.cache);
    driver_notify(&driver);
    guest_turns();
    assert_true(driver_broken(&driver));
    fakexen_balloon_in(GUEST_DOMID, driver.avail >> 12, 1);
    xen_mapcache_invalidate(guest.machine.cache);
    started();
    assert_true(answers());
}

static void a_hostile_queue_needs_a_reset_and_no_more(void **state)
{
    static void (*const bad[])(void) = {
        head_beyond_the_table,
        next_beyond_the_table,
        a_loop,
        itself,
        indirect,
        written_before_read,
        a_short_request,
        no_room_for_a_response,
        a_request_in_a_hole,
        a_request_at_the_end_of_all,
        a_response_in_a_hole,
        more_than_there_are,
    };
    uint64_t pages = fakexen_tot_pages(GUEST_DOMID);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        started();
        assert_true(answers());
        bad[i]();
        driver_notify(&driver);
        guest_turns();
        if (!driver_broken(&driver))
            fail_msg("chain %zu passes", i);
        /* It does nothing more until it is reset. */
        assert_int_equal(driver_returned(&driver, NULL), 0);
        assert_false(answers());
        assert_true(driver_broken(&driver));
        started();
        assert_true(answers());
    }
    assert_int_equal(fakexen_tot_pages(GUEST_DOMID), pages);
}

static void queues_that_cannot_be_are_not_enabled(void **state)
{
    static const struct {
        uint64_t desc, avail, used;
        uint16_t size;
    } bad[] = {
        {0x100000, 0x101000, 0x102000, 0},
        {0x100000, 0x101000, 0x102000, 3},
        {0x100000, 0x101000, 0x102000, 256},
        {0x100000, 0x101000, 0x102000, 0x8000},
        {0x100008, 0x101000, 0x102000, 8},
        {0x100000, 0x101001, 0x102000, 8},
        {0x100000, 0x101000, 0x102002, 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reg_write(&driver, REG_STATUS, 1, 0);
        reg_write(&driver, REG_QUEUE_SIZE, 2, bad[i].size);
        reg_write(&driver, REG_QUEUE_DESC, 8, bad[i].desc);
        reg_write(&driver, REG_QUEUE_AVAIL, 8, bad[i].avail);
        reg_write(&driver, REG_QUEUE_USED, 8, bad[i].used);
        reg_write(&driver, REG_QUEUE_ENABLE, 2, 1);
        assert_int_equal(reg_read(&driver, REG_QUEUE_ENABLE, 2), 0);
        assert_true(driver_broken(&driver));
    }
}

/* ---- interrupts ---- */

static void without_msix_the_pin_tells(void **state)
{
    (void)state;
    started();
    assert_false(fakexen_intx_level(GUEST_DOMID, SLOT, 0));
    assert_true(answers());
    assert_true(fakexen_intx_level(GUEST_DOMID, SLOT, 0));
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 1);
    assert_false(fakexen_intx_level(GUEST_DOMID, SLOT, 0));
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 0);
}

static void a_driver_may_want_no_interrupt(void **state)
{
    uint16_t flags = 1;

    (void)state;
    started();
    fakexen_poke(GUEST_DOMID, driver.avail, &flags, 2);
    assert_true(answers());
    assert_false(fakexen_intx_level(GUEST_DOMID, SLOT, 0));
}

#define MSIX_ENTRY(nr) ((uint64_t)(nr)*16)

static void table_write(unsigned vector, uint64_t address, uint32_t data,
                        uint32_t control)
{
    struct bus *bus = guest.machine.bus;
    uint64_t at = driver.bar1 + MSIX_ENTRY(vector);

    bus_write(bus, BUS_MMIO, at, 8, address);
    bus_write(bus, BUS_MMIO, at + 8, 4, data);
    bus_write(bus, BUS_MMIO, at + 12, 4, control);
}

static void msix_control(uint16_t value)
{
    pci_config_write(&guest.machine, DEVFN, capability(0x11, 0) + 2, 2, value);
}

#define ENABLE 0x8000

static void started_with_msix(void)
{
    started();
    msix_control(ENABLE);
    reg_write(&driver, REG_CONFIG_VECTOR, 2, 0);
    reg_write(&driver, REG_QUEUE_SELECT, 2, 0);
    reg_write(&driver, REG_QUEUE_VECTOR, 2, 1);
}

static unsigned messages(uint64_t *address, uint32_t *data)
{
    return fakexen_msis(GUEST_DOMID, address, data);
}

static void with_msix_a_message_tells(void **state)
{
    uint64_t address;
    uint32_t data;

    (void)state;
    started_with_msix();
    table_write(1, 0xfee01000, 0x4041, 0);
    assert_true(answers());
    assert_int_equal(messages(&address, &data), 1);
    assert_int_equal(address, 0xfee01000);
    assert_int_equal(data, 0x4041);
    assert_false(fakexen_intx_level(GUEST_DOMID, SLOT, 0));
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 0);
}

static void vectors_that_are_not_there_are_none(void **state)
{
    (void)state;
    started_with_msix();
    reg_write(&driver, REG_CONFIG_VECTOR, 2, 2);
    assert_int_equal(reg_read(&driver, REG_CONFIG_VECTOR, 2), 0xffff);
    reg_write(&driver, REG_QUEUE_VECTOR, 2, 0xfffe);
    assert_int_equal(reg_read(&driver, REG_QUEUE_VECTOR, 2), 0xffff);
    table_write(0, 0xfee00000, 0x4041, 0);
    table_write(1, 0xfee00000, 0x4041, 0);
    assert_true(answers());
    assert_int_equal(messages(NULL, NULL), 0);
}

static void a_new_configuration_is_told(void **state)
{
    uint64_t before;
    char text[200];

    (void)state;
    started();
    before = reg_read(&driver, REG_GENERATION, 1);
    assert_int_equal(virtio_mem_request(virtio_mem_find(&guest.machine, "vm0"),
                                        4 * MIB, text, sizeof(text)),
                     0);
    assert_int_not_equal(reg_read(&driver, REG_GENERATION, 1), before);
    assert_true(fakexen_intx_level(GUEST_DOMID, SLOT, 0));
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 2);
}

static void a_driver_that_mends_nothing_is_told_of_a_needed_reset(void **state)
{
    (void)state;
    started();
    a_loop();
    driver_notify(&driver);
    guest_turns();
    assert_int_equal(reg_read(&driver, REG_ISR, 1), 2);
}

/* Any register, any width, any value. */
static void a_guest_gone_mad_breaks_nothing(void **state)
{
    uint32_t seed = 4711;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned size;
        uint64_t at;

        seed = seed * 1664525 + 1013904223;
        size = 1u << (seed >> 28) % 4;
        at = (seed >> 30 ? driver.bar0 : driver.bar1) + (seed >> 8) % 0x1000 +
             ((seed >> 20) % 4) * 0x1000;
        if (seed >> 30 && seed & 0x80)
            at = driver.bar0 + (seed >> 8) % 0x3c;
        if (seed & 0x40)
            (void)bus_read(guest.machine.bus, BUS_MMIO, at, size);
        else
            bus_write(guest.machine.bus, BUS_MMIO, at, size,
                      seed ^ (uint64_t)seed << 27);
        if (i % 1000 == 0)
            guest_turns();
    }
    driver_probe(&driver, DEVFN);
    msix_control(0);
    started();
    assert_true(answers());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_structure_has_a_capability),
        TEST(a_driver_reaches_registers_by_configuration_space),
        TEST(features_come_in_two_words),
        TEST(features_that_do_not_fit_are_not_taken),
        TEST(features_are_fixed_once_they_are_agreed_on),
        TEST(a_driver_that_says_ok_first_is_not_served),
        TEST(a_reset_takes_all_back),
        TEST(a_queue_that_is_enabled_does_not_change),
        TEST(other_queues_are_not_there),
        TEST(indices_wrap),
        TEST(requests_may_be_in_pieces),
        TEST(chains_that_wait_are_served_in_order),
        TEST(a_hostile_queue_needs_a_reset_and_no_more),
        TEST(a_ring_that_went_away_needs_a_reset),
        TEST(queues_that_cannot_be_are_not_enabled),
        TEST(without_msix_the_pin_tells),
        TEST(a_driver_may_want_no_interrupt),
        TEST(with_msix_a_message_tells),
        TEST(vectors_that_are_not_there_are_none),
        TEST(a_new_configuration_is_told),
        TEST(a_driver_that_mends_nothing_is_told_of_a_needed_reset),
        TEST(a_guest_gone_mad_breaks_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
