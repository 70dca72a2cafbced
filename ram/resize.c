/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ram/private.h"

static int check_size(struct xen_ram *ram, const struct xen_ram_block *block,
                      uint64_t size)
{
    if (size == 0 ||
        (size != block->size && !(block->flags & XEN_RAM_RESIZEABLE))) {
        return ram_fail(ram, -EINVAL,
                        "Length mismatch: block '%s' has 0x%" PRIx64
                        " bytes here and 0x%" PRIx64
                        " there, and cannot be resized: use the same image on "
                        "both sides",
                        block->idstr, block->size, size);
    }
    if (size > block->max_length) {
        return ram_fail(ram, -E2BIG,
                        "Length too large: block '%s' has 0x%" PRIx64
                        " bytes here and 0x%" PRIx64
                        " there, and can have 0x%" PRIx64 ": raise its maximum",
                        block->idstr, block->size, size, block->max_length);
    }
    return 0;
}

/* Is memory of this block ours to add and remove now? */
static bool has_memory(const struct xen_ram_block *block)
{
    return block->kind == XEN_RAM_PRIVATE ||
           (block->kind == XEN_RAM_VISIBLE && block->gfn != XEN_RAM_NO_GFN);
}

static int memory_remove(struct xen_ram *ram, struct xen_ram_block *block,
                         uint64_t from, uint64_t to)
{
    int rc;

    if (from == to || !has_memory(block))
        return 0;
    if (block->kind == XEN_RAM_VISIBLE) {
        return ram_pages_remove(ram, block, to >> RAM_PAGE_SHIFT,
                                (from - to) >> RAM_PAGE_SHIFT);
    }
    rc = private_shrink(block->host, from, to);
    if (rc) {
        return ram_fail(ram, rc,
                        "block '%s': cannot shrink from 0x%" PRIx64
                        " to 0x%" PRIx64 " bytes: %s",
                        block->idstr, from, to, strerror(-rc));
    }
    return 0;
}

static int memory_add(struct xen_ram *ram, struct xen_ram_block *block,
                      uint64_t from, uint64_t to)
{
    int rc;

    if (from == to || !has_memory(block))
        return 0;
    if (block->kind == XEN_RAM_VISIBLE) {
        return ram_pages_add(ram, block, from >> RAM_PAGE_SHIFT,
                             (to - from) >> RAM_PAGE_SHIFT);
    }
    rc = private_grow(block->host, from, to, block->flags);
    if (rc) {
        return ram_fail(ram, rc,
                        "block '%s': no memory to grow from 0x%" PRIx64
                        " to 0x%" PRIx64 " bytes: %s",
                        block->idstr, from, to, strerror(-rc));
    }
    return 0;
}

/* What lies between the old size and the end of its page may be anything. */
static int clear_tail(struct xen_ram *ram, struct xen_ram_block *block,
                      uint64_t size)
{
    static const uint8_t zeroes[XEN_RAM_PAGE_SIZE];
    uint64_t end = size < block->used_length ? size : block->used_length;
    int rc;

    if (end == block->size || !has_memory(block))
        return 0;
    rc = xen_ram_write(ram, block, block->size, zeroes,
                       (size_t)(end - block->size));
    if (rc) {
        return ram_fail(ram, rc,
                        "block '%s': bytes from 0x%" PRIx64
                        " on cannot be cleared: %s",
                        block->idstr, block->size, strerror(-rc));
    }
    return 0;
}

static void set_size(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t size)
{
    uint64_t old = block->used_length;

    block->size = size;
    block->used_length = ram_round_up(size);
    ram_notify_resized(ram, block, old, block->used_length);
}

static int pin_resized(struct xen_ram *ram, struct xen_ram_block *block,
                       uint64_t new_length)
{
    struct ram_span from = ram_span_of(block), to = from;

    if (from.nr)
        to.nr = new_length >> RAM_PAGE_SHIFT;
    return ram_pin_cache(ram, block, from, to);
}

static int grow(struct xen_ram *ram, struct xen_ram_block *block, uint64_t size)
{
    uint64_t from = block->used_length, to = ram_round_up(size);
    int rc = 0;

    if (block->gfn != XEN_RAM_NO_GFN)
        rc = ram_check_gfns(ram, block, block->idstr, block->gfn, to);
    if (rc == 0)
        rc = memory_add(ram, block, from, to);
    if (rc)
        goto err_prepare;
    rc = clear_tail(ram, block, size);
    if (rc == 0)
        rc = pin_resized(ram, block, to);
    if (rc)
        goto err_memory;
    set_size(ram, block, size);
    return 0;

err_memory:
    ram->undoing = true;
    (void)memory_remove(ram, block, to, from);
    ram->undoing = false;
err_prepare:
    ram_notify_abandoned(ram, block, to);
    return rc;
}

