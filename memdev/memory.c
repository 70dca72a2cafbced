/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/memory-device.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memdev/tree.h"

#define PAGE_SIZE 4096u
#define SPACE_MAX (UINT64_C(1) << 52) /* bytes that a gpa can tell apart */
#define ERROR_MAX 384
#define REASON_MAX 256

struct xen_memory {
    uint64_t base, size, limit;
    unsigned slots;
    uint64_t used;
    unsigned devices, required_slots;
    struct xen_memory_device *root;    /* of the tree */
    struct xen_memory_device *empties; /* linked by higher */
    uint32_t random;
    char error[ERROR_MAX];
};

/* Where a device will be, and what it takes there. */
struct place {
    uint64_t addr, size;
    unsigned slots;
};

static int fail(struct xen_memory *memory, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct xen_memory *memory, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(memory->error, sizeof(memory->error), format, args);
    va_end(args);
    return rc;
}

static const char *name_of(const struct xen_memory_device *device)
{
    return device->id ? device->id : "(unnamed)";
}

int xen_memory_open(const struct xen_memory_options *options,
                    struct xen_memory **out)
{
    struct xen_memory *memory;

    if (options->base > SPACE_MAX || options->size > SPACE_MAX - options->base)
        return -EINVAL;
    memory = calloc(1, sizeof(*memory));
    if (!memory)
        return -ENOMEM;
    memory->base = options->base;
    memory->size = options->size;
    memory->limit = options->limit ? options->limit : options->size;
    memory->slots = options->slots ? options->slots : UINT_MAX;
    memory->random = 1;
    *out = memory;
    return 0;
}

void xen_memory_close(struct xen_memory *memory)
{
    struct xen_memory_device *device;

    if (!memory)
        return;
    while ((device = memory->empties)) {
        memory->empties = device->higher;
        device->owner = NULL;
    }
    while ((device = memory->root)) {
        tree_remove(&memory->root, device);
        device->owner = NULL;
    }
    free(memory);
}

const char *xen_memory_error(const struct xen_memory *memory)
{
    return memory->error;
}

static int alignment_of(struct xen_memory *memory,
                        const struct xen_memory_device *device,
                        const struct xen_memory_range *range,
                        uint64_t *alignment)
{
    uint64_t least = device->ops->get_min_alignment
                         ? device->ops->get_min_alignment(device)
                         : 0;

    *alignment = range->alignment ? range->alignment : PAGE_SIZE;
    if (least > *alignment)
        *alignment = least;
    if (*alignment & (*alignment - 1)) {
        return fail(memory, -EINVAL,
                    "memory device '%s': alignment 0x%" PRIx64
                    " is no power of two",
                    name_of(device), *alignment);
    }
    if (range->size % *alignment) {
        return fail(memory, -EINVAL,
                    "memory device '%s': its size 0x%" PRIx64
                    " must be a multiple of 0x%" PRIx64,
                    name_of(device), range->size, *alignment);
    }
    return 0;
}

static int check_limit(struct xen_memory *memory,
                       const struct xen_memory_device *device, uint64_t size)
{
    if (memory->size == 0) {
        return fail(memory, -ENODEV,
                    "memory device '%s': this guest has no room for memory "
                    "devices, and 0x%" PRIx64
                    " bytes are wanted: raise videoram and memory by that much",
                    name_of(device), size);
    }
    if (size > memory->limit || memory->used > memory->limit - size) {
        return fail(memory, -ENOSPC,
                    "memory device '%s': 0x%" PRIx64
                    " bytes are wanted, and 0x%" PRIx64 " of the 0x%" PRIx64
                    " for memory devices are in use: raise videoram and memory"
                    " by what is missing",
                    name_of(device), size, memory->used, memory->limit);
    }
    return 0;
}

/* A device that decides does so here, in view of what is left. */
static int check_slots(struct xen_memory *memory,
                       struct xen_memory_device *device, unsigned *slots)
{
    unsigned left = memory->slots - memory->required_slots;

