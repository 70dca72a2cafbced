/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dm/pci.h"

#include "tests/unit/fake-board.h"

#define DEVFN PCI_DEVFN(5, 0)
#define COMMAND 0x04
#define STATUS 0x06
#define BAR(nr) (0x10u + 4u * (nr))
#define ROM 0x30

#define HOME_GFN UINT64_C(0xfe000)
#define IO_SIZE 0x100u
#define MEM_SIZE 0x10000u
#define ROM_SIZE 0x4000u

/* BAR 0: ports, BAR 1: memory with ops, BAR 2: address space, BAR 3: ports
 * too, ROM: a block. */
struct card {
    struct pci_function pci; /* first: pci_function_saved */
    struct xen_ram_block block;
    unsigned written, written_offset, written_size;
};

static const struct pci_ids card_ids = {
    .vendor = 0x1234,
    .device = 0x5678,
    .subsystem_vendor = 0x9abc,
    .subsystem = 0xdef0,
    .class_code = 0x020000,
    .revision = 7,
    .pin = 1,
};

static uint64_t read_size(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    return offset << 8 | size;
}

static const struct bus_ops card_ops = {.read = read_size};

static void card_written(struct pci_function *function, unsigned offset,
                         unsigned size)
{
    struct card *card = function->opaque;

    card->written++;
    card->written_offset = offset;
    card->written_size = size;
}

static int card_init(struct device *device)
{
    struct card *card = device->state;

    pci_function_init(&card->pci, "card", DEVFN, &card_ids);
    card->block = (struct xen_ram_block){.idstr = "card.rom", .gfn = HOME_GFN};
    card->pci.bars[0] =
        (struct pci_bar){.kind = PCI_BAR_IO, .size = IO_SIZE, .ops = &card_ops};
    card->pci.bars[1] = (struct pci_bar){
        .kind = PCI_BAR_MEM, .size = MEM_SIZE, .ops = &card_ops};
    card->pci.bars[2] =
        (struct pci_bar){.kind = PCI_BAR_MEM_PREFETCH, .size = MEM_SIZE};
    card->pci.bars[3] =
        (struct pci_bar){.kind = PCI_BAR_IO, .size = IO_SIZE, .ops = &card_ops};
    card->pci.bars[PCI_ROM_BAR] = (struct pci_bar){
        .kind = PCI_BAR_ROM,
        .size = ROM_SIZE,
        .block = &card->block,
        .home_gfn = HOME_GFN,
    };
    card->pci.written = card_written;
    card->pci.opaque = card;
    return pci_add(device->machine, &card->pci);
}

static void card_reset(struct device *device)
{
    pci_reset(device->state);
}

static void card_restored(struct device *device)
{
    pci_function_restore(device->state);
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
    .restored = card_restored,
    .fini = card_fini,
};

static int setup(void **state)
{
    board_begin();
    *state = board_add(&card_device, 0);
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
    struct device *device = *state;

    return device->state;
}

/* ---- configuration space ---- */

static void ids_read_back(void **state)
{
    (void)state;
    assert_int_equal(config_in(DEVFN, 0x00, 4), 0x56781234);
    assert_int_equal(config_in(DEVFN, 0x08, 4), 0x02000007);
    assert_int_equal(config_in(DEVFN, 0x2c, 4), 0xdef09abc);
    assert_int_equal(config_in(DEVFN, 0x3d, 1), 1);
    assert_true(board.claimed_pci[DEVFN]);
}

static void absent_functions_and_odd_ranges_read_as_ones(void **state)
{
    static const struct {
        uint8_t devfn;
        unsigned offset, size;
    } bad[] = {
        {DEVFN + 1, 0, 4}, {DEVFN, 253, 4},        {DEVFN, 256, 1},
        {DEVFN, 0, 0},     {DEVFN, 0, 5},          {DEVFN, UINT32_MAX, 4},
        {DEVFN, 0, 8},     {DEVFN, 4, UINT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(pci_config_read(&board.machine, bad[i].devfn,
                                         bad[i].offset, bad[i].size),
                         UINT32_MAX);
        config_out(bad[i].devfn, bad[i].offset, bad[i].size, 0);
    }
    assert_int_equal(config_in(DEVFN, 0, 4), 0x56781234);
}

static void identity_cannot_be_written(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 256; offset += 4)
        if (offset != 4)
            config_out(DEVFN, offset, 4, UINT32_MAX);
    assert_int_equal(config_in(DEVFN, 0x00, 4), 0x56781234);
    assert_int_equal(config_in(DEVFN, 0x08, 4), 0x02000007);
    assert_int_equal(config_in(DEVFN, 0x2c, 4), 0xdef09abc);
    assert_int_equal(config_in(DEVFN, 0x3c, 4), 0x000001ff);
}

