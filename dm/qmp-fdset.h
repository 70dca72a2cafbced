/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_FDSET_H
#define DM_QMP_FDSET_H

/*
 * Descriptors that peers left with `add-fd`, grouped in sets, for a later
 * command that names "/dev/fdset/N".  A set dies with its first use.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QMP_FDSETS_MAX_FDS 32
#define QMP_FDSET_OPAQUE 256

struct qmp_fdset_entry {
    int64_t set;
    int fd; /* -1: the slot is free */
    char opaque[QMP_FDSET_OPAQUE];
};

struct qmp_fdsets {
    struct qmp_fdset_entry entries[QMP_FDSETS_MAX_FDS];
};

void qmp_fdsets_init(struct qmp_fdsets *fdsets);
void qmp_fdsets_fini(struct qmp_fdsets *fdsets);

/*
 * Take over fd.  *set is the set to join, or -1 for a new one, whose number it
 * becomes.  -ENOSPC: too many; -ENOENT: no such set; -E2BIG: opaque is too
 * long.  On failure fd stays the caller's.
 */
int qmp_fdsets_add(struct qmp_fdsets *fdsets, int64_t *set, const char *opaque,
                   int fd);

/* Close fd of the set, or with fd -1 all of it.  -ENOENT. */
int qmp_fdsets_remove(struct qmp_fdsets *fdsets, int64_t set, int fd);

/* Does filename name a set, whether or not there is such? */
bool qmp_fdsets_is_name(const char *filename);
/* What came with the first descriptor of that set, "" when nothing did. */
const char *qmp_fdsets_opaque(const struct qmp_fdsets *fdsets,
                              const char *filename);

/*
 * Open what a command's filename names.  "/dev/fdset/N" gives the descriptor of
 * that set which can be accessed as access (O_RDONLY, O_WRONLY) asks, and the
 * set is gone; anything else is opened, and made when it is to be written.
 * Returns the descriptor, the caller's now, or -errno: -ENOENT: no such set;
 * -EACCES: none fits; -EINVAL: no number.
 */
int qmp_fdsets_open(struct qmp_fdsets *fdsets, const char *filename,
                    int access);

#endif