    if (left && device->ops->decide_slots)
        device->ops->decide_slots(device, left);
    *slots = device->ops->get_slots ? device->ops->get_slots(device) : 1;
    if (*slots > left) {
        return fail(memory, -ENOSPC,
                    "memory device '%s': %u slots are wanted, and %u of %u "
                    "are taken: raise slots",
                    name_of(device), *slots, memory->required_slots,
                    memory->slots);
    }
    return 0;
}

static int check_wanted(struct xen_memory *memory,
                        const struct xen_memory_device *device, uint64_t addr,
                        uint64_t size, uint64_t alignment)
{
    const struct xen_memory_device *other;

    if (addr & (alignment - 1)) {
        return fail(memory, -EINVAL,
                    "memory device '%s': address 0x%" PRIx64
                    " must be a multiple of 0x%" PRIx64,
                    name_of(device), addr, alignment);
    }
    if (addr < memory->base || addr - memory->base > memory->size ||
        size > memory->size - (addr - memory->base)) {
        return fail(memory, -EINVAL,
                    "memory device '%s': 0x%" PRIx64 " bytes at 0x%" PRIx64
                    " leave the region for memory devices, 0x%" PRIx64
                    " bytes at 0x%" PRIx64 ": let it choose (address 0)",
                    name_of(device), size, addr, memory->size, memory->base);
    }
    other = tree_above(memory->root, addr);
    if (other && other->start < addr + size) {
        return fail(memory, -EEXIST,
                    "memory device '%s': 0x%" PRIx64 " bytes at 0x%" PRIx64
                    " overlap memory device '%s', 0x%" PRIx64
                    " bytes at 0x%" PRIx64 ": let it choose (address 0)",
                    name_of(device), size, addr, name_of(other), other->length,
                    other->start);
    }
    return 0;
}

static int find_place(struct xen_memory *memory,
                      const struct xen_memory_device *device, uint64_t size,
                      uint64_t alignment, uint64_t *addr)
{
    *addr = device->ops->get_addr(device);
    if (*addr)
        return check_wanted(memory, device, *addr, size, alignment);
    if (!tree_find_gap(memory->root, memory->base, memory->base + memory->size,
                       size, alignment, addr)) {
        return fail(memory, -ENOSPC,
                    "memory device '%s': no 0x%" PRIx64
                    " bytes at a multiple of 0x%" PRIx64
                    " are free in the region for memory devices, 0x%" PRIx64
                    " bytes at 0x%" PRIx64 ": use fewer or larger devices",
                    name_of(device), size, alignment, memory->size,
                    memory->base);
    }
    return 0;
}

/* Changes nothing but what a device decides about its slots. */
static int choose(struct xen_memory *memory, struct xen_memory_device *device,
                  struct place *place)
{
    struct xen_memory_range range = device->ops->get_range(device);
    uint64_t alignment;
    int rc;

    *place = (struct place){.size = range.size};
    if (device->owner) {
        return fail(memory, -EEXIST, "memory device '%s' is plugged already",
                    name_of(device));
    }
    if (range.size == 0)
        return 0;
    rc = alignment_of(memory, device, &range, &alignment);
    if (rc == 0)
        rc = check_limit(memory, device, range.size);
    if (rc == 0)
        rc = check_slots(memory, device, &place->slots);
    if (rc == 0)
        rc = find_place(memory, device, range.size, alignment, &place->addr);
    return rc;
}

int xen_memory_pre_plug(struct xen_memory *memory,
                        struct xen_memory_device *device)
{
    struct place place;
    int rc = choose(memory, device, &place);

    if (rc == 0 && place.size)
        device->ops->set_addr(device, place.addr);
    return rc;
}

