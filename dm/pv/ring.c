/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <xen/xen.h>

#include <xen/io/blkif.h>

/* public/io/ring.h: four indices, then the entries from byte 64 on. */
#define REQ_PROD 0u
#define REQ_EVENT 4u
#define RSP_PROD 8u
#define RSP_EVENT 12u
#define ENTRIES 64u

#define ENTRY_64 112u
#define ENTRY_32 108u

_Static_assert(sizeof(struct blkif_request) == ENTRY_64, "x86_64 layout");
_Static_assert(offsetof(struct blkif_request, id) == 8, "x86_64 layout");
_Static_assert(offsetof(struct blkif_request, seg) == 24, "x86_64 layout");
_Static_assert(offsetof(struct blkif_request_indirect, indirect_grefs) == 28,
               "x86_64 layout");
_Static_assert(sizeof(struct blkif_request_segment) == RING_SEGMENT_SIZE,
               "segments");

static uint32_t size_of_entry(enum ring_layout layout)
{
    return layout == RING_X86_32 ? ENTRY_32 : ENTRY_64;
}

static uint8_t *entry(const struct ring *ring, uint32_t index)
{
    return ring->shared + ENTRIES +
           (size_t)(index & (ring->size - 1)) * size_of_entry(ring->layout);
}

/*
 * Sequentially consistent: each side writes its own index and then reads the
 * other's, and one of the two must see the other's write.
 */
static uint32_t load(const struct ring *ring, unsigned field)
{
    return __atomic_load_n((uint32_t *)(void *)(ring->shared + field),
                           __ATOMIC_SEQ_CST);
}

static void store(struct ring *ring, unsigned field, uint32_t value)
{
    __atomic_store_n((uint32_t *)(void *)(ring->shared + field), value,
                     __ATOMIC_SEQ_CST);
}

unsigned ring_entries(unsigned nr_pages, enum ring_layout layout)
{
    unsigned room = (nr_pages * RING_PAGE - ENTRIES) / size_of_entry(layout);
    unsigned nr = 1;

    while (nr * 2 <= room)
        nr *= 2;
    return nr;
}

void ring_init(struct ring *ring, void *shared, unsigned nr_pages,
               enum ring_layout layout)
{
    *ring = (struct ring){.shared = shared,
                          .layout = layout,
                          .size = ring_entries(nr_pages, layout)};
    /* What an earlier backend answered stays answered. */
    ring->taken = load(ring, RSP_PROD);
    ring->answered = ring->taken;
    ring->pushed = ring->taken;
}

static uint16_t get16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint64_t get64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

struct ring_segment ring_segment(const uint8_t *bytes)
{
    return (struct ring_segment){get32(bytes), bytes[4], bytes[5]};
}

/*
 * i386 aligns 64 bits to 4 bytes: all that lies behind the first two words is
 * four bytes nearer to the start.
 */
static void decode(const struct ring *ring, const uint8_t *bytes,
                   struct ring_request *out)
{
    const uint8_t *id = bytes + (ring->layout == RING_X86_32 ? 4 : 8);
    const uint8_t *rest = id + 16;

    out->operation = bytes[0];
    out->id = get64(id);
    out->sector = get64(id + 8);
    if (out->operation == BLKIF_OP_INDIRECT) {
        out->indirect_operation = bytes[1];
        out->nr_segments = get16(bytes + 2);
        for (unsigned i = 0; i < RING_INDIRECT_PAGES; i++)
            out->indirect_refs[i] = get32(rest + 4 + i * 4);
    } else if (out->operation == BLKIF_OP_DISCARD) {
        out->nr_segments = 0;
        out->nr_sectors = get64(rest);
    } else {
        out->nr_segments = bytes[1];
        for (unsigned i = 0; i < RING_DIRECT_SEGMENTS; i++)
            out->segments[i] = ring_segment(rest + i * RING_SEGMENT_SIZE);
    }
}

int ring_take(struct ring *ring, struct ring_request *out)
{
    uint8_t copy[ENTRY_64];
    uint32_t produced;

    if (ring->broken)
        return -EPROTO;
    produced = load(ring, REQ_PROD);
    if (produced - ring->answered > ring->size ||
        produced - ring->answered < ring->taken - ring->answered) {
        ring->broken = true;
        return -EPROTO;
    }
    if (produced == ring->taken)
        return 0;
    memcpy(copy, entry(ring, ring->taken), size_of_entry(ring->layout));
    /* The compiler must not read the shared bytes again instead. */
    __asm__ volatile("" ::: "memory");
    ring->taken++;
    decode(ring, copy, out);
    return 1;
}

bool ring_wants_more(struct ring *ring)
{
    store(ring, REQ_EVENT, ring->taken + 1);
    return !ring->broken && load(ring, REQ_PROD) != ring->taken;
}

void ring_answer(struct ring *ring, uint64_t id, uint8_t operation,
                 int16_t status)
{
    uint8_t *to = entry(ring, ring->answered++);

    memcpy(to + offsetof(struct blkif_response, id), &id, sizeof(id));
    to[offsetof(struct blkif_response, operation)] = operation;
    memcpy(to + offsetof(struct blkif_response, status), &status,
           sizeof(status));
}

bool ring_push(struct ring *ring)
{
    uint32_t before = ring->pushed, event;

    ring->pushed = ring->answered;
    store(ring, RSP_PROD, ring->pushed);
    event = load(ring, RSP_EVENT);
    return ring->pushed - event < ring->pushed - before;
}
