/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_H
#define BENCH_H

/*
 * A benchmark measures an operation and, in the same run, what the machine
 * could do at best.  Each figure is a median over rounds, or what its name
 * says, and one line of tab-separated text:
 *
 *   name  value  unit  what limits it  the limit's value  value / limit
 */

#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS 11

/* Nanoseconds of one operation (or another figure), measured once. */
typedef double bench_fn(void *opaque);

double bench_now(void); /* ns */
/* ns for which this thread had a processor: for what waits for nobody. */
double bench_cpu_now(void);
void bench_die(const char *what) __attribute__((noreturn));
/* Something that the compiler must compute. */
void bench_use(uint64_t value);

/* Rounds of both alternate, so that both see the same machine. */
void bench_run(const char *name, bench_fn *fn, const char *limit_name,
               bench_fn *limit, void *opaque);
void bench_run_as(const char *name, const char *unit, bench_fn *fn,
                  const char *limit_name, bench_fn *limit, void *opaque);
/* The 99th percentile of nr operations, each measured alone. */
void bench_p99(const char *name, bench_fn *fn, const char *limit_name,
               bench_fn *limit, void *opaque, unsigned nr);
void bench_print(const char *name, double value, const char *unit,
                 const char *limit_name, double limit);

/* What several are measured against. */
double bench_epoch(void *opaque); /* one grace period */
/* len bytes that cannot be touched, at a place (NULL: any). */
void *bench_reserve(void *at, size_t len);

void bench_disk(void);
void bench_mapcache(void);
void bench_mapcache_invalidate(void);
void bench_mapcache_miss(void);
void bench_ram(void);
/*
 * By bench_ram, and on a real guest, which has no memory from gfn on, and may
 * have 258 MiB more.  cache_budget: bytes, 0: the map cache's own.
 */
/* PREFIX.1 to PREFIX.65536: so many pages more of a block, and less again. */
void bench_ram_visible(const char *prefix, uint32_t domid, uint64_t gfn,
                       uint64_t cache_budget);
/* PREFIX.plug.512 and .65536 of a sparse block, and PREFIX.unplug. */
void bench_ram_plug(const char *prefix, uint32_t domid, uint64_t gfn,
                    uint64_t cache_budget);
void bench_ram_dirty(uint32_t domid); /* by bench_ram */
void bench_memory_device(void);
void bench_migrate(void);

#endif
