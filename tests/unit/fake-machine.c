/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/fake-machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dm/chardev.h"
#include "dm/virtio-mem.h"
#include "dm/xen.h"

#include "xenram/mapcache.h"
#include "xenram/memory-device.h"
#include "xenram/ram.h"

struct fake_machine fake;

struct chardev {
    const char *label, *filename;
};

struct xen_ram_block {
    const char *idstr;
    enum xen_ram_kind kind;
    unsigned flags;
    uint64_t gfn, offset, size, used, max;
    const char *path;
};

static struct chardev serial = {"serial0", "pty:/dev/pts/9"};

static const struct xen_ram_block blocks[] = {
    {"xen.ram", XEN_RAM_GUEST, 0, 0, 0, 1 << 20, 1 << 20, 1 << 20, NULL},
    {"boot.rom", XEN_RAM_VISIBLE, XEN_RAM_RESIZEABLE | XEN_RAM_ROM, 0xf2000,
     0x100000, 5000, 8192, 65536, NULL},
    {"scratch", XEN_RAM_PRIVATE, XEN_RAM_DONTDUMP, XEN_RAM_NO_GFN, 0x110000,
     4096, 4096, 4096, NULL},
    {"nvram", XEN_RAM_FILE, XEN_RAM_COPY, XEN_RAM_NO_GFN, 0x111000, 128, 4096,
     4096, "/var/lib/nvram"},
};

void fake_machine_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.machine.nr_vcpus = 3;
    fake.misses = 17;
    fake.machine.status = MACHINE_PRELAUNCH;
    fake.machine.serials[0] = &serial;
}

void machine_cont(struct machine *machine)
{
    machine->status = MACHINE_RUNNING;
    fake.conts++;
}

int machine_stop(struct machine *machine)
{
    fake.stops++;
    if (fake.stop_fails == 0)
        machine->status = MACHINE_PAUSED;
    return fake.stop_fails;
}

int machine_save(struct machine *machine, int fd, bool live,
                 char error[XEN_MIGRATE_ERROR_MAX])
{
    char state[256];

    (void)machine;
    memset(state, 'x', sizeof(state));
    fake.saves++;
    fake.saved_live = live;
    if (fake.save_fails)
        snprintf(error, XEN_MIGRATE_ERROR_MAX, "the fake refuses");
    else if (write(fd, state, fake.save_bytes) != (ssize_t)fake.save_bytes)
        return -EIO;
    return fake.save_fails;
}

const char *machine_status_name(const struct machine *machine)
{
    static const char *const names[] = {"prelaunch", "running", "paused"};

    return names[machine->status];
}

void machine_reboot(struct machine *machine)
{
    (void)machine;
    fake.reboots++;
}

struct device *virtio_mem_find(struct machine *machine, const char *id)
{
    return strcmp(id, "vm0") == 0 ? &machine->devices[0] : NULL;
}

void virtio_mem_info(const struct device *device, struct xen_memory_info *info)
{
    (void)device;
    *info = (struct xen_memory_info){
        .id = "vm0",
        .memdev = "m0",
        .addr = UINT64_C(5) << 30,
        .size = 2 << 20,
        .max_size = 64 << 20,
        .requested_size = fake.requested,
        .block_size = 2 << 20,
        .node = 1,
    };
}

int virtio_mem_request(struct device *device, uint64_t bytes, char *text,
                       size_t size)
{
    (void)device;
    snprintf(text, size, "the fake takes no odd sizes");
    if (bytes % 2)
        return -EINVAL;
    fake.requested = bytes;
    return 0;
}

int xen_wake(struct xen *xen)
{
    (void)xen;
    fake.wakes++;
    return fake.wake_fails;
}

const char *chardev_label(const struct chardev *chardev)
{
    return chardev->label;
}

const char *chardev_filename(const struct chardev *chardev)
{
    return chardev->filename;
}

int xen_ram_log_dirty(struct xen_ram *ram, bool enable)
{
    (void)ram;
    if (fake.log_fails)
        return fake.log_fails;
    if (enable)
        fake.dirty_on++;
    else
        fake.dirty_off++;
    return 0;
}

const char *xen_ram_error(const struct xen_ram *ram)
{
    (void)ram;
    return "the fake has no memory";
}

struct xen_ram_block *xen_ram_next(const struct xen_ram *ram,
                                   const struct xen_ram_block *block)
{
    size_t next = block ? (size_t)(block - blocks) + 1 : 0;

    (void)ram;
    return next < sizeof(blocks) / sizeof(blocks[0])
               ? (struct xen_ram_block *)&blocks[next]
               : NULL;
}

const char *xen_ram_idstr(const struct xen_ram_block *block)
{
    return block->idstr;
}

enum xen_ram_kind xen_ram_get_kind(const struct xen_ram_block *block)
{
    return block->kind;
}

unsigned xen_ram_get_flags(const struct xen_ram_block *block)
{
    return block->flags;
}

uint64_t xen_ram_gfn(const struct xen_ram_block *block)
{
    return block->gfn;
}

uint64_t xen_ram_offset(const struct xen_ram_block *block)
{
    return block->offset;
}

uint64_t xen_ram_size(const struct xen_ram_block *block)
{
    return block->size;
}

const char *xen_ram_path(const struct xen_ram_block *block)
{
    return block->path;
}

uint64_t xen_ram_used_length(const struct xen_ram_block *block)
{
    return block->used;
}

uint64_t xen_ram_max_length(const struct xen_ram_block *block)
{
    return block->max;
}

void xen_mapcache_get_stats(const struct xen_mapcache *cache,
                            struct xen_mapcache_stats *stats)
{
    (void)cache;
    memset(stats, 0, sizeof(*stats));
    stats->window = UINT64_C(1) << 40;
    stats->misses = fake.misses;
}
