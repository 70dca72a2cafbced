/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKEXEN_H
#define FAKEXEN_H

/*
 * A Xen host for tests: the C symbols of libxenforeignmemory, libxencall,
 * libxendevicemodel, libxenevtchn, libxengnttab, libxenstore and libxentoolcore
 * that xenram calls, backed by one memfd of frames and a p2m per domain.  Link
 * it in place of those libraries.
 *
 * The functions below are the side of the machine that a program under test
 * cannot see: the toolstack, the guest, the hypervisor's tables, faults.  They
 * may be called from any thread; one lock serialises them and the calls of the
 * libraries, but time that latency adds is spent outside of it.
 *
 * Functions that return int return 0 or -errno unless said otherwise.  A domid
 * that does not exist, and a gfn without a frame where one is needed, are
 * mistakes of the test: they print a line and abort.  gfns count 4 KiB pages
 * and stay below 2^28, frames too.
 *
 * What the program under test must never do (map over a part of a foreign
 * mapping, populate over RAM, end an ioreq in a wrong state) is counted as a
 * violation and printed on stderr; end each test with
 * assert_int_equal(fakexen_violations(), 0).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAKEXEN_PAGE_SIZE 4096u
#define FAKEXEN_NO_FRAME 0u

/*
 * A new machine: no domains, empty xenstore, counters and injections off.
 * Mappings that are still tracked are forgotten, not unmapped; open handles of
 * the libraries must be closed before.
 */
void fakexen_reset(void);

/* Mistakes of the program under test since the reset, see above. */
unsigned fakexen_violations(void);
void fakexen_clear_violations(void);

/* ---- domains ---------------------------------------------------------- */

/*
 * A domain as libxl builds it: pages of RAM in [0, low) without the VGA hole
 * 0xa0 to 0xbf (whose 32 pages are left out, not put elsewhere), what does not
 * fit below low_max from gfn 0x100000 on.  Fields that are zero take the value
 * in brackets.
 */
struct fakexen_domain {
    uint32_t domid;
    uint64_t pages;    /* of RAM, the hole included: -m MiB times 256 */
    uint64_t low_max;  /* first gfn that is not low RAM [0xf0000] */
    uint64_t maxmem;   /* pages [pages + 256, as libxl has it] */
    unsigned nr_vcpus; /* [1] */
    bool special;      /* also the 16 special pages at 0xfeff0 */
};
void fakexen_create(const struct fakexen_domain *domain);

/*
 * Destroy: every later call about it gives ESRCH; frames that are mapped stay
 * readable until they are unmapped.
 */
void fakexen_destroy(uint32_t domid);
bool fakexen_exists(uint32_t domid);

/*
 * The pages of from at the same gfns in to, types forgotten (all ram_rw), as a
 * save and restore carries them.  to must be new and have been created with
 * pages 0; its maxmem becomes that of from.
 */
void fakexen_copy_memory(uint32_t to, uint32_t from);

/*
 * From now on new frames are full of value, as pages are that a living guest
 * gave back: Xen scrubs those of dead domains only.  0 after a reset.
 */
void fakexen_fill_new_frames(uint8_t value);

/* Pages charged to the domain: in its p2m, or still mapped by somebody. */
uint64_t fakexen_tot_pages(uint32_t domid);
uint64_t fakexen_maxmem(uint32_t domid);
void fakexen_set_maxmem(uint32_t domid, uint64_t pages);
/* Highest gfn that was ever mapped. */
uint64_t fakexen_max_gfn(uint32_t domid);

/* Reason of xendevicemodel_shutdown, -1: it runs. */
int fakexen_shutdown_reason(uint32_t domid);
/* Xen would have killed it (bad ioreq state, PoD cache empty). */
bool fakexen_crashed(uint32_t domid);

/* HVM parameters, as HVMOP_set_param and _get_param see them. */
uint64_t fakexen_hvm_param(uint32_t domid, uint32_t index);
void fakexen_set_hvm_param(uint32_t domid, uint32_t index, uint64_t value);

/* ---- the p2m ---------------------------------------------------------- */

