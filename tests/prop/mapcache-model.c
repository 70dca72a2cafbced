/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * One thread does random things to a map cache and to the guest behind it, and
 * knows what must come of each.  A model keeps the bytes of every frame, those
 * that left the guest and are still pinned too: what is read must be the bytes
 * of the right frame, and what was written must be in it, nowhere else.
 *
 *     tests/prop/mapcache-model [operations [seed]]
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/test-clock.h"
#include "xenram/mapcache.h"

#define DOMID 3u
#define PAGE 4096u
#define WINDOW (UINT64_C(64) << 20)
#define FIRST UINT64_C(0x100) /* first gfn in play */
#define NR_PAGES 384u         /* in play */
#define SPARE UINT64_C(0x400) /* gfns whose frames are swapped in */
#define NR_CHUNKS (FIRST + NR_PAGES)
#define FRAMES 8192u /* a frame's number stays below */
#define NR_PINS 12u
#define NR_HELD 8u
#define MAX_PAGES 160u /* of a range */
#define NR_SETTINGS 7u

struct range {
    uint8_t *host; /* NULL: none */
    uint64_t gpa;
    size_t len;
    bool read_only;
    uint32_t frames[MAX_PAGES + 1];
};

struct setting {
    unsigned chunk, budget; /* pages, chunks */
};

static struct model {
    struct xen_mapcache *cache;
    struct setting setting;
    uint64_t seed, step, stamps;
    bool armed; /* a map will fail */
    uint32_t frame[NR_PAGES];
    bool came[NR_PAGES]; /* a moment ago, and nobody was told */
    struct range pins[NR_PINS], held[NR_HELD];
    unsigned chunk_pins[NR_CHUNKS];
    bool quarantined[NR_CHUNKS]; /* an invalidate came after a pin */
    bool holding;                /* beyond what held has room for, too */
    uint64_t count[16], copied;
} model;

static uint8_t bytes[FRAMES][PAGE];

static uint64_t operations = 400000, first_seed = 0x9e3779b97f4a7c15;

#define MUST(condition)                                                        \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fail_msg("%s, chunk %u, budget %u, seed %#llx, step %llu",         \
                     #condition, model.setting.chunk, model.setting.budget,    \
                     (unsigned long long)first_seed,                           \
                     (unsigned long long)model.step);                          \
        }                                                                      \
    } while (0)

static uint64_t below(uint64_t bound)
{
    model.seed ^= model.seed << 13;
    model.seed ^= model.seed >> 7;
    model.seed ^= model.seed << 17;
    return (model.seed >> 11) % bound;
}

static uint64_t gpa_of(unsigned page)
{
    return (FIRST + page) * PAGE;
}

static uint64_t page_of(uint64_t gpa)
{
    return gpa / PAGE - FIRST;
}

static uint64_t chunk_of(uint64_t gpa)
{
    return gpa / PAGE / model.setting.chunk;
}

/* Bytes that no frame had before. */
static void fill(uint32_t frame)
{
    uint64_t word, stamp = ++model.stamps * 0x9e3779b97f4a7c15;

    MUST(frame < FRAMES);
    for (size_t i = 0; i < PAGE; i += sizeof(word)) {
        word = stamp + i * 0x100000001b3;
        memcpy(&bytes[frame][i], &word, sizeof(word));
    }
    memcpy(fakexen_frame_host(frame), bytes[frame], PAGE);
}

/* ---- ranges ----------------------------------------------------------- */

static void random_range(struct range *range)
{
    uint64_t end = gpa_of(NR_PAGES), most = PAGE * MAX_PAGES;

    range->gpa = gpa_of(0) + below(end - gpa_of(0));
    switch (below(4)) {
    case 0:
        most = (uint64_t)model.setting.chunk * 3 * PAGE;
        break;
    case 1:
        most = 2 * PAGE;
        break;
    default:
        most = 64;
    }
    if (most > (uint64_t)MAX_PAGES * PAGE)
        most = (uint64_t)MAX_PAGES * PAGE;
    if (most > end - range->gpa)
        most = end - range->gpa;
    range->len = 1 + below(most);
    range->read_only = below(3) == 0;
    range->host = NULL;
}

