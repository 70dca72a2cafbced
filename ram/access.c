/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "xenram/mapcache.h"

/* Where an access goes: memory of ours, or a place in the guest. */
struct place {
    uint8_t *host; /* NULL: the guest's */
    uint64_t gpa;
};

static int find_place(const struct xen_ram *ram,
                      const struct xen_ram_block *block, uint64_t offset,
                      size_t len, struct place *place)
{
    if (offset > block->used_length || len > block->used_length - offset)
        return -ERANGE;
    if (!block->host && (block->gfn == XEN_RAM_NO_GFN || !ram->cache))
        return -EFAULT;
    *place = (struct place){0};
    if (block->host)
        place->host = (uint8_t *)block->host + offset;
    else
        place->gpa = (block->gfn << RAM_PAGE_SHIFT) + offset;
    return 0;
}

int xen_ram_read(struct xen_ram *ram, struct xen_ram_block *block,
                 uint64_t offset, void *buf, size_t len)
{
    struct place place;
    int rc = find_place(ram, block, offset, len, &place);

    if (rc || len == 0)
        return rc;
    if (place.host) {
        memcpy(buf, place.host, len);
        return 0;
    }
    return xen_mapcache_read(ram->cache, place.gpa, buf, len, NULL);
}

int xen_ram_write(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t offset, const void *buf, size_t len)
{
    struct place place;
    int rc = find_place(ram, block, offset, len, &place);
    size_t done = 0;

    if (rc || len == 0)
        return rc;
    if (place.host) {
        memcpy(place.host, buf, len);
        return 0;
    }
    rc = xen_mapcache_write(ram->cache, place.gpa, buf, len, &done);
    xen_ram_mark_dirty(ram, place.gpa, done);
    return rc;
}

static bool touches_rom(const struct xen_ram *ram, uint64_t gpa, size_t len)
{
    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        uint64_t start = b->gfn << RAM_PAGE_SHIFT;

        if (!(b->flags & XEN_RAM_ROM) || b->gfn == XEN_RAM_NO_GFN)
            continue;
        if (gpa < start ? len > start - gpa : gpa - start < b->used_length)
            return true;
    }
    return false;
}

int xen_ram_guest_write(struct xen_ram *ram, uint64_t gpa, const void *buf,
                        size_t len)
{
    size_t done = 0;
    int rc;

    if (len == 0)
        return 0;
    if (touches_rom(ram, gpa, len))
        return -EROFS;
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

const char *xen_ram_path(const struct xen_ram_block *block)
{
    return block->file.path;
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

struct xen_ram_block *xen_ram_find_offset(const struct xen_ram *ram,
                                          uint64_t offset)
{
    for (struct xen_ram_block *b = ram->blocks; b; b = b->next)
        if (offset >= b->offset && offset - b->offset < b->used_length)
            return b;
    return NULL;
}

static struct xen_ram_block *find_private(const struct xen_ram *ram,
                                          uintptr_t host, uint64_t *offset)
{
    for (struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        uintptr_t start = (uintptr_t)b->host;

        if (start && host >= start && host - start < b->used_length) {
            *offset = host - start;
            return b;
        }
    }
    return NULL;
}

struct xen_ram_block *xen_ram_find_host(const struct xen_ram *ram,
                                        const void *host, uint64_t *offset)
{
    struct xen_ram_block *block;
    uint64_t gpa;

    if (!ram->cache || xen_mapcache_gpa(ram->cache, host, &gpa))
        return find_private(ram, (uintptr_t)host, offset);
    block = xen_ram_find_gfn(ram, gpa >> RAM_PAGE_SHIFT);
    if (block)
        *offset = gpa - (block->gfn << RAM_PAGE_SHIFT);
    return block;
}
