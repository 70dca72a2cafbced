/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dm/log.h"
#include "dm/options.h"

/* libxl tells a device model to end and does not wait for it. */
#define ACTIVATE_MS 5000

struct entry {
    struct entry *next;
    struct disk *disk;
};

struct disks {
    uv_loop_t *loop;
    struct entry *first, **end;
    struct disk *ide[DISKS_MAX_IDE];
    bool cdrom[DISKS_MAX_IDE];
    bool incoming;
};

int disks_add(struct disks *disks, const struct disk_spec *spec,
              struct disk **out)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    int ret;

    if (!entry) {
        log_error("disk %s: out of memory", spec->id);
        return -ENOMEM;
    }
    ret = disk_open(disks->loop, spec, &entry->disk);
    if (ret) {
        free(entry);
        return ret;
    }
    *disks->end = entry;
    disks->end = &entry->next;
    *out = entry->disk;
    return 0;
}

void disks_remove(struct disks *disks, struct disk *disk)
{
    struct entry **link = &disks->first, *entry;

    while (*link && (*link)->disk != disk)
        link = &(*link)->next;
    entry = *link;
    if (!entry)
        return;
    *link = entry->next;
    if (!*link)
        disks->end = link;
    for (unsigned i = 0; i < DISKS_MAX_IDE; i++)
        if (disks->ide[i] == disk)
            disks->ide[i] = NULL;
    disk_close(disk);
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
    return disks_add(disks, &spec, &disks->ide[index]);
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
    struct entry *entry = disks ? disks->first : NULL;

    if (after) {
        while (entry && entry->disk != after)
            entry = entry->next;
        entry = entry ? entry->next : NULL;
    }
    return entry ? entry->disk : NULL;
}

/* A done of one disk may submit to another: as long as any has something. */
void disks_drain(struct disks *disks)
{
    struct disk *disk = NULL;
    bool busy = true;

    while (busy) {
        busy = false;
        while ((disk = disks_next(disks, disk))) {
            busy |= disk_in_flight(disk) > 0;
            disk_drain(disk);
        }
    }
}

static int for_all(struct disks *disks, int (*fn)(struct disk *disk))
{
    struct disk *disk = NULL;
    int ret = 0;

    while ((disk = disks_next(disks, disk))) {
        int error = fn(disk);

        ret = ret ? ret : error;
    }
    return ret;
}

int disks_activate(struct disks *disks)
{
    uint64_t end = uv_hrtime() + ACTIVATE_MS * UINT64_C(1000000);
    struct disk *disk = NULL;
    int ret = 0;

    while ((disk = disks_next(disks, disk))) {
        uint64_t now = uv_hrtime();
        unsigned left = now < end ? (unsigned)((end - now) / 1000000) : 0;
        int error = disk_activate_within(disk, left);

        ret = ret ? ret : error;
    }
    return ret;
}

int disks_flush(struct disks *disks)
{
    disks_drain(disks);
    return for_all(disks, disk_flush_now);
}

int disks_deactivate(struct disks *disks)
{
    disks_drain(disks);
    return for_all(disks, disk_deactivate);
}
