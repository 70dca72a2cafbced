/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "memdev/tree.h"

#include <stddef.h>

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What a node knows follows from its children. */
static void update(struct xen_memory_device *node)
{
    const struct xen_memory_device *lower = node->lower, *higher = node->higher;

    node->first = node->start;
    node->end = node->start + node->length;
    node->gap = 0;
    if (lower) {
        node->gap = max(lower->gap, node->start - lower->end);
        node->first = lower->first;
    }
    if (higher) {
        node->gap = max(node->gap, max(higher->gap, higher->first - node->end));
        node->end = higher->end;
    }
}

/* Those below addr to *lower, the others to *higher. */
static void split(struct xen_memory_device *root, uint64_t addr,
                  struct xen_memory_device **lower,
                  struct xen_memory_device **higher)
{
    if (!root) {
        *lower = NULL;
        *higher = NULL;
        return;
    }
    if (root->start < addr) {
        split(root->higher, addr, &root->higher, higher);
        *lower = root;
    } else {
        split(root->lower, addr, lower, &root->lower);
        *higher = root;
    }
    update(root);
}

/* All of lower are below all of higher. */
static struct xen_memory_device *merge(struct xen_memory_device *lower,
                                       struct xen_memory_device *higher)
{
    if (!lower || !higher)
        return lower ? lower : higher;
    if (lower->rank > higher->rank) {
        lower->higher = merge(lower->higher, higher);
        update(lower);
        return lower;
    }
    higher->lower = merge(lower, higher->lower);
    update(higher);
    return higher;
}

void tree_insert(struct xen_memory_device **root,
                 struct xen_memory_device *device)
{
    struct xen_memory_device *node = *root;

    if (!node || node->rank < device->rank) {
        split(node, device->start, &device->lower, &device->higher);
        update(device);
        *root = device;
        return;
    }
    tree_insert(device->start < node->start ? &node->lower : &node->higher,
                device);
    update(node);
}

void tree_remove(struct xen_memory_device **root,
                 struct xen_memory_device *device)
{
    struct xen_memory_device *node = *root;

    if (node == device) {
        *root = merge(node->lower, node->higher);
        return;
    }
    tree_remove(device->start < node->start ? &node->lower : &node->higher,
                device);
    update(node);
}

struct xen_memory_device *tree_above(struct xen_memory_device *root,
                                     uint64_t addr)
{
    struct xen_memory_device *found = NULL;

    while (root) {
        if (addr < root->start + root->length) {
            found = root;
            root = root->lower;
        } else {
            root = root->higher;
        }
    }
    return found;
}

/* Is there room in [from, to)? */
static bool fits(uint64_t from, uint64_t to, uint64_t size, uint64_t alignment,
                 uint64_t *start)
{
    uint64_t skip = -from & (alignment - 1);

    if (from > to || to - from < skip || to - from - skip < size)
        return false;
    *start = from + skip;
    return true;
}

/* Between the ranges of a subtree, one of whose gaps is long enough. */
static bool fits_inside(const struct xen_memory_device *node, uint64_t size,
                        uint64_t alignment, uint64_t *start)
{
    const struct xen_memory_device *lower = node->lower, *higher = node->higher;

    if (lower &&
        ((lower->gap >= size && fits_inside(lower, size, alignment, start)) ||
         fits(lower->end, node->start, size, alignment, start)))
        return true;
    return higher && (fits(node->start + node->length, higher->first, size,
                           alignment, start) ||
                      (higher->gap >= size &&
                       fits_inside(higher, size, alignment, start)));
}

bool tree_find_gap(const struct xen_memory_device *root, uint64_t base,
                   uint64_t end, uint64_t size, uint64_t alignment,
                   uint64_t *start)
{
    if (!root)
        return fits(base, end, size, alignment, start);
    return fits(base, root->first, size, alignment, start) ||
           (root->gap >= size && fits_inside(root, size, alignment, start)) ||
           fits(root->end, end, size, alignment, start);
}