static void note_frames(struct range *range)
{
    uint64_t first = page_of(range->gpa);
    uint64_t last = page_of(range->gpa + range->len - 1);

    for (uint64_t page = first; page <= last; page++)
        range->frames[page - first] = model.frame[page];
}

/* Bytes of the range before its first hole. */
static size_t whole(const struct range *range)
{
    uint64_t gpa = range->gpa, end = range->gpa + range->len;

    while (gpa < end && model.frame[page_of(gpa)] != FAKEXEN_NO_FRAME)
        gpa = gpa / PAGE * PAGE + PAGE;
    return gpa < end ? (gpa < range->gpa ? 0 : gpa - range->gpa) : range->len;
}

/* Some page may still be remembered as a hole. */
static bool came(const struct range *range)
{
    bool any = false;

    for (uint64_t i = page_of(range->gpa);
         i <= page_of(range->gpa + range->len - 1); i++)
        any |= model.came[i];
    return any;
}

static bool same(const struct range *range, const uint8_t *host, size_t len)
{
    uint64_t first = range->gpa / PAGE;
    size_t at, n;

    for (at = 0; at < len; at += n) {
        uint64_t gpa = range->gpa + at;

        n = PAGE - gpa % PAGE;
        n = n < len - at ? n : len - at;
        if (range->frames[gpa / PAGE - first] == FAKEXEN_NO_FRAME)
            continue;
        if (memcmp(host + at,
                   &bytes[range->frames[gpa / PAGE - first]][gpa % PAGE], n))
            return false;
    }
    return true;
}

/* Write at host, if not NULL, and what is in from into the model. */
static void put(const struct range *range, uint8_t *host, const uint8_t *from,
                size_t len)
{
    uint64_t first = range->gpa / PAGE;
    uint32_t frame;
    size_t at, n;

    for (at = 0; at < len; at += n) {
        uint64_t gpa = range->gpa + at;

        n = PAGE - gpa % PAGE;
        n = n < len - at ? n : len - at;
        frame = range->frames[gpa / PAGE - first];
        if (frame == FAKEXEN_NO_FRAME)
            continue;
        memcpy(&bytes[frame][gpa % PAGE], from + at, n);
        if (host)
            memcpy(host + at, from + at, n);
    }
}

static const uint8_t *random_bytes(size_t len)
{
    static uint8_t buffer[MAX_PAGES * PAGE];
    uint64_t value = below(UINT64_MAX);

    for (size_t i = 0; i < len; i++)
        buffer[i] = (uint8_t)(value >> i % 8 * 8) ^ (uint8_t)i;
    return buffer;
}

static uint64_t last_chunk(const struct range *range)
{
    return chunk_of(range->gpa + range->len - 1);
}

static void count_pin(const struct range *pin, int by)
{
    for (uint64_t i = chunk_of(pin->gpa); i <= last_chunk(pin); i++) {
        model.chunk_pins[i] += (unsigned)by;
        if (model.chunk_pins[i] == 0)
            model.quarantined[i] = false;
    }
}

static bool pinned(const struct range *range)
{
    bool any = false;

    for (uint64_t i = chunk_of(range->gpa); i <= last_chunk(range); i++)
        any |= model.chunk_pins[i] > 0;
    return any;
}

static bool quarantined(const struct range *range)
{
    bool any = false;

    for (uint64_t i = chunk_of(range->gpa); i <= last_chunk(range); i++)
        any |= model.quarantined[i];
    return any;
}

static void quarantine(uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last && i < NR_CHUNKS; i++)
        if (model.chunk_pins[i])
            model.quarantined[i] = true;
}

/* ---- what a call gave ------------------------------------------------- */

static void judge_error(int rc)
{
    if (rc == -ENOMEM) {
        MUST(model.armed && fakexen_failed(FAKEXEN_MAP));
        fakexen_fail(FAKEXEN_MAP, 1, 1, 0);
        model.armed = false;
    }
}

/* Of a lookup or pin. */
static void judge(const struct range *range, int rc)
{
    judge_error(rc);
    if (rc == 0) {
        MUST(whole(range) == range->len);
        MUST(!quarantined(range));
        MUST(same(range, range->host, range->len));
    } else if (rc == -EFAULT) {
        MUST(whole(range) < range->len || came(range));
    } else if (rc == -EBUSY) {
        MUST(model.holding || pinned(range));
    } else {
        MUST(rc == -ENOMEM);
    }
}

