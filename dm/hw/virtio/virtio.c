/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/hw/virtio/virtio-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dm/bus.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/hw/virtio/le.h"

/* 4.1.4.5 */
#define ISR_QUEUE 0x01
#define ISR_CONFIG 0x02

/* 4.1.2 */
#define PCI_VENDOR 0x1af4
#define PCI_FIRST_DEVICE 0x1040

/* BAR 0: a page for each structure. */
#define BAR_SIZE 0x4000u
#define PLACE_COMMON 0x0000
#define PLACE_ISR 0x1000
#define PLACE_DEVICE 0x2000
#define PLACE_NOTIFY 0x3000
#define PLACE_LEN 0x1000

/* 4.1.4 */
#define CAPABILITY_ID 0x09
#define CAPABILITY_LEN 16
/* Notifications: multiplier of a queue's number, 0 here; PCI access: data. */
#define CAPABILITY_MORE 4
#define TYPE_COMMON 1
#define TYPE_NOTIFY 2
#define TYPE_ISR 3
#define TYPE_DEVICE 4
#define TYPE_PCI 5

/* Offsets into a capability. */
#define CAP_BAR 4
#define CAP_OFFSET 8
#define CAP_LENGTH 12
#define CAP_DATA 16

/* ---- interrupts ---- */

static void interrupt(struct virtio *virtio, uint8_t isr, uint16_t vector)
{
    if (msix_enabled(&virtio->msix)) {
        msix_notify(&virtio->msix, vector);
        return;
    }
    virtio->isr |= isr;
    pci_intx(&virtio->pci, true);
}

void virtio_config_changed(struct virtio *virtio, bool tell)
{
    virtio->generation++;
    if (tell && virtio->status & STATUS_DRIVER_OK)
        interrupt(virtio, ISR_CONFIG, virtio->config_vector);
}

void virtio_needs_reset(struct virtio *virtio, int error, const char *why)
{
    log_guest("%s: %s (%s): the device needs a reset", virtio->pci.name, why,
              strerror(-error));
    virtio->status |= STATUS_NEEDS_RESET;
    virtio_config_changed(virtio, true);
}

/* ---- chains ---- */

bool virtio_runs(const struct virtio *virtio)
{
    return virtio->status & STATUS_DRIVER_OK &&
           !(virtio->status & STATUS_NEEDS_RESET) && virtio->queues[0].enabled;
}

bool virtio_take(struct virtio *virtio, struct virtio_chain *chain)
{
    const char *why;
    int ret;

    if (!virtio_runs(virtio))
        return false;
    ret =
        virtio_queue_pop(&virtio->queues[0], virtio->pci.machine, chain, &why);
    if (ret && ret != -EAGAIN)
        virtio_needs_reset(virtio, ret, why);
    return ret == 0;
}

bool virtio_read(struct virtio *virtio, const struct virtio_chain *chain,
                 void *buf, size_t len)
{
    const char *why;
    int ret = virtio_chain_read(chain, virtio->pci.machine, buf, len, &why);

    if (ret)
        virtio_needs_reset(virtio, ret, why);
    return ret == 0;
}

bool virtio_give(struct virtio *virtio, const struct virtio_chain *chain,
                 const void *buf, size_t len)
{
    struct virtio_queue *queue = &virtio->queues[0];
    struct machine *machine = virtio->pci.machine;
    bool wanted = false;
    const char *why;
    int ret = virtio_chain_write(chain, machine, buf, len, &why);

    if (ret == 0)
        ret = virtio_queue_push(queue, machine, chain->head, (uint32_t)len,
                                &wanted, &why);
    if (ret)
        virtio_needs_reset(virtio, ret, why);
    else if (wanted)
        interrupt(virtio, ISR_QUEUE, queue->vector);
    return ret == 0;
}

static uint8_t isr_read(struct virtio *virtio)
{
    uint8_t isr = virtio->isr;

    virtio->isr = 0;
    pci_intx(&virtio->pci, false);
    return isr;
}

