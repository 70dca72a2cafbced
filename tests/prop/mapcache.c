/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Several threads look up, pin, read and write while the owner exchanges the
 * frames under the guest's pages, invalidates and reclaims.  Each frame carries
 * its number, so that an old frame shows itself by value.
 *
 * The owner makes the version of a page odd, changes the page, invalidates, and
 * makes the version even again.  A reader that found the same even version
 * before and after an access must have seen the frame of that version, and in
 * it what it wrote at that version before.
 *
 *     tests/prop/mapcache [changes]
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

#define DOMID 3u
#define PAGE 4096u
#define FIRST 0x100u /* first gfn of the pages in play */
#define PAGES 768u   /* in play, at most */
#define SPARE 0x400u /* gfns that take the frames that left */
#define STAGE 0xfffu /* where a new frame gets its number */
#define READERS 4u
#define SEEN 10000u /* accesses that could be judged, at least */
#define PINS 4u
#define GENERATIONS 65535u

static unsigned long changes = 3000; /* at least */

/* Words of a page: its frame, and one for each writer. */
#define WRITER_WORD(reader) (16 + (reader))

struct setting {
    uint32_t seed;
    unsigned chunk, budget; /* pages, chunks */
    unsigned pages;         /* in play [192] */
    unsigned pins;          /* of a reader [PINS] */
    bool inject;            /* maps fail now and then */
    bool whole;             /* no page is ever a hole */
    unsigned before;        /* invalidates */
    unsigned ns;            /* that a map takes more */
};

struct model {
    struct xen_mapcache *cache;
    unsigned chunk, pages, pins;
    bool inject, whole;
    _Atomic uint32_t version[PAGES];
    _Atomic uint32_t frame[PAGES]; /* FAKEXEN_NO_FRAME: a hole */
    atomic_bool stop;
    atomic_uint stale, lost, odd_errors;  /* what must not happen */
    atomic_ulong seen, kept, holes, busy; /* what must happen */
};

struct reader {
    struct model *model;
    unsigned index;
    uint32_t seed;
    struct written {
        bool known;
        uint32_t version, value;
    } written[PAGES]; /* in this reader's word */
    struct pin {
        const void *host;
        unsigned page;
        size_t len;
        uint32_t frame;
    } pins[PINS];
};

static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static uint64_t gpa_of(unsigned page)
{
    return (uint64_t)(FIRST + page) * PAGE;
}

static uint32_t load(const void *host, unsigned word)
{
    return ((const volatile uint32_t *)host)[word];
}

/* What an access gave: a frame, FAKEXEN_NO_FRAME with -EFAULT. */
static void judge(struct model *model, unsigned page, uint32_t version, int rc,
                  uint32_t frame)
{
    uint32_t expected = atomic_load(&model->frame[page]);

    if (rc == -EBUSY) {
        atomic_fetch_add(&model->busy, 1);
        return;
    }
    if (rc == -ENOMEM && model->inject)
        return;
    if (rc && rc != -EFAULT) {
        atomic_fetch_add(&model->odd_errors, 1);
        return;
    }
    if (rc)
        frame = FAKEXEN_NO_FRAME;
    if (version % 2 || atomic_load(&model->version[page]) != version)
        return;
    atomic_fetch_add(rc ? &model->holes : &model->seen, 1);
    if (frame != expected)
        atomic_fetch_add(&model->stale, 1);
}

/* An access at this version found value in the reader's own word. */
static void judge_word(struct reader *reader, unsigned page, uint32_t version,
                       uint32_t value)
{
    struct model *model = reader->model;
    struct written *written = &reader->written[page];

    if (!written->known || written->version != version ||
        atomic_load(&model->version[page]) != version)
        return;
    atomic_fetch_add(&model->kept, 1);
    if (value != written->value)
        atomic_fetch_add(&model->lost, 1);
}

/* The reader wrote value into its word. */
static void note_word(struct reader *reader, unsigned page, uint32_t version,
                      uint32_t value)
{
    reader->written[page] = (struct written){
        .known = version % 2 == 0 &&
                 atomic_load(&reader->model->version[page]) == version,
        .version = version,
        .value = value,
    };
}

