/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options-impl.h"

#include <errno.h>
#include <string.h>

#include "dm/log.h"

#define UNITS 2 /* drives of a bus */

/* QEMU's names of drives without an id. */
static const char *const default_ids[2][OPTIONS_MAX_DRIVES] = {
    {"ide0-hd0", "ide0-hd1", "ide1-hd0", "ide1-hd1"},
    {"ide0-cd0", "ide0-cd1", "ide1-cd0", "ide1-cd1"},
};

static const struct {
    const char *name;
    enum disk_cache cache;
    bool direct;
} caches[] = {
    {"writeback", DISK_WRITEBACK, false},
    {"none", DISK_WRITEBACK, true},
    {"writethrough", DISK_WRITETHROUGH, false},
    {"directsync", DISK_WRITETHROUGH, true},
    {"unsafe", DISK_UNSAFE, false},
};
#define NR_CACHES (sizeof(caches) / sizeof(caches[0]))

static int read_cache(const struct parse *parse, const char *name,
                      struct options_drive *drive)
{
    for (size_t i = 0; name && i < NR_CACHES; i++) {
        if (strcmp(name, caches[i].name) != 0)
            continue;
        drive->cache = caches[i].cache;
        if (caches[i].direct)
            log_warn("-drive cache=%s: Linux knows no direct I/O to the memory "
                     "of guests: the page cache is used (xl.cfg: disk)",
                     name);
        return 0;
    }
    return name ? parse_refuse(parse, "disk", "cache=%s is not known", name)
                : 0;
}

static int read_format(const struct parse *parse, const char *format,
                       struct options_drive *drive)
{
    drive->raw = format != NULL;
    if (!format || strcmp(format, "raw") == 0)
        return 0;
    return parse_refuse(parse, "format in disk",
                        "format=%s: only raw is supported; qemu-img convert "
                        "-O raw makes it of others",
                        format);
}

/* A flag that has words of its own beside on and off. */
static int read_flag(const struct parse *parse, const struct keyvals *keyvals,
                     const char *key, const char *on, const char *off,
                     bool *out)
{
    const char *text = keyvals_get(keyvals, key);

    if (!text || keyval_bool(text, out) == 0)
        return 0;
    if (on && (strcmp(text, on) == 0 || strcmp(text, off) == 0)) {
        *out = strcmp(text, on) == 0;
        return 0;
    }
    return parse_refuse(parse, "disk", "%s=%s is not known", key, text);
}

static int read_drive(const struct parse *parse, const struct keyvals *keyvals,
                      struct options_drive *drive)
{
    const char *media = keyvals_get(keyvals, "media");
    int ret;

    drive->id = keyvals_get(keyvals, "id");
    drive->file = keyvals_get(keyvals, "file");
    if (drive->file && !*drive->file)
        drive->file = NULL;
    drive->cdrom = media && strcmp(media, "cdrom") == 0;
    if (media && !drive->cdrom && strcmp(media, "disk") != 0)
        return parse_refuse(parse, "disk", "media=%s is not known", media);
    ret = read_format(parse, keyvals_get(keyvals, "format"), drive);
    if (ret == 0)
        ret = read_cache(parse, keyvals_get(keyvals, "cache"), drive);
    if (ret == 0)
        ret = read_flag(parse, keyvals, "readonly", NULL, NULL,
                        &drive->read_only);
    if (ret == 0)
        ret = read_flag(parse, keyvals, "discard", "unmap", "ignore",
                        &drive->discard);
    return ret;
}

/* Index of bus and unit, which may be NULL: 0. */
static int read_place(const struct parse *parse, const char *bus,
                      const char *unit, unsigned *index)
{
    uint64_t bus_nr = 0, unit_nr = 0;

    if (bus && keyval_number(bus, OPTIONS_MAX_DRIVES / UNITS - 1, &bus_nr))
        return parse_refuse(parse, "vdev in disk",
                            "there is no bus %s: the IDE controller has 0 and "
                            "1 (hda to hdd)",
                            bus);
    if (unit && keyval_number(unit, UNITS - 1, &unit_nr))
        return parse_refuse(parse, "vdev in disk",
                            "there is no unit %s: a bus has 0 and 1", unit);
    *index = (unsigned)(bus_nr * UNITS + unit_nr);
    return 0;
}

/* PARSE_NO_INDEX when nothing says it. */
static int read_index(const struct parse *parse, const struct keyvals *keyvals,
                      unsigned *out)
{
    const char *bus = keyvals_get(keyvals, "bus");
    const char *unit = keyvals_get(keyvals, "unit");
    const char *index = keyvals_get(keyvals, "index");
    uint64_t number;

    if (bus || unit)
        return read_place(parse, bus, unit, out);
    *out = PARSE_NO_INDEX;
    if (!index)
        return 0;
    if (keyval_number(index, OPTIONS_MAX_DRIVES - 1, &number))
        return parse_refuse(parse, "vdev in disk",
                            "there is no index %s: the IDE controller has "
                            "drives 0 to %u (hda to hdd)",
                            index, OPTIONS_MAX_DRIVES - 1);
    *out = (unsigned)number;
    return 0;
}

