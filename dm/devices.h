/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DEVICES_H
#define DM_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device_ops;
struct options;

/* One row a device: which, and when a machine has it. */
struct device_row {
    const struct device_ops *ops;
    uint32_t instance;
    bool (*wanted)(const struct options *options); /* NULL: always */
};

/* In the order in which they are made, reset, saved and loaded. */
extern const struct device_row device_rows[];
extern const size_t nr_device_rows;

#endif
