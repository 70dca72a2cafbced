/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/private.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

/*
 * A private mapping is charged when it becomes writable: PROT_NONE space is
 * free even where overcommit is off, and mprotect fails when the host cannot
 * keep the promise.
 */
#define RESERVED (MAP_PRIVATE | MAP_ANONYMOUS)

int private_init(void **host, uint64_t used, uint64_t max)
{
    void *memory;
    int rc;

    if (max > SIZE_MAX)
        return -ENOMEM;
    memory = mmap(NULL, (size_t)max, PROT_NONE, RESERVED, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    rc = private_grow(memory, 0, used);
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

int private_grow(void *host, uint64_t used, uint64_t new_used)
{
    int rc;

    if (mprotect((char *)host + used, (size_t)(new_used - used),
                 PROT_READ | PROT_WRITE)) {
        rc = -errno;
        /* It may have got some way. */
        (void)private_shrink(host, new_used, used);
        return rc;
    }
    return 0;
}

int private_shrink(void *host, uint64_t used, uint64_t new_used)
{
    /* A new mapping and not mprotect: it also gives back the charge. */
    if (mmap((char *)host + new_used, (size_t)(used - new_used), PROT_NONE,
             RESERVED | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -errno;
    return 0;
}
