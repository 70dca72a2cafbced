/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/foreign.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <xenforeignmemory.h>

_Static_assert(sizeof(((xen_pfn_t *)0)[0]) == 8, "gfns are 64 bits wide");

int foreign_open(struct foreign *foreign, uint32_t domid)
{
    foreign->domid = domid;
    foreign->handle = xenforeignmemory_open(NULL, 0);
    if (!foreign->handle)
        return errno ? -errno : -ENODEV;
    return 0;
}

void foreign_close(struct foreign *foreign)
{
    xenforeignmemory_close(foreign->handle);
    foreign->handle = NULL;
}

/*
 * A failed map leaves a hole until foreign_drop has closed it, and the kernel
 * may give a hole to whoever asks for memory.  It searches downwards from below
 * the stack, so address space far down is the last that it gives away.  The
 * place is random, within 2^24 places, as the kernel's own choice would be.
 */
static void *far_down(void)
{
    const uint64_t start = UINT64_C(1) << 44, place = UINT64_C(2) << 20;
    uint32_t random = 0;

    if (sizeof(void *) < 8 ||
        getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        return NULL;
    return (void *)(uintptr_t)(start + (random & 0xffffff) * place);
}

void *foreign_reserve(size_t len)
{
    void *host = mmap(far_down(), len, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return host == MAP_FAILED ? NULL : host;
}

void foreign_release(void *host, size_t len)
{
    munmap(host, len);
}

int foreign_drop(void *host, size_t len)
{
    if (mmap(host, len, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) == MAP_FAILED)
        return -errno;
    return 0;
}

int foreign_page_error(int error)
{
    /* The header of the library says errno values, the library gives -errno. */
    switch (abs(error)) {
    case 0:
        return 0;
    case ESRCH:
    case ENOMEM:
        return -abs(error);
    default:
        return -EFAULT;
    }
}

/* Pages from gfn on at host, or anywhere when that is NULL. */
static void *map_gfns(struct foreign *foreign, void *host, int prot,
                      uint64_t gfn, unsigned pages, int error[])
{
    xen_pfn_t gfns[FOREIGN_PAGES_MAX] = {0};

    for (unsigned i = 0; i < pages; i++)
        gfns[i] = gfn + i;
    errno = 0;
    return xenforeignmemory_map2(foreign->handle, foreign->domid, host, prot,
                                 MAP_SHARED | (host ? MAP_FIXED : 0), pages,
                                 gfns, error);
}

int foreign_map(struct foreign *foreign, void *host, uint64_t gfn,
                unsigned pages, bool writable, int error[])
{
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int good = 0, rc;

    if (!map_gfns(foreign, host, prot, gfn, pages, error)) {
        rc = errno ? -errno : -EIO;
        /*
         * The library may have unmapped the range.  A drop that fails too
         * leaves what there is; nobody is led there before the next map.
         */
        (void)foreign_drop(host, (size_t)pages * FOREIGN_PAGE);
        return rc;
    }
    for (unsigned i = 0; i < pages; i++)
        good += error[i] == 0;
    return good;
}

int foreign_aside_map(struct foreign *foreign, uint64_t gfn, unsigned pages,
                      void **host)
{
    int error[FOREIGN_PAGES_MAX] = {0};
    void *mapped =
        map_gfns(foreign, NULL, PROT_READ | PROT_WRITE, gfn, pages, error);

    if (!mapped)
        return errno ? -errno : -EIO;
    for (unsigned i = 0; i < pages; i++) {
        if (error[i]) {
            foreign_aside_unmap(foreign, mapped, pages);
            return foreign_page_error(error[i]);
        }
    }
    *host = mapped;
    return 0;
}

void foreign_aside_unmap(struct foreign *foreign, void *host, unsigned pages)
{
    /* Frames do not stay here, whatever becomes of the address space. */
    if (xenforeignmemory_unmap(foreign->handle, host, pages))
        (void)foreign_drop(host, (size_t)pages * FOREIGN_PAGE);
}
