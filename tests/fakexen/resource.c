/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <sys/mman.h>

#include <xen/memory.h>
#include <xenforeignmemory.h>

/* The pages of ioreq servers, mapped as resources. */

struct xenforeignmemory_resource_handle {
    void *addr;
    size_t nr_frames;
};

static unsigned resources;

/* The frame of an ioreq server's page: 0 the buffered ring, 1 the requests. */
static int server_frame(uint32_t domid, unsigned int type, unsigned int id,
                        unsigned long frame, uint32_t *out)
{
    struct fx_domain *d = fx_domain(domid);
    struct fx_server *server;

    if (!d)
        return -ESRCH;
    if (type != XENMEM_resource_ioreq_server || id > UINT16_MAX)
        return -EINVAL;
    server = fx_server(d, (ioservid_t)id);
    if (!server)
        return -ENOENT;
    if (frame > 1)
        return -EINVAL;
    if (frame == 0 && !server->buffered)
        return -ENOENT;
    *out = frame == 0 ? server->buffer : server->page;
    return 0;
}

static int map_frames(domid_t domid, unsigned int type, unsigned int id,
                      unsigned long frame, unsigned long nr_frames,
                      void **paddr, int prot)
{
    uint32_t numbers[2];
    void *host;
    int rc;

    if (nr_frames == 0 || nr_frames > 2)
        return -EINVAL;
    for (unsigned long i = 0; i < nr_frames; i++) {
        rc = server_frame(domid, type, id, frame + i, &numbers[i]);
        if (rc)
            return rc;
    }
    host = *paddr;
    if (!host) {
        host = fx_mmap(NULL, nr_frames * 4096, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (host == MAP_FAILED)
            return -errno;
    }
    for (unsigned long i = 0; i < nr_frames; i++)
        if (fx_mmap((uint8_t *)host + i * 4096, 4096, prot,
                    MAP_SHARED | MAP_FIXED, fx_frames_fd(),
                    (off_t)numbers[i] * 4096) == MAP_FAILED)
            return -errno;
    *paddr = host;
    return 0;
}

xenforeignmemory_resource_handle *
xenforeignmemory_map_resource(xenforeignmemory_handle *fmem, domid_t domid,
                              unsigned int type, unsigned int id,
                              unsigned long frame, unsigned long nr_frames,
                              void **paddr, int prot, int flags)
{
    xenforeignmemory_resource_handle *fres = NULL;
    int rc = fx_enter(FAKEXEN_RESOURCE, nr_frames);

    if (rc) {
        fx_result(rc);
        return NULL;
    }
    rc = fx_handle_allows(&fmem->base, domid);
    if (rc == 0 && (flags & ~(MAP_SHARED | MAP_PRIVATE)))
        rc = -EINVAL;
    if (rc == 0)
        rc = map_frames(domid, type, id, frame, nr_frames, paddr, prot);
    if (rc == 0) {
        fres = fx_alloc(sizeof(*fres));
        fres->addr = *paddr;
        fres->nr_frames = nr_frames;
        resources++;
    }
    fx_leave(rc);
    return fres;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem,
                                    xenforeignmemory_resource_handle *fres)
{
    int rc = fx_enter(FAKEXEN_RESOURCE, fres->nr_frames);

    (void)fmem;
    if (rc)
        return fx_result(rc);
    fx_munmap(fres->addr, fres->nr_frames * 4096);
    fx_free(fres);
    resources--;
    return fx_leave(0);
}

int xenforeignmemory_resource_size(xenforeignmemory_handle *fmem, domid_t domid,
                                   unsigned int type, unsigned int id,
                                   size_t *size)
{
    uint32_t frame;
    int rc = fx_enter(FAKEXEN_RESOURCE, 0);

    if (rc)
        return fx_result(rc);
    rc = fx_handle_allows(&fmem->base, domid);
    if (rc == 0)
        rc = server_frame(domid, type, id, 1, &frame);
    if (rc == 0)
        *size = 2 * 4096;
    return fx_leave(rc);
}

unsigned fakexen_resources(void)
{
    unsigned nr;

    fx_lock();
    nr = resources;
    fx_unlock();
    return nr;
}
