/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_BYTEWISE_H
#define DM_HW_BYTEWISE_H

/*
 * Wider accesses to registers of one byte each: lowest address first, as the
 * ISA bus splits them.
 */

#include <stdint.h>

static inline uint64_t bytewise_read(uint8_t (*read)(void *, uint64_t),
                                     void *opaque, uint64_t offset,
                                     unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && i < 8; i++)
        value |= (uint64_t)read(opaque, offset + i) << 8 * i;
    return value;
}

static inline void bytewise_write(void (*write)(void *, uint64_t, uint8_t),
                                  void *opaque, uint64_t offset, unsigned size,
                                  uint64_t value)
{
    for (unsigned i = 0; i < size && i < 8; i++)
        write(opaque, offset + i, (uint8_t)(value >> 8 * i));
}

#endif