/* Numerical Recipes' quick generator; its high bits are the random ones. */
static uint32_t next_rank(struct xen_memory *memory)
{
    memory->random = memory->random * 1664525u + 1013904223u;
    return memory->random >> 8;
}

static void add(struct xen_memory *memory, struct xen_memory_device *device,
                const struct place *place)
{
    struct xen_memory_device **last = &memory->empties;

    device->owner = memory;
    device->start = place->addr;
    device->length = place->size;
    device->slots = place->slots;
    device->lower = NULL;
    device->higher = NULL;
    memory->devices++;
    memory->used += place->size;
    memory->required_slots += place->slots;
    if (place->size) {
        device->rank = next_rank(memory);
        tree_insert(&memory->root, device);
        return;
    }
    while (*last)
        last = &(*last)->higher;
    *last = device;
}

static void drop(struct xen_memory *memory, struct xen_memory_device *device)
{
    struct xen_memory_device **at = &memory->empties;

    if (device->length) {
        tree_remove(&memory->root, device);
    } else {
        while (*at != device)
            at = &(*at)->higher;
        *at = device->higher;
    }
    device->owner = NULL;
    memory->devices--;
    memory->used -= device->length;
    memory->required_slots -= device->slots;
}

int xen_memory_plug(struct xen_memory *memory, struct xen_memory_device *device)
{
    uint64_t wanted = device->ops->get_addr(device);
    char reason[REASON_MAX] = "";
    struct place place;
    int rc = choose(memory, device, &place);

    if (rc)
        return rc;
    if (place.size)
        device->ops->set_addr(device, place.addr);
    add(memory, device, &place);
    if (!device->ops->plugged)
        return 0;
    rc = device->ops->plugged(device, reason, sizeof(reason));
    if (rc) {
        drop(memory, device);
        if (place.size)
            device->ops->set_addr(device, wanted);
        fail(memory, rc, "memory device '%s' cannot be plugged: %s",
             name_of(device), reason[0] ? reason : strerror(-rc));
    }
    return rc;
}

int xen_memory_unplug(struct xen_memory *memory,
                      struct xen_memory_device *device)
{
    char reason[REASON_MAX] = "";
    int rc = 0;

    if (device->owner != memory) {
        return fail(memory, -ENOENT, "memory device '%s' is not plugged",
                    name_of(device));
    }
    if (device->ops->unplugging)
        rc = device->ops->unplugging(device, reason, sizeof(reason));
    if (rc) {
        return fail(memory, rc, "memory device '%s' cannot be unplugged: %s",
                    name_of(device), reason[0] ? reason : strerror(-rc));
    }
    drop(memory, device);
    return 0;
}

struct xen_memory_device *
xen_memory_next(const struct xen_memory *memory,
                const struct xen_memory_device *device)
{
    if (device && device->length)
        return tree_above(memory->root, device->start + device->length);
    if (device && device->higher)
        return device->higher;
    if (!device && memory->empties)
        return memory->empties;
    return tree_above(memory->root, 0);
}

struct xen_memory_device *xen_memory_find(const struct xen_memory *memory,
                                          uint64_t addr)
{
    struct xen_memory_device *device = tree_above(memory->root, addr);

    return device && device->start <= addr ? device : NULL;
}

void xen_memory_get_stats(const struct xen_memory *memory,
                          struct xen_memory_stats *out)
{
    const struct xen_memory_device *device = NULL;

    *out = (struct xen_memory_stats){
        .base = memory->base,
        .size = memory->size,
        .limit = memory->limit,
        .used = memory->used,
        .devices = memory->devices,
        .slots = memory->slots,
        .required_slots = memory->required_slots,
    };
    while ((device = xen_memory_next(memory, device))) {
        out->plugged += device->ops->get_plugged_size(device);
        out->used_slots += device->ops->get_used_slots
                               ? device->ops->get_used_slots(device)
                               : device->slots;
    }
    out->reserved_slots = out->required_slots - out->used_slots;
}
