/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xenram/memory-device.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define BASE (8 * GIB)

struct dev {
    struct xen_memory_device device;
    uint64_t addr, size, alignment, min_alignment, plugged;
    unsigned slots, used_slots, offered;
    int refuse; /* what plugged and unplugging return */
    bool silent;
    unsigned calls;
};

static struct dev *dev_of(const struct xen_memory_device *device)
{
    return (struct dev *)((char *)(uintptr_t)device -
                          offsetof(struct dev, device));
}

static uint64_t get_addr(const struct xen_memory_device *device)
{
    return dev_of(device)->addr;
}

static void set_addr(struct xen_memory_device *device, uint64_t addr)
{
    dev_of(device)->addr = addr;
}

static uint64_t get_plugged_size(const struct xen_memory_device *device)
{
    return dev_of(device)->plugged;
}

static struct xen_memory_range get_range(const struct xen_memory_device *device)
{
    return (struct xen_memory_range){dev_of(device)->size,
                                     dev_of(device)->alignment};
}

static void fill_info(const struct xen_memory_device *device,
                      struct xen_memory_info *info)
{
    *info = (struct xen_memory_info){.addr = dev_of(device)->addr};
}

static uint64_t get_min_alignment(const struct xen_memory_device *device)
{
    return dev_of(device)->min_alignment;
}

static void decide_slots(struct xen_memory_device *device, unsigned limit)
{
    struct dev *dev = dev_of(device);

    dev->offered = limit;
    if (dev->slots > limit)
        dev->slots = limit;
}

static unsigned get_slots(const struct xen_memory_device *device)
{
    return dev_of(device)->slots;
}

static unsigned get_used_slots(const struct xen_memory_device *device)
{
    return dev_of(device)->used_slots;
}

static int change(struct xen_memory_device *device, char *reason, size_t size)
{
    struct dev *dev = dev_of(device);

    dev->calls++;
    if (dev->refuse && !dev->silent)
        snprintf(reason, size, "no more of it at 0x%llx",
                 (unsigned long long)dev->addr);
    return dev->refuse;
}

static const struct xen_memory_device_ops plain_ops = {
    .get_addr = get_addr,
    .set_addr = set_addr,
    .get_plugged_size = get_plugged_size,
    .get_range = get_range,
    .fill_info = fill_info,
};

static const struct xen_memory_device_ops full_ops = {
    .get_addr = get_addr,
    .set_addr = set_addr,
    .get_plugged_size = get_plugged_size,
    .get_range = get_range,
    .fill_info = fill_info,
    .get_min_alignment = get_min_alignment,
    .decide_slots = decide_slots,
    .get_slots = get_slots,
    .get_used_slots = get_used_slots,
    .plugged = change,
    .unplugging = change,
};

/* They outlive the test, which may leave them plugged. */
static struct dev devices[32];
static unsigned nr_devices;

static struct dev *plain(const char *id, uint64_t addr, uint64_t size)
{
    struct dev *dev = &devices[nr_devices++];

    assert_true(nr_devices <= NR(devices));
    *dev = (struct dev){
        .device = {.ops = &plain_ops, .id = id},
        .addr = addr,
        .size = size,
        .alignment = 2 * MIB,
        .plugged = size,
    };
    return dev;
}

static int setup(void **state)
{
    static const struct xen_memory_options options = {
        .base = BASE, .size = 4 * GIB, .limit = 3 * GIB};
    struct xen_memory *memory;

    nr_devices = 0;
    assert_int_equal(xen_memory_open(&options, &memory), 0);
    *state = memory;
    return 0;
}

static int teardown(void **state)
{
    xen_memory_close(*state);
    return 0;
}

static void assert_says(const struct xen_memory *memory, const char *words)
{
    const char *error = xen_memory_error(memory);

    if (!strstr(error, words) || strchr(error, '\n'))
        fail_msg("'%s' does not say '%s' on one line", error, words);
}

