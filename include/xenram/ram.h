/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENRAM_RAM_H
#define XENRAM_RAM_H

/*
 * RAM blocks: memory with an owner, a name and a length that may change.
 *
 * A block lives in one of these places:
 *   guest RAM      the guest's p2m, put there by the toolstack;
 *   guest-visible  the guest's p2m, populated by us at an explicit gfn: VRAM,
 *                  ROMs.  The toolstack carries its pages, we carry the record
 *                  of who owns them;
 *   private        our own address space; our stream carries its bytes;
 *   file-backed    a file that is mapped here; our stream names the block, the
 *                  file carries its bytes.
 *
 * Lengths and offsets are bytes.  used_length and max_length are multiples of
 * XEN_RAM_PAGE_SIZE, used_length <= max_length.  size is the exact length that
 * the owner asked for; used_length is size rounded up to pages.  gfn counts
 * pages of guest physical space.
 *
 * A function that returns int returns 0 or -errno, and on failure leaves the
 * list, the block, the guest's p2m and its page count as they were; the reason
 * as one line of text, with names and numbers, is in xen_ram_error (of reads,
 * writes and dirty reports the errno says all).
 *
 * One thread owns the list and makes every call but those that say otherwise.
 * Pointers to blocks live until xen_ram_free or xen_ram_close.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define XEN_RAM_PAGE_SIZE 4096u
/* Without the final zero: QEMU's tools read a length as a signed byte. */
#define XEN_RAM_IDSTR_MAX 127
#define XEN_RAM_NO_GFN UINT64_MAX

struct xen_mapcache;
struct xen_ram;
struct xen_ram_block;

enum xen_ram_kind {
    XEN_RAM_GUEST,
    XEN_RAM_VISIBLE,
    XEN_RAM_PRIVATE,
    XEN_RAM_FILE,
};

enum xen_ram_flags {
    XEN_RAM_RESIZEABLE = 1u << 0, /* used_length may change */
    XEN_RAM_ROM = 1u << 1,        /* the guest can read but not write it */
    XEN_RAM_COPY = 1u << 2, /* file-backed: what is written stays here, the file
                               as it is (MAP_PRIVATE) */
    /* Private and file-backed memory, now and after growth (madvise(2)): */
    XEN_RAM_DONTFORK = 1u << 3, /* a child process does not get it */
    XEN_RAM_DONTDUMP = 1u << 4, /* not in a core dump */
    XEN_RAM_HUGE = 1u << 5,     /* in huge pages where there are any */
    /*
     * Guest-visible: cached write-back wherever it is, though it lies behind a
     * BAR, which a guest takes for uncached (VRAM).
     */
    XEN_RAM_WRITEBACK = 1u << 6,
    /* Guest-visible: xen_ram_sync_dirty finds what the guest writes (VRAM). */
    XEN_RAM_TRACKED = 1u << 7,
    /*
     * Guest-visible, and no other flag: its memory comes and goes in units, by
     * xen_ram_plug and xen_ram_unplug; it starts with none.  It stays where its
     * spec says, and is loaded there only.
     */
    XEN_RAM_SPARSE = 1u << 8,
};

/*
 * When a list may change lengths.  A fresh list is in RESET: blocks are
 * populated as they are allocated and may be resized.  In LOADING nothing is
 * populated, because the toolstack has restored the pages: a guest-visible
 * block has no gfn until the negotiation of xenram/migrate.h gives it one.  In
 * RUNNING a resize is an error.
 *
 * From RESET a list goes to either, from RUNNING to RESET only: a guest that
 * runs is not loaded over.  It leaves LOADING when each guest-visible block has
 * its pages, which is so after a load.
 */
enum xen_ram_phase {
    XEN_RAM_RESET,
    XEN_RAM_LOADING,
    XEN_RAM_RUNNING,
};

/*
 * Told after used_length (or size within it) changed, with both in bytes.  It
 * must not allocate, free or resize blocks.
 */
