/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_IMAGE_H
#define DM_BLOCK_IMAGE_H

/*
 * An image: a raw file or a block device, opened once however many disks show
 * it, on whatever threads.  All functions may be called on any; those that move
 * data block.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk_request;

/* Those of one device model; zeroed but for the mutex at first. */
struct images {
    pthread_mutex_t mutex; /* of the list, of users and lockers */
    struct image *first;
};

struct image {
    struct image *next;
    struct images *images;
    unsigned users, lockers;
    int fd;
    bool block_device, read_only;
    dev_t dev; /* of a block device: its own number, and ino is 0 */
    ino_t ino;
    /* All below is every thread's. */
    _Atomic uint64_t size;      /* bytes */
    _Atomic bool never_at_once; /* the file system knows no reads that do not
                                   block */
    _Atomic bool never_discards;
    /* Writes that ended, and how many of these a flush has covered at least. */
    _Atomic uint64_t written, flushed;
    _Atomic int lost; /* -errno of the first flush that failed */
};

/* What a disk wants of its image. */
struct image_want {
    const char *id;   /* of the disk, for messages */
    const char *path; /* for messages alone when fd is not -1 */
    int fd;           /* -1: open path; else taken over whatever happens */
    bool read_only;
    bool raw; /* whatever its first bytes look like */
};

/*
 * One more user of the image, which is added to images when it is not there.
 * -errno after a line in the log: as open; -EISDIR, -EINVAL: no file and no
 * block device, shorter than a sector, or, unless raw is set, of another
 * format; -EACCES: fd cannot be written.
 */
int image_open(struct images *images, const struct image_want *want,
               struct image **out);
/* One user less; the last one closes it. */
void image_close(struct image *image);

/*
 * Lock it: one process that writes, or several that read.  Counts.  -EAGAIN
 * after a line in the log: another process has it, and still has after that
 * many milliseconds.  With reread, what is cached of it is forgotten: another
 * host may have written since.
 */
int image_lock(struct image *image, const char *id, const char *path,
               unsigned wait_ms, bool reread);
void image_unlock(struct image *image);

/* Read its size anew.  -errno; it stays as it was. */
int image_measure(struct image *image);

/*
 * Move what is left of a request that reads or writes; request->moved tells how
 * far it came.  flags are RWF_…  -EAGAIN: of RWF_NOWAIT, the rest would block.
 * -EIO: the image ends before; otherwise as preadv2, pwritev2.
 */
int image_move(const struct image *image, struct disk_request *request,
               int flags);
int image_discard(const struct image *image, uint64_t offset, uint64_t length);
int image_flush(const struct image *image);

#endif
