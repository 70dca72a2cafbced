/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_MIGRATE_SIDES_H
#define TESTS_MIGRATE_SIDES_H

/* A small machine on both sides of a save, and its stream as bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenram/migrate.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE

#define SOURCE_DOMID 1
#define TARGET_DOMID 2

/* All that a guest has: so many pages from 0 and from each of three gfns on. */
#define LOW_PAGES 16
#define ROM_GFN 0xf3000u
#define NEXT_GFN 0x1000u /* between two of them */
#define HIGH_GFN_END 0xf6000u

struct uart {
    bool on;
    uint8_t lcr;
    uint16_t divisor;
    uint32_t baud;
    uint64_t sent;
    uint8_t level; /* 0 to 14 */
    uint8_t fifo[8];
    uint16_t times[3];
    uint32_t age;     /* since version 2; 0 is what version 1 means */
    uint32_t scratch; /* of a subsection */
    uint8_t nested;   /* of a subsection in it */
    void *not_saved;
    unsigned pre_saves, checks, loads;
};

extern const struct xen_migrate_state uart_v2; /* reads 1 and 2 */
extern const struct xen_migrate_state uart_v1; /* what version 1 was */
extern const struct xen_migrate_state uart_v2_only;

struct lengths {
    uint64_t rom_size, rom_max;
    uint64_t private_size, private_max;
    bool fixed; /* blocks are not resizeable */
};

#define KIB(n) ((n)*UINT64_C(1024))

extern const struct lengths usual;

struct side {
    uint32_t domid;
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    struct xen_ram_block *low, *rom, *private;
    struct uart uarts[2];
    struct xen_migrate_device devices[2]; /* uart instances 0 and 1 */
    size_t nr_devices;
    unsigned resized; /* calls of the blocks' owner */
};

/*
 * A running machine in domain SOURCE_DOMID, with something in every page and
 * field; and one in TARGET_DOMID that waits for a state.  The target gets the
 * source's memory as a toolstack would carry it.
 */
void side_init_source(struct side *side, const struct lengths *lengths);
void side_init_target(struct side *side, const struct lengths *lengths);
void side_fini(struct side *side);
/* One more block, whatever the side is doing. */
struct xen_ram_block *side_add(struct side *side,
                               const struct xen_ram_spec *spec);

/* Both, and fakexen around them; ends with no violation. */
void sides_init(struct side *source, struct side *target,
                const struct lengths *there, const struct lengths *here);
void sides_fini(struct side *source, struct side *target);

/*
 * What a failed load must leave alone: compare two of them with memcmp.
 * guest_sum is over the types and bytes of all that the guest has.
 */
struct snapshot {
    struct uart uarts[2];
    uint64_t rom_gfn, rom_size, private_size;
    uint32_t private_sum, guest_sum;
};
void side_snapshot(const struct side *side, struct snapshot *snapshot);

struct stream {
    uint8_t *bytes;
    size_t len;
};

void stream_save(struct side *side, const struct xen_migrate_options *options,
                 struct stream *stream);
int stream_load(struct side *side, const struct xen_migrate_options *options,
                const struct stream *stream, char error[XEN_MIGRATE_ERROR_MAX]);
void stream_free(struct stream *stream);

/* part is in error, which is one line. */
void assert_text(const char *error, const char *part);
/*
 * The target has what the source has, after a load: devices, blocks, guest
 * memory.
 */
void assert_same(struct side *source, struct side *target);
/* Save, load, expect r and text; a refusal leaves the target as it was. */
void carry(struct side *source, struct side *target,
           const struct xen_migrate_options *options, int r, const char *text);

/* Put the right sum into the last section. */
void stream_fix_sum(struct stream *stream);
/* First offset of len bytes at or behind from; fails the test when absent. */
size_t stream_find(const struct stream *stream, size_t from, const void *bytes,
                   size_t len);
/* In place of drop bytes at offset put len others. */
void stream_replace(struct stream *stream, size_t offset, size_t drop,
                    const void *bytes, size_t len);

#endif
