/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dm/xen.h"

struct range {
    uint64_t first, nr;
    const struct bus_ops *ops;
    void *opaque;
};

/* Sorted by first, none overlapping. */
struct space {
    struct range *ranges;
    size_t nr, capacity;
};

struct bus {
    struct xen *xen;
    struct space spaces[2];
};

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

/* Index of the first range that starts above addr. */
static size_t space_above(const struct space *space, uint64_t addr)
{
    size_t low = 0, high = space->nr;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (space->ranges[middle].first > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The range that holds all of [addr, addr + size), or NULL. */
static const struct range *space_find(const struct space *space, uint64_t addr,
                                      unsigned size)
{
    size_t above = space_above(space, addr);
    const struct range *range;

    if (above == 0)
        return NULL;
    range = &space->ranges[above - 1];
    if (addr - range->first >= range->nr ||
        size > range->nr - (addr - range->first))
        return NULL;
    return range;
}

static int space_reserve(struct space *space)
{
    size_t capacity = space->capacity ? space->capacity * 2 : 16;
    struct range *ranges;

    if (space->nr < space->capacity)
        return 0;
    ranges = reallocarray(space->ranges, capacity, sizeof(*ranges));
    if (!ranges)
        return -ENOMEM;
    space->ranges = ranges;
    space->capacity = capacity;
    return 0;
}

int bus_new(struct xen *xen, struct bus **out)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return -ENOMEM;
    bus->xen = xen;
    *out = bus;
    return 0;
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    free(bus->spaces[BUS_PIO].ranges);
    free(bus->spaces[BUS_MMIO].ranges);
    free(bus);
}

int bus_add(struct bus *bus, enum bus_space which, uint64_t first, uint64_t nr,
            const struct bus_ops *ops, void *opaque)
{
    struct space *space = &bus->spaces[which];
    size_t at = space_above(space, first);
    int ret;

    if (nr == 0 || nr - 1 > UINT64_MAX - first)
        return -EINVAL;
    if (at > 0 &&
        first - space->ranges[at - 1].first < space->ranges[at - 1].nr)
        return -EEXIST;
    if (at < space->nr && space->ranges[at].first - first < nr)
        return -EEXIST;

    ret = space_reserve(space);
    if (ret)
        return ret;
    ret = xen_ioreq_claim(bus->xen, which == BUS_MMIO, first, first + nr - 1);
    if (ret)
        return ret;

    memmove(&space->ranges[at + 1], &space->ranges[at],
            (space->nr - at) * sizeof(*space->ranges));
    space->ranges[at] =
        (struct range){.first = first, .nr = nr, .ops = ops, .opaque = opaque};
    space->nr++;
    return 0;
}

int bus_remove(struct bus *bus, enum bus_space which, uint64_t first)
{
    struct space *space = &bus->spaces[which];
    size_t above = space_above(space, first);
    struct range *range;

    if (above == 0 || space->ranges[above - 1].first != first)
        return -ENOENT;
    range = &space->ranges[above - 1];
    xen_ioreq_release(bus->xen, which == BUS_MMIO, first,
                      first + range->nr - 1);
    memmove(range, range + 1, (space->nr - above) * sizeof(*range));
    space->nr--;
    return 0;
}

uint64_t bus_read(struct bus *bus, enum bus_space which, uint64_t addr,
                  unsigned size)
{
    const struct range *range = space_find(&bus->spaces[which], addr, size);
    uint64_t value = 0;

    if (range && range->ops->read)
        return range->ops->read(range->opaque, addr - range->first, size) &
               ones(size);
    if (range || size <= 1)
        return ones(size);
    for (unsigned i = 0; i < size && i < 8; i++)
        value |= bus_read(bus, which, addr + i, 1) << i * 8;
    return value;
}

void bus_write(struct bus *bus, enum bus_space which, uint64_t addr,
               unsigned size, uint64_t value)
{
    const struct range *range = space_find(&bus->spaces[which], addr, size);

    if (range && range->ops->write)
        range->ops->write(range->opaque, addr - range->first, size,
                          value & ones(size));
    if (range || size <= 1)
        return;
    for (unsigned i = 0; i < size && i < 8; i++)
        bus_write(bus, which, addr + i, 1, value >> i * 8);
}

void bus_read_many(struct bus *bus, uint64_t port, unsigned size, void *data,
                   uint32_t nr)
{
    const struct range *range = space_find(&bus->spaces[BUS_PIO], port, size);
    uint8_t *to = data;

    if (range && range->ops->read_many &&
        range->ops->read_many(range->opaque, port - range->first, size, data,
                              nr))
        return;
    for (uint32_t i = 0; i < nr; i++, to += size) {
        uint64_t value = bus_read(bus, BUS_PIO, port, size);

        memcpy(to, &value, size);
    }
}

void bus_write_many(struct bus *bus, uint64_t port, unsigned size,
                    const void *data, uint32_t nr)
{
    const struct range *range = space_find(&bus->spaces[BUS_PIO], port, size);
    const uint8_t *from = data;

    if (range && range->ops->write_many &&
        range->ops->write_many(range->opaque, port - range->first, size, data,
                               nr))
        return;
    for (uint32_t i = 0; i < nr; i++, from += size) {
        uint64_t value = 0;

        memcpy(&value, from, size);
        bus_write(bus, BUS_PIO, port, size, value);
    }
}
