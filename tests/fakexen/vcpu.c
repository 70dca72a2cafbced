/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <time.h>

/*
 * What xen/common/ioreq.c does for a vCPU: choose a server, fill the vCPU's
 * slot, ring, wait until the state went up to RESP_READY.
 */

#define STATE_NONE 0
#define STATE_READY 1
#define STATE_INPROCESS 2
#define STATE_RESP_READY 3

#define CF8_ENABLED (UINT32_C(1) << 31)

/* state and flags share byte 30 of a slot; type is byte 31 */
#define STATE_BYTE 30
_Static_assert(sizeof(ioreq_t) == 32, "layout of an ioreq");

static struct {
    fakexen_pump_fn *pump;
    void *opaque;
    unsigned timeout_ms;
} driver;

void fx_vcpu_reset(void)
{
    driver.pump = NULL;
    driver.opaque = NULL;
    driver.timeout_ms = 0;
}

void fakexen_set_pump(fakexen_pump_fn *fn, void *opaque)
{
    fx_lock();
    driver.pump = fn;
    driver.opaque = opaque;
    fx_unlock();
}

void fakexen_set_timeout(unsigned timeout_ms)
{
    fx_lock();
    driver.timeout_ms = timeout_ms;
    fx_unlock();
}

static unsigned slot_state(const ioreq_t *slot)
{
    return __atomic_load_n((const uint8_t *)slot + STATE_BYTE,
                           __ATOMIC_ACQUIRE) &
           0xf;
}

static void set_slot_state(ioreq_t *slot, unsigned state)
{
    uint8_t *byte = (uint8_t *)slot + STATE_BYTE;

    __atomic_store_n(byte, (uint8_t)((*byte & 0xf0) | state), __ATOMIC_RELEASE);
}

/* ---- one request to one server ---------------------------------------- */

struct request {
    struct fx_domain *domain;
    uint32_t domid;
    unsigned vcpu, id;
    struct fx_server *server;
    ioreq_t *slot;
    unsigned prev;
    struct timespec deadline;
};

static int send(struct request *rq, const ioreq_t *proto)
{
    ioreq_t *slot = fx_frame_host(rq->server->page);
    uint32_t port = rq->server->ports[rq->vcpu];

    slot += rq->vcpu;
    rq->slot = slot;
    rq->prev = STATE_NONE;
    if (slot_state(slot) != STATE_NONE || slot->vp_eport != port) {
        fx_violation("vCPU %u: the device model left state %u, port %u (is %u)",
                     rq->vcpu, slot_state(slot), slot->vp_eport, port);
        return -EBUSY;
    }
    *slot = *proto;
    slot->vp_eport = port;
    fx_port_take(port);
    set_slot_state(slot, STATE_READY);
    fx_port_ring(port);
    return 0;
}

/* The server and domain may go while the lock is not held. */
static int still_there(const struct request *rq)
{
    if (rq->domain->dying || rq->domain->crashed)
        return -ESRCH;
    return rq->domain->servers[rq->id] == rq->server ? 0 : -ESRCH;
}

/* One step of wait_for_io: 1 done, 0 not yet. */
static int look(struct request *rq)
{
    unsigned state = slot_state(rq->slot);

    if (state < rq->prev || state > STATE_RESP_READY) {
        fx_violation("vCPU %u: ioreq state %u after %u", rq->vcpu, state,
                     rq->prev);
        rq->domain->crashed = true;
        return -ESRCH;
    }
    rq->prev = state;
    return state == STATE_RESP_READY;
}

static bool expired(const struct timespec *deadline)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

static int pump(const struct timespec *deadline)
{
    fakexen_pump_fn *fn = driver.pump;
    void *opaque = driver.opaque;

    if (!fn)
        return fx_wait(deadline);
    fx_unlock();
    fn(opaque);
    fx_lock();
    return expired(deadline) ? -ETIMEDOUT : 0;
}