enum fakexen_type {
    FAKEXEN_HOLE, /* nothing, reads as mmio_dm */
    FAKEXEN_RAM_RW,
    FAKEXEN_RAM_RO,
    FAKEXEN_MMIO_DM, /* set by set_mem_type */
    FAKEXEN_IOREQ_SERVER,
    FAKEXEN_POD,
};
enum fakexen_type fakexen_type(uint32_t domid, uint64_t gfn);

/* Frame under a gfn, FAKEXEN_NO_FRAME for a hole. */
uint32_t fakexen_frame(uint32_t domid, uint64_t gfn);

/* The guest's side of a frame: valid until fakexen_reset, whoever owns it. */
void *fakexen_frame_host(uint32_t frame);
/* The guest's side of a gfn as it is now; the gfn must have a frame. */
void *fakexen_host(uint32_t domid, uint64_t gfn);

/* The guest reads and writes its memory through the p2m of this moment. */
void fakexen_peek(uint32_t domid, uint64_t gpa, void *buf, size_t len);
void fakexen_poke(uint32_t domid, uint64_t gpa, const void *buf, size_t len);

/* Exchange the frames of two gfns; both must be RAM. */
void fakexen_swap(uint32_t domid, uint64_t gfn, uint64_t other);
/* The frame of from, which must be RAM, is under to from now on. */
void fakexen_move(uint32_t domid, uint64_t from, uint64_t to);
/* A fresh zeroed frame under gfn in place of the old one, which is freed. */
void fakexen_replace(uint32_t domid, uint64_t gfn);

/*
 * The guest's balloon: give back, or get, nr pages from gfn.  out ignores
 * holes; in gives -ENOMEM when maxmem is reached, with nothing done, and skips
 * gfns that are RAM.  No IOREQ_TYPE_INVALIDATE is sent: fakexen_invalidate.
 */
void fakexen_balloon_out(uint32_t domid, uint64_t gfn, uint64_t nr);
int fakexen_balloon_in(uint32_t domid, uint64_t gfn, uint64_t nr);

/*
 * Make nr gfns populate-on-demand: their frames go to the domain's PoD cache,
 * of which keep pages stay and the others are freed.  Mapping such a gfn takes
 * one from the cache; with an empty cache it fails and the domain crashes.
 */
void fakexen_pod(uint32_t domid, uint64_t gfn, uint64_t nr, uint64_t keep);

/* ---- foreign mappings ------------------------------------------------- */

/*
 * Look at /proc/self/maps for mappings that the program replaced or unmapped by
 * itself.  The functions of this section and fakexen_tot_pages do it first.  A
 * mapping that is gone in part only is a violation.
 */
void fakexen_sync(void);

/* Foreign mappings that are live, and their bytes; resources do not count. */
uint64_t fakexen_mappings(void);
uint64_t fakexen_mapped_bytes(void);
/* Resource mappings (ioreq pages) and open library handles. */
unsigned fakexen_resources(void);
unsigned fakexen_handles(void);
/* xencall buffers that are not freed. */
unsigned fakexen_buffers(void);
/* Foreign mappings that hold frame. */
unsigned fakexen_frame_refs(uint32_t frame);

/* ---- faults, costs, counters ------------------------------------------ */

