/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Random requests of a hostile guest, an operator who changes his mind, Xen
 * that fails, savers, resets and stops, all compared with a model of one byte a
 * block: what the device answers, how much the guest is charged, and that a
 * block which comes anew is zero.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dm/pci.h"
#include "dm/virtio-mem.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/virtio-guest.h"

#include "xenram/mapcache.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK MIB
#define NR 48u   /* blocks of a device */
#define ROOM 40u /* blocks that Xen gives for both */
#define DEVICES 2
#define ROUNDS 3000u /* unless the command line says otherwise */

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR };
enum { PLUGGED, UNPLUGGED, MIXED };

struct model {
    struct driver driver;
    uint64_t addr, requested;
    uint8_t there[NR];
};

static struct model models[DEVICES];
static uint64_t pages_before;
static unsigned rounds = ROUNDS;
static uint32_t seed = 20071;

static uint32_t draw(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % limit;
}

static unsigned count(const struct model *model, unsigned first, unsigned nr)
{
    unsigned found = 0;

    for (unsigned i = first; i < first + nr; i++)
        found += model->there[i];
    return found;
}

static unsigned count_all(void)
{
    unsigned found = 0;

    for (unsigned i = 0; i < DEVICES; i++)
        found += count(&models[i], 0, NR);
    return found;
}

/* A device is smaller than what is usable beside the requested size. */
static bool is_usable(const struct model *model)
{
    return reg_read(&model->driver, REG_CONFIG + 32, 8) == NR * BLOCK;
}

static void check_charged(void)
{
    uint64_t pages;

    xen_mapcache_reclaim(guest.machine.cache, 0);
    pages = fakexen_tot_pages(GUEST_DOMID) - pages_before;
    assert_int_equal(pages * 4096, count_all() * BLOCK);
    for (unsigned i = 0; i < DEVICES; i++)
        assert_int_equal(reg_read(&models[i].driver, REG_CONFIG + 40, 8),
                         count(&models[i], 0, NR) * BLOCK);
}

/* A block has the guest's mark at both ends, or is new. */
static void mark(const struct model *model, unsigned block)
{
    uint64_t gpa = model->addr + block * BLOCK;
    uint8_t byte;

    fakexen_peek(GUEST_DOMID, gpa + draw(BLOCK), &byte, 1);
    assert_int_equal(byte, 0);
    fakexen_peek(GUEST_DOMID, gpa + BLOCK - 1, &byte, 1);
    assert_int_equal(byte, 0);
    byte = 0x77;
    fakexen_poke(GUEST_DOMID, gpa, &byte, 1);
    fakexen_poke(GUEST_DOMID, gpa + BLOCK - 1, &byte, 1);
}

static void check_marks(const struct model *model)
{
    unsigned block = draw(NR);
    uint64_t gpa = model->addr + block * BLOCK;
    uint8_t byte = 0;
    int ret = xen_mapcache_read(guest.machine.cache, gpa, &byte, 1, NULL);

    assert_int_equal(ret == 0, model->there[block]);
    assert_int_equal(byte, model->there[block] ? 0x77 : 0);
}

/* ---- requests ---- */

static unsigned ask(struct model *model, unsigned type, uint64_t addr,
                    unsigned nr, unsigned *state)
{
    uint8_t out[24] = {(uint8_t)type}, in[10];

    memcpy(out + 8, &addr, 8);
    out[16] = (uint8_t)nr;
    out[17] = (uint8_t)(nr >> 8);
    assert_true(driver_ask(&model->driver, out, sizeof(out), in, sizeof(in)));
    *state = in[8];
    return in[0];
}

static unsigned expected(const struct model *model, unsigned type,
                         unsigned first, unsigned nr, bool fails)
{
    unsigned found = count(model, first, nr);

    if (type == STATE)
        return ACK;
    if (guest.machine.saving)
        return BUSY;
    if (found != (type == PLUG ? 0 : nr))
        return ERROR;
    if (type == PLUG && (count(model, 0, NR) + nr) * BLOCK > model->requested)
        return NACK;
    if (type == PLUG && (fails || count_all() + nr > ROOM))
        return BUSY;
    return ACK;
}

