/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm/block/disk-impl.h"
#include "dm/block/image.h"
#include "dm/log.h"

static int open_image(struct disk *disk, const char *path, int fd,
                      struct image **out)
{
    struct image_want want = {
        .id = disk->id,
        .path = path,
        .fd = fd,
        .read_only = disk->read_only,
        .raw = disk->raw,
    };

    return image_open(disk->images, &want, out);
}

int disk_open(uv_loop_t *loop, const struct disk_spec *spec, struct disk **out)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    int ret = -ENOMEM;

    if (!disk)
        goto err_log;
    disk->id = strdup(spec->id);
    disk->path = spec->path ? strdup(spec->path) : NULL;
    if (!disk->id || (spec->path && !disk->path))
        goto err_free;
    disk->cache = spec->cache;
    disk->read_only = spec->read_only;
    disk->removable = spec->removable;
    disk->discard = spec->discard;
    disk->raw = spec->raw;
    disk->patient = spec->patient;
    disk->reread = spec->incoming;
    ret = disk_io_get(loop, &disk->io);
    if (ret)
        goto err_free;
    disk->images = spec->images ? spec->images : &disk->io->images;
    ret = disk->path ? open_image(disk, disk->path, -1, &disk->image) : 0;
    if (ret)
        goto err_io;
    pthread_mutex_init(&disk->stats_mutex, NULL);
    *out = disk;
    return 0;

err_io:
    disk_io_put(disk->io);
    free(disk->path);
    free(disk->id);
    free(disk);
    return ret;
err_free:
    free(disk->path);
    free(disk->id);
    free(disk);
err_log:
    log_error("disk %s: %s", spec->id, strerror(-ret));
    return ret;
}

/* What was written through this image reaches the medium. */
static int flush(struct disk *disk)
{
    struct image *image = disk->image;
    uint64_t covers = image->written;
    int ret = image->lost;

    if (ret == 0 && image->flushed != covers)
        ret = image_flush(image);
    image->lost = ret;
    if (ret)
        log_error("disk %s: cannot flush %s: %s: data that was written may be "
                  "lost",
                  disk->id, disk->path, strerror(-ret));
    else
        image->flushed = covers;
    return ret;
}

/*
 * The medium goes.  It is unlocked first: who waits for it on this host reads
 * what was written from the page cache, and a flush may take long.
 */
static void drop(struct disk *disk)
{
    if (!disk->image)
        return;
    if (disk->active) {
        image_unlock(disk->image);
        (void)flush(disk);
    }
    image_close(disk->image);
    free(disk->path);
    disk->image = NULL;
    disk->path = NULL;
}

void disk_close(struct disk *disk)
{
    if (!disk)
        return;
    disk_drain(disk);
    drop(disk);
    disk_io_put(disk->io);
    pthread_mutex_destroy(&disk->stats_mutex);
    free(disk->id);
    free(disk);
}

int disk_activate(struct disk *disk)
{
    return disk_activate_within(disk, 0);
}

int disk_activate_within(struct disk *disk, unsigned ms)
{
    int ret;

    if (disk->active)
        return 0;
    if (disk->image) {
        ret = image_lock(disk->image, disk->id, disk->path, ms, disk->reread);
        if (ret)
            return ret;
        (void)image_measure(disk->image);
    }
    disk->active = true;
    disk->reread = false;
    return 0;
}

int disk_flush_now(struct disk *disk)
{
    disk_drain(disk);
    return disk->image && disk->active ? flush(disk) : 0;
}

int disk_deactivate(struct disk *disk)
{
    int ret;

    ret = disk_flush_now(disk);
    if (ret || !disk->active)
        return ret;
    if (disk->image)
        image_unlock(disk->image);
    disk->active = false;
    disk->reread = true;
    return 0;
}

static int change(struct disk *disk, const char *path, int fd)
{
    char *copy = strdup(path);
    struct image *image;
    int ret = -ENOMEM;

    if (!copy) {
        if (fd >= 0)
            close(fd);
        return ret;
    }
    ret = open_image(disk, path, fd, &image);
    if (ret)
        goto err_free;
    ret = disk->active ? image_lock(image, disk->id, path, 0, false) : 0;
    if (ret)
        goto err_image;
    disk_drain(disk);
    drop(disk);
    disk->image = image;
    disk->path = copy;
    return 0;

err_image:
    image_close(image);
err_free:
    free(copy);
    return ret;
}

int disk_change(struct disk *disk, const char *path, int fd)
{
    int ret = 0;

    if (!disk->removable) {
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    if (path) {
        ret = change(disk, path, fd);
    } else {
        disk_drain(disk);
        drop(disk);
    }
    if (ret == 0 && disk->changed)
        disk->changed(disk->changed_opaque);
    return ret;
}

void disk_on_change(struct disk *disk, void (*changed)(void *opaque),
                    void *opaque)
{
    disk->changed = changed;
    disk->changed_opaque = opaque;
}

void disk_set_tray(struct disk *disk, const struct disk_tray_ops *ops,
                   void *opaque)
{
    disk->tray = ops;
    disk->tray_opaque = opaque;
}

bool disk_tray_locked(const struct disk *disk)
{
    return disk->tray && disk->tray->is_locked(disk->tray_opaque);
}

bool disk_tray_open(const struct disk *disk)
{
    return disk->tray && disk->tray->is_open(disk->tray_opaque);
}

void disk_ask_for_medium(struct disk *disk)
{
    if (disk->tray)
        disk->tray->ask_for_medium(disk->tray_opaque);
}

const char *disk_id(const struct disk *disk)
{
    return disk->id;
}

const char *disk_path(const struct disk *disk)
{
    return disk->path;
}

bool disk_has_medium(const struct disk *disk)
{
    return disk->image != NULL;
}

bool disk_read_only(const struct disk *disk)
{
    return disk->read_only;
}

bool disk_removable(const struct disk *disk)
{
    return disk->removable;
}

enum disk_cache disk_get_cache(const struct disk *disk)
{
    return disk->cache;
}

uint64_t disk_nr_sectors(const struct disk *disk)
{
    return disk->image ? disk->image->size / DISK_SECTOR : 0;
}

unsigned disk_in_flight(const struct disk *disk)
{
    return disk->in_flight;
}

void disk_get_stats(struct disk *disk, struct disk_stats *stats)
{
    pthread_mutex_lock(&disk->stats_mutex);
    *stats = disk->stats;
    pthread_mutex_unlock(&disk->stats_mutex);
}

void disk_count_invalid(struct disk *disk)
{
    pthread_mutex_lock(&disk->stats_mutex);
    disk->stats.invalid_operations++;
    pthread_mutex_unlock(&disk->stats_mutex);
}