static void forget_held(bool check)
{
    for (unsigned i = 0; i < NR_HELD; i++) {
        struct range *held = &model.held[i];

        if (held->host && check)
            MUST(same(held, held->host, held->len));
        held->host = NULL;
    }
    model.holding = false;
}

static int lookup(struct range *range)
{
    const void *host;
    int rc;

    if (!range->read_only)
        return xen_mapcache_lookup(model.cache, range->gpa, range->len,
                                   (void **)&range->host);
    rc = xen_mapcache_lookup_ro(model.cache, range->gpa, range->len, &host);
    range->host = (uint8_t *)(uintptr_t)host;
    return rc;
}

static int pin(struct range *range)
{
    const void *host;
    int rc;

    if (!range->read_only)
        return xen_mapcache_pin(model.cache, range->gpa, range->len,
                                (void **)&range->host);
    rc = xen_mapcache_pin_ro(model.cache, range->gpa, range->len, &host);
    range->host = (uint8_t *)(uintptr_t)host;
    return rc;
}

static void do_lookup(void)
{
    struct range *held = &model.held[below(NR_HELD)];
    int rc;

    if (held->host)
        MUST(same(held, held->host, held->len));
    held->host = NULL;
    random_range(held);
    note_frames(held);
    rc = lookup(held);
    if (rc)
        held->host = NULL;
    judge(held, rc);
    model.holding |= rc == 0;
    if (rc == 0 && !held->read_only && below(2))
        put(held, held->host, random_bytes(held->len), held->len);
}

static void do_pin(void)
{
    struct range *range = &model.pins[below(NR_PINS)];
    uint64_t gpa, at;
    int rc;

    if (range->host) {
        at = below(range->len);
        MUST(xen_mapcache_gpa(model.cache, range->host + at, &gpa) == 0);
        MUST(gpa == range->gpa + at);
        MUST(same(range, range->host, range->len));
        xen_mapcache_unpin(model.cache, range->host, range->len);
        count_pin(range, -1);
        range->host = NULL;
        return;
    }
    random_range(range);
    note_frames(range);
    rc = pin(range);
    if (rc)
        range->host = NULL;
    judge(range, rc);
    if (rc == 0)
        count_pin(range, 1);
}

static void do_use_pin(void)
{
    struct range *range = &model.pins[below(NR_PINS)];

    if (!range->host)
        return;
    MUST(same(range, range->host, range->len));
    if (!range->read_only)
        put(range, range->host, random_bytes(range->len), range->len);
}

static void do_copy(bool write)
{
    static uint8_t buffer[MAX_PAGES * PAGE];
    struct range range;
    const uint8_t *from = NULL;
    size_t done = SIZE_MAX;
    int rc;

    random_range(&range);
    note_frames(&range);
    if (write) {
        from = random_bytes(range.len);
        rc = xen_mapcache_write(model.cache, range.gpa, from, range.len, &done);
    } else {
        rc =
            xen_mapcache_read(model.cache, range.gpa, buffer, range.len, &done);
    }
    judge_error(rc);
    if (rc == 0)
        MUST(done == range.len && whole(&range) == range.len);
    else if (rc == -EFAULT)
        MUST(done < range.len &&
             (done == whole(&range) ||
              (done < whole(&range) && model.came[page_of(range.gpa + done)])));
    else
        MUST(rc == -ENOMEM && done <= whole(&range));
    if (write)
        put(&range, NULL, from, done);
    else
        MUST(same(&range, buffer, done));
    model.copied += done;
}