/* Every call of the libraries is of one kind. */
enum fakexen_kind {
    FAKEXEN_OPEN,      /* *_open of any library, xs_open */
    FAKEXEN_MAP,       /* xenforeignmemory_map, _map2; pages: asked for */
    FAKEXEN_UNMAP,     /* xenforeignmemory_unmap */
    FAKEXEN_RESOURCE,  /* _map_resource, _unmap_resource, _resource_size */
    FAKEXEN_POPULATE,  /* XENMEM_populate_physmap; pages: asked for */
    FAKEXEN_DECREASE,  /* XENMEM_decrease_reservation; pages: asked for */
    FAKEXEN_PHYSMAP,   /* XENMEM_add_to_physmap; pages: asked for */
    FAKEXEN_XENCALL,   /* every other xencall */
    FAKEXEN_BUFFER,    /* xencall_alloc_buffer* */
    FAKEXEN_IOREQ,     /* xendevicemodel_*ioreq_server* */
    FAKEXEN_IRQ,       /* isa, intx, link route, msi, event */
    FAKEXEN_MEM_TYPE,  /* xendevicemodel_set_mem_type; pages */
    FAKEXEN_RELOCATE,  /* xendevicemodel_relocate_memory; pages */
    FAKEXEN_MODIFIED,  /* xendevicemodel_modified_memory*; pages */
    FAKEXEN_CACHEATTR, /* xendevicemodel_pin_memory_cacheattr */
    FAKEXEN_DM,        /* shutdown, nr_vcpus, track_dirty_vram */
    FAKEXEN_EVTCHN,    /* xenevtchn_* but open, close, fd, pending */
    FAKEXEN_XENSTORE,  /* xs_* but open and close */
    FAKEXEN_RESTRICT,  /* *_restrict, xentoolcore_restrict_all */
    FAKEXEN_GNT_MAP,   /* xengnttab_map_domain_grant_refs; pages */
    FAKEXEN_GNT_UNMAP, /* xengnttab_unmap; pages */
    FAKEXEN_GNT_COPY,  /* xengnttab_grant_copy; pages: segments */
    FAKEXEN_OVERLAY,   /* only counted, and only with wrap.c linked by --wrap */
    FAKEXEN_MMAP,      /* the program's mmap and mprotect, with wrap.c; pages */
    FAKEXEN_NR_KINDS,
    FAKEXEN_ANY = FAKEXEN_NR_KINDS, /* for fakexen_fail: all of them */
};

/*
 * Of the calls of a kind from now on, the nth (1: the next one) and the
 * following, count in all (0: for ever), fail with errno = error and do
 * nothing.  One rule a kind; a new one replaces it, error 0 takes it off.
 * A failed populate or decrease is a hypercall that returns -1; for one that
 * does only some of its extents see fakexen_refuse and maxmem.
 */
void fakexen_fail(enum fakexen_kind kind, unsigned nth, unsigned count,
                  int error);
/* Did the rule of this kind make a call fail? */
bool fakexen_failed(enum fakexen_kind kind);

/*
 * A gfn that does not go: map gives err = -error for it, populate, decrease,
 * relocate and set_mem_type stop there.  error 0 allows it again.
 */
void fakexen_refuse(uint32_t domid, uint64_t gfn, int error);

/* Time that a call of a kind takes more, by spinning. */
void fakexen_latency(enum fakexen_kind kind, uint64_t ns_call,
                     uint64_t ns_page);

uint64_t fakexen_calls(enum fakexen_kind kind); /* FAKEXEN_ANY: the sum */
uint64_t fakexen_pages(enum fakexen_kind kind);
uint64_t fakexen_unknown_calls(void); /* hypercalls that nobody wrote here */
void fakexen_reset_counters(void);

/*
 * Called before each library call of any kind, without the lock: a place to
 * change the p2m at the worst moment.  NULL takes it off.  Not nested.
 */
typedef void fakexen_hook_fn(enum fakexen_kind kind, void *opaque);
void fakexen_set_hook(fakexen_hook_fn *fn, void *opaque);

/* ---- interrupts, dirty pages, types ----------------------------------- */

/* Level of a line now, and how often it rose. */
bool fakexen_isa_level(uint32_t domid, unsigned irq);
unsigned fakexen_isa_edges(uint32_t domid, unsigned irq);
bool fakexen_intx_level(uint32_t domid, unsigned dev, unsigned intx);
unsigned fakexen_intx_edges(uint32_t domid, unsigned dev, unsigned intx);
unsigned fakexen_link_route(uint32_t domid, unsigned link);
/* MSIs injected; the last one's address and data may be asked for. */
unsigned fakexen_msis(uint32_t domid, uint64_t *addr, uint32_t *data);

/*
 * Reported by modified_memory since the last clear.  Xen's log is on from the
 * creation of a domain; while it is off, reports do nothing.
 */
void fakexen_set_log_dirty(uint32_t domid, bool enable);
bool fakexen_dirty(uint32_t domid, uint64_t gfn);
uint64_t fakexen_dirty_count(uint32_t domid);
void fakexen_clear_dirty(uint32_t domid);

/* How many gfns track_dirty_vram looks at, and the first one. */
uint64_t fakexen_tracked(uint32_t domid, uint64_t *gfn);

/* Type pinned on a gfn by pin_memory_cacheattr, -1: none. */
int fakexen_cacheattr(uint32_t domid, uint64_t gfn);

/* ---- ioreq servers and vCPUs ------------------------------------------ */

