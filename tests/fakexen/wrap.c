/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

/*
 * For programs linked with --wrap for mmap, munmap, mremap and mprotect: laying
 * something over a part of a foreign mapping, or moving one, fails as in Linux,
 * at once and not at the next fakexen_sync; so does changing its protection,
 * which in a PV dom0 loses its frames.  mmap and mprotect can be made to fail.
 */

void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd,
                  off_t off);
int __real_munmap(void *addr, size_t len);
void *__real_mremap(void *addr, size_t old_len, size_t new_len, int flags, ...);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
                  off_t off);
int __wrap_munmap(void *addr, size_t len);
int __real_mprotect(void *addr, size_t len, int prot);
int __wrap_mprotect(void *addr, size_t len, int prot);
void *__wrap_mremap(void *addr, size_t old_len, size_t new_len, int flags, ...);

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
                  off_t off)
{
    int rc = fx_enter(FAKEXEN_MMAP, (len + 4095) / 4096);

    if (rc) {
        fx_result(rc);
        return MAP_FAILED;
    }
    if (flags & MAP_FIXED)
        rc = fx_overlay((uintptr_t)addr, (len + 4095) / 4096 * 4096);
    if (fx_leave(rc) < 0)
        return MAP_FAILED;
    return __real_mmap(addr, len, prot, flags, fd, off);
}

int __wrap_munmap(void *addr, size_t len)
{
    int rc;

    fx_lock();
    rc = fx_overlay((uintptr_t)addr, (len + 4095) / 4096 * 4096);
    if (fx_leave(rc) < 0)
        return -1;
    return __real_munmap(addr, len);
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
    int rc = fx_enter(FAKEXEN_MMAP, (len + 4095) / 4096);

    if (rc)
        return fx_result(rc);
    if (fx_is_foreign((uintptr_t)addr, len)) {
        fx_violation("mprotect of a foreign mapping at %p", addr);
        rc = -EINVAL;
    }
    if (fx_leave(rc) < 0)
        return -1;
    return __real_mprotect(addr, len, prot);
}

void *__wrap_mremap(void *addr, size_t old_len, size_t new_len, int flags, ...)
{
    void *target = NULL;
    bool foreign;
    va_list ap;

    fx_lock();
    foreign = fx_is_foreign((uintptr_t)addr, old_len);
    if (foreign)
        fx_violation("mremap of a foreign mapping at %p", addr);
    fx_unlock();
    if (foreign) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (flags & MREMAP_FIXED) {
        va_start(ap, flags);
        target = va_arg(ap, void *);
        va_end(ap);
    }
    return __real_mremap(addr, old_len, new_len, flags, target);
}
