/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_H
#define BENCH_H

/*
 * A benchmark measures an operation and, in the same run, what the machine
 * could do at best.  Each figure is a median over rounds and one line of
 * tab-separated text:
 *
 *   name  value  unit  what limits it  the limit's value  value / limit
 */

#include <stdint.h>

#define BENCH_ROUNDS 11

/* Nanoseconds of one operation, measured once. */
typedef double bench_fn(void *opaque);

double bench_now(void); /* ns */
void bench_die(const char *what) __attribute__((noreturn));
/* Something that the compiler must compute. */
void bench_use(uint64_t value);

/* Rounds of both alternate, so that both see the same machine. */
void bench_run(const char *name, bench_fn *fn, const char *limit_name,
               bench_fn *limit, void *opaque);
void bench_print(const char *name, double value, const char *unit,
                 const char *limit_name, double limit);

void bench_mapcache(void);
void bench_ram(void);
void bench_migrate(void);

#endif
