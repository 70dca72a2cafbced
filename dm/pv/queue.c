/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "dm/block/disk.h"
#include "dm/log.h"
#include "dm/pv/pages.h"
#include "dm/pv/persistent.h"
#include "dm/pv/queues.h"
#include "dm/xen-events.h"
#include "dm/xen-grants.h"

#define SEGMENTS_PER_PAGE (RING_PAGE / RING_SEGMENT_SIZE)
#define SECTORS_PER_PAGE (RING_PAGE / DISK_SECTOR)

_Static_assert(QUEUE_MAX_SEGMENTS <= SEGMENTS_PER_PAGE,
               "one page holds the segments of an indirect request");
_Static_assert(QUEUE_MAX_SEGMENTS <= PERSISTENT_BATCH, "mapped at once");
_Static_assert(QUEUE_MAX_SEGMENTS <= PAGES_MAX, "copied at once");

/* A request under way. */
struct io {
    struct disk_request request;
    struct queue *queue;
    struct io *next; /* while free */
    uint64_t id;
    uint8_t operation; /* echoed */
    bool flush_first;
    bool copied; /* pages are ours, not the frontend's */
    unsigned nr;
    struct ring_segment segments[QUEUE_MAX_SEGMENTS];
    uint8_t *pages[QUEUE_MAX_SEGMENTS];
    struct iovec iov[QUEUE_MAX_SEGMENTS];
};

struct queue {
    const char *name;
    struct disk *disk;
    struct queues *queues;
    struct xen_grants *grants;
    struct xen_events *events;
    struct persistent *persistent; /* NULL: the frontend has none */
    struct ring ring;
    void *shared;
    unsigned nr_shared;
    int port;
    bool running;
    bool more; /* requests may be in the ring, and no event will say so */
    struct io *waiting; /* for pages */
    struct io *free;
    struct pages pages;
    struct io ios[]; /* as many as the ring has entries */
};

static void finish(struct io *io, int error);

/* ---- answers ---------------------------------------------------------- */

static void answer(struct queue *queue, uint64_t id, uint8_t operation,
                   int error)
{
    int16_t status = error == 0             ? BLKIF_RSP_OKAY
                     : error == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP
                                            : BLKIF_RSP_ERROR;

    ring_answer(&queue->ring, id, operation, status);
}

static void push(struct queue *queue)
{
    if (queue->ring.pushed != queue->ring.answered && ring_push(&queue->ring))
        xen_events_notify(queue->events, queue->port);
}

/* ---- data ------------------------------------------------------------- */

static int copy(const struct io *io, bool to_guest)
{
    struct xen_grant_copy copies[QUEUE_MAX_SEGMENTS];

    for (unsigned i = 0; i < io->nr; i++) {
        const struct ring_segment *segment = &io->segments[i];
        uint16_t offset = (uint16_t)(segment->first * DISK_SECTOR);

        copies[i] = (struct xen_grant_copy){
            .to_guest = to_guest,
            .ref = segment->ref,
            .offset = offset,
            .length =
                (uint16_t)((segment->last - segment->first + 1) * DISK_SECTOR),
            .local = io->pages[i] + offset,
        };
    }
    return xen_grants_copy(io->queue->grants, copies, io->nr);
}

static bool use_mapped(struct io *io)
{
    uint32_t refs[QUEUE_MAX_SEGMENTS];

    if (!io->queue->persistent)
        return false;
    for (unsigned i = 0; i < io->nr; i++)
        refs[i] = io->segments[i].ref;
    return persistent_get(io->queue->persistent, refs, io->nr, io->pages) == 0;
}

static void release(struct io *io)
{
    for (unsigned i = 0; i < io->nr && io->copied; i++)
        pages_put(&io->queue->pages, io->pages[i]);
    io->next = io->queue->free;
    io->queue->free = io;
}

/* Neighbours in memory become one. */
static void fill_iov(struct io *io)
{
    struct iovec *iov = io->iov, *last = NULL;

    for (unsigned i = 0; i < io->nr; i++) {
        const struct ring_segment *segment = &io->segments[i];
        uint8_t *base = io->pages[i] + segment->first * DISK_SECTOR;
        size_t len = (segment->last - segment->first + 1ul) * DISK_SECTOR;

        if (last && (uint8_t *)last->iov_base + last->iov_len == base) {
            last->iov_len += len;
        } else {
            last = iov++;
            *last = (struct iovec){base, len};
        }
    }
    io->request.iov = io->iov;
    io->request.nr_iov = (unsigned)(iov - io->iov);
}

/* ---- requests --------------------------------------------------------- */

static void written_or_read(struct disk_request *request, int error)
{
    struct io *io = request->opaque;

    if (error == 0 && io->copied && request->op == DISK_READ)
        error = copy(io, true);
    finish(io, error);
}

