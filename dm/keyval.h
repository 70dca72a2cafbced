/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_KEYVAL_H
#define DM_KEYVAL_H

/*
 * Arguments of the form FIRST,key=value,flag,noflag; two commas stand for one
 * that is part of a value.
 */

#include <stdbool.h>
#include <stdint.h>

#define KEYVAL_MAX 24

struct keyval {
    const char *key, *value; /* neither is NULL */
};

struct keyvals {
    unsigned nr;
    struct keyval pairs[KEYVAL_MAX];
};

/*
 * Split text in place; the pairs point into it.  A first piece without "="
 * becomes the value of key first (NULL: it is a flag as well); any other piece
 * without "=" becomes "on", and "off" when its name starts with "no".
 * -E2BIG: more than KEYVAL_MAX pieces.
 */
int keyvals_split(char *text, const char *first, struct keyvals *out);

/* Value of the last pair with that key, or NULL. */
const char *keyvals_get(const struct keyvals *keyvals, const char *key);

/* First key that is not in known, which ends with NULL; NULL: all are. */
const char *keyvals_unknown(const struct keyvals *keyvals,
                            const char *const known[]);

/* Decimal digits only, at most max.  -EINVAL. */
int keyval_number(const char *text, uint64_t max, uint64_t *out);

/*
 * A size of at most max bytes: decimal digits, or 0x and hexadecimal ones, in
 * units of unit bytes; or in those of a letter that follows: B, K, M, G or T,
 * of either case.  -EINVAL.
 */
int keyval_size(const char *text, uint64_t unit, uint64_t max, uint64_t *out);

/* on, yes, true or off, no, false.  -EINVAL. */
int keyval_bool(const char *text, bool *out);

#endif
