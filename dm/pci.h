/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PCI_H
#define DM_PCI_H

/*
 * PCI bus 0: configuration space, BARs that follow what the guest programs,
 * INTx.  PCI Local Bus Specification 3.0, chapter 6.
 */

#include <stdbool.h>
#include <stdint.h>

#include "dm/bus.h"

#include "xenram/migrate.h"

struct machine;
struct xen_ram_block;

#define PCI_DEVFN(dev, fn) ((uint8_t)((dev) << 3 | (fn)))
#define PCI_NR_BARS 7 /* 0 to 5, and the expansion ROM */
#define PCI_ROM_BAR 6
#define PCI_CAPABILITIES 0x40 /* offset of the first */
#define PCI_MAX_CAPABILITIES 192

enum pci_bar_kind {
    PCI_BAR_NONE,
    PCI_BAR_IO,
    PCI_BAR_MEM, /* 32 bits */
    PCI_BAR_MEM_PREFETCH,
    PCI_BAR_ROM,
};

/*
 * What answers while the BAR is enabled: ops on the bus, or a guest-visible
 * block that is relocated there and back to home_gfn, or (both NULL) nothing:
 * the BAR is address space only.
 */
struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size; /* a power of two; I/O at least 4, memory 16, ROM 2048 */
    const struct bus_ops *ops;
    void *opaque;
    struct xen_ram_block *block;
    uint64_t home_gfn;
    uint64_t mapped; /* address in effect, PCI_UNMAPPED when off */
};
#define PCI_UNMAPPED UINT64_MAX

struct pci_ids {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code; /* 24 bits: class, subclass, interface */
    uint8_t revision;
    uint8_t pin; /* 0: none; 1: INTA */
};

struct pci_function {
    const char *name;
    struct pci_ids ids;
    uint8_t devfn;
    uint8_t config[256];
    uint8_t write_mask[256]; /* bits that a plain write changes */
    uint8_t clear_mask[256]; /* bits that writing 1 clears */
    struct pci_bar bars[PCI_NR_BARS];
    bool intx; /* level of its pin */
    /* As they were added; what of them is read-only is never otherwise. */
    uint8_t capabilities[PCI_MAX_CAPABILITIES];
    unsigned capabilities_len;

    /* Before a read of [offset, offset + size).  May be NULL. */
    void (*reading)(struct pci_function *function, unsigned offset,
                    unsigned size);
    /* After a write that changed [offset, offset + size).  May be NULL. */
    void (*written)(struct pci_function *function, unsigned offset,
                    unsigned size);
    void *opaque;
    struct machine *machine;
    bool present; /* false: reads as ones (unplugged) */
};

/*
 * Saved fields of a function: a subsection table to share among devices.  The
 * function is the first member of such a device's state.
 */
extern const struct xen_migrate_state pci_function_saved;

/* Set header fields and the standard masks; BARs are the caller's. */
void pci_function_init(struct pci_function *function, const char *name,
                       uint8_t devfn, const struct pci_ids *ids);

/*
 * Append a capability of len bytes to the list; its first byte is its id, the
 * second is filled in.  Returns its offset.  All of it is read-only until the
 * caller says otherwise in write_mask.
 */
unsigned pci_add_capability(struct pci_function *function, const void *bytes,
                            unsigned len);

/* Put the function on the bus and claim it.  -EEXIST; or what Xen gave. */
int pci_add(struct machine *machine, struct pci_function *function);
/*
 * Give BAR nr of a function that is on the bus something else to show, or
 * another size; PCI_BAR_NONE takes it off.  What config holds stays, cut to the
 * new size, and counts from its next write or pci_function_restore on.
 */
void pci_set_bar(struct pci_function *function, unsigned nr,
                 const struct pci_bar *bar);
/* It vanishes: BARs unmapped, claim released. */
void pci_remove(struct pci_function *function);

void pci_reset(struct pci_function *function);
/* Map BARs as config says, re-assert the pin: after a load. */
void pci_function_restore(struct pci_function *function);

void pci_intx(struct pci_function *function, bool level);

uint32_t pci_config_read(struct machine *machine, uint8_t devfn,
                         unsigned offset, unsigned size);
void pci_config_write(struct machine *machine, uint8_t devfn, unsigned offset,
                      unsigned size, uint32_t value);

#endif