static void status_errors_clear_when_written_as_ones(void **state)
{
    struct card *card = card_of(state);

    card->pci.config[STATUS + 1] = 0xfa;
    config_out(DEVFN, STATUS, 2, 0x4000);
    assert_int_equal(config_in(DEVFN, STATUS, 2), 0xba00);
    config_out(DEVFN, STATUS, 2, 0xffff);
    assert_int_equal(config_in(DEVFN, STATUS, 2), 0x0200);
}

static void the_device_hears_of_writes(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, 0x62, 2, 0x1234);
    assert_int_equal(card->written, 1);
    assert_int_equal(card->written_offset, 0x62);
    assert_int_equal(card->written_size, 2);
}

static void a_slot_is_taken_once(void **state)
{
    struct pci_function other;

    (void)state;
    pci_function_init(&other, "other", DEVFN, &card_ids);
    assert_int_equal(pci_add(&board.machine, &other), -EEXIST);

    pci_function_init(&other, "other", DEVFN + 8, &card_ids);
    board.fail_claim_pci = -EPERM;
    assert_int_equal(pci_add(&board.machine, &other), -EPERM);
    assert_null(board.machine.pci[DEVFN + 8]);
    pci_remove(&other); /* was never there: nothing happens */
}

/* ---- BARs ---- */

static void bars_answer_with_their_size(void **state)
{
    static const struct {
        unsigned offset;
        uint32_t expected;
    } cases[] = {
        {BAR(0), ~(IO_SIZE - 1) | 1},
        {BAR(1), ~(MEM_SIZE - 1)},
        {BAR(2), ~(MEM_SIZE - 1) | 8},
        {BAR(3), ~(IO_SIZE - 1) | 1},
        {BAR(4), 0},
        {BAR(5), 0},
        {ROM, ~(ROM_SIZE - 1) | 1},
    };

    (void)state;
    config_out(DEVFN, COMMAND, 2, 3); /* decoding on: must not matter */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        config_out(DEVFN, cases[i].offset, 4, UINT32_MAX);
        assert_int_equal(config_in(DEVFN, cases[i].offset, 4),
                         cases[i].expected);
    }
    assert_int_equal(board.claims, 0);
    assert_int_equal(board.guest_lines, 0);
}

static void ports_follow_the_io_enable_bit(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, BAR(0), 4, 0xc001);
    assert_int_equal(in(0xc010, 2), 0xffff);
    config_out(DEVFN, COMMAND, 2, 2);
    assert_int_equal(in(0xc010, 2), 0xffff);
    config_out(DEVFN, COMMAND, 2, 1);
    assert_int_equal(in(0xc010, 2), 0x1002);
    assert_int_equal(card->pci.bars[0].mapped, 0xc000);

    config_out(DEVFN, BAR(0), 4, 0xc100);
    assert_int_equal(in(0xc010, 2), 0xffff);
    assert_int_equal(in(0xc110, 2), 0x1002);

    config_out(DEVFN, COMMAND, 1, 0);
    assert_int_equal(in(0xc110, 2), 0xffff);
    assert_int_equal(board.claims, 0);
}

