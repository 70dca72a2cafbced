/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_FIELDS_H
#define MIGRATE_FIELDS_H

/*
 * Device states through their tables of fields: to the wire, from it, and as
 * the description that analyze-migration.py reads.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "migrate/wire.h"
#include "xenram/migrate.h"

/* A state or subsection that was read, in the order its hooks are to run. */
struct fields_read {
    const struct xen_migrate_state *saved;
    uint32_t version; /* of the stream */
    size_t device;    /* the caller's number for it */
};

struct fields_log {
    struct fields_read *read; /* room for fields_states of all tables */
    size_t nr;
};

/*
 * Names, versions and offsets of the tables make sense, and no device is there
 * twice.
 * -EINVAL: a mistake in the program; error says which.
 */
int fields_check_devices(const struct xen_migrate_device *devices, size_t nr,
                         char *error);

/* States in a table: itself and all subsections. */
size_t fields_states(const struct xen_migrate_state *saved);
/* Bytes on the wire at most, subsections included. */
uint64_t fields_max_length(const struct xen_migrate_state *saved);

/* Run pre_save, write the fields and the subsections that are needed. */
void fields_save(struct wire_writer *out, const struct xen_migrate_state *saved,
                 void *state);

/*
 * Read the fields as version has them, and subsections, into staged; log what
 * was read, subsections before what holds them.  label names the device in
 * error.
 * -EBADMSG: a value is out of its range, or the stream ends.
 * -ENOTSUP: a version or subsection that the table does not know.
 */
int fields_load(struct wire_reader *in, const struct xen_migrate_state *saved,
                uint32_t version, void *staged, struct fields_log *log,
                size_t device, const char *label, char *error);

/* Copy the fields that were read from staged into state. */
void fields_apply(const struct fields_read *read, const void *staged,
                  void *state);

/* The version is one that the table reads; -ENOTSUP otherwise. */
int fields_check_version(const struct xen_migrate_state *saved,
                         uint32_t version, const char *label, char *error);

/* "fields":[…] and, for subsections that are needed, "subsections":[…]. */
void fields_describe(FILE *json, const struct xen_migrate_state *saved,
                     const void *state);

#endif
