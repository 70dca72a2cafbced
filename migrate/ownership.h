/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_OWNERSHIP_H
#define MIGRATE_OWNERSHIP_H

/*
 * Ownership records: which RAM blocks the saved machine had, where and how
 * long, and what becomes of ours because of that.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "migrate/wire.h"
#include "xenram/migrate.h"
#include "xenram/ram.h"

#define OWNERSHIP_NAME "xenram/ownership"
#define OWNERSHIP_VERSION 1

/* Flags on the wire. */
#define OWNERSHIP_RESIZEABLE (1u << 0)
#define OWNERSHIP_ROM (1u << 1)
#define OWNERSHIP_SUM (1u << 2)    /* sum is valid */
#define OWNERSHIP_COPY (1u << 3)   /* the file is mapped for itself */
#define OWNERSHIP_SPARSE (1u << 4) /* unit and plugged follow */

struct ownership_record {
    char idstr[WIRE_NAME_MAX + 1];
    uint8_t kind; /* on the wire: enum xen_ram_kind */
    uint32_t flags;
    uint64_t gfn;
    uint64_t used_length;
    uint64_t max_length;
    uint64_t size;
    uint64_t unit;               /* bytes, of a sparse block */
    uint8_t *plugged;            /* a bit a unit, of a sparse block */
    uint32_t sum;                /* over size bytes of a guest-visible ROM */
    struct xen_ram_block *block; /* ours; ownership_negotiate finds it */
};

struct ownership {
    struct ownership_record *records;
    size_t nr;
};

/* Bytes on the wire at most, for the blocks of this list. */
uint64_t ownership_max_length(const struct xen_ram *ram);

/* -EINVAL: an idstr that cannot be written; or what reading a ROM gave. */
int ownership_save(struct wire_writer *out, struct xen_ram *ram, char *error);

/*
 * Read the records into owned, which is empty, each alone free of
 * contradiction.  Takes memory for those that are there, whatever their number
 * is said to be.
 * -EBADMSG, -ENOTSUP, -ENOMEM: as xen_migrate_load.  ownership_fini in any
 * case.
 */
int ownership_load(struct wire_reader *in, struct ownership *owned,
                   char *error);
void ownership_fini(struct ownership *owned);

/*
 * Pair records and blocks, and decide for each whether the block can become
 * what the record says.  Changes nothing but owned.
 * -EINVAL: no; error says which block, why, and what to do.
 * -ENOMEM.
 */
int ownership_negotiate(struct ownership *owned, const struct xen_ram *ram,
                        enum xen_migrate_policy policy, char *error);

/*
 * Tell for each record, and each block without one, what ownership_negotiate
 * would do about it if the others were in order.
 * -ENOMEM: nothing was told.
 */
int ownership_report(struct ownership *owned, const struct xen_ram *ram,
                     enum xen_migrate_policy policy,
                     xen_migrate_verdict_fn *verdict, void *opaque,
                     char *error);

/* A record in the words of the API; idstr points into record. */
void ownership_export(const struct ownership_record *record,
                      struct xen_migrate_block *out);

/* Sum over the content of a block.  What xen_ram_read gave. */
int ownership_sum(struct xen_ram *ram, struct xen_ram_block *block,
                  uint32_t *sum);

/* The fields of the section, for vmdesc. */
void ownership_describe(FILE *json, const struct xen_ram *ram);

#endif
