/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenforeignmemory.h>

/*
 * A foreign mapping is a run of pages of the frames' memfd, and of the holes'
 * memfd where a gfn had no frame, so that /proc/self/maps tells what is left of
 * it.  In Linux it is one area that cannot be split; here the kernel would
 * split it, and we refuse or count that.
 */

struct mapping {
    uintptr_t addr;
    size_t pages;
    uint32_t frames[]; /* FAKEXEN_NO_FRAME: hole */
};

/* A line of /proc/self/maps about one of our memfds. */
struct area {
    uintptr_t start, end;
    uint64_t offset;
    bool holes;
};

static struct {
    struct mapping **sorted; /* by address, without overlap */
    size_t nr, room;
    uint64_t bytes;
} foreign;

static uintptr_t end_of(const struct mapping *m)
{
    return m->addr + m->pages * 4096;
}

/* The first mapping that ends above addr. */
static size_t first_above(uintptr_t addr)
{
    size_t low = 0, high = foreign.nr;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (end_of(foreign.sorted[mid]) > addr)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void insert(struct mapping *m)
{
    size_t at = first_above(m->addr), room;
    struct mapping **wider;

    if (foreign.nr == foreign.room) {
        room = foreign.room ? foreign.room * 2 : 512;
        wider = fx_map_zero(room * sizeof(*wider));
        if (foreign.sorted) {
            memcpy(wider, foreign.sorted, foreign.nr * sizeof(*wider));
            fx_munmap(foreign.sorted, foreign.room * sizeof(*wider));
        }
        foreign.sorted = wider;
        foreign.room = room;
    }
    memmove(&foreign.sorted[at + 1], &foreign.sorted[at],
            (foreign.nr - at) * sizeof(*foreign.sorted));
    foreign.sorted[at] = m;
    foreign.nr++;
    foreign.bytes += m->pages * 4096;
}

static void forget(size_t at)
{
    struct mapping *m = foreign.sorted[at];

    for (size_t i = 0; i < m->pages; i++)
        if (m->frames[i])
            fx_frame_put(m->frames[i], true);
    foreign.nr--;
    foreign.bytes -= m->pages * 4096;
    memmove(&foreign.sorted[at], &foreign.sorted[at + 1],
            (foreign.nr - at) * sizeof(*foreign.sorted));
    fx_free(m);
}

/* Does [addr, end) cut through a mapping? */
static struct mapping *splits(uintptr_t addr, uintptr_t end)
{
    struct mapping *m;

    for (size_t i = first_above(addr); i < foreign.nr; i++) {
        m = foreign.sorted[i];
        if (m->addr >= end)
            break;
        if (m->addr < addr || end_of(m) > end)
            return m;
    }
    return NULL;
}

static unsigned forget_within(uintptr_t addr, uintptr_t end)
{
    size_t at = first_above(addr);
    unsigned nr = 0;

    while (at < foreign.nr && foreign.sorted[at]->addr < end) {
        forget(at);
        nr++;
    }
    return nr;
}

/* Ours is whole at first sight, else after a look at what is really there. */
static int check_split(uintptr_t addr, size_t len, const char *what)
{
    struct mapping *m = splits(addr, addr + len);

    if (m) {
        fx_sync();
        m = splits(addr, addr + len);
    }
    if (m) {
        fx_violation("%s of %#lx..%#lx splits the mapping %#lx..%#lx", what,
                     addr, addr + len, m->addr, end_of(m));
        return -EINVAL;
    }
    return 0;
}

int fx_overlay(uintptr_t addr, size_t len)
{
    int rc = check_split(addr, len, "overlay");

    if (rc == 0 && forget_within(addr, addr + len) > 0)
        fx_count(FAKEXEN_OVERLAY, len / 4096);
    return rc;
}

bool fx_is_foreign(uintptr_t addr, size_t len)
{
    size_t at = first_above(addr);

    return at < foreign.nr && foreign.sorted[at]->addr < addr + len;
}

/* ---- what /proc/self/maps says ---------------------------------------- */

static char *read_maps(size_t *size)
{
    size_t room = 1 << 20, len = 0;
    char *text = fx_map_zero(room), *wider;
    ssize_t n;

    while ((n = pread(fx_maps_fd(), text + len, room - len - 1, (off_t)len)) >
           0) {
        len += (size_t)n;
        if (room - len < 8192) {
            wider = fx_map_zero(room * 2);
            memcpy(wider, text, len);
            fx_munmap(text, room);
            text = wider;
            room *= 2;
        }
    }
    if (n < 0)
        fx_die("/proc/self/maps: %s", strerror(errno));
    *size = room;
    return text;
}

/* The next area at or behind *text. */
static bool next_area(char **text, struct area *area)
{
    char *line = *text, *eol, *name;

    while (*line) {
        eol = strchr(line, '\n');
        if (!eol)
            break;
        *eol = '\0';
        *text = eol + 1;
        name = strstr(line, "/memfd:fakexen-");
        if (name) {
            area->holes = name[15] == 'h';
            area->start = strtoul(line, &line, 16);
            area->end = strtoul(line + 1, &line, 16);
            area->offset = strtoull(line + 6, NULL, 16); /* " rw-s " */
            return true;
        }
        line = eol + 1;
    }
    return false;
}

/* Pages of m that area still shows. */
static size_t pages_left(const struct mapping *m, const struct area *area)
{
    uintptr_t page, end = end_of(m) < area->end ? end_of(m) : area->end;
    uint64_t offset;
    uint32_t frame;
    size_t nr = 0;

    page = m->addr > area->start ? m->addr : area->start;
    for (; page < end; page += 4096) {
        frame = m->frames[(page - m->addr) / 4096];
        offset = area->offset + (page - area->start);
        nr += area->holes ? frame == FAKEXEN_NO_FRAME
                          : frame && (uint64_t)frame * 4096 == offset;
    }
    return nr;
}

/* How many pages of each mapping are left; true: a mapping is cut. */
static bool look_around(size_t *left)
{
    size_t size;
    struct area area;
    bool cut = false;
    char *text = read_maps(&size), *p = text;

    memset(left, 0, foreign.nr * sizeof(*left));
    while (next_area(&p, &area))
        for (size_t i = first_above(area.start);
             i < foreign.nr && foreign.sorted[i]->addr < area.end; i++)
            left[i] += pages_left(foreign.sorted[i], &area);
    fx_munmap(text, size);
    for (size_t i = 0; i < foreign.nr; i++)
        cut |= left[i] > 0 && left[i] < foreign.sorted[i]->pages;
    return cut;
}

void fx_sync(void)
{
    size_t *left, size = foreign.nr * sizeof(*left);
    unsigned tries = 3;

    if (foreign.nr == 0)
        return;
    left = fx_map_zero(size);
    /* Another thread may be laying something over it while we read. */
    while (look_around(left) && --tries > 0)
        ;
    for (size_t i = foreign.nr; i-- > 0;) {
        if (left[i] == foreign.sorted[i]->pages)
            continue;
        if (left[i] > 0)
            fx_violation("mapping %#lx..%#lx was split: %zu of %zu pages left",
                         foreign.sorted[i]->addr, end_of(foreign.sorted[i]),
                         left[i], foreign.sorted[i]->pages);
        forget(i);
    }
    fx_munmap(left, size);
}

void fakexen_sync(void)
{
    fx_lock();
    fx_sync();
    fx_unlock();
}

uint64_t fakexen_mappings(void)
{
    uint64_t nr;

    fx_lock();
    fx_sync();
    nr = foreign.nr;
    fx_unlock();
    return nr;
}

uint64_t fakexen_mapped_bytes(void)
{
    uint64_t nr;

    fx_lock();
    fx_sync();
    nr = foreign.bytes;
    fx_unlock();
    return nr;
}

void fx_foreign_reset(void)
{
    while (foreign.nr > 0)
        forget(foreign.nr - 1);
}

/* ---- libxenforeignmemory ---------------------------------------------- */

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
                                               unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    return fx_handle_open(FX_FOREIGN, sizeof(xenforeignmemory_handle));
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    if (fmem) {
        fx_lock();
        fx_handle_unlink(&fmem->base);
        fx_free(fmem);
        fx_unlock();
    }
    return 0;
}

