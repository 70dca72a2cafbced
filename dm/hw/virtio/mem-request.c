/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/hw/virtio/mem-impl.h"

#include <errno.h>

#include "dm/device.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/hw/virtio/le.h"

#include "xenram/ram.h"

/* 5.15.6: a request is a type, an address and a number of blocks. */
#define REQUEST_ADDR 8
#define REQUEST_NR_BLOCKS 16
#define REQUEST_LEN 24

/* A response is a type and, for STATE, a state. */
enum response_type {
    RESPONSE_ACK,
    RESPONSE_NACK, /* not with the size that is requested now */
    RESPONSE_BUSY, /* later */
    RESPONSE_ERROR,
};
enum block_state {
    STATE_PLUGGED,
    STATE_UNPLUGGED,
    STATE_MIXED,
};
#define RESPONSE_STATE 8
#define RESPONSE_LEN 10

/* Of a request that is done in one turn of the event loop, bytes. */
#define SLICE (UINT64_C(16) << 20)

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct xen_ram *ram_of(const struct virtio_mem *mem)
{
    return mem->device->machine->ram;
}

/* ---- blocks ---- */

static bool range_is_valid(const struct virtio_mem *mem, uint64_t addr,
                           uint64_t nr_blocks)
{
    uint64_t offset = addr - mem->addr;

    return addr >= mem->addr && nr_blocks > 0 &&
           offset % mem->block_size == 0 && offset <= mem->usable &&
           nr_blocks <= (mem->usable - offset) / mem->block_size;
}

static enum block_state state_of(const struct virtio_mem *mem, uint64_t offset,
                                 uint64_t length)
{
    uint64_t first, run;

    if (!xen_ram_next_plugged(mem->block, offset, &first, &run) ||
        first - offset >= length)
        return STATE_UNPLUGGED;
    return first == offset && run >= length ? STATE_PLUGGED : STATE_MIXED;
}

/* Of a change that was tried; driver and operator are told. */
static int changed(struct virtio_mem *mem, const char *what, int ret)
{
    if (ret)
        log_guest("%s: cannot %s: %s", mem->virtio.pci.name, what,
                  xen_ram_error(ram_of(mem)));
    virtio_config_changed(&mem->virtio, false);
    machine_memory_changed(mem->device->machine, &mem->memory);
    return ret;
}

static int unplug(struct virtio_mem *mem, uint64_t offset, uint64_t length)
{
    return changed(mem, "unplug",
                   xen_ram_unplug(ram_of(mem), mem->block, offset, length));
}

static int plug(struct virtio_mem *mem, uint64_t offset, uint64_t length)
{
    return changed(mem, "plug",
                   xen_ram_plug(ram_of(mem), mem->block, offset, length));
}

/* Some of what the guest has; -ENOENT: it has nothing. */
static int unplug_some(struct virtio_mem *mem)
{
    uint64_t offset, length;

    if (!xen_ram_next_plugged(mem->block, 0, &offset, &length))
        return -ENOENT;
    if (mem->block_size < SLICE)
        length = least(length, SLICE);
    return unplug(mem, offset, least(length, mem->size));
}

void mem_unplug_all(struct virtio_mem *mem)
{
    while (unplug_some(mem) == 0)
        continue;
    mem->usable = 0;
    mem_grow_usable(mem);
}

/* ---- requests ---- */

static void respond(struct virtio_mem *mem, enum response_type type,
                    enum block_state state)
{
    uint8_t bytes[RESPONSE_LEN] = {0};

    mem->busy = false;
    le_put(bytes, type, 2);
    le_put(bytes + RESPONSE_STATE, state, 2);
    (void)virtio_give(&mem->virtio, &mem->chain, bytes, sizeof(bytes));
}

/* The p2m of a guest that is being saved has to stay as it is. */
static bool is_saving(const struct virtio_mem *mem)
{
    const struct machine *machine = mem->device->machine;

    return machine->saving || machine->status != MACHINE_RUNNING;
}

