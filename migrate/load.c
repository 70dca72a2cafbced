/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/migrate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/apply.h"
#include "migrate/error.h"
#include "migrate/fields.h"
#include "migrate/ownership.h"
#include "migrate/pages.h"
#include "migrate/wire.h"
#include "xenram/ram.h"

/* For sections of programs to come, so that they are refused by name. */
#define SLACK (1024 * 1024)

struct staged {
    void *state; /* a copy of the device's, with the incoming fields */
    bool read;
};

struct load {
    struct xen_ram *ram;
    const struct xen_migrate_device *devices;
    size_t nr;
    enum xen_migrate_policy policy;
    char *error;

    uint8_t *data;
    uint64_t limit;
    struct wire_reader in;
    struct staged *staged;
    struct fields_log log;

    struct ownership owned;
    struct wire_reader pages; /* behind the header of section ram */
    uint32_t pages_id;
    uint32_t nr_sections;
    bool owned_read;
    bool pages_read;
    bool complete; /* the sum was there, and is right */
};

struct header {
    uint8_t type;
    uint32_t id;
    char name[WIRE_NAME_MAX + 1];
    uint32_t instance;
    uint32_t version;
};

static int cut_short(struct load *load)
{
    return migrate_error(load->error, -EBADMSG,
                         "the stream ends after %zu bytes, before its sum: it "
                         "was cut short",
                         load->in.len);
}

static int load_ownership(struct load *load)
{
    int r = ownership_load(&load->in, &load->owned, load->error);

    load->owned_read = r == 0;
    return r;
}

static int load_ram(struct load *load)
{
    if (load->pages_read)
        return migrate_error(load->error, -EBADMSG,
                             "section %s is twice in the stream, as %" PRIu32
                             " and %" PRIu32 ": the stream is damaged",
                             PAGES_NAME, load->pages_id, load->nr_sections - 1);
    load->pages = load->in;
    load->pages_id = load->nr_sections - 1;
    load->pages_read = true;
    return pages_load(&load->in, load->pages_id, &load->owned, false,
                      load->error);
}

static int load_sum(struct load *load)
{
    uint32_t here = wire_get_sum(&load->in);
    size_t len = load->in.offset;
    uint32_t there = wire_get_u32(&load->in);

    if (load->in.cut)
        return cut_short(load);
    if (here != there)
        return migrate_error(load->error, -EBADMSG,
                             "the sum over %zu bytes is 0x%08" PRIx32
                             ", the stream says 0x%08" PRIx32
                             ": it is damaged, use another copy",
                             len, here, there);
    if (wire_get_u8(&load->in) != WIRE_EOF || load->in.cut)
        return migrate_error(load->error, -EBADMSG,
                             "section " WIRE_SUM_NAME " at %zu is not the "
                             "last: the stream is damaged",
                             len);
    load->complete = true;
    return 0;
}

/* The sections that are not devices. */
static const struct {
    const char *name;
    uint8_t type;
    uint32_t version;
    int (*load)(struct load *load);
} sections[] = {
    {OWNERSHIP_NAME, WIRE_FULL, OWNERSHIP_VERSION, load_ownership},
    {PAGES_NAME, WIRE_START, PAGES_VERSION, load_ram},
    {WIRE_SUM_NAME, WIRE_FULL, WIRE_SUM_VERSION, load_sum},
};

static int find_device(struct load *load, const struct header *header,
                       size_t *found)
{
    bool known = false;

    *found = 0;
    for (size_t i = 0; i < load->nr; i++) {
        const struct xen_migrate_device *device = &load->devices[i];

        if (strcmp(device->saved->name, header->name) != 0)
            continue;
        known = true;
        *found = i;
        if (device->instance == header->instance)
            return 0;
    }
    if (known)
        return migrate_error(load->error, -EINVAL,
                             "device %s: instance %" PRIu32 " in the stream, "
                             "but only %" PRIu32 " here: configure it",
                             header->name, header->instance,
                             load->devices[*found].instance);
    return migrate_error(load->error, -ENOTSUP,
                         "unknown section %s instance %" PRIu32
                         " version %" PRIu32
                         ": load it with the program and the options that "
                         "saved it",
                         header->name, header->instance, header->version);
}

