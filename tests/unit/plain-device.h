/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_PLAIN_DEVICE_H
#define TESTS_PLAIN_DEVICE_H

/* A memory device of fields, with the operations that every one has. */

#include <stdint.h>

#include "xenram/memory-device.h"

struct plain_device {
    struct xen_memory_device device;
    uint64_t addr, size, alignment;
};

extern const struct xen_memory_device_ops plain_device_ops;

#endif
