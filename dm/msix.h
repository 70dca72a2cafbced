/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MSIX_H
#define DM_MSIX_H

/*
 * MSI-X of a PCI function: PCI Local Bus Specification 3.0, section 6.8.2.
 * Table and pending bits have a memory BAR of their own.
 */

#include <stdbool.h>
#include <stdint.h>

#define MSIX_MAX 4 /* vectors */
#define MSIX_ENTRY 16
#define MSIX_BAR_SIZE 4096u

struct pci_function;

struct msix {
    struct pci_function *function;
    unsigned nr, offset; /* vectors; place of the capability */
    uint8_t table[MSIX_MAX * MSIX_ENTRY];
    uint8_t pending; /* a bit a vector */
};

/* Before pci_add.  msix stays where it is as long as the function. */
void msix_init(struct msix *msix, struct pci_function *function, unsigned bar,
               unsigned nr);
void msix_reset(struct msix *msix);

bool msix_enabled(const struct msix *msix);
/* A vector that there is not sends nothing. */
void msix_notify(struct msix *msix, unsigned vector);
/* After each write to configuration space. */
void msix_written(struct msix *msix);

#endif
