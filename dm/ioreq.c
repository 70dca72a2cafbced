/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/ioreq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <x86intrin.h>

#include <xen/xen.h>

#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/ioreq.h>

#include "dm/bus.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/pci.h"
#include "dm/xen.h"

#include "dm/block/disks.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

/* An invalidated frame goes back to Xen at most this much later. */
#define RECLAIM_MS 5
#define RECLAIM_BYTES (UINT64_C(16) << 20)

/*
 * The state shares a byte with bit fields that Xen does not change meanwhile;
 * C has no atomic bit fields, so it is read and written as that byte.
 * Offset and masks: public/hvm/ioreq.h, struct ioreq.
 */
#define FLAGS_OFFSET 30
#define FLAGS_STATE 0x0f

/* Xen cuts string instructions at page borders (hvmemul_do_io). */
#define COUNT_MAX 4096u
static_assert(sizeof(ioreq_t) == 32, "an ioreq slot is 32 bytes");

/*
 * Guests access devices in bursts, and going to sleep and waking up costs about
 * as much as SLEEP_COST notifications.  So after an answer the vCPU's slot is
 * watched for that long, its event channel still masked: a request that comes
 * meanwhile costs one system call instead of four and an interrupt.  Watching
 * for as long as sleeping would cost is never worse than twice the best.
 */
#define SLEEP_COST 8
#define BURST_MAX 256   /* then others get their turn */
#define PATIENCE_MAX 16 /* grows with hits, falls with misses */
#define RETRY_EVERY 64  /* requests, once patience is gone */
#define NOTIFY_COST_FIRST (UINT64_C(1) << 20) /* until one was measured */

struct ioreq_server {
    struct machine *machine;
    shared_iopage_t *page;
    uv_poll_t poll;
    uv_timer_t reclaim;
    unsigned nr_handles; /* not closed yet */
    unsigned nr_vcpus;
    int ports[HVM_MAX_VCPUS];
    uint64_t notify_cost; /* in TSC ticks */
    unsigned patience, since_retry;
};

struct request {
    uint64_t addr, data;
    uint32_t count, size;
    bool is_ptr, is_read, backwards;
    uint8_t type;
};

static uint8_t *slot_flags(ioreq_t *slot)
{
    return (uint8_t *)slot + FLAGS_OFFSET;
}

static bool slot_is_ready(ioreq_t *slot)
{
    uint8_t flags = __atomic_load_n(slot_flags(slot), __ATOMIC_ACQUIRE);

    return (flags & FLAGS_STATE) == STATE_IOREQ_READY;
}

static bool slot_fetch(ioreq_t *slot, struct request *request)
{
    ioreq_t copy;

    if (!slot_is_ready(slot))
        return false;
    memcpy(&copy, slot, sizeof(copy));
    *request = (struct request){
        .addr = copy.addr,
        .data = copy.data,
        .count = copy.count,
        .size = copy.size,
        .is_ptr = copy.data_is_ptr,
        .is_read = copy.dir == IOREQ_READ,
        .backwards = copy.df,
        .type = copy.type,
    };
    return true;
}

static void slot_answer(ioreq_t *slot, const struct request *request)
{
    uint8_t flags = __atomic_load_n(slot_flags(slot), __ATOMIC_RELAXED);

    if (request->is_read && !request->is_ptr)
        slot->data = request->data;
    flags = (uint8_t)((flags & ~FLAGS_STATE) | STATE_IORESP_READY);
    /* Release: Xen reads data once it sees this state. */
    __atomic_store_n(slot_flags(slot), flags, __ATOMIC_RELEASE);
}

static uint64_t access_read(struct machine *machine,
                            const struct request *request, uint64_t addr)
{
    return bus_read(machine->bus,
                    request->type == IOREQ_TYPE_PIO ? BUS_PIO : BUS_MMIO, addr,
                    request->size);
}

static void access_write(struct machine *machine, const struct request *request,
                         uint64_t addr, uint64_t value)
{
    bus_write(machine->bus,
              request->type == IOREQ_TYPE_PIO ? BUS_PIO : BUS_MMIO, addr,
              request->size, value);
}

/*
 * One element of a string instruction whose other side is guest memory.  A
 * hole there reads as ones and swallows writes, as a ROM does.
 */
static void move_element(struct machine *machine, const struct request *request,
                         uint64_t addr, uint64_t gpa)
{
    uint64_t value;

    if (request->is_read) {
        value = access_read(machine, request, addr);
        (void)xen_ram_guest_write(machine->ram, gpa, &value, request->size);
    } else {
        value = UINT64_MAX;
        xen_mapcache_read(machine->cache, gpa, &value, request->size, NULL);
        access_write(machine, request, addr, value);
    }
}

/* A hole takes away those elements only that lie in it. */
static void put_elements(struct machine *machine, uint64_t gpa,
                         const uint8_t *data, unsigned size, uint32_t nr)
{
    if (xen_ram_guest_write(machine->ram, gpa, data, (size_t)size * nr) == 0)
        return;
    for (uint32_t i = 0; i < nr; i++)
        (void)xen_ram_guest_write(machine->ram, gpa + i * size, data + i * size,
                                  size);
}

