/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_VIRTIO_VIRTIO_H
#define DM_HW_VIRTIO_VIRTIO_H

/*
 * A virtio device as a PCI function: virtio 1.2, sections 2 and 4.1, modern
 * interface only.  Registers are in BAR 0, MSI-X in BAR 1.
 *
 * A driver that breaks a rule makes its device need a reset: the device says so
 * in its status, and does nothing more until the driver resets it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "dm/hw/virtio/queue.h"
#include "dm/msix.h"
#include "dm/pci.h"

#define VIRTIO_QUEUES 1
#define VIRTIO_CONFIG_MAX 64 /* bytes of a device's configuration */

struct virtio;

struct virtio_ops {
    uint16_t type; /* virtio 1.2, section 5 */
    uint32_t class_code;
    unsigned config_size;
    uint64_t features; /* offered; each below bit 24 is the device's own */
    uint64_t needed;   /* of these, without which it does not work */

    /* Its configuration as of now, little-endian; drivers only read it. */
    void (*config)(struct virtio *virtio, uint8_t bytes[VIRTIO_CONFIG_MAX]);
    /* There may be chains in the queue. */
    void (*notified)(struct virtio *virtio);
    /* The driver lets go of everything: chains it gave are void. */
    void (*reset)(struct virtio *virtio);
};

/* First in the state of a device. */
struct virtio {
    struct pci_function pci; /* first: pci_function_saved */
    struct msix msix;
    const struct virtio_ops *ops;
    unsigned access; /* place of the capability that shows BAR 0 */

    uint64_t driver_features;
    uint32_t device_select, driver_select; /* words of features */
    uint16_t config_vector, queue_select;
    uint8_t status, isr, generation;
    struct virtio_queue queues[VIRTIO_QUEUES];
};

/* Saved fields: a subsection, beside pci_function_saved. */
extern const struct xen_migrate_state virtio_saved;

/* name is not copied.  As pci_add. */
int virtio_init(struct virtio *virtio, struct machine *machine,
                const char *name, uint8_t devfn, const struct virtio_ops *ops);
void virtio_reset(struct virtio *virtio);
void virtio_restored(struct virtio *virtio);
void virtio_fini(struct virtio *virtio);

/* May the device take chains now? */
bool virtio_runs(const struct virtio *virtio);

/* As virtio_queue_pop; false: none waits, or the driver broke a rule. */
bool virtio_take(struct virtio *virtio, struct virtio_chain *chain);
/*
 * Of len bytes of the chain; false: the driver broke a rule.  virtio_give also
 * writes them as the response, and tells the driver.
 */
bool virtio_read(struct virtio *virtio, const struct virtio_chain *chain,
                 void *buf, size_t len);
bool virtio_give(struct virtio *virtio, const struct virtio_chain *chain,
                 const void *buf, size_t len);

/* Its configuration is another one now; tell: the driver is to look at it. */
void virtio_config_changed(struct virtio *virtio, bool tell);

#endif
