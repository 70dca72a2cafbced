/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKEXEN_PRIVATE_H
#define FAKEXEN_PRIVATE_H

/*
 * What the files of fakexen share.  Functions named fx_* expect the lock to be
 * held unless said otherwise, and fail with -errno.  Memory comes from an arena
 * over mmap, so that a test that makes malloc fail only hits its subject.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <xen/xen.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>

#include "tests/fakexen/fakexen.h"

#define FX_MAX_GFN (UINT64_C(1) << 28)
#define FX_LEAF_ENTRIES 65536u
#define FX_NR_LEAVES (FX_MAX_GFN / FX_LEAF_ENTRIES)
#define FX_MAX_VCPUS 128u
#define FX_MAX_SERVERS 8u
#define FX_MAX_RANGES 256u
#define FX_NR_HVM_PARAMS 64u
#define FX_NR_PORTS 4096u
#define FX_NR_CACHEATTRS 64u /* Xen's limit */
#define FX_VRAM_MAX 262144u  /* Xen's limit, of pages */

/* ---- memory and lock (arena.c, inject.c) ------------------------------ */

void fx_lock(void);
void fx_unlock(void);
/* In ms from now, for fx_wait. */
void fx_deadline(struct timespec *deadline, unsigned ms);
/* Wait for fx_wake, at most until deadline (CLOCK_MONOTONIC).  -ETIMEDOUT. */
int fx_wait(const struct timespec *deadline);
void fx_wake(void);

void *fx_alloc(size_t size); /* zeroed; dies when there is none */
void fx_free(void *p);
void *fx_map_zero(size_t size);
void *fx_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int fx_munmap(void *addr, size_t len);

