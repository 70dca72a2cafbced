/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_APPLY_H
#define MIGRATE_APPLY_H

/* Give the blocks the places and lengths of their records: all or none. */

#include "migrate/ownership.h"

/*
 * owned was negotiated.  After a failure every block has its old place, length
 * and bytes again.
 * -EINVAL: the content of a ROM is not what its record says.
 * other:   what xen_ram_adopt, _resize, _reapply and _read gave.
 */
int apply_ownership(struct xen_ram *ram, const struct ownership *owned,
                    char *error);

#endif
