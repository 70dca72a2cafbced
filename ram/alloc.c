/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ram/file.h"
#include "ram/private.h"
#include "ram/sparse.h"

#define ADVICE (XEN_RAM_DONTFORK | XEN_RAM_DONTDUMP | XEN_RAM_HUGE)

/* Flags that a kind of block can have. */
static const unsigned kind_flags[] = {
    [XEN_RAM_GUEST] = XEN_RAM_RESIZEABLE,
    [XEN_RAM_VISIBLE] = XEN_RAM_RESIZEABLE | XEN_RAM_ROM | XEN_RAM_WRITEBACK |
                        XEN_RAM_TRACKED | XEN_RAM_SPARSE,
    [XEN_RAM_PRIVATE] = XEN_RAM_RESIZEABLE | ADVICE,
    [XEN_RAM_FILE] = XEN_RAM_COPY | ADVICE,
};

static int check_flags(struct xen_ram *ram, const struct xen_ram_spec *spec)
{
    bool ours = spec->kind == XEN_RAM_PRIVATE || spec->kind == XEN_RAM_FILE;

    if ((unsigned)spec->kind > XEN_RAM_FILE ||
        spec->flags & ~kind_flags[spec->kind]) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': kind %u with flags 0x%x is not known",
                        spec->idstr, (unsigned)spec->kind, spec->flags);
    }
    if (ours != (spec->gfn == XEN_RAM_NO_GFN)) {
        return ram_fail(ram, -EINVAL,
                        ours ? "block '%s' is private and cannot have a gfn"
                             : "block '%s' needs a gfn",
                        spec->idstr);
    }
    if (!ours && !ram->cache && ram->phase != XEN_RAM_LOADING) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' is the guest's: the list needs a map cache",
                        spec->idstr);
    }
    return 0;
}

static int check_lengths(struct xen_ram *ram, const struct xen_ram_spec *spec)
{
    /* Far above every guest; sums of lengths cannot wrap below it. */
    const uint64_t most = UINT64_C(1) << 52;

    if (spec->size == 0 || spec->size > most || spec->max_length > most) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': length 0x%" PRIx64 ", at most 0x%" PRIx64
                        ", must be from 1 to 0x%" PRIx64,
                        spec->idstr, spec->size, spec->max_length, most);
    }
    if (spec->max_length && spec->size > spec->max_length) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': length 0x%" PRIx64
                        " exceeds its max_length 0x%" PRIx64,
                        spec->idstr, spec->size, spec->max_length);
    }
    return 0;
}

static int check_spec(struct xen_ram *ram, const struct xen_ram_spec *spec)
{
    size_t len = spec->idstr ? strnlen(spec->idstr, XEN_RAM_IDSTR_MAX + 1) : 0;
    int rc;

    if (len == 0 || len > XEN_RAM_IDSTR_MAX) {
        return ram_fail(ram, -EINVAL,
                        "the name of a block has 1 to %d bytes, not %s%zu",
                        XEN_RAM_IDSTR_MAX, len ? "at least " : "", len);
    }
    rc = check_flags(ram, spec);
    if (rc == 0)
        rc = check_lengths(ram, spec);
    if (rc == 0)
        rc = ram_sparse_check(ram, spec);
    if (rc)
        return rc;
    if (xen_ram_find(ram, spec->idstr)) {
        return ram_fail(ram, -EEXIST, "block '%s' is there already",
                        spec->idstr);
    }
    if (spec->gfn == XEN_RAM_NO_GFN)
        return 0;
    return ram_check_gfns(
        ram, NULL, spec->idstr, spec->gfn,
        ram_round_up(spec->max_length ? spec->max_length : spec->size));
}

/* Behind all others; only the last gap is used again. */
static uint64_t next_offset(const struct xen_ram *ram)
{
    uint64_t offset = 0;

    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next)
        if (offset < b->offset + b->max_length)
            offset = b->offset + b->max_length;
    return offset;
}

