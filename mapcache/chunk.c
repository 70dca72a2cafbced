/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/chunk.h"

#include <errno.h>
#include <sys/mman.h>

#define WORD_BITS 64u

static uint64_t words_for(uint64_t bits)
{
    return bits / WORD_BITS + (bits % WORD_BITS != 0);
}

static size_t whole_pages(uint64_t bytes)
{
    return (size_t)((bytes + 4095) & ~UINT64_C(4095));
}

/*
 * Less than this is not worth a call of its own, which costs as much as 60 to
 * 70 pages.
 */
#define BLOCK_PAGES 32u

static unsigned pages_of_block(unsigned pages)
{
    unsigned block = pages / CHUNK_BLOCKS_MAX;

    if (block < BLOCK_PAGES)
        block = BLOCK_PAGES;
    return block < pages ? block : pages;
}

int chunk_table_init(struct chunk_table *table, uint64_t nr, unsigned pages)
{
    unsigned block = pages_of_block(pages);
    unsigned valid_words = (unsigned)words_for(pages);
    size_t words = whole_pages(nr * sizeof(*table->words));
    size_t valid = whole_pages(nr * valid_words * sizeof(*table->valid));
    size_t used = whole_pages(words_for(nr) * sizeof(*table->used));
    size_t writable = whole_pages(nr / CHUNK_STRETCH / 8 + 1);
    size_t size = words + valid + used + writable;
    char *memory;

    memory = mmap(NULL, size, PROT_READ,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    /* One touched word must not bring in 2 MiB.  Kernels without: harmless. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
    if (mprotect(memory + size - writable, writable, PROT_READ | PROT_WRITE)) {
        munmap(memory, size);
        return -ENOMEM;
    }
    *table = (struct chunk_table){
        .words = (_Atomic uint64_t *)(void *)memory,
        .valid = (_Atomic uint64_t *)(void *)(memory + words),
        .used = (_Atomic uint64_t *)(void *)(memory + words + valid),
        .writable = (uint8_t *)memory + size - writable,
        .nr = nr,
        .pages = pages,
        .blocks = pages / block,
        .block_shift = (unsigned)__builtin_ctz(block),
        .valid_words = valid_words,
        .memory = memory,
        .size = size,
    };
    return 0;
}

/* Bytes [from, to) of a part of the table; whole pages that nobody shares. */
static bool make_writable(void *part, uint64_t from, uint64_t to)
{
    return mprotect((char *)part + from, whole_pages(to - from),
                    PROT_READ | PROT_WRITE) == 0;
}

int chunk_provide(struct chunk_table *table, uint64_t index)
{
    uint64_t stretch = index / CHUNK_STRETCH;
    uint64_t from = stretch * CHUNK_STRETCH, to = from + CHUNK_STRETCH;
    uint64_t valid = table->valid_words * sizeof(*table->valid);
    uint8_t bit = (uint8_t)(1u << stretch % 8);

    if (table->writable[stretch / 8] & bit)
        return 0;
    if (to > table->nr)
        to = table->nr;
    if (!make_writable(table->words, from * sizeof(*table->words),
                       to * sizeof(*table->words)) ||
        !make_writable(table->valid, from * valid, to * valid) ||
        !make_writable(table->used, from / 8,
                       words_for(to) * sizeof(*table->used)))
        return -ENOMEM;
    table->writable[stretch / 8] |= bit;
    return 0;
}

void chunk_table_fini(struct chunk_table *table)
{
    if (table->memory)
        munmap(table->memory, table->size);
    *table = (struct chunk_table){0};
}

bool chunk_valid(const struct chunk_table *table, uint64_t index,
                 unsigned first, unsigned nr)
{
    const _Atomic uint64_t *bits = &table->valid[index * table->valid_words];
    unsigned end = first + nr, next;
    uint64_t want;

    for (unsigned at = first; at < end; at = next) {
        next = (at / WORD_BITS + 1) * WORD_BITS;
        want = UINT64_MAX << at % WORD_BITS;
        if (end < next)
            want &= UINT64_MAX >> (next - end);
        /* Acquire: who sees the bit also sees what was mapped before it. */
        if (want &
            ~atomic_load_explicit(&bits[at / WORD_BITS], memory_order_acquire))
            return false;
    }
    return true;
}

static bool all_good(const int error[], unsigned pages)
{
    for (unsigned page = 0; page < pages; page++)
        if (error[page])
            return false;
    return true;
}

/* Bits of word i of the bitmap for which pages [first, end) have no error. */
static uint64_t good_bits(unsigned i, unsigned first, unsigned end,
                          const int error[])
{
    uint64_t word = 0;

    for (unsigned j = 0; j < WORD_BITS; j++) {
        unsigned page = i * WORD_BITS + j;

        if (page >= first && page < end && error[page - first] == 0)
            word |= UINT64_C(1) << j;
    }
    return word;
}

/* Bits of word i of the bitmap whose pages are in the word's blocks. */
static uint64_t block_bits(const struct chunk_table *table, unsigned i,
                           uint64_t word)
{
    uint64_t bits = 0;

    for (unsigned j = 0; j < WORD_BITS; j++) {
        unsigned page = i * WORD_BITS + j;

        if (page < table->pages &&
            (chunk_blocks(word) >> (page >> table->block_shift) & 1))
            bits |= UINT64_C(1) << j;
    }
    return bits;
}

uint64_t chunk_set_valid(struct chunk_table *table, uint64_t index,
                         uint64_t word, struct run run, const int error[])
{
    _Atomic uint64_t *valid = &table->valid[index * table->valid_words];
    unsigned first = run.first << table->block_shift;
    unsigned end = (run.first + run.nr) << table->block_shift;
    uint64_t blocks =
        (word & CHUNK_BLOCKS) | ((UINT64_C(1) << run.nr) - 1)
                                    << (CHUNK_BLOCK_SHIFT + run.first);
    uint64_t bits;

    if ((word & CHUNK_SOLID) && all_good(error, end - first)) {
        if ((unsigned)__builtin_popcountll(blocks) == table->blocks)
            blocks |= CHUNK_FULL;
        return blocks | CHUNK_SOLID;
    }
    for (unsigned i = 0; i < table->valid_words; i++) {
        bits = word & CHUNK_SOLID
                   ? block_bits(table, i, word)
                   : atomic_load_explicit(&valid[i], memory_order_relaxed);
        bits |= good_bits(i, first, end, error);
        atomic_store_explicit(&valid[i], bits, memory_order_release);
    }
    return blocks;
}

void chunk_store(struct chunk_table *table, uint64_t index, uint64_t word)
{
    uint64_t bit = UINT64_C(1) << index % WORD_BITS;
    _Atomic uint64_t *used = &table->used[index / WORD_BITS];

    /* Release: a reader that is led to the chunk also sees its valid bits. */
    atomic_store_explicit(&table->words[index], word, memory_order_release);
    if (chunk_state(word) == CHUNK_EMPTY) {
        atomic_fetch_and_explicit(used, ~bit, memory_order_relaxed);
        return;
    }
    atomic_fetch_or_explicit(used, bit, memory_order_relaxed);
    if (index >= atomic_load_explicit(&table->end, memory_order_relaxed))
        atomic_store_explicit(&table->end, index + 1, memory_order_relaxed);
}

uint64_t chunk_next_used(const struct chunk_table *table, uint64_t from,
                         uint64_t to)
{
    uint64_t end = atomic_load_explicit(&table->end, memory_order_relaxed);
    uint64_t at = from, word;

    if (end > to)
        end = to;
    while (at < end) {
        word = atomic_load_explicit(&table->used[at / WORD_BITS],
                                    memory_order_relaxed) >>
               at % WORD_BITS;
        if (word) {
            at += (uint64_t)__builtin_ctzll(word);
            return at < end ? at : to;
        }
        at = (at / WORD_BITS + 1) * WORD_BITS;
    }
    return to;
}
