/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENRAM_MIGRATE_H
#define XENRAM_MIGRATE_H

/*
 * Save and load the state of a device model: QEMU's stream version 3, with an
 * ownership record for each RAM block in front, the bytes of private blocks,
 * the devices, and a sum over all of it.  docs/stream-format.md specifies it.
 *
 * A device describes what it saves with a table of fields.  A load reads all,
 * checks all and then applies all; private blocks get their bytes while it
 * reads, and the old ones back if it fails.  After a failure every device and
 * block is as it was.  Functions return 0 or -errno; the reason is one line in
 * error, which names the section, block or field, both numbers and the remedy.
 *
 * One thread, the one that owns the RAM list, makes these calls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define XEN_MIGRATE_ERROR_MAX 512

struct xen_ram;
struct xen_ram_block;

enum xen_migrate_type {
    XEN_MIGRATE_END = 0, /* ends a table */
    XEN_MIGRATE_BOOL,
    XEN_MIGRATE_U8,
    XEN_MIGRATE_U16,
    XEN_MIGRATE_U32,
    XEN_MIGRATE_U64,
    XEN_MIGRATE_BUFFER, /* count bytes, as they are */
};

struct xen_migrate_field {
    const char *name;
    enum xen_migrate_type type;
    size_t offset;     /* into the state */
    uint32_t count;    /* elements; BUFFER: bytes */
    uint32_t since;    /* first version that has it; 0: all */
    uint64_t min, max; /* each element at load; both 0: anything */
};

/* One field of struct s; arrays of integers count their elements. */
#define XEN_MIGRATE_FIELD(kind, s, member)                                     \
    {                                                                          \
        .name = #member, .type = XEN_MIGRATE_##kind,                           \
        .offset = offsetof(struct s, member), .count = 1                       \
    }
#define XEN_MIGRATE_ARRAY(kind, s, member)                                     \
    {                                                                          \
        .name = #member, .type = XEN_MIGRATE_##kind,                           \
        .offset = offsetof(struct s, member),                                  \
        .count = sizeof(((struct s *)0)->member) /                             \
                 sizeof(((struct s *)0)->member[0])                            \
    }
#define XEN_MIGRATE_FIELD_RANGE(kind, s, member, lo, hi)                       \
    {                                                                          \
        .name = #member, .type = XEN_MIGRATE_##kind,                           \
        .offset = offsetof(struct s, member), .count = 1, .min = (lo),         \
        .max = (hi)                                                            \
    }

struct xen_migrate_state {
    const char *name; /* of the section or subsection, at most 127 bytes */
    uint32_t version; /* written */
    uint32_t minimum; /* oldest that can be read */
    size_t size;      /* bytes of the state struct */
    const struct xen_migrate_field *fields;
    /*
     * Of a device that older programs did not have: under policy adapt a
     * stream may lack its section, and the state stays as it is.
     */
    bool optional;

    /* NULL-terminated; a subsection is written when needed says so. */
    const struct xen_migrate_state *const *subsections;
    bool (*needed)(const void *state);

    /* Before the fields are read out for a save. */
    void (*pre_save)(void *state);
    /*
     * Before anything is applied: staged is a copy of the state with the
     * incoming fields in place.  -errno refuses the load; text (size bytes)
     * then says why.
     */
    int (*check)(const void *staged, char *text, size_t size);
    /* The fields are in place; cannot fail. */
    void (*post_load)(void *state);
};

struct xen_migrate_device {
    const struct xen_migrate_state *saved;
    uint32_t instance;
    void *state;
};

enum xen_migrate_policy {
    XEN_MIGRATE_ADAPT, /* resizeable blocks take the incoming length */
    XEN_MIGRATE_STRICT /* any difference refuses the load */
};

struct xen_migrate_options {
    enum xen_migrate_policy policy;
    bool vmdesc; /* write the description that analyze-migration.py reads */
};

/*
 * Write the state to fd from its current position and cut the file off behind
 * it.  options may be NULL.  Private blocks must not be written meanwhile.
 * -EINVAL: a table contradicts itself, a device is there twice, or a block has
 *          a name that cannot be written.
 * -ENOMEM.
 * -EFBIG, -ENOSPC, -EIO, …: what the write gave.
 */
int xen_migrate_save(struct xen_ram *ram,
                     const struct xen_migrate_device *devices, size_t nr,
                     const struct xen_migrate_options *options, int fd,
                     char error[XEN_MIGRATE_ERROR_MAX]);

