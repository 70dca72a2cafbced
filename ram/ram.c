/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xencall.h>
#include <xendevicemodel.h>

#include "ram/block.h"
#include "ram/populate.h"
#include "ram/private.h"
#include "xenram/mapcache.h"

int ram_fail(struct xen_ram *ram, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ram->error, sizeof(ram->error), format, args);
    va_end(args);
    return rc;
}

uint64_t ram_round_up(uint64_t bytes)
{
    return (bytes + XEN_RAM_PAGE_SIZE - 1) & ~(uint64_t)(XEN_RAM_PAGE_SIZE - 1);
}

int xen_ram_open(uint32_t domid, struct xen_mapcache *cache,
                 struct xen_ram **out)
{
    struct xen_ram *ram = calloc(1, sizeof(*ram));
    int rc;

    if (!ram)
        return -ENOMEM;
    ram->domid = domid;
    ram->cache = cache;
    if (cache) {
        ram->call = xencall_open(NULL, 0);
        if (!ram->call) {
            rc = errno ? -errno : -ENODEV;
            goto err_free;
        }
        ram->device = xendevicemodel_open(NULL, 0);
        if (!ram->device) {
            rc = errno ? -errno : -ENODEV;
            goto err_call;
        }
    }
    *out = ram;
    return 0;

err_call:
    xencall_close(ram->call);
err_free:
    free(ram);
    return rc;
}

static void block_delete(struct xen_ram *ram, struct xen_ram_block *block)
{
    struct xen_ram_block **at = &ram->blocks;

    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    if (block->host)
        private_fini(block->host, block->max_length);
    free(block);
}

void xen_ram_close(struct xen_ram *ram)
{
    if (!ram)
        return;
    while (ram->blocks) {
        ram_notify_removed(ram, ram->blocks);
        block_delete(ram, ram->blocks);
    }
    if (ram->cache) {
        xendevicemodel_close(ram->device);
        xencall_close(ram->call);
    }
    free(ram);
}

void xen_ram_set_phase(struct xen_ram *ram, enum xen_ram_phase phase)
{
    ram->phase = phase;
}

enum xen_ram_phase xen_ram_get_phase(const struct xen_ram *ram)
{
    return ram->phase;
}

const char *xen_ram_error(const struct xen_ram *ram)
{
    return ram->error;
}

int ram_check_gfns(struct xen_ram *ram, const struct xen_ram_block *block,
                   const char *idstr, uint64_t gfn, uint64_t length)
{
    uint64_t nr = length >> RAM_PAGE_SHIFT, space;
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(ram->cache, &stats);
    space = stats.window >> RAM_PAGE_SHIFT;
    if (gfn > space || nr > space - gfn) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': 0x%" PRIx64 " pages from gfn 0x%" PRIx64
                        " leave the guest's space of 0x%" PRIx64
                        " pages: use a lower gfn",
                        idstr, nr, gfn, space);
    }
    for (const struct xen_ram_block *b = ram->blocks; b; b = b->next) {
        uint64_t other = b->used_length >> RAM_PAGE_SHIFT;

        if (b != block && b->gfn != XEN_RAM_NO_GFN && gfn < b->gfn + other &&
            b->gfn < gfn + nr) {
            return ram_fail(
                ram, -EEXIST,
                "block '%s': 0x%" PRIx64 " pages from gfn 0x%" PRIx64
                " overlap block '%s', 0x%" PRIx64 " pages from gfn 0x%" PRIx64,
                idstr, nr, gfn, b->idstr, other, b->gfn);
        }
    }
    return 0;
}

static int check_flags(struct xen_ram *ram, const struct xen_ram_spec *spec)
{
    bool private = spec->kind == XEN_RAM_PRIVATE;

    if ((unsigned)spec->kind > XEN_RAM_PRIVATE ||
        (spec->flags & ~(unsigned)(XEN_RAM_RESIZEABLE | XEN_RAM_ROM)) ||
        (spec->flags & XEN_RAM_ROM && spec->kind != XEN_RAM_VISIBLE)) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': kind %u with flags 0x%x is not known",
                        spec->idstr, (unsigned)spec->kind, spec->flags);
    }
    if (private != (spec->gfn == XEN_RAM_NO_GFN)) {
        return ram_fail(ram, -EINVAL,
                        private ? "block '%s' is private and cannot have a gfn"
                                : "block '%s' needs a gfn",
                        spec->idstr);
    }
    if (!private && !ram->cache) {
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
    if (rc)
        return rc;
    if (xen_ram_find(ram, spec->idstr)) {
        return ram_fail(ram, -EEXIST, "block '%s' is there already",
                        spec->idstr);
    }
    if (spec->kind == XEN_RAM_PRIVATE)
        return 0;
    return ram_check_gfns(
        ram, NULL, spec->idstr, spec->gfn,
        ram_round_up(spec->max_length ? spec->max_length : spec->size));
}