static void devices_get_the_lowest_place_that_is_free(void **state)
{
    struct xen_memory *memory = *state;
    struct dev *a = plain("a", 0, 256 * MIB), *b = plain("b", 0, 512 * MIB);
    struct dev *c = plain("c", 0, 128 * MIB), *d = plain("d", 0, 128 * MIB);

    assert_int_equal(xen_memory_plug(memory, &a->device), 0);
    assert_int_equal(xen_memory_plug(memory, &b->device), 0);
    assert_int_equal(a->addr, BASE);
    assert_int_equal(b->addr, BASE + 256 * MIB);
    assert_int_equal(xen_memory_unplug(memory, &a->device), 0);
    assert_int_equal(xen_memory_plug(memory, &c->device), 0);
    assert_int_equal(xen_memory_plug(memory, &d->device), 0);
    assert_int_equal(c->addr, BASE);
    assert_int_equal(d->addr, BASE + 128 * MIB);
    a->addr = 0;
    assert_int_equal(xen_memory_plug(memory, &a->device), 0);
    assert_int_equal(a->addr, BASE + 768 * MIB);
    assert_ptr_equal(xen_memory_find(memory, BASE + 128 * MIB), &d->device);
    assert_ptr_equal(xen_memory_find(memory, BASE + 256 * MIB - 1), &d->device);
    assert_ptr_equal(xen_memory_find(memory, BASE + 256 * MIB), &b->device);
    assert_null(xen_memory_find(memory, BASE + GIB));
    assert_null(xen_memory_find(memory, BASE - 1));
}

static void the_larger_alignment_counts(void **state)
{
    static const struct {
        uint64_t alignment, min_alignment, addr;
    } cases[] = {
        {4096, 0, BASE + MIB},
        {0, 0, BASE + MIB},
        {2 * MIB, 4096, BASE + 2 * MIB},
        {4096, 64 * MIB, BASE + 64 * MIB},
        {128 * MIB, 64 * MIB, BASE + 128 * MIB},
    };
    struct xen_memory *memory = *state;
    struct dev *first = plain("first", 0, MIB);

    first->alignment = 0;
    assert_int_equal(xen_memory_plug(memory, &first->device), 0);
    for (size_t i = 0; i < NR(cases); i++) {
        struct dev *dev = plain("dev", 0, 128 * MIB);

        dev->device.ops = &full_ops;
        dev->slots = 1;
        dev->alignment = cases[i].alignment;
        dev->min_alignment = cases[i].min_alignment;
        assert_int_equal(xen_memory_pre_plug(memory, &dev->device), 0);
        assert_int_equal(dev->addr, cases[i].addr);
        assert_int_equal(dev->calls, 0);
        assert_int_equal(xen_memory_plug(memory, &dev->device), 0);
        assert_int_equal(dev->addr, cases[i].addr);
        assert_int_equal(xen_memory_unplug(memory, &dev->device), 0);
    }
}

