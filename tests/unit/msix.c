/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dm/msix.h"
#include "dm/pci.h"

#include "tests/unit/fake-board.h"

#define DEVFN PCI_DEVFN(5, 0)
#define STATUS 0x06
#define POINTER 0x34
#define VENDOR_ID 0x09
#define MSIX_ID 0x11

#define BAR_ADDRESS UINT64_C(0xe0000000)
#define PENDING (BAR_ADDRESS + 0x800)
#define VECTORS 3
#define ENABLE 0x8000
#define MASK_ALL 0x4000

/* Its capabilities are one of five bytes, the last writable, and MSI-X. */
struct card {
    struct pci_function pci; /* first: pci_function_saved */
    struct msix msix;
    unsigned vendor;
    unsigned reads, read_offset, read_size;
};

static void card_reading(struct pci_function *function, unsigned offset,
                         unsigned size)
{
    struct card *card = function->opaque;

    card->reads++;
    card->read_offset = offset;
    card->read_size = size;
    function->config[card->vendor + 3] = (uint8_t)card->reads;
}

static void card_written(struct pci_function *function, unsigned offset,
                         unsigned size)
{
    struct card *card = function->opaque;

    (void)offset;
    (void)size;
    msix_written(&card->msix);
}

static int card_init(struct device *device)
{
    static const struct pci_ids ids = {.vendor = 0x1234, .device = 0x5678};
    static const uint8_t vendor[] = {VENDOR_ID, 0, 5, 0, 0};
    struct card *card = device->state;

    pci_function_init(&card->pci, "card", DEVFN, &ids);
    card->pci.reading = card_reading;
    card->pci.written = card_written;
    card->pci.opaque = card;
    card->vendor = pci_add_capability(&card->pci, vendor, sizeof(vendor));
    card->pci.write_mask[card->vendor + 3] = 0xff;
    card->pci.write_mask[card->vendor + 4] = 0xff;
    msix_init(&card->msix, &card->pci, 1, VECTORS);
    return pci_add(device->machine, &card->pci);
}

static void card_reset(struct device *device)
{
    struct card *card = device->state;

    pci_reset(&card->pci);
    msix_reset(&card->msix);
}

static void card_fini(struct device *device)
{
    pci_remove(device->state);
}

static const struct xen_migrate_field no_fields[] = {
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const card_subsections[] = {
    &pci_function_saved,
    NULL,
};

static const struct xen_migrate_state card_saved = {
    .name = "card",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct card),
    .fields = no_fields,
    .subsections = card_subsections,
};

static const struct device_ops card_device = {
    .name = "card",
    .state_size = sizeof(struct card),
    .saved = &card_saved,
    .init = card_init,
    .reset = card_reset,
    .fini = card_fini,
};

static int setup(void **state)
{
    struct device *device;

    board_begin();
    device = board_add(&card_device, 0);
    config_out(DEVFN, 0x14, 4, (uint32_t)BAR_ADDRESS);
    config_out(DEVFN, 0x04, 2, 0x0002);
    *state = device;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_end();
    return 0;
}

static struct card *card_of(void **state)
{
    const struct device *device = *state;

    return device->state;
}

/* ---- capabilities ---- */

static void capabilities_are_in_a_list(void **state)
{
    struct card *card = card_of(state);

    assert_int_equal(config_in(DEVFN, STATUS, 2) & 0x10, 0x10);
    assert_int_equal(config_in(DEVFN, POINTER, 1), card->vendor);
    assert_int_equal(config_in(DEVFN, card->vendor, 1), VENDOR_ID);
    assert_int_equal(config_in(DEVFN, card->vendor + 1, 1), card->msix.offset);
    assert_int_equal(card->msix.offset % 4, 0);
    assert_int_equal(config_in(DEVFN, card->msix.offset, 1), MSIX_ID);
    assert_int_equal(config_in(DEVFN, card->msix.offset + 1, 1), 0);
    assert_int_equal(config_in(DEVFN, card->msix.offset + 2, 2), VECTORS - 1);
    assert_int_equal(config_in(DEVFN, card->msix.offset + 4, 4), 1);
    assert_int_equal(config_in(DEVFN, card->msix.offset + 8, 4), 0x801);
}

