/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(EXIT_FAILURE);
}

void bench_use(uint64_t value)
{
    volatile uint64_t sink = value;

    (void)sink;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double values[BENCH_ROUNDS])
{
    qsort(values, BENCH_ROUNDS, sizeof(*values), compare);
    return values[BENCH_ROUNDS / 2];
}

void bench_print(const char *name, double value, const char *unit,
                 const char *limit_name, double limit)
{
    printf("%s\t%.2f\t%s\t%s\t%.2f\t%.2f\n", name, value, unit, limit_name,
           limit, value / limit);
    fflush(stdout);
}

void bench_run(const char *name, bench_fn *fn, const char *limit_name,
               bench_fn *limit, void *opaque)
{
    double values[BENCH_ROUNDS], limits[BENCH_ROUNDS];

    fn(opaque);
    limit(opaque);
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        values[i] = fn(opaque);
        limits[i] = limit(opaque);
    }
    bench_print(name, median(values), "ns", limit_name, median(limits));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } benches[] = {
        {"mapcache", bench_mapcache},
        {"ram", bench_ram},
        {"migrate", bench_migrate},
    };

    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
        if (argc < 2 || strcmp(argv[1], benches[i].name) == 0)
            benches[i].run();
    return 0;
}