static void do_lookup_ro(struct reader *reader, unsigned page)
{
    struct model *model = reader->model;
    uint32_t version = atomic_load(&model->version[page]), frame = 0;
    const void *host;
    int rc;

    rc = xen_mapcache_lookup_ro(model->cache, gpa_of(page), PAGE, &host);
    if (rc == 0) {
        frame = load(host, 0);
        judge_word(reader, page, version,
                   load(host, WRITER_WORD(reader->index)));
    }
    judge(model, page, version, rc, frame);
}

static void do_lookup(struct reader *reader, unsigned page)
{
    struct model *model = reader->model;
    uint32_t version = atomic_load(&model->version[page]);
    unsigned word = WRITER_WORD(reader->index);
    uint32_t value = next(&reader->seed), frame = 0, found = 0;
    bool more = page + 1 < model->pages && value % 4 == 0;
    void *host;
    int rc;

    if (value % 8 == 1) {
        do_lookup_ro(reader, page);
        return;
    }
    rc = xen_mapcache_lookup(model->cache, gpa_of(page), PAGE << more, &host);
    if (rc == 0) {
        frame = load(host, 0);
        found = load(host, word);
    }
    /* Perhaps the second page is the hole. */
    if (rc == 0 || !more)
        judge(model, page, version, rc, frame);
    if (rc == 0) {
        judge_word(reader, page, version, found);
        ((volatile uint32_t *)host)[word] = value;
        note_word(reader, page, version, value);
    }
}

/* A copy has no reason to be refused. */
static void judge_copy(struct model *model, int rc)
{
    if (rc == -EBUSY)
        atomic_fetch_add(&model->odd_errors, 1);
}

static void do_copy(struct reader *reader, unsigned page)
{
    struct model *model = reader->model;
    uint32_t version = atomic_load(&model->version[page]);
    unsigned word = WRITER_WORD(reader->index);
    uint32_t words[WRITER_WORD(READERS)] = {0}, value = next(&reader->seed);
    int rc;

    rc = xen_mapcache_read(model->cache, gpa_of(page), words, sizeof(*words),
                           NULL);
    judge_copy(model, rc);
    judge(model, page, version, rc, words[0]);
    rc = xen_mapcache_read(model->cache, gpa_of(page) + 4 * word, &words[word],
                           sizeof(*words), NULL);
    judge_copy(model, rc);
    if (rc == 0)
        judge_word(reader, page, version, words[word]);
    rc = xen_mapcache_write(model->cache, gpa_of(page) + 4 * word, &value,
                            sizeof(value), NULL);
    judge_copy(model, rc);
    if (rc == 0)
        note_word(reader, page, version, value);
}

static void do_pin(struct reader *reader, struct pin *pin, unsigned page)
{
    struct model *model = reader->model;
    uint32_t version = atomic_load(&model->version[page]);
    int rc;

    pin->page = page;
    pin->len = 1 + next(&reader->seed) % (2 * PAGE);
    if (page == model->pages - 1 && pin->len > PAGE)
        pin->len = PAGE;
    if (pin->len % 2)
        rc = xen_mapcache_pin(model->cache, gpa_of(page), pin->len,
                              (void **)&pin->host);
    else
        rc = xen_mapcache_pin_ro(model->cache, gpa_of(page), pin->len,
                                 &pin->host);
    if (rc) {
        pin->host = NULL;
        /* Perhaps the second page is the hole. */
        if (pin->len <= PAGE)
            judge(model, page, version, rc, 0);
        return;
    }
    pin->frame = load(pin->host, 0);
    judge(model, page, version, rc, pin->frame);
}

static void do_unpin(struct reader *reader, struct pin *pin)
{
    struct model *model = reader->model;
    uint64_t gpa;

    /* The frames under a pin stay, whatever happened to the guest. */
    if (load(pin->host, 0) != pin->frame ||
        xen_mapcache_gpa(model->cache, pin->host, &gpa) ||
        gpa != gpa_of(pin->page))
        atomic_fetch_add(&model->stale, 1);
    xen_mapcache_unpin(model->cache, pin->host, pin->len);
    pin->host = NULL;
}