typedef void xen_ram_resized_fn(struct xen_ram_block *block,
                                uint64_t old_length, uint64_t new_length,
                                void *opaque);

/*
 * Two-phase notifier of a list.  prepare_resize may refuse with -errno and a
 * reason, of XEN_RAM_REASON_MAX bytes and empty when called, that becomes part
 * of xen_ram_error.  Whoever agreed is then told: resized, which cannot fail,
 * or abandoned, when another refused or memory did not come.  Shrinking calls
 * resized before memory goes, growing calls it after memory is there; memory
 * that does not go is told as a second resized, back to the old length.
 *
 * A function that is NULL is not called.  A late subscriber gets added for each
 * block that is there; removed is called once for each added.
 */
#define XEN_RAM_REASON_MAX 128
struct xen_ram_notifier {
    void (*added)(struct xen_ram_block *block, void *opaque);
    void (*removed)(struct xen_ram_block *block, void *opaque);
    int (*prepare_resize)(struct xen_ram_block *block, uint64_t new_length,
                          char *reason, void *opaque);
    void (*abandoned)(struct xen_ram_block *block, uint64_t new_length,
                      void *opaque);
    void (*resized)(struct xen_ram_block *block, uint64_t old_length,
                    uint64_t new_length, void *opaque);
    void *opaque;
    struct xen_ram_notifier *next; /* the list's own */
};

struct xen_ram_spec {
    const char *idstr; /* unique in the list, 1 to XEN_RAM_IDSTR_MAX bytes */
    enum xen_ram_kind kind;
    unsigned flags;      /* enum xen_ram_flags */
    uint64_t gfn;        /* first gfn; XEN_RAM_NO_GFN for memory of ours */
    uint64_t size;       /* bytes, at least 1 */
    uint64_t max_length; /* bytes; 0: used_length.  Rounded up to pages */
    xen_ram_resized_fn *resized; /* may be NULL */
    void *opaque;
    uint64_t unit; /* bytes, of sparse blocks only: a power of two, whole pages;
                      size is a multiple of it */
};

/*
 * Open an empty list for domain domid.  cache may be NULL when only private
 * blocks are wanted; otherwise it must outlive the list.  Without a cache, Xen
 * is not asked for anything: in phase LOADING such a list may also hold the
 * guest's blocks, to find out what a load would do (xen_migrate_check), but it
 * cannot take pages over, and domid does not count.
 * -ENOMEM; or what xencall_open and xendevicemodel_open gave.
 */
int xen_ram_open(uint32_t domid, struct xen_mapcache *cache,
                 struct xen_ram **out);

/*
 * Forget all blocks and release what they hold in this process.  Pages in the
 * guest's p2m stay: they belong to the guest's life, not to ours.
 */
void xen_ram_close(struct xen_ram *ram);

/*
 * Go to another phase, or stay.
 * -EINVAL: no such phase.
 * -EPERM:  not from the phase that it is in, see above.
 */
int xen_ram_set_phase(struct xen_ram *ram, enum xen_ram_phase phase);
enum xen_ram_phase xen_ram_get_phase(const struct xen_ram *ram);

/* Why the last call that failed did, never NULL. */
const char *xen_ram_error(const struct xen_ram *ram);

/*
 * Make a block as spec says and store it in *out.  Guest RAM is only recorded.
 * Guest-visible memory is populated with zeroes (phase LOADING: not).  Private
 * memory reads as zero and is inaccessible beyond used_length.
 * -EINVAL: a field is out of its range, or the block needs a cache.
 * -EEXIST: idstr is taken, or another block has pages where this one has, or
 *          could get some by growing to max_length.
 * -ENOMEM: no memory here.
 * -ENOSPC: Xen has no more pages for this guest (maxmem) or at all.
 * other:   what Xen gave.
 */
