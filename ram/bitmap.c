/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/bitmap.h"

#include <errno.h>
#include <sys/mman.h>

#define SHIFT 6 /* bits of a word */
#define MASK UINT64_C(63)
#define GROUP_SHIFT (2 * SHIFT)
#define TOP_SHIFT (3 * SHIFT)
#define ALL UINT64_MAX
#define CACHE_LINE 64

static uint64_t round_up(uint64_t value, unsigned shift)
{
    return (value + (UINT64_C(1) << shift) - 1) >> shift;
}

int ram_bitmap_init(struct ram_bitmap *bitmap, uint64_t nr)
{
    uint64_t tops = round_up(nr, TOP_SHIFT);
    uint64_t groups = tops << SHIFT, words = groups << SHIFT;
    size_t bytes = (size_t)(tops + groups + words) * sizeof(uint64_t);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return -ENOMEM;
    *bitmap = (struct ram_bitmap){
        .nr = nr,
        .bytes = bytes,
        .tops = memory,
    };
    bitmap->groups = bitmap->tops + tops;
    bitmap->words = bitmap->groups + groups;
    return 0;
}

void ram_bitmap_fini(struct ram_bitmap *bitmap)
{
    if (bitmap->tops)
        munmap((void *)bitmap->tops, bitmap->bytes);
    *bitmap = (struct ram_bitmap){0};
}

/* Bits [first, end) as far as they are in the word at index. */
static uint64_t mask_of(uint64_t index, uint64_t first, uint64_t end)
{
    uint64_t start = index << SHIFT, mask = ALL;

    if (first > start)
        mask &= ALL << (first - start);
    if (end - start < 64)
        mask &= ~(ALL << (end - start));
    return mask;
}

static void set_bits(_Atomic uint64_t *word, uint64_t mask)
{
    if ((atomic_load(word) & mask) != mask)
        atomic_fetch_or(word, mask);
}

void ram_bitmap_set(struct ram_bitmap *bitmap, uint64_t first, uint64_t nr)
{
    uint64_t end, last, word;

    if (first >= bitmap->nr || nr == 0)
        return;
    end = nr < bitmap->nr - first ? first + nr : bitmap->nr;
    last = (end - 1) >> SHIFT;
    word = first >> SHIFT;
    while (word <= last) {
        uint64_t group = word >> SHIFT, above = 0;

        for (; word <= last && word >> SHIFT == group; word++) {
            set_bits(&bitmap->words[word], mask_of(word, first, end));
            above |= UINT64_C(1) << (word & MASK);
        }
        set_bits(&bitmap->groups[group], above);
        set_bits(&bitmap->tops[group >> SHIFT], UINT64_C(1) << (group & MASK));
    }
}

bool ram_bitmap_any(const struct ram_bitmap *bitmap)
{
    uint64_t tops = round_up(bitmap->nr, TOP_SHIFT);

    for (uint64_t i = 0; i < tops; i++)
        if (atomic_load_explicit(&bitmap->tops[i], memory_order_relaxed))
            return true;
    return false;
}

/* Found and not given away yet. */
struct run {
    uint64_t first, end; /* both 0: none */
};

struct take {
    struct ram_bitmap *bitmap;
    uint64_t first, end;
    struct run run;
    ram_bitmap_fn *fn;
    void *opaque;
    int rc;
};

/* Apart, so that give is small enough to be inline. */
static __attribute__((noinline)) void give_back(struct take *take,
                                                struct run run)
{
    ram_bitmap_set(take->bitmap, run.first, run.end - run.first);
}

static inline void give(struct take *take, struct run run)
{
    if (run.end == 0)
        return;
    if (take->rc == 0)
        take->rc = take->fn(run.first, run.end - run.first, take->opaque);
    if (take->rc)
        give_back(take, run);
}

