/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_BLOCK_H
#define RAM_BLOCK_H

/* What the files of ram/ share: the list and its blocks. */

#include "xenram/ram.h"

#include "ram/dirty.h"
#include "ram/file.h"
#include "ram/populate.h"
#include "ram/sparse.h"

#define RAM_PAGE_SHIFT 12
#define RAM_ERROR_MAX 384

struct xendevicemodel_handle;

struct xen_ram_block {
    char idstr[XEN_RAM_IDSTR_MAX + 1];
    enum xen_ram_kind kind;
    unsigned flags;
    uint64_t gfn;    /* XEN_RAM_NO_GFN: not in the p2m */
    uint64_t offset; /* bytes, spaced by max_length */
    uint64_t size, used_length, max_length;
    void *host;    /* of private and file-backed blocks */
    bool borrowed; /* the memory is the caller's */
    struct ram_file file;
    struct ram_sparse sparse;
    bool adopted;   /* the pages at gfn are the toolstack's doing */
    bool reapplied; /* and got the type of the block */
    xen_ram_resized_fn *resized;
    void *opaque;
    struct xen_ram_block *next;
};

struct xen_ram {
    uint32_t domid;
    enum xen_ram_phase phase;
    struct xen_mapcache *cache;
    /* These two are open if there is a cache. */
    struct populate populate;
    struct xendevicemodel_handle *device;
    struct xen_ram_block *blocks; /* in order of allocation */
    struct xen_ram_notifier *notifiers;
    struct ram_dirty dirty;
    bool undoing; /* the error that counts is told already */
    char error[RAM_ERROR_MAX];
};

/* Set the line that xen_ram_error gives, unless undoing; returns rc. */
int ram_fail(struct xen_ram *ram, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Take a block off the list and release what it holds in this process. */
void ram_block_delete(struct xen_ram *ram, struct xen_ram_block *block);

/* Bytes rounded up to pages; the caller has checked that this cannot wrap. */
uint64_t ram_round_up(uint64_t bytes);

/*
 * May the block (or a new one, NULL) have pages at gfn?  -EINVAL: they leave
 * the guest's space.  -EEXIST: another block is there.
 */
int ram_check_gfns(struct xen_ram *ram, const struct xen_ram_block *block,
                   const char *idstr, uint64_t gfn, uint64_t length);

/*
 * Put zeroed pages with the block's type under [first, first + nr) of its
 * gfns, or take them away; forget what the map cache knows about them.
 */
int ram_pages_add(struct xen_ram *ram, struct xen_ram_block *block,
                  uint64_t first, uint64_t nr);
int ram_pages_remove(struct xen_ram *ram, struct xen_ram_block *block,
                     uint64_t first, uint64_t nr);

/* The map cache looks for nr pages from gfn anew. */
void ram_arrived(struct xen_ram *ram, uint64_t gfn, uint64_t nr);

/* The same, and it gives the frames back that were there. */
void ram_forget(struct xen_ram *ram, uint64_t gfn, uint64_t nr);

/* Is there no page now?  What the map cache knows must be fresh. */
bool ram_is_hole(struct xen_ram *ram, uint64_t gfn);

/* track.c */
void ram_track_stop(struct xen_ram *ram);

/* type.c */
int ram_set_type(struct xen_ram *ram, const struct xen_ram_block *block,
                 uint64_t gfn, uint64_t nr);
int ram_clear_type(struct xen_ram *ram, const struct xen_ram_block *block,
                   uint64_t gfn, uint64_t nr);

/* cacheattr.c */
struct ram_span {
    uint64_t gfn, nr; /* nr 0: none */
};

/* Where a guest-visible block is now. */
struct ram_span ram_span_of(const struct xen_ram_block *block);
/*
 * The block's cache attribute holds for to instead of from; when that fails,
 * for from.
 */
int ram_pin_cache(struct xen_ram *ram, const struct xen_ram_block *block,
                  struct ram_span from, struct ram_span to);

/* notify.c */
void ram_notify_added(struct xen_ram *ram, struct xen_ram_block *block);
void ram_notify_removed(struct xen_ram *ram, struct xen_ram_block *block);
int ram_notify_prepare(struct xen_ram *ram, struct xen_ram_block *block,
                       uint64_t new_length, char reason[XEN_RAM_REASON_MAX]);
void ram_notify_abandoned(struct xen_ram *ram, struct xen_ram_block *block,
                          uint64_t new_length);
void ram_notify_resized(struct xen_ram *ram, struct xen_ram_block *block,
                        uint64_t old_length, uint64_t new_length);

#endif
