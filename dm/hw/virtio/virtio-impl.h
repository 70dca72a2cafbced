/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_VIRTIO_VIRTIO_IMPL_H
#define DM_HW_VIRTIO_VIRTIO_IMPL_H

/* Shared by the files of the transport only. */

#include "dm/hw/virtio/virtio.h"

/* virtio 1.2, 2.1 */
#define STATUS_DRIVER_OK 0x04
#define STATUS_FEATURES_OK 0x08
#define STATUS_NEEDS_RESET 0x40
#define STATUS_OF_DRIVER 0x8f

#define COMMON_LEN 0x38 /* of the common structure, 4.1.4.3 */

uint64_t virtio_offered(const struct virtio *virtio);
/* May the device work with what the driver takes of that? */
bool virtio_features_fit(const struct virtio *virtio);

/* As at power-on. */
void virtio_reset_registers(struct virtio *virtio);

/* [offset, offset + size) is inside of the common structure. */
void virtio_common_write(struct virtio *virtio, uint64_t offset, unsigned size,
                         uint64_t value);
void virtio_common_show(const struct virtio *virtio, uint8_t bytes[COMMON_LEN]);

/* The driver broke a rule. */
void virtio_needs_reset(struct virtio *virtio, int error, const char *why);

#endif
