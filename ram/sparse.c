/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/sparse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ram/block.h"

#define WORD_BITS 64u

static bool is_sparse(const struct xen_ram_block *block)
{
    return block->flags & XEN_RAM_SPARSE;
}

static uint64_t nr_units(const struct xen_ram_block *block)
{
    return block->used_length / block->sparse.unit;
}

static size_t nr_words(uint64_t units)
{
    return (size_t)((units + WORD_BITS - 1) / WORD_BITS);
}

/* The first unit from start on that is plugged or not, as wanted; or all. */
static uint64_t find_unit(const struct xen_ram_block *block, uint64_t start,
                          bool plugged)
{
    const uint64_t *words = block->sparse.plugged;
    uint64_t nr = nr_units(block);

    while (start < nr) {
        uint64_t word = words[start / WORD_BITS];
        uint64_t rest = (plugged ? word : ~word) >> (start % WORD_BITS);

        if (rest) {
            start += (unsigned)__builtin_ctzll(rest);
            return start < nr ? start : nr;
        }
        start += WORD_BITS - start % WORD_BITS;
    }
    return nr;
}

static void set_units(struct xen_ram_block *block, uint64_t first, uint64_t nr,
                      bool plugged)
{
    uint64_t end = first + nr;

    while (first < end) {
        uint64_t *word = &block->sparse.plugged[first / WORD_BITS];
        uint64_t from = first % WORD_BITS, n = WORD_BITS - from;
        uint64_t mask;

        if (n > end - first)
            n = end - first;
        mask = (UINT64_MAX >> (WORD_BITS - n)) << from;
        *word = plugged ? *word | mask : *word & ~mask;
        first += n;
    }
    if (plugged)
        block->sparse.nr_plugged += nr;
    else
        block->sparse.nr_plugged -= nr;
}

int ram_sparse_check(struct xen_ram *ram, const struct xen_ram_spec *spec)
{
    bool sparse = spec->flags & XEN_RAM_SPARSE;
    uint64_t unit = spec->unit;

    if (!sparse && unit == 0)
        return 0;
    if (!sparse || spec->flags != XEN_RAM_SPARSE ||
        (spec->max_length && spec->max_length != spec->size)) {
        return ram_fail(
            ram, -EINVAL,
            "block '%s': with flags 0x%x and a length of 0x%" PRIx64
            " to 0x%" PRIx64 " it cannot come and go in units of 0x%" PRIx64,
            spec->idstr, spec->flags, spec->size, spec->max_length, unit);
    }
    if (unit < XEN_RAM_PAGE_SIZE || unit & (unit - 1) || spec->size % unit) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': 0x%" PRIx64
                        " bytes cannot come and go in units of 0x%" PRIx64
                        ": a unit is a power of two from 0x%x on, the length "
                        "a multiple of it",
                        spec->idstr, spec->size, unit, XEN_RAM_PAGE_SIZE);
    }
    return 0;
}

int ram_sparse_init(struct ram_sparse *sparse, const struct xen_ram_spec *spec)
{
    sparse->unit = spec->unit;
    sparse->home = spec->gfn;
    sparse->nr_plugged = 0;
    sparse->plugged =
        calloc(nr_words(spec->size / spec->unit), sizeof(*sparse->plugged));
    return sparse->plugged ? 0 : -ENOMEM;
}

void ram_sparse_fini(struct ram_sparse *sparse)
{
    free(sparse->plugged);
    sparse->plugged = NULL;
}

void ram_sparse_clear(struct xen_ram_block *block)
{
    memset(block->sparse.plugged, 0,
           nr_words(nr_units(block)) * sizeof(*block->sparse.plugged));
    block->sparse.nr_plugged = 0;
}

