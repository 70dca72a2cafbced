/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ram/bitmap.h"

#define NR 20000u /* bits: more than one group, none of them full */

static uint32_t below(uint32_t *seed, uint32_t limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % limit;
}

/* Checks that runs go upwards, do not touch, and are what the model has. */
struct model {
    bool bits[NR];
    uint64_t at; /* first bit that was not looked at yet */
    unsigned runs;
    unsigned refuse; /* the run that is refused, 0: none */
};

static int check_run(uint64_t first, uint64_t nr, void *opaque)
{
    struct model *model = opaque;

    assert_true(nr > 0 && first + nr <= NR);
    assert_true(model->runs == 0 || first > model->at);
    if (++model->runs == model->refuse)
        return -EAGAIN;
    for (uint64_t i = first; i < first + nr; i++) {
        assert_true(model->bits[i]);
        model->bits[i] = false;
    }
    model->at = first + nr;
    return 0;
}

static void assert_clean(const struct model *model, uint64_t first, uint64_t nr)
{
    for (uint64_t i = first; i < first + nr && i < NR; i++)
        assert_false(model->bits[i]);
}

static void random_sets_and_takes_agree_with_a_model(void **state)
{
    static struct model model;
    struct ram_bitmap bitmap;
    uint32_t seed = 4711;
    bool any;

    (void)state;
    assert_int_equal(ram_bitmap_init(&bitmap, NR), 0);
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t first = below(&seed, NR + 100);
        uint64_t nr = below(&seed, round % 3 ? 70 : NR);

        switch (below(&seed, 5)) {
        case 0:
            model.runs = model.refuse = 0;
            assert_int_equal(
                ram_bitmap_take(&bitmap, first, nr, check_run, &model), 0);
            assert_clean(&model, first, nr);
            break;
        case 1:
            model.runs = 0;
            model.refuse = 1 + below(&seed, 3);
            if (ram_bitmap_take(&bitmap, first, nr, check_run, &model) == 0)
                assert_clean(&model, first, nr);
            break;
        default:
            ram_bitmap_set(&bitmap, first, nr);
            for (uint64_t i = first; i < first + nr && i < NR; i++)
                model.bits[i] = true;
        }
        /* A level above may promise too much, never too little. */
        any = memchr(model.bits, true, sizeof(model.bits)) != NULL;
        assert_true(!any || ram_bitmap_any(&bitmap));
    }
    model.runs = model.refuse = 0;
    assert_int_equal(ram_bitmap_take(&bitmap, 0, NR, check_run, &model), 0);
    assert_clean(&model, 0, NR);
    assert_false(ram_bitmap_any(&bitmap));
    ram_bitmap_fini(&bitmap);
}

struct pattern {
    uint64_t bits;
    unsigned runs;
};

static int note_bits(uint64_t first, uint64_t nr, void *opaque)
{
    struct pattern *seen = opaque;

    seen->runs++;
    for (uint64_t i = first; i < first + nr; i++)
        seen->bits |= UINT64_C(1) << i % 64;
    return 0;
}

/* Sixteen bits at each end of a word and in its middle. */
static void each_pattern_of_a_word_is_taken_as_its_runs(void **state)
{
    static const unsigned places[] = {0, 21, 48};
    struct ram_bitmap bitmap;

    (void)state;
    assert_int_equal(ram_bitmap_init(&bitmap, NR), 0);
    for (uint64_t bits = 1; bits < 1 << 16; bits++) {
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            struct pattern seen = {0};

            for (unsigned at = 0; at < 16; at++)
                if (bits >> at & 1)
                    ram_bitmap_set(&bitmap, 640 + places[i] + at, 1);
            assert_int_equal(ram_bitmap_take(&bitmap, 0, NR, note_bits, &seen),
                             0);
            assert_true(seen.bits == bits << places[i]);
            assert_int_equal(seen.runs,
                             __builtin_popcountll(bits & ~(bits << 1)));
        }
    }
    ram_bitmap_fini(&bitmap);
}

static int count_run(uint64_t first, uint64_t nr, void *opaque)
{
    uint64_t *sum = opaque;

    sum[0] += nr;
    sum[1] ^= first;
    return 0;
}

