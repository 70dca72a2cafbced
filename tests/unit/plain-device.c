/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/plain-device.h"

#include <stddef.h>

static struct plain_device *of(const struct xen_memory_device *device)
{
    return (struct plain_device *)((char *)(uintptr_t)device -
                                   offsetof(struct plain_device, device));
}

static uint64_t get_addr(const struct xen_memory_device *device)
{
    return of(device)->addr;
}

static void set_addr(struct xen_memory_device *device, uint64_t addr)
{
    of(device)->addr = addr;
}

static uint64_t get_plugged_size(const struct xen_memory_device *device)
{
    return of(device)->size;
}

static struct xen_memory_range get_range(const struct xen_memory_device *device)
{
    return (struct xen_memory_range){of(device)->size, of(device)->alignment};
}

const struct xen_memory_device_ops plain_device_ops = {
    .get_addr = get_addr,
    .set_addr = set_addr,
    .get_plugged_size = get_plugged_size,
    .get_range = get_range,
};
