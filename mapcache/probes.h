/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_PROBES_H
#define MAPCACHE_PROBES_H

/*
 * USDT probes of provider xenram, for perf and bpftrace; nothing when built
 * without sys/sdt.h.  gpa and bytes are of guest physical memory.
 *
 *   mapcache_map         gpa, bytes, pages that are RAM or -errno
 *   mapcache_evict       gpa, bytes: has to go for the budget
 *   mapcache_invalidate  gpa, bytes: frames may have changed
 *   mapcache_quarantine  gpa, bytes: invalidated, and stays mapped because it
 *                        is pinned; at each reclaim that finds it so
 */

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>
#define PROBE_RANGE(name, gpa, bytes)                                          \
    DTRACE_PROBE2(xenram, mapcache_##name, gpa, bytes)
#define PROBE_MAP(gpa, bytes, result)                                          \
    DTRACE_PROBE3(xenram, mapcache_map, gpa, bytes, result)
#else
#define PROBE_RANGE(name, gpa, bytes) ((void)(gpa), (void)(bytes))
#define PROBE_MAP(gpa, bytes, result)                                          \
    ((void)(gpa), (void)(bytes), (void)(result))
#endif

#endif