static void do_outside(void)
{
    const uint64_t gpas[] = {WINDOW, WINDOW - 1, UINT64_MAX, 0};
    const size_t lens[] = {1, 2, SIZE_MAX, 0};
    size_t i = below(4), j = below(4), done;
    int expected = lens[j] == 0 ? -EINVAL : -ERANGE;
    uint8_t byte[2];
    void *host;

    if (lens[j] && (gpas[i] < WINDOW && lens[j] <= WINDOW - gpas[i]))
        return;
    MUST(xen_mapcache_lookup(model.cache, gpas[i], lens[j], &host) == expected);
    MUST(xen_mapcache_pin(model.cache, gpas[i], lens[j], &host) == expected);
    MUST(xen_mapcache_invalidate_range(model.cache, gpas[i], lens[j]) ==
         expected);
    if (gpas[i] >= WINDOW && lens[j] <= sizeof(byte)) {
        MUST(xen_mapcache_read(model.cache, gpas[i], byte, lens[j], &done) ==
             expected);
        MUST(done == 0);
    }
}

/* ---- the guest and the owner ------------------------------------------ */

static void do_invalidate(unsigned page, unsigned nr)
{
    uint64_t gpa = gpa_of(page), len = (uint64_t)nr * PAGE;

    forget_held(true);
    if (below(3) == 0) {
        xen_mapcache_invalidate(model.cache);
        quarantine(0, NR_CHUNKS);
        memset(model.came, 0, sizeof(model.came));
    } else {
        gpa += below(PAGE);
        len = len - PAGE + 1;
        MUST(xen_mapcache_invalidate_range(model.cache, gpa, len) == 0);
        quarantine(chunk_of(gpa), chunk_of(gpa + len - 1));
        memset(&model.came[page], 0, nr * sizeof(*model.came));
    }
}

/* What a replace of range did to a pin. */
static void replaced(const struct range *range, struct range *pin, bool failed)
{
    uint64_t page;

    if (!pin->host || chunk_of(pin->gpa) > last_chunk(range) ||
        last_chunk(pin) < chunk_of(range->gpa))
        return;
    if (failed) {
        xen_mapcache_unpin(model.cache, pin->host, pin->len);
        count_pin(pin, -1);
        pin->host = NULL;
        return;
    }
    for (page = page_of(pin->gpa); page <= page_of(pin->gpa + pin->len - 1);
         page++) {
        if (chunk_of(gpa_of((unsigned)page)) >= chunk_of(range->gpa) &&
            chunk_of(gpa_of((unsigned)page)) <= last_chunk(range))
            pin->frames[page - page_of(pin->gpa)] = model.frame[page];
    }
}

static void do_replace(void)
{
    struct range range;
    uint64_t first, last;
    int rc;

    forget_held(true);
    random_range(&range);
    rc = xen_mapcache_replace(model.cache, range.gpa, range.len);
    judge_error(rc);
    MUST(rc == 0 || rc == -ENOMEM ||
         (rc == -EFAULT && whole(&range) < range.len && pinned(&range)));
    for (unsigned i = 0; i < NR_PINS; i++)
        replaced(&range, &model.pins[i], rc == -ENOMEM);
    for (uint64_t i = chunk_of(range.gpa); i <= last_chunk(&range); i++)
        model.quarantined[i] = false;
    first = page_of(range.gpa);
    last = page_of(range.gpa + range.len - 1);
    memset(&model.came[first], 0, last - first + 1);
}

/* Frames of some pages go, or others come in their place. */
static void do_change(void)
{
    unsigned nr = 1 + (unsigned)below(below(8) ? 3 : 64);
    unsigned page = (unsigned)below(NR_PAGES - nr);
    unsigned how = (unsigned)below(3);

    forget_held(true);
    for (unsigned i = page; i < page + nr; i++) {
        uint64_t gfn = FIRST + i;

        if (model.frame[i] == FAKEXEN_NO_FRAME)
            continue;
        if (how == 0) {
            fakexen_balloon_out(DOMID, gfn, 1);
        } else if (how == 1) {
            fakexen_swap(DOMID, gfn, SPARE + below(NR_PAGES));
        } else {
            fakexen_replace(DOMID, gfn);
            fill(fakexen_frame(DOMID, gfn));
        }
        model.frame[i] = fakexen_frame(DOMID, gfn);
    }
    do_invalidate(page, nr);
}

static void do_wait(void)
{
    test_clock_us += 1000;
    memset(model.came, 0, sizeof(model.came));
}