/* Looks at the slot only when Xen's end of the channel was notified. */
static int wait_response(struct request *rq, uint64_t *data)
{
    uint32_t port = rq->server->ports[rq->vcpu];
    int rc = 0;

    while (rc == 0) {
        rc = still_there(rq);
        if (rc)
            return rc;
        if (fx_port_take(port)) {
            rc = look(rq);
            if (rc < 0)
                return rc;
            if (rc > 0) {
                *data = rq->slot->data;
                set_slot_state(rq->slot, STATE_NONE);
                return 0;
            }
        }
        rc = pump(&rq->deadline);
    }
    return rc;
}

static int transact(struct fx_domain *d, unsigned id, unsigned vcpu,
                    const ioreq_t *proto, uint64_t *data)
{
    struct request rq = {.domain = d,
                         .domid = d->domid,
                         .vcpu = vcpu,
                         .id = id,
                         .server = d->servers[id]};
    int rc;

    if (d->vcpus[vcpu].busy)
        fx_die("vCPU %u has a request outstanding", vcpu);
    fx_deadline(&rq.deadline, driver.timeout_ms ? driver.timeout_ms : 10000);
    rc = send(&rq, proto);
    if (rc)
        return rc;
    d->vcpus[vcpu].busy = true;
    rc = wait_response(&rq, data);
    d->vcpus[vcpu].busy = false;
    return rc;
}

/* ---- which server ----------------------------------------------------- */

/* PIO to 0xcfc with the latch enabled becomes PCI_CONFIG. */
static void decode(const struct fx_domain *d, ioreq_t *p, unsigned *type,
                   uint64_t *first, uint64_t *last)
{
    uint64_t span = (uint64_t)p->size * (p->count ? p->count : 1);

    if (p->type == IOREQ_TYPE_PIO && (p->addr & ~UINT64_C(3)) == 0xcfc &&
        (d->cf8 & CF8_ENABLED)) {
        *type = XEN_DMOP_IO_RANGE_PCI;
        *first = *last = d->cf8 >> 8 & 0xffff;
        p->type = IOREQ_TYPE_PCI_CONFIG;
        p->addr = *first << 32 | (d->cf8 & 0xfc) | (p->addr & 3);
    } else if (p->type == IOREQ_TYPE_PIO) {
        *type = XEN_DMOP_IO_RANGE_PORT;
        *first = p->addr;
        *last = p->addr + p->size - 1;
    } else {
        *type = XEN_DMOP_IO_RANGE_MEMORY;
        *first = p->df ? p->addr + p->size - span : p->addr;
        *last = p->df ? p->addr + p->size - 1 : p->addr + span - 1;
    }
}

/* The highest id first; -1: nobody claimed all of it. */
static int select_server(const struct fx_domain *d, unsigned type,
                         uint64_t first, uint64_t last)
{
    const struct fx_server *s;

    for (int id = FX_MAX_SERVERS - 1; id >= 0; id--) {
        s = d->servers[id];
        if (s && s->enabled &&
            fx_rangeset_contains(&s->ranges[type], first, last))
            return id;
    }
    return -1;
}

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

static void fill(ioreq_t *p, const struct fakexen_io *io)
{
    *p = (ioreq_t){
        .addr = io->addr,
        .data = io->data,
        .count = io->count ? io->count : 1,
        .size = io->size,
        .data_is_ptr = io->data_is_ptr,
        .dir = io->read,
        .df = io->df,
        .type = io->mmio ? IOREQ_TYPE_COPY : IOREQ_TYPE_PIO,
    };
}

/* What an access that nobody claimed does: Xen's null handler. */
static void unclaimed(struct fx_domain *d, struct fakexen_io *io)
{
    uint32_t frame;
    uint64_t gpa = io->data;

    if (!io->read)
        return;
    if (!io->data_is_ptr) {
        io->data = ones(io->size);
        return;
    }
    for (uint32_t i = 0; i < (io->count ? io->count : 1) * io->size; i++) {
        frame = fx_p2m_frame(d, gpa / 4096);
        if (frame)
            ((uint8_t *)fx_frame_host(frame))[gpa % 4096] = 0xff;
        gpa += io->df ? (uint64_t)-1 : 1;
    }
}

