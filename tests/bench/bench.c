/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double bench_now(void)
{
    return now(CLOCK_MONOTONIC);
}

double bench_cpu_now(void)
{
    return now(CLOCK_THREAD_CPUTIME_ID);
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
    printf("%s\t%.2f\t%s\t%s\t%.2f\t", name, value, unit, limit_name, limit);
    if (limit > 0)
        printf("%.2f\n", value / limit);
    else
        printf("-\n");
    fflush(stdout);
}

void bench_run_as(const char *name, const char *unit, bench_fn *fn,
                  const char *limit_name, bench_fn *limit, void *opaque)
{
    double values[BENCH_ROUNDS], limits[BENCH_ROUNDS];

    fn(opaque);
    limit(opaque);
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        values[i] = fn(opaque);
        limits[i] = limit(opaque);
    }
    bench_print(name, median(values), unit, limit_name, median(limits));
}

void bench_run(const char *name, bench_fn *fn, const char *limit_name,
               bench_fn *limit, void *opaque)
{
    bench_run_as(name, "ns", fn, limit_name, limit, opaque);
}

static double percentile_99(double values[], unsigned nr)
{
    qsort(values, nr, sizeof(*values), compare);
    return values[nr - 1 - nr / 100];
}

void bench_p99(const char *name, bench_fn *fn, const char *limit_name,
               bench_fn *limit, void *opaque, unsigned nr)
{
    double *values = calloc(2 * nr, sizeof(*values));
    double *limits = values + nr;

    if (!values)
        bench_die("out of memory");
    fn(opaque);
    limit(opaque);
    for (unsigned i = 0; i < nr; i++) {
        values[i] = fn(opaque);
        limits[i] = limit(opaque);
    }
    bench_print(name, percentile_99(values, nr), "ns", limit_name,
                percentile_99(limits, nr));
    free(values);
}