int xenforeignmemory_restrict(xenforeignmemory_handle *fmem, domid_t domid)
{
    int rc = fx_enter(FAKEXEN_RESTRICT, 0);

    if (rc)
        return fx_result(rc);
    fmem->base.restricted = true;
    fmem->base.domid = domid;
    return fx_leave(0);
}

/* Frame to show for a gfn, or -errno. */
static int map_gfn(struct fx_domain *d, uint32_t domid, uint64_t gfn,
                   uint32_t *frame)
{
    int rc = fx_refused(domid, gfn);

    *frame = FAKEXEN_NO_FRAME;
    if (rc)
        return rc;
    if (!d)
        return -ESRCH;
    if (fx_type(d, gfn) == FAKEXEN_POD) {
        rc = fx_pod_fill(d, gfn);
        if (rc)
            return rc;
    }
    *frame = fx_p2m_frame(d, gfn);
    return *frame ? 0 : -EINVAL;
}

/* Pages [at, end) of m are one run in a memfd. */
static size_t run_end(const struct mapping *m, size_t at)
{
    size_t i = at + 1;

    while (i < m->pages &&
           (m->frames[at] ? m->frames[i] == m->frames[at] + (i - at)
                          : m->frames[i] == FAKEXEN_NO_FRAME))
        i++;
    return i;
}