static void memory_follows_the_memory_enable_bit(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, BAR(1), 4, 0xf0000000);
    config_out(DEVFN, BAR(2), 4, 0xf0010000);
    config_out(DEVFN, COMMAND, 2, 2);
    assert_int_equal(bus_read(board.machine.bus, BUS_MMIO, 0xf0000004, 4),
                     0x404);
    assert_int_equal(card->pci.bars[2].mapped, 0xf0010000);
    assert_int_equal(board.claims, 1); /* address space alone needs none */
    config_out(DEVFN, COMMAND, 2, 0);
    assert_int_equal(bus_read(board.machine.bus, BUS_MMIO, 0xf0000004, 4),
                     UINT32_MAX);
    assert_true(card->pci.bars[2].mapped == PCI_UNMAPPED);
}

static void a_rom_needs_both_enable_bits(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, ROM, 4, 0xf2000000);
    config_out(DEVFN, COMMAND, 2, 2);
    assert_int_equal(card->block.gfn, HOME_GFN);
    config_out(DEVFN, ROM, 4, 0xf2000001);
    assert_int_equal(card->block.gfn, 0xf2000);
    config_out(DEVFN, COMMAND, 2, 0);
    assert_int_equal(card->block.gfn, HOME_GFN);
    config_out(DEVFN, COMMAND, 2, 2);
    assert_int_equal(card->block.gfn, 0xf2000);
    config_out(DEVFN, ROM, 4, 0xf2000000);
    assert_int_equal(card->block.gfn, HOME_GFN);
    assert_int_equal(card->block.moves, 4);
}

static void nonsense_addresses_are_refused_harmlessly(void **state)
{
    static const struct {
        unsigned offset;
        uint32_t address;
    } bad[] = {
        {ROM, 0x00000001},    /* zero */
        {ROM, 0x000c0001},    /* RAM */
        {ROM, 0x0fffc001},    /* the last of RAM */
        {ROM, 0xfc000001},    /* reserved by the firmware */
        {ROM, 0xfeff0001},    /* Xen's special pages */
        {ROM, 0xffffc001},    /* below 4 GiB: the sizing pattern */
        {BAR(1), 0x00000000}, /* zero */
        {BAR(1), 0x00100000}, /* RAM */
        {BAR(1), 0xfec00000}, /* the I/O APIC */
        {BAR(1), 0xfee00000}, /* the local APIC */
        {BAR(2), 0x0fff0000}, /* RAM */
        {BAR(0), 0x00000001}, /* zero */
        {BAR(0), 0x00010001}, /* above 64 Ki ports */
        {BAR(0), 0xffff0001},
    };
    struct card *card = card_of(state);

    config_out(DEVFN, COMMAND, 2, 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        config_out(DEVFN, bad[i].offset, 4, bad[i].address);
        for (unsigned nr = 0; nr < PCI_NR_BARS; nr++)
            assert_true(card->pci.bars[nr].mapped == PCI_UNMAPPED);
        assert_int_equal(card->block.gfn, HOME_GFN);
        assert_int_equal(board.claims, 0);
    }
    assert_int_equal(card->block.moves, 0);
    assert_int_not_equal(board.guest_lines, 0);

    config_out(DEVFN, BAR(1), 4, 0x10000000); /* the first byte above RAM */
    assert_int_equal(card->pci.bars[1].mapped, 0x10000000);
    config_out(DEVFN, BAR(1), 4, 0xfbff0000); /* the last place */
    assert_int_equal(card->pci.bars[1].mapped, 0xfbff0000);
}

static void a_bar_over_another_range_stays_unmapped(void **state)
{
    struct card *card = card_of(state);

    assert_int_equal(
        bus_add(board.machine.bus, BUS_PIO, 0xc080, 4, &card_ops, NULL), 0);
    config_out(DEVFN, COMMAND, 2, 1);
    config_out(DEVFN, BAR(0), 4, 0xc000);
    assert_true(card->pci.bars[0].mapped == PCI_UNMAPPED);
    assert_int_equal(board.guest_lines, 1);
    assert_int_equal(in(0xc080, 1), 0x01);

    assert_int_equal(bus_remove(board.machine.bus, BUS_PIO, 0xc080), 0);
    config_out(DEVFN, COMMAND, 2, 1); /* tried again at each write */
    assert_int_equal(card->pci.bars[0].mapped, 0xc000);
}

