/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRATE_ERROR_H
#define MIGRATE_ERROR_H

/* The one line that says why a save or a load failed. */

/*
 * Write the reason into error, which holds XEN_MIGRATE_ERROR_MAX bytes, and
 * return r.
 */
__attribute__((format(printf, 3, 4))) int
migrate_error(char *error, int r, const char *format, ...);

#endif
