/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/run.h"

/* All of the chunk, if there is one, is mapped and current. */
static bool all_mapped(const struct xen_mapcache *cache, uint64_t index)
{
    uint64_t word;

    if (index >= cache->table.nr)
        return false;
    word = chunk_load(&cache->table, index);
    return cache_is_current(cache, word) &&
           chunk_nr_blocks(word) == cache->table.blocks;
}

static bool is_there(unsigned blocks, unsigned block)
{
    return blocks >> block & 1;
}

/* What is mapped goes up to the first block of run, or on behind the last. */
static bool has_neighbour(const struct xen_mapcache *cache, uint64_t index,
                          unsigned there, struct run run)
{
    unsigned end = run.first + run.nr;

    return (run.first == 0 ? all_mapped(cache, index - 1)
                           : is_there(there, run.first - 1)) ||
           (end == cache->table.blocks ? all_mapped(cache, index + 1)
                                       : is_there(there, end));
}

/* Run and the blocks around it that are not there. */
static struct run gap_around(const struct xen_mapcache *cache, unsigned there,
                             struct run run)
{
    unsigned first = run.first, end = run.first + run.nr;

    while (first > 0 && !is_there(there, first - 1))
        first--;
    while (end < cache->table.blocks && !is_there(there, end))
        end++;
    return (struct run){.first = first, .nr = end - first};
}

struct run run_anew(const struct xen_mapcache *cache, uint64_t index,
                    uint64_t word, unsigned first, unsigned nr)
{
    unsigned blocks = chunk_blocks_of(&cache->table, first, nr);
    struct run run;

    if (chunk_is_mapped(word))
        blocks |= chunk_blocks(word);
    run = run_over(blocks);
    return has_neighbour(cache, index, 0, run) ? gap_around(cache, 0, run)
                                               : run;
}

struct run run_beside(const struct xen_mapcache *cache, uint64_t index,
                      uint64_t word, unsigned first, unsigned nr)
{
    unsigned there = chunk_blocks(word);
    unsigned missing = chunk_blocks_of(&cache->table, first, nr) & ~there;
    struct run run = {.first = (unsigned)__builtin_ctz(missing)};

    while (is_there(missing, run.first + run.nr))
        run.nr++;
    if (chunk_nr_areas(word) >= 2 || has_neighbour(cache, index, there, run))
        run = gap_around(cache, there, run);
    return run;
}