static int load_device(struct load *load, const struct header *header)
{
    char label[WIRE_NAME_MAX + 32];
    const struct xen_migrate_state *saved;
    struct staged *staged;
    size_t i;
    int r;

    snprintf(label, sizeof(label), "device %s instance %" PRIu32, header->name,
             header->instance);
    r = find_device(load, header, &i);
    if (r)
        return r;
    saved = load->devices[i].saved;
    staged = &load->staged[i];
    if (header->type != WIRE_FULL)
        return migrate_error(load->error, -EBADMSG,
                             "%s: section type %u, not %u: the stream is "
                             "damaged",
                             label, header->type, WIRE_FULL);
    if (staged->read)
        return migrate_error(load->error, -EINVAL,
                             "%s is twice in the stream: save it again", label);

    staged->read = true;
    r = fields_check_version(saved, header->version, label, load->error);
    if (r)
        return r;
    return fields_load(&load->in, saved, header->version, staged->state,
                       &load->log, i, label, load->error);
}

static int load_section(struct load *load, const struct header *header)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (strcmp(sections[i].name, header->name) != 0)
            continue;
        if (header->type != sections[i].type || header->instance != 0)
            return migrate_error(load->error, -EBADMSG,
                                 "section %s: type %u and instance %" PRIu32
                                 ", not %u and 0: the stream is damaged",
                                 header->name, header->type, header->instance,
                                 sections[i].type);
        if (header->version != sections[i].version)
            return migrate_error(load->error, -ENOTSUP,
                                 "section %s: version %" PRIu32 " in the "
                                 "stream, this program reads %" PRIu32
                                 ": load it with the program that saved it",
                                 header->name, header->version,
                                 sections[i].version);
        return sections[i].load(load);
    }
    return load_device(load, header);
}

/* Ownership comes first, and once: everything else leans on it. */
static int check_order(struct load *load, const struct header *header)
{
    bool owned = strcmp(header->name, OWNERSHIP_NAME) == 0;

    if (header->id != load->nr_sections)
        return migrate_error(load->error, -EBADMSG,
                             "section %s has id %" PRIu32 ", not %" PRIu32
                             ": the stream is damaged",
                             header->name, header->id, load->nr_sections);
    if (!owned && load->nr_sections == 0)
        return migrate_error(
            load->error, -ENOTSUP,
            "the stream starts with section %s, not " OWNERSHIP_NAME
            ": another program's state, restore it there",
            header->name);
    if (owned && load->nr_sections != 0)
        return migrate_error(load->error, -EBADMSG,
                             "section " OWNERSHIP_NAME " is twice in the "
                             "stream, as 0 and %" PRIu32
                             ": the stream is damaged",
                             load->nr_sections);
    return 0;
}

static int load_header(struct load *load, struct header *header)
{
    size_t at = load->in.offset;

    header->type = wire_get_u8(&load->in);
    if (load->in.cut)
        return cut_short(load);
    if (header->type != WIRE_START && header->type != WIRE_FULL)
        return migrate_error(load->error, -EBADMSG,
                             "type %u at %zu where a section should start, %u "
                             "or %u: damaged, or another program's state",
                             header->type, at, WIRE_START, WIRE_FULL);

    header->id = wire_get_u32(&load->in);
    wire_get_name(&load->in, header->name);
    header->instance = wire_get_u32(&load->in);
    header->version = wire_get_u32(&load->in);
    if (load->in.cut)
        return cut_short(load);
    if (load->in.bad_name)
        return migrate_error(load->error, -EBADMSG,
                             "the section at %zu has no proper name: the "
                             "stream is damaged",
                             at);
    return 0;
}

static int load_sections(struct load *load)
{
    uint32_t magic = wire_get_u32(&load->in);
    uint32_t version = wire_get_u32(&load->in);
    int r = 0;

    if (load->in.cut)
        return cut_short(load);
    if (magic != WIRE_MAGIC)
        return migrate_error(load->error, -EBADMSG,
                             "no device model's state: starts with 0x%08" PRIx32
                             ", not 0x%08x: use another file",
                             magic, WIRE_MAGIC);
    if (version != WIRE_VERSION)
        return migrate_error(load->error, -ENOTSUP,
                             "stream version %" PRIu32
                             ", this program reads %u: load it with the "
                             "program that saved it",
                             version, WIRE_VERSION);

    while (!r && !load->complete) {
        struct header header;

        r = load_header(load, &header);
        if (!r)
            r = check_order(load, &header);
        if (r)
            break;
        load->nr_sections++;
        r = load_section(load, &header);
    }
    return r;
}

/*
 * A stream longer than our blocks and devices can need stands for blocks that
 * do not fit; their records say so better than a count of bytes.
 */
static int explain_limit(struct load *load, int r)
{
    if (!load->in.cut || load->in.len < load->limit)
        return r;
    if (load->owned_read) {
        r = ownership_negotiate(&load->owned, load->ram, load->policy,
                                load->error);
        if (r)
            return r;
    }
    return migrate_error(load->error, -EBADMSG,
                         "the stream is longer than the %" PRIu64
                         " bytes that these blocks and devices can need: use "
                         "the configuration that it was saved with",
                         load->limit);
}