/* The bits of a word go on from run, or begin others. */
static inline struct run take_bits(struct take *take, struct run run,
                                   uint64_t word, uint64_t bits)
{
    uint64_t at = word << SHIFT;

    while (bits) {
        unsigned low = (unsigned)__builtin_ctzll(bits), nr;

        bits >>= low;
        at += low;
        if (at != run.end) {
            give(take, run);
            run.first = at;
        }
        /* The last run of the word, and mostly the only one. */
        if ((bits & (bits + 1)) == 0) {
            run.end = at + 64 - (unsigned)__builtin_clzll(bits);
            break;
        }
        nr = (unsigned)__builtin_ctzll(~bits);
        bits >>= nr;
        at += nr;
        run.end = at;
    }
    return run;
}

static void take_group(struct take *take, uint64_t group)
{
    struct ram_bitmap *bitmap = take->bitmap;
    struct run run = take->run;
    uint64_t bits;

    atomic_fetch_and(&bitmap->tops[group >> SHIFT],
                     ~(UINT64_C(1) << (group & MASK)));
    bits = atomic_exchange(&bitmap->groups[group], 0);
    for (; bits; bits &= bits - 1) {
        uint64_t word = (group << SHIFT) + (unsigned)__builtin_ctzll(bits);

        run = take_bits(take, run, word,
                        atomic_exchange(&bitmap->words[word], 0));
    }
    take->run = run;
}

/* A group at an edge of the range; its bits in the levels above may stay. */
static void take_part(struct take *take, uint64_t group)
{
    struct ram_bitmap *bitmap = take->bitmap;
    uint64_t bits = atomic_load(&bitmap->groups[group]);

    for (; bits; bits &= bits - 1) {
        uint64_t word = (group << SHIFT) + (unsigned)__builtin_ctzll(bits);
        uint64_t mask;

        if (word < take->first >> SHIFT || word > (take->end - 1) >> SHIFT)
            continue;
        mask = mask_of(word, take->first, take->end);
        take->run =
            take_bits(take, take->run, word,
                      atomic_fetch_and(&bitmap->words[word], ~mask) & mask);
    }
}

/* Exchanges wait for their lines one by one; these come while others go on. */
static void fetch_group(const struct ram_bitmap *bitmap, uint64_t group)
{
    const char *words = (const char *)&bitmap->words[group << SHIFT];

    for (size_t at = 0; at < sizeof(uint64_t) << SHIFT; at += CACHE_LINE)
        __builtin_prefetch(words + at, 1);
}

static void take_top(struct take *take, uint64_t top, uint64_t bits)
{
    for (uint64_t rest; bits && take->rc == 0; bits = rest) {
        uint64_t group = (top << SHIFT) + (unsigned)__builtin_ctzll(bits);
        uint64_t start = group << GROUP_SHIFT;

        rest = bits & (bits - 1);
        if (rest)
            fetch_group(take->bitmap,
                        (top << SHIFT) + (unsigned)__builtin_ctzll(rest));
        if (start >= take->first &&
            start + (UINT64_C(1) << GROUP_SHIFT) <= take->end)
            take_group(take, group);
        else
            take_part(take, group);
    }
}

static int drop(uint64_t first, uint64_t nr, void *opaque)
{
    (void)first;
    (void)nr;
    (void)opaque;
    return 0;
}

int ram_bitmap_take(struct ram_bitmap *bitmap, uint64_t first, uint64_t nr,
                    ram_bitmap_fn *fn, void *opaque)
{
    struct take take = {
        .bitmap = bitmap,
        .first = first,
        .fn = fn ? fn : drop,
        .opaque = opaque,
    };
    uint64_t group, last;

    if (first >= bitmap->nr || nr == 0)
        return 0;
    /* The end of the bitmap is not the edge of a range. */
    take.end = nr < bitmap->nr - first
                   ? first + nr
                   : round_up(bitmap->nr, GROUP_SHIFT) << GROUP_SHIFT;
    group = first >> GROUP_SHIFT;
    last = (take.end - 1) >> GROUP_SHIFT;
    for (uint64_t top = group >> SHIFT; top <= last >> SHIFT; top++) {
        uint64_t bits = atomic_load(&bitmap->tops[top]);

        bits &= mask_of(top, group, last + 1);
        if (bits)
            take_top(&take, top, bits);
        if (take.rc)
            break;
    }
    give(&take, take.run);
    return take.rc;
}
