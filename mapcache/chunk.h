/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_CHUNK_H
#define MAPCACHE_CHUNK_H

/*
 * One word of state and a bitmap of valid pages for each chunk of the window.
 *
 *   EMPTY    nothing is mapped; with pins: they could not be given new frames
 *   MAPPED   mapped; with the cache's generation: may be looked up and pinned
 *   RETIRED  mapped, right frames, but about to be dropped: no new users
 *
 * A chunk whose generation is not the cache's was invalidated.  It is stale, or
 * quarantined as long as it is pinned.
 *
 * A chunk is mapped in blocks, not all of them at once.  In a solid one each
 * page of the mapped blocks is valid, and the word tells all; in others the
 * bitmap tells which are.
 *
 * Readers load the word and compare; pins and the referenced bit change with
 * atomic operations.  Everything else is changed under the cache's mutex.  As
 * long as a reader can be led to the chunk, blocks and valid pages are added
 * only, each after it was mapped, and the bitmap of a chunk is right before it
 * is solid no more.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chunk_state {
    CHUNK_EMPTY = 0,
    CHUNK_MAPPED = 1,
    CHUNK_RETIRED = 2,
};

#define CHUNK_STATE UINT64_C(0x3)
#define CHUNK_FULL UINT64_C(0x4) /* all pages are valid */
#define CHUNK_REFERENCED UINT64_C(0x8)
/* Mapped for writing; of an invalidated chunk: and to be so again. */
#define CHUNK_WRITABLE UINT64_C(0x10)
#define CHUNK_SOLID UINT64_C(0x20)
#define CHUNK_PIN_SHIFT 8
#define CHUNK_PIN (UINT64_C(1) << CHUNK_PIN_SHIFT)
#define CHUNK_PINS_MAX ((UINT64_C(1) << 24) - 1)
#define CHUNK_PINS (CHUNK_PINS_MAX << CHUNK_PIN_SHIFT)
/*
 * Sixteen bits only: at each wrap all chunks are visited, which costs nothing
 * once in 65535 invalidates, and happens often enough to be tested.
 */
#define CHUNK_GENERATION_SHIFT 32
#define CHUNK_GENERATION_MAX UINT64_C(0xffff)
#define CHUNK_GENERATION (CHUNK_GENERATION_MAX << CHUNK_GENERATION_SHIFT)
/* The blocks that are mapped; EMPTY and pinned: that are to be so again. */
#define CHUNK_BLOCK_SHIFT 48
#define CHUNK_BLOCKS_MAX 8u
#define CHUNK_BLOCKS (UINT64_C(0xff) << CHUNK_BLOCK_SHIFT)
/* How many areas of the kernel they are: each call that maps makes one. */
#define CHUNK_AREA_SHIFT 56
#define CHUNK_AREA (UINT64_C(1) << CHUNK_AREA_SHIFT)
#define CHUNK_AREAS (UINT64_C(0xf) << CHUNK_AREA_SHIFT)

/* State and generation: what a reader compares. */
#define CHUNK_KEY (CHUNK_STATE | CHUNK_GENERATION)

struct chunk_table {
    /* What a hit reads. */
    _Atomic uint64_t *words;
    _Atomic uint64_t *valid; /* valid_words words a chunk */
    unsigned valid_words;
    unsigned block_shift; /* of a block's pages */

    unsigned pages, blocks; /* of a chunk */
    _Atomic uint64_t *used; /* one bit a chunk: it is not EMPTY */
    uint8_t *writable;      /* one bit for CHUNK_STRETCH chunks */
    uint64_t nr;            /* chunks */
    _Atomic uint64_t end;   /* no chunk from here on was ever used */
    void *memory;
    size_t size;
};

/*
 * The table can be read at once, and written in the stretches that chunks were
 * used of: a kernel that does not overcommit has to set aside memory for no
 * more, and memory is taken as chunks are used.
 */