static void *read_on(void *opaque)
{
    struct reader *reader = opaque;
    struct pin *pin;

    xen_mapcache_thread_online();
    while (!atomic_load(&reader->model->stop)) {
        unsigned page = next(&reader->seed) % reader->model->pages;

        pin = &reader->pins[next(&reader->seed) % reader->model->pins];
        switch (next(&reader->seed) % 8) {
        case 0:
            if (pin->host)
                do_unpin(reader, pin);
            else
                do_pin(reader, pin, page);
            break;
        case 1:
        case 2:
            do_copy(reader, page);
            break;
        case 3:
            xen_mapcache_quiescent();
            break;
        case 4:
            if (next(&reader->seed) % 64 == 0) {
                xen_mapcache_thread_offline();
                xen_mapcache_thread_online();
            }
            break;
        default:
            do_lookup(reader, page);
        }
    }
    for (unsigned i = 0; i < PINS; i++)
        if (reader->pins[i].host)
            do_unpin(reader, &reader->pins[i]);
    xen_mapcache_thread_offline();
    return NULL;
}

static void stamp(uint64_t gfn)
{
    uint32_t frame = fakexen_frame(DOMID, gfn);

    memcpy(fakexen_frame_host(frame), &frame, sizeof(frame));
}

/* Returns the frame that left, or FAKEXEN_NO_FRAME. */
static uint32_t change_page(const struct model *model, unsigned page,
                            uint32_t *seed)
{
    uint64_t gfn = FIRST + page;
    uint32_t old = fakexen_frame(DOMID, gfn);

    if (old == FAKEXEN_NO_FRAME) {
        /* A frame without its number must not be seen in play. */
        assert_int_equal(fakexen_balloon_in(DOMID, STAGE, 1), 0);
        stamp(STAGE);
        fakexen_move(DOMID, STAGE, gfn);
        return FAKEXEN_NO_FRAME;
    }
    if (next(seed) % 3 == 0 && !model->whole) {
        fakexen_balloon_out(DOMID, gfn, 1);
        return FAKEXEN_NO_FRAME;
    }
    fakexen_swap(DOMID, gfn, SPARE + next(seed) % PAGES);
    return old;
}

static void invalidate(struct model *model, unsigned page, uint32_t *seed)
{
    if (next(seed) % 2) {
        xen_mapcache_invalidate(model->cache);
    } else {
        assert_int_equal(xen_mapcache_invalidate_range(
                             model->cache, gpa_of(page), 1 + next(seed) % PAGE),
                         0);
    }
}

/* A frame that left the pages in play, and what writers had left in it. */
struct departed {
    uint32_t frame;
    uint32_t words[READERS];
};

static void note_departed(struct departed *departed, uint32_t frame)
{
    departed->frame = frame;
    for (unsigned i = 0; frame != FAKEXEN_NO_FRAME && i < READERS; i++)
        departed->words[i] = load(fakexen_frame_host(frame), WRITER_WORD(i));
}

/* No writer has a pin, so nothing was written since the invalidate. */
static void check_departed(const struct departed *departed)
{
    for (unsigned i = 0; departed->frame != FAKEXEN_NO_FRAME && i < READERS;
         i++) {
        assert_int_equal(
            load(fakexen_frame_host(departed->frame), WRITER_WORD(i)),
            departed->words[i]);
    }
}

static void change(struct model *model, struct departed *departed,
                   uint32_t *seed)
{
    unsigned page = next(seed) % model->pages;
    uint32_t old;

    check_departed(departed);
    if (model->inject && next(seed) % 4 == 0)
        fakexen_fail(FAKEXEN_MAP, 1 + next(seed) % 20, 1, ENOMEM);
    atomic_fetch_add(&model->version[page], 1);
    old = change_page(model, page, seed);
    invalidate(model, page, seed);
    note_departed(departed, old);
    atomic_store(&model->frame[page], fakexen_frame(DOMID, FIRST + page));
    atomic_fetch_add(&model->version[page], 1);

    if (next(seed) % 3 == 0)
        xen_mapcache_reclaim(model->cache,
                             next(seed) % 2 * model->chunk * PAGE);
    xen_mapcache_quiescent();
}

static bool enough(const struct model *model, unsigned long done)
{
    struct xen_mapcache_stats stats;

    /* Changes alone may all have come while no reader ran. */
    xen_mapcache_get_stats(model->cache, &stats);
    return done >= changes && stats.misses >= changes / 10 &&
           atomic_load(&model->seen) >= SEEN &&
           atomic_load(&model->kept) >= SEEN / 10 &&
           (model->whole || atomic_load(&model->holes) >= SEEN / 100) &&
           atomic_load(&model->busy) > 0;
}