static void the_last_page_of_a_terabyte_is_found(void **state)
{
    const uint64_t nr = UINT64_C(1) << 28;
    struct ram_bitmap bitmap;
    uint64_t sum[2] = {0};

    (void)state;
    assert_int_equal(ram_bitmap_init(&bitmap, nr), 0);
    ram_bitmap_set(&bitmap, nr - 1, UINT64_MAX);
    ram_bitmap_set(&bitmap, nr, 1);
    ram_bitmap_set(&bitmap, 5, 0);
    assert_int_equal(ram_bitmap_take(&bitmap, 0, UINT64_MAX, count_run, sum),
                     0);
    assert_int_equal(sum[0], 1);
    assert_int_equal(sum[1], nr - 1);
    assert_int_equal(ram_bitmap_take(&bitmap, nr, 1, count_run, sum), 0);
    ram_bitmap_fini(&bitmap);
    assert_int_equal(ram_bitmap_init(&bitmap, UINT64_C(1) << 60), -ENOMEM);
}

#define THREADS 4u
#define SETS 40000u

/*
 * Each thread writes numbers that go up into pages of its own, and sets their
 * bits.  A take finds each number, or a later one, whose bit was set before it.
 */
struct page {
    _Atomic uint32_t written;
    uint32_t seen;
};

struct race;
struct setter {
    struct race *race;
    unsigned number;
    _Atomic uint32_t done; /* numbers whose bits are set */
    uint32_t checked;
    uint32_t places[SETS + 1]; /* where each number went */
};

struct race {
    struct ram_bitmap bitmap;
    struct page pages[NR];
    struct setter setters[THREADS];
};

static void *set_pages(void *opaque)
{
    struct setter *setter = opaque;
    struct race *race = setter->race;
    uint32_t seed = 99 + setter->number;

    for (uint32_t i = 1; i <= SETS; i++) {
        /* Threads share words: their pages alternate. */
        uint32_t page = below(&seed, NR / THREADS) * THREADS + setter->number;

        setter->places[i] = page;
        atomic_store(&race->pages[page].written, i);
        ram_bitmap_set(&race->bitmap, page, 1);
        atomic_store(&setter->done, i);
    }
    return NULL;
}

static int see(uint64_t first, uint64_t nr, void *opaque)
{
    struct race *race = opaque;

    for (uint64_t i = first; i < first + nr; i++)
        race->pages[i].seen = atomic_load(&race->pages[i].written);
    return 0;
}

/* Returns how many numbers were checked in all. */
static uint32_t take_and_check(struct race *race, uint64_t edge)
{
    uint32_t done[THREADS], all = 0;

    for (unsigned i = 0; i < THREADS; i++)
        done[i] = atomic_load(&race->setters[i].done);
    /* A part, then the rest: both ways to take. */
    assert_int_equal(ram_bitmap_take(&race->bitmap, 0, edge, see, race), 0);
    assert_int_equal(ram_bitmap_take(&race->bitmap, edge, NR - edge, see, race),
                     0);
    for (unsigned i = 0; i < THREADS; i++) {
        struct setter *setter = &race->setters[i];

        for (; setter->checked < done[i]; setter->checked++) {
            uint32_t number = setter->checked + 1;

            assert_true(race->pages[setter->places[number]].seen >= number);
        }
        all += done[i];
    }
    return all;
}

static void no_write_of_any_thread_is_missed(void **state)
{
    static struct race race;
    pthread_t threads[THREADS];
    uint32_t all = 0;

    (void)state;
    assert_int_equal(ram_bitmap_init(&race.bitmap, NR), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        race.setters[i].race = &race;
        race.setters[i].number = i;
        assert_int_equal(
            pthread_create(&threads[i], NULL, set_pages, &race.setters[i]), 0);
    }
    for (unsigned i = 0; all < THREADS * SETS; i++)
        all = take_and_check(&race, i % 3 * 1000);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_false(ram_bitmap_take(&race.bitmap, 0, NR, see, &race));
    ram_bitmap_fini(&race.bitmap);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sets_and_takes_agree_with_a_model),
        cmocka_unit_test(each_pattern_of_a_word_is_taken_as_its_runs),
        cmocka_unit_test(the_last_page_of_a_terabyte_is_found),
        cmocka_unit_test(no_write_of_any_thread_is_missed),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