static void flushed(struct disk_request *flush, int error)
{
    struct io *io = flush->opaque;

    if (error) {
        finish(io, error);
        return;
    }
    io->request.op = DISK_WRITE;
    io->request.done = written_or_read;
    disk_submit(io->queue->disk, &io->request);
}

/* All pages are there. */
static void submit(struct io *io)
{
    int ret = 0;

    if (io->copied && io->request.op == DISK_WRITE)
        ret = copy(io, false);
    if (ret) {
        finish(io, ret);
        return;
    }
    fill_iov(io);
    io->request.done = written_or_read;
    if (io->flush_first) {
        io->request.op = DISK_FLUSH;
        io->request.done = flushed;
    }
    disk_submit(io->queue->disk, &io->request);
}

static bool get_pages(struct io *io)
{
    struct pages *pages = &io->queue->pages;

    if (pages->nr_free < io->nr)
        return false;
    for (unsigned i = 0; i < io->nr; i++)
        io->pages[i] = pages_get(pages);
    io->copied = true;
    return true;
}

static void start(struct io *io)
{
    if (io->nr == 0 || use_mapped(io) || get_pages(io))
        submit(io);
    else
        io->queue->waiting = io;
}

static void finish(struct io *io, int error)
{
    struct queue *queue = io->queue;
    struct io *waiting = queue->waiting;

    answer(queue, io->id, io->operation, error);
    release(io);
    if (waiting && get_pages(waiting)) {
        queue->waiting = NULL;
        queue->more = true;
        submit(waiting);
    }
}

/* ---- what the frontend asks for --------------------------------------- */

static int take_indirect(struct io *io, const struct ring_request *request)
{
    uint8_t bytes[QUEUE_MAX_SEGMENTS * RING_SEGMENT_SIZE], *page;
    struct queue *queue = io->queue;
    struct xen_grant_copy copy_in = {
        .ref = request->indirect_refs[0],
        .length = (uint16_t)(request->nr_segments * RING_SEGMENT_SIZE),
        .local = bytes,
    };
    int ret = 0;

    if (request->nr_segments > QUEUE_MAX_SEGMENTS)
        return -EINVAL;
    if (queue->persistent &&
        persistent_get(queue->persistent, &copy_in.ref, 1, &page) == 0)
        memcpy(bytes, page, copy_in.length);
    else
        ret = xen_grants_copy(queue->grants, &copy_in, 1);
    /* The frontend may go on writing: what was copied is what counts. */
    __asm__ volatile("" ::: "memory");
    for (unsigned i = 0; i < request->nr_segments && ret == 0; i++)
        io->segments[i] = ring_segment(bytes + i * RING_SEGMENT_SIZE);
    return ret;
}

static int take_segments(struct io *io, const struct ring_request *request)
{
    int ret = 0;

    if (request->operation == BLKIF_OP_INDIRECT)
        ret = take_indirect(io, request);
    else if (request->nr_segments > RING_DIRECT_SEGMENTS)
        ret = -EINVAL;
    else
        memcpy(io->segments, request->segments, sizeof(request->segments));
    if (ret)
        return ret;
    for (unsigned i = 0; i < request->nr_segments; i++) {
        const struct ring_segment *segment = &io->segments[i];

        if (segment->first > segment->last || segment->last >= SECTORS_PER_PAGE)
            return -EINVAL;
        io->request.length +=
            (segment->last - segment->first + 1ul) * DISK_SECTOR;
    }
    io->nr = request->nr_segments;
    return 0;
}

static int read_or_write(struct io *io, const struct ring_request *request,
                         enum disk_op op)
{
    int ret = take_segments(io, request);

    if (ret == 0 && io->nr == 0)
        ret = -EINVAL;
    io->request.op = op;
    return ret;
}

static int flush(struct io *io, const struct ring_request *request)
{
    int ret = take_segments(io, request);

    /* With data it is a write that comes after the flush. */
    io->flush_first = io->nr > 0;
    io->request.op = io->flush_first ? DISK_WRITE : DISK_FLUSH;
    return ret;
}

static int discard(struct io *io, const struct ring_request *request)
{
    if (request->nr_sectors > UINT64_MAX / DISK_SECTOR)
        return -ERANGE;
    io->request.op = DISK_DISCARD;
    io->request.length = request->nr_sectors * DISK_SECTOR;
    return 0;
}

static int understand(struct io *io, const struct ring_request *request)
{
    if (request->sector > UINT64_MAX / DISK_SECTOR)
        return -ERANGE;
    io->request.offset = request->sector * DISK_SECTOR;
    switch (io->operation) {
    case BLKIF_OP_READ:
        return read_or_write(io, request, DISK_READ);
    case BLKIF_OP_WRITE:
        return read_or_write(io, request, DISK_WRITE);
    case BLKIF_OP_FLUSH_DISKCACHE:
        if (request->operation != BLKIF_OP_INDIRECT)
            return flush(io, request);
        break;
    case BLKIF_OP_DISCARD:
        if (request->operation != BLKIF_OP_INDIRECT)
            return discard(io, request);
        break;
    default:
        break;
    }
    return -EOPNOTSUPP;
}

