/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What it costs that the guest's frames change. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/guest.h"
#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"

struct setting {
    struct xen_mapcache *cache;
    unsigned chunks; /* to have mapped when an invalidate comes */
};

/* The answer alone: what is mapped again and dropped is not counted. */
static double invalidate(void *opaque)
{
    struct setting *s = opaque;
    double start, took;

    for (unsigned i = 0; i < s->chunks; i++)
        guest_look_up(s->cache, RAM + i * CHUNK, PAGE);
    xen_mapcache_quiescent();
    start = bench_now();
    xen_mapcache_invalidate(s->cache);
    took = bench_now() - start;
    xen_mapcache_reclaim(s->cache, 0);
    return took;
}

struct reader {
    struct setting *setting;
    atomic_bool stop;
};

static void *read_on(void *opaque)
{
    struct reader *reader = opaque;
    uint64_t seed = SEED;
    uint8_t page[PAGE];

    xen_mapcache_thread_online();
    while (!reader->stop) {
        memcpy(page,
               guest_look_up(reader->setting->cache,
                             RAM + next_random(&seed) % 64 * CHUNK, PAGE),
               PAGE);
        bench_use(page[0]);
        xen_mapcache_quiescent();
    }
    xen_mapcache_thread_offline();
    return NULL;
}

static void bench_answers(struct setting *s)
{
    static const unsigned chunks[] = {0, 1, 64, 512, 4096};
    struct reader reader = {.setting = s};
    pthread_t thread;
    char name[48];

    for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        s->chunks = chunks[i];
        snprintf(name, sizeof(name), "mapcache.invalidate.%u.p99", s->chunks);
        bench_p99(name, invalidate, "an epoch", bench_epoch, s,
                  s->chunks > 1000 ? 200 : 1000);
    }
    s->chunks = 64;
    if (pthread_create(&thread, NULL, read_on, &reader))
        bench_die("no thread");
    bench_p99("mapcache.invalidate.64.reader.p99", invalidate,
              "an epoch with that reader", bench_epoch, s, 1000);
    reader.stop = true;
    xen_mapcache_thread_offline();
    pthread_join(thread, NULL);
    xen_mapcache_thread_online();
}

/* ---- a storm ---------------------------------------------------------- */

#define INVALIDATES 1024u
#define DEPTH 32u
#define RECLAIM_EVERY 8u /* as a timer would */

struct storm {
    struct xen_mapcache *cache;
    uint64_t seed;
    void *pins[DEPTH];
    unsigned next;
    unsigned *touched_in; /* by block: the number of the invalidate */
    uint64_t touched;     /* blocks, anew after each invalidate */
    uint64_t bounced, failed;
};

/* 4 KiB are written on a pin, which ends DEPTH accesses later. */
static void storm_access(struct storm *storm, unsigned number)
{
    uint64_t gpa = random_page(&storm->seed), block = (gpa - RAM) / BLOCK;
    void **slot = &storm->pins[storm->next++ % DEPTH];
    uint8_t page[PAGE];
    int ret;

    if (storm->touched_in[block] != number) {
        storm->touched_in[block] = number;
        storm->touched++;
    }
    if (*slot)
        xen_mapcache_unpin(storm->cache, *slot, PAGE);
    *slot = NULL;
    memset(page, (int)number, sizeof(page));
    ret = xen_mapcache_pin(storm->cache, gpa, PAGE, slot);
    if (ret == 0) {
        memcpy(*slot, page, PAGE);
    } else {
        /* Its old frames are still in use by another access. */
        storm->bounced += ret == -EBUSY;
        storm->failed +=
            ret != -EBUSY ||
            xen_mapcache_write(storm->cache, gpa, page, PAGE, NULL) != 0;
    }
}

/* ns of an access, with all that comes of it. */
static double storm_run(struct storm *storm)
{
    double start = bench_cpu_now();

    for (unsigned i = 1; i <= INVALIDATES; i++) {
        xen_mapcache_invalidate(storm->cache);
        for (unsigned k = 0; k < DEPTH; k++)
            storm_access(storm, i);
        if (i % RECLAIM_EVERY == 0)
            xen_mapcache_reclaim(storm->cache, UINT64_C(16) << 20);
    }
    for (unsigned k = 0; k < DEPTH; k++)
        if (storm->pins[k])
            xen_mapcache_unpin(storm->cache, storm->pins[k], PAGE);
    return (bench_cpu_now() - start) / (INVALIDATES * DEPTH);
}

static void bench_storm(void)
{
    struct storm storm = {.seed = SEED};
    uint64_t calls;
    double each;

    storm.cache = guest_open(0);
    storm.touched_in = calloc(GUEST / BLOCK, sizeof(*storm.touched_in));
    if (!storm.touched_in)
        bench_die("out of memory");
    fakexen_reset_counters();
    each = storm_run(&storm);
    calls = fakexen_calls(FAKEXEN_MAP);
    bench_print("mapcache.storm.access", each, "ns", "mapping its block",
                guest_raw_map(GUEST / 4, CHUNK, BLOCK, UINT64_C(16) << 20) /
                    (double)(GUEST / 4 / CHUNK));
    bench_print("mapcache.storm.failed", (double)storm.failed, "accesses",
                "of all", INVALIDATES * DEPTH);
    bench_print("mapcache.storm.bounced", (double)storm.bounced, "accesses",
                "of all", INVALIDATES * DEPTH);
    bench_print("mapcache.storm.map_calls", (double)calls, "calls",
                "blocks touched", (double)storm.touched);
    xen_mapcache_close(storm.cache);
    free(storm.touched_in);
}

void bench_mapcache_invalidate(void)
{
    struct setting s = {0};

    guest_create();
    s.cache = guest_open(GUEST);
    bench_answers(&s);
    xen_mapcache_close(s.cache);
    bench_storm();
    xen_mapcache_thread_offline();
    fakexen_reset();
}
