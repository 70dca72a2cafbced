/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dm/block/image.h"
#include "dm/log.h"
#include "dm/options.h"
#include "dm/thread.h"

/* libxl tells a device model to end and does not wait for it. */
#define ACTIVATE_MS 5000

struct entry {
    struct entry *next;
    struct thread *thread; /* NULL: the loop's */
    struct disk *disk;
};

struct disks {
    uv_loop_t *loop;
    struct entry *first, **end;
    struct images images;
    struct disk *ide[DISKS_MAX_IDE];
    bool cdrom[DISKS_MAX_IDE];
};

/* ---- on a disk's own thread ---- */

struct job {
    int (*fn)(struct job *job);
    struct disk *disk;
    unsigned ms;
    int ret;
    /* To open one. */
    uv_loop_t *loop;
    const struct disk_spec *spec;
};

static void do_job(void *opaque)
{
    struct job *job = opaque;

    job->ret = job->fn(job);
}

static int run_job(struct thread *thread, struct job *job)
{
    thread_call(thread, do_job, job);
    return job->ret;
}

static int do_with(const struct entry *entry, int (*fn)(struct job *job))
{
    struct job job = {.fn = fn, .disk = entry->disk};

    return run_job(entry->thread, &job);
}

static int open_one(struct job *job)
{
    return disk_open(job->loop, job->spec, &job->disk);
}

static int close_one(struct job *job)
{
    disk_close(job->disk);
    return 0;
}

static int activate_one(struct job *job)
{
    return disk_activate_within(job->disk, job->ms);
}

static int deactivate_one(struct job *job)
{
    return disk_deactivate(job->disk);
}

static int flush_one(struct job *job)
{
    return disk_flush_now(job->disk);
}

/* Had it anything to do? */
static int drain_one(struct job *job)
{
    bool busy = disk_in_flight(job->disk) > 0;

    disk_drain(job->disk);
    return busy;
}

/* ---- the list ---- */

static struct entry **find_link(struct disks *disks, const struct disk *disk)
{
    struct entry **link = &disks->first;

    while (*link && (*link)->disk != disk)
        link = &(*link)->next;
    return link;
}

int disks_add(struct disks *disks, struct thread *thread,
              const struct disk_spec *spec, struct disk **out)
{
    struct disk_spec wanted = *spec;
    struct job job = {
        .fn = open_one,
        .loop = thread ? thread_loop(thread) : disks->loop,
        .spec = &wanted,
    };
    struct entry *entry = calloc(1, sizeof(*entry));
    int ret;

    if (!entry) {
        log_error("disk %s: out of memory", spec->id);
        return -ENOMEM;
    }
    wanted.images = &disks->images;
    wanted.patient = thread != NULL;
    ret = run_job(thread, &job);
    if (ret) {
        free(entry);
        return ret;
    }
    entry->thread = thread;
    entry->disk = *out = job.disk;
    *disks->end = entry;
    disks->end = &entry->next;
    return 0;
}

void disks_remove(struct disks *disks, struct disk *disk)
{
    struct entry **link = find_link(disks, disk), *entry = *link;

    if (!entry)
        return;
    *link = entry->next;
    if (!*link)
        disks->end = link;
    for (unsigned i = 0; i < DISKS_MAX_IDE; i++)
        if (disks->ide[i] == disk)
            disks->ide[i] = NULL;
    (void)do_with(entry, close_one);
    free(entry);
}

static int add_drive(struct disks *disks, unsigned index,
                     const struct options_drive *drive, bool incoming)
{
    struct disk_spec spec = {
        .id = drive->id,
        .path = drive->file,
        .cache = drive->cache,
        .read_only = drive->read_only,
        .removable = drive->cdrom,
        .discard = drive->discard,
        .raw = drive->raw,
        .incoming = incoming,
    };

    disks->cdrom[index] = drive->cdrom;
    return disks_add(disks, NULL, &spec, &disks->ide[index]);
}

int disks_open(uv_loop_t *loop, const struct options *options,
               struct disks **out)
{
    struct disks *disks = calloc(1, sizeof(*disks));

    if (!disks) {
        log_error("disks: out of memory");
        return -ENOMEM;
    }
    disks->loop = loop;
    disks->end = &disks->first;
    pthread_mutex_init(&disks->images.mutex, NULL);
    for (unsigned i = 0; i < DISKS_MAX_IDE; i++) {
        const struct options_drive *drive = &options->drives[i];
        int ret = drive->id
                      ? add_drive(disks, i, drive, options->incoming_fd >= 0)
                      : 0;

        if (ret) {
            disks_close(disks);
            return ret;
        }
    }
    *out = disks;
    return 0;
}

void disks_close(struct disks *disks)
{
    if (!disks)
        return;
    while (disks->first)
        disks_remove(disks, disks->first->disk);
    pthread_mutex_destroy(&disks->images.mutex);
    free(disks);
}

struct disk *disks_ide(struct disks *disks, unsigned index)
{
    return disks && index < DISKS_MAX_IDE ? disks->ide[index] : NULL;
}

bool disks_ide_is_cdrom(const struct disks *disks, unsigned index)
{
    return disks && index < DISKS_MAX_IDE && disks->cdrom[index];
}

struct disk *disks_find(struct disks *disks, const char *id)
{
    struct disk *disk = NULL;

    while ((disk = disks_next(disks, disk)))
        if (strcmp(disk_id(disk), id) == 0)
            return disk;
    return NULL;
}

struct disk *disks_next(struct disks *disks, struct disk *after)
{
    struct entry *entry;

    if (!disks)
        return NULL;
    entry = disks->first;
    if (after) {
        entry = *find_link(disks, after);
        entry = entry ? entry->next : NULL;
    }
    return entry ? entry->disk : NULL;
}

bool disks_need_loop(struct disks *disks)
{
    struct entry *entry = disks ? disks->first : NULL;

    while (entry && (entry->thread || disk_in_flight(entry->disk) == 0))
        entry = entry->next;
    return entry != NULL;
}

/* ---- all of them ---- */

static int for_all(struct disks *disks, int (*fn)(struct job *job))
{
    int ret = 0;

    for (struct entry *e = disks ? disks->first : NULL; e; e = e->next) {
        int error = do_with(e, fn);

        ret = ret ? ret : error;
    }
    return ret;
}

/* A done of one disk may submit to another: as long as any has something. */
void disks_drain(struct disks *disks)
{
    while (for_all(disks, drain_one))
        continue;
}

int disks_activate(struct disks *disks)
{
    uint64_t end = uv_hrtime() + ACTIVATE_MS * UINT64_C(1000000);
    int ret = 0;

    for (struct entry *e = disks ? disks->first : NULL; e; e = e->next) {
        uint64_t now = uv_hrtime();
        struct job job = {
            .fn = activate_one,
            .disk = e->disk,
            .ms = now < end ? (unsigned)((end - now) / 1000000) : 0,
        };
        int error = run_job(e->thread, &job);

        ret = ret ? ret : error;
    }
    return ret;
}

int disks_activate_one(struct disks *disks, struct disk *disk)
{
    return do_with(*find_link(disks, disk), activate_one);
}

int disks_flush(struct disks *disks)
{
    disks_drain(disks);
    return for_all(disks, flush_one);
}

int disks_deactivate(struct disks *disks)
{
    disks_drain(disks);
    return for_all(disks, deactivate_one);
}
