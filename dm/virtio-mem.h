/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_VIRTIO_MEM_H
#define DM_VIRTIO_MEM_H

/*
 * What an operator does with a virtio-mem device: the size that the guest is
 * asked to have of it.  The guest follows when it can.
 */

#include <stddef.h>
#include <stdint.h>

struct device;
struct machine;
struct xen_memory_info;

/* The device with this id, or NULL. */
struct device *virtio_mem_find(struct machine *machine, const char *id);

void virtio_mem_info(const struct device *device, struct xen_memory_info *info);
/*
 * bytes: a multiple of the block size, at most the size of the device.
 * -EINVAL: not so; text (size bytes) says it.
 */
int virtio_mem_request(struct device *device, uint64_t bytes, char *text,
                       size_t size);

#endif