static void only_what_is_writable_of_them_can_be_written(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, card->vendor, 4, UINT32_MAX);
    config_out(DEVFN, card->vendor + 4, 4, UINT32_MAX);
    assert_int_equal(config_in(DEVFN, card->vendor + 4, 4), 0xff);
    assert_int_equal(config_in(DEVFN, card->vendor, 1), VENDOR_ID);
    card->pci.machine->devices[0].ops->reset(*state);
    assert_int_equal(config_in(DEVFN, card->vendor + 4, 4), 0);
    capabilities_are_in_a_list(state);
}

static void the_device_hears_of_reads_first(void **state)
{
    struct card *card = card_of(state);
    unsigned before = card->reads;

    assert_int_equal(config_in(DEVFN, card->vendor + 3, 1), before + 1);
    assert_int_equal(card->reads, before + 1);
    assert_int_equal(card->read_offset, card->vendor + 3);
    assert_int_equal(card->read_size, 1);
}

static void a_state_with_other_capabilities_is_refused(void **state)
{
    struct card *card = card_of(state);
    const struct {
        unsigned offset;
        uint8_t value;
        int ret;
    } cases[] = {
        {card->vendor, 0x05, -EINVAL},
        {card->vendor + 1, 0, -EINVAL},
        {card->vendor + 2, 6, -EINVAL},
        {card->vendor + 4, 0x5a, 0},
        {card->msix.offset + 2, 7, -EINVAL},
        {card->msix.offset + 3, 0x80, 0},
        {card->msix.offset + 3, 0x20, -EINVAL},
        {card->msix.offset + 8, 2, -EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct card other = *card;
        struct device *device = *state;
        struct device from = *device;

        other.pci.config[cases[i].offset] = cases[i].value;
        from.state = &other;
        assert_int_equal(board_transfer(&from, device), cases[i].ret);
    }
}

/* ---- messages ---- */

static uint64_t bar_in(uint64_t address, unsigned size)
{
    return bus_read(board.machine.bus, BUS_MMIO, address, size) &
           (size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX);
}

static void bar_out(uint64_t address, unsigned size, uint64_t value)
{
    bus_write(board.machine.bus, BUS_MMIO, address, size, value);
}

static void set_entry(unsigned vector, uint64_t address, uint32_t data,
                      uint32_t control)
{
    uint64_t at = BAR_ADDRESS + vector * UINT64_C(16);

    bar_out(at, 8, address);
    bar_out(at + 8, 4, data);
    bar_out(at + 12, 4, control);
}

static void set_control(void **state, uint16_t value)
{
    config_out(DEVFN, card_of(state)->msix.offset + 2, 2, value);
}

static void a_message_has_its_entrys_address_and_data(void **state)
{
    struct card *card = card_of(state);

    assert_false(msix_enabled(&card->msix));
    set_entry(2, UINT64_C(0x1fee03000), 0x4077, 0);
    msix_notify(&card->msix, 2);
    assert_int_equal(board.msis, 0);
    set_control(state, ENABLE);
    assert_true(msix_enabled(&card->msix));
    msix_notify(&card->msix, 2);
    assert_int_equal(board.msis, 1);
    assert_int_equal(board.msi_address, UINT64_C(0x1fee03000));
    assert_int_equal(board.msi_data, 0x4077);
}

static void a_message_that_is_masked_waits(void **state)
{
    struct card *card = card_of(state);

    set_control(state, ENABLE);
    set_entry(1, 0xfee00000, 0x4041, 1);
    msix_notify(&card->msix, 1);
    msix_notify(&card->msix, 1);
    assert_int_equal(board.msis, 0);
    assert_int_equal(bar_in(PENDING, 4), 2);
    set_entry(1, 0xfee00000, 0x4041, 0);
    assert_int_equal(board.msis, 1);
    assert_int_equal(bar_in(PENDING, 4), 0);

    set_control(state, ENABLE | MASK_ALL);
    msix_notify(&card->msix, 1);
    assert_int_equal(board.msis, 1);
    set_control(state, ENABLE);
    assert_int_equal(board.msis, 2);
}

/* Xen finds the pirq in the address, and the guest masks it there. */
static void an_event_channel_is_told_though_its_entry_is_masked(void **state)
{
    static const uint64_t addresses[] = {
        UINT64_C(0xfee17000), /* pirq 0x17 */
        UINT64_C(0x100fee00000),
        UINT64_C(0x123fee17000),
    };
    struct card *card = card_of(state);

    set_control(state, ENABLE | MASK_ALL);
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        set_entry(0, addresses[i], 0x4300, 1);
        msix_notify(&card->msix, 0);
        assert_int_equal(board.msis, i + 1);
        assert_int_equal(board.msi_address, addresses[i]);
    }
}

