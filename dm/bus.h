/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BUS_H
#define DM_BUS_H

/*
 * Port and memory ranges, and who answers for them.  Adding a range claims it
 * from Xen too; what nobody claims never reaches us.
 */

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct xen;

enum bus_space { BUS_PIO, BUS_MMIO };

/*
 * size is 1, 2, 4 or 8 (ports: up to 4); offset counts from the start of the
 * range and offset + size stays inside it.  Only the low size bytes of a value
 * count.  NULL read: all ones; NULL write: dropped.  A handler must be ready
 * for any offset, size and value.
 *
 * read_many and write_many, of a port that has much to move, stand for nr
 * accesses of a string instruction to one offset; data is as memory has it.
 * They return false, with nothing done, when they are not for that offset and
 * size.  May be NULL.
 */
struct bus_ops {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, unsigned size, uint64_t value);
    bool (*read_many)(void *opaque, uint64_t offset, unsigned size, void *data,
                      uint32_t nr);
    bool (*write_many)(void *opaque, uint64_t offset, unsigned size,
                       const void *data, uint32_t nr);
};

int bus_new(struct xen *xen, struct bus **out);
void bus_free(struct bus *bus);

/* [first, first + nr).  -EEXIST: overlaps; -ENOMEM; or what Xen gave. */
int bus_add(struct bus *bus, enum bus_space space, uint64_t first, uint64_t nr,
            const struct bus_ops *ops, void *opaque);
/* Forget the range that starts at first.  -ENOENT. */
int bus_remove(struct bus *bus, enum bus_space space, uint64_t first);

/* An access that crosses ranges is split into bytes; holes read as ones. */
uint64_t bus_read(struct bus *bus, enum bus_space space, uint64_t addr,
                  unsigned size);
void bus_write(struct bus *bus, enum bus_space space, uint64_t addr,
               unsigned size, uint64_t value);

/* nr accesses to a port, one after the other; data has nr * size bytes. */
void bus_read_many(struct bus *bus, uint64_t port, unsigned size, void *data,
                   uint32_t nr);
void bus_write_many(struct bus *bus, uint64_t port, unsigned size,
                    const void *data, uint32_t nr);

#endif