/* A block as spec says, without memory and not in the list yet. */
static struct xen_ram_block *block_new(const struct xen_ram *ram,
                                       const struct xen_ram_spec *spec)
{
    struct xen_ram_block *block = calloc(1, sizeof(*block));

    if (!block)
        return NULL;
    snprintf(block->idstr, sizeof(block->idstr), "%s", spec->idstr);
    block->kind = spec->kind;
    block->flags = spec->flags;
    block->gfn = spec->gfn;
    if (ram->phase == XEN_RAM_LOADING && spec->kind == XEN_RAM_VISIBLE)
        block->gfn = XEN_RAM_NO_GFN;
    block->offset = next_offset(ram);
    block->size = spec->size;
    block->used_length = ram_round_up(spec->size);
    block->max_length =
        spec->max_length ? ram_round_up(spec->max_length) : block->used_length;
    block->resized = spec->resized;
    block->opaque = spec->opaque;
    if (spec->unit && ram_sparse_init(&block->sparse, spec)) {
        free(block);
        return NULL;
    }
    return block;
}

static int private_memory(struct xen_ram *ram, struct xen_ram_block *block)
{
    int rc = private_init(&block->host, block->used_length, block->max_length,
                          block->flags);

    if (rc) {
        return ram_fail(ram, rc,
                        "block '%s': no memory for 0x%" PRIx64
                        " bytes of at most 0x%" PRIx64 ": %s",
                        block->idstr, block->used_length, block->max_length,
                        strerror(-rc));
    }
    return 0;
}

static int visible_memory(struct xen_ram *ram, struct xen_ram_block *block)
{
    struct ram_span none = {0}, span = ram_span_of(block);
    int rc = ram_pages_add(ram, block, 0, span.nr);

    if (rc)
        return rc;
    rc = ram_pin_cache(ram, block, none, span);
    if (rc) {
        ram->undoing = true;
        (void)ram_pages_remove(ram, block, 0, span.nr);
        ram->undoing = false;
    }
    return rc;
}

/* One block's writes must not change another: a file is shared by one. */
static int check_file_free(struct xen_ram *ram, const struct xen_ram_block *new)
{
    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        if (b->kind != XEN_RAM_FILE || !file_same(&b->file, &new->file) ||
            b->flags & new->flags & XEN_RAM_COPY)
            continue;
        return ram_fail(ram, -EEXIST,
                        "block '%s': file %s is the memory of block '%s' "
                        "already: give it a file of its own",
                        new->idstr, new->file.path, b->idstr);
    }
    return 0;
}

static int file_memory(struct xen_ram *ram, struct xen_ram_block *block,
                       const char *path)
{
    char reason[FILE_REASON_MAX];
    int rc = file_open(&block->file, path, block->size,
                       !(block->flags & XEN_RAM_COPY), reason);

    if (rc == 0) {
        rc = check_file_free(ram, block);
        if (rc)
            goto err_file;
        rc = file_map(&block->file, block->used_length, block->flags,
                      &block->host, reason);
    }
    if (rc) {
        ram_fail(ram, rc, "block '%s': file %s %s", block->idstr, path, reason);
        goto err_file;
    }
    return 0;

err_file:
    file_close(&block->file);
    return rc;
}

static void add_block(struct xen_ram *ram, struct xen_ram_block *block,
                      struct xen_ram_block **out)
{
    struct xen_ram_block **last = &ram->blocks;

    while (*last)
        last = &(*last)->next;
    *last = block;
    ram_notify_added(ram, block);
    *out = block;
}

/* path and host: where the memory is, when it is there already. */
static int alloc(struct xen_ram *ram, const struct xen_ram_spec *spec,
                 const char *path, void *host, struct xen_ram_block **out)
{
    struct xen_ram_block *block;
    int rc = check_spec(ram, spec);

    if (rc)
        return rc;
    block = block_new(ram, spec);
    if (!block)
        return ram_fail(ram, -ENOMEM, "block '%s': no memory", spec->idstr);
    if (host)
        block->host = host;
    else if (path)
        rc = file_memory(ram, block, path);
    else if (block->kind == XEN_RAM_PRIVATE)
        rc = private_memory(ram, block);
    else if (block->kind == XEN_RAM_VISIBLE && block->gfn != XEN_RAM_NO_GFN &&
             !(block->flags & XEN_RAM_SPARSE))
        rc = visible_memory(ram, block);
    if (rc) {
        ram_sparse_fini(&block->sparse);
        free(block);
        return rc;
    }
    block->borrowed = host != NULL;
    add_block(ram, block, out);
    return 0;
}

