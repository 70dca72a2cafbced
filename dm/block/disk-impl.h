/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_DISK_IMPL_H
#define DM_BLOCK_DISK_IMPL_H

/* Shared by the files that make up a disk only. */

#include <pthread.h>
#include <stdbool.h>

#include "dm/block/disk.h"
#include "dm/block/image.h"
#include "dm/block/workers.h"

/* What all disks of one event loop share; the loop's data points to it. */
struct disk_io {
    uv_loop_t *loop;
    unsigned users, in_flight;
    unsigned at_once; /* bytes, in this turn of the loop */
    struct images images;
    struct workers *workers;
    uv_async_t async; /* a worker has ended requests; keeps the loop alive */
    uv_idle_t idle;   /* active: some are given, or ended, in this turn */
    unsigned nr_handles;
    struct request_list ended; /* done is to be called */
};

/* Find or make it; -errno.  The last user that puts it back ends it. */
int disk_io_get(uv_loop_t *loop, struct disk_io **out);
void disk_io_put(struct disk_io *io);

struct disk {
    struct disk_io *io;
    char *id;
    char *path;          /* NULL: no medium */
    struct image *image; /* NULL as well */
    enum disk_cache cache;
    struct images *images;
    bool read_only, removable, discard, raw;
    bool patient; /* nothing but disks waits for its thread */
    bool active;  /* the image, if any, is locked */
    bool reread;  /* another host may have written it */
    _Atomic unsigned in_flight;
    void (*changed)(void *opaque);
    void *changed_opaque;
    const struct disk_tray_ops *tray;
    void *tray_opaque;
    pthread_mutex_t stats_mutex;
    struct disk_stats stats;
};

/* Runs on a worker. */
void disk_carry_out(struct disk_request *request);
/* Call done of those that have ended by now, and start those that are new. */
void disk_io_finish(struct disk_io *io);
void disk_io_turned(uv_idle_t *idle);

#endif
