/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENRAM_MAPCACHE_H
#define XENRAM_MAPCACHE_H

/*
 * Map cache: a window onto a guest's memory.
 *
 * One stretch of address space is reserved for the whole guest, and byte gpa
 * of the guest is at window + gpa whenever it is mapped.  Parts of the window
 * are mapped when they are first touched and given back when a byte budget is
 * exceeded or Xen says that the guest's frames changed.
 *
 * Chunks.  Pins are counted, frames replaced and memory given back chunk by
 * chunk.  A chunk is mapped as it is used: for a first access an eighth of it,
 * but 32 pages at least, all of it for who goes on from a chunk beside it.
 *
 * Addresses are guest physical addresses (gpa) in bytes, lengths are bytes,
 * pages are 4096 bytes.  A function that returns int returns 0 or -errno, and
 * on failure has changed nothing that a caller can see.
 *
 * Threads.  One thread owns the cache: it opens and closes it, and calls
 * xen_mapcache_invalidate*, _replace and _reclaim.  Any number of threads,
 * the owner among them, look up, pin, unpin, read and write at the same time,
 * each between its own xen_mapcache_thread_online and _offline.  A thread goes
 * offline before it sleeps, because an invalidate, or a lookup of another
 * thread that has to map, may wait for it; and before it ends.
 *
 * Epochs.  A pointer from xen_mapcache_lookup lives until the thread that
 * looked it up calls xen_mapcache_quiescent or _offline.  A pointer from
 * xen_mapcache_pin lives until it is unpinned.
 *
 * Rights.  Xen lets a foreign mapping write what the guest may only read, pages
 * of type p2m_ram_ro (mod_l1_entry of arch/x86/mm.c and p2m_add_foreign of
 * arch/x86/mm/p2m.c do not look for it): to keep a ROM from ourselves it has to
 * be mapped read-only.  A chunk is that as long as only the _ro functions were
 * used on it.  For the first user who writes it is mapped again, for writing,
 * at the same address, and stays so until it is given back.
 *
 * The guest writes to the same memory at the same time.  Read a shared word
 * once, check the copy, use the copy.
 *
 * Holes.  Xen tells when a page leaves the guest, not when one comes.  A page
 * that was absent when it was accessed stays so for accesses of the next
 * millisecond at most, or until the next invalidate of any kind; then it is
 * asked for again, at the price of a call for this page alone.  A page that
 * nobody accessed while it was absent is found at once.  An emulator that
 * brings pages in itself calls xen_mapcache_invalidate_range for them.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define XEN_MAPCACHE_PAGE_SIZE 4096u

struct xen_mapcache;

/* A field that is zero takes the value in brackets. */
struct xen_mapcache_options {
    uint64_t window; /* bytes of guest physical space [1 TiB] */
    uint64_t budget; /* bytes mapped at most, pinned chunks and those that a
                        thread looked up in this epoch apart; one chunk
                        at least [256 MiB] */
    uint32_t chunk;  /* bytes a mapping call maps at most, a power of two
                        from 4 KiB to 2 MiB [1 MiB] */
};

struct xen_mapcache_stats {
    uint64_t window;      /* bytes reserved */
    uint64_t chunk;       /* bytes of a chunk */
    uint64_t budget;      /* bytes */
    uint64_t mapped;      /* bytes mapped now */
    uint64_t pinned;      /* chunks with at least one pin now */
    uint64_t quarantined; /* pinned chunks that were invalidated */
    uint64_t stale;       /* invalidated chunks that await reclaim */
    uint64_t misses;      /* lookups that had to map */
    uint64_t map_calls;   /* calls to Xen, good or bad */
    uint64_t map_errors;  /* of these, failed as a whole */
    uint64_t holes;       /* accesses refused because a page is absent */
    uint64_t evictions;   /* chunks dropped for the budget */
    uint64_t invalidates; /* xen_mapcache_invalidate and _range calls */
};

/*
 * Open a cache for domain domid and make the calling thread its owner; the
 * owner is online from here on.  options may be NULL.
 * -EINVAL: chunk is no power of two or out of range; window is zero after
 *          rounding up to chunks or above 2^52.
 * -ENOMEM: no memory, or no address space (RLIMIT_AS): ask for less window.
 * other:   what xenforeignmemory_open gave (no /dev/xen/privcmd, no right).
 */
int xen_mapcache_open(uint32_t domid,
                      const struct xen_mapcache_options *options,
                      struct xen_mapcache **out);

/* Unmap everything: nothing may use the window any more.  NULL is fine. */
void xen_mapcache_close(struct xen_mapcache *cache);

/* The calling thread starts, and ends, its use of caches. */
void xen_mapcache_thread_online(void);
void xen_mapcache_thread_offline(void);

/* The calling thread holds no looked-up pointer at this moment. */
void xen_mapcache_quiescent(void);