static void good_request(struct model *model)
{
    static const unsigned types[] = {PLUG, PLUG, UNPLUG, STATE};
    unsigned type = types[draw(4)], first = draw(NR), state, answer, wanted;
    unsigned nr = 1 + draw(draw(2) ? 3 : NR), found;
    bool fails = draw(8) == 0;

    if (nr > NR - first)
        nr = NR - first;
    found = count(model, first, nr);
    if (fails)
        fakexen_refuse(GUEST_DOMID,
                       (model->addr + (first + nr) * BLOCK - 4096) >> 12, 12);
    wanted = expected(model, type, first, nr, fails);
    /* A page that cannot go either makes no difference but to an unplug. */
    if (fails && type == UNPLUG)
        fakexen_refuse(GUEST_DOMID,
                       (model->addr + (first + nr) * BLOCK - 4096) >> 12, 0);
    answer = ask(model, type, model->addr + first * BLOCK, nr, &state);
    fakexen_refuse(GUEST_DOMID,
                   (model->addr + (first + nr) * BLOCK - 4096) >> 12, 0);
    assert_int_equal(answer, wanted);
    if (type == STATE)
        assert_int_equal(state, found == nr ? PLUGGED
                                : found     ? MIXED
                                            : UNPLUGGED);
    if (answer != ACK || type == STATE)
        return;
    memset(model->there + first, type == PLUG, nr);
    for (unsigned i = first; type == PLUG && i < first + nr; i++)
        mark(model, i);
}

static void bad_request(struct model *model)
{
    static const uint64_t offsets[] = {
        -BLOCK, NR * BLOCK, 4096, UINT64_C(1) << 63, (NR - 1) * BLOCK, 0};
    unsigned which = draw(6), state;
    unsigned nr = which == 4 ? 2 : which == 5 ? 0 : 1 + draw(0xffff);

    assert_int_equal(ask(model, draw(3) == 2 ? STATE : draw(2),
                         model->addr + offsets[which], nr, &state),
                     ERROR);
}

static void all_go(struct model *model)
{
    unsigned state, answer = ask(model, UNPLUG_ALL, 0, 0, &state);

    assert_int_equal(answer, guest.machine.saving ? BUSY : ACK);
    if (answer == ACK)
        memset(model->there, 0, NR);
}

static void restart(struct model *model)
{
    driver_start(&model->driver, FEATURE_VERSION_1 | 0x2);
}

static void request_another_size(unsigned i)
{
    static const char *const ids[] = {"vm0", "vm1"};
    uint64_t bytes = (draw(NR) + 1) * BLOCK;
    char text[256];

    assert_int_equal(virtio_mem_request(virtio_mem_find(&guest.machine, ids[i]),
                                        bytes, text, sizeof(text)),
                     0);
    models[i].requested = bytes;
}

static void reset_all(void)
{
    machine_reset(&guest.machine);
    for (unsigned i = 0; i < DEVICES; i++) {
        driver_probe(&models[i].driver, models[i].driver.devfn);
        restart(&models[i]);
        memset(models[i].there, 0, NR);
    }
}

static void one_round(void)
{
    unsigned i = draw(DEVICES), what = draw(100);
    struct model *model = &models[i];

    if (what < 70)
        good_request(model);
    else if (what < 80)
        bad_request(model);
    else if (what < 84)
        all_go(model);
    else if (what < 90)
        request_another_size(i);
    else if (what < 93)
        restart(model);
    else if (what < 96)
        guest.machine.saving = !guest.machine.saving;
    else if (what < 99)
        check_marks(model);
    else
        reset_all();
    check_charged();
}

static void blocks_are_what_the_model_says(void **state)
{
    static const char *const ids[] = {"vm0", "vm1"};
    static const char *const memdevs[] = {"m0", "m1"};

    (void)state;
    for (unsigned i = 0; i < DEVICES; i++)
        guest.options.virtio_mems[i] = (struct options_virtio_mem){
            .id = ids[i],
            .memdev = memdevs[i],
            .size = NR * BLOCK,
            .requested_size = NR * BLOCK,
            .block_size = BLOCK,
        };
    guest.options.nr_virtio_mems = DEVICES;
    guest_begin(ROOM);
    fakexen_fill_new_frames(0xa5);
    fakexen_set_maxmem(GUEST_DOMID,
                       fakexen_tot_pages(GUEST_DOMID) + ROOM * BLOCK / 4096);
    for (unsigned i = 0; i < DEVICES; i++) {
        driver_probe(&models[i].driver, (uint8_t)PCI_DEVFN(0x10 + i, 0));
        restart(&models[i]);
        models[i].addr = reg_read(&models[i].driver, REG_CONFIG + 16, 8);
        models[i].requested = NR * BLOCK;
        assert_true(is_usable(&models[i]));
    }
    pages_before = fakexen_tot_pages(GUEST_DOMID);
    for (unsigned i = 0; i < rounds; i++)
        one_round();
    guest_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_what_the_model_says),
    };

    if (argc > 1)
        rounds = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed = (uint32_t)strtoul(argv[2], NULL, 10);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
