/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENRAM_MEMORY_DEVICE_H
#define XENRAM_MEMORY_DEVICE_H

/*
 * Memory devices: what brings memory to a guest beside the RAM that its
 * toolstack built (a DIMM, virtio-mem), where each of them is, and how much of
 * it there is.
 *
 * One region of guest physical space is set aside for all of them.  A device
 * covers one range of it, which it may fill as a whole or in parts; no two
 * overlap.  Addresses are guest physical addresses in bytes, lengths are bytes.
 *
 * This is bookkeeping: no call here reaches Xen but through the functions of a
 * device.  The memory itself is a guest-visible block of xenram/ram.h, as a
 * rule one with XEN_RAM_SPARSE.
 *
 * Functions that return int return 0 or -errno; on failure the list and the
 * device are as they were, and xen_memory_error has the reason as one line with
 * names, numbers and the remedy.  One thread makes all calls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct xen_memory;
struct xen_memory_device;

/* What a device covers, wherever it is. */
struct xen_memory_range {
    uint64_t size;      /* bytes, a multiple of the alignment; 0: an empty
                           device, which has no address and takes no space */
    uint64_t alignment; /* bytes, a power of two; 0: 4096 */
};

/* QEMU's names for them are in docs/memory-devices.md. */
enum xen_memory_kind {
    XEN_MEMORY_DIMM,
    XEN_MEMORY_VIRTIO_MEM,
};

/* What there is to tell about a device.  Strings are the device's. */
struct xen_memory_info {
    enum xen_memory_kind kind;
    const char *id;     /* NULL: none */
    const char *memdev; /* id of its backend */
    uint64_t addr;
    uint64_t size;           /* bytes that the guest has of it now */
    uint64_t max_size;       /* bytes that it covers */
    uint64_t requested_size; /* virtio-mem */
    uint64_t block_size;     /* virtio-mem */
    uint32_t node;
    unsigned slot;     /* DIMM */
    bool hotplugged;   /* DIMM: it came while the guest ran */
    bool hotpluggable; /* DIMM: it may go while the guest runs */
};

/*
 * A device.  A function that is not marked optional must be there; none may
 * plug or unplug devices.
 */
struct xen_memory_device_ops {
    /* Where the device is, or shall be; 0: wherever there is room. */
    uint64_t (*get_addr)(const struct xen_memory_device *device);
    /* It is told where, or what get_addr gave when it could not be plugged. */
    void (*set_addr)(struct xen_memory_device *device, uint64_t addr);
    /* Bytes that the guest has of it now, at most the size of its range. */
    uint64_t (*get_plugged_size)(const struct xen_memory_device *device);
    /* Does not change while the device is plugged. */
    struct xen_memory_range (*get_range)(
        const struct xen_memory_device *device);
    void (*fill_info)(const struct xen_memory_device *device,
                      struct xen_memory_info *info);

    /* Optional: a power of two in bytes that it wants beside its range's. */
    uint64_t (*get_min_alignment)(const struct xen_memory_device *device);
    /*
     * Optional: before it is placed, the device decides how many slots it will
     * do with; limit is how many there are to have, at least 1.
     */
    void (*decide_slots)(struct xen_memory_device *device, unsigned limit);
    /* Optional: slots that it needs at most, while it is plugged [1].  An empty
       device needs none, and is not asked. */
    unsigned (*get_slots)(const struct xen_memory_device *device);
    /* Optional: slots that it takes now [as many as it needs at most]. */
    unsigned (*get_used_slots)(const struct xen_memory_device *device);

    /*
     * Optional: it has its place now, and brings its memory in; or gives it
     * back before it loses the place.  -errno refuses, after a line in reason
     * (size bytes), and has changed nothing.
     */
    int (*plugged)(struct xen_memory_device *device, char *reason, size_t size);
    int (*unplugging)(struct xen_memory_device *device, char *reason,
                      size_t size);
};

/* To be embedded in a device's state; zeroed but for ops and id. */
struct xen_memory_device {
    const struct xen_memory_device_ops *ops;
    const char *id; /* for messages; NULL: unnamed */

    /* The list's own. */
    struct xen_memory *owner; /* NULL: not plugged */
    uint64_t start, length;
    struct xen_memory_device *lower, *higher;
    uint64_t first, end, gap;
    uint32_t rank;
    unsigned slots;
};

/* A field that is zero takes the value in brackets. */
struct xen_memory_options {
    uint64_t base;  /* of the region; a base that is not a multiple of an
                       alignment wastes space, so let it be one of 1 GiB */
    uint64_t size;  /* of the region [no region: devices are refused] */
    uint64_t limit; /* bytes that the ranges of all devices may have [size] */
    /*
     * A slot is a run of neighbouring extents in the guest's p2m.  Xen does not
     * limit them; what describes a guest's memory to others may [no limit].
     */
    unsigned slots;
};

struct xen_memory_stats {
    uint64_t base, size, limit; /* as opened */
    uint64_t used;              /* bytes that devices cover */
    uint64_t plugged;           /* bytes that the guest has of them now */
    unsigned devices;           /* plugged ones, empty ones too */
    unsigned slots;             /* limit, UINT_MAX: none */
    unsigned required_slots;    /* that all devices may need together */
    unsigned used_slots;        /* that they take now */
    unsigned reserved_slots;    /* required and not used */
};

/*
 * -EINVAL: the region wraps, or leaves 2^52 bytes.
 * -ENOMEM.
 */
int xen_memory_open(const struct xen_memory_options *options,
                    struct xen_memory **out);

/*
 * Forget all devices; they lose their place without being asked, and keep their
 * memory.  NULL is fine.
 */
void xen_memory_close(struct xen_memory *memory);

/* Why the last call that failed did, never NULL. */
const char *xen_memory_error(const struct xen_memory *memory);

/*
 * Could the device be plugged now, and where?  Its address is what get_addr
 * wants, or, when that is 0, the lowest in the region that is free for all of
 * its range and a multiple of the larger of its alignments.  The device is told
 * the address (set_addr), and nothing else changes.
 * -EEXIST: it is plugged already, or another device is where it wants to be.
 * -EINVAL: an alignment is no power of two; its length or wanted address is not
 *          a multiple of it; the wanted range leaves the region.
 * -ENODEV: there is no region: give the guest head-room.
 * -ENOSPC: over the limit, or no free range is long enough, or no slots.
 */
int xen_memory_pre_plug(struct xen_memory *memory,
                        struct xen_memory_device *device);

/*
 * Give the device its place, as xen_memory_pre_plug, which need not have been
 * called, and let it bring its memory in.  When that fails its address is what
 * it was before this call.  An empty device has no address but is on the list.
 * other: what plugged gave.
 */
int xen_memory_plug(struct xen_memory *memory,
                    struct xen_memory_device *device);

/*
 * -ENOENT: it is not plugged here.
 * other:   what unplugging gave; it is plugged as before.
 */
int xen_memory_unplug(struct xen_memory *memory,
                      struct xen_memory_device *device);

/*
 * Walk in order of addresses, empty devices first: the device after device, the
 * first for NULL.  Takes as long as a search.
 */
struct xen_memory_device *
xen_memory_next(const struct xen_memory *memory,
                const struct xen_memory_device *device);

/* The device that covers addr, or NULL. */
struct xen_memory_device *xen_memory_find(const struct xen_memory *memory,
                                          uint64_t addr);

void xen_memory_get_stats(const struct xen_memory *memory,
                          struct xen_memory_stats *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
