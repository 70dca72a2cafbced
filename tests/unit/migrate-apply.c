/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/migrate-sides.h"
#include "xenram/mapcache.h"

static void other_pages_under_a_rom_are_refused(void **state)
{
    struct side source, target;
    uint8_t byte;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    fakexen_peek(TARGET_DOMID, (ROM_GFN + 1) * PAGE, &byte, 1);
    byte ^= 1;
    fakexen_poke(TARGET_DOMID, (ROM_GFN + 1) * PAGE, &byte, 1);
    carry(&source, &target, NULL, -EINVAL,
          "block rom: the pages restored at gfn 0xf3000 have sum 0x");
    sides_fini(&source, &target);
}

static void a_rom_page_that_was_not_restored_is_refused(void **state)
{
    struct side source, target;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    fakexen_balloon_out(TARGET_DOMID, ROM_GFN, 1);
    carry(&source, &target, NULL, -EFAULT, "block rom cannot be loaded: ");
    sides_fini(&source, &target);
}

static void a_rom_that_the_guest_took_away_is_saved_without_sum(void **state)
{
    struct side source, target;
    uint8_t byte = 0xee;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    fakexen_balloon_out(SOURCE_DOMID, ROM_GFN, 1);
    xen_mapcache_invalidate(source.cache);
    fakexen_poke(TARGET_DOMID, ROM_GFN * PAGE, &byte, 1);
    carry(&source, &target, NULL, 0, "");
    assert_int_equal(xen_ram_gfn(target.rom), ROM_GFN);
    sides_fini(&source, &target);
}

static int refuse_resize(struct xen_ram_block *block, uint64_t new_length,
                         char *reason, void *opaque)
{
    (void)new_length;
    (void)reason;
    return strcmp(xen_ram_idstr(block), opaque) == 0 ? -EBUSY : 0;
}

/* One more private block, in list order behind the others. */
static struct xen_ram_block *add_last(struct side *side, uint64_t size)
{
    const struct xen_ram_spec spec = {
        .idstr = "last",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = size,
        .max_length = 4 * PAGE,
    };

    return side_add(side, &spec);
}

struct obstacle {
    uint64_t there, here;   /* size of private; last has the half */
    const char *refused;    /* block that must keep its length, or NULL: */
    enum fakexen_kind kind; /* a call of Xen fails */
    int error;
};

static void stop_at(const struct obstacle *obstacle, struct side *target,
                    struct xen_ram_notifier *notifier)
{
    notifier->opaque = (void *)obstacle->refused;
    if (obstacle->refused)
        xen_ram_notifier_add(target->ram, notifier);
    else
        fakexen_fail(obstacle->kind, 1, 0, obstacle->error);
}

static void go_on(const struct obstacle *obstacle, struct side *target,
                  struct xen_ram_notifier *notifier)
{
    if (obstacle->refused)
        xen_ram_notifier_remove(target->ram, notifier);
    else
        fakexen_fail(obstacle->kind, 1, 0, 0);
}

static void fail_and_retry(const struct obstacle *obstacle)
{
    struct lengths there = {6000, KIB(32), obstacle->there, 8 * PAGE, false};
    struct lengths here = {3 * PAGE, KIB(32), obstacle->here, 8 * PAGE, false};
    struct xen_ram_notifier notifier = {.prepare_resize = refuse_resize};
    int r = obstacle->refused ? -EBUSY : -obstacle->error;
    struct side source, target;
    struct xen_ram_block *last;

    sides_init(&source, &target, &there, &here);
    add_last(&source, there.private_size / 2);
    last = add_last(&target, here.private_size / 2);
    memset(xen_ram_host(last), 0x5a, xen_ram_size(last));
    memset(xen_ram_host(target.private), 0xa5, here.private_size);

    stop_at(obstacle, &target, &notifier);
    carry(&source, &target, NULL, r, "cannot be loaded");
    for (uint64_t at = 0; at < here.private_size / 2; at++)
        assert_int_equal(((uint8_t *)xen_ram_host(last))[at], 0x5a);
    assert_int_equal(xen_ram_size(last), here.private_size / 2);
    go_on(obstacle, &target, &notifier);

    source.uarts[0].pre_saves = 0;
    source.uarts[1].pre_saves = 0;
    carry(&source, &target, NULL, 0, "");
    assert_same(&source, &target);
    sides_fini(&source, &target);
}

static void a_failed_step_takes_all_others_back(void **state)
{
    static const struct obstacle obstacles[] = {
        {6 * PAGE, 2 * PAGE, "last", FAKEXEN_ANY, 0},
        {2 * PAGE, 6 * PAGE, "last", FAKEXEN_ANY, 0},
        {2 * PAGE + 5, 6 * PAGE + 7, "last", FAKEXEN_ANY, 0},
        {6 * PAGE, 2 * PAGE, "rom", FAKEXEN_ANY, 0},
        {2 * PAGE, 6 * PAGE, "private", FAKEXEN_ANY, 0},
        {6 * PAGE, 2 * PAGE, "private", FAKEXEN_ANY, 0},
        {6 * PAGE, 2 * PAGE, NULL, FAKEXEN_MEM_TYPE, EPERM},
        {2 * PAGE, 6 * PAGE, NULL, FAKEXEN_MEM_TYPE, EPERM},
        {2 * PAGE, 6 * PAGE, NULL, FAKEXEN_MAP, ENOMEM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(obstacles) / sizeof(obstacles[0]); i++)
        fail_and_retry(&obstacles[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_pages_under_a_rom_are_refused),
        cmocka_unit_test(a_rom_page_that_was_not_restored_is_refused),
        cmocka_unit_test(a_rom_that_the_guest_took_away_is_saved_without_sum),
        cmocka_unit_test(a_failed_step_takes_all_others_back),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