int xen_ram_alloc(struct xen_ram *ram, const struct xen_ram_spec *spec,
                  struct xen_ram_block **out);

/*
 * As xen_ram_alloc, a block whose length may change: spec->size bytes of it are
 * used now, max_length at most, and resized (may be NULL) is told of changes,
 * with spec->opaque.  Both arguments take the place of spec's.
 * -EINVAL: also when max_length is zero, or the kind of block is of one length.
 */
int xen_ram_alloc_resizeable(struct xen_ram *ram,
                             const struct xen_ram_spec *spec,
                             uint64_t max_length, xen_ram_resized_fn *resized,
                             struct xen_ram_block **out);

/*
 * As xen_ram_alloc, a private block in memory of the caller's: whole pages from
 * host on, without flags, of one length.  The memory must outlive the block.
 * -EINVAL: not so.
 */
int xen_ram_alloc_from_ptr(struct xen_ram *ram, const struct xen_ram_spec *spec,
                           void *host, struct xen_ram_block **out);

/*
 * As xen_ram_alloc, a block of kind XEN_RAM_FILE: path, a regular file of
 * exactly size bytes, is its memory.  Its length cannot change.  The file must
 * not be cut short while the block lives: what is gone then faults (SIGBUS).
 * -EINVAL: not a regular file, another length, or another kind of block.
 * -EEXIST: idstr is taken; or another block has this file, and one of the two
 *          is without XEN_RAM_COPY.
 * other:   what open and mmap gave.
 */
int xen_ram_alloc_from_file(struct xen_ram *ram,
                            const struct xen_ram_spec *spec, const char *path,
                            struct xen_ram_block **out);

/* Give the memory back, to Xen or to the host, and forget the block. */
void xen_ram_free(struct xen_ram *ram, struct xen_ram_block *block);

/*
 * Change the exact size, and used_length with it.  Growth delivers zeroes, a
 * shrink gives pages back.
 * -EPERM:  phase RUNNING.
 * -EINVAL: size is zero, or differs and the block is not resizeable ("Length
 *          mismatch").
 * -E2BIG:  above max_length ("Length too large").
 * -EEXIST: it would grow into another block's pages.
 * -ENOSPC, -ENOMEM: as xen_ram_alloc.
 * other:   what a notifier's prepare_resize gave.
 */
int xen_ram_resize(struct xen_ram *ram, struct xen_ram_block *block,
                   uint64_t size);

/*
 * Move a guest-visible block to another gfn, its content and type with it (a
 * BAR was programmed).  The old gfns become holes.
 * -EINVAL: not a guest-visible block, or a sparse one, or the target leaves the
 *          guest's space.
 * -EEXIST: another block has pages there.
 * other:   what Xen gave.
 */
int xen_ram_relocate(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t gfn);

/*
 * Used by the loader: a guest-visible block takes over pages that the toolstack
 * restored at gfn, size bytes of them, without touching the p2m, and
 * xen_ram_reapply then sets what a restore does not carry: the read-only type
 * and the cache attribute.
 * With gfn XEN_RAM_NO_GFN adopt takes both back: the pages are as the toolstack
 * left them, and the block has no place again.
 * -EPERM:  phase is not LOADING.
 * -EINVAL: not a guest-visible block, or one that was populated here.
 * -EEXIST: as xen_ram_relocate.
 * other:   as xen_ram_resize.
 */
int xen_ram_adopt(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t gfn, uint64_t size);
int xen_ram_reapply(struct xen_ram *ram, struct xen_ram_block *block);

/*
 * Bring [offset, offset + length) of a sparse block into the guest, zeroed, or
 * take it away; what the guest or the map cache had there is gone then.  In any
 * phase but LOADING.  A page that the guest gave away by itself (a balloon) is
 * unplugged with the rest.
 * -EINVAL: not a sparse block, not whole units, or none.
 * -ERANGE: it leaves the block.
 * -EEXIST: plug: some of it is there.
 * -ENOENT: unplug: some of it is not there.
 * -EPERM:  phase LOADING.
 * -ENOSPC: plug: Xen has no more pages for this guest (xen_ram_get_room), or at
 *          all.
 * other:   what Xen gave, -ENOTTY when rights were given up.
 */
