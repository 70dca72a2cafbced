/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-fdset.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dm/keyval.h"

#define FDSET_PREFIX "/dev/fdset/"

void qmp_fdsets_init(struct qmp_fdsets *fdsets)
{
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++)
        fdsets->entries[i].fd = -1;
}

static void drop(struct qmp_fdset_entry *entry)
{
    close(entry->fd);
    entry->fd = -1;
}

void qmp_fdsets_fini(struct qmp_fdsets *fdsets)
{
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++) {
        if (fdsets->entries[i].fd >= 0)
            drop(&fdsets->entries[i]);
    }
}

static bool has_set(const struct qmp_fdsets *fdsets, int64_t set)
{
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++) {
        if (fdsets->entries[i].fd >= 0 && fdsets->entries[i].set == set)
            return true;
    }
    return false;
}

int qmp_fdsets_add(struct qmp_fdsets *fdsets, int64_t *set, const char *opaque,
                   int fd)
{
    struct qmp_fdset_entry *entry = NULL;
    int64_t number = *set;

    if (opaque && strlen(opaque) >= QMP_FDSET_OPAQUE)
        return -E2BIG;
    if (number < 0) {
        number = 0;
        while (has_set(fdsets, number))
            number++;
    } else if (!has_set(fdsets, number)) {
        return -ENOENT;
    }
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS && !entry; i++) {
        if (fdsets->entries[i].fd < 0)
            entry = &fdsets->entries[i];
    }
    if (!entry)
        return -ENOSPC;
    entry->set = number;
    entry->fd = fd;
    strcpy(entry->opaque, opaque ? opaque : "");
    *set = number;
    return 0;
}

int qmp_fdsets_remove(struct qmp_fdsets *fdsets, int64_t set, int fd)
{
    int ret = -ENOENT;

    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++) {
        struct qmp_fdset_entry *entry = &fdsets->entries[i];

        if (entry->fd >= 0 && entry->set == set &&
            (fd < 0 || fd == entry->fd)) {
            drop(entry);
            ret = 0;
        }
    }
    return ret;
}

static bool can_access(int fd, int access)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 &&
           ((flags & O_ACCMODE) == O_RDWR || (flags & O_ACCMODE) == access);
}

/* The set goes; what fits best of it is handed out. */
static int take(struct qmp_fdsets *fdsets, int64_t set, int access)
{
    int fd = -EACCES;

    if (!has_set(fdsets, set))
        return -ENOENT;
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++) {
        struct qmp_fdset_entry *entry = &fdsets->entries[i];

        if (entry->fd < 0 || entry->set != set)
            continue;
        if (fd < 0 && can_access(entry->fd, access)) {
            fd = entry->fd;
            entry->fd = -1;
        } else {
            drop(entry);
        }
    }
    return fd;
}

bool qmp_fdsets_is_name(const char *filename)
{
    return strncmp(filename, FDSET_PREFIX, strlen(FDSET_PREFIX)) == 0;
}

const char *qmp_fdsets_opaque(const struct qmp_fdsets *fdsets,
                              const char *filename)
{
    uint64_t set;

    if (!qmp_fdsets_is_name(filename) ||
        keyval_number(filename + strlen(FDSET_PREFIX), INT64_MAX, &set))
        return "";
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++) {
        const struct qmp_fdset_entry *entry = &fdsets->entries[i];

        if (entry->fd >= 0 && entry->set == (int64_t)set)
            return entry->opaque;
    }
    return "";
}

int qmp_fdsets_open(struct qmp_fdsets *fdsets, const char *filename, int access)
{
    uint64_t set;
    int fd, flags = O_CLOEXEC | O_NOCTTY | access;

    if (qmp_fdsets_is_name(filename)) {
        if (keyval_number(filename + strlen(FDSET_PREFIX), INT64_MAX, &set))
            return -EINVAL;
        return take(fdsets, (int64_t)set, access);
    }
    if (access != O_RDONLY)
        flags |= O_CREAT;
    fd = open(filename, flags, 0600);
    return fd < 0 ? -errno : fd;
}
