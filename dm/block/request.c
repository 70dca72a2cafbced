/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disk-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#include "dm/block/image.h"
#include "dm/log.h"

/*
 * So much is tried to be read on the loop's own thread in a turn: what is in
 * the page cache is copied in less time than a worker takes to wake and to tell
 * of it.  More would keep vCPUs waiting that need the loop.
 */
#define AT_ONCE_BYTES (1u << 20)

/* A copy of so much into the page cache costs less than to wake a thread. */
#define QUICK_BYTES (64u << 10)
#define CACHE_PAGE 4096u

void disk_carry_out(struct disk_request *request)
{
    const struct image *image = request->image;

    switch (request->op) {
    case DISK_READ:
        request->error = image_move(image, request, 0);
        break;
    case DISK_WRITE:
        request->error = image_move(
            image, request,
            request->disk->cache == DISK_WRITETHROUGH ? RWF_DSYNC : 0);
        break;
    case DISK_FLUSH:
        request->error = image_flush(image);
        break;
    case DISK_DISCARD:
        request->error = image_discard(image, request->offset, request->length);
        break;
    }
}

/* ---- the start of a request ---- */

static bool is_length(const struct disk_request *request)
{
    uint64_t left = request->length;

    for (unsigned i = 0; i < request->nr_iov; i++) {
        if (request->iov[i].iov_len > left)
            return false;
        left -= request->iov[i].iov_len;
    }
    return left == 0;
}

static int check(const struct disk *disk, const struct disk_request *request)
{
    uint64_t size;

    if (!disk->image)
        return -ENOMEDIUM;
    if (!disk->active)
        return -EIO;
    if (request->op == DISK_FLUSH)
        return 0;
    if (disk->read_only && request->op != DISK_READ)
        return -EROFS;
    size = disk->image->size - disk->image->size % DISK_SECTOR;
    if (request->offset > size || request->length > size - request->offset)
        return -ERANGE;
    if (request->offset % DISK_SECTOR || request->length % DISK_SECTOR ||
        (request->op != DISK_DISCARD && !is_length(request)))
        return -EINVAL;
    return 0;
}

/* Whole pages: nothing has to be read before. */
static bool is_quick(const struct disk_request *request)
{
    return request->op == DISK_WRITE && request->length <= QUICK_BYTES &&
           (request->offset | request->length) % CACHE_PAGE == 0 &&
           request->disk->cache != DISK_WRITETHROUGH;
}

/* Linux has no writes into its page cache that never block. */
static bool write_at_once(struct disk_request *request)
{
    struct disk_io *io = request->disk->io;

    if (request->length > AT_ONCE_BYTES - io->at_once)
        return false;
    io->at_once += (unsigned)request->length;
    disk_carry_out(request);
    return true;
}

static bool read_at_once(struct disk_request *request)
{
    struct disk_io *io = request->disk->io;
    struct image *image = request->image;

    if (request->length > AT_ONCE_BYTES - io->at_once || image->never_at_once)
        return false;
    io->at_once += (unsigned)request->length;
    request->error = image_move(image, request, RWF_NOWAIT);
    image->never_at_once = request->error == -EOPNOTSUPP;
    return request->error != -EAGAIN && !image->never_at_once;
}

/* A flush that has nothing to do, or cannot help any more. */
static bool is_flushed(struct disk_request *request, const struct image *image)
{
    request->covers = image->written;
    if (request->disk->cache == DISK_UNSAFE)
        return true;
    request->error = image->lost;
    return image->lost || image->flushed == image->written;
}

/* Is nothing left for a worker?  Then request->error is its end. */
static bool is_over(struct disk_request *request)
{
    const struct disk *disk = request->disk;
    struct image *image = disk->image;

    request->error = check(disk, request);
    if (request->error)
        return true;
    if (request->op == DISK_FLUSH ? is_flushed(request, image)
                                  : request->length == 0)
        return true;
    if (request->op == DISK_DISCARD &&
        (!disk->discard || image->never_discards))
        return true;
    request->image = image;
    return (request->op == DISK_READ && read_at_once(request)) ||
           (disk->patient && is_quick(request) && write_at_once(request));
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
    struct disk_io *io = disk->io;

    request->disk = disk;
    request->image = NULL;
    request->moved = 0;
    request->started = uv_hrtime();
    disk->in_flight++;
    if (io->in_flight++ == 0)
        uv_ref((uv_handle_t *)&io->async);
    if (is_over(request)) {
        request_list_add(&io->ended, request);
    } else {
        request->quick = is_quick(request);
        workers_give(io->workers, request);
    }
    uv_idle_start(&io->idle, disk_io_turned);
}

