/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Load for a disk that knows what it should read.
 *
 *   disk-load busy DISK FIRST MB      until SIGTERM
 *   disk-load flush DISK FIRST MB     until SIGTERM or an error
 *   disk-load check FILE FIRST MB SEQUENCE
 *   disk-load speed DISK FIRST MB read|write seq|random KB SECONDS
 *
 * DISK is used from FIRST MB on, for MB; past the page cache.
 *
 * busy: four processes, each with a quarter of the disk, write runs of blocks
 * and compare what they read with what they wrote last.  A write that was lost,
 * torn, came twice or to another place is found, at the end at the latest. Last
 * line: "ok WRITES READS", or what is wrong.
 *
 * flush: writes sixteen blocks at a time round and round, flushes, and then
 * says "flushed SEQUENCE".  check: whether FILE has all that was flushed up to
 * there.
 *
 * speed: says "speed BYTES MILLISECONDS".
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u
#define WORDS (BLOCK / 8)
#define MOST 64u /* blocks in a request */
#define WORKERS 4u
#define BATCH 16u /* blocks between two flushes */
#define MAGIC UINT64_C(0x786e6469736b6c64)

struct area {
    const char *path;
    int fd;
    uint64_t first; /* bytes */
    uint64_t nr;    /* blocks */
    uint64_t key;   /* differs from run to run */
    uint64_t *buf;  /* a MiB */
};

struct shared {
    bool stop;
    uint64_t writes, reads;
};

static struct shared *shared;

static _Noreturn __attribute__((format(printf, 1, 2))) void
die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    _exit(EXIT_FAILURE);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

static void fill(const struct area *a, uint64_t *b, uint64_t block,
                 uint64_t sequence)
{
    uint64_t x = mix(block ^ mix(sequence ^ a->key));
    unsigned i;

    b[0] = MAGIC;
    b[1] = block;
    b[2] = sequence;
    b[3] = a->key;
    for (i = 4; i < WORDS; i++)
        b[i] = x + i * MAGIC;
}

/* What is wrong with a block that should have this sequence, or NULL. */
static const char *wrong(const struct area *a, const uint64_t *b,
                         uint64_t block, uint64_t sequence)
{
    uint64_t wanted[WORDS];

    if (b[0] != MAGIC)
        return "nothing of ours";
    if (b[3] != a->key)
        return "left from an earlier run";
    if (b[1] != block)
        return "a block from elsewhere";
    if (b[2] < sequence)
        return "stale";
    if (b[2] > sequence)
        return "from the future";
    fill(a, wanted, block, sequence);
    return memcmp(b, wanted, BLOCK) == 0 ? NULL : "torn";
}

static void put(const struct area *a, uint64_t block, uint64_t nr)
{
    size_t len = nr * BLOCK;
    ssize_t done =
        pwrite(a->fd, a->buf, len, (off_t)(a->first + block * BLOCK));

    if (done < 0)
        die("write of %zu bytes at block %" PRIu64 ": %s", len, block,
            strerror(errno));
    if ((size_t)done != len)
        die("write of %zu bytes at block %" PRIu64 " ended after %zd", len,
            block, done);
}

static void get(const struct area *a, uint64_t block, uint64_t nr)
{
    size_t len = nr * BLOCK;
    ssize_t done = pread(a->fd, a->buf, len, (off_t)(a->first + block * BLOCK));

    if (done < 0)
        die("read of %zu bytes at block %" PRIu64 ": %s", len, block,
            strerror(errno));
    if ((size_t)done != len)
        die("read of %zu bytes at block %" PRIu64 " ended after %zd", len,
            block, done);
}

static void flush(const struct area *a)
{
    if (fdatasync(a->fd) < 0)
        die("flush: %s", strerror(errno));
}