#define CHUNK_STRETCH 32768u

/* -ENOMEM: no address space. */
int chunk_table_init(struct chunk_table *table, uint64_t nr, unsigned pages);
void chunk_table_fini(struct chunk_table *table);

/* Before the first store to a chunk.  -ENOMEM: nothing changed. */
int chunk_provide(struct chunk_table *table, uint64_t index);

/* Pages [first, first + nr) of chunk index, not solid, are all valid. */
bool chunk_valid(const struct chunk_table *table, uint64_t index,
                 unsigned first, unsigned nr);

/* Blocks [first, first + nr) of a chunk: what one call maps. */
struct run {
    unsigned first, nr;
};

/*
 * Take over the errors of a map of run, before which the word was this; nothing
 * but CHUNK_SOLID for a chunk that nothing is mapped of.  Returns the word's
 * new blocks, CHUNK_SOLID and CHUNK_FULL.  The bits of a solid chunk are not
 * written, and so take no memory.
 */
uint64_t chunk_set_valid(struct chunk_table *table, uint64_t index,
                         uint64_t word, struct run run, const int error[]);

/* Owner's store of the whole word, provided; keeps the used bitmap. */
void chunk_store(struct chunk_table *table, uint64_t index, uint64_t word);

/* First used chunk in [from, to), or to. */
uint64_t chunk_next_used(const struct chunk_table *table, uint64_t from,
                         uint64_t to);

static inline uint64_t chunk_load(const struct chunk_table *table,
                                  uint64_t index)
{
    return atomic_load_explicit(&table->words[index], memory_order_acquire);
}

static inline bool chunk_swap(struct chunk_table *table, uint64_t index,
                              uint64_t *expected, uint64_t word)
{
    return atomic_compare_exchange_strong_explicit(
        &table->words[index], expected, word, memory_order_acq_rel,
        memory_order_acquire);
}

static inline enum chunk_state chunk_state(uint64_t word)
{
    return (enum chunk_state)(word & CHUNK_STATE);
}

static inline uint64_t chunk_pins(uint64_t word)
{
    return (word & CHUNK_PINS) >> CHUNK_PIN_SHIFT;
}

/* Is there a mapping behind it, whatever frames it shows? */
static inline bool chunk_is_mapped(uint64_t word)
{
    return chunk_state(word) == CHUNK_MAPPED ||
           chunk_state(word) == CHUNK_RETIRED;
}

static inline unsigned chunk_nr_blocks(uint64_t word)
{
    if (!chunk_is_mapped(word))
        return 0;
    return (unsigned)__builtin_popcountll(word & CHUNK_BLOCKS);
}

static inline unsigned chunk_nr_areas(uint64_t word)
{
    if (!chunk_is_mapped(word))
        return 0;
    return (unsigned)((word & CHUNK_AREAS) >> CHUNK_AREA_SHIFT);
}

/* The blocks of the word, the first one in bit 0. */
static inline unsigned chunk_blocks(uint64_t word)
{
    return (unsigned)((word & CHUNK_BLOCKS) >> CHUNK_BLOCK_SHIFT);
}

/* In the same way the blocks of pages [first, first + nr). */
static inline unsigned chunk_blocks_of(const struct chunk_table *table,
                                       unsigned first, unsigned nr)
{
    unsigned from = first >> table->block_shift;
    unsigned to = (first + nr - 1) >> table->block_shift;

    return (2u << to) - (1u << from);
}

/* Can pages [first, first + nr) of a chunk with this word be used? */
static inline bool chunk_shows(const struct chunk_table *table, uint64_t index,
                               uint64_t word, unsigned first, unsigned nr)
{
    if (word & CHUNK_FULL)
        return true;
    if (word & CHUNK_SOLID)
        return (chunk_blocks_of(table, first, nr) & ~chunk_blocks(word)) == 0;
    return chunk_valid(table, index, first, nr);
}

#endif
