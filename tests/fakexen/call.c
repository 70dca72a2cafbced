/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xencall.h>

#define MEMOP_EXTENT_SHIFT 6 /* xen/include/xen/hypercall.h */
#define MEMOP_CMD_MASK ((1u << MEMOP_EXTENT_SHIFT) - 1)
#define MAX_ORDER 18 /* 1 GiB, what a control domain may ask for */

struct xencall_handle {
    struct fx_handle base;
};

struct buffer {
    struct buffer *next;
    uint8_t *host;
    size_t size;
};

static struct buffer *buffers;

/* Xen must be able to reach what a hypercall points to. */
static int check_buffer(const void *p, size_t len)
{
    struct buffer *b;
    uintptr_t at = (uintptr_t)p;

    for (b = buffers; b; b = b->next) {
        uintptr_t start = (uintptr_t)b->host;

        if (at >= start && at - start <= b->size &&
            len <= b->size - (at - start))
            return 0;
    }
    fx_violation("hypercall argument %p, %zu bytes, is in no xencall buffer", p,
                 len);
    return -EFAULT;
}

/* ---- XENMEM ----------------------------------------------------------- */

static int extent(struct fx_domain *d, unsigned op, uint64_t gfn,
                  unsigned order)
{
    uint64_t nr = UINT64_C(1) << order;
    int rc = 0;

    if (op == XENMEM_populate_physmap) {
        /* An extent has room as a whole or not at all. */
        if (!fx_room(d, nr))
            return -ENOMEM;
        for (uint64_t i = 0; i < nr; i++) {
            rc = fx_refused(d->domid, gfn + i);
            if (rc)
                return rc;
        }
    }
    for (uint64_t i = 0; rc == 0 && i < nr; i++) {
        rc = op == XENMEM_populate_physmap ? fx_populate(d, gfn + i)
                                           : fx_decrease(d, gfn + i);
    }
    return rc;
}

/* The number of extents done is the result, whatever stopped it. */
static long reservation_op(unsigned op,
                           const struct xen_memory_reservation *res)
{
    struct fx_domain *d = fx_domain(res->domid);
    const xen_pfn_t *extents;
    unsigned long done = 0;

    /* A pointer, or a struct around one: a matter of the headers' version. */
    memcpy(&extents, &res->extent_start, sizeof(extents));
    if (res->nr_extents > UINT_MAX >> MEMOP_EXTENT_SHIFT || !d ||
        res->extent_order > MAX_ORDER)
        return 0;
    if (check_buffer(extents, res->nr_extents * sizeof(*extents)))
        return 0;
    while (done < res->nr_extents &&
           extent(d, op, extents[done], res->extent_order) == 0)
        done++;
    return (long)done;
}

static long add_to_physmap(const struct xen_add_to_physmap *xatp)
{
    struct fx_domain *d = fx_domain(xatp->domid);
    unsigned nr = xatp->space == XENMAPSPACE_gmfn_range ? xatp->size : 1;
    int rc = 0;

    if (!d)
        return -ESRCH;
    if (xatp->space != XENMAPSPACE_gmfn &&
        xatp->space != XENMAPSPACE_gmfn_range) {
        fx_count_unknown();
        return -ENOSYS;
    }
    for (unsigned i = 0; rc == 0 && i < nr; i++)
        rc = fx_relocate(d, xatp->idx + i, xatp->gpfn + i);
    return rc;
}

static long domain_op(unsigned op, domid_t domid)
{
    struct fx_domain *d = fx_domain(domid);

    if (!d)
        return -ESRCH;
    switch (op) {
    case XENMEM_current_reservation:
        fx_sync();
        return (long)d->tot_pages;
    case XENMEM_maximum_reservation:
        return (long)d->maxmem;
    default:
        return (long)d->max_gfn;
    }
}

static long memory_op(unsigned op, const void *arg)
{
    switch (op) {
    case XENMEM_populate_physmap:
    case XENMEM_decrease_reservation:
        return check_buffer(arg, sizeof(struct xen_memory_reservation))
                   ? 0
                   : reservation_op(op, arg);
    case XENMEM_add_to_physmap:
        return check_buffer(arg, sizeof(struct xen_add_to_physmap))
                   ? -EFAULT
                   : add_to_physmap(arg);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return check_buffer(arg, sizeof(domid_t))
                   ? -EFAULT
                   : domain_op(op, *(const domid_t *)arg);
    default:
        fx_count_unknown();
        return -ENOSYS;
    }
}

/* ---- HVMOP ------------------------------------------------------------ */

static long hvm_op(unsigned op, struct xen_hvm_param *param)
{
    struct fx_domain *d;

    if (op != HVMOP_set_param && op != HVMOP_get_param) {
        fx_count_unknown();
        return -ENOSYS;
    }
    if (check_buffer(param, sizeof(*param)))
        return -EFAULT;
    d = fx_domain(param->domid);
    if (!d)
        return -ESRCH;
    if (param->index >= HVM_NR_PARAMS || param->index >= FX_NR_HVM_PARAMS)
        return -EINVAL;
    if (op == HVMOP_set_param)
        d->hvm_params[param->index] = param->value;
    else
        param->value = d->hvm_params[param->index];
    return 0;
}

