/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>

#include <xentoolcore.h>

static struct fx_handle *handles;

void fx_handle_link(struct fx_handle *handle)
{
    handle->next = handles;
    handles = handle;
}

void *fx_handle_open(enum fx_library library, size_t size)
{
    struct fx_handle *handle;
    int rc = fx_enter(FAKEXEN_OPEN, 0);

    if (rc) {
        fx_result(rc);
        return NULL;
    }
    handle = fx_alloc(size);
    handle->library = library;
    fx_handle_link(handle);
    fx_unlock();
    return handle;
}

void fx_handle_unlink(struct fx_handle *handle)
{
    struct fx_handle **link = &handles;

    while (*link && *link != handle)
        link = &(*link)->next;
    if (!*link)
        fx_die("close of a handle that is not open");
    *link = handle->next;
}

int fx_handle_allows(const struct fx_handle *handle, uint32_t domid)
{
    if (handle->dead)
        return -ENOTTY;
    if (handle->restricted && handle->domid != domid)
        return -EPERM;
    return 0;
}

int fx_handle_enter(const struct fx_handle *handle, uint32_t domid,
                    enum fakexen_kind kind, uint64_t pages,
                    struct fx_domain **d)
{
    int rc = fx_enter(kind, pages);

    if (rc)
        return rc;
    rc = fx_handle_allows(handle, domid);
    *d = fx_domain(domid);
    if (rc == 0 && !*d)
        rc = -ESRCH;
    if (rc)
        fx_unlock();
    return rc;
}

unsigned fakexen_handles(void)
{
    struct fx_handle *handle;
    unsigned nr = 0;

    fx_lock();
    for (handle = handles; handle; handle = handle->next)
        nr++;
    fx_unlock();
    return nr;
}

/*
 * libxencall, libxengnttab and libxenstore cannot be restricted: their
 * descriptors become /dev/null.
 */
int xentoolcore_restrict_all(domid_t domid)
{
    struct fx_handle *handle;
    int rc = fx_enter(FAKEXEN_RESTRICT, 0);

    if (rc)
        return fx_result(rc);
    for (handle = handles; handle; handle = handle->next) {
        handle->restricted = true;
        handle->domid = domid;
        handle->dead = handle->library == FX_CALL ||
                       handle->library == FX_GNTTAB ||
                       handle->library == FX_STORE;
    }
    return fx_leave(0);
}