static int shrink(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t size)
{
    uint64_t old_size = block->size, from = block->used_length;
    uint64_t to = ram_round_up(size);
    int rc = pin_resized(ram, block, to);

    if (rc) {
        ram_notify_abandoned(ram, block, to);
        return rc;
    }
    set_size(ram, block, size);
    rc = memory_remove(ram, block, from, to);
    if (rc) {
        ram->undoing = true;
        (void)pin_resized(ram, block, from);
        ram->undoing = false;
        set_size(ram, block, old_size);
    }
    return rc;
}

static int prepare(struct xen_ram *ram, struct xen_ram_block *block,
                   uint64_t size)
{
    char reason[XEN_RAM_REASON_MAX];
    int rc = ram_notify_prepare(ram, block, ram_round_up(size), reason);

    if (rc) {
        return ram_fail(ram, rc,
                        "block '%s': a user of it refuses to go from 0x%" PRIx64
                        " to 0x%" PRIx64 " bytes: %s",
                        block->idstr, block->size, size,
                        reason[0] ? reason : strerror(-rc));
    }
    return 0;
}

int xen_ram_resize(struct xen_ram *ram, struct xen_ram_block *block,
                   uint64_t size)
{
    int rc;

    if (ram->phase == XEN_RAM_RUNNING) {
        return ram_fail(ram, -EPERM,
                        "block '%s': a resize from 0x%" PRIx64 " to 0x%" PRIx64
                        " bytes has to wait for the next reset or load",
                        block->idstr, block->size, size);
    }
    rc = check_size(ram, block, size);
    if (rc || size == block->size)
        return rc;
    rc = prepare(ram, block, size);
    if (rc)
        return rc;
    return size > block->size ? grow(ram, block, size)
                              : shrink(ram, block, size);
}

/* Pages that the block leaves are as the restore left them. */
static int take_attributes_back(struct xen_ram *ram,
                                struct xen_ram_block *block)
{
    struct ram_span none = {0}, span = ram_span_of(block);
    int rc = ram_clear_type(ram, block, span.gfn, span.nr);

    if (rc == 0)
        rc = ram_pin_cache(ram, block, span, none);
    if (rc == 0)
        block->reapplied = false;
    return rc;
}

static int check_home(struct xen_ram *ram, const struct xen_ram_block *block,
                      uint64_t gfn)
{
    if (!(block->flags & XEN_RAM_SPARSE) || gfn == XEN_RAM_NO_GFN ||
        gfn == block->sparse.home)
        return 0;
    return ram_fail(ram, -EINVAL,
                    "block '%s' is at gfn 0x%" PRIx64 " here and at 0x%" PRIx64
                    " there, and cannot be moved: give it the same address",
                    block->idstr, block->sparse.home, gfn);
}

int xen_ram_adopt(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t gfn, uint64_t size)
{
    int rc;

    if (ram->phase != XEN_RAM_LOADING) {
        return ram_fail(ram, -EPERM,
                        "block '%s' can take over restored pages only while "
                        "loading",
                        block->idstr);
    }
    if (block->kind != XEN_RAM_VISIBLE) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' has no pages that the toolstack restores",
                        block->idstr);
    }
    if (!ram->cache) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' is the guest's: the list needs a map cache",
                        block->idstr);
    }
    if (block->gfn != XEN_RAM_NO_GFN && !block->adopted) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' has pages at gfn 0x%" PRIx64
                        " and cannot take over others: allocate it while "
                        "loading",
                        block->idstr, block->gfn);
    }
    rc = check_home(ram, block, gfn);
    if (rc == 0)
        rc = check_size(ram, block, size);
    if (rc == 0 && gfn != XEN_RAM_NO_GFN)
        rc = ram_check_gfns(ram, block, block->idstr, gfn, ram_round_up(size));
    if (rc == 0 && size != block->size)
        rc = prepare(ram, block, size);
    if (rc)
        return rc;
    rc = block->reapplied ? take_attributes_back(ram, block) : 0;
    if (rc) {
        if (size != block->size)
            ram_notify_abandoned(ram, block, ram_round_up(size));
        return rc;
    }
    if (block->flags & XEN_RAM_SPARSE)
        ram_sparse_clear(block);
    if (block->gfn != XEN_RAM_NO_GFN)
        ram_forget(ram, block->gfn, block->used_length >> RAM_PAGE_SHIFT);
    if (gfn != XEN_RAM_NO_GFN)
        ram_forget(ram, gfn, ram_round_up(size) >> RAM_PAGE_SHIFT);
    block->gfn = gfn;
    block->adopted = gfn != XEN_RAM_NO_GFN;
    if (size != block->size)
        set_size(ram, block, size);
    return 0;
}
