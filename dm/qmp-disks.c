/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "dm/block/disks.h"
#include "dm/machine.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

/* ---- queries ------------------------------------------------------------ */

static struct json_object *describe_medium(const struct disk *disk)
{
    static const char *const limits[] = {"bps",  "bps_rd",  "bps_wr",
                                         "iops", "iops_rd", "iops_wr"};
    struct json_object *item = json_object_new_object();
    struct json_object *image = json_object_new_object();
    struct json_object *cache = json_object_new_object();
    enum disk_cache mode = disk_get_cache(disk);

    qmp_put_string(item, "file", disk_path(disk));
    qmp_put_string(item, "drv", "raw");
    qmp_put_bool(item, "ro", disk_read_only(disk));
    qmp_put_bool(item, "encrypted", false);
    qmp_put_string(item, "detect_zeroes", "off");
    qmp_put_int(item, "backing_file_depth", 0);
    qmp_put_int(item, "write_threshold", 0);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        qmp_put_int(item, limits[i], 0);
    qmp_put_string(image, "filename", disk_path(disk));
    qmp_put_string(image, "format", "raw");
    qmp_put_int(image, "virtual-size", disk_nr_sectors(disk) * DISK_SECTOR);
    qmp_put(item, "image", image);
    qmp_put_bool(cache, "writeback", mode != DISK_WRITETHROUGH);
    qmp_put_bool(cache, "direct", false);
    qmp_put_bool(cache, "no-flush", mode == DISK_UNSAFE);
    qmp_put(item, "cache", cache);
    return item;
}

struct json_object *qmp_query_block(struct qmp_call *call,
                                    struct qmp_error *error)
{
    struct disks *disks = call->context->machine->disks;
    struct json_object *list = json_object_new_array();
    struct disk *disk = NULL;

    (void)error;
    while ((disk = disks_next(disks, disk))) {
        struct json_object *item = json_object_new_object();

        qmp_put_string(item, "device", disk_id(disk));
        qmp_put_string(item, "qdev", disk_id(disk));
        qmp_put_string(item, "type", "unknown");
        qmp_put_bool(item, "removable", disk_removable(disk));
        qmp_put_bool(item, "locked", disk_tray_locked(disk));
        qmp_put_string(item, "io-status", "ok");
        if (disk_removable(disk))
            qmp_put_bool(item, "tray_open", disk_tray_open(disk));
        if (disk_has_medium(disk))
            qmp_put(item, "inserted", describe_medium(disk));
        qmp_add(list, item);
    }
    return list;
}

static struct json_object *describe_stats(const struct disk_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"rd_bytes", stats->rd_bytes},
        {"wr_bytes", stats->wr_bytes},
        {"unmap_bytes", stats->discard_bytes},
        {"rd_operations", stats->rd_operations},
        {"wr_operations", stats->wr_operations},
        {"flush_operations", stats->flush_operations},
        {"unmap_operations", stats->discard_operations},
        {"rd_total_time_ns", stats->rd_total_time_ns},
        {"wr_total_time_ns", stats->wr_total_time_ns},
        {"flush_total_time_ns", stats->flush_total_time_ns},
        {"unmap_total_time_ns", stats->discard_total_time_ns},
        {"wr_highest_offset", stats->wr_highest_offset},
        {"rd_merged", 0},
        {"wr_merged", 0},
        {"unmap_merged", 0},
        {"failed_rd_operations", stats->failed_rd_operations},
        {"failed_wr_operations", stats->failed_wr_operations},
        {"failed_flush_operations", stats->failed_flush_operations},
        {"failed_unmap_operations", stats->failed_discard_operations},
        {"invalid_rd_operations", stats->invalid_operations},
        {"invalid_wr_operations", 0},
        {"invalid_flush_operations", 0},
        {"invalid_unmap_operations", 0},
    };
    struct json_object *item = json_object_new_object();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        qmp_put_int(item, rows[i].name, rows[i].value);
    qmp_put_bool(item, "account_failed", false);
    qmp_put_bool(item, "account_invalid", false);
    qmp_put(item, "timed_stats", json_object_new_array());
    return item;
}

struct json_object *qmp_query_blockstats(struct qmp_call *call,
                                         struct qmp_error *error)
{
    struct disks *disks = call->context->machine->disks;
    struct json_object *list = json_object_new_array();
    struct disk *disk = NULL;

