/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_VIRTIO_MEM_IMPL_H
#define DM_HW_VIRTIO_MEM_IMPL_H

/*
 * virtio-mem, virtio 1.2, section 5.15: a range of the guest's space, of which
 * the guest has as many blocks as it asked for, and was asked to ask for.  A
 * block that it does not have is absent from its p2m: nothing that the guest
 * does but a request brings it back.
 *
 * mem.c is the device, mem-request.c what its driver asks for.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "dm/hw/virtio/virtio.h"

#include "xenram/memory-device.h"

struct device;
struct options_virtio_mem;
struct xen_ram_block;

/* 5.15.6 */
enum mem_request {
    MEM_PLUG,
    MEM_UNPLUG,
    MEM_UNPLUG_ALL,
    MEM_STATE,
};

struct virtio_mem {
    struct virtio virtio; /* first: pci_function_saved, virtio_saved */
    struct device *device;
    struct xen_memory_device memory;
    struct xen_ram_block *block;
    const struct options_virtio_mem *options;
    const char *label; /* for messages */
    char *name;        /* of the block */
    uint64_t addr, size, block_size;

    uint64_t requested, usable; /* bytes */
    /* As saved, to be compared with what is here. */
    uint64_t saved_addr, saved_size, saved_block_size;
    uint16_t saved_node;

    uv_idle_t *turn; /* active: there may be something to do */
    /* A request that takes several turns. */
    bool busy;
    enum mem_request type;
    uint64_t offset, length, done; /* bytes of the device */
    struct virtio_chain chain;
};

/* The usable part is as large as it has to be, or larger. */
void mem_grow_usable(struct virtio_mem *mem);

/* All that the guest has, whatever its driver is doing. */
void mem_unplug_all(struct virtio_mem *mem);

/* There may be requests: they are done in the turns of the event loop. */
void mem_requests_wait(struct virtio_mem *mem);
/* The driver takes its request back; what it has stays with it. */
void mem_requests_forget(struct virtio_mem *mem);
/* A request that has begun ends now, done or as if it had not begun. */
void mem_requests_settle(struct virtio_mem *mem);

#endif