int xen_ram_plug(struct xen_ram *ram, struct xen_ram_block *block,
                 uint64_t offset, uint64_t length);
int xen_ram_unplug(struct xen_ram *ram, struct xen_ram_block *block,
                   uint64_t offset, uint64_t length);

/* Bytes of a sparse block that are plugged; 0 for the others. */
uint64_t xen_ram_plugged(const struct xen_ram_block *block);
/* Bytes of a unit of a sparse block; 0 for the others. */
uint64_t xen_ram_unit(const struct xen_ram_block *block);
/* The gfn that the spec of a sparse block gave, in any phase. */
uint64_t xen_ram_home(const struct xen_ram_block *block);

/*
 * The first run of plugged units that is not below from: true, and where it
 * starts (from, if that is plugged) and how long it is; false: none.
 */
bool xen_ram_next_plugged(const struct xen_ram_block *block, uint64_t from,
                          uint64_t *offset, uint64_t *length);

/*
 * Used by the loader, and taken back by xen_ram_adopt with XEN_RAM_NO_GFN: the
 * sparse block is home, and these of its units are there, a bit each from the
 * lowest of the first byte on.  plugged has a bit for each unit, and none else.
 * -EPERM:  phase is not LOADING.
 * -EINVAL: not a sparse block.
 */
int xen_ram_adopt_plugged(struct xen_ram *ram, struct xen_ram_block *block,
                          const uint8_t *plugged);

/*
 * How much memory the guest has, of any kind, and how much Xen lets it have.
 * -ENODEV: the list has no map cache, and no guest.
 * other:   what Xen gave.
 */
struct xen_ram_room {
    uint64_t used, limit; /* bytes */
};
int xen_ram_get_room(struct xen_ram *ram, struct xen_ram_room *room);

/*
 * The owner's access, which also writes ROMs.
 * -ERANGE: [offset, offset + len) leaves used_length.
 * other:   as xen_mapcache_read and _write.
 */
int xen_ram_read(struct xen_ram *ram, struct xen_ram_block *block,
                 uint64_t offset, void *buf, size_t len);
int xen_ram_write(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t offset, const void *buf, size_t len);

/*
 * Write to the guest because the guest told a device to.  Its ROMs stay as they
 * are, and what was written is marked dirty.  The list needs a map cache.
 * -EROFS: some of it is a ROM; nothing was written.
 * other:  as xen_mapcache_write; what comes before the fault was written.
 */
int xen_ram_guest_write(struct xen_ram *ram, uint64_t gpa, const void *buf,
                        size_t len);

/* Host address of a private or file-backed block, NULL for the others. */
void *xen_ram_host(const struct xen_ram_block *block);
/* File of a file-backed block, NULL for the others. */
const char *xen_ram_path(const struct xen_ram_block *block);

const char *xen_ram_idstr(const struct xen_ram_block *block);
enum xen_ram_kind xen_ram_get_kind(const struct xen_ram_block *block);
unsigned xen_ram_get_flags(const struct xen_ram_block *block);
uint64_t xen_ram_gfn(const struct xen_ram_block *block);
uint64_t xen_ram_offset(const struct xen_ram_block *block);
uint64_t xen_ram_size(const struct xen_ram_block *block);
uint64_t xen_ram_used_length(const struct xen_ram_block *block);
uint64_t xen_ram_max_length(const struct xen_ram_block *block);

/* Walk in order of allocation: the block after block, the first for NULL. */
struct xen_ram_block *xen_ram_next(const struct xen_ram *ram,
                                   const struct xen_ram_block *block);
