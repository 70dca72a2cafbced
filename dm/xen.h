/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_H
#define DM_XEN_H

/*
 * What the device model asks of the hypervisor, guest memory apart: its ioreq
 * server, interrupt lines, power.  Every other file of dm/ calls these and no
 * Xen library.  Functions return 0 or -errno.
 */

#include <stdbool.h>
#include <stdint.h>

struct xen;

/* xen/sched.h, SHUTDOWN_* */
enum xen_shutdown_reason {
    XEN_SHUTDOWN_POWEROFF = 0,
    XEN_SHUTDOWN_REBOOT = 1,
    XEN_SHUTDOWN_CRASH = 3,
};

/* Open the libraries for one domain.  -EACCES, -ENOENT: not in a Xen dom0. */
int xen_open(uint32_t domid, struct xen **out);
void xen_close(struct xen *xen);

/* Number of vCPUs that the domain may have, 1 to 128, or -errno. */
int xen_nr_vcpus(struct xen *xen);

/* Create the ioreq server, without buffered ring, and map its page. */
int xen_ioreq_create(struct xen *xen);
void *xen_ioreq_page(struct xen *xen);
int xen_ioreq_enable(struct xen *xen, bool enable);

/*
 * Claim and release [first, last], inclusive at both ends as Xen has it.  With
 * NULL for xen, of a machine that has no guest, nothing happens.
 */
int xen_ioreq_claim(struct xen *xen, bool mmio, uint64_t first, uint64_t last);
int xen_ioreq_release(struct xen *xen, bool mmio, uint64_t first,
                      uint64_t last);
int xen_ioreq_claim_pci(struct xen *xen, uint8_t devfn);
int xen_ioreq_release_pci(struct xen *xen, uint8_t devfn);

/* Bind the remote port of a vCPU; returns the local port or -errno. */
int xen_evtchn_bind(struct xen *xen, uint32_t remote_port);
int xen_evtchn_fd(struct xen *xen);
/* The next local port that fired, masked until _unmask; -EAGAIN: none. */
int xen_evtchn_pending(struct xen *xen);
int xen_evtchn_unmask(struct xen *xen, int local_port);
int xen_evtchn_notify(struct xen *xen, int local_port);

int xen_isa_irq(struct xen *xen, unsigned line, bool level);
int xen_pci_intx(struct xen *xen, uint8_t devfn, unsigned pin, bool level);
/* link 0 to 3; isa_irq 0 disables */
int xen_pci_link(struct xen *xen, unsigned link, unsigned isa_irq);

/*
 * The interrupt message that a device writes.  Vector 0 is an event channel of
 * the guest's, the number of its pirq in the address: Xen, hvm_inject_msi.
 */
int xen_msi(struct xen *xen, uint64_t address, uint32_t data);

int xen_set_ram_read_only(struct xen *xen, uint64_t first_gfn, uint32_t nr,
                          bool read_only);

int xen_shutdown(struct xen *xen, enum xen_shutdown_reason reason);
/* ACPI S3: vCPUs stop until `system_wakeup`.  Impossible once restricted. */
int xen_sleep(struct xen *xen);
int xen_wake(struct xen *xen);

/* Give up everything but this domain (xentoolcore_restrict_all). */
int xen_restrict(struct xen *xen);

#endif