static void begin(struct queue *queue, const struct ring_request *request)
{
    struct io *io = queue->free;
    int ret;

    queue->free = io->next;
    io->id = request->id;
    io->operation = request->operation == BLKIF_OP_INDIRECT
                        ? request->indirect_operation
                        : request->operation;
    io->flush_first = false;
    io->copied = false;
    io->nr = 0;
    io->request = (struct disk_request){.opaque = io};
    ret = understand(io, request);
    if (ret) {
        disk_count_invalid(queue->disk);
        finish(io, ret);
    } else {
        start(io);
    }
}

/* One that always finds more must let others have their turn. */
static void serve(struct queue *queue)
{
    struct ring_request request;
    uint32_t left = queue->ring.size;
    int ret = 0;

    queue->more = false;
    while (queue->running && !queue->waiting && ret >= 0 && left > 0) {
        ret = ring_take(&queue->ring, &request);
        if (ret > 0) {
            begin(queue, &request);
            left--;
        } else if (ret == 0 && !ring_wants_more(&queue->ring)) {
            return;
        }
    }
    if (ret < 0) {
        log_guest("%s: the frontend's ring makes no sense: it is not served "
                  "any more",
                  queue->name);
        queue->running = false;
    }
    queue->more = queue->more || left == 0;
}

static void fired(void *opaque)
{
    serve(opaque);
}

/* ---- life ------------------------------------------------------------- */

static int map_ring(struct queue *queue, const struct queue_spec *spec)
{
    int ret;

    queue->nr_shared = 1u << spec->order;
    ret = xen_grants_map(queue->grants, spec->refs, queue->nr_shared,
                         &queue->shared);
    if (ret) {
        queue->shared = NULL;
        log_guest("%s: cannot map the frontend's ring of %u pages (grant %u): "
                  "%s",
                  spec->name, queue->nr_shared, spec->refs[0], strerror(-ret));
        return ret;
    }
    ring_init(&queue->ring, queue->shared, queue->nr_shared, spec->layout);
    return 0;
}

static int bind_port(struct queue *queue, const struct queue_spec *spec)
{
    int ret = xen_events_bind(queue->events, spec->port, fired, queue);

    if (ret < 0) {
        log_guest("%s: cannot bind the frontend's event channel %u: %s",
                  spec->name, spec->port, strerror(-ret));
        return ret;
    }
    queue->port = ret;
    return 0;
}

static int get_memory(struct queue *queue, bool persistent)
{
    int ret = pages_init(&queue->pages);

    if (ret == 0 && persistent)
        ret = persistent_new(queue->grants, &queue->persistent);
    if (ret)
        log_error("%s: out of memory", queue->name);
    return ret;
}

int queue_open(const struct queue_spec *spec, struct queue **out)
{
    unsigned nr = ring_entries(1u << spec->order, spec->layout);
    struct queue *queue =
        calloc(1, sizeof(*queue) + nr * sizeof(queue->ios[0]));
    int ret;

    if (!queue) {
        log_error("%s: out of memory", spec->name);
        return -ENOMEM;
    }
    queue->name = spec->name;
    queue->disk = spec->disk;
    queue->queues = spec->queues;
    queue->grants = queues_grants(spec->queues);
    queue->events = queues_events(spec->queues);
    queue->port = -1;
    for (unsigned i = 0; i < nr; i++) {
        queue->ios[i].queue = queue;
        queue->ios[i].next = queue->free;
        queue->free = &queue->ios[i];
    }
    ret = get_memory(queue, spec->persistent);
    if (ret == 0)
        ret = map_ring(queue, spec);
    if (ret == 0)
        ret = bind_port(queue, spec);
    if (ret) {
        queue_close(queue);
        return ret;
    }
    queues_add(spec->queues, queue);
    *out = queue;
    return 0;
}

void queue_close(struct queue *queue)
{
    if (!queue)
        return;
    if (queue->port >= 0) {
        queue_stop(queue);
        queues_remove(queue->queues, queue);
        xen_events_unbind(queue->events, queue->port);
    }
    persistent_free(queue->persistent);
    if (queue->shared)
        xen_grants_unmap(queue->grants, queue->shared, queue->nr_shared);
    pages_fini(&queue->pages);
    free(queue);
}

void queue_start(struct queue *queue)
{
    queue->running = true;
    queue->more = true;
}

void queue_stop(struct queue *queue)
{
    queue->running = false;
    queue->more = false;
    disk_drain(queue->disk);
    push(queue);
}

bool queue_turn(struct queue *queue)
{
    if (queue->more)
        serve(queue);
    push(queue);
    return queue->more;
}
