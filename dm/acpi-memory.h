/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_ACPI_MEMORY_H
#define DM_ACPI_MEMORY_H

/*
 * An ACPI table (SSDT) with memory devices, PNP0C80: how a guest learns of
 * memory that is in no firmware map.  ACPI 6.4, 9.11 and 20.2.
 */

#include <stddef.h>
#include <stdint.h>

#define ACPI_MEMORY_MAX 16 /* devices in a table */
#define ACPI_MEMORY_TABLE_MAX 2048

struct acpi_memory {
    uint64_t addr, size; /* bytes, size is not 0 */
    uint32_t node;       /* proximity domain */
};

/* Bytes of the table that nr devices make, at most ACPI_MEMORY_TABLE_MAX. */
size_t acpi_memory_table(const struct acpi_memory *devices, unsigned nr,
                         uint8_t table[ACPI_MEMORY_TABLE_MAX]);

#endif
