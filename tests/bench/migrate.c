/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Private blocks of 64 MiB saved and loaded, beside what reading and copying
 * as much memory costs; a thousand blocks negotiated; memory that a load takes.
 */

#include <fcntl.h>
#include <libdeflate.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "xenram/migrate.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE
#define LENGTH (UINT64_C(64) << 20)
#define PAGES (LENGTH / PAGE)
#define MANY 1000u
#define BATCH 64u /* pages that a save writes at a time */

struct setting {
    struct xen_ram *ram;
    struct xen_ram_block *block;
    uint8_t *plain; /* LENGTH bytes */
    int fd;         /* what is saved to or loaded from */
};

static struct xen_ram *open_list(unsigned nr, uint64_t length,
                                 struct xen_ram_block **last)
{
    struct xen_ram *ram;
    char name[16];
    struct xen_ram_spec spec = {
        .idstr = name,
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = length,
    };

    if (xen_ram_open(1, NULL, &ram))
        bench_die("cannot open a list");
    for (unsigned i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "block-%u", i);
        if (xen_ram_alloc(ram, &spec, last))
            bench_die(xen_ram_error(ram));
    }
    return ram;
}

/* Every step-th page gets something in it; 0: none. */
static void fill(void *host, uint64_t length, uint64_t step)
{
    uint8_t *bytes = host;

    for (uint64_t at = 0; step && at < length; at += step * PAGE)
        memset(bytes + at, (int)(at / PAGE % 255 + 1), PAGE);
}

/* ---- save ---------------------------------------------------------------- */

static double save(void *opaque)
{
    struct setting *s = opaque;
    char error[XEN_MIGRATE_ERROR_MAX];
    double start = bench_now();

    if (xen_migrate_save(s->ram, NULL, 0, NULL, s->fd, error))
        bench_die(error);
    return (bench_now() - start) / PAGES;
}

typedef uint64_t pair __attribute__((vector_size(16)));

/* As fast as memory can be read, which a test for zero pages has to do. */
static double read_memory(void *opaque)
{
    struct setting *s = opaque;
    const pair *pairs = xen_ram_host(s->block);
    double start = bench_now();
    pair a = {0}, b = {0}, c = {0}, d = {0};

    for (uint64_t i = 0; i < LENGTH / sizeof(*pairs); i += 4) {
        a |= pairs[i];
        b |= pairs[i + 1];
        c |= pairs[i + 2];
        d |= pairs[i + 3];
    }
    a |= b | c | d;
    bench_use(a[0] | a[1]);
    return (bench_now() - start) / PAGES;
}

/* The least that a page which is not zero takes: see that, sum it, write it. */
static double sum_and_write(void *opaque)
{
    static const uint8_t zeroes[PAGE];
    struct setting *s = opaque;
    uint8_t *host = xen_ram_host(s->block);
    double start = bench_now();
    struct iovec pieces[BATCH];
    uint32_t sum = 0;

    for (uint64_t page = 0; page < PAGES; page++) {
        uint8_t *bytes = host + page * PAGE;

        pieces[page % BATCH] = (struct iovec){bytes, PAGE};
        if (memcmp(bytes, zeroes, PAGE) != 0)
            sum = libdeflate_crc32(sum, bytes, PAGE);
        if (page % BATCH == BATCH - 1 && writev(s->fd, pieces, BATCH) < 0)
            bench_die("cannot write");
    }
    bench_use(sum);
    return (bench_now() - start) / PAGES;
}

/* What the format asks for of a page of zeroes. */
static double write_words(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    for (uint64_t page = 0; page < PAGES; page++) {
        uint64_t word = page * PAGE;

        memcpy(s->plain + page * 9, &word, sizeof(word));
        s->plain[page * 9 + 8] = 0;
    }
    return (bench_now() - start) / PAGES;
}

static void open_plain(struct setting *s)
{
    s->plain = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->plain == MAP_FAILED)
        bench_die("no memory");
}

static void open_saved(struct setting *s, uint64_t step)
{
    s->ram = open_list(1, LENGTH, &s->block);
    s->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (s->fd < 0)
        bench_die("cannot open /dev/null");
    memset(xen_ram_host(s->block), 0, LENGTH);
    fill(xen_ram_host(s->block), LENGTH, step);
}

static void close_saved(struct setting *s)
{
    close(s->fd);
    xen_ram_close(s->ram);
}

static void bench_save(const char *name, uint64_t step, const char *limit_name,
                       bench_fn *limit)
{
    struct setting s;

    open_saved(&s, step);
    bench_run(name, save, limit_name, limit, &s);
    close_saved(&s);
}

/* What the stream costs by itself: the best of many, as little is left. */
static void bench_encode(void)
{
    double least = 1e9, limit = 1e9;
    struct setting s;

    open_saved(&s, 1);
    for (int i = 0; i < 4 * BENCH_ROUNDS; i++) {
        double value = save(&s), other = sum_and_write(&s);

        least = value < least ? value : least;
        limit = other < limit ? other : limit;
    }
    bench_print("migrate.encode.beyond", least - limit, "ns",
                "beyond zero test, sum and sink", 40);
    close_saved(&s);
}

