/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_PRESENT_H
#define MIGRATE_PRESENT_H

/*
 * Which pages of our own memory were ever written, as Linux tells.  To read one
 * that was not would only cost a fault and page tables.
 */

#include <stdbool.h>
#include <stdint.h>

#include "xenram/ram.h"

#define PRESENT_PAGES 512u

struct present {
    int fd;         /* -1: it cannot be asked, all pages count as written */
    uint64_t first; /* page number that both tables start with */
    uint64_t nr;
    bool has_entries;
    unsigned char resident[PRESENT_PAGES];
    uint64_t entries[PRESENT_PAGES];
};

void present_open(struct present *present);
void present_close(struct present *present);

/* Ask anew: others may have written. */
void present_forget(struct present *present);

/* Nobody ever wrote this page of a private block: it reads as zero. */
bool present_absent(struct present *present, const struct xen_ram_block *block,
                    const uint8_t *page);

bool present_is_zero(const uint8_t *page);

#endif
