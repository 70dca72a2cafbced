/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MEMDEV_TREE_H
#define MEMDEV_TREE_H

/*
 * Devices in order of their ranges, none of which overlap.  A treap: ordered by
 * address from left to right, and by a random rank from the root down, which
 * keeps it about as deep as the logarithm of their number.  Each node knows
 * where its subtree begins and ends and the longest gap inside it, so that a
 * search passes over what cannot fit.
 */

#include <stdbool.h>
#include <stdint.h>

#include "xenram/memory-device.h"

/* device->start, length and rank are set; nothing overlaps. */
void tree_insert(struct xen_memory_device **root,
                 struct xen_memory_device *device);
void tree_remove(struct xen_memory_device **root,
                 struct xen_memory_device *device);

/* The device with the lowest range that ends above addr, or NULL. */
struct xen_memory_device *tree_above(struct xen_memory_device *root,
                                     uint64_t addr);

/*
 * The lowest multiple of alignment in [base, end - size] from which on size
 * bytes are free; end is not below the last range.  false: there is none.
 */
bool tree_find_gap(const struct xen_memory_device *root, uint64_t base,
                   uint64_t end, uint64_t size, uint64_t alignment,
                   uint64_t *start);

#endif