/* ---- the end of a request ---- */

static void count_moved(struct disk_request *request, uint64_t *bytes,
                        uint64_t *operations, uint64_t *time, uint64_t *failed)
{
    if (request->error) {
        (*failed)++;
        return;
    }
    (*operations)++;
    *bytes += request->length;
    *time += uv_hrtime() - request->started;
}

static void count(struct disk_request *request, struct disk_stats *stats)
{
    uint64_t none = 0, end;

    switch (request->op) {
    case DISK_READ:
        count_moved(request, &stats->rd_bytes, &stats->rd_operations,
                    &stats->rd_total_time_ns, &stats->failed_rd_operations);
        break;
    case DISK_WRITE:
        count_moved(request, &stats->wr_bytes, &stats->wr_operations,
                    &stats->wr_total_time_ns, &stats->failed_wr_operations);
        end = request->offset + request->moved;
        if (request->moved && stats->wr_highest_offset < end)
            stats->wr_highest_offset = end;
        break;
    case DISK_FLUSH:
        count_moved(request, &none, &stats->flush_operations,
                    &stats->flush_total_time_ns,
                    &stats->failed_flush_operations);
        break;
    case DISK_DISCARD:
        count_moved(request, &stats->discard_bytes, &stats->discard_operations,
                    &stats->discard_total_time_ns,
                    &stats->failed_discard_operations);
        break;
    }
}

/* What the image has to know of it. */
static void note(struct disk_request *request)
{
    struct image *image = request->image;

    switch (request->op) {
    case DISK_READ:
        break;
    case DISK_WRITE:
        if (request->disk->cache != DISK_WRITETHROUGH || request->error)
            image->written++;
        break;
    case DISK_FLUSH:
        if (request->error)
            image->lost = request->error;
        else if (image->flushed < request->covers)
            image->flushed = request->covers;
        break;
    case DISK_DISCARD:
        image->written++;
        /* It is a hint: nobody has to hear that it was not taken. */
        if (request->error && request->error != -EIO) {
            image->never_discards = request->error == -EOPNOTSUPP;
            request->error = 0;
        }
        break;
    }
}

/* What the contract names; all else is an I/O error to a guest. */
static int plain_error(int error)
{
    switch (error) {
    case 0:
    case -EFAULT:
    case -EINVAL:
    case -EIO:
    case -ENOMEDIUM:
    case -ENOSPC:
    case -ERANGE:
    case -EROFS:
        return error;
    case -EDQUOT:
        return -ENOSPC;
    default:
        return -EIO;
    }
}

static void finish(struct disk_request *request)
{
    static const char *const names[] = {"read", "write", "flush", "discard"};
    struct disk *disk = request->disk;

    if (request->image) {
        note(request);
        if (request->error)
            log_guest("disk %s: %s of %" PRIu64 " bytes at %" PRIu64
                      " of %s: %s",
                      disk->id, names[request->op], request->length,
                      request->offset, disk->path, strerror(-request->error));
        request->error = plain_error(request->error);
    }
    pthread_mutex_lock(&disk->stats_mutex);
    count(request, &disk->stats);
    pthread_mutex_unlock(&disk->stats_mutex);
    disk->in_flight--;
    if (--disk->io->in_flight == 0)
        uv_unref((uv_handle_t *)&disk->io->async);
    request->done(request, request->error);
}

/* Not those that end meanwhile: other handles of the loop want their turn. */
void disk_io_finish(struct disk_io *io)
{
    unsigned nr;

    io->at_once = 0;
    workers_take(io->workers, &io->ended);
    nr = io->ended.nr;
    while (nr-- > 0 && io->ended.first)
        finish(request_list_take(&io->ended));
    workers_start(io->workers);
    if (!io->ended.first)
        uv_idle_stop(&io->idle);
}

static struct disk_request *take_of(struct disk_io *io, const struct disk *disk)
{
    struct disk_request *found = NULL, *request;
    struct request_list others = {0};

    while ((request = request_list_take(&io->ended))) {
        if (!found && request->disk == disk)
            found = request;
        else
            request_list_add(&others, request);
    }
    io->ended = others;
    return found;
}

void disk_drain(struct disk *disk)
{
    struct disk_io *io = disk->io;

    while (disk->in_flight > 0) {
        struct disk_request *request;

        workers_take(io->workers, &io->ended);
        request = take_of(io, disk);
        if (request)
            finish(request);
        else
            workers_wait(io->workers);
    }
}
