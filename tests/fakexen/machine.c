/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Frames are pages of one sparse memfd.  Frame 0 is never used.  The guest's
 * side of them is mapped in slabs of 1 GiB when it is first asked for, so that
 * a test under RLIMIT_AS can use small guests.
 */

#define SLAB_FRAMES (UINT32_C(1) << 18)
#define NR_SLABS (FX_MAX_GFN / SLAB_FRAMES)
#define TABLE_FRAMES (UINT32_C(1) << 16)
#define NR_TABLES (FX_MAX_GFN / TABLE_FRAMES)

static struct {
    pid_t pid; /* that made the memfds; 0: none yet */
    int frames_fd, holes_fd, maps_fd;
    uint8_t *slabs[NR_SLABS];
    struct fx_frame *tables[NR_TABLES];
    uint32_t next, free_list;
    uint8_t fill; /* new frames hold that */
    struct fx_domain *domains;
} machine;

static int make_memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)FX_MAX_GFN * 4096) < 0)
        fx_die("memfd %s: %s", name, strerror(errno));
    return fd;
}

static void make_machine(void)
{
    if (machine.pid)
        return;
    memset(&machine, 0, sizeof(machine));
    machine.pid = getpid();
    machine.frames_fd = make_memfd("fakexen-frames");
    machine.holes_fd = make_memfd("fakexen-holes");
    /* Kept open: a device model may go into a chroot without /proc. */
    machine.maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (machine.maps_fd < 0)
        fx_die("/proc/self/maps: %s", strerror(errno));
    machine.next = 1;
}

int fx_maps_fd(void)
{
    make_machine();
    return machine.maps_fd;
}

int fx_frames_fd(void)
{
    make_machine();
    return machine.frames_fd;
}

int fx_holes_fd(void)
{
    make_machine();
    return machine.holes_fd;
}

struct fx_frame *fx_frame(uint32_t frame)
{
    struct fx_frame **table = &machine.tables[frame / TABLE_FRAMES];

    if (!*table)
        *table = fx_map_zero(TABLE_FRAMES * sizeof(**table));
    return &(*table)[frame % TABLE_FRAMES];
}

void *fx_frame_host(uint32_t frame)
{
    uint32_t nr = frame / SLAB_FRAMES;
    void *slab = machine.slabs[nr];

    if (frame == FAKEXEN_NO_FRAME || frame >= FX_MAX_GFN)
        fx_die("no frame %#x", frame);
    if (!slab) {
        slab = fx_mmap(NULL, (size_t)SLAB_FRAMES * 4096, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_NORESERVE, fx_frames_fd(),
                       (off_t)nr * SLAB_FRAMES * 4096);
        if (slab == MAP_FAILED)
            fx_die("no address space for the guest's side");
        machine.slabs[nr] = slab;
    }
    return machine.slabs[nr] + (size_t)(frame % SLAB_FRAMES) * 4096;
}

uint32_t fx_frame_new(struct fx_domain *owner)
{
    struct fx_frame *f;
    uint32_t frame = machine.free_list;
    bool stale = false;

    make_machine();
    if (frame) {
        f = fx_frame(frame);
        machine.free_list = f->next_free;
        stale = f->stale;
    } else {
        if (machine.next >= FX_MAX_GFN)
            fx_die("out of frames");
        frame = machine.next++;
        f = fx_frame(frame);
    }
    if (stale || machine.fill)
        memset(fx_frame_host(frame), machine.fill, 4096);
    *f = (struct fx_frame){.refs = 1, .owner = owner};
    if (owner)
        owner->tot_pages++;
    return frame;
}

void fx_frame_get(uint32_t frame, bool map)
{
    struct fx_frame *f = fx_frame(frame);

    f->refs++;
    f->maps += map;
}

void fx_frame_put(uint32_t frame, bool map)
{
    struct fx_frame *f = fx_frame(frame);

    f->maps -= map;
    if (--f->refs > 0)
        return;
    if (f->owner)
        f->owner->tot_pages--;
    f->owner = NULL;
    f->stale = true;
    f->next_free = machine.free_list;
    machine.free_list = frame;
}

struct fx_domain *fx_domain(uint32_t domid)
{
    struct fx_domain *d;

    for (d = machine.domains; d; d = d->next)
        if (d->domid == domid && !d->dying)
            return d;
    return NULL;
}