/* ---- BAR 0 ---- */

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    struct virtio *virtio = opaque;
    uint64_t place = offset & ~((uint64_t)PLACE_LEN - 1);
    uint8_t bytes[VIRTIO_CONFIG_MAX] = {0};
    unsigned len = 0;

    offset -= place;
    if (place == PLACE_COMMON) {
        virtio_common_show(virtio, bytes);
        len = COMMON_LEN;
    } else if (place == PLACE_DEVICE) {
        virtio->ops->config(virtio, bytes);
        len = virtio->ops->config_size;
    } else if (place == PLACE_ISR && offset == 0) {
        return isr_read(virtio);
    }
    if (offset >= len || size > len - offset)
        return place == PLACE_ISR || place == PLACE_NOTIFY ? 0 : UINT64_MAX;
    return le_get(bytes + offset, size);
}

static void bar_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct virtio *virtio = opaque;

    if (offset < COMMON_LEN && size <= COMMON_LEN - offset)
        virtio_common_write(virtio, offset, size, value);
    else if (offset == PLACE_NOTIFY && virtio_runs(virtio))
        virtio->ops->notified(virtio);
}

static const struct bus_ops bar_ops = {
    .read = bar_read,
    .write = bar_write,
};

/* ---- configuration space ---- */

static unsigned add_capability(struct virtio *virtio, uint8_t type,
                               uint32_t offset, uint32_t length, unsigned more)
{
    uint8_t bytes[CAPABILITY_LEN + CAPABILITY_MORE] = {
        [0] = CAPABILITY_ID,
        [2] = (uint8_t)(CAPABILITY_LEN + more),
        [3] = type,
    };

    le_put(bytes + CAP_OFFSET, offset, 4);
    le_put(bytes + CAP_LENGTH, length, 4);
    return pci_add_capability(&virtio->pci, bytes, CAPABILITY_LEN + more);
}

/* All queues, of which there is one, are notified in one place. */
static void add_capabilities(struct virtio *virtio)
{
    uint8_t *mask = virtio->pci.write_mask;

    add_capability(virtio, TYPE_COMMON, PLACE_COMMON, COMMON_LEN, 0);
    add_capability(virtio, TYPE_NOTIFY, PLACE_NOTIFY, 4, CAPABILITY_MORE);
    add_capability(virtio, TYPE_ISR, PLACE_ISR, 1, 0);
    add_capability(virtio, TYPE_DEVICE, PLACE_DEVICE, virtio->ops->config_size,
                   0);
    virtio->access = add_capability(virtio, TYPE_PCI, 0, 0, CAPABILITY_MORE);
    mask[virtio->access + CAP_BAR] = 0xff;
    memset(mask + virtio->access + CAP_OFFSET, 0xff,
           CAPABILITY_LEN + CAPABILITY_MORE - CAP_OFFSET);
}

/* What the driver chose to reach by configuration space, 4.1.4.9. */
static bool chosen(const struct virtio *virtio, uint64_t *offset,
                   unsigned *size)
{
    const uint8_t *cap = virtio->pci.config + virtio->access;
    uint64_t length = le_get(cap + CAP_LENGTH, 4);

    *offset = le_get(cap + CAP_OFFSET, 4);
    *size = (unsigned)length;
    return cap[CAP_BAR] == 0 && (length == 1 || length == 2 || length == 4) &&
           *offset % length == 0 && *offset < BAR_SIZE;
}

static bool is_data(const struct virtio *virtio, unsigned offset, unsigned size)
{
    unsigned data = virtio->access + CAP_DATA;

    return offset < data + 4 && data < offset + size;
}

static void config_reading(struct pci_function *function, unsigned offset,
                           unsigned size)
{
    struct virtio *virtio = function->opaque;
    uint64_t place;
    unsigned len;

    if (is_data(virtio, offset, size) && chosen(virtio, &place, &len))
        le_put(function->config + virtio->access + CAP_DATA,
               bar_read(virtio, place, len), len);
}

static void config_written(struct pci_function *function, unsigned offset,
                           unsigned size)
{
    struct virtio *virtio = function->opaque;
    uint64_t place;
    unsigned len;

    msix_written(&virtio->msix);
    if (is_data(virtio, offset, size) && chosen(virtio, &place, &len))
        bar_write(virtio, place, len,
                  le_get(function->config + virtio->access + CAP_DATA, len));
}

