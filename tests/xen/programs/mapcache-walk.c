/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * mapcache-walk DOMID MIB BUDGET: reads the memory of a running guest, MIB MiB
 * from gpa 0 on, again and again under a budget of BUDGET MiB, one thread in
 * order and one at random, while Xen tells it of frames that change.
 *
 * Standard input: a line "find ROUND NR" looks for the pages that the guest's
 * command "stamp ROUND NR" wrote, and marks each one as seen; the end of input
 * ends the walk.  Standard output: a line for each walk in order that ends,
 *
 *   walk N: P pages, H holes
 *   found NR of round ROUND            all of them, once for each find
 *   round ROUND: F of NR so far        not all of them in this walk
 *
 * and at the end the counters.  Exit status: 0 all is well and nothing is left
 * mapped, 1 otherwise.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/xen/programs/listener.h"
#include "xenram/mapcache.h"

#define PAGE XEN_MAPCACHE_PAGE_SIZE
#define RECLAIM_MS 5
#define RECLAIM_BYTES (UINT64_C(16) << 20)
#define MAX_STAMPS 65536u

/* A page that the guest stamped: tests/xen/guest/init writes it. */
struct stamp {
    char magic[8];
    char round[8]; /* hexadecimal digits */
    char index[8];
    char mark[8];
    char body[507][8]; /* index again */
    char end[8];
};
_Static_assert(sizeof(struct stamp) == PAGE, "a stamp is a page");

#define UNSEEN "unseen--"
#define SEEN "seen----"

struct find {
    unsigned round, nr;
};

struct walk {
    struct xen_mapcache *cache;
    uint64_t pages, budget;
    atomic_bool stop, failed;
    _Atomic uint64_t random_reads, aside, peak;
    pthread_mutex_t mutex;
    struct find find; /* nr 0: nothing to find; under the mutex */
};