/*
 * Read fd to its end and apply the state.  The RAM list must be in phase
 * LOADING and hold the blocks that this program would have; bytes behind the
 * end of the stream are ignored.  Until it returns it takes memory for what
 * private blocks have in them, for what they grow by, and at most 2 MiB more.
 * -EBADMSG: damaged: wrong magic, cut short, sum differs, a length too large.
 * -ENOTSUP: a section, version, kind or name that this program does not know.
 * -EINVAL:  blocks or devices do not fit: missing, unknown, twice, lengths.
 * -EPERM:   the list is not in phase LOADING.
 * -ENOMEM; or what read, a check and xen_ram_adopt, _resize, _reapply gave.
 */
int xen_migrate_load(struct xen_ram *ram,
                     const struct xen_migrate_device *devices, size_t nr,
                     const struct xen_migrate_options *options, int fd,
                     char error[XEN_MIGRATE_ERROR_MAX]);

/* What a load does to a block. */
enum xen_migrate_verdict {
    XEN_MIGRATE_SAME,   /* its length is that of the state */
    XEN_MIGRATE_GROW,   /* it takes the length of the state, which is longer */
    XEN_MIGRATE_SHRINK, /* or shorter */
    XEN_MIGRATE_REFUSE, /* nothing: the load is refused because of it */
};

/* A block as a state describes it; see xenram/ram.h. */
struct xen_migrate_block {
    const char *idstr; /* printable ASCII */
    unsigned kind;     /* enum xen_ram_kind */
    unsigned flags;    /* enum xen_ram_flags */
    uint64_t gfn;
    uint64_t used_length, max_length, size; /* bytes */
    uint64_t unit, plugged;                 /* bytes, of a sparse block */
    bool has_sum;
    uint32_t sum; /* CRC-32 of its size bytes */
};

/* In words, as messages have it.  Static. */
const char *xen_migrate_kind_name(unsigned kind);

/*
 * saved: what the state says, NULL when it does not have this block; here:
 * ours, NULL when we do not.  reason is NULL unless verdict is REFUSE.  All of
 * it lives during the call only, here apart.
 */
typedef void xen_migrate_verdict_fn(const struct xen_migrate_block *saved,
                                    const struct xen_ram_block *here,
                                    enum xen_migrate_verdict verdict,
                                    const char *reason, void *opaque);

/*
 * What xen_migrate_load would do, found by the same code, and nothing is
 * changed: verdict is called for each block of the state and each that only we
 * have, as if the others were in order; two that overlap are told by error
 * alone.  After damage, those that were read before are told.  The list may be
 * one without a map cache.  Not seen are failures of the changing itself:
 * memory that is not there, restored pages of a ROM that differ from its sum.
 * Returns what xen_migrate_load would, with its error.
 */
int xen_migrate_check(struct xen_ram *ram,
                      const struct xen_migrate_device *devices, size_t nr,
                      const struct xen_migrate_options *options, int fd,
                      xen_migrate_verdict_fn *verdict, void *opaque,
                      char error[XEN_MIGRATE_ERROR_MAX]);

/* A section of a stream: offset of its header and length in bytes. */
struct xen_migrate_section {
    const char *name; /* printable ASCII */
    uint32_t instance, version;
    uint64_t offset, length;
};

/* Each is called in the order of the stream; strings live during the call. */
struct xen_migrate_inspector {
    void (*block)(const struct xen_migrate_block *block, void *opaque);
    void (*section)(const struct xen_migrate_section *section, void *opaque);
    void *opaque;
};

/* Bytes of a state that xen_migrate_inspect reads at most. */
#define XEN_MIGRATE_INSPECT_MAX (UINT64_C(64) << 20)

/*
 * Read fd to its end and tell what the state has, as far as it is in order and
 * its sections are known: a section has no length of its own, so that the
 * first one whose name none of the nr devices has ends the reading.  Of the
 * devices only the tables count; there need be no machine.
 * -EBADMSG, -ENOTSUP, -ENOMEM, or what read gave: as xen_migrate_load.
 * -EINVAL: two devices are the same, or a table contradicts itself.
 * -EFBIG:  longer than XEN_MIGRATE_INSPECT_MAX, more than 4096 blocks or
 *          sections.
 */
int xen_migrate_inspect(const struct xen_migrate_device *devices, size_t nr,
                        int fd, const struct xen_migrate_inspector *inspector,
                        char error[XEN_MIGRATE_ERROR_MAX]);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