static void a_block_that_cannot_move_stays_home(void **state)
{
    struct card *card = card_of(state);

    board.fail_relocate = -EEXIST;
    config_out(DEVFN, COMMAND, 2, 2);
    config_out(DEVFN, ROM, 4, 0xf2000001);
    assert_int_equal(card->block.gfn, HOME_GFN);
    assert_true(card->pci.bars[PCI_ROM_BAR].mapped == PCI_UNMAPPED);
    assert_int_equal(board.guest_lines, 1);

    board.fail_relocate = 0;
    config_out(DEVFN, ROM, 4, 0xf2004001);
    assert_int_equal(card->block.gfn, 0xf2004);
}

static void a_bar_takes_the_place_that_another_leaves(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, COMMAND, 2, 1);
    config_out(DEVFN, BAR(3), 4, 0xc000);
    config_out(DEVFN, BAR(0), 4, 0xc000);
    assert_true(card->pci.bars[0].mapped == PCI_UNMAPPED);
    config_out(DEVFN, BAR(3), 4, 0xc100);
    assert_int_equal(card->pci.bars[0].mapped, 0xc000);
    assert_int_equal(card->pci.bars[3].mapped, 0xc100);
}

static void bytes_of_a_bar_move_it_too(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, BAR(1), 4, 0xf0000000);
    config_out(DEVFN, COMMAND, 2, 2);
    config_out(DEVFN, BAR(1) + 3, 1, 0xf1);
    assert_int_equal(card->pci.bars[1].mapped, 0xf1000000);
    config_out(DEVFN, BAR(1) + 1, 2, 0x23ff); /* bits 8 to 15 are fixed */
    assert_int_equal(card->pci.bars[1].mapped, 0xf1230000);
    assert_int_equal(board.claims, 1);
}

static void reset_unmaps_everything(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, BAR(0), 4, 0xc000);
    config_out(DEVFN, ROM, 4, 0xf2000001);
    config_out(DEVFN, COMMAND, 2, 3);
    pci_intx(&card->pci, true);
    pci_reset(&card->pci);
    assert_int_equal(board.claims, 0);
    assert_int_equal(card->block.gfn, HOME_GFN);
    assert_false(board.intx[DEVFN]);
    assert_int_equal(config_in(DEVFN, COMMAND, 2), 0);
    assert_int_equal(config_in(DEVFN, BAR(0), 4), 1);
    assert_int_equal(config_in(DEVFN, 0, 4), 0x56781234);
}

static void a_removed_function_is_gone(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, BAR(0), 4, 0xc000);
    config_out(DEVFN, ROM, 4, 0xf2000001);
    config_out(DEVFN, COMMAND, 2, 3);
    pci_intx(&card->pci, true);
    pci_remove(&card->pci);
    assert_int_equal(config_in(DEVFN, 0, 4), UINT32_MAX);
    assert_int_equal(in(0xc010, 2), 0xffff);
    assert_int_equal(card->block.gfn, HOME_GFN);
    assert_false(board.intx[DEVFN]);
    assert_false(board.claimed_pci[DEVFN]);
    assert_int_equal(board.claims, 0);
    pci_remove(&card->pci);
}

/* ---- INTx ---- */

static void the_pin_obeys_the_disable_bit(void **state)
{
    struct card *card = card_of(state);

    pci_intx(&card->pci, true);
    assert_true(board.intx[DEVFN]);
    assert_int_equal(config_in(DEVFN, STATUS, 2) & 8, 8);
    config_out(DEVFN, COMMAND, 2, 0x400);
    assert_false(board.intx[DEVFN]);
    assert_int_equal(config_in(DEVFN, STATUS, 2) & 8, 8);
    config_out(DEVFN, COMMAND, 2, 0);
    assert_true(board.intx[DEVFN]);
    pci_intx(&card->pci, false);
    assert_false(board.intx[DEVFN]);
    assert_int_equal(config_in(DEVFN, STATUS, 2) & 8, 0);
}

/* ---- saved state ---- */

/* A second machine that a state is loaded into: here, a second card. */
static struct card *reload(struct device *device, int expected)
{
    static struct card copy;
    struct device from = *device;
    struct card *card;