static void get_elements(struct machine *machine, uint64_t gpa, uint8_t *data,
                         unsigned size, uint32_t nr)
{
    if (xen_mapcache_read(machine->cache, gpa, data, (size_t)size * nr, NULL) ==
        0)
        return;
    memset(data, 0xff, (size_t)size * nr);
    for (uint32_t i = 0; i < nr; i++)
        xen_mapcache_read(machine->cache, gpa + i * size, data + i * size, size,
                          NULL);
}

/* INS and OUTS upwards: a page at a time, as Xen has them. */
static void move_string(struct machine *machine, const struct request *request)
{
    uint8_t data[XEN_RAM_PAGE_SIZE];
    uint64_t gpa = request->data;
    unsigned size = request->size;
    uint32_t most = sizeof(data) / size;

    for (uint32_t left = request->count; left > 0;) {
        uint32_t nr = left < most ? left : most;

        if (request->is_read) {
            bus_read_many(machine->bus, request->addr, size, data, nr);
            put_elements(machine, gpa, data, size, nr);
        } else {
            get_elements(machine, gpa, data, size, nr);
            bus_write_many(machine->bus, request->addr, size, data, nr);
        }
        left -= nr;
        gpa += (uint64_t)nr * size;
    }
}

/* Ports stay, memory moves with the direction flag; so does guest memory. */
static void handle_access(struct machine *machine, struct request *request)
{
    int64_t step =
        request->backwards ? -(int64_t)request->size : (int64_t)request->size;
    int64_t addr_step = request->type == IOREQ_TYPE_PIO ? 0 : step;
    uint64_t addr = request->addr, gpa = request->data;

    if (request->is_ptr && request->type == IOREQ_TYPE_PIO &&
        !request->backwards) {
        move_string(machine, request);
        return;
    }
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->is_ptr)
            move_element(machine, request, addr, gpa);
        else if (request->is_read)
            request->data = access_read(machine, request, addr);
        else
            access_write(machine, request, addr, request->data);
        addr += (uint64_t)addr_step;
        gpa += (uint64_t)step;
    }
}

/* addr is segment, bus, device, function in the upper half: bus 0 is ours. */
static void handle_config(struct machine *machine, struct request *request)
{
    uint64_t sbdf = request->addr >> 32;
    unsigned offset = request->addr & 0xfff;
    bool ours = sbdf <= 0xff && offset < 256 && request->size <= 256 - offset;

    if (request->is_ptr || !ours)
        request->data = UINT64_MAX;
    else if (request->is_read)
        request->data =
            pci_config_read(machine, (uint8_t)sbdf, offset, request->size);
    else
        pci_config_write(machine, (uint8_t)sbdf, offset, request->size,
                         (uint32_t)request->data);
}

static void reclaim(uv_timer_t *timer)
{
    struct ioreq_server *server = timer->data;

    if (xen_mapcache_reclaim(server->machine->cache, RECLAIM_BYTES) == 0)
        uv_timer_stop(timer);
}

static void handle_invalidate(struct ioreq_server *server)
{
    xen_mapcache_invalidate(server->machine->cache);
    if (!uv_is_active((uv_handle_t *)&server->reclaim))
        uv_timer_start(&server->reclaim, reclaim, RECLAIM_MS, RECLAIM_MS);
}

static bool is_legal(const struct request *request)
{
    if (request->count > COUNT_MAX)
        return false;
    return request->size == 1 || request->size == 2 || request->size == 4 ||
           (request->size == 8 && request->type == IOREQ_TYPE_COPY);
}

static void handle(struct ioreq_server *server, struct request *request)
{
    switch (request->type) {
    case IOREQ_TYPE_PIO:
    case IOREQ_TYPE_COPY:
        if (is_legal(request))
            handle_access(server->machine, request);
        else
            request->data = UINT64_MAX;
        break;
    case IOREQ_TYPE_PCI_CONFIG:
        if (is_legal(request))
            handle_config(server->machine, request);
        else
            request->data = UINT64_MAX;
        break;
    case IOREQ_TYPE_INVALIDATE:
        handle_invalidate(server);
        break;
    case IOREQ_TYPE_TIMEOFFSET: /* the toolstack keeps its own offset */
        break;
    default:
        log_guest("ioreq of unknown type %u answered with ones", request->type);
        request->data = UINT64_MAX;
    }
}

/* The cheapest notification seen, which slowly forgets. */
static void notify(struct ioreq_server *server, unsigned vcpu)
{
    uint64_t began = __rdtsc(), cost;
    int ret = xen_evtchn_notify(server->machine->xen, server->ports[vcpu]);

    if (ret)
        log_guest("vCPU %u waits for ever: cannot notify it: %s", vcpu,
                  strerror(-ret));
    cost = __rdtsc() - began;
    server->notify_cost += server->notify_cost / 8 + 1;
    if (cost < server->notify_cost)
        server->notify_cost = cost;
}

