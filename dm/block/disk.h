/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_DISK_H
#define DM_BLOCK_DISK_H

/*
 * A disk: an image (raw file or block device) and the requests to it.  Worker
 * threads carry requests out; everything here is called, and every request
 * ends, on the thread of the event loop, unless a function says otherwise.
 *
 * The loop's data pointer is this module's: its threads and images hang there.
 * It is NULL before the first disk; uv_loop_init leaves it as it was.
 *
 * Nothing is allocated for a request, and nothing bounds how many there are but
 * their callers, each by a depth of its own.
 *
 * Images.  Two disks of one device model may have the same image (an emulated
 * disk and the PV disk beside it): they share one open file and one lock, on
 * whatever threads they are.
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
struct images;

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
    bool patient;   /* its thread does nothing else, and may wait for it */
    /* Shared with disks of other loops; outlive it.  NULL: of this loop. */
    struct images *images;
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
    bool quick;       /* rarely blocks */
    int error;
};

/* Counters as query-blockstats has them. */
struct disk_stats {
    uint64_t rd_bytes, wr_bytes, discard_bytes;
    uint64_t rd_operations, wr_operations;
    uint64_t flush_operations, discard_operations;
    uint64_t rd_total_time_ns, wr_total_time_ns, flush_total_time_ns;
    uint64_t discard_total_time_ns;
    uint64_t failed_rd_operations, failed_wr_operations;
    uint64_t failed_flush_operations, failed_discard_operations;
    uint64_t invalid_operations; /* that the device refused by itself */
    uint64_t wr_highest_offset;  /* the first byte that was not written yet */
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
/* Who has it may be about to end: wait for that so many milliseconds. */
int disk_activate_within(struct disk *disk, unsigned ms);
int disk_deactivate(struct disk *disk);

/* These on any thread, while no other changes or closes the disk. */
const char *disk_id(const struct disk *disk);
const char *disk_path(const struct disk *disk); /* NULL: no medium */
bool disk_has_medium(const struct disk *disk);
bool disk_read_only(const struct disk *disk);
bool disk_removable(const struct disk *disk);
enum disk_cache disk_get_cache(const struct disk *disk);
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
 * The drive of a removable disk, for operators.  Without it the tray is closed
 * and never locked.
 */
struct disk_tray_ops {
    bool (*is_locked)(void *opaque); /* the guest prevents removal */
    bool (*is_open)(void *opaque);
    /* An operator wants the medium, and the tray is locked: tell the guest. */
    void (*ask_for_medium)(void *opaque);
};

/* ops live as long as the disk; NULL: none any more. */
void disk_set_tray(struct disk *disk, const struct disk_tray_ops *ops,
                   void *opaque);
bool disk_tray_locked(const struct disk *disk);
bool disk_tray_open(const struct disk *disk);
void disk_ask_for_medium(struct disk *disk);

/*
 * Start a request.  It ends by done, never before disk_submit returns.  A flush
 * covers the writes that had ended when it was submitted.  After one that
 * failed all of the image's fail: what was written may be lost.
 */
void disk_submit(struct disk *disk, struct disk_request *request);
unsigned disk_in_flight(const struct disk *disk);
/* Wait until none is in flight, those that a done submits included. */
void disk_drain(struct disk *disk);
/* Drain, and bring what was written to the medium.  -errno as deactivate. */
int disk_flush_now(struct disk *disk);

/* On any thread. */
void disk_get_stats(struct disk *disk, struct disk_stats *stats);
/* A request that the device refused by itself. */
void disk_count_invalid(struct disk *disk);

#endif