static void a_device_that_does_not_fit_is_refused(void **state)
{
    static const struct {
        uint64_t addr, size, alignment;
        int rc;
        const char *words;
    } cases[] = {
        {0, 128 * MIB, 3 * MIB, -EINVAL, "0x300000 is no power of two"},
        {0, 3 * MIB, 2 * MIB, -EINVAL, "0x300000 must be a multiple of 0x2000"},
        {BASE + MIB, 2 * MIB, 2 * MIB, -EINVAL, "0x200100000 must be a mult"},
        {BASE - 2 * MIB, 4 * MIB, 2 * MIB, -EINVAL, "leave the region"},
        {BASE + 4 * GIB, 2 * MIB, 2 * MIB, -EINVAL, "leave the region"},
        {BASE + 4 * GIB - 2 * MIB, 4 * MIB, 2 * MIB, -EINVAL,
         "0x400000 bytes at 0x2ffe00000 leave the region for memory devices, "
         "0x100000000 bytes at 0x200000000"},
        {UINT64_MAX - 4 * MIB + 1, 4 * MIB, 2 * MIB, -EINVAL, "leave"},
        {BASE + GIB, 2 * MIB, 2 * MIB, -EEXIST, "overlap memory device 'in'"},
        {BASE + GIB - 2 * MIB, 4 * MIB, 2 * MIB, -EEXIST,
         "0x40000000 bytes at 0x240000000"},
        {BASE + 2 * GIB - 2 * MIB, 4 * MIB, 2 * MIB, -EEXIST, "overlap"},
        {BASE + GIB - 2 * MIB, 2 * GIB, 2 * MIB, -EEXIST, "overlap"},
        {0, 2 * GIB + 2 * MIB, 2 * MIB, -ENOSPC,
         "0x80200000 bytes are wanted, and 0x40000000 of the 0xc0000000"},
        {0, UINT64_MAX - 2 * MIB + 1, 2 * MIB, -ENOSPC, "raise videoram"},
        {0, 2 * GIB, 8 * GIB, -EINVAL, "must be a multiple"},
        {0, 2 * GIB, 2 * GIB, 0, NULL},
    };
    struct xen_memory *memory = *state;
    struct dev *in = plain("in", BASE + GIB, GIB);
    struct xen_memory_stats before, after;

    assert_int_equal(xen_memory_plug(memory, &in->device), 0);
    xen_memory_get_stats(memory, &before);
    for (size_t i = 0; i < NR(cases); i++) {
        struct dev *dev = plain("dev", cases[i].addr, cases[i].size);

        dev->alignment = cases[i].alignment;
        if (cases[i].rc == 0) {
            assert_int_equal(xen_memory_pre_plug(memory, &dev->device), 0);
            continue;
        }
        assert_int_equal(xen_memory_pre_plug(memory, &dev->device),
                         cases[i].rc);
        assert_int_equal(xen_memory_plug(memory, &dev->device), cases[i].rc);
        assert_says(memory, cases[i].words);
        assert_says(memory, "'dev'");
        assert_int_equal(dev->addr, cases[i].addr);
        xen_memory_get_stats(memory, &after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
    assert_int_equal(xen_memory_plug(memory, &in->device), -EEXIST);
    assert_says(memory, "plugged already");
}

static void a_region_in_pieces_has_no_room_for_a_long_one(void **state)
{
    struct xen_memory *memory = *state;
    struct dev *a = plain("a", BASE + GIB, 256 * MIB);
    struct dev *b = plain("b", BASE + 2 * GIB, 256 * MIB);
    struct dev *c = plain("c", BASE + 3 * GIB, 256 * MIB);
    struct dev *whole = plain("whole", 0, 2 * GIB);

    assert_int_equal(xen_memory_plug(memory, &a->device), 0);
    assert_int_equal(xen_memory_plug(memory, &b->device), 0);
    assert_int_equal(xen_memory_plug(memory, &c->device), 0);
    assert_int_equal(xen_memory_plug(memory, &whole->device), -ENOSPC);
    assert_says(memory,
                "no 0x80000000 bytes at a multiple of 0x200000 are free");
    assert_int_equal(whole->addr, 0);
}

static void a_guest_without_a_region_is_told_what_to_raise(void **state)
{
    static const struct xen_memory_options none;
    struct dev *dev = plain(NULL, 0, 128 * MIB);
    struct dev *empty = plain("empty", 0, 0);
    struct xen_memory *memory;

    (void)state;
    assert_int_equal(xen_memory_open(&none, &memory), 0);
    assert_int_equal(xen_memory_plug(memory, &dev->device), -ENODEV);
    assert_says(memory, "(unnamed)");
    assert_says(memory, "0x8000000 bytes are wanted: raise videoram");
    assert_int_equal(xen_memory_plug(memory, &empty->device), 0);
    xen_memory_close(memory);
    assert_null(empty->device.owner);
}

static void a_region_beyond_all_addresses_is_refused(void **state)
{
    static const struct xen_memory_options bad[] = {
        {.base = UINT64_C(1) << 52, .size = 4096},
        {.base = UINT64_MAX, .size = 4096},
        {.base = 4096, .size = UINT64_MAX},
    };
    struct xen_memory *memory;

    (void)state;
    for (size_t i = 0; i < NR(bad); i++)
        assert_int_equal(xen_memory_open(&bad[i], &memory), -EINVAL);
}

static void an_empty_device_is_on_the_list_and_takes_nothing(void **state)
{
    struct xen_memory *memory = *state;
    struct dev *a = plain("a", 0, 0), *b = plain("b", 0, 0);
    struct dev *c = plain("c", 0, 128 * MIB);
    struct xen_memory_stats stats;

    a->alignment = 3;
    assert_int_equal(xen_memory_plug(memory, &a->device), 0);
    assert_int_equal(xen_memory_plug(memory, &c->device), 0);
    assert_int_equal(xen_memory_plug(memory, &b->device), 0);
    assert_int_equal(a->addr, 0);
    assert_int_equal(c->addr, BASE);
    assert_ptr_equal(xen_memory_next(memory, NULL), &a->device);
    assert_ptr_equal(xen_memory_next(memory, &a->device), &b->device);
    assert_ptr_equal(xen_memory_next(memory, &b->device), &c->device);
    assert_null(xen_memory_next(memory, &c->device));
    xen_memory_get_stats(memory, &stats);
    assert_int_equal(stats.devices, 3);
    assert_int_equal(stats.used, 128 * MIB);
    assert_int_equal(stats.required_slots, 1);
    assert_int_equal(xen_memory_unplug(memory, &b->device), 0);
    assert_int_equal(xen_memory_unplug(memory, &a->device), 0);
    assert_int_equal(xen_memory_unplug(memory, &a->device), -ENOENT);
    assert_says(memory, "'a' is not plugged");
    assert_ptr_equal(xen_memory_next(memory, NULL), &c->device);
}

static void slots_are_decided_counted_and_kept_free(void **state)
{
    static const struct xen_memory_options options = {
        .base = BASE, .size = 4 * GIB, .slots = 10};
    struct dev *a = plain("a", 0, 128 * MIB), *b = plain("b", 0, 128 * MIB);
    struct dev *c = plain("c", 0, 128 * MIB);
    struct xen_memory_stats stats;
    struct xen_memory *memory;

    (void)state;
    a->device.ops = b->device.ops = &full_ops;
    a->slots = 7;
    a->used_slots = 2;
    b->slots = 100;
    b->used_slots = 3;
    assert_int_equal(xen_memory_open(&options, &memory), 0);
    assert_int_equal(xen_memory_plug(memory, &a->device), 0);
    assert_int_equal(a->offered, 10);
    assert_int_equal(xen_memory_plug(memory, &b->device), 0);
    assert_int_equal(b->offered, 3);
    assert_int_equal(b->slots, 3);
    assert_int_equal(xen_memory_plug(memory, &c->device), -ENOSPC);
    assert_says(memory, "1 slots are wanted, and 10 of 10 are taken");
    a->plugged = 42;
    b->plugged = 1000;
    xen_memory_get_stats(memory, &stats);
    assert_int_equal(stats.slots, 10);
    assert_int_equal(stats.required_slots, 10);
    assert_int_equal(stats.used_slots, 5);
    assert_int_equal(stats.reserved_slots, 5);
    assert_int_equal(stats.plugged, 1042);
    assert_int_equal(stats.base, BASE);
    assert_int_equal(stats.size, 4 * GIB);
    assert_int_equal(stats.limit, 4 * GIB);
    assert_int_equal(xen_memory_unplug(memory, &a->device), 0);
    assert_int_equal(xen_memory_plug(memory, &c->device), 0);
    xen_memory_get_stats(memory, &stats);
    assert_int_equal(stats.required_slots, 4);
    assert_int_equal(stats.used_slots, 4);
    xen_memory_close(memory);
}

static void memory_that_does_not_come_leaves_all_as_it_was(void **state)
{
    static const uint64_t wanted[] = {0, BASE + GIB};
    struct xen_memory *memory = *state;
    struct xen_memory_stats before, after;

    xen_memory_get_stats(memory, &before);
    for (size_t i = 0; i < NR(wanted); i++) {
        struct dev *dev = plain("dev", wanted[i], 128 * MIB);

        dev->device.ops = &full_ops;
        dev->slots = 1;
        dev->refuse = -ENOSPC;
        assert_int_equal(xen_memory_plug(memory, &dev->device), -ENOSPC);
        assert_says(memory, "'dev' cannot be plugged: no more of it at 0x2");
        assert_int_equal(dev->addr, wanted[i]);
        assert_null(dev->device.owner);
        xen_memory_get_stats(memory, &after);
        assert_memory_equal(&before, &after, sizeof(before));
        dev->silent = true;
        assert_int_equal(xen_memory_plug(memory, &dev->device), -ENOSPC);
        assert_says(memory, "No space left");
        dev->refuse = 0;
        assert_int_equal(xen_memory_plug(memory, &dev->device), 0);
        assert_int_equal(xen_memory_unplug(memory, &dev->device), 0);
    }
}

static void memory_that_does_not_go_stays_plugged(void **state)
{
    struct xen_memory *memory = *state;
    struct dev *dev = plain("dev", 0, 128 * MIB);

    dev->device.ops = &full_ops;
    dev->slots = 1;
    assert_int_equal(xen_memory_plug(memory, &dev->device), 0);
    dev->refuse = -EBUSY;
    assert_int_equal(xen_memory_unplug(memory, &dev->device), -EBUSY);
    assert_says(memory, "'dev' cannot be unplugged: no more of it");
    assert_ptr_equal(xen_memory_find(memory, BASE), &dev->device);
    dev->refuse = 0;
    assert_int_equal(xen_memory_unplug(memory, &dev->device), 0);
    assert_null(xen_memory_next(memory, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(devices_get_the_lowest_place_that_is_free),
        TEST(the_larger_alignment_counts),
        TEST(a_device_that_does_not_fit_is_refused),
        TEST(a_region_in_pieces_has_no_room_for_a_long_one),
        TEST(a_guest_without_a_region_is_told_what_to_raise),
        TEST(a_region_beyond_all_addresses_is_refused),
        TEST(an_empty_device_is_on_the_list_and_takes_nothing),
        TEST(slots_are_decided_counted_and_kept_free),
        TEST(memory_that_does_not_come_leaves_all_as_it_was),
        TEST(memory_that_does_not_go_stays_plugged),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
