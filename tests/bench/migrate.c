/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * What a page of a private block costs to save, beside what reading it costs:
 * 64 MiB, every other page zero, to /dev/null.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xenram/migrate.h"
#include "xenram/ram.h"

#define LENGTH (UINT64_C(64) << 20)
#define PAGES (LENGTH / XEN_RAM_PAGE_SIZE)
#define ROUNDS 5

void bench_migrate(void); /* bench.c calls it */

static double now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "migrate.encode: %s\n", what);
    exit(EXIT_FAILURE);
}

/* The bytes that differ from zero: all of them are read. */
static uint64_t read_all(const uint64_t *words)
{
    uint64_t any = 0;

    for (uint64_t i = 0; i < LENGTH / sizeof(*words); i++)
        any |= words[i];
    return any;
}

static double encode(struct xen_ram *ram, int fd)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    double start = now_ns();

    if (xen_migrate_save(ram, NULL, 0, NULL, fd, error))
        die(error);
    return (now_ns() - start) / PAGES;
}

static double zero_test(const void *host)
{
    double start = now_ns();

    if (read_all(host) == 0)
        die("the pages are zero");
    return (now_ns() - start) / PAGES;
}

static struct xen_ram *open_filled(struct xen_ram_block **block)
{
    const struct xen_ram_spec spec = {
        .idstr = "bench",
        .kind = XEN_RAM_PRIVATE,
        .gfn = XEN_RAM_NO_GFN,
        .size = LENGTH,
    };
    struct xen_ram *ram;
    uint8_t *host;

    if (xen_ram_open(1, NULL, &ram))
        die("cannot open a list");
    if (xen_ram_alloc(ram, &spec, block))
        die(xen_ram_error(ram));
    host = xen_ram_host(*block);
    for (uint64_t page = 0; page < PAGES; page += 2)
        memset(host + page * XEN_RAM_PAGE_SIZE, (int)(page / 2 % 255 + 1),
               XEN_RAM_PAGE_SIZE);
    return ram;
}

void bench_migrate(void)
{
    struct xen_ram_block *block;
    struct xen_ram *ram = open_filled(&block);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    double value = 0, limit = 0;

    if (fd < 0)
        die("cannot open /dev/null");
    for (int round = 0; round < ROUNDS; round++) {
        double took = encode(ram, fd);
        double read = zero_test(xen_ram_host(block));

        value = round == 0 || took < value ? took : value;
        limit = round == 0 || read < limit ? read : limit;
    }
    printf("migrate.encode\t%.1f\tns/page\treading memory\t%.1f\t%.2f\n", value,
           limit, value / limit);
    close(fd);
    xen_ram_close(ram);
}