void ram_forget(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    /* The range was checked against the window. */
    (void)xen_mapcache_invalidate_range(ram->cache, gfn << RAM_PAGE_SHIFT,
                                        nr << RAM_PAGE_SHIFT);
    /* A frame stays charged to the guest as long as it is mapped here. */
    (void)xen_mapcache_reclaim(ram->cache, 0);
}

/*
 * Xen scrubs pages of dead guests only: one that a living guest, or we, gave
 * back can come again with its old content.
 */
static int zero_pages(struct xen_ram *ram, uint64_t gfn, uint64_t nr)
{
    static const uint8_t zeroes[XEN_RAM_PAGE_SIZE];
    int rc = 0;

    for (uint64_t i = 0; i < nr && rc == 0; i++) {
        rc = xen_mapcache_write(ram->cache, (gfn + i) << RAM_PAGE_SHIFT, zeroes,
                                sizeof(zeroes), NULL);
    }
    return rc;
}

int ram_pages_add(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t first, uint64_t nr)
{
    uint64_t gfn = block->gfn + first;
    int rc;

    rc = populate_pages(ram->call, ram->domid, gfn, nr);
    if (rc) {
        return ram_fail(ram, rc,
                        "block '%s': Xen does not give 0x%" PRIx64
                        " pages at gfn 0x%" PRIx64
                        ": %s; raise videoram or maxmem of the guest",
                        block->idstr, nr, gfn, strerror(-rc));
    }
    ram_forget(ram, gfn, nr);
    rc = zero_pages(ram, gfn, nr);
    if (rc) {
        ram_fail(ram, rc,
                 "block '%s': new pages at gfn 0x%" PRIx64
                 " cannot be cleared: %s",
                 block->idstr, gfn, strerror(-rc));
        goto err_populate;
    }
    rc = ram_set_type(ram, block, gfn, nr);
    if (rc)
        goto err_populate;
    ram_mark_gfns(ram, gfn, nr);
    return 0;

err_populate:
    (void)depopulate_pages(ram->call, ram->domid, gfn, nr, NULL);
    ram_forget(ram, gfn, nr);
    return rc;
}

int ram_pages_remove(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t first, uint64_t nr)
{
    uint64_t gfn = block->gfn + first, done;
    int rc;

    rc = depopulate_pages(ram->call, ram->domid, gfn, nr, &done);
    ram_forget(ram, gfn, nr);
    if (rc) {
        if (done)
            (void)ram_pages_add(ram, block, first, done);
        return ram_fail(ram, rc,
                        "block '%s': Xen does not take back 0x%" PRIx64
                        " pages at gfn 0x%" PRIx64 ": %s",
                        block->idstr, nr, gfn, strerror(-rc));
    }
    return 0;
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

static int block_get_memory(struct xen_ram *ram, struct xen_ram_block *block)
{
    int rc;

    if (block->kind == XEN_RAM_PRIVATE) {
        rc = private_init(&block->host, block->used_length, block->max_length);
        if (rc) {
            return ram_fail(ram, rc,
                            "block '%s': no memory for 0x%" PRIx64
                            " bytes of at most 0x%" PRIx64 ": %s",
                            block->idstr, block->used_length, block->max_length,
                            strerror(-rc));
        }
        return 0;
    }
    if (block->kind == XEN_RAM_VISIBLE && block->gfn != XEN_RAM_NO_GFN) {
        return ram_pages_add(ram, block, 0,
                             block->used_length >> RAM_PAGE_SHIFT);
    }
    return 0;
}

int xen_ram_alloc(struct xen_ram *ram, const struct xen_ram_spec *spec,
                  struct xen_ram_block **out)
{
    struct xen_ram_block *block, **last = &ram->blocks;
    int rc = check_spec(ram, spec);

    if (rc)
        return rc;
    block = calloc(1, sizeof(*block));
    if (!block)
        return ram_fail(ram, -ENOMEM, "block '%s': no memory", spec->idstr);
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
    rc = block_get_memory(ram, block);
    if (rc) {
        free(block);
        return rc;
    }
    while (*last)
        last = &(*last)->next;
    *last = block;
    ram_notify_added(ram, block);
    *out = block;
    return 0;
}

void xen_ram_free(struct xen_ram *ram, struct xen_ram_block *block)
{
    uint64_t nr;

    if (!block)
        return;
    ram_notify_removed(ram, block);
    nr = block->used_length >> RAM_PAGE_SHIFT;
    if (block->kind == XEN_RAM_VISIBLE && block->gfn != XEN_RAM_NO_GFN) {
        (void)depopulate_pages(ram->call, ram->domid, block->gfn, nr, NULL);
        ram_forget(ram, block->gfn, nr);
    }
    block_delete(ram, block);
}