static void run(const struct setting *setting)
{
    uint32_t seed = setting->seed;
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = 2048, .maxmem = 4096};
    struct xen_mapcache_options options = {
        .window = UINT64_C(64) << 20,
        .chunk = setting->chunk * PAGE,
        .budget = (uint64_t)setting->budget * setting->chunk * PAGE,
    };
    static struct model model;
    static struct reader readers[READERS];
    struct departed departed = {.frame = FAKEXEN_NO_FRAME};
    pthread_t threads[READERS];

    fakexen_reset();
    fakexen_create(&domain);
    memset(&model, 0, sizeof(model));
    model.inject = setting->inject;
    model.whole = setting->whole;
    model.chunk = setting->chunk;
    model.pages = setting->pages ? setting->pages : 192;
    model.pins = setting->pins ? setting->pins : PINS;
    for (unsigned page = 0; page < PAGES; page++) {
        stamp(FIRST + page);
        stamp(SPARE + page);
        atomic_store(&model.frame[page], fakexen_frame(DOMID, FIRST + page));
    }
    fakexen_latency(FAKEXEN_MAP, setting->ns, 0);
    assert_int_equal(xen_mapcache_open(DOMID, &options, &model.cache), 0);
    for (unsigned i = 0; i < setting->before; i++)
        xen_mapcache_invalidate(model.cache);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] =
            (struct reader){.model = &model, .index = i, .seed = seed + i + 1};
        assert_int_equal(
            pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    for (unsigned long i = 0; !enough(&model, i); i++)
        change(&model, &departed, &seed);
    atomic_store(&model.stop, true);
    xen_mapcache_thread_offline();
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    xen_mapcache_thread_online();
    xen_mapcache_invalidate(model.cache);
    assert_int_equal(xen_mapcache_reclaim(model.cache, 0), 0);
    assert_int_equal(fakexen_mappings(), 0);
    xen_mapcache_close(model.cache);
    xen_mapcache_thread_offline();

    assert_int_equal(atomic_load(&model.stale), 0);
    assert_int_equal(atomic_load(&model.lost), 0);
    assert_int_equal(atomic_load(&model.odd_errors), 0);
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_violations(), 0);
}

static void no_thread_sees_a_stale_frame_or_loses_a_write(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x1234567, .chunk = 4, .budget = 1024});
}

static void nor_with_a_budget_that_evicts_all_the_time(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x7654321, .chunk = 4, .budget = 8});
}

static void nor_when_maps_fail(void **state)
{
    (void)state;
    run(&(struct setting){
        .seed = 0x2468ace, .chunk = 4, .budget = 16, .inject = true});
}

static void nor_while_generations_begin_anew(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x13579bd,
                          .chunk = 4,
                          .budget = 16,
                          .before = GENERATIONS - 50});
}

/* Slowly, so that others come to a block while it is being mapped. */
static void nor_with_chunks_mapped_in_part(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x1020304,
                          .chunk = 256,
                          .budget = 16,
                          .pages = PAGES,
                          .pins = 1,
                          .ns = 100000});
}

static void nor_when_these_are_evicted(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x4030201,
                          .chunk = 128,
                          .budget = 2,
                          .pages = PAGES,
                          .pins = 1,
                          .ns = 100000});
}

static void nor_when_these_have_no_holes(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x3040102,
                          .chunk = 256,
                          .budget = 2,
                          .pages = PAGES,
                          .pins = 1,
                          .whole = true,
                          .ns = 100000});
}

static void nor_when_maps_of_these_fail(void **state)
{
    (void)state;
    run(&(struct setting){.seed = 0x5060708,
                          .chunk = 128,
                          .budget = 2,
                          .pages = PAGES,
                          .pins = 1,
                          .inject = true});
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_thread_sees_a_stale_frame_or_loses_a_write),
        cmocka_unit_test(nor_with_a_budget_that_evicts_all_the_time),
        cmocka_unit_test(nor_when_maps_fail),
        cmocka_unit_test(nor_while_generations_begin_anew),
        cmocka_unit_test(nor_with_chunks_mapped_in_part),
        cmocka_unit_test(nor_when_these_are_evicted),
        cmocka_unit_test(nor_when_these_have_no_holes),
        cmocka_unit_test(nor_when_maps_of_these_fail),
    };

    if (argc > 1)
        changes = strtoul(argv[1], NULL, 0);

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