static int access_domain(struct fx_domain *d, struct fakexen_io *io)
{
    ioreq_t p;
    unsigned type;
    uint64_t first, last;
    int id, rc;

    fill(&p, io);
    if (!io->mmio && !io->read && io->addr == 0xcf8 && io->size == 4 &&
        !io->data_is_ptr)
        d->cf8 = (uint32_t)io->data;
    decode(d, &p, &type, &first, &last);
    id = select_server(d, type, first, last);
    io->handled = id >= 0;
    if (id < 0) {
        unclaimed(d, io);
        return 0;
    }
    rc = transact(d, (unsigned)id, io->vcpu, &p, &p.data);
    if (rc == 0 && io->read && !io->data_is_ptr)
        io->data = p.data & ones(io->size);
    return rc;
}

/* ---- for tests -------------------------------------------------------- */

static struct fx_domain *enter(uint32_t domid, unsigned vcpu)
{
    struct fx_domain *d;

    fx_lock();
    d = fx_domain_must(domid);
    if (vcpu >= d->nr_vcpus)
        fx_die("domain %u has no vCPU %u", domid, vcpu);
    return d;
}

int fakexen_io(uint32_t domid, struct fakexen_io *io)
{
    int rc = access_domain(enter(domid, io->vcpu), io);

    fx_unlock();
    return rc;
}

int fakexen_raw_ioreq(uint32_t domid, unsigned vcpu, uint8_t type,
                      struct fakexen_io *io)
{
    struct fx_domain *d = enter(domid, vcpu);
    ioreq_t p;
    int rc = 0;

    fill(&p, io);
    p.count = io->count;
    p.type = type;
    io->handled = false;
    for (int id = FX_MAX_SERVERS - 1; rc == 0 && id >= 0; id--) {
        if (d->servers[id] && d->servers[id]->enabled) {
            rc = transact(d, (unsigned)id, vcpu, &p, &io->data);
            io->handled = true;
        }
    }
    fx_unlock();
    return rc;
}

int fakexen_invalidate(uint32_t domid, unsigned vcpu)
{
    struct fakexen_io io = {.size = 4, .data = UINT64_MAX};

    return fakexen_raw_ioreq(domid, vcpu, IOREQ_TYPE_INVALIDATE, &io);
}

static uint64_t plain(uint32_t domid, struct fakexen_io io)
{
    int rc = fakexen_io(domid, &io);

    if (rc) {
        fx_die("%s of %s %#llx, %u bytes: error %d", io.read ? "read" : "write",
               io.mmio ? "memory" : "port", (unsigned long long)io.addr,
               io.size, rc);
    }
    return io.data;
}

uint64_t fakexen_in(uint32_t domid, uint16_t port, unsigned size)
{
    return plain(domid,
                 (struct fakexen_io){.read = true, .addr = port, .size = size});
}

void fakexen_out(uint32_t domid, uint16_t port, unsigned size, uint32_t value)
{
    plain(domid,
          (struct fakexen_io){.addr = port, .size = size, .data = value});
}

uint64_t fakexen_readm(uint32_t domid, uint64_t gpa, unsigned size)
{
    return plain(domid,
                 (struct fakexen_io){
                     .mmio = true, .read = true, .addr = gpa, .size = size});
}

void fakexen_writem(uint32_t domid, uint64_t gpa, unsigned size, uint64_t value)
{
    plain(domid, (struct fakexen_io){
                     .mmio = true, .addr = gpa, .size = size, .data = value});
}

static uint16_t latch(uint32_t domid, uint8_t devfn, unsigned offset)
{
    fakexen_out(domid, 0xcf8, 4,
                CF8_ENABLED | (uint32_t)devfn << 8 | (offset & 0xfc));
    return (uint16_t)(0xcfc + (offset & 3));
}

uint32_t fakexen_pci_read(uint32_t domid, uint8_t devfn, unsigned offset,
                          unsigned size)
{
    return (uint32_t)fakexen_in(domid, latch(domid, devfn, offset), size);
}

void fakexen_pci_write(uint32_t domid, uint8_t devfn, unsigned offset,
                       unsigned size, uint32_t value)
{
    fakexen_out(domid, latch(domid, devfn, offset), size, value);
}
