/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/piece.h"

#include "mapcache/epoch.h"

/*
 * Another thread may invalidate, or take room, as often as we look; a reader
 * that lost this often gives up and says busy.
 */
#define MAX_TRIES 64u

int piece_fill(struct xen_mapcache *cache, const struct piece *piece,
               unsigned access, bool alone, unsigned tries)
{
    unsigned flags = access;

    if (tries >= MAX_TRIES)
        return -EBUSY;
    if (!epoch_holds()) {
        flags |= CACHE_MAY_WAIT;
        if (alone && tries < MAX_TRIES / 4)
            flags |= CACHE_STRICT;
    }
    return cache_fill(cache, piece->index, piece->first, piece->nr, flags);
}