static long dispatch(unsigned op, uint64_t arg1, uint64_t arg2)
{
    switch (op) {
    case __HYPERVISOR_memory_op:
        return memory_op((unsigned)arg1 & MEMOP_CMD_MASK,
                         (const void *)(uintptr_t)arg2);
    case __HYPERVISOR_hvm_op:
        return hvm_op((unsigned)arg1, (void *)(uintptr_t)arg2);
    default:
        fx_count_unknown();
        return -ENOSYS;
    }
}

static enum fakexen_kind kind_of(unsigned op, uint64_t arg1, uint64_t arg2,
                                 uint64_t *pages)
{
    const struct xen_memory_reservation *res = (const void *)(uintptr_t)arg2;

    *pages = 0;
    if (op != __HYPERVISOR_memory_op)
        return FAKEXEN_XENCALL;
    switch (arg1 & MEMOP_CMD_MASK) {
    case XENMEM_populate_physmap:
        *pages = (uint64_t)res->nr_extents << res->extent_order;
        return FAKEXEN_POPULATE;
    case XENMEM_decrease_reservation:
        *pages = (uint64_t)res->nr_extents << res->extent_order;
        return FAKEXEN_DECREASE;
    case XENMEM_add_to_physmap:
        *pages = ((const struct xen_add_to_physmap *)res)->size;
        return FAKEXEN_PHYSMAP;
    default:
        return FAKEXEN_XENCALL;
    }
}

static long hypercall(xencall_handle *xcall, unsigned op, uint64_t arg1,
                      uint64_t arg2)
{
    uint64_t pages;
    enum fakexen_kind kind = kind_of(op, arg1, arg2, &pages);
    long rc = fx_enter(kind, pages);

    if (rc == 0) {
        rc = xcall->base.dead ? -ENOTTY : dispatch(op, arg1, arg2);
        fx_unlock();
    }
    if (rc < 0) {
        errno = (int)-rc;
        rc = -1;
    }
    return rc;
}

/* ---- libxencall ------------------------------------------------------- */

xencall_handle *xencall_open(struct xentoollog_logger *logger,
                             unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    return fx_handle_open(FX_CALL, sizeof(xencall_handle));
}

int xencall_close(xencall_handle *xcall)
{
    if (xcall) {
        fx_lock();
        fx_handle_unlink(&xcall->base);
        fx_free(xcall);
        fx_unlock();
    }
    return 0;
}

int xencall0(xencall_handle *xcall, unsigned int op)
{
    return (int)hypercall(xcall, op, 0, 0);
}

int xencall1(xencall_handle *xcall, unsigned int op, uint64_t arg1)
{
    return (int)hypercall(xcall, op, arg1, 0);
}

int xencall2(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2)
{
    return (int)hypercall(xcall, op, arg1, arg2);
}

int xencall3(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2, uint64_t arg3)
{
    (void)arg3;
    return (int)hypercall(xcall, op, arg1, arg2);
}

int xencall4(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2, uint64_t arg3, uint64_t arg4)
{
    (void)arg3;
    (void)arg4;
    return (int)hypercall(xcall, op, arg1, arg2);
}

int xencall5(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
    (void)arg3;
    (void)arg4;
    (void)arg5;
    return (int)hypercall(xcall, op, arg1, arg2);
}

long xencall2L(xencall_handle *xcall, unsigned int op, uint64_t arg1,
               uint64_t arg2)
{
    return hypercall(xcall, op, arg1, arg2);
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
    struct buffer *b;
    int rc = fx_enter(FAKEXEN_BUFFER, 0);

    (void)xcall;
    if (rc) {
        fx_result(rc);
        return NULL;
    }
    b = fx_alloc(sizeof(*b));
    b->size = (size + 4095) / 4096 * 4096;
    b->host = fx_map_zero(b->size);
    b->next = buffers;
    buffers = b;
    fx_unlock();
    return b->host;
}

void xencall_free_buffer(xencall_handle *xcall, void *p)
{
    struct buffer **link = &buffers, *b;

    (void)xcall;
    if (!p)
        return;
    fx_lock();
    while ((b = *link) != NULL && b->host != p)
        link = &b->next;
    if (!b)
        fx_die("xencall_free_buffer(%p): not a buffer", p);
    *link = b->next;
    fx_munmap(b->host, b->size);
    fx_free(b);
    fx_unlock();
}

void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t nr_pages)
{
    return xencall_alloc_buffer(xcall, nr_pages * 4096);
}

void xencall_free_buffer_pages(xencall_handle *xcall, void *p, size_t nr_pages)
{
    (void)nr_pages;
    xencall_free_buffer(xcall, p);
}

int xencall_buffers_never_fault(xencall_handle *xcall)
{
    (void)xcall;
    return 1;
}

unsigned fakexen_buffers(void)
{
    struct buffer *b;
    unsigned nr = 0;

    fx_lock();
    for (b = buffers; b; b = b->next)
        nr++;
    fx_unlock();
    return nr;
}