static int find_missing(struct load *load)
{
    if (!load->pages_read)
        return migrate_error(load->error, -EBADMSG,
                             "section %s is missing: save it again",
                             PAGES_NAME);
    for (size_t i = 0; i < load->nr; i++) {
        const struct xen_migrate_device *device = &load->devices[i];

        if (!load->staged[i].read)
            return migrate_error(load->error, -EINVAL,
                                 "device %s instance %" PRIu32
                                 " is here, missing in the stream: leave it "
                                 "out",
                                 device->saved->name, device->instance);
    }
    return 0;
}

static int check_states(struct load *load)
{
    for (size_t i = 0; i < load->log.nr; i++) {
        const struct fields_read *read = &load->log.read[i];
        char text[XEN_MIGRATE_ERROR_MAX / 2] = "";
        int r;

        if (!read->saved->check)
            continue;
        r = read->saved->check(load->staged[read->device].state, text,
                               sizeof(text));
        if (r)
            return migrate_error(load->error, r < 0 ? r : -EINVAL,
                                 "device %s instance %" PRIu32 ": %s",
                                 read->saved->name,
                                 load->devices[read->device].instance, text);
    }
    return 0;
}

static int check_all(struct load *load)
{
    int r = load_sections(load);

    if (r)
        return explain_limit(load, r);
    r = find_missing(load);
    if (!r)
        r = ownership_negotiate(&load->owned, load->ram, load->policy,
                                load->error);
    if (!r)
        r = check_states(load);
    return r;
}

static int apply_all(struct load *load)
{
    int r = apply_ownership(load->ram, &load->owned, load->error);

    if (r)
        return r;
    /* From here on nothing fails: the same pages were read once before. */
    pages_load(&load->pages, load->pages_id, &load->owned, true, load->error);
    for (size_t i = 0; i < load->log.nr; i++) {
        const struct fields_read *read = &load->log.read[i];

        fields_apply(read, load->staged[read->device].state,
                     load->devices[read->device].state);
    }
    for (size_t i = 0; i < load->log.nr; i++) {
        const struct fields_read *read = &load->log.read[i];

        if (read->saved->post_load)
            read->saved->post_load(load->devices[read->device].state);
    }
    return 0;
}

static int stage(struct load *load)
{
    size_t states = 1;

    for (size_t i = 0; i < load->nr; i++)
        states += fields_states(load->devices[i].saved);
    load->log.read = calloc(states, sizeof(*load->log.read));
    load->staged = calloc(load->nr + 1, sizeof(*load->staged));
    if (!load->log.read || !load->staged)
        return -ENOMEM;

    for (size_t i = 0; i < load->nr; i++) {
        size_t size = load->devices[i].saved->size;

        load->staged[i].state = malloc(size ? size : 1);
        if (!load->staged[i].state)
            return -ENOMEM;
        if (size > 0)
            memcpy(load->staged[i].state, load->devices[i].state, size);
    }
    return 0;
}

static void unstage(struct load *load)
{
    for (size_t i = 0; load->staged && i < load->nr; i++)
        free(load->staged[i].state);
    free(load->staged);
    free(load->log.read);
    ownership_fini(&load->owned);
    free(load->data);
}

static int read_stream(struct load *load, int fd)
{
    int r;

    load->limit =
        SLACK + ownership_max_length(load->ram) + pages_max_length(load->ram);
    for (size_t i = 0; i < load->nr; i++)
        load->limit += fields_max_length(load->devices[i].saved);

    r = wire_read_all(fd, load->limit, &load->data, &load->in.len);
    load->in.data = load->data;
    return r ? migrate_error(load->error, r, "the state cannot be read: %s",
                             strerror(-r))
             : 0;
}

int xen_migrate_load(struct xen_ram *ram,
                     const struct xen_migrate_device *devices, size_t nr,
                     const struct xen_migrate_options *options, int fd,
                     char error[XEN_MIGRATE_ERROR_MAX])
{
    struct load load = {
        .ram = ram,
        .devices = devices,
        .nr = nr,
        .policy = options ? options->policy : XEN_MIGRATE_ADAPT,
        .error = error,
    };
    int r;

    error[0] = '\0';
    if (xen_ram_get_phase(ram) != XEN_RAM_LOADING)
        return migrate_error(error, -EPERM,
                             "a state can only be loaded in phase LOADING");
    r = fields_check_devices(devices, nr, error);
    if (r)
        return r;

    r = stage(&load);
    if (r)
        migrate_error(error, r, "no memory to load %zu devices", nr);
    if (!r)
        r = read_stream(&load, fd);
    if (!r)
        r = check_all(&load);
    if (!r)
        r = apply_all(&load);
    unstage(&load);
    return r;
}