/* ---- life ---- */

int virtio_init(struct virtio *virtio, struct machine *machine,
                const char *name, uint8_t devfn, const struct virtio_ops *ops)
{
    const struct pci_ids ids = {
        .vendor = PCI_VENDOR,
        .device = (uint16_t)(PCI_FIRST_DEVICE + ops->type),
        .subsystem_vendor = PCI_VENDOR,
        .subsystem = 0x1100,
        .class_code = ops->class_code,
        .revision = 1,
        .pin = 1,
    };

    virtio->ops = ops;
    pci_function_init(&virtio->pci, name, devfn, &ids);
    virtio->pci.reading = config_reading;
    virtio->pci.written = config_written;
    virtio->pci.opaque = virtio;
    virtio->pci.bars[0] = (struct pci_bar){
        .kind = PCI_BAR_MEM,
        .size = BAR_SIZE,
        .ops = &bar_ops,
        .opaque = virtio,
    };
    msix_init(&virtio->msix, &virtio->pci, 1, VIRTIO_QUEUES + 1);
    add_capabilities(virtio);
    virtio_reset_registers(virtio);
    return pci_add(machine, &virtio->pci);
}

void virtio_reset(struct virtio *virtio)
{
    virtio_reset_registers(virtio);
    msix_reset(&virtio->msix);
    pci_reset(&virtio->pci);
}

void virtio_restored(struct virtio *virtio)
{
    pci_function_restore(&virtio->pci);
}

void virtio_fini(struct virtio *virtio)
{
    pci_remove(&virtio->pci);
}

/* ---- saved state ---- */

static int check_saved(const void *opaque, char *text, size_t size)
{
    const struct virtio *staged = opaque;
    const char *why;

    if (staged->status & STATUS_FEATURES_OK && !virtio_features_fit(staged)) {
        snprintf(text, size,
                 "%s: the driver uses features %#" PRIx64 ", here are %#" PRIx64
                 ": restore with the same devices",
                 staged->pci.name, staged->driver_features,
                 virtio_offered(staged));
        return -EINVAL;
    }
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
        if (staged->queues[i].enabled &&
            virtio_queue_check(&staged->queues[i], &why)) {
            snprintf(text, size, "%s: queue %u: %s", staged->pci.name, i, why);
            return -EINVAL;
        }
    return 0;
}

static const struct xen_migrate_field virtio_fields[] = {
    XEN_MIGRATE_ARRAY(BUFFER, virtio, msix.table),
    XEN_MIGRATE_FIELD(U8, virtio, msix.pending),
    XEN_MIGRATE_FIELD(U64, virtio, driver_features),
    XEN_MIGRATE_FIELD(U32, virtio, device_select),
    XEN_MIGRATE_FIELD(U32, virtio, driver_select),
    XEN_MIGRATE_FIELD(U16, virtio, config_vector),
    XEN_MIGRATE_FIELD(U16, virtio, queue_select),
    XEN_MIGRATE_FIELD(U8, virtio, status),
    XEN_MIGRATE_FIELD(U8, virtio, isr),
    XEN_MIGRATE_FIELD(U8, virtio, generation),
    XEN_MIGRATE_FIELD(BOOL, virtio, queues[0].enabled),
    XEN_MIGRATE_FIELD(U16, virtio, queues[0].size),
    XEN_MIGRATE_FIELD(U16, virtio, queues[0].vector),
    XEN_MIGRATE_FIELD(U16, virtio, queues[0].next_avail),
    XEN_MIGRATE_FIELD(U16, virtio, queues[0].next_used),
    XEN_MIGRATE_FIELD(U64, virtio, queues[0].desc),
    XEN_MIGRATE_FIELD(U64, virtio, queues[0].avail),
    XEN_MIGRATE_FIELD(U64, virtio, queues[0].used),
    {.type = XEN_MIGRATE_END},
};

const struct xen_migrate_state virtio_saved = {
    .name = "virtio",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct virtio),
    .fields = virtio_fields,
    .check = check_saved,
};