/* Frames come into holes, and nobody is told. */
static void do_balloon_in(void)
{
    unsigned nr = 1 + (unsigned)below(below(4) ? 8 : 64);
    unsigned page = (unsigned)below(NR_PAGES - nr);

    if (fakexen_balloon_in(DOMID, FIRST + page, nr))
        return;
    for (unsigned i = page; i < page + nr; i++) {
        if (model.frame[i] != FAKEXEN_NO_FRAME)
            continue;
        model.frame[i] = fakexen_frame(DOMID, FIRST + i);
        fill(model.frame[i]);
        model.came[i] = true;
    }
    if (below(2))
        do_wait();
}

static void do_reclaim(void)
{
    uint64_t max = below(2) * (1 + below(8)) * model.setting.chunk * PAGE;
    struct xen_mapcache_stats stats;
    uint64_t left = xen_mapcache_reclaim(model.cache, max);

    xen_mapcache_get_stats(model.cache, &stats);
    MUST(max > 0 || model.holding || left == 0);
    MUST(max > 0 || model.holding || stats.stale == 0);
}

static void do_quiescent(void)
{
    forget_held(true);
    if (below(8) == 0) {
        xen_mapcache_thread_offline();
        xen_mapcache_thread_online();
    } else {
        xen_mapcache_quiescent();
    }
}

/* So that generations wrap now and then. */
static void do_burst(void)
{
    forget_held(true);
    for (unsigned i = 0; i < 20000; i++)
        xen_mapcache_invalidate(model.cache);
    quarantine(0, NR_CHUNKS);
}

static void do_arm(void)
{
    model.armed = true;
    fakexen_fail(FAKEXEN_MAP, 1 + (unsigned)below(4), 1, ENOMEM);
}

static void do_stats(void)
{
    uint64_t nr = 0, old = 0;
    struct xen_mapcache_stats stats;

    for (unsigned i = 0; i < NR_CHUNKS; i++) {
        nr += model.chunk_pins[i] > 0;
        old += model.quarantined[i];
    }
    xen_mapcache_get_stats(model.cache, &stats);
    MUST(stats.pinned == nr);
    MUST(stats.quarantined == old);
    if (below(64) == 0)
        MUST(stats.mapped == fakexen_mapped_bytes());
}

/* All that was ever written is where it belongs, and nothing else. */
static void check_frames(void)
{
    for (unsigned page = 0; page < NR_PAGES; page++) {
        uint32_t frame = model.frame[page];

        MUST(frame == fakexen_frame(DOMID, FIRST + page));
        if (frame != FAKEXEN_NO_FRAME)
            MUST(memcmp(fakexen_frame_host(frame), bytes[frame], PAGE) == 0);
        frame = fakexen_frame(DOMID, SPARE + page);
        MUST(memcmp(fakexen_frame_host(frame), bytes[frame], PAGE) == 0);
    }
}

enum {
    LOOKUP,
    PIN,
    USE_PIN,
    READ,
    WRITE,
    QUIESCENT,
    CHANGE,
    BALLOON_IN,
    INVALIDATE,
    REPLACE,
    RECLAIM,
    ARM,
    STATS,
    OUTSIDE,
    CHECK,
    BURST,
    NR_KINDS
};

static const unsigned weights[NR_KINDS] = {
    [LOOKUP] = 12000, [PIN] = 9000,        [USE_PIN] = 3000,
    [READ] = 8000,    [WRITE] = 8000,      [QUIESCENT] = 6000,
    [CHANGE] = 1500,  [BALLOON_IN] = 1500, [INVALIDATE] = 500,
    [REPLACE] = 500,  [RECLAIM] = 1500,    [ARM] = 500,
    [STATS] = 1000,   [OUTSIDE] = 500,     [CHECK] = 20,
    [BURST] = 1,
};