static int show(const struct mapping *m, int prot)
{
    size_t end;
    void *host;

    for (size_t at = 0; at < m->pages; at = end) {
        end = run_end(m, at);
        if (m->frames[at]) {
            host = fx_mmap((void *)(m->addr + at * 4096), (end - at) * 4096,
                           prot, MAP_SHARED | MAP_FIXED, fx_frames_fd(),
                           (off_t)m->frames[at] * 4096);
        } else {
            host = fx_mmap((void *)(m->addr + at * 4096), (end - at) * 4096,
                           PROT_NONE, MAP_SHARED | MAP_FIXED, fx_holes_fd(), 0);
        }
        if (host == MAP_FAILED)
            return -errno;
    }
    return 0;
}

static int place(struct mapping *m, void *addr, int flags)
{
    void *host;

    if (addr && (flags & MAP_FIXED)) {
        m->addr = (uintptr_t)addr;
        return m->addr % 4096 ? -EINVAL
                              : check_split(m->addr, m->pages * 4096, "map");
    }
    host =
        fx_mmap(NULL, m->pages * 4096, PROT_NONE, MAP_SHARED, fx_holes_fd(), 0);
    if (host == MAP_FAILED)
        return -errno;
    m->addr = (uintptr_t)host;
    return 0;
}

static int map_pages(uint32_t domid, void *addr, int prot, int flags,
                     size_t pages, const xen_pfn_t *arr, int *err, void **out)
{
    struct fx_domain *d = fx_domain(domid);
    struct mapping *m = fx_alloc(sizeof(*m) + pages * sizeof(*m->frames));
    int rc, error = 0;

    m->pages = pages;
    rc = place(m, addr, flags);
    if (rc)
        goto err_free;
    for (size_t i = 0; i < pages; i++) {
        rc = map_gfn(d, domid, arr[i], &m->frames[i]);
        if (err)
            err[i] = rc;
        else if (rc && !error)
            error = rc;
    }
    rc = error;
    if (rc == 0)
        rc = show(m, prot);
    if (rc)
        goto err_unmap;
    for (size_t i = 0; i < pages; i++)
        if (m->frames[i])
            fx_frame_get(m->frames[i], true);
    forget_within(m->addr, end_of(m));
    insert(m);
    *out = (void *)m->addr;
    return 0;

err_unmap:
    /* As the library does, even from the caller's reservation. */
    forget_within(m->addr, end_of(m));
    fx_munmap((void *)m->addr, pages * 4096);
err_free:
    fx_free(m);
    return rc;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t dom,
                            void *addr, int prot, int flags, size_t pages,
                            const xen_pfn_t arr[], int err[])
{
    void *host = NULL;
    int rc = fx_enter(FAKEXEN_MAP, pages);

    if (rc == 0) {
        rc = fx_handle_allows(&fmem->base, dom);
        if (rc == 0 && pages == 0)
            rc = -EINVAL;
        if (rc == 0)
            rc = map_pages(dom, addr, prot, flags, pages, arr, err, &host);
        fx_unlock();
    }
    fx_result(rc);
    return host;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom,
                           int prot, size_t pages, const xen_pfn_t arr[],
                           int err[])
{
    return xenforeignmemory_map2(fmem, dom, NULL, prot, 0, pages, arr, err);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr,
                           size_t pages)
{
    uintptr_t start = (uintptr_t)addr;
    int rc = fx_enter(FAKEXEN_UNMAP, pages);

    (void)fmem;
    if (rc)
        return fx_result(rc);
    rc = check_split(start, pages * 4096, "unmap");
    if (rc == 0 && forget_within(start, start + pages * 4096) == 0) {
        fx_violation("unmap of %#lx, %zu pages, where nothing is mapped", start,
                     pages);
        rc = -EINVAL;
    }
    if (rc == 0)
        fx_munmap(addr, pages * 4096);
    return fx_leave(rc);
}
