/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/hw/virtio/virtio-impl.h"

#include <inttypes.h>

#include "dm/log.h"
#include "dm/hw/virtio/le.h"

/* Section 6 */
#define FEATURE_VERSION_1 (UINT64_C(1) << 32)

#define NO_VECTOR 0xffff

/* 4.1.4.3: offsets into the common structure. */
#define COMMON_DEVICE_SELECT 0x00
#define COMMON_DEVICE_FEATURES 0x04
#define COMMON_DRIVER_SELECT 0x08
#define COMMON_DRIVER_FEATURES 0x0c
#define COMMON_CONFIG_VECTOR 0x10
#define COMMON_NR_QUEUES 0x12
#define COMMON_STATUS 0x14
#define COMMON_GENERATION 0x15
#define COMMON_QUEUE_SELECT 0x16
#define COMMON_QUEUE_SIZE 0x18
#define COMMON_QUEUE_VECTOR 0x1a
#define COMMON_QUEUE_ENABLE 0x1c
#define COMMON_QUEUE_NOTIFY 0x1e
#define COMMON_QUEUE_DESC 0x20
#define COMMON_QUEUE_AVAIL 0x28
#define COMMON_QUEUE_USED 0x30

uint64_t virtio_offered(const struct virtio *virtio)
{
    return virtio->ops->features | FEATURE_VERSION_1;
}

void virtio_reset_registers(struct virtio *virtio)
{
    virtio->driver_features = 0;
    virtio->device_select = 0;
    virtio->driver_select = 0;
    virtio->config_vector = NO_VECTOR;
    virtio->queue_select = 0;
    virtio->status = 0;
    virtio->isr = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
        virtio->queues[i] = (struct virtio_queue){
            .size = VIRTIO_QUEUE_MAX,
            .vector = NO_VECTOR,
        };
}

static void reset_by_driver(struct virtio *virtio)
{
    virtio_reset_registers(virtio);
    pci_intx(&virtio->pci, false);
    virtio->ops->reset(virtio);
}

bool virtio_features_fit(const struct virtio *virtio)
{
    uint64_t needed = virtio->ops->needed | FEATURE_VERSION_1;

    return !(virtio->driver_features & ~virtio_offered(virtio)) &&
           (virtio->driver_features & needed) == needed;
}

/* Bits come one after the other; none goes but by a reset. */
static void write_status(struct virtio *virtio, uint8_t value)
{
    uint8_t added = value & STATUS_OF_DRIVER & (uint8_t)~virtio->status;

    if (value == 0) {
        reset_by_driver(virtio);
        return;
    }
    if (added & STATUS_FEATURES_OK && !virtio_features_fit(virtio)) {
        log_guest("%s: the driver wants features %#" PRIx64 " of %#" PRIx64,
                  virtio->pci.name, virtio->driver_features,
                  virtio_offered(virtio));
        added &= (uint8_t)~STATUS_FEATURES_OK;
    }
    if (!((virtio->status | added) & STATUS_FEATURES_OK))
        added &= (uint8_t)~STATUS_DRIVER_OK;
    virtio->status |= added;
    /* It may have put chains there before. */
    if (added & STATUS_DRIVER_OK && virtio_runs(virtio))
        virtio->ops->notified(virtio);
}

static uint16_t vector(const struct virtio *virtio, uint64_t value)
{
    return value < virtio->msix.nr ? (uint16_t)value : NO_VECTOR;
}

static void enable_queue(struct virtio *virtio, struct virtio_queue *queue)
{
    const char *why;
    int ret = virtio_queue_check(queue, &why);

    if (ret)
        virtio_needs_reset(virtio, ret, why);
    else
        queue->enabled = true;
}