struct fx_domain *fx_domain_must(uint32_t domid)
{
    struct fx_domain *d = fx_domain(domid);

    if (!d)
        fx_die("no domain %u", domid);
    return d;
}

static void populate_new(struct fx_domain *d, uint64_t first, uint64_t nr)
{
    for (uint64_t gfn = first; gfn < first + nr; gfn++)
        fx_p2m_set(d, gfn, FAKEXEN_RAM_RW, fx_frame_new(d));
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void populate_ram(struct fx_domain *d, uint64_t pages, uint64_t low_max)
{
    uint64_t low = min(pages, low_max);

    populate_new(d, 0, min(low, 0xa0));
    if (low > 0xc0)
        populate_new(d, 0xc0, low - 0xc0);
    if (pages > low)
        populate_new(d, 0x100000, pages - low);
}

void fakexen_create(const struct fakexen_domain *domain)
{
    struct fx_domain *d;

    fx_lock();
    make_machine();
    if (fx_domain(domain->domid))
        fx_die("domain %u exists", domain->domid);
    if (domain->nr_vcpus > FX_MAX_VCPUS)
        fx_die("%u vCPUs, the limit is %u", domain->nr_vcpus, FX_MAX_VCPUS);
    d = fx_map_zero(sizeof(*d));
    d->domid = domain->domid;
    d->shutdown_reason = -1;
    d->log_dirty = true;
    d->nr_vcpus = domain->nr_vcpus ? domain->nr_vcpus : 1;
    d->leaves = fx_map_zero(FX_NR_LEAVES * sizeof(*d->leaves));
    d->dirty = fx_map_zero(FX_NR_LEAVES * sizeof(*d->dirty));
    d->maxmem = domain->maxmem ? domain->maxmem : domain->pages + 256;
    d->next = machine.domains;
    machine.domains = d;
    populate_ram(d, domain->pages, domain->low_max ? domain->low_max : 0xf0000);
    if (domain->special)
        populate_new(d, 0xfeff0, 16);
    fx_unlock();
}

void fx_forget_vram(struct fx_domain *d)
{
    if (d->vram)
        fx_munmap(d->vram, FX_VRAM_MAX / 8);
    d->vram = NULL;
    d->vram_nr = 0;
}

/* frames: drop their references too. */
static void free_p2m(struct fx_domain *d, bool frames)
{
    for (uint64_t leaf = 0; leaf < FX_NR_LEAVES; leaf++) {
        if (d->dirty[leaf])
            fx_munmap(d->dirty[leaf], FX_LEAF_ENTRIES / 8);
        if (!d->leaves[leaf])
            continue;
        for (uint64_t i = 0; frames && i < FX_LEAF_ENTRIES; i++)
            if (d->leaves[leaf][i])
                fx_p2m_set(d, leaf * FX_LEAF_ENTRIES + i, FAKEXEN_HOLE,
                           FAKEXEN_NO_FRAME);
        fx_munmap(d->leaves[leaf], FX_LEAF_ENTRIES * sizeof(uint32_t));
    }
    fx_munmap(d->dirty, FX_NR_LEAVES * sizeof(*d->dirty));
    fx_munmap(d->leaves, FX_NR_LEAVES * sizeof(*d->leaves));
    fx_forget_vram(d);
    d->dirty = NULL;
    d->leaves = NULL;
}

void fakexen_destroy(uint32_t domid)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    /* Stays in the list: frames that are still mapped point to it. */
    d->dying = true;
    for (unsigned i = 0; i < FX_MAX_SERVERS; i++)
        fx_server_free(d, i);
    free_p2m(d, true);
    fx_wake();
    fx_unlock();
}

bool fakexen_exists(uint32_t domid)
{
    bool exists;

    fx_lock();
    exists = fx_domain(domid) != NULL;
    fx_unlock();
    return exists;
}

/* Bytes of the memfd that nobody ever wrote. */
struct hole {
    off_t start, end;
};

static bool never_written(uint32_t frame, struct hole *hole)
{
    off_t at = (off_t)frame * 4096;

    if (at < hole->start || at >= hole->end) {
        hole->start = at;
        hole->end = lseek(machine.frames_fd, at, SEEK_DATA);
        if (hole->end < 0)
            hole->end = at + 4096; /* none behind: at least this one */
    }
    return at < hole->end;
}