static bool serve(struct ioreq_server *server, unsigned vcpu)
{
    ioreq_t *slot = &server->page->vcpu_ioreq[vcpu];
    struct request request;

    if (!slot_fetch(slot, &request))
        return false;
    handle(server, &request);
    slot_answer(slot, &request);
    notify(server, vcpu);
    return true;
}

static bool others_wait(struct ioreq_server *server, unsigned vcpu)
{
    for (unsigned i = 0; i < server->nr_vcpus; i++)
        if (i != vcpu && slot_is_ready(&server->page->vcpu_ioreq[i]))
            return true;
    return false;
}

static bool watch(struct ioreq_server *server, unsigned vcpu)
{
    uint64_t began = __rdtsc(), limit = server->notify_cost * SLEEP_COST;

    do {
        if (slot_is_ready(&server->page->vcpu_ioreq[vcpu]))
            return true;
        if (others_wait(server, vcpu))
            return false;
        __builtin_ia32_pause();
    } while (__rdtsc() - began < limit);
    return false;
}

static bool may_watch(struct ioreq_server *server)
{
    if (server->patience > 0)
        return true;
    server->since_retry = (server->since_retry + 1) % RETRY_EVERY;
    return server->since_retry == 0;
}

static void serve_burst(struct ioreq_server *server, unsigned vcpu)
{
    for (unsigned i = 0; i < BURST_MAX; i++) {
        /*
         * A guest that polls a busy drive would keep us from the turn of the
         * loop in which the drive gets its data.
         */
        if (!serve(server, vcpu) || !may_watch(server) ||
            disks_need_loop(server->machine->disks))
            return;
        if (!watch(server, vcpu)) {
            if (server->patience > 0)
                server->patience--;
            return;
        }
        if (server->patience < PATIENCE_MAX)
            server->patience++;
    }
}

void ioreq_drain(struct ioreq_server *server)
{
    for (unsigned i = 0; i < server->nr_vcpus; i++)
        serve(server, i);
}

static void ready(uv_poll_t *poll, int status, int events)
{
    struct ioreq_server *server = poll->data;
    struct xen *xen = server->machine->xen;
    int port, ret;

    (void)events;
    if (status < 0) {
        log_error("event channel: %s", uv_strerror(status));
        return;
    }
    port = xen_evtchn_pending(xen);
    if (port < 0)
        return;
    for (unsigned i = 0; i < server->nr_vcpus; i++)
        if (server->ports[i] == port) {
            serve_burst(server, i);
            break;
        }
    ret = xen_evtchn_unmask(xen, port);
    if (ret)
        log_guest("event channel port %d stays masked: %s", port,
                  strerror(-ret));
}

static int bind_vcpus(struct ioreq_server *server)
{
    for (unsigned i = 0; i < server->nr_vcpus; i++) {
        uint32_t remote = server->page->vcpu_ioreq[i].vp_eport;
        int port = xen_evtchn_bind(server->machine->xen, remote);

        if (port < 0) {
            log_error("vCPU %u: cannot bind event channel port %u: %s", i,
                      remote, strerror(-port));
            return port;
        }
        server->ports[i] = port;
    }
    return 0;
}

int ioreq_start(struct machine *machine, struct ioreq_server **out)
{
    struct ioreq_server *server = calloc(1, sizeof(*server));
    int ret;

    if (!server)
        return -ENOMEM;
    server->machine = machine;
    server->page = xen_ioreq_page(machine->xen);
    server->nr_vcpus = machine->nr_vcpus;

    ret = xen_ioreq_enable(machine->xen, true);
    if (ret) {
        log_error("cannot enable the ioreq server: %s", strerror(-ret));
        goto err_free;
    }
    ret = bind_vcpus(server);
    if (ret)
        goto err_disable;
    ret =
        uv_poll_init(machine->loop, &server->poll, xen_evtchn_fd(machine->xen));
    if (ret) {
        log_error("cannot watch event channels: %s", uv_strerror(ret));
        goto err_disable;
    }
    server->poll.data = server;
    uv_timer_init(machine->loop, &server->reclaim);
    server->reclaim.data = server;
    server->nr_handles = 2;
    server->patience = PATIENCE_MAX;
    server->notify_cost = NOTIFY_COST_FIRST;
    uv_poll_start(&server->poll, UV_READABLE, ready);
    *out = server;

    /* A request may have been raised between enable and bind. */
    ioreq_drain(server);
    return 0;

err_disable:
    xen_ioreq_enable(machine->xen, false);
err_free:
    free(server);
    return ret;
}

static void handle_closed(uv_handle_t *handle)
{
    struct ioreq_server *server = handle->data;

    if (--server->nr_handles == 0)
        free(server);
}

void ioreq_stop(struct ioreq_server *server)
{
    if (!server)
        return;
    xen_ioreq_enable(server->machine->xen, false);
    uv_close((uv_handle_t *)&server->poll, handle_closed);
    uv_close((uv_handle_t *)&server->reclaim, handle_closed);
}
