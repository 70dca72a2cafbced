/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/private.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "xenram/ram.h"

/*
 * A private mapping is charged when it becomes writable: PROT_NONE space is
 * free even where overcommit is off, and mprotect fails when the host cannot
 * keep the promise.
 */
#define RESERVED (MAP_PRIVATE | MAP_ANONYMOUS)

int private_init(void **host, uint64_t used, uint64_t max, unsigned flags)
{
    void *memory;
    int rc;

    if (max > SIZE_MAX)
        return -ENOMEM;
    memory = mmap(NULL, (size_t)max, PROT_NONE, RESERVED, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    rc = private_grow(memory, 0, used, flags);
    if (rc) {
        private_fini(memory, max);
        return rc;
    }
    *host = memory;
    return 0;
}

void private_fini(void *host, uint64_t max)
{
    munmap(host, (size_t)max);
}

int memory_advise(void *host, uint64_t length, unsigned flags)
{
    if (flags & XEN_RAM_DONTFORK &&
        madvise(host, (size_t)length, MADV_DONTFORK))
        return -errno;
    if (flags & XEN_RAM_DONTDUMP &&
        madvise(host, (size_t)length, MADV_DONTDUMP))
        return -errno;
    /* A kernel may be built without huge pages, and small ones do as well. */
    if (flags & XEN_RAM_HUGE)
        (void)madvise(host, (size_t)length, MADV_HUGEPAGE);
    return 0;
}

int private_grow(void *host, uint64_t used, uint64_t new_used, unsigned flags)
{
    char *more = (char *)host + used;
    uint64_t length = new_used - used;
    int rc = 0;

    if (mprotect(more, (size_t)length, PROT_READ | PROT_WRITE))
        rc = -errno;
    if (rc == 0)
        rc = memory_advise(more, length, flags);
    /* It may have got some way. */
    if (rc)
        (void)private_shrink(host, new_used, used);
    return rc;
}

int private_shrink(void *host, uint64_t used, uint64_t new_used)
{
    /* A new mapping and not mprotect: it also gives back the charge. */
    if (mmap((char *)host + new_used, (size_t)(used - new_used), PROT_NONE,
             RESERVED | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -errno;
    return 0;
}