static bool stopped(void)
{
    return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

static void on_term(int nr)
{
    (void)nr;
    __atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
}

/* Blocks never written have sequence 0 and are not looked at. */
static void compare(const struct area *a, const uint64_t *sequences,
                    uint64_t block, uint64_t nr)
{
    uint64_t i;

    get(a, block, nr);
    for (i = 0; i < nr; i++) {
        const uint64_t *b = a->buf + i * WORDS;
        const char *why = NULL;

        if (sequences[block + i] != 0)
            why = wrong(a, b, block + i, sequences[block + i]);
        if (why != NULL)
            die("damaged: block %" PRIu64 " of the disk's at %" PRIu64
                " has sequence %" PRIu64 ", should have %" PRIu64 ": %s",
                block + i, a->first, b[2], sequences[block + i], why);
    }
}

static void write_run(const struct area *a, uint64_t *sequences, uint64_t block,
                      uint64_t nr)
{
    uint64_t i;

    for (i = 0; i < nr; i++) {
        sequences[block + i]++;
        fill(a, a->buf + i * WORDS, block + i, sequences[block + i]);
    }
    put(a, block, nr);
}

static void work(const struct area *a, uint64_t seed)
{
    uint64_t *sequences = calloc(a->nr, sizeof(*sequences));
    uint64_t writes = 0, reads = 0, block, nr, r;

    if (sequences == NULL)
        die("no memory");
    while (!stopped()) {
        r = next_random(&seed);
        nr = (r & 7) == 0 ? MOST : (r & 3) + 1;
        block = (r >> 16) % (a->nr - nr + 1);
        if ((r & 0x100) != 0) {
            write_run(a, sequences, block, nr);
            writes++;
        } else {
            compare(a, sequences, block, nr);
            reads++;
        }
        if ((r & 0x3e00) == 0)
            flush(a);
    }
    for (block = 0; block < a->nr; block += nr) {
        nr = a->nr - block < MOST ? a->nr - block : MOST;
        compare(a, sequences, block, nr);
    }
    __atomic_fetch_add(&shared->writes, writes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&shared->reads, reads, __ATOMIC_RELAXED);
    free(sequences);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0')
        die("%s is no number", text);
    return n;
}

static void open_area(struct area *a, char **args, int flags)
{
    a->path = args[0];
    a->first = number(args[1]) << 20;
    a->nr = (number(args[2]) << 20) / BLOCK;
    a->fd = open(a->path, flags);
    if (a->fd < 0)
        die("%s: %s", a->path, strerror(errno));
    a->buf = mmap(NULL, (size_t)MOST * 4 * BLOCK, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a->buf == MAP_FAILED)
        die("no memory");
}

static int busy(char **args)
{
    struct area a = {.key = (uint64_t)time(NULL)}, part;
    int status, failed = 0;
    unsigned i;

    open_area(&a, args, O_RDWR | O_DIRECT);
    if (a.nr / WORKERS < MOST)
        die("%s: %" PRIu64 " blocks are too few", a.path, a.nr);
    for (i = 0; i < WORKERS; i++) {
        if (fork() != 0)
            continue;
        part = a;
        part.nr = a.nr / WORKERS;
        part.first = a.first + i * part.nr * BLOCK;
        work(&part, a.key * WORKERS + i);
        _exit(EXIT_SUCCESS);
    }
    for (i = 0; i < WORKERS;) {
        if (wait(&status) < 0)
            continue; /* a signal */
        i++;
        if (status == 0)
            continue;
        failed++;
        on_term(SIGTERM);
    }
    if (failed != 0)
        return EXIT_FAILURE;
    printf("ok %" PRIu64 " %" PRIu64 "\n", shared->writes, shared->reads);
    return EXIT_SUCCESS;
}

static int flush_all(char **args)
{
    struct area a = {.key = 1};
    uint64_t rounds, sequence, i;

    open_area(&a, args, O_RDWR | O_DIRECT);
    rounds = a.nr / BATCH;
    if (rounds == 0)
        die("%s: %" PRIu64 " blocks are too few", a.path, a.nr);
    for (sequence = 1; !stopped(); sequence++) {
        uint64_t block = sequence % rounds * BATCH;

        for (i = 0; i < BATCH; i++)
            fill(&a, a.buf + i * WORDS, block + i, sequence);
        put(&a, block, BATCH);
        flush(&a);
        printf("flushed %" PRIu64 "\n", sequence);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}

/*
 * A batch of this sequence, or of a later one: the disk is ahead of what was
 * said of it.
 */
static void check_batch(const struct area *a, uint64_t sequence)
{
    uint64_t block = sequence % (a->nr / BATCH) * BATCH, i;

    get(a, block, BATCH);
    for (i = 0; i < BATCH; i++) {
        const uint64_t *b = a->buf + i * WORDS;
        uint64_t wanted = b[2] > sequence ? b[2] : sequence;
        const char *why = wrong(a, b, block + i, wanted);

        if (why != NULL)
            die("lost: block %" PRIu64 " has sequence %" PRIu64 ", %" PRIu64
                " was flushed: %s",
                block + i, b[2], sequence, why);
    }
}

static int check(char **args)
{
    struct area a = {.key = 1};
    uint64_t last, rounds, sequence;

    open_area(&a, args, O_RDONLY);
    last = number(args[3]);
    rounds = a.nr / BATCH;
    sequence = last >= rounds ? last - rounds + 1 : 1;
    for (; sequence <= last; sequence++)
        check_batch(&a, sequence);
    printf("all is there up to %" PRIu64 "\n", last);
    return EXIT_SUCCESS;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int speed(char **args)
{
    struct area a = {.key = 2};
    bool writes = strcmp(args[3], "write") == 0;
    bool random = strcmp(args[4], "random") == 0;
    uint64_t nr, steps, bytes = 0, step = 0, seed = 1, start, now, ms;

    open_area(&a, args, O_RDWR | O_DIRECT);
    nr = (number(args[5]) << 10) / BLOCK;
    ms = number(args[6]) * 1000;
    if (nr == 0 || nr > (uint64_t)MOST * 4 || a.nr < nr)
        die("%s KB are too few or too many", args[5]);
    steps = a.nr / nr;
    start = now = now_ms();
    while (now - start < ms) {
        if (random)
            step = next_random(&seed) % steps;
        else
            step = (step + 1) % steps;
        if (writes)
            put(&a, step * nr, nr);
        else
            get(&a, step * nr, nr);
        bytes += nr * BLOCK;
        now = now_ms();
    }
    if (writes)
        flush(&a);
    printf("speed %" PRIu64 " %" PRIu64 "\n", bytes, now_ms() - start);
    return EXIT_SUCCESS;
}

static const struct mode {
    const char *name;
    int args;
    int (*run)(char **args);
} modes[] = {
    {"busy", 3, busy},
    {"flush", 3, flush_all},
    {"check", 4, check},
    {"speed", 7, speed},
};

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_term};
    size_t i;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("no memory");
    sigaction(SIGTERM, &action, NULL);
    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (argc == modes[i].args + 2 && strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run(argv + 2);
    die("usage: disk-load busy|flush|check|speed FILE FIRST MB ...");
}