unsigned fakexen_ioreq_servers(uint32_t domid);
bool fakexen_ioreq_enabled(uint32_t domid); /* any */
/* Is [first, last] claimed by a server?  mmio false: ports. */
bool fakexen_claimed(uint32_t domid, bool mmio, uint64_t first, uint64_t last);
bool fakexen_claimed_pci(uint32_t domid, uint8_t devfn);

/*
 * Who answers while a vCPU waits: a function that runs the device model's loop
 * once.  NULL (the default): another thread does, and the vCPU sleeps until its
 * event channel is notified, at most timeout_ms (0: 10 s), then -ETIMEDOUT.
 */
typedef void fakexen_pump_fn(void *opaque);
void fakexen_set_pump(fakexen_pump_fn *fn, void *opaque);
void fakexen_set_timeout(unsigned timeout_ms);

/*
 * One access of a guest.  As Xen does it: a write of 4 bytes to port 0xcf8 is
 * latched, 0xcfc becomes configuration space while the latch is enabled, the
 * server with the highest id that claimed all of it answers, nobody: reads
 * as ones.
 */
struct fakexen_io {
    unsigned vcpu;
    bool mmio;
    bool read;
    uint64_t addr;
    unsigned size;    /* bytes: 1, 2, 4, 8 */
    uint64_t data;    /* to write; after a read the value; or a gpa */
    uint32_t count;   /* of a string instruction [1] */
    bool data_is_ptr; /* data is the gpa of count items */
    bool df;          /* downwards */

    bool handled; /* out: a server answered */
};
/*
 * -ETIMEDOUT; -ESRCH: destroyed or crashed meanwhile; -EBUSY: the slot of the
 * vCPU is not free because the device model touched it.
 */
int fakexen_io(uint32_t domid, struct fakexen_io *io);

/* The same on vCPU 0, for plain accesses; a failure aborts with a line. */
uint64_t fakexen_in(uint32_t domid, uint16_t port, unsigned size);
void fakexen_out(uint32_t domid, uint16_t port, unsigned size, uint32_t value);
uint64_t fakexen_readm(uint32_t domid, uint64_t gpa, unsigned size);
void fakexen_writem(uint32_t domid, uint64_t gpa, unsigned size,
                    uint64_t value);
/* By way of 0xcf8 and 0xcfc. */
uint32_t fakexen_pci_read(uint32_t domid, uint8_t devfn, unsigned offset,
                          unsigned size);
void fakexen_pci_write(uint32_t domid, uint8_t devfn, unsigned offset,
                       unsigned size, uint32_t value);

/* IOREQ_TYPE_INVALIDATE to every enabled server, from one vCPU. */
int fakexen_invalidate(uint32_t domid, unsigned vcpu);
/* A request of any type, straight to the servers, for hostile tests. */
int fakexen_raw_ioreq(uint32_t domid, unsigned vcpu, uint8_t type,
                      struct fakexen_io *io);

/* ---- PV frontends ------------------------------------------------------ */

/*
 * Grant a page to us.  The mapping of a grant that has ended stays, as in Xen,
 * but it cannot be mapped or copied any more.
 */
uint32_t fakexen_grant(uint32_t domid, uint64_t gfn, bool read_only);
void fakexen_end_grant(uint32_t ref);
/* Pages that are mapped by their grants. */
unsigned fakexen_grants_mapped(void);

/* An event channel for us to bind to; its number. */
uint32_t fakexen_evtchn(uint32_t domid);
void fakexen_evtchn_free(uint32_t port);
void fakexen_evtchn_ring(uint32_t port);
/* Were we notified by it since the last time? */
bool fakexen_evtchn_rung(uint32_t port);

/* ---- xenstore --------------------------------------------------------- */

/* Value of a key, NULL when absent; valid until the next write or reset. */
const char *fakexen_xs_get(const char *path);
void fakexen_xs_set(const char *path, const char *value);
void fakexen_xs_rm(const char *path); /* with all below it */
/* Keys below dir, as one transaction: key, value, ..., NULL. */
void fakexen_xs_set_all(const char *dir, const char *const *pairs);
/* Wait until the key has this value.  -ETIMEDOUT. */
int fakexen_xs_wait(const char *path, const char *value, unsigned timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