void fakexen_copy_memory(uint32_t to, uint32_t from)
{
    struct fx_domain *dst, *src;
    uint32_t frame, copy;
    struct hole hole = {0, 0};

    fx_lock();
    dst = fx_domain_must(to);
    src = fx_domain_must(from);
    dst->maxmem = src->maxmem;
    for (uint64_t gfn = 0; gfn <= src->max_gfn; gfn++) {
        if (!src->leaves[gfn / FX_LEAF_ENTRIES]) {
            gfn |= FX_LEAF_ENTRIES - 1;
            continue;
        }
        frame = fx_p2m_frame(src, gfn);
        if (frame) {
            copy = fx_frame_new(dst);
            if (machine.fill || !never_written(frame, &hole))
                memcpy(fx_frame_host(copy), fx_frame_host(frame), 4096);
            fx_p2m_set(dst, gfn, FAKEXEN_RAM_RW, copy);
        }
    }
    fx_unlock();
}

uint64_t fakexen_tot_pages(uint32_t domid)
{
    uint64_t nr;

    fx_lock();
    fx_sync();
    nr = fx_domain_must(domid)->tot_pages;
    fx_unlock();
    return nr;
}

uint64_t fakexen_maxmem(uint32_t domid)
{
    uint64_t nr;

    fx_lock();
    nr = fx_domain_must(domid)->maxmem;
    fx_unlock();
    return nr;
}

void fakexen_set_maxmem(uint32_t domid, uint64_t pages)
{
    fx_lock();
    fx_domain_must(domid)->maxmem = pages;
    fx_unlock();
}

uint64_t fakexen_max_gfn(uint32_t domid)
{
    uint64_t gfn;

    fx_lock();
    gfn = fx_domain_must(domid)->max_gfn;
    fx_unlock();
    return gfn;
}

int fakexen_shutdown_reason(uint32_t domid)
{
    int reason;

    fx_lock();
    reason = fx_domain_must(domid)->shutdown_reason;
    fx_unlock();
    return reason;
}

bool fakexen_crashed(uint32_t domid)
{
    bool crashed;

    fx_lock();
    crashed = fx_domain_must(domid)->crashed;
    fx_unlock();
    return crashed;
}

uint64_t fakexen_hvm_param(uint32_t domid, uint32_t index)
{
    uint64_t value;

    fx_lock();
    value = fx_domain_must(domid)->hvm_params[index % FX_NR_HVM_PARAMS];
    fx_unlock();
    return value;
}

void fakexen_set_hvm_param(uint32_t domid, uint32_t index, uint64_t value)
{
    fx_lock();
    fx_domain_must(domid)->hvm_params[index % FX_NR_HVM_PARAMS] = value;
    fx_unlock();
}

void fakexen_fill_new_frames(uint8_t value)
{
    fx_lock();
    machine.fill = value;
    fx_unlock();
}

void *fakexen_frame_host(uint32_t frame)
{
    void *host;

    fx_lock();
    host = fx_frame_host(frame);
    fx_unlock();
    return host;
}

unsigned fakexen_frame_refs(uint32_t frame)
{
    unsigned nr;

    fx_lock();
    fx_sync();
    nr = fx_frame(frame)->maps;
    fx_unlock();
    return nr;
}

void fx_machine_reset(void)
{
    struct fx_domain *d;

    if (machine.pid != getpid()) {
        /* A child shares its parent's frames until here. */
        machine.pid = 0;
        make_machine();
        return;
    }
    while ((d = machine.domains) != NULL) {
        machine.domains = d->next;
        if (!d->dying)
            free_p2m(d, false);
        fx_munmap(d, sizeof(*d));
    }
    for (unsigned i = 0; i < NR_TABLES; i++) {
        if (machine.tables[i]) {
            fx_munmap(machine.tables[i],
                      TABLE_FRAMES * sizeof(*machine.tables[i]));
            machine.tables[i] = NULL;
        }
    }
    if (fallocate(machine.frames_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  0, (off_t)machine.next * 4096) < 0)
        fx_die("punching the memfd: %s", strerror(errno));
    machine.next = 1;
    machine.free_list = FAKEXEN_NO_FRAME;
    machine.fill = 0;
}

void fakexen_reset(void)
{
    fx_lock();
    fx_foreign_reset();
    fx_machine_reset();
    fx_evtchn_reset();
    fx_grant_reset();
    fx_store_reset();
    fx_vcpu_reset();
    fx_inject_reset();
    fx_unlock();
    fakexen_clear_violations();
}