int xen_ram_alloc(struct xen_ram *ram, const struct xen_ram_spec *spec,
                  struct xen_ram_block **out)
{
    if (spec->kind == XEN_RAM_FILE) {
        return ram_fail(ram, -EINVAL, "block '%s' needs a file",
                        spec->idstr ? spec->idstr : "");
    }
    return alloc(ram, spec, NULL, NULL, out);
}

int xen_ram_alloc_resizeable(struct xen_ram *ram,
                             const struct xen_ram_spec *spec,
                             uint64_t max_length, xen_ram_resized_fn *resized,
                             struct xen_ram_block **out)
{
    struct xen_ram_spec wanted = *spec;

    if (max_length == 0) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': a length that may change needs a maximum",
                        spec->idstr ? spec->idstr : "");
    }
    wanted.flags |= XEN_RAM_RESIZEABLE;
    wanted.max_length = max_length;
    wanted.resized = resized;
    return xen_ram_alloc(ram, &wanted, out);
}

int xen_ram_alloc_from_ptr(struct xen_ram *ram, const struct xen_ram_spec *spec,
                           void *host, struct xen_ram_block **out)
{
    if (!host || (uintptr_t)host % XEN_RAM_PAGE_SIZE ||
        spec->size % XEN_RAM_PAGE_SIZE || spec->kind != XEN_RAM_PRIVATE ||
        spec->flags || (spec->max_length && spec->max_length != spec->size)) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': memory at %p with 0x%" PRIx64
                        " bytes cannot be a block: it must be private, whole "
                        "pages, of one length and without flags",
                        spec->idstr ? spec->idstr : "", host, spec->size);
    }
    return alloc(ram, spec, NULL, host, out);
}

int xen_ram_alloc_from_file(struct xen_ram *ram,
                            const struct xen_ram_spec *spec, const char *path,
                            struct xen_ram_block **out)
{
    const char *idstr = spec->idstr ? spec->idstr : "";

    if (spec->kind == XEN_RAM_GUEST || spec->kind == XEN_RAM_VISIBLE) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' lives in the guest's memory and cannot "
                        "be file %s",
                        idstr, path);
    }
    if (spec->kind != XEN_RAM_FILE ||
        (spec->max_length && spec->max_length != spec->size)) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': file %s is 0x%" PRIx64
                        " bytes and cannot become 0x%" PRIx64,
                        idstr, path, spec->size, spec->max_length);
    }
    return alloc(ram, spec, path, NULL, out);
}

void ram_block_delete(struct xen_ram *ram, struct xen_ram_block *block)
{
    struct xen_ram_block **at = &ram->blocks;

    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    if (block->kind == XEN_RAM_FILE)
        file_unmap(&block->file, block->host, block->used_length);
    else if (block->host && !block->borrowed)
        private_fini(block->host, block->max_length);
    ram_sparse_fini(&block->sparse);
    free(block);
}

/* The pages of [offset, offset + length) of a guest-visible block. */
static void visible_free(struct xen_ram *ram, const struct xen_ram_block *block,
                         uint64_t offset, uint64_t length)
{
    uint64_t gfn = block->gfn + (offset >> RAM_PAGE_SHIFT);
    uint64_t nr = length >> RAM_PAGE_SHIFT;

    (void)depopulate_pages(&ram->populate, gfn, nr, NULL);
    ram_forget(ram, gfn, nr);
    ram_unmark_gfns(ram, gfn, nr);
}

void xen_ram_free(struct xen_ram *ram, struct xen_ram_block *block)
{
    uint64_t offset, length = 0;

    if (!block)
        return;
    ram_notify_removed(ram, block);
    if (block->flags & XEN_RAM_SPARSE && block->gfn != XEN_RAM_NO_GFN) {
        for (offset = 0; xen_ram_next_plugged(block, offset, &offset, &length);
             offset += length)
            visible_free(ram, block, offset, length);
    } else if (block->kind == XEN_RAM_VISIBLE && block->gfn != XEN_RAM_NO_GFN) {
        (void)ram_pin_cache(ram, block, ram_span_of(block),
                            (struct ram_span){0});
        visible_free(ram, block, 0, block->used_length);
    }
    ram_block_delete(ram, block);
}
