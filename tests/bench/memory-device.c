/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* Where a device has room among 4096 others, plugged in random order. */

#include <stdint.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/unit/plain-device.h"

#define DEVICES 4096u
#define MIB (UINT64_C(1) << 20)
#define BASE (UINT64_C(8) << 30)
#define SEARCHES 256u
#define GOAL 10000.0 /* ns */

struct setting {
    struct xen_memory *memory;
    struct plain_device *devices;
    struct plain_device wanted;
};

/* Each of gap + 2 MiB behind the one before, in an order that hops about. */
static void fill(struct setting *s, uint64_t first, uint64_t gap)
{
    const struct xen_memory_options options = {
        .base = BASE,
        .size = (DEVICES + 4) * (2 * MIB + gap) + first,
    };

    if (xen_memory_open(&options, &s->memory))
        bench_die("no region");
    for (uint32_t i = 0; i < DEVICES; i++) {
        uint64_t place = i * 2654435761u % DEVICES;

        s->devices[i] = (struct plain_device){
            .device = {.ops = &plain_device_ops},
            .addr = BASE + first + place * (2 * MIB + gap),
            .size = 2 * MIB,
            .alignment = MIB,
        };
        if (xen_memory_plug(s->memory, &s->devices[i].device))
            bench_die(xen_memory_error(s->memory));
    }
}

static double search(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (unsigned i = 0; i < SEARCHES; i++) {
        s->wanted.addr = 0;
        if (xen_memory_pre_plug(s->memory, &s->wanted.device))
            bench_die(xen_memory_error(s->memory));
        bench_use(s->wanted.addr);
    }
    return (bench_now() - start) / SEARCHES;
}

static double unplug_and_plug(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (unsigned i = 0; i < SEARCHES; i++) {
        struct plain_device *dev = &s->devices[i * 977 % DEVICES];

        if (xen_memory_unplug(s->memory, &dev->device))
            bench_die(xen_memory_error(s->memory));
        dev->addr = 0;
        if (xen_memory_plug(s->memory, &dev->device))
            bench_die(xen_memory_error(s->memory));
    }
    return (bench_now() - start) / SEARCHES;
}

static double goal(void *opaque)
{
    (void)opaque;
    return GOAL;
}

void bench_memory_device(void)
{
    static const struct {
        const char *name;
        uint64_t first, gap, size, alignment;
    } searches[] = {
        {"memory.search.packed", 0, 0, 2 * MIB, 2 * MIB},
        {"memory.search.short-gaps", 0, MIB, 2 * MIB, MIB},
        /* Each gap is as long, and none begins where it would have to. */
        {"memory.search.misaligned-gaps", MIB, 2 * MIB, 2 * MIB, 2 * MIB},
    };
    struct setting s = {
        .devices = calloc(DEVICES, sizeof(struct plain_device)),
        .wanted = {.device = {.ops = &plain_device_ops}},
    };

    if (!s.devices)
        bench_die("no memory");
    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        fill(&s, searches[i].first, searches[i].gap);
        s.wanted.size = searches[i].size;
        s.wanted.alignment = searches[i].alignment;
        bench_run(searches[i].name, search, "10 us", goal, &s);
        if (i == 0)
            bench_run("memory.unplug-and-plug", unplug_and_plug, "10 us", goal,
                      &s);
        xen_memory_close(s.memory);
    }
    free(s.devices);
}