struct xen_ram_block *xen_ram_find(const struct xen_ram *ram,
                                   const char *idstr);
struct xen_ram_block *xen_ram_find_gfn(const struct xen_ram *ram, uint64_t gfn);
struct xen_ram_block *xen_ram_find_offset(const struct xen_ram *ram,
                                          uint64_t offset);
/*
 * The block that a host pointer is in: of private memory, or from a lookup or
 * pin of the list's map cache.  Then *offset is how far into the block.
 */
struct xen_ram_block *xen_ram_find_host(const struct xen_ram *ram,
                                        const void *host, uint64_t *offset);

/* The notifier must stay where it is until it is removed. */
void xen_ram_notifier_add(struct xen_ram *ram,
                          struct xen_ram_notifier *notifier);
void xen_ram_notifier_remove(struct xen_ram *ram,
                             struct xen_ram_notifier *notifier);

/*
 * Which pages of the guest were written to: by us through the map cache, or
 * because a block brought them to a gfn; by the guest itself only where
 * xen_ram_sync_dirty looks for it.  Each client has a bitmap of its own, and
 * loses nothing when another takes.  Private memory is not the guest's and does
 * not count.
 */
enum xen_ram_client {
    XEN_RAM_DISPLAY,
    XEN_RAM_MIGRATION, /* told to Xen by xen_ram_report_dirty */
    XEN_RAM_USER,
    XEN_RAM_NR_CLIENTS,
};

/*
 * Collect for a client from now on, or no longer.  The owner's thread.  Without
 * a map cache there is no guest, and nothing to collect.
 * -ENOMEM: no address space for a bit a page of the window.
 */
int xen_ram_dirty_start(struct xen_ram *ram, enum xen_ram_client client);
void xen_ram_dirty_stop(struct xen_ram *ram, enum xen_ram_client client);

/*
 * We wrote to [gpa, gpa + len).  Any thread, after the write; cheap while no
 * client was started.  xen_ram_write marks by itself.
 */
void xen_ram_mark_dirty(struct xen_ram *ram, uint64_t gpa, uint64_t len);

/*
 * Mark for XEN_RAM_DISPLAY what the guest wrote to tracked blocks since the
 * last call; nothing if that client was not started.  The owner's thread.  Any
 * number of blocks, but Xen tracks one range, of 1 GiB at most: the one that
 * covers them.  Blocks further apart are marked as a whole each time; all are
 * in the first call, and when the range has become another.  The guest is
 * paused for a moment.
 * -ENOMEM: no memory for a bit a page.
 * other:   what Xen gave.  After an error all pages are marked.
 */
int xen_ram_sync_dirty(struct xen_ram *ram);

/*
 * Give what is dirty of nr gfns from gfn on to fn, as runs upwards, neighbours
 * in one; it is clean then.  What was marked before this call is in it.  When
 * fn returns other than 0 the take ends with that; its run and what follows
 * stay dirty.  fn must not take itself.  One thread at a time takes for a
 * client.  Costs what is dirty, not what there is.
 */
typedef int xen_ram_dirty_fn(uint64_t gfn, uint64_t nr, void *opaque);
int xen_ram_dirty_take(struct xen_ram *ram, enum xen_ram_client client,
                       uint64_t gfn, uint64_t nr, xen_ram_dirty_fn *fn,
                       void *opaque);

/*
 * Start and stop XEN_RAM_MIGRATION.  While it is on, xen_ram_report_dirty tells
 * Xen, 256 runs a call: call it before a save's `stop` is answered, and from
 * time to time while xen_ram_dirty_waits says that there is something.
 * log_dirty: as xen_ram_dirty_start.
 * report:    what Xen gave; what Xen was not told is kept for the next try.
 */
int xen_ram_log_dirty(struct xen_ram *ram, bool enable);
bool xen_ram_dirty_waits(const struct xen_ram *ram);
int xen_ram_report_dirty(struct xen_ram *ram);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
