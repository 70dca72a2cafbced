/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_VMDESC_H
#define MIGRATE_VMDESC_H

/*
 * The description behind the end of a stream, with which QEMU's
 * analyze-migration.py finds its way through the sections.  No loader reads it.
 */

#include <stddef.h>
#include <stdio.h>

#include "migrate/wire.h"
#include "xenram/migrate.h"

struct xen_ram;

/* A string with its quotes. */
void vmdesc_string(FILE *json, const char *string);

/* -ENOMEM. */
int vmdesc_save(struct wire_writer *out, const struct xen_ram *ram,
                const struct xen_migrate_device *devices, size_t nr,
                char *error);

#endif
