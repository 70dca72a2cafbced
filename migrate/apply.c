/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/error.h"

/* One block, and what it takes to put it back. */
struct change {
    const struct ownership_record *record;
    uint64_t old_gfn;
    uint64_t old_size;
    uint8_t *tail; /* what a shrink of a private block cuts off */
    size_t tail_len;
    bool done;
};

static int failed(struct xen_ram *ram, const struct change *change, int r,
                  char *error)
{
    return migrate_error(error, r, "block %s cannot be loaded: %s",
                         change->record->idstr, xen_ram_error(ram));
}

static int resize_private(struct xen_ram *ram, struct change *change,
                          char *error)
{
    int r = xen_ram_resize(ram, change->record->block, change->record->size);

    if (r)
        return failed(ram, change, r, error);
    change->done = true;
    return 0;
}

static int grow_private(struct xen_ram *ram, struct change *change, char *error)
{
    if (change->record->kind != XEN_RAM_PRIVATE ||
        change->record->size <= change->old_size)
        return 0;
    return resize_private(ram, change, error);
}

static int shrink_private(struct xen_ram *ram, struct change *change,
                          char *error)
{
    if (change->record->kind != XEN_RAM_PRIVATE ||
        change->record->size >= change->old_size)
        return 0;
    return resize_private(ram, change, error);
}

static int adopt_visible(struct xen_ram *ram, struct change *change,
                         char *error)
{
    const struct ownership_record *record = change->record;
    int r;

    if (record->kind != XEN_RAM_VISIBLE)
        return 0;
    if (record->plugged)
        r = xen_ram_adopt_plugged(ram, record->block, record->plugged);
    else
        r = xen_ram_adopt(ram, record->block, record->gfn, record->size);
    if (r)
        return failed(ram, change, r, error);
    change->done = true;
    return 0;
}

/* That the toolstack restored this ROM here, and not some other pages. */
static int check_sum(struct xen_ram *ram, struct change *change, char *error)
{
    const struct ownership_record *record = change->record;
    uint32_t sum;
    int r;

    if (!(record->flags & OWNERSHIP_SUM))
        return 0;
    r = ownership_sum(ram, record->block, &sum);
    if (r)
        return migrate_error(error, r,
                             "block %s cannot be loaded: what was restored "
                             "at gfn 0x%" PRIx64 " cannot be read: %s",
                             record->idstr, record->gfn, strerror(-r));
    if (sum != record->sum)
        return migrate_error(error, -EINVAL,
                             "block %s: the pages restored at gfn 0x%" PRIx64
                             " have sum 0x%08" PRIx32 ", saved was 0x%08" PRIx32
                             ": save the guest again",
                             record->idstr, record->gfn, sum, record->sum);
    return 0;
}

static int reapply_visible(struct xen_ram *ram, struct change *change,
                           char *error)
{
    int r;

    if (change->record->kind != XEN_RAM_VISIBLE)
        return 0;
    r = xen_ram_reapply(ram, change->record->block);
    return r ? failed(ram, change, r, error) : 0;
}

/* Shrinks come last, because taking one back needs memory. */
static int (*const steps[])(struct xen_ram *ram, struct change *change,
                            char *error) = {
    grow_private, adopt_visible, check_sum, reapply_visible, shrink_private,
};

static int prepare(struct change *change, const struct ownership_record *record,
                   char *error)
{
    struct xen_ram_block *block = record->block;
    const uint8_t *host = xen_ram_host(block);

    change->record = record;
    change->old_gfn = xen_ram_gfn(block);
    change->old_size = xen_ram_size(block);
    if (record->kind != XEN_RAM_PRIVATE || record->size >= change->old_size)
        return 0;

    change->tail_len = (size_t)(change->old_size - record->size);
    change->tail = malloc(change->tail_len);
    if (!change->tail)
        return migrate_error(error, -ENOMEM,
                             "block %s: no memory to keep the 0x%zx bytes "
                             "that it loses",
                             record->idstr, change->tail_len);
    memcpy(change->tail, host + record->size, change->tail_len);
    return 0;
}

static int put_back(struct xen_ram *ram, const struct change *change)
{
    struct xen_ram_block *block = change->record->block;
    uint8_t *host;
    int r;

    if (change->record->kind == XEN_RAM_VISIBLE)
        return xen_ram_adopt(ram, block, change->old_gfn, change->old_size);

    r = xen_ram_resize(ram, block, change->old_size);
    if (r || !change->tail)
        return r;
    host = xen_ram_host(block);
    memcpy(host + change->record->size, change->tail, change->tail_len);
    return 0;
}

static void undo(struct xen_ram *ram, const struct change *changes, size_t nr,
                 char *error)
{
    size_t len = strlen(error);

    while (nr-- > 0) {
        if (!changes[nr].done || put_back(ram, &changes[nr]) == 0)
            continue;
        snprintf(error + len, XEN_MIGRATE_ERROR_MAX - len,
                 "; block %s could not be put back: %s",
                 changes[nr].record->idstr, xen_ram_error(ram));
    }
}

static int run_steps(struct xen_ram *ram, struct change *changes, size_t nr,
                     char *error)
{
    for (size_t step = 0; step < sizeof(steps) / sizeof(steps[0]); step++) {
        for (size_t i = 0; i < nr; i++) {
            int r = steps[step](ram, &changes[i], error);

            if (r)
                return r;
        }
    }
    return 0;
}

int apply_ownership(struct xen_ram *ram, const struct ownership *owned,
                    char *error)
{
    struct change *changes = calloc(owned->nr + 1, sizeof(*changes));
    int r = 0;

    if (!changes)
        return migrate_error(error, -ENOMEM, "no memory to load %zu blocks",
                             owned->nr);
    for (size_t i = 0; !r && i < owned->nr; i++)
        r = prepare(&changes[i], &owned->records[i], error);
    if (r)
        goto out_free;

    r = run_steps(ram, changes, owned->nr, error);
    if (r)
        undo(ram, changes, owned->nr, error);

out_free:
    for (size_t i = 0; i < owned->nr; i++)
        free(changes[i].tail);
    free(changes);
    return r;
}
