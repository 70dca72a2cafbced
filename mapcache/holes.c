/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/holes.h"

#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void holes_note_page(struct holes *holes, uint64_t gfn)
{
    struct hole *hole = &holes->pages[holes->next_page++ % HOLES_PAGES];

    *hole = (struct hole){.gfn = gfn, .until = now_ns() + HOLES_NS};
}

bool holes_find_page(const struct holes *holes, uint64_t gfn, uint64_t nr)
{
    uint64_t until = 0;

    for (unsigned i = 0; i < HOLES_PAGES; i++) {
        const struct hole *hole = &holes->pages[i];

        if (hole->gfn - gfn < nr && hole->until > until)
            until = hole->until;
    }
    return until > 0 && now_ns() < until;
}

void holes_note_block(struct holes *holes, uint64_t block)
{
    holes->blocks[holes->next_block++ % HOLES_BLOCKS] = block + 1;
}

bool holes_take_block(struct holes *holes, uint64_t block)
{
    for (unsigned i = 0; i < HOLES_BLOCKS; i++) {
        if (holes->blocks[i] == block + 1) {
            holes->blocks[i] = 0;
            return true;
        }
    }
    return false;
}

void holes_forget(struct holes *holes)
{
    *holes = (struct holes){0};
}
