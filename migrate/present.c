/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/present.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
#define IN_MEMORY (UINT64_C(1) << 63)
#define IN_SWAP (UINT64_C(1) << 62)

void present_open(struct present *present)
{
    present->fd = -1;
    present->first = 0;
    present->nr = 0;
    /* Its pages would not be ours. */
    if (sysconf(_SC_PAGESIZE) == XEN_RAM_PAGE_SIZE)
        present->fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

void present_close(struct present *present)
{
    if (present->fd >= 0)
        close(present->fd);
}

void present_forget(struct present *present)
{
    present->nr = 0;
}

/* Of a page in memory mincore is quick to say so; one in swap it misses. */
static void ask_mincore(struct present *present, uint64_t page)
{
    present->first = page - page % PRESENT_PAGES;
    present->nr = PRESENT_PAGES;
    present->has_entries = false;
    if (mincore((void *)(present->first * XEN_RAM_PAGE_SIZE),
                PRESENT_PAGES * XEN_RAM_PAGE_SIZE, present->resident) < 0)
        memset(present->resident, 0, sizeof(present->resident));
}

static void ask_pagemap(struct present *present)
{
    const off_t at = (off_t)(present->first * sizeof(present->entries[0]));

    present->has_entries = true;
    if (pread(present->fd, present->entries, sizeof(present->entries), at) ==
        sizeof(present->entries))
        return;
    present_close(present);
    present->fd = -1;
}

static bool is_present(struct present *present, const uint8_t *host)
{
    uint64_t page = (uintptr_t)host / XEN_RAM_PAGE_SIZE;

    if (present->fd < 0)
        return true;
    if (page - present->first >= present->nr)
        ask_mincore(present, page);
    if (present->resident[page - present->first] & 1)
        return true;

    if (!present->has_entries)
        ask_pagemap(present);
    return present->fd < 0 ||
           present->entries[page - present->first] & (IN_MEMORY | IN_SWAP);
}

/*
 * Memory that can be resized is the list's own.  Other memory may be a file's,
 * and pages of that which were never touched have content too.
 */
bool present_absent(struct present *present, const struct xen_ram_block *block,
                    const uint8_t *page)
{
    return xen_ram_get_flags(block) & XEN_RAM_RESIZEABLE &&
           !is_present(present, page);
}

bool present_is_zero(const uint8_t *page)
{
    static const uint8_t zeroes[XEN_RAM_PAGE_SIZE];

    return memcmp(page, zeroes, sizeof(zeroes)) == 0;
}