/*
 * Host address of [gpa, gpa + len), all of it mapped and contiguous, for a
 * short access.  Never waits for another thread unless it has to map.
 * -EINVAL: len is zero.
 * -ERANGE: the range leaves the window.
 * -EFAULT: a page of the range is not RAM now (a hole, a ballooned page).
 * -ENOMEM: no memory or mappings left (vm.max_map_count).
 * -EBUSY:  a page lies in an invalidated chunk that is still pinned, so that
 *          its new frames cannot be shown yet; or it came into a mapped chunk,
 *          or another thread invalidates, while this thread holds looked-up
 *          pointers or others keep the chunk in use: use
 *          xen_mapcache_read/_write.  Also: it is mapped read-only, and this
 *          thread holds looked-up pointers or somebody has it pinned.
 * other:   what the foreign map gave, -ESRCH when the domain is gone.
 */
int xen_mapcache_lookup(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                        void **host);

/*
 * The same for a user that only reads.  What is mapped for it is mapped
 * read-only, what is mapped already is used as it is.
 */
int xen_mapcache_lookup_ro(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                           const void **host);

/*
 * As xen_mapcache_lookup, but the range stays mapped until xen_mapcache_unpin
 * with the same host and len.  The frames are those of this moment: an
 * invalidate does not change them under a pin.
 * -EOVERFLOW: too many pins on one chunk (2^24 - 1).
 * other:      as xen_mapcache_lookup.
 * As long as a pin of _ro keeps a chunk read-only, who wants to write gets
 * -EBUSY, but from xen_mapcache_write.
 */
int xen_mapcache_pin(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                     void **host);
int xen_mapcache_pin_ro(struct xen_mapcache *cache, uint64_t gpa, size_t len,
                        const void **host);
void xen_mapcache_unpin(struct xen_mapcache *cache, const void *host,
                        size_t len);

/*
 * Copy len bytes out of or into the guest.  Goes as far as it can: on failure
 * *done (may be NULL) says how many bytes were copied before the page that is
 * at fault, with the errors of xen_mapcache_lookup.  A write never reaches
 * frames that an invalidate took away.  1, 2, 4 or 8 bytes that are aligned in
 * the guest are one access of it.
 */
int xen_mapcache_read(struct xen_mapcache *cache, uint64_t gpa, void *buf,
                      size_t len, size_t *done);
int xen_mapcache_write(struct xen_mapcache *cache, uint64_t gpa,
                       const void *buf, size_t len, size_t *done);

/*
 * Fill whole pages with zeroes, through a mapping of their own that is gone
 * afterwards: pages that have just come into the guest, and that nobody looks
 * at here soon.  What the cache has mapped stays as it is.  On failure some of
 * them may have been cleared.
 * -EINVAL: gpa or len is not a multiple of a page, or len is 0.
 * -ERANGE: outside of the window; nothing was cleared.
 * -EFAULT: a page is not RAM.
 * other:   as xen_mapcache_lookup.
 */
int xen_mapcache_clear(struct xen_mapcache *cache, uint64_t gpa, uint64_t len);

/*
 * Guest physical address of any pointer into the window.
 * -ERANGE: host does not point into it.
 */
int xen_mapcache_gpa(const struct xen_mapcache *cache, const void *host,
                     uint64_t *gpa);

/*
 * Every frame, or those of [gpa, gpa + len), may have changed: no lookup that
 * starts after this returns sees the old ones.  Waits for other threads'
 * epochs, never for pins.  The caller's own epoch ends too.  Unmapping is left
 * to xen_mapcache_reclaim.
 * _range: -ERANGE, -EINVAL as xen_mapcache_lookup; a range covers whole chunks.
 */
void xen_mapcache_invalidate(struct xen_mapcache *cache);
int xen_mapcache_invalidate_range(struct xen_mapcache *cache, uint64_t gpa,
                                  uint64_t len);

/*
 * The same as _range, and when this returns, what is pinned of these chunks
 * shows the frames of this moment at the addresses that it had: for those who
 * pin as long as a ring or a frame buffer lives, and who would keep others from
 * a quarantined chunk.  From the call to the return nobody may touch pinned
 * memory of the chunks; pins themselves are taken and given back as ever.
 * -EFAULT: a pinned chunk has a page of the range that is not RAM and must not
 *          be touched; all else was replaced.
 * -ERANGE, -EINVAL: as xen_mapcache_lookup; nothing was done.
 * other:   as xen_mapcache_lookup.  What is pinned may not be mapped at all:
 *          unpin it, or replace it again, before it is touched.
 */
int xen_mapcache_replace(struct xen_mapcache *cache, uint64_t gpa,
                         uint64_t len);

/*
 * Unmap up to max_bytes of invalidated chunks, the last one whole (0: all that
 * can go).  Returns the bytes that still wait, pinned ones left out.  A frame
 * that the guest gave back returns to Xen only after this: call it when idle,
 * within 10 ms.
 */
uint64_t xen_mapcache_reclaim(struct xen_mapcache *cache, uint64_t max_bytes);

/* A snapshot; the counters of other threads may be slightly behind. */
void xen_mapcache_get_stats(const struct xen_mapcache *cache,
                            struct xen_mapcache_stats *stats);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
