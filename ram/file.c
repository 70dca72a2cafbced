/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ram/private.h"
#include "xenram/ram.h"

static int check(struct ram_file *file, uint64_t size, char *reason)
{
    struct stat st;
    int rc;

    if (fstat(file->fd, &st)) {
        rc = -errno;
        snprintf(reason, FILE_REASON_MAX, "cannot be looked at: %s",
                 strerror(-rc));
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(reason, FILE_REASON_MAX, "is not a regular file");
        return -EINVAL;
    }
    if ((uint64_t)st.st_size != size) {
        snprintf(reason, FILE_REASON_MAX,
                 "has %" PRIu64 " bytes, must have %" PRIu64
                 ": make it with truncate -s %" PRIu64,
                 (uint64_t)st.st_size, size, size);
        return -EINVAL;
    }
    file->device = (uint64_t)st.st_dev;
    file->inode = (uint64_t)st.st_ino;
    return 0;
}

int file_open(struct ram_file *file, const char *path, uint64_t size,
              bool writable, char reason[FILE_REASON_MAX])
{
    int rc;

    *file = (struct ram_file){.path = strdup(path), .fd = -1};
    if (!file->path) {
        snprintf(reason, FILE_REASON_MAX, "cannot be opened: no memory");
        return -ENOMEM;
    }
    /* O_NONBLOCK: a FIFO must not hold us up. */
    file->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                              O_NOCTTY | O_NONBLOCK);
    if (file->fd < 0) {
        rc = -errno;
        snprintf(reason, FILE_REASON_MAX, "cannot be opened: %s",
                 strerror(-rc));
        return rc;
    }
    return check(file, size, reason);
}

void file_close(struct ram_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    *file = (struct ram_file){.fd = -1};
}

bool file_same(const struct ram_file *a, const struct ram_file *b)
{
    return a->device == b->device && a->inode == b->inode;
}

int file_map(struct ram_file *file, uint64_t length, unsigned flags,
             void **host, char reason[FILE_REASON_MAX])
{
    void *memory =
        mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE,
             flags & XEN_RAM_COPY ? MAP_PRIVATE : MAP_SHARED, file->fd, 0);
    int rc = memory == MAP_FAILED ? -errno : 0;

    if (rc == 0) {
        rc = memory_advise(memory, length, flags);
        if (rc)
            munmap(memory, (size_t)length);
    }
    if (rc) {
        snprintf(reason, FILE_REASON_MAX, "cannot be mapped: %s",
                 strerror(-rc));
        return rc;
    }
    close(file->fd);
    file->fd = -1;
    *host = memory;
    return 0;
}

void file_unmap(struct ram_file *file, void *host, uint64_t length)
{
    munmap(host, (size_t)length);
    file_close(file);
}
