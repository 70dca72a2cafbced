/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <string.h>

#include "xenram/mapcache.h"

static int check_access(const struct xen_ram_block *block, uint64_t offset,
                        size_t len)
{
    if (offset > block->used_length || len > block->used_length - offset)
        return -ERANGE;
    if (block->kind != XEN_RAM_PRIVATE && block->gfn == XEN_RAM_NO_GFN)
        return -EFAULT;
    return 0;
}

int xen_ram_read(struct xen_ram *ram, struct xen_ram_block *block,
                 uint64_t offset, void *buf, size_t len)
{
    int rc = check_access(block, offset, len);

    if (rc || len == 0)
        return rc;
    if (block->kind == XEN_RAM_PRIVATE) {
        memcpy(buf, (uint8_t *)block->host + offset, len);
        return 0;
    }
    return xen_mapcache_read(
        ram->cache, (block->gfn << RAM_PAGE_SHIFT) + offset, buf, len, NULL);
}

int xen_ram_write(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t offset, const void *buf, size_t len)
{
    uint64_t gpa = (block->gfn << RAM_PAGE_SHIFT) + offset;
    int rc = check_access(block, offset, len);
    size_t done = 0;

    if (rc || len == 0)
        return rc;
    if (block->kind == XEN_RAM_PRIVATE) {
        memcpy((uint8_t *)block->host + offset, buf, len);
        return 0;
    }
    rc = xen_mapcache_write(ram->cache, gpa, buf, len, &done);
    xen_ram_mark_dirty(ram, gpa, done);
    return rc;
}

void *xen_ram_host(const struct xen_ram_block *block)
{
    return block->host;
}

const char *xen_ram_idstr(const struct xen_ram_block *block)
{
    return block->idstr;
}

enum xen_ram_kind xen_ram_get_kind(const struct xen_ram_block *block)
{
    return block->kind;
}

unsigned xen_ram_get_flags(const struct xen_ram_block *block)
{
    return block->flags;
}

uint64_t xen_ram_gfn(const struct xen_ram_block *block)
{
    return block->gfn;
}

uint64_t xen_ram_offset(const struct xen_ram_block *block)
{
    return block->offset;
}

uint64_t xen_ram_size(const struct xen_ram_block *block)
{
    return block->size;
}

uint64_t xen_ram_used_length(const struct xen_ram_block *block)
{
    return block->used_length;
}

uint64_t xen_ram_max_length(const struct xen_ram_block *block)
{
    return block->max_length;
}

struct xen_ram_block *xen_ram_next(const struct xen_ram *ram,
                                   const struct xen_ram_block *block)
{
    return block ? block->next : ram->blocks;
}

struct xen_ram_block *xen_ram_find(const struct xen_ram *ram, const char *idstr)
{
    for (struct xen_ram_block *b = ram->blocks; b; b = b->next)
        if (strcmp(b->idstr, idstr) == 0)
            return b;
    return NULL;
}

struct xen_ram_block *xen_ram_find_gfn(const struct xen_ram *ram, uint64_t gfn)
{
    for (struct xen_ram_block *b = ram->blocks; b; b = b->next)
        if (b->gfn != XEN_RAM_NO_GFN && gfn >= b->gfn &&
            gfn - b->gfn < b->used_length >> RAM_PAGE_SHIFT)
            return b;
    return NULL;
}