static void fault(struct walk *walk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fault(struct walk *walk, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    walk->failed = true;
    walk->stop = true;
}

/* Of a page: there, not there, or its domain is gone.  Others are faults. */
static bool is_expected(struct walk *walk, const char *what, uint64_t gpa,
                        int ret)
{
    if (ret && ret != -EFAULT && ret != -ESRCH)
        fault(walk, "%s at 0x%" PRIx64 ": %s", what, gpa, strerror(-ret));
    return ret == 0;
}

/* The page at gpa, by each of the three ways in turn. */
static int copy_page(struct walk *walk, uint64_t gpa, unsigned way, void *page)
{
    struct xen_mapcache *cache = walk->cache;
    int ret = -EBUSY;
    void *host;

    if (way % 3 == 0) {
        ret = xen_mapcache_lookup(cache, gpa, PAGE, &host);
        if (ret == 0)
            memcpy(page, host, PAGE);
        xen_mapcache_quiescent();
    } else if (way % 3 == 1) {
        ret = xen_mapcache_pin(cache, gpa, PAGE, &host);
        if (ret == 0) {
            memcpy(page, host, PAGE);
            xen_mapcache_unpin(cache, host, PAGE);
        }
    }
    if (ret == -EBUSY) {
        walk->aside += way % 3 != 2;
        ret = xen_mapcache_read(cache, gpa, page, PAGE, NULL);
    }
    return ret;
}

static unsigned hex(const char digits[8])
{
    char text[9] = "";

    memcpy(text, digits, 8);
    return (unsigned)strtoul(text, NULL, 16);
}

/* A whole stamp of this round; the guest may be writing it. */
static bool is_stamp(const struct stamp *stamp, const struct find *find)
{
    if (memcmp(stamp->magic, "xenramst", 8) || hex(stamp->round) != find->round)
        return false;
    for (size_t i = 0; i < sizeof(stamp->body) / sizeof(stamp->body[0]); i++)
        if (memcmp(stamp->body[i], stamp->index, sizeof(stamp->index)))
            return false;
    return hex(stamp->index) < find->nr;
}

/*
 * Leave a mark that the guest will see.  The page may be another one by now:
 * only a mark that is still the expected word is changed, at once.
 */
static bool mark(struct walk *walk, uint64_t gpa)
{
    uint64_t unseen, seen;
    struct stamp *stamp;
    bool marked = false;
    void *host;

    if (xen_mapcache_pin(walk->cache, gpa, PAGE, &host))
        return false;
    stamp = host;
    memcpy(&unseen, UNSEEN, sizeof(unseen));
    memcpy(&seen, SEEN, sizeof(seen));
    marked = __atomic_compare_exchange_n((uint64_t *)(void *)stamp->mark,
                                         &unseen, seen, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED) ||
             unseen == seen;
    xen_mapcache_unpin(walk->cache, host, PAGE);
    return marked;
}

static void check_budget(struct walk *walk)
{
    struct xen_mapcache_stats stats;
    uint64_t most = walk->budget;

    xen_mapcache_get_stats(walk->cache, &stats);
    /* The other thread pins three chunks at most, this one none now. */
    most += 3 * stats.chunk;
    if (stats.mapped > walk->peak)
        walk->peak = stats.mapped;
    if (stats.mapped > most)
        fault(walk,
              "%" PRIu64 " bytes are mapped, %" PRIu64 " are the most allowed",
              stats.mapped, most);
}

static struct find get_find(struct walk *walk)
{
    struct find find;

    pthread_mutex_lock(&walk->mutex);
    find = walk->find;
    pthread_mutex_unlock(&walk->mutex);
    return find;
}

static void report_find(struct walk *walk, const struct find *find,
                        unsigned found)
{
    if (found < find->nr) {
        printf("round %u: %u of %u so far\n", find->round, found, find->nr);
        return;
    }
    printf("found %u of round %u\n", found, find->round);
    pthread_mutex_lock(&walk->mutex);
    if (walk->find.round == find->round)
        walk->find.nr = 0;
    pthread_mutex_unlock(&walk->mutex);
}

/* Once over all pages, upwards and downwards in turn. */
static void walk_once(struct walk *walk, unsigned number, bool *seen)
{
    struct find find = get_find(walk);
    uint64_t good = 0, holes = 0;
    struct stamp page;
    unsigned found = 0;

    memset(seen, 0, MAX_STAMPS);
    for (uint64_t i = 0; i < walk->pages && !walk->stop; i++) {
        uint64_t gpa = (number % 2 ? i : walk->pages - 1 - i) * PAGE;
        int ret = copy_page(walk, gpa, (unsigned)i + number, &page);

        if (!is_expected(walk, "reading", gpa, ret)) {
            holes++;
            continue;
        }
        good++;
        if (find.nr && is_stamp(&page, &find) && !seen[hex(page.index)] &&
            mark(walk, gpa)) {
            seen[hex(page.index)] = true;
            found++;
        }
        if (i % 256 == 0)
            check_budget(walk);
    }
    if (walk->stop)
        return;
    printf("walk %u: %" PRIu64 " pages, %" PRIu64 " holes\n", number, good,
           holes);
    if (find.nr)
        report_find(walk, &find, found);
    fflush(stdout);
}

static void *walk_in_order(void *opaque)
{
    struct walk *walk = opaque;
    bool *seen = calloc(MAX_STAMPS, sizeof(*seen));

    xen_mapcache_thread_online();
    for (unsigned number = 1; seen && !walk->stop; number++)
        walk_once(walk, number, seen);
    xen_mapcache_thread_offline();
    if (!seen)
        fault(walk, "out of memory");
    free(seen);
    return NULL;
}

/* Ranges that cross chunks, pinned and read to their last byte. */
static void *walk_at_random(void *opaque)
{
    struct walk *walk = opaque;
    const uint64_t bytes = walk->pages * PAGE;
    uint64_t seed = 88172645463325252, gpa, len;
    volatile uint8_t sink;
    void *host;
    int ret;

    xen_mapcache_thread_online();
    while (!walk->stop) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        gpa = seed % (bytes - 1);
        len = 1 + (seed >> 20) % (2u << 20);
        if (len > bytes - gpa)
            len = bytes - gpa;
        ret = xen_mapcache_pin(walk->cache, gpa, len, &host);
        if (ret != -EBUSY && is_expected(walk, "pinning", gpa, ret)) {
            for (uint64_t i = 0; i < len; i += PAGE)
                sink = ((volatile uint8_t *)host)[i];
            sink = ((volatile uint8_t *)host)[len - 1];
            (void)sink;
            xen_mapcache_unpin(walk->cache, host, len);
            walk->random_reads++;
        }
        xen_mapcache_thread_offline();
        usleep(2000); /* leaves most of the processor to the other thread */
        xen_mapcache_thread_online();
    }
    xen_mapcache_thread_offline();
    return NULL;
}

static void expect(struct walk *walk, const char *what, int ret, int wanted)
{
    if (ret != wanted)
        fault(walk, "%s gives %d (%s), not %d (%s)", what, ret, strerror(-ret),
              wanted, strerror(-wanted));
}

/* The VGA hole is none of a guest's RAM, the page below it is. */
static void check_errors(struct walk *walk)
{
    const uint64_t hole = 0xa0000, last = (UINT64_C(1) << 40) - PAGE;
    struct xen_mapcache *cache = walk->cache;
    uint8_t two[2 * PAGE];
    size_t done = 0;
    void *host;

    expect(walk, "a look-up of nothing",
           xen_mapcache_lookup(cache, 0, 0, &host), -EINVAL);
    expect(walk, "a look-up behind the window",
           xen_mapcache_lookup(cache, last, 2 * PAGE, &host), -ERANGE);
    expect(walk, "a look-up in a hole",
           xen_mapcache_lookup(cache, hole, 1, &host), -EFAULT);
    expect(walk, "a look-up far behind the guest's memory",
           xen_mapcache_lookup(cache, last, PAGE, &host), -EFAULT);
    expect(walk, "a pin that ends in a hole",
           xen_mapcache_pin(cache, hole - PAGE, PAGE + 1, &host), -EFAULT);
    expect(walk, "a read that ends in a hole",
           xen_mapcache_read(cache, hole - PAGE, two, sizeof(two), &done),
           -EFAULT);
    if (done != PAGE)
        fault(walk, "a read up to a hole copied %zu bytes", done);
    expect(walk, "a write into a hole",
           xen_mapcache_write(cache, hole, two, 1, &done), -EFAULT);
    if (done)
        fault(walk, "a write into a hole copied %zu bytes", done);
    xen_mapcache_quiescent();
}

