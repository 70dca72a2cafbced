/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_PAGES_H
#define DM_PV_PAGES_H

/*
 * Pages of our own that data of grants is copied through.  What was given back
 * last is given out first, so that only as much is in memory as was in use at
 * once.
 */

#include <stdint.h>

#define PAGES_SIZE 4096u
#define PAGES_MAX 256u /* 1 MiB */

struct pages {
    uint8_t *base;
    unsigned nr_free;
    uint16_t free[PAGES_MAX];
};

/* -ENOMEM. */
int pages_init(struct pages *pages);
/* All have been given back.  A zeroed struct is fine. */
void pages_fini(struct pages *pages);

/* There are nr_free. */
void *pages_get(struct pages *pages);
void pages_put(struct pages *pages, void *page);

#endif
