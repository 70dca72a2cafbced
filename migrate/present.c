/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/present.h"

#include <fcntl.h>
#include <unistd.h>

#include "xenram/ram.h"

/* Linux, Documentation/admin-guide/mm/pagemap.rst; mincore misses swap. */
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

static void read_entries(struct present *present, uint64_t page)
{
    const size_t size = sizeof(present->entries[0]);
    uint64_t first = page - page % PRESENT_PAGES;
    ssize_t n = pread(present->fd, present->entries, sizeof(present->entries),
                      (off_t)(first * size));

    present->first = first;
    present->nr = n > 0 ? (uint64_t)n / size : 0;
    if (page - first >= present->nr) {
        present_close(present);
        present->fd = -1;
    }
}

bool present_page(struct present *present, const void *host)
{
    uint64_t page = (uintptr_t)host / XEN_RAM_PAGE_SIZE;

    if (present->fd >= 0 && page - present->first >= present->nr)
        read_entries(present, page);
    if (present->fd < 0)
        return true;
    return present->entries[page - present->first] & (IN_MEMORY | IN_SWAP);
}