/* Nothing of /dev/xen/privcmd, and no window. */
static void check_maps(struct walk *walk)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    uint64_t from, to;
    char line[512];

    if (!maps) {
        fault(walk, "/proc/self/maps: %s", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) != 2 ||
            strstr(line, "privcmd") || to - from > UINT64_C(1) << 30)
            fault(walk, "after the close there is: %.80s", line);
    }
    fclose(maps);
}

static void print_stats(const struct walk *walk)
{
    struct xen_mapcache_stats stats;

    xen_mapcache_get_stats(walk->cache, &stats);
    printf("at most %" PRIu64 " MiB mapped, %" PRIu64
           " ranges at random, %" PRIu64 " pages aside\n"
           "misses %" PRIu64 ", map calls %" PRIu64 ", map errors %" PRIu64
           ", holes %" PRIu64 ", evictions %" PRIu64 ", invalidates %" PRIu64
           "\n",
           walk->peak >> 20, walk->random_reads, walk->aside, stats.misses,
           stats.map_calls, stats.map_errors, stats.holes, stats.evictions,
           stats.invalidates);
}

static void obey(struct walk *walk, const char *line)
{
    struct find find;

    if (sscanf(line, "find %u %u", &find.round, &find.nr) != 2 ||
        find.nr > MAX_STAMPS) {
        fault(walk, "what is %.40s?", line);
        return;
    }
    pthread_mutex_lock(&walk->mutex);
    walk->find = find;
    pthread_mutex_unlock(&walk->mutex);
}

/* A line that came in two parts is a fault of whoever typed it. */
static void read_commands(struct walk *walk)
{
    char text[256], *rest = text, *line;
    ssize_t got = read(STDIN_FILENO, text, sizeof(text) - 1);

    if (got <= 0) {
        walk->stop = true;
        return;
    }
    text[got] = '\0';
    while ((line = strsep(&rest, "\n")))
        if (line[0])
            obey(walk, line);
}

/* The owner: it invalidates, and reclaims soon after. */
static void invalidate(void *opaque)
{
    struct walk *walk = opaque;

    xen_mapcache_invalidate(walk->cache);
}

static void serve(struct walk *walk, struct listener *listener)
{
    struct pollfd fds[] = {
        {.fd = listener_fd(listener), .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    bool waits = false;
    int ret;

    while (!walk->stop) {
        xen_mapcache_thread_offline();
        /* The walkers may stop us as well. */
        if (poll(fds, 2, waits ? RECLAIM_MS : 200) < 0 && errno != EINTR)
            fault(walk, "poll: %s", strerror(errno));
        xen_mapcache_thread_online();
        if (fds[1].revents)
            read_commands(walk);
        ret = fds[0].revents ? listener_serve(listener) : 0;
        if (ret < 0)
            fault(walk, "event channels: %s", strerror(-ret));
        waits = xen_mapcache_reclaim(walk->cache, RECLAIM_BYTES) > 0;
    }
}

static void run(struct walk *walk, struct listener *listener)
{
    pthread_t in_order, at_random;

    if (pthread_create(&in_order, NULL, walk_in_order, walk)) {
        fault(walk, "no thread");
        return;
    }
    if (pthread_create(&at_random, NULL, walk_at_random, walk)) {
        fault(walk, "no second thread");
        pthread_join(in_order, NULL);
        return;
    }
    serve(walk, listener);
    xen_mapcache_thread_offline();
    pthread_join(in_order, NULL);
    pthread_join(at_random, NULL);
    xen_mapcache_thread_online();
}

int main(int argc, char **argv)
{
    struct xen_mapcache_options options = {0};
    struct walk walk = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct listener *listener;
    uint32_t domid;
    int ret;

    if (argc != 4) {
        fprintf(stderr, "usage, in dom0: mapcache-walk DOMID MIB BUDGET\n");
        return EXIT_FAILURE;
    }
    domid = (uint32_t)strtoul(argv[1], NULL, 0);
    walk.pages = strtoull(argv[2], NULL, 0) * 256;
    walk.budget = strtoull(argv[3], NULL, 0) << 20;
    options.budget = walk.budget;
    ret = xen_mapcache_open(domid, &options, &walk.cache);
    if (ret == 0)
        ret = listener_open(domid, invalidate, &walk, &listener);
    if (ret) {
        fprintf(stderr, "mapcache-walk: domain %u: %s\n", domid,
                strerror(-ret));
        return EXIT_FAILURE;
    }
    check_errors(&walk);
    if (!walk.failed)
        run(&walk, listener);
    print_stats(&walk);
    xen_mapcache_close(walk.cache);
    xen_mapcache_thread_offline();
    listener_close(listener);
    check_maps(&walk);
    return walk.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