    copy = *(struct card *)device->state;
    from.state = &copy;
    board_remove(device);
    device = board_add_blank(&card_device, 0);
    card = device->state;
    card->block = copy.block; /* pages stay where the toolstack put them */
    assert_int_equal(board_transfer(&from, device), expected);
    return card;
}

static void a_load_maps_without_moving_blocks(void **state)
{
    struct card *card = card_of(state);

    config_out(DEVFN, BAR(0), 4, 0xc000);
    config_out(DEVFN, ROM, 4, 0xf2000001);
    config_out(DEVFN, COMMAND, 2, 3);
    pci_intx(&card->pci, true);
    assert_int_equal(card->block.moves, 1);

    card = reload(*state, 0);
    assert_int_equal(card->block.gfn, 0xf2000);
    assert_int_equal(card->block.moves, 1);
    assert_int_equal(card->pci.bars[PCI_ROM_BAR].mapped, 0xf2000000);
    assert_int_equal(in(0xc010, 2), 0x1002);
    assert_true(board.intx[DEVFN]);

    config_out(DEVFN, COMMAND, 2, 0);
    assert_int_equal(card->block.gfn, HOME_GFN);
}

static void an_unplugged_function_stays_away_after_a_load(void **state)
{
    struct card *card = card_of(state);

    pci_remove(&card->pci);
    reload(*state, 0);
    assert_int_equal(config_in(DEVFN, 0, 4), UINT32_MAX);
    assert_false(board.claimed_pci[DEVFN]);
}

static void a_state_of_another_device_is_refused(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t value;
    } bad[] = {
        {0x00, 0x35}, {0x03, 0x57}, {0x0b, 0x01}, {0x0e, 0x01}, {0x3d, 0x02},
        {BAR(0), 0},  {BAR(1), 1},  {BAR(2), 0},  {BAR(4), 1},  {ROM, 0x02},
    };
    struct card *card = card_of(state);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct card evil = *card;
        struct device *device = *state;
        struct device from = *device;

        evil.pci.config[bad[i].offset] = bad[i].value;
        from.state = &evil;
        assert_int_equal(board_transfer(&from, device), -EINVAL);
        assert_int_equal(config_in(DEVFN, 0, 4), 0x56781234);
    }
}

static void any_bar_address_in_a_state_is_harmless(void **state)
{
    static const uint32_t addresses[] = {0,          0x800,      0x000a0000,
                                         0x0ffff800, 0xfbfff800, 0xfc000000,
                                         0xfeff0000, 0xfffff800};
    struct card *card = card_of(state);
    struct device *device = *state;

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct card evil = *card;
        struct device from = *device;
        uint32_t rom = addresses[i] | 1;

        memcpy(evil.pci.config + ROM, &rom, 4);
        evil.pci.config[COMMAND] = 3;
        from.state = &evil;
        assert_int_equal(board_transfer(&from, device), 0);
        assert_int_equal(card->block.gfn, HOME_GFN);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(ids_read_back),
        TEST(absent_functions_and_odd_ranges_read_as_ones),
        TEST(identity_cannot_be_written),
        TEST(status_errors_clear_when_written_as_ones),
        TEST(the_device_hears_of_writes),
        TEST(a_slot_is_taken_once),
        TEST(bars_answer_with_their_size),
        TEST(ports_follow_the_io_enable_bit),
        TEST(memory_follows_the_memory_enable_bit),
        TEST(a_rom_needs_both_enable_bits),
        TEST(nonsense_addresses_are_refused_harmlessly),
        TEST(a_bar_over_another_range_stays_unmapped),
        TEST(a_block_that_cannot_move_stays_home),
        TEST(a_bar_takes_the_place_that_another_leaves),
        TEST(bytes_of_a_bar_move_it_too),
        TEST(reset_unmaps_everything),
        TEST(a_removed_function_is_gone),
        TEST(the_pin_obeys_the_disable_bit),
        TEST(a_load_maps_without_moving_blocks),
        TEST(an_unplugged_function_stays_away_after_a_load),
        TEST(a_state_of_another_device_is_refused),
        TEST(any_bar_address_in_a_state_is_harmless),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
