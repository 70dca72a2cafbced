/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "dm/device.h"
#include "dm/devices.h"
#include "tool/savefile.h"
#include "tool/source.h"
#include "tool/table.h"

#include "xenram/migrate.h"
#include "xenram/ram.h"

static const struct column block_columns[] = {
    {"BLOCK", "name", false},    {"KIND", "kind", false},
    {"GFN", "gfn", true},        {"USED", "used_length", true},
    {"MAX", "max_length", true}, {"SIZE", "size", true},
    {"SUM", "sum", true},        {"FLAGS", "flags", false},
};
#define NR_BLOCK_COLUMNS (sizeof(block_columns) / sizeof(block_columns[0]))

static const struct column section_columns[] = {
    {"SECTION", "name", false},    {"INSTANCE", "instance", false},
    {"VERSION", "version", false}, {"OFFSET", "offset", true},
    {"LENGTH", "length", false},
};
#define NR_SECTION_COLUMNS                                                     \
    (sizeof(section_columns) / sizeof(section_columns[0]))

struct inspection {
    struct json_object *blocks, *sections;
    uint64_t offset; /* of the state in the file */
};

static void add_flags(struct json_object *row, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {XEN_RAM_RESIZEABLE, "resizeable"},
        {XEN_RAM_ROM, "rom"},
        {XEN_RAM_COPY, "private"},
        {XEN_RAM_SPARSE, "sparse"},
    };
    char text[64] = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!(flags & names[i].flag))
            continue;
        if (text[0])
            strcat(text, ",");
        strcat(text, names[i].name);
    }
    if (text[0])
        table_add_text(row, "flags", text);
}

static void show_block(const struct xen_migrate_block *block, void *opaque)
{
    struct inspection *inspection = opaque;
    struct json_object *row = json_object_new_object();

    table_add_text(row, "name", block->idstr);
    table_add_text(row, "kind", xen_migrate_kind_name(block->kind));
    if (block->gfn != XEN_RAM_NO_GFN)
        table_add_number(row, "gfn", block->gfn);
    table_add_number(row, "used_length", block->used_length);
    table_add_number(row, "max_length", block->max_length);
    table_add_number(row, "size", block->size);
    if (block->unit) {
        table_add_number(row, "unit", block->unit);
        table_add_number(row, "plugged", block->plugged);
    }
    if (block->has_sum)
        table_add_number(row, "sum", block->sum);
    add_flags(row, block->flags);
    json_object_array_add(inspection->blocks, row);
}

static void show_section(const struct xen_migrate_section *section,
                         void *opaque)
{
    struct inspection *inspection = opaque;
    struct json_object *row = json_object_new_object();

    table_add_text(row, "name", section->name);
    table_add_number(row, "instance", section->instance);
    table_add_number(row, "version", section->version);
    table_add_number(row, "offset", inspection->offset + section->offset);
    table_add_number(row, "length", section->length);
    json_object_array_add(inspection->sections, row);
}

/* What is around the state. */
static struct json_object *describe_file(const struct savefile *file)
{
    struct json_object *out = json_object_new_object();
    char xen[32];

    table_add_text(out, "format", file->libxl ? "xl" : "state");
    table_add_number(out, "length", file->length);
    if (!file->memory)
        return out;
    snprintf(xen, sizeof(xen), "%" PRIu32 ".%" PRIu32, file->xen_major,
             file->xen_minor);
    table_add_text(out, "guest", file->hvm ? "HVM" : "PV");
    table_add_text(out, "xen", xen);
    table_add_number(out, "libxc_version", file->libxc_version);
    table_add_number(out, "pages", file->pages);
    return out;
}

static int look_at_state(struct inspection *inspection,
                         const struct savefile *file,
                         char error[XEN_MIGRATE_ERROR_MAX])
{
    const struct xen_migrate_inspector inspector = {
        .block = show_block, .section = show_section, .opaque = inspection};
    struct xen_migrate_device *known = calloc(nr_device_rows, sizeof(*known));
    size_t nr = 0;
    int ret;

    if (!known) {
        snprintf(error, XEN_MIGRATE_ERROR_MAX, "no memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < nr_device_rows; i++) {
        if (device_rows[i].ops->saved)
            known[nr++] = (struct xen_migrate_device){
                .saved = device_rows[i].ops->saved,
                .instance = device_rows[i].instance};
    }
    inspection->offset = file->state_offset;
    ret = xen_migrate_inspect(known, nr, file->state_fd, &inspector, error);
    free(known);
    return ret;
}

static void print_tables(const struct savefile *file,
                         const struct inspection *inspection)
{
    if (file->libxl)
        printf("saved by xl, %" PRIu64 " bytes\n", file->length);
    if (file->memory)
        printf("memory of %s guest on Xen %" PRIu32 ".%" PRIu32
               ", stream of libxc version %" PRIu32 ", %" PRIu64
               " pages (%" PRIu64 " MiB)\n",
               file->hvm ? "an HVM" : "a PV", file->xen_major, file->xen_minor,
               file->libxc_version, file->pages, file->pages >> 8);
    if (file->state_fd >= 0)
        printf("state of the device model at 0x%" PRIx64 ", %" PRIu64
               " bytes\n\n",
               file->state_offset, file->state_length);
    table_print(inspection->blocks, block_columns, NR_BLOCK_COLUMNS);
    if (json_object_array_length(inspection->blocks) > 0)
        putchar('\n');
    table_print(inspection->sections, section_columns, NR_SECTION_COLUMNS);
}

static void print_json(const struct savefile *file,
                       const struct inspection *inspection, const char *error)
{
    struct json_object *out = json_object_new_object();

    json_object_object_add(out, "file", describe_file(file));
    if (file->state_fd >= 0) {
        struct json_object *state = json_object_new_object();

        table_add_number(state, "offset", file->state_offset);
        table_add_number(state, "length", file->state_length);
        json_object_object_add(out, "state", state);
    }
    json_object_object_add(out, "blocks", json_object_get(inspection->blocks));
    json_object_object_add(out, "sections",
                           json_object_get(inspection->sections));
    if (error[0])
        table_add_text(out, "error", error);
    table_print_json(out);
    json_object_put(out);
}

int tool_inspect(int fd, const char *name, bool json)
{
    struct inspection inspection = {json_object_new_array(),
                                    json_object_new_array(), 0};
    char error[SOURCE_ERROR_MAX], reason[XEN_MIGRATE_ERROR_MAX] = "";
    struct savefile file;
    int ret = tool_read(fd, &file, error), looked = 0;

    if (file.state_fd >= 0)
        looked = look_at_state(&inspection, &file, reason);
    /* A state that its file cuts short is damaged because of that. */
    if (!ret && looked) {
        ret = looked;
        snprintf(error, sizeof(error), "state at 0x%" PRIx64 ": %s",
                 file.state_offset, reason);
    }
    if (json)
        print_json(&file, &inspection, error);
    else
        print_tables(&file, &inspection);
    if (ret)
        tool_error(name, "%s", error);
    json_object_put(inspection.blocks);
    json_object_put(inspection.sections);
    savefile_fini(&file);
    return ret;
}
