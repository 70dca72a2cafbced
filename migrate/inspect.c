/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/migrate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/error.h"
#include "migrate/fields.h"
#include "migrate/ownership.h"
#include "migrate/pages.h"
#include "migrate/section.h"
#include "migrate/wire.h"

/* What a caller is told bounds what it may have to keep. */
#define BLOCKS_MAX 4096u
#define SECTIONS_MAX 4096u

struct inspect {
    const struct xen_migrate_device *devices;
    size_t nr;
    const struct xen_migrate_inspector *inspector;
    char *error;
    struct wire_reader *in;
    struct ownership owned;
    uint32_t nr_sections;
    bool complete;
};

static int too_many(struct inspect *inspect, const char *what, uint32_t nr,
                    uint32_t max)
{
    return migrate_error(inspect->error, -EFBIG,
                         "%" PRIu32 " %s, at most %" PRIu32
                         " can be looked at: the stream is damaged",
                         nr, what, max);
}

static int read_blocks(struct inspect *inspect)
{
    uint32_t nr = wire_peek_u32(inspect->in);
    int r;

    if (nr > BLOCKS_MAX)
        return too_many(inspect, "blocks", nr, BLOCKS_MAX);
    r = ownership_load(inspect->in, &inspect->owned, inspect->error);
    for (size_t i = 0; !r && i < inspect->owned.nr; i++) {
        struct xen_migrate_block block;

        ownership_export(&inspect->owned.records[i], &block);
        inspect->inspector->block(&block, inspect->inspector->opaque);
    }
    return r;
}

/* The fields are checked like those of a load, and dropped. */
static int read_fields(struct inspect *inspect,
                       const struct xen_migrate_state *saved,
                       const struct section_header *header, const char *label)
{
    struct fields_log log = {0};
    void *staged = calloc(1, saved->size + 1);
    int r = -ENOMEM;

    log.read = calloc(fields_states(saved), sizeof(*log.read));
    if (staged && log.read)
        r = fields_load(inspect->in, saved, header->version, staged, &log, 0,
                        label, inspect->error);
    else
        migrate_error(inspect->error, r, "%s: no memory to look at it", label);
    free(log.read);
    free(staged);
    return r;
}

static const struct xen_migrate_state *find_table(const struct inspect *inspect,
                                                  const char *name)
{
    for (size_t i = 0; i < inspect->nr; i++) {
        if (strcmp(inspect->devices[i].saved->name, name) == 0)
            return inspect->devices[i].saved;
    }
    return NULL;
}

static int read_device(struct inspect *inspect,
                       const struct section_header *header)
{
    const struct xen_migrate_state *saved = find_table(inspect, header->name);
    char label[WIRE_NAME_MAX + 32];
    int r;

    snprintf(label, sizeof(label), "device %s instance %" PRIu32, header->name,
             header->instance);
    if (!saved)
        return migrate_error(inspect->error, -ENOTSUP,
                             "unknown section %s instance %" PRIu32
                             " version %" PRIu32 ": look at it with the "
                             "program that saved it",
                             header->name, header->instance, header->version);
    if (header->type != WIRE_FULL)
        return migrate_error(inspect->error, -EBADMSG,
                             "%s: section type %u, not %u: the stream is "
                             "damaged",
                             label, header->type, WIRE_FULL);
    r = fields_check_version(saved, header->version, label, inspect->error);
    return r ? r : read_fields(inspect, saved, header, label);
}

static int read_body(struct inspect *inspect,
                     const struct section_header *header)
{
    int r;

    if (strcmp(header->name, OWNERSHIP_NAME) == 0)
        return read_blocks(inspect);
    if (strcmp(header->name, PAGES_NAME) == 0)
        return pages_load(inspect->in, header->id, &inspect->owned, NULL,
                          inspect->error);
    if (strcmp(header->name, WIRE_SUM_NAME) != 0)
        return read_device(inspect, header);
    r = section_load_sum(inspect->in, inspect->error);
    inspect->complete = r == 0;
    return r;
}

static int read_section(struct inspect *inspect)
{
    struct section_header header;
    struct xen_migrate_section section = {.offset = inspect->in->offset};
    int r = section_load_header(inspect->in, &header, inspect->error);

    if (!r)
        r = section_check(&header, inspect->nr_sections++, inspect->error);
    if (!r && inspect->nr_sections > SECTIONS_MAX)
        r = too_many(inspect, "sections", inspect->nr_sections, SECTIONS_MAX);
    if (!r)
        r = read_body(inspect, &header);
    if (r)
        return r;
    section.name = header.name;
    section.instance = header.instance;
    section.version = header.version;
    section.length = inspect->in->offset - section.offset;
    inspect->inspector->section(&section, inspect->inspector->opaque);
    return 0;
}

static int read_sections(struct inspect *inspect)
{
    int r = section_load_start(inspect->in, inspect->error);

    while (!r && !inspect->complete)
        r = read_section(inspect);
    return r ? section_blame(inspect->in, r, inspect->error) : 0;
}

static int inspect_stream(struct inspect *inspect)
{
    int r = read_sections(inspect);

    wire_drain(inspect->in);
    if (inspect->in->error)
        return migrate_error(inspect->error, inspect->in->error,
                             "the state cannot be read: %s",
                             strerror(-inspect->in->error));
    if (inspect->in->offset > XEN_MIGRATE_INSPECT_MAX)
        return migrate_error(inspect->error, -EFBIG,
                             "the state is longer than the %" PRIu64
                             " bytes that can be looked at",
                             XEN_MIGRATE_INSPECT_MAX);
    return r;
}

int xen_migrate_inspect(const struct xen_migrate_device *devices, size_t nr,
                        int fd, const struct xen_migrate_inspector *inspector,
                        char error[XEN_MIGRATE_ERROR_MAX])
{
    struct inspect inspect = {
        .devices = devices, .nr = nr, .inspector = inspector, .error = error};
    int r;

    error[0] = '\0';
    r = fields_check_devices(devices, nr, error);
    if (r)
        return r;
    /* One byte more tells a state that is too long from one that just fits. */
    inspect.in = wire_reader_new(fd, XEN_MIGRATE_INSPECT_MAX + 1);
    if (!inspect.in)
        return migrate_error(error, -ENOMEM, "no memory to look at the state");
    r = inspect_stream(&inspect);
    ownership_fini(&inspect.owned);
    wire_reader_free(inspect.in);
    return r;
}