static void begin(struct virtio_mem *mem, uint64_t addr, uint64_t nr_blocks)
{
    enum block_state from =
        mem->type == MEM_PLUG ? STATE_UNPLUGGED : STATE_PLUGGED;

    mem->offset = addr - mem->addr;
    mem->length = nr_blocks * mem->block_size;
    mem->done = 0;
    if (!range_is_valid(mem, addr, nr_blocks))
        respond(mem, RESPONSE_ERROR, 0);
    else if (mem->type == MEM_STATE)
        respond(mem, RESPONSE_ACK, state_of(mem, mem->offset, mem->length));
    else if (is_saving(mem))
        respond(mem, RESPONSE_BUSY, 0);
    else if (state_of(mem, mem->offset, mem->length) != from)
        respond(mem, RESPONSE_ERROR, 0);
    else if (mem->type == MEM_PLUG &&
             (mem->requested < xen_ram_plugged(mem->block) ||
              mem->requested - xen_ram_plugged(mem->block) < mem->length))
        respond(mem, RESPONSE_NACK, 0);
    else
        mem->busy = true;
}

static void begin_all(struct virtio_mem *mem)
{
    if (is_saving(mem))
        respond(mem, RESPONSE_BUSY, 0);
    else
        mem->busy = true;
}

/* The next request, if there is one: another slice or an answer. */
static bool take(struct virtio_mem *mem)
{
    uint8_t bytes[REQUEST_LEN];

    if (!virtio_take(&mem->virtio, &mem->chain) ||
        !virtio_read(&mem->virtio, &mem->chain, bytes, sizeof(bytes)))
        return false;
    switch (le_get(bytes, 2)) {
    case MEM_PLUG:
    case MEM_UNPLUG:
    case MEM_STATE:
        mem->type = (enum mem_request)le_get(bytes, 2);
        begin(mem, le_get(bytes + REQUEST_ADDR, 8),
              le_get(bytes + REQUEST_NR_BLOCKS, 2));
        break;
    case MEM_UNPLUG_ALL:
        mem->type = MEM_UNPLUG_ALL;
        begin_all(mem);
        break;
    default:
        respond(mem, RESPONSE_ERROR, 0);
    }
    return true;
}

static void finish(struct virtio_mem *mem)
{
    if (mem->type == MEM_UNPLUG_ALL) {
        mem->usable = 0;
        mem_grow_usable(mem);
    }
    respond(mem, RESPONSE_ACK, 0);
}

/* A request that cannot be done leaves all as it was. */
static void give_up(struct virtio_mem *mem)
{
    if (mem->type == MEM_PLUG && mem->done > 0)
        (void)unplug(mem, mem->offset, mem->done);
    respond(mem, RESPONSE_BUSY, 0);
}

/* -EAGAIN: there is more to do. */
static int step(struct virtio_mem *mem)
{
    uint64_t slice = mem->block_size < SLICE ? SLICE : mem->block_size;
    uint64_t n = least(slice, mem->length - mem->done);
    int ret;

    if (mem->type == MEM_UNPLUG_ALL) {
        ret = unplug_some(mem);
        if (ret == -ENOENT)
            return 0;
        return ret ? ret : -EAGAIN;
    }
    if (mem->type == MEM_PLUG)
        ret = plug(mem, mem->offset + mem->done, n);
    else
        ret = unplug(mem, mem->offset + mem->done, n);
    if (ret)
        return ret;
    mem->done += n;
    return mem->done < mem->length ? -EAGAIN : 0;
}

static void go_on(struct virtio_mem *mem)
{
    int ret = step(mem);

    if (ret == 0)
        finish(mem);
    else if (ret != -EAGAIN)
        give_up(mem);
}

static void turn(uv_idle_t *handle)
{
    struct virtio_mem *mem = handle->data;

    if (mem->busy)
        go_on(mem);
    else if (!take(mem))
        uv_idle_stop(handle);
}

void mem_requests_wait(struct virtio_mem *mem)
{
    if (mem->device->machine->status == MACHINE_RUNNING)
        uv_idle_start(mem->turn, turn);
}

void mem_requests_forget(struct virtio_mem *mem)
{
    if (mem->busy && mem->type == MEM_PLUG && mem->done > 0)
        (void)unplug(mem, mem->offset, mem->done);
    mem->busy = false;
}

void mem_requests_settle(struct virtio_mem *mem)
{
    if (mem->busy && mem->type == MEM_PLUG)
        give_up(mem);
    while (mem->busy)
        go_on(mem);
    uv_idle_stop(mem->turn);
}
