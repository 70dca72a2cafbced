/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_DISK_H
#define DM_BLOCK_DISK_H

/*
 * A disk: an image (raw file or block device) and the requests to it.  Worker
 * threads carry requests out; everything here is called, and every request
 * ends, on the thread of the event loop.
 *
 * The loop's data pointer is this module's: its threads and images hang there.
 *
 * Nothing is allocated for a request, and nothing bounds how many there are but
 * their callers, each by a depth of its own.
 *
 * Images.  Two disks of one device model may have the same image (an emulated
 * disk and the PV disk beside it): they share one open file and one lock.
 * Other processes are kept out by a lock on the file: one writer, or any number
 * of readers.  It is held while the disk is active; between a stop that saves
 * and the next cont it is not, so that a migration to the same host works.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <uv.h>

#define DISK_SECTOR 512u

struct disk;
struct image;

/*
 * When a write has ended it is in the page cache of dom0: foreign mappings
 * allow no other I/O.
 */
enum disk_cache {
    DISK_WRITEBACK,    /* a flush brings it to the medium */
    DISK_WRITETHROUGH, /* it is on the medium */
    DISK_UNSAFE,       /* flushes do nothing: a crash of dom0 loses data */
};

struct disk_spec {
    const char *id;   /* QMP's name of the device, copied: "ide0-hd0" */
    const char *path; /* copied; NULL: no medium */
    enum disk_cache cache;
    bool read_only;
    bool removable; /* a medium may come and go */
    bool discard;   /* DISK_DISCARD frees blocks; else it is ignored */
    bool raw;       /* it is raw, whatever its first bytes look like */
    bool incoming;  /* another host may write it until activate */
};

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD };

struct disk_request {
    enum disk_op op;
    uint64_t offset; /* bytes, of whole sectors */
    uint64_t length;
    /* Memory of the caller's, pinned until the end; iov may be changed by us.
     */
    struct iovec *iov;
    unsigned nr_iov;
    /*
     * The request ended: 0, or -errno (-ENOMEDIUM, -EROFS, -ERANGE: outside of
     * the disk, -EINVAL: no whole sectors, or iov is not length bytes, -ENOSPC,
     * -EIO, -EFAULT: memory that is no longer RAM).  May submit again, drain
     * and close disks.
     */
    void (*done)(struct disk_request *request, int error);
    void *opaque;

    /* From disk_submit to done: disk.c's. */
    struct disk *disk;
    struct disk_request *next;
    struct image *image;
    uint64_t started; /* ns */
    uint64_t moved;   /* bytes */
    uint64_t covers;  /* writes, of a flush */
    int error;
};

/* Counters as query-blockstats has them. */
struct disk_stats {
    uint64_t rd_bytes, wr_bytes, rd_operations, wr_operations;
    uint64_t flush_operations, discard_operations;
    uint64_t rd_total_time_ns, wr_total_time_ns, flush_total_time_ns;
    uint64_t failed_rd_operations, failed_wr_operations;
    uint64_t failed_flush_operations, invalid_operations;
};

/*
 * Open the image; the disk is not active.  -errno after a line in the log
 * (no such file, a format that is not raw, a directory, no right).
 */
int disk_open(uv_loop_t *loop, const struct disk_spec *spec, struct disk **out);
/* Drain, flush, let go.  NULL is fine. */
void disk_close(struct disk *disk);

/*
 * Take, and give up, the image's lock.  -EAGAIN after a line in the log:
 * someone else has it; requests then fail with -EIO until a later activate.
 * deactivate drains and flushes before; -errno after a line in the log: data
 * may be lost, and the disk stays active.
 */
int disk_activate(struct disk *disk);
int disk_deactivate(struct disk *disk);

const char *disk_id(const struct disk *disk);
const char *disk_path(const struct disk *disk); /* NULL: no medium */
bool disk_has_medium(const struct disk *disk);
bool disk_read_only(const struct disk *disk);
/*
 * Of the image when it was opened or last activated, rounded down; 0: no
 * medium.
 */
uint64_t disk_nr_sectors(const struct disk *disk);

/*
 * Another medium, or none (path NULL), for a removable disk.  fd >= 0 is used
 * instead of opening path, and is ours whatever happens.  Drains before.  The
 * old medium stays on failure, which is one of disk_open or disk_activate, or
 * -EINVAL: not removable.  changed is called after each success.
 */
int disk_change(struct disk *disk, const char *path, int fd);
void disk_on_change(struct disk *disk, void (*changed)(void *opaque),
                    void *opaque);

/*
 * Start a request.  It ends by done, never before disk_submit returns.  A flush
 * covers the writes that had ended when it was submitted.  After one that
 * failed all of the image's fail: what was written may be lost.
 */
void disk_submit(struct disk *disk, struct disk_request *request);
unsigned disk_in_flight(const struct disk *disk);
/* Wait until none is in flight, those that a done submits included. */
void disk_drain(struct disk *disk);

void disk_get_stats(const struct disk *disk, struct disk_stats *stats);
/* A request that the device refused by itself. */
void disk_count_invalid(struct disk *disk);

#endif