static int check_range(struct xen_ram *ram, const struct xen_ram_block *block,
                       uint64_t offset, uint64_t length, const char *what)
{
    if (!is_sparse(block)) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' is there as a whole: nothing of it can be "
                        "%s",
                        block->idstr, what);
    }
    if (length == 0 || (offset | length) & (block->sparse.unit - 1)) {
        return ram_fail(ram, -EINVAL,
                        "block '%s': 0x%" PRIx64 " bytes from 0x%" PRIx64
                        " on are not whole units of 0x%" PRIx64
                        ", and cannot be %s",
                        block->idstr, length, offset, block->sparse.unit, what);
    }
    if (offset > block->used_length || length > block->used_length - offset) {
        return ram_fail(ram, -ERANGE,
                        "block '%s': 0x%" PRIx64 " bytes from 0x%" PRIx64
                        " on leave its 0x%" PRIx64 ", and cannot be %s",
                        block->idstr, length, offset, block->used_length, what);
    }
    if (ram->phase == XEN_RAM_LOADING) {
        return ram_fail(ram, -EPERM,
                        "block '%s': what of it is there comes from the state "
                        "that is being loaded",
                        block->idstr);
    }
    return 0;
}

static int check_units(struct xen_ram *ram, const struct xen_ram_block *block,
                       uint64_t offset, uint64_t length, bool plugged)
{
    uint64_t unit = block->sparse.unit;
    uint64_t odd = find_unit(block, offset / unit, !plugged);

    if (odd >= (offset + length) / unit)
        return 0;
    return ram_fail(ram, plugged ? -ENOENT : -EEXIST,
                    "block '%s': of 0x%" PRIx64 " bytes from 0x%" PRIx64
                    " on, the unit at 0x%" PRIx64 " is %s",
                    block->idstr, length, offset, odd * unit,
                    plugged ? "not plugged" : "plugged already");
}

int xen_ram_plug(struct xen_ram *ram, struct xen_ram_block *block,
                 uint64_t offset, uint64_t length)
{
    int rc = check_range(ram, block, offset, length, "plugged");

    if (rc == 0)
        rc = check_units(ram, block, offset, length, false);
    if (rc == 0)
        rc = ram_pages_add(ram, block, offset >> RAM_PAGE_SHIFT,
                           length >> RAM_PAGE_SHIFT);
    if (rc == 0)
        set_units(block, offset / block->sparse.unit,
                  length / block->sparse.unit, true);
    return rc;
}

int xen_ram_unplug(struct xen_ram *ram, struct xen_ram_block *block,
                   uint64_t offset, uint64_t length)
{
    int rc = check_range(ram, block, offset, length, "unplugged");

    if (rc == 0)
        rc = check_units(ram, block, offset, length, true);
    if (rc == 0)
        rc = ram_pages_remove(ram, block, offset >> RAM_PAGE_SHIFT,
                              length >> RAM_PAGE_SHIFT);
    if (rc == 0)
        set_units(block, offset / block->sparse.unit,
                  length / block->sparse.unit, false);
    return rc;
}

uint64_t xen_ram_plugged(const struct xen_ram_block *block)
{
    return block->sparse.nr_plugged * block->sparse.unit;
}

uint64_t xen_ram_unit(const struct xen_ram_block *block)
{
    return block->sparse.unit;
}

uint64_t xen_ram_home(const struct xen_ram_block *block)
{
    return is_sparse(block) ? block->sparse.home : XEN_RAM_NO_GFN;
}

bool xen_ram_next_plugged(const struct xen_ram_block *block, uint64_t from,
                          uint64_t *offset, uint64_t *length)
{
    uint64_t unit = block->sparse.unit, first, end;

    if (!is_sparse(block) || from >= block->used_length)
        return false;
    first = find_unit(block, from / unit, true);
    if (first == nr_units(block))
        return false;
    end = find_unit(block, first, false);
    *offset = first * unit < from ? from : first * unit;
    *length = end * unit - *offset;
    return true;
}

int xen_ram_adopt_plugged(struct xen_ram *ram, struct xen_ram_block *block,
                          const uint8_t *plugged)
{
    int rc;

    if (!is_sparse(block)) {
        return ram_fail(ram, -EINVAL,
                        "block '%s' is there as a whole, and not in units",
                        block->idstr);
    }
    rc = xen_ram_adopt(ram, block, block->sparse.home, block->size);
    if (rc)
        return rc;
    for (uint64_t i = 0; i < nr_units(block); i++)
        if (plugged[i / 8] & 1u << i % 8)
            set_units(block, i, 1, true);
    return 0;
}