/* Of the queue that is selected; all but its vector is fixed once enabled. */
static void write_queue(struct virtio *virtio, uint64_t offset, unsigned size,
                        uint64_t value)
{
    struct virtio_queue *queue = &virtio->queues[virtio->queue_select];
    uint8_t address[24];

    if (virtio->queue_select >= VIRTIO_QUEUES)
        return;
    if (offset == COMMON_QUEUE_VECTOR && size == 2) {
        queue->vector = vector(virtio, value);
    } else if (queue->enabled) {
        return;
    } else if (offset == COMMON_QUEUE_SIZE && size == 2) {
        queue->size = (uint16_t)value;
    } else if (offset == COMMON_QUEUE_ENABLE && size == 2) {
        if (value == 1)
            enable_queue(virtio, queue);
    } else if (offset >= COMMON_QUEUE_DESC && size >= 4) {
        le_put(address, queue->desc, 8);
        le_put(address + 8, queue->avail, 8);
        le_put(address + 16, queue->used, 8);
        le_put(address + (offset - COMMON_QUEUE_DESC), value, size);
        queue->desc = le_get(address, 8);
        queue->avail = le_get(address + 8, 8);
        queue->used = le_get(address + 16, 8);
    }
}

static void write_features(struct virtio *virtio, uint64_t value)
{
    unsigned shift = 32 * virtio->driver_select;

    if (virtio->driver_select > 1 || virtio->status & STATUS_FEATURES_OK)
        return;
    virtio->driver_features &= ~(UINT64_C(0xffffffff) << shift);
    virtio->driver_features |= (value & UINT32_MAX) << shift;
}

void virtio_common_write(struct virtio *virtio, uint64_t offset, unsigned size,
                         uint64_t value)
{
    if (offset == COMMON_DEVICE_SELECT && size == 4)
        virtio->device_select = (uint32_t)value;
    else if (offset == COMMON_DRIVER_SELECT && size == 4)
        virtio->driver_select = (uint32_t)value;
    else if (offset == COMMON_DRIVER_FEATURES && size == 4)
        write_features(virtio, value);
    else if (offset == COMMON_CONFIG_VECTOR && size == 2)
        virtio->config_vector = vector(virtio, value);
    else if (offset == COMMON_STATUS && size == 1)
        write_status(virtio, (uint8_t)value);
    else if (offset == COMMON_QUEUE_SELECT && size == 2)
        virtio->queue_select = (uint16_t)value;
    else if (offset >= COMMON_QUEUE_SIZE)
        write_queue(virtio, offset, size, value);
}

static uint32_t word(uint64_t features, uint32_t select)
{
    return select > 1 ? 0 : (uint32_t)(features >> 32 * select);
}

void virtio_common_show(const struct virtio *virtio, uint8_t bytes[COMMON_LEN])
{
    const struct virtio_queue none = {.vector = NO_VECTOR}, *queue = &none;

    if (virtio->queue_select < VIRTIO_QUEUES)
        queue = &virtio->queues[virtio->queue_select];
    le_put(bytes + COMMON_DEVICE_SELECT, virtio->device_select, 4);
    le_put(bytes + COMMON_DEVICE_FEATURES,
           word(virtio_offered(virtio), virtio->device_select), 4);
    le_put(bytes + COMMON_DRIVER_SELECT, virtio->driver_select, 4);
    le_put(bytes + COMMON_DRIVER_FEATURES,
           word(virtio->driver_features, virtio->driver_select), 4);
    le_put(bytes + COMMON_CONFIG_VECTOR, virtio->config_vector, 2);
    le_put(bytes + COMMON_NR_QUEUES, VIRTIO_QUEUES, 2);
    bytes[COMMON_STATUS] = virtio->status;
    bytes[COMMON_GENERATION] = virtio->generation;
    le_put(bytes + COMMON_QUEUE_SELECT, virtio->queue_select, 2);
    le_put(bytes + COMMON_QUEUE_SIZE, queue->size, 2);
    le_put(bytes + COMMON_QUEUE_VECTOR, queue->vector, 2);
    le_put(bytes + COMMON_QUEUE_ENABLE, queue->enabled, 2);
    le_put(bytes + COMMON_QUEUE_NOTIFY, 0, 2);
    le_put(bytes + COMMON_QUEUE_DESC, queue->desc, 8);
    le_put(bytes + COMMON_QUEUE_AVAIL, queue->avail, 8);
    le_put(bytes + COMMON_QUEUE_USED, queue->used, 8);
}
