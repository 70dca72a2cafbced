/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_RING_H
#define DM_PV_RING_H

/*
 * The ring that a block frontend shares with us (Xen's public/io/blkif.h and
 * ring.h).  The frontend may write any byte of it at any time: a request is
 * copied once and read there, indices are checked before use.
 */

#include <stdbool.h>
#include <stdint.h>

#define RING_PAGE 4096u
#define RING_MAX_ORDER 2u /* pages: 1, 2 or 4 */
#define RING_MAX_PAGES (1u << RING_MAX_ORDER)

#define RING_DIRECT_SEGMENTS 11u /* BLKIF_MAX_SEGMENTS_PER_REQUEST */
#define RING_INDIRECT_PAGES 8u   /* BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST */

/* How the frontend's compiler lays out the structs of blkif.h. */
enum ring_layout { RING_X86_64, RING_X86_32 };

struct ring {
    uint8_t *shared;
    enum ring_layout layout;
    uint32_t size; /* entries, a power of two */
    uint32_t taken, answered, pushed;
    bool broken;
};

struct ring_segment {
    uint32_t ref;
    uint8_t first, last; /* sectors of the page, both inclusive, unchecked */
};

struct ring_request {
    uint8_t operation;
    uint64_t id;
    uint64_t sector;
    uint8_t indirect_operation; /* BLKIF_OP_INDIRECT only */
    uint16_t nr_segments;       /* unchecked */
    uint64_t nr_sectors;        /* BLKIF_OP_DISCARD only */
    struct ring_segment segments[RING_DIRECT_SEGMENTS];
    uint32_t indirect_refs[RING_INDIRECT_PAGES];
};

/* Entries of a ring of nr_pages. */
unsigned ring_entries(unsigned nr_pages, enum ring_layout layout);

/* shared: nr_pages (a power of two) that stay mapped. */
void ring_init(struct ring *ring, void *shared, unsigned nr_pages,
               enum ring_layout layout);

/*
 * 1: *out is the next request.  0: there is none.  -EPROTO: the indices make no
 * sense; from now on nothing is taken.  More requests than entries that have
 * not been answered are never taken.
 */
int ring_take(struct ring *ring, struct ring_request *out);
/*
 * There was none: ask for an event for the next one.  True: one came meanwhile,
 * take it.
 */
bool ring_wants_more(struct ring *ring);

/* Answer a request that was taken; the frontend sees it after a push. */
void ring_answer(struct ring *ring, uint64_t id, uint8_t operation,
                 int16_t status);
/* True: the frontend wants to be notified. */
bool ring_push(struct ring *ring);

/* A segment as it lies in an indirect page. */
#define RING_SEGMENT_SIZE 8u
struct ring_segment ring_segment(const uint8_t *bytes);

#endif