static void an_entry_as_it_was_at_reset_sends_nothing(void **state)
{
    struct card *card = card_of(state);

    set_control(state, ENABLE);
    set_entry(0, 0xfee00000, 0x4041, 0);
    card->pci.machine->devices[0].ops->reset(*state);
    config_out(DEVFN, 0x14, 4, (uint32_t)BAR_ADDRESS);
    config_out(DEVFN, 0x04, 2, 0x0002);
    set_control(state, ENABLE);
    for (unsigned i = 0; i < VECTORS; i++)
        msix_notify(&card->msix, i);
    assert_int_equal(board.msis, 0);
    assert_int_equal(bar_in(BAR_ADDRESS + 12, 4), 1);
}

static void vectors_that_are_not_there_send_nothing(void **state)
{
    struct card *card = card_of(state);

    set_control(state, ENABLE);
    set_entry(VECTORS, 0xfee00000, 0x4041, 0);
    msix_notify(&card->msix, VECTORS);
    msix_notify(&card->msix, 0xffff);
    assert_int_equal(board.msis, 0);
    assert_int_equal(bar_in(BAR_ADDRESS + VECTORS * 16, 8), 0);
}

static void a_table_takes_whole_words_only(void **state)
{
    (void)state;
    bar_out(BAR_ADDRESS + 1, 1, 0xff);
    bar_out(BAR_ADDRESS + 2, 2, 0xffff);
    bar_out(BAR_ADDRESS + 2, 4, UINT32_MAX);
    bar_out(BAR_ADDRESS + 4, 8, UINT64_MAX);
    assert_int_equal(bar_in(BAR_ADDRESS, 8), 0);
    /* Bits of an entry's control that mean nothing stay clear. */
    bar_out(BAR_ADDRESS + 8, 8, UINT64_MAX);
    assert_int_equal(bar_in(BAR_ADDRESS + 8, 8), UINT64_C(0x1ffffffff));
    bar_out(PENDING, 8, UINT64_MAX);
    assert_int_equal(bar_in(PENDING, 8), 0);
}

static void a_message_that_xen_refuses_is_harmless(void **state)
{
    struct card *card = card_of(state);

    board.fail_msi = -EINVAL;
    set_control(state, ENABLE);
    set_entry(0, 0xfee00000, 0x4041, 0);
    msix_notify(&card->msix, 0);
    assert_int_equal(board.msis, 0);
    assert_int_equal(board.guest_lines, 1);
    assert_int_equal(bar_in(PENDING, 4), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(capabilities_are_in_a_list),
        TEST(only_what_is_writable_of_them_can_be_written),
        TEST(the_device_hears_of_reads_first),
        TEST(a_state_with_other_capabilities_is_refused),
        TEST(a_message_has_its_entrys_address_and_data),
        TEST(a_message_that_is_masked_waits),
        TEST(an_event_channel_is_told_though_its_entry_is_masked),
        TEST(an_entry_as_it_was_at_reset_sends_nothing),
        TEST(vectors_that_are_not_there_send_nothing),
        TEST(a_table_takes_whole_words_only),
        TEST(a_message_that_xen_refuses_is_harmless),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
