/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Random plugging and unplugging of 1 to 4096 devices, beside a model that is
 * a sorted array and looks from the bottom: same addresses, same refusals.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/plain-device.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define MAX_DEVICES 4096u

struct model {
    uint64_t base, size, limit, used;
    struct plain_device *sorted[MAX_DEVICES];
    unsigned nr;
};

static uint64_t seed;

static uint64_t any(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

/* 0 and the address, or why not. */
static int model_place(const struct model *model,
                       const struct plain_device *dev, uint64_t *addr)
{
    uint64_t align = dev->alignment, at = dev->addr;

    if (dev->size % align)
        return -EINVAL;
    if (dev->size > model->limit - model->used)
        return -ENOSPC;
    if (at % align)
        return -EINVAL;
    if (at && (at < model->base || at + dev->size > model->base + model->size))
        return -EINVAL;
    *addr = at ? at : (model->base + align - 1) / align * align;
    for (unsigned i = 0; i < model->nr; i++) {
        const struct plain_device *other = model->sorted[i];

        if (other->addr + other->size <= *addr ||
            *addr + dev->size <= other->addr)
            continue;
        if (at)
            return -EEXIST;
        *addr = (other->addr + other->size + align - 1) / align * align;
    }
    return *addr + dev->size > model->base + model->size ? -ENOSPC : 0;
}

static void model_add(struct model *model, struct plain_device *dev)
{
    unsigned i = model->nr++;

    for (; i > 0 && model->sorted[i - 1]->addr > dev->addr; i--)
        model->sorted[i] = model->sorted[i - 1];
    model->sorted[i] = dev;
    model->used += dev->size;
}

static void model_drop(struct model *model, const struct plain_device *dev)
{
    unsigned i = 0;

    while (model->sorted[i] != dev)
        i++;
    model->nr--;
    memmove(&model->sorted[i], &model->sorted[i + 1],
            (model->nr - i) * sizeof(model->sorted[0]));
    model->used -= dev->size;
}

/* Lengths and alignments that go together, seldom ones that do not. */
static void shape(struct plain_device *dev, const struct model *model)
{
    dev->alignment = 4096u << any(20);
    dev->size = dev->alignment * (1 + any(4));
    if (any(50) == 0)
        dev->size += 4096;
    dev->addr = 0;
    if (any(4) == 0)
        dev->addr =
            (model->base + any(model->size + GIB)) & ~(dev->alignment - 1);
    if (any(100) == 0)
        dev->addr += 4096;
}

static void compare(const struct xen_memory *memory, const struct model *model)
{
    struct xen_memory_device *device = NULL;
    struct xen_memory_stats stats;

    for (unsigned i = 0; i < model->nr; i++) {
        device = xen_memory_next(memory, device);
        assert_ptr_equal(device, &model->sorted[i]->device);
    }
    assert_null(xen_memory_next(memory, device));
    xen_memory_get_stats(memory, &stats);
    assert_int_equal(stats.used, model->used);
    assert_int_equal(stats.plugged, model->used);
    assert_int_equal(stats.devices, model->nr);
}

static void step(struct xen_memory *memory, struct model *model,
                 struct plain_device *dev)
{
    uint64_t addr = 0, before;
    int rc;

    if (dev->device.owner) {
        assert_int_equal(xen_memory_unplug(memory, &dev->device), 0);
        model_drop(model, dev);
        return;
    }
    shape(dev, model);
    before = dev->addr;
    rc = model_place(model, dev, &addr);
    assert_int_equal(xen_memory_plug(memory, &dev->device), rc);
    assert_int_equal(dev->addr, rc ? before : addr);
    if (rc == 0)
        model_add(model, dev);
}

static void run(unsigned nr, unsigned steps)
{
    struct plain_device *devices = calloc(nr, sizeof(*devices));
    struct model *model = calloc(1, sizeof(*model));
    struct xen_memory *memory;

    /* The region may begin anywhere, and is often too small for all. */
    model->base = 4 * GIB + any(GIB) / 4096 * 4096;
    model->size = (MIB * 64 + any(GIB)) / 4096 * 4096 * nr;
    model->limit = any(2) ? model->size : model->size / 4096 / 2 * 4096;
    assert_int_equal(
        xen_memory_open(&(struct xen_memory_options){.base = model->base,
                                                     .size = model->size,
                                                     .limit = model->limit},
                        &memory),
        0);
    for (unsigned i = 0; i < nr; i++)
        devices[i].device.ops = &plain_device_ops;
    for (unsigned i = 0; i < steps; i++) {
        step(memory, model, &devices[any(nr)]);
        if (nr < 64 || i % 512 == 0)
            compare(memory, model);
    }
    compare(memory, model);
    xen_memory_close(memory);
    free(devices);
    free(model);
}

static void addresses_are_those_of_a_plain_first_fit(void **state)
{
    static const unsigned counts[] = {1, 2, 3, 7, 40, 300, MAX_DEVICES};

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            if (counts[i] == MAX_DEVICES && round % 10)
                continue;
            seed = (round + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
            run(counts[i], counts[i] * 3 + 200);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_those_of_a_plain_first_fit),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
