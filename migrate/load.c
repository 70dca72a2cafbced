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
#include "migrate/place.h"
#include "migrate/section.h"
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

    struct wire_reader *in;
    struct staged *staged;
    struct fields_log log;

    struct ownership owned;
    int verdict; /* of the negotiation; refusal says why */
    char refusal[XEN_MIGRATE_ERROR_MAX];
    struct place *place; /* NULL: nothing is to change */
    uint32_t pages_id;
    uint32_t nr_sections;
    bool owned_read;
    bool pages_read;
    bool complete; /* the sum was there, and is right */
};

static int load_ownership(struct load *load)
{
    int r = ownership_load(load->in, &load->owned, load->error);

    if (r)
        return r;
    load->owned_read = true;
    load->verdict = ownership_negotiate(&load->owned, load->ram, load->policy,
                                        load->refusal);
    return 0;
}

/* Of a state that is refused in the end, what comes before may be damaged. */
static int refuse(struct load *load)
{
    return load->verdict
               ? migrate_error(load->error, load->verdict, "%s", load->refusal)
               : 0;
}

static int load_ram(struct load *load)
{
    struct place *place = load->verdict ? NULL : load->place;

    if (load->pages_read)
        return migrate_error(load->error, -EBADMSG,
                             "section %s is twice in the stream, as %" PRIu32
                             " and %" PRIu32 ": the stream is damaged",
                             PAGES_NAME, load->pages_id, load->nr_sections - 1);
    load->pages_id = load->nr_sections - 1;
    load->pages_read = true;
    return pages_load(load->in, load->pages_id, &load->owned, place,
                      load->error);
}

static int load_sum(struct load *load)
{
    int r = section_load_sum(load->in, load->error);

    load->complete = r == 0;
    return r;
}

/* The sections that are not devices. */
static const struct {
    const char *name;
    int (*load)(struct load *load);
} sections[] = {
    {OWNERSHIP_NAME, load_ownership},
    {PAGES_NAME, load_ram},
    {WIRE_SUM_NAME, load_sum},
};

static int find_device(struct load *load, const struct section_header *header,
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

static int load_device(struct load *load, const struct section_header *header)
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
    return fields_load(load->in, saved, header->version, staged->state,
                       &load->log, i, label, load->error);
}

static int load_section(struct load *load, const struct section_header *header)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (strcmp(sections[i].name, header->name) == 0)
            return sections[i].load(load);
    }
    return load_device(load, header);
}

static int load_sections(struct load *load)
{
    int r = section_load_start(load->in, load->error);

    while (!r && !load->complete) {
        struct section_header header;

        r = section_load_header(load->in, &header, load->error);
        if (!r)
            r = section_check(&header, load->nr_sections, load->error);
        if (r)
            break;
        load->nr_sections++;
        r = load_section(load, &header);
    }
    return r ? section_blame(load->in, r, load->error) : 0;
}

/*
 * A stream longer than our blocks and devices can need stands for blocks that
 * do not fit; their records say so better than a count of bytes.
 */
static int explain_limit(struct load *load, int r)
{
    if (!load->in->cut || load->in->offset < load->in->limit)
        return r;
    if (refuse(load))
        return load->verdict;
    return migrate_error(load->error, -EBADMSG,
                         "the stream is longer than the %" PRIu64
                         " bytes that these blocks and devices can need: use "
                         "the configuration that it was saved with",
                         load->in->limit);
}

static int find_missing(struct load *load)
{
    if (!load->pages_read)
        return migrate_error(load->error, -EBADMSG,
                             "section %s is missing: save it again",
                             PAGES_NAME);
    for (size_t i = 0; i < load->nr; i++) {
        const struct xen_migrate_device *device = &load->devices[i];

        if (device->saved->optional && load->policy == XEN_MIGRATE_ADAPT)
            continue;
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

    if (!r)
        wire_drain(load->in);
    if (load->in->error)
        return migrate_error(load->error, load->in->error,
                             "the state cannot be read: %s",
                             strerror(-load->in->error));
    if (r)
        return explain_limit(load, r);
    r = find_missing(load);
    if (!r)
        r = refuse(load);
    if (!r)
        r = check_states(load);
    return r;
}

static int apply_all(struct load *load)
{
    int r = apply_ownership(load->ram, &load->owned, load->error);

    if (r)
        return r;
    /* From here on nothing fails. */
    place_finish(load->place);
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
    wire_reader_free(load->in);
}

static int open_stream(struct load *load, int fd)
{
    uint64_t limit =
        SLACK + ownership_max_length(load->ram) + pages_max_length(load->ram);

    for (size_t i = 0; i < load->nr; i++)
        limit += fields_max_length(load->devices[i].saved);
    load->in = wire_reader_new(fd, limit);
    return load->in ? 0 : -ENOMEM;
}

static int load_open(struct load *load, int fd)
{
    int r;

    if (xen_ram_get_phase(load->ram) != XEN_RAM_LOADING)
        return migrate_error(load->error, -EPERM,
                             "a state can only be loaded in phase LOADING");
    r = fields_check_devices(load->devices, load->nr, load->error);
    if (r)
        return r;
    r = stage(load);
    if (!r)
        r = open_stream(load, fd);
    return r ? migrate_error(load->error, r, "no memory to load %zu devices",
                             load->nr)
             : 0;
}

static int load_checked(struct load *load,
                        const struct xen_migrate_options *options, int fd,
                        char error[XEN_MIGRATE_ERROR_MAX])
{
    int r;

    error[0] = '\0';
    load->error = error;
    load->policy = options ? options->policy : XEN_MIGRATE_ADAPT;
    r = load_open(load, fd);
    return r ? r : check_all(load);
}

int xen_migrate_load(struct xen_ram *ram,
                     const struct xen_migrate_device *devices, size_t nr,
                     const struct xen_migrate_options *options, int fd,
                     char error[XEN_MIGRATE_ERROR_MAX])
{
    struct place place;
    struct load load = {
        .ram = ram, .devices = devices, .nr = nr, .place = &place};
    int r;

    place_open(&place);
    r = load_checked(&load, options, fd, error);
    if (!r)
        r = apply_all(&load);
    if (r)
        place_undo(&place);
    place_close(&place);
    unstage(&load);
    return r;
}

int xen_migrate_check(struct xen_ram *ram,
                      const struct xen_migrate_device *devices, size_t nr,
                      const struct xen_migrate_options *options, int fd,
                      xen_migrate_verdict_fn *verdict, void *opaque,
                      char error[XEN_MIGRATE_ERROR_MAX])
{
    struct load load = {.ram = ram, .devices = devices, .nr = nr};
    int r = load_checked(&load, options, fd, error);

    if (load.owned_read) {
        int told = ownership_report(&load.owned, ram, load.policy, verdict,
                                    opaque, error);

        r = told ? told : r;
    }
    unstage(&load);
    return r;
}