void fx_die(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
void fx_violation(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/*
 * Start of a library call: hook, latency, lock, count, injected failure.
 * Returns 0 with the lock held, or -errno without it.
 */
int fx_enter(enum fakexen_kind kind, uint64_t pages);
/* Drop the lock and turn rc into what the C libraries return. */
int fx_leave(int rc);
/* The same without the lock. */
int fx_result(int rc);
void fx_count_unknown(void);
void fx_count(enum fakexen_kind kind, uint64_t pages);
/* Error of fakexen_refuse for a gfn, 0: none. */
int fx_refused(uint32_t domid, uint64_t gfn);
void fx_inject_reset(void);

/* ---- handles (handle.c) ----------------------------------------------- */

enum fx_library {
    FX_FOREIGN,
    FX_CALL,
    FX_DM,
    FX_EVTCHN,
    FX_STORE,
    FX_GNTTAB,
};

struct fx_handle {
    struct fx_handle *next;
    enum fx_library library;
    bool restricted; /* to domid */
    bool dead;       /* its fd became /dev/null */
    uint32_t domid;
};

struct xenforeignmemory_handle {
    struct fx_handle base;
};

struct xendevicemodel_handle {
    struct fx_handle base;
};

/* Without the lock: the whole *_open, with its injection; NULL and errno. */
void *fx_handle_open(enum fx_library library, size_t size);
void fx_handle_link(struct fx_handle *handle);
void fx_handle_unlink(struct fx_handle *handle);
/* May this handle name domid?  -EPERM. */
int fx_handle_allows(const struct fx_handle *handle, uint32_t domid);

struct fx_domain;
/*
 * fx_enter for a domain that exists and that the handle may name.  On an error
 * the lock is not held.
 */
int fx_handle_enter(const struct fx_handle *handle, uint32_t domid,
                    enum fakexen_kind kind, uint64_t pages,
                    struct fx_domain **d);

/* ---- domains, frames, p2m (machine.c, p2m.c) -------------------------- */

struct fx_rangeset {
    unsigned nr;
    struct {
        uint64_t first, last;
    } ranges[FX_MAX_RANGES];
};

struct fx_server {
    bool used, enabled, buffered;
    struct fx_rangeset ranges[3]; /* by XEN_DMOP_IO_RANGE_* */
    uint32_t page, buffer;        /* frames */
    uint32_t ports[FX_MAX_VCPUS]; /* Xen's end of each vCPU's channel */
    uint32_t buffer_port;
};

struct fx_vcpu {
    bool busy; /* a request is outstanding */
};

struct fx_cacheattr {
    uint64_t start, end;
    uint32_t type;
};

struct fx_domain {
    struct fx_domain *next;
    uint32_t domid;
    bool dying, crashed;
    int shutdown_reason;
    unsigned nr_vcpus;
    uint32_t **leaves; /* FX_NR_LEAVES; an entry is type << 28 | frame */
    uint64_t **dirty;  /* FX_NR_LEAVES bitmaps */
    uint64_t nr_dirty;
    bool log_dirty;
    uint64_t vram_first, vram_nr; /* what track_dirty_vram looks at */
    uint8_t *vram;                /* a bit for each: written */
    uint64_t tot_pages, maxmem, max_gfn, pod_cache;
    uint64_t hvm_params[FX_NR_HVM_PARAMS];
    struct fx_server *servers[FX_MAX_SERVERS];
    struct fx_vcpu vcpus[FX_MAX_VCPUS];
    uint32_t cf8;
    bool isa[16];
    unsigned isa_edges[16];
    bool intx[32][4];
    unsigned intx_edges[32][4];
    uint8_t links[4];
    unsigned msis;
    uint64_t msi_addr;
    uint32_t msi_data;
    struct fx_cacheattr cacheattrs[FX_NR_CACHEATTRS];
    unsigned nr_cacheattrs;
};

struct fx_frame {
    uint32_t refs; /* p2m and mappings */
    uint32_t maps; /* of these, mappings */
    struct fx_domain *owner;
    uint32_t next_free;
    bool stale; /* to be zeroed before use */
};

/* Nothing of the domain is tracked any more. */
void fx_forget_vram(struct fx_domain *d);

/* The domain, NULL when there is none (any more). */
struct fx_domain *fx_domain(uint32_t domid);
/* As fx_domain, but a mistake of the test when there is none. */
struct fx_domain *fx_domain_must(uint32_t domid);

struct fx_frame *fx_frame(uint32_t frame);
void *fx_frame_host(uint32_t frame);
int fx_frames_fd(void);
int fx_holes_fd(void);
/* /proc/self/maps */
int fx_maps_fd(void);
/* A zeroed frame with one reference, charged to owner (may be NULL). */
uint32_t fx_frame_new(struct fx_domain *owner);
void fx_frame_get(uint32_t frame, bool map);
void fx_frame_put(uint32_t frame, bool map);

enum fakexen_type fx_type(struct fx_domain *d, uint64_t gfn);
uint32_t fx_p2m_frame(struct fx_domain *d, uint64_t gfn);
/* frame FAKEXEN_NO_FRAME with HOLE, MMIO_DM or POD. */
void fx_p2m_set(struct fx_domain *d, uint64_t gfn, enum fakexen_type type,
                uint32_t frame);
/* Room for nr more pages?  Looks for dropped mappings before it says no. */
bool fx_room(struct fx_domain *d, uint64_t nr);
/* One page of a hypercall; -errno. */
int fx_populate(struct fx_domain *d, uint64_t gfn);
int fx_decrease(struct fx_domain *d, uint64_t gfn);
int fx_relocate(struct fx_domain *d, uint64_t from, uint64_t to);
/* A PoD gfn gets its frame.  -EINVAL and a crash when the cache is empty. */
int fx_pod_fill(struct fx_domain *d, uint64_t gfn);

void fx_machine_reset(void);

/* ---- foreign mappings (foreign.c) ------------------------------------- */

void fx_sync(void);
void fx_foreign_reset(void);
/*
 * The program laid something over [addr, addr + len), or unmaps it.  -EINVAL
 * when that would split a mapping.
 */
int fx_overlay(uintptr_t addr, size_t len);
/* Is any of [addr, addr + len) a foreign mapping? */
bool fx_is_foreign(uintptr_t addr, size_t len);

/* ---- event channels (evtchn.c) ---------------------------------------- */

/* A port at Xen's end that a handle can bind to. */
uint32_t fx_port_new(struct fx_domain *d);
void fx_port_free(uint32_t port);
/* Xen's end rings: the local port that is bound to it becomes pending. */
void fx_port_ring(uint32_t port);
/* Was Xen's end notified since the last time? */
bool fx_port_take(uint32_t port);
void fx_evtchn_reset(void);

/* ---- ioreq servers (ioreq.c) ------------------------------------------ */

struct fx_server *fx_server(struct fx_domain *d, ioservid_t id);
void fx_server_free(struct fx_domain *d, unsigned id);
bool fx_rangeset_contains(const struct fx_rangeset *set, uint64_t first,
                          uint64_t last);

void fx_vcpu_reset(void);
void fx_store_reset(void);
void fx_grant_reset(void);

/* ---- xenstore (store.c, watch.c) -------------------------------------- */

#define FX_PATH_MAX 3072 /* XENSTORE_ABS_PATH_MAX */

struct xs_handle;

char *fx_store_copy(const char *text);
/* Is path parent, or below it? */
bool fx_store_below(const char *parent, const char *path);
/* Tell those who watch path. */
void fx_store_changed(const char *path);
/* As well those who watch something that was below path. */
void fx_store_removed(const char *path);
/* Lock held and the path made absolute, or false and errno. */
bool fx_store_enter(struct xs_handle *h, const char *path,
                    char full[FX_PATH_MAX]);

#endif
