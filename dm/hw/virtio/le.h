/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_VIRTIO_LE_H
#define DM_HW_VIRTIO_LE_H

/* Little-endian numbers of 1 to 8 bytes, as all of virtio 1.2 has them. */

#include <stdint.h>

static inline void le_put(uint8_t *bytes, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t le_get(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

#endif