int parse_drive(struct parse *parse)
{
    static const char *const known[] = {
        "file", "if",  "index", "bus",      "unit",    "media", "format",
        "id",   "aio", "cache", "readonly", "discard", NULL};
    struct parse_drive *drive = &parse->drives[parse->nr_drives];
    struct keyvals keyvals;
    const char *unknown, *interface;
    int ret = parse_keyvals(parse, NULL, &keyvals);

    if (ret)
        return ret;
    if (parse->nr_drives == PARSE_MAX_DRIVES)
        return parse_refuse(parse, "disk", "more than %u drives",
                            PARSE_MAX_DRIVES);
    unknown = keyvals_unknown(&keyvals, known);
    if (unknown)
        return parse_refuse(parse, "disk",
                            "%s= is not known; a path cannot have commas",
                            unknown);
    interface = keyvals_get(&keyvals, "if");
    drive->free = interface && strcmp(interface, "none") == 0;
    if (interface && !drive->free && strcmp(interface, "ide") != 0)
        return parse_refuse(parse, "vdev in disk",
                            "if=%s: the only controller is IDE (hda to hdd)",
                            interface);
    ret = read_drive(parse, &keyvals, &drive->drive);
    if (ret == 0)
        ret = read_index(parse, &keyvals, &drive->index);
    if (ret)
        return ret;
    if (drive->free && !drive->drive.id)
        return parse_refuse(parse, "disk", "if=none needs an id=");
    parse->nr_drives++;
    return 0;
}

int parse_ide_device(struct parse *parse, const struct keyvals *keyvals,
                     const char *model)
{
    struct parse_ide *ide = &parse->ides[parse->nr_ides];
    const char *bus = keyvals_get(keyvals, "bus");

    if (parse->nr_ides == OPTIONS_MAX_DRIVES)
        return parse_refuse(parse, "disk", "more than %u IDE drives",
                            OPTIONS_MAX_DRIVES);
    ide->cdrom = strcmp(model, "ide-cd") == 0;
    if (!ide->cdrom && strcmp(model, "ide-hd") != 0)
        return parse_refuse(parse, "disk", "ide-hd and ide-cd are known");
    ide->drive = keyvals_get(keyvals, "drive");
    if (!ide->drive)
        return parse_refuse(parse, "disk", "drive= is needed");
    if (!bus || strncmp(bus, "ide.", 4) != 0)
        return parse_refuse(parse, "hdtype",
                            "bus=%s: there are ide.0 and ide.1; use "
                            "hdtype=\"ide\"",
                            bus ? bus : "");
    parse->nr_ides++;
    return read_place(parse, bus + 4, keyvals_get(keyvals, "unit"),
                      &ide->index);
}

/* ---- all options are known ---- */

static int refuse(const struct options_drive *drive, const char *what)
{
    log_error("-drive %s=%s: %s (xl.cfg: disk)", drive->id ? "id" : "file",
              drive->id     ? drive->id
              : drive->file ? drive->file
                            : "",
              what);
    return -EINVAL;
}

static int place(struct options *options, unsigned index,
                 const struct options_drive *drive)
{
    struct options_drive *to = &options->drives[index];

    if (to->id)
        return refuse(drive, "another drive has this place");
    if (!drive->cdrom && !drive->file)
        return refuse(drive, "file= is missing");
    *to = *drive;
    if (!to->id)
        to->id = default_ids[drive->cdrom][index];
    if (drive->cdrom)
        to->read_only = true;
    for (unsigned i = 0; i < OPTIONS_MAX_DRIVES; i++)
        if (i != index && options->drives[i].id &&
            strcmp(options->drives[i].id, to->id) == 0)
            return refuse(drive, "two drives have this id");
    return 0;
}

static int place_devices(struct parse *parse)
{
    for (unsigned i = 0; i < parse->nr_ides; i++) {
        const struct parse_ide *ide = &parse->ides[i];
        struct parse_drive *drive = NULL;
        int ret;

        for (unsigned j = 0; j < parse->nr_drives && !drive; j++)
            if (parse->drives[j].free &&
                strcmp(parse->drives[j].drive.id, ide->drive) == 0)
                drive = &parse->drives[j];
        if (!drive) {
            log_error("-device ide-%s,drive=%s: no -drive if=none has this id "
                      "(xl.cfg: disk)",
                      ide->cdrom ? "cd" : "hd", ide->drive);
            return -EINVAL;
        }
        if (drive->used)
            return refuse(&drive->drive, "two devices use it");
        drive->used = true;
        drive->drive.cdrom = ide->cdrom;
        ret = place(parse->options, ide->index, &drive->drive);
        if (ret)
            return ret;
    }
    return 0;
}

/* Those that say where they are, before the others get what is left. */
static int place_drives(struct parse *parse, bool anywhere)
{
    struct options *options = parse->options;

    for (unsigned i = 0; i < parse->nr_drives; i++) {
        const struct parse_drive *drive = &parse->drives[i];
        unsigned index = drive->index;
        int ret;

        if (drive->free || (index == PARSE_NO_INDEX) != anywhere)
            continue;
        if (anywhere)
            for (index = 0; index < OPTIONS_MAX_DRIVES - 1; index++)
                if (!options->drives[index].id)
                    break;
        ret = place(options, index, &drive->drive);
        if (ret)
            return ret;
    }
    return 0;
}

int parse_resolve_drives(struct parse *parse)
{
    int ret = place_devices(parse);

    if (ret == 0)
        ret = place_drives(parse, false);
    if (ret == 0)
        ret = place_drives(parse, true);
    if (ret)
        return ret;
    for (unsigned i = 0; i < parse->nr_drives; i++)
        if (parse->drives[i].free && !parse->drives[i].used)
            log_warn("-drive id=%s: no IDE device uses it: the guest sees no "
                     "such disk (xl.cfg: disk)",
                     parse->drives[i].drive.id);
    return 0;
}