    (void)error;
    while ((disk = disks_next(disks, disk))) {
        struct json_object *item = json_object_new_object();
        struct disk_stats stats;

        disk_get_stats(disk, &stats);
        qmp_put_string(item, "device", disk_id(disk));
        qmp_put_string(item, "qdev", disk_id(disk));
        qmp_put(item, "stats", describe_stats(&stats));
        qmp_add(list, item);
    }
    return list;
}

/* ---- media -------------------------------------------------------------- */

/* libxl names it by id since 4.15, by device before. */
static struct disk *find_drive(struct qmp_call *call, struct qmp_error *error)
{
    struct disks *disks = call->context->machine->disks;
    const char *id = qmp_string(call, "id");
    struct disk *disk;

    if (!id)
        id = qmp_string(call, "device");
    if (!id) {
        qmp_fail(error, QMP_GENERIC, "id or device is needed");
        return NULL;
    }
    disk = disks_find(disks, id);
    if (!disk) {
        qmp_fail(error, QMP_DEVICE_NOT_FOUND, "there is no disk %.100s", id);
        return NULL;
    }
    if (!disk_removable(disk)) {
        qmp_fail(error, QMP_GENERIC,
                 "%s is no CD-ROM drive: its medium stays (xl.cfg: disk)",
                 disk_id(disk));
        return NULL;
    }
    return disk;
}

/* May the medium go?  A guest that locked the tray is asked for it. */
static bool may_go(struct qmp_call *call, struct disk *disk,
                   struct qmp_error *error)
{
    if (!disk_tray_locked(disk) || qmp_bool(call, "force", false))
        return true;
    disk_ask_for_medium(disk);
    qmp_fail(error, QMP_GENERIC,
             "%s is locked by the guest, which was asked to let it go: try "
             "again when it has unmounted it",
             disk_id(disk));
    return false;
}

struct json_object *qmp_eject(struct qmp_call *call, struct qmp_error *error)
{
    struct disk *disk = find_drive(call, error);

    if (!disk || !may_go(call, disk, error))
        return NULL;
    (void)disk_change(disk, NULL, -1);
    return json_object_new_object();
}

/* "raw:PATH" is what libxl says of a descriptor. */
static const char *path_of(struct qmp_call *call, const char *filename)
{
    const char *opaque = qmp_fdsets_opaque(&call->context->fdsets, filename);
    const char *colon = strchr(opaque, ':');

    return colon && colon[1] ? colon + 1 : filename;
}

static struct json_object *insert(struct qmp_call *call, const char *filename,
                                  const char *format, struct qmp_error *error)
{
    struct disk *disk = find_drive(call, error);
    char path[QMP_FDSET_OPAQUE + 1];
    int fd = -1, ret;

    if (!disk)
        return NULL;
    if (format && strcmp(format, "raw") != 0)
        return qmp_fail(error, QMP_GENERIC,
                        "format %.50s: only raw is supported (xl.cfg: disk)",
                        format);
    if (!may_go(call, disk, error))
        return NULL;
    if (qmp_fdsets_is_name(filename)) {
        snprintf(path, sizeof(path), "%s", path_of(call, filename));
        fd = qmp_fdsets_open(&call->context->fdsets, filename,
                             disk_read_only(disk) ? O_RDONLY : O_RDWR);
        if (fd < 0)
            return qmp_fail(error, QMP_GENERIC, "%.200s: %s", filename,
                            strerror(-fd));
        filename = path;
    }
    ret = disk_change(disk, filename, fd);
    if (ret)
        return qmp_fail(error, QMP_GENERIC,
                        "%.200s cannot be used: %s (the log says more)",
                        filename, strerror(-ret));
    return json_object_new_object();
}

struct json_object *qmp_change_medium(struct qmp_call *call,
                                      struct qmp_error *error)
{
    return insert(call, qmp_string(call, "filename"),
                  qmp_string(call, "format"), error);
}

/* libxl before 4.15. */
struct json_object *qmp_change(struct qmp_call *call, struct qmp_error *error)
{
    if (strcmp(qmp_string(call, "device"), "vnc") == 0)
        return qmp_fail(error, QMP_GENERIC,
                        "no VNC server; take vncpasswd out of xl.cfg");
    return insert(call, qmp_string(call, "target"), qmp_string(call, "arg"),
                  error);
}