static void step(void)
{
    unsigned kind = 0, sum = 0, at;

    for (unsigned i = 0; i < NR_KINDS; i++)
        sum += weights[i];
    at = (unsigned)below(sum);
    while (at >= weights[kind])
        at -= weights[kind++];
    model.count[kind]++;
    switch (kind) {
    case LOOKUP:
        do_lookup();
        break;
    case PIN:
        do_pin();
        break;
    case USE_PIN:
        do_use_pin();
        break;
    case READ:
    case WRITE:
        do_copy(kind == WRITE);
        break;
    case QUIESCENT:
        do_quiescent();
        break;
    case CHANGE:
        do_change();
        break;
    case BALLOON_IN:
        do_balloon_in();
        break;
    case INVALIDATE:
        do_invalidate((unsigned)below(NR_PAGES), 1);
        break;
    case REPLACE:
        do_replace();
        break;
    case RECLAIM:
        do_reclaim();
        break;
    case ARM:
        do_arm();
        break;
    case STATS:
        do_stats();
        break;
    case OUTSIDE:
        do_outside();
        break;
    case CHECK:
        check_frames();
        break;
    default:
        do_burst();
    }
}

/* ---- runs ------------------------------------------------------------- */

static void begin(const struct setting *setting)
{
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = 2048, .maxmem = 4096};
    struct xen_mapcache_options options = {
        .window = WINDOW,
        .chunk = setting->chunk * PAGE,
        .budget = (uint64_t)setting->chunk * setting->budget * PAGE,
    };

    memset(&model, 0, sizeof(model));
    model.setting = *setting;
    model.seed = first_seed;
    fakexen_reset();
    fakexen_create(&domain);
    for (unsigned page = 0; page < NR_PAGES; page++) {
        model.frame[page] = fakexen_frame(DOMID, FIRST + page);
        fill(model.frame[page]);
        fill(fakexen_frame(DOMID, SPARE + page));
    }
    assert_int_equal(xen_mapcache_open(DOMID, &options, &model.cache), 0);
}

/* After all is unpinned and given back, Xen has every frame that left. */
static void end(void)
{
    for (unsigned i = 0; i < NR_PINS; i++)
        if (model.pins[i].host)
            xen_mapcache_unpin(model.cache, model.pins[i].host,
                               model.pins[i].len);
    forget_held(true);
    check_frames();
    xen_mapcache_invalidate(model.cache);
    MUST(xen_mapcache_reclaim(model.cache, 0) == 0);
    MUST(fakexen_mappings() == 0);
    xen_mapcache_close(model.cache);
    xen_mapcache_thread_offline();
    MUST(fakexen_handles() == 0);
    MUST(fakexen_violations() == 0);
    for (unsigned i = 0; i < NR_KINDS && operations > 100000; i++)
        MUST(model.count[i] > 0);
}

static void run(const struct setting *setting)
{
    begin(setting);
    for (model.step = 0; model.step < operations / NR_SETTINGS; model.step++)
        step();
    end();
}

static void no_byte_is_stale_or_lost(void **state)
{
    static const struct setting setting = {.chunk = 4, .budget = 1000};

    (void)state;
    run(&setting);
}

static void nor_when_chunks_come_and_go(void **state)
{
    static const struct setting setting = {.chunk = 4, .budget = 6};

    (void)state;
    run(&setting);
}

static void nor_with_chunks_of_one_page(void **state)
{
    static const struct setting setting = {.chunk = 1, .budget = 32};

    (void)state;
    run(&setting);
}

static void nor_with_chunks_of_two_blocks(void **state)
{
    static const struct setting setting = {.chunk = 64, .budget = 3};

    (void)state;
    run(&setting);
}

static void nor_with_chunks_of_four_blocks(void **state)
{
    static const struct setting setting = {.chunk = 128, .budget = 2};

    (void)state;
    run(&setting);
}

static void nor_with_chunks_of_eight_blocks(void **state)
{
    static const struct setting setting = {.chunk = 256, .budget = 1};

    (void)state;
    run(&setting);
}

static void nor_when_all_blocks_stay(void **state)
{
    static const struct setting setting = {.chunk = 512, .budget = 10};

    (void)state;
    run(&setting);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_is_stale_or_lost),
        cmocka_unit_test(nor_when_chunks_come_and_go),
        cmocka_unit_test(nor_with_chunks_of_one_page),
        cmocka_unit_test(nor_with_chunks_of_two_blocks),
        cmocka_unit_test(nor_with_chunks_of_four_blocks),
        cmocka_unit_test(nor_with_chunks_of_eight_blocks),
        cmocka_unit_test(nor_when_all_blocks_stay),
    };

    if (argc > 1)
        operations = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