static void bench_absent(void)
{
    struct setting s;
    struct rusage before, after;

    s.ram = open_list(1, LENGTH, &s.block);
    s.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (s.fd < 0)
        bench_die("cannot open /dev/null");
    open_plain(&s);
    memset(s.plain, 0, LENGTH);
    bench_run("migrate.absent", save, "writing 9 bytes", write_words, &s);
    getrusage(RUSAGE_SELF, &before);
    save(&s);
    getrusage(RUSAGE_SELF, &after);
    /* A fault for the writer's buffer here and there, none for a page. */
    bench_print("migrate.absent.faults",
                (double)(after.ru_minflt - before.ru_minflt), "faults",
                "of pages that are absent", PAGES);
    munmap(s.plain, LENGTH);
    close(s.fd);
    xen_ram_close(s.ram);
}

/* ---- load ---------------------------------------------------------------- */

/* A file with the state of nr blocks of length bytes. */
static int save_file(unsigned nr, uint64_t length, uint64_t step)
{
    struct xen_ram_block *block;
    struct xen_ram *ram = open_list(nr, length, &block);
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("state", MFD_CLOEXEC);

    fill(xen_ram_host(block), length, step);
    if (fd < 0 || xen_migrate_save(ram, NULL, 0, NULL, fd, error))
        bench_die("cannot save");
    xen_ram_close(ram);
    return fd;
}

static void load_into(struct xen_ram *ram, int fd)
{
    char error[XEN_MIGRATE_ERROR_MAX];

    xen_ram_set_phase(ram, XEN_RAM_LOADING);
    lseek(fd, 0, SEEK_SET);
    if (xen_migrate_load(ram, NULL, 0, NULL, fd, error))
        bench_die(error);
}

static double load(void *opaque)
{
    struct setting *s = opaque;
    struct xen_ram *ram = open_list(1, LENGTH, &s->block);
    double start = bench_now();

    load_into(ram, s->fd);
    start = bench_now() - start;
    xen_ram_close(ram);
    return start / PAGES;
}

/* The bytes of the file into memory that was not there before. */
static double read_file(void *opaque)
{
    struct setting *s = opaque;
    double start;
    size_t done = 0;
    ssize_t n;

    open_plain(s);
    start = bench_now();
    lseek(s->fd, 0, SEEK_SET);
    while (done < LENGTH && (n = read(s->fd, s->plain + done, LENGTH - done)))
        done += n > 0 ? (size_t)n : 0;
    start = bench_now() - start;
    munmap(s->plain, LENGTH);
    return start / PAGES;
}

static void bench_load(void)
{
    struct setting s;

    s.fd = save_file(1, LENGTH, 1);
    bench_run("migrate.load", load, "read() into new memory", read_file, &s);
    close(s.fd);
}

static double load_many(void *opaque)
{
    struct setting *s = opaque;
    struct xen_ram *ram = open_list(MANY, PAGE, &s->block);
    double start = bench_now();

    load_into(ram, s->fd);
    start = bench_now() - start;
    xen_ram_close(ram);
    return start;
}

static double one_ms(void *opaque)
{
    (void)opaque;
    return 1e6;
}

/* Read, check, pair, compare and apply: a page each, all of them zero. */
static void bench_many(void)
{
    struct setting s;

    s.fd = save_file(MANY, PAGE, 0);
    bench_run("migrate.blocks.1000", load_many, "a millisecond", one_ms, &s);
    close(s.fd);
}

/* ---- memory -------------------------------------------------------------- */

/* KiB of ours that are, or once were, in memory. */
static double resident(const char *key)
{
    FILE *status = fopen("/proc/self/status", "r");
    double value = -1;
    char line[256];

    while (status && fgets(line, sizeof(line), status)) {
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtod(line + strlen(key), NULL);
    }
    if (status)
        fclose(status);
    return value;
}

/* In a child, so that nothing else was at its highest before. */
static void bench_memory(void)
{
    int fd = save_file(1, LENGTH, 1);
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        struct xen_ram_block *block;
        struct xen_ram *ram = open_list(1, LENGTH, &block);
        double before = resident("VmRSS:");

        load_into(ram, fd);
        bench_print("migrate.load.memory",
                    resident("VmHWM:") - before - LENGTH / 1024.0, "KiB",
                    "beyond the private blocks", 2048);
        exit(EXIT_SUCCESS);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        bench_die("no child");
    close(fd);
}

void bench_migrate(void)
{
    bench_save("migrate.encode", 2, "zero test, CRC-32 and writev()",
               sum_and_write);
    bench_save("migrate.encode.full", 1, "zero test, CRC-32 and writev()",
               sum_and_write);
    bench_encode();
    bench_save("migrate.zero", 0, "reading memory", read_memory);
    bench_absent();
    bench_load();
    bench_many();
    bench_memory();
}
