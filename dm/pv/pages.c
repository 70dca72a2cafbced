/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/pages.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

int pages_init(struct pages *pages)
{
    void *base = mmap(NULL, PAGES_MAX * PAGES_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return -ENOMEM;
    pages->base = base;
    pages->nr_free = PAGES_MAX;
    for (unsigned i = 0; i < PAGES_MAX; i++)
        pages->free[i] = (uint16_t)(PAGES_MAX - 1 - i);
    return 0;
}

void pages_fini(struct pages *pages)
{
    if (!pages->base)
        return;
    assert(pages->nr_free == PAGES_MAX);
    munmap(pages->base, PAGES_MAX * PAGES_SIZE);
    pages->base = NULL;
}

void *pages_get(struct pages *pages)
{
    return pages->base + (size_t)pages->free[--pages->nr_free] * PAGES_SIZE;
}

void pages_put(struct pages *pages, void *page)
{
    size_t offset = (size_t)((uint8_t *)page - pages->base);

    pages->free[pages->nr_free++] = (uint16_t)(offset / PAGES_SIZE);
}
