/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "migrate/error.h"
#include "xenram/ram.h"

/* Little enough for malloc to take it from what it has. */
#define KEPT_PAGES 15u

struct place_block {
    struct place_block *next;
    const struct xen_ram_block *block;
    uint64_t direct;  /* bytes from the start on that do not wait */
    uint64_t placed;  /* bytes of these that were replaced */
    uint64_t rest;    /* bytes behind direct */
    uint8_t *waiting; /* rest bytes; NULL: all of them are zero so far */
};

struct place_kept {
    struct place_kept *next;
    unsigned nr;
    uint8_t *host[KEPT_PAGES];
    uint8_t bytes[KEPT_PAGES][XEN_RAM_PAGE_SIZE];
};

void place_open(struct place *place)
{
    present_open(&place->present);
    place->blocks = NULL;
    place->kept = NULL;
}

void place_close(struct place *place)
{
    while (place->kept) {
        struct place_kept *kept = place->kept;

        place->kept = kept->next;
        free(kept);
    }
    while (place->blocks) {
        struct place_block *to = place->blocks;

        place->blocks = to->next;
        free(to->waiting);
        free(to);
    }
    present_close(&place->present);
}

/* A resize clears from the old size on, also within a page. */
static uint64_t direct_length(const struct ownership_record *record)
{
    uint64_t here = xen_ram_size(record->block);
    uint64_t length = here < record->size ? here : record->size;

    if (here == record->size)
        return record->used_length;
    return length - length % XEN_RAM_PAGE_SIZE;
}

static int add_block(struct place *place, const struct ownership_record *record)
{
    struct place_block *to = malloc(sizeof(*to));

    if (!to)
        return -ENOMEM;
    to->block = record->block;
    to->direct = direct_length(record);
    to->placed = 0;
    to->rest = record->used_length - to->direct;
    to->waiting = NULL;
    to->next = place->blocks;
    place->blocks = to;
    return 0;
}

static int keep(struct place *place, uint8_t *host)
{
    struct place_kept *kept = place->kept;

    if (!kept || kept->nr == KEPT_PAGES) {
        kept = malloc(sizeof(*kept));
        if (!kept)
            return -ENOMEM;
        kept->nr = 0;
        kept->next = place->kept;
        place->kept = kept;
    }
    kept->host[kept->nr] = host;
    memcpy(kept->bytes[kept->nr], host, XEN_RAM_PAGE_SIZE);
    kept->nr++;
    return 0;
}

static bool is_zero(struct place *place, const struct xen_ram_block *block,
                    const uint8_t *page)
{
    return present_absent(&place->present, block, page) ||
           present_is_zero(page);
}

static int put_page(struct place *place, uint64_t offset, const uint8_t *bytes)
{
    struct place_block *to = place->blocks;
    uint8_t *host = xen_ram_host(to->block);
    bool zero = is_zero(place, to->block, host + offset);

    if (!zero && keep(place, host + offset))
        return -ENOMEM;
    to->placed = offset + XEN_RAM_PAGE_SIZE;
    /* Storing zeroes over zeroes would only make the host find memory. */
    if (bytes)
        memcpy(host + offset, bytes, XEN_RAM_PAGE_SIZE);
    else if (!zero)
        memset(host + offset, 0, XEN_RAM_PAGE_SIZE);
    return 0;
}

static int let_wait(struct place *place, uint64_t offset, const uint8_t *bytes)
{
    struct place_block *to = place->blocks;

    if (!bytes)
        return 0;
    if (!to->waiting)
        to->waiting = calloc(1, (size_t)to->rest);
    if (!to->waiting)
        return -ENOMEM;
    memcpy(to->waiting + (offset - to->direct), bytes, XEN_RAM_PAGE_SIZE);
    return 0;
}

int place_page(struct place *place, const struct ownership_record *record,
               uint64_t offset, const uint8_t *bytes, char *error)
{
    int r = offset == 0 ? add_block(place, record) : 0;

    if (!r)
        r = offset < place->blocks->direct ? put_page(place, offset, bytes)
                                           : let_wait(place, offset, bytes);
    return r ? migrate_error(error, r,
                             "block %s: no memory to load its 0x%" PRIx64
                             " bytes and keep what it has until all is checked",
                             record->idstr, record->used_length)
             : 0;
}

static void put_waiting(struct place *place, const struct place_block *to)
{
    uint8_t *host = xen_ram_host(to->block);

    for (uint64_t at = 0; at < to->rest; at += XEN_RAM_PAGE_SIZE) {
        uint8_t *page = host + to->direct + at;

        if (to->waiting && !present_is_zero(to->waiting + at))
            memcpy(page, to->waiting + at, XEN_RAM_PAGE_SIZE);
        else if (!is_zero(place, to->block, page))
            memset(page, 0, XEN_RAM_PAGE_SIZE);
    }
}

void place_finish(struct place *place)
{
    /* Whoever was told of a resize may have written. */
    present_forget(&place->present);
    for (const struct place_block *to = place->blocks; to; to = to->next)
        put_waiting(place, to);
}

/* The list's own memory goes back to the host, unless it is locked. */
static void clear_placed(const struct place_block *to)
{
    void *host = xen_ram_host(to->block);

    if (to->placed == 0)
        return;
    if (!(xen_ram_get_flags(to->block) & XEN_RAM_RESIZEABLE) ||
        madvise(host, (size_t)to->placed, MADV_DONTNEED))
        memset(host, 0, (size_t)to->placed);
}

void place_undo(struct place *place)
{
    for (const struct place_block *to = place->blocks; to; to = to->next)
        clear_placed(to);
    for (const struct place_kept *kept = place->kept; kept; kept = kept->next) {
        for (unsigned i = 0; i < kept->nr; i++)
            memcpy(kept->host[i], kept->bytes[i], XEN_RAM_PAGE_SIZE);
    }
}
