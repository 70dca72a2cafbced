/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "migrate/error.h"
#include "migrate/vmdesc.h"

/* Of one element, in memory and on the wire; 0: no such type. */
static size_t element_size(enum xen_migrate_type type)
{
    switch (type) {
    case XEN_MIGRATE_BOOL:
    case XEN_MIGRATE_U8:
    case XEN_MIGRATE_BUFFER:
        return 1;
    case XEN_MIGRATE_U16:
        return 2;
    case XEN_MIGRATE_U32:
        return 4;
    case XEN_MIGRATE_U64:
        return 8;
    case XEN_MIGRATE_END:
        break;
    }
    return 0;
}

static uint64_t field_length(const struct xen_migrate_field *field)
{
    return (uint64_t)field->count * element_size(field->type);
}

static const struct xen_migrate_state *
subsection(const struct xen_migrate_state *saved, size_t i)
{
    return saved->subsections ? saved->subsections[i] : NULL;
}

static int check_state(const struct xen_migrate_state *saved, size_t size,
                       char *error)
{
    const struct xen_migrate_field *field = saved->fields;

    if (!wire_name_ok(saved->name))
        return migrate_error(error, -EINVAL,
                             "a device has a name that is empty, longer than "
                             "%d bytes or not printable",
                             WIRE_NAME_MAX);
    if (saved->minimum > saved->version)
        return migrate_error(error, -EINVAL,
                             "table of %s: minimum %" PRIu32
                             " above version %" PRIu32,
                             saved->name, saved->minimum, saved->version);

    for (; field && field->type != XEN_MIGRATE_END; field++) {
        if (element_size(field->type) == 0 || field->offset > size ||
            field_length(field) > size - field->offset)
            return migrate_error(error, -EINVAL,
                                 "table of %s: field %s does not lie in the "
                                 "%zu bytes of the state",
                                 saved->name, field->name, size);
        if (field->since > saved->version)
            return migrate_error(error, -EINVAL,
                                 "table of %s: field %s is since version "
                                 "%" PRIu32 ", the table is version %" PRIu32,
                                 saved->name, field->name, field->since,
                                 saved->version);
    }
    return 0;
}

static int check_subsections(const struct xen_migrate_state *saved, size_t size,
                             char *error)
{
    int r = check_state(saved, size, error);

    for (size_t i = 0; !r && subsection(saved, i); i++)
        r = check_subsections(subsection(saved, i), size, error);
    return r;
}

int fields_check_devices(const struct xen_migrate_device *devices, size_t nr,
                         char *error)
{
    for (size_t i = 0; i < nr; i++) {
        const char *name = devices[i].saved->name;
        int r =
            check_subsections(devices[i].saved, devices[i].saved->size, error);

        if (r)
            return r;
        if (strcmp(name, "ram") == 0 || strncmp(name, "xenram/", 7) == 0)
            return migrate_error(error, -EINVAL,
                                 "device %s: the name is taken by the stream: "
                                 "rename it",
                                 name);
        for (size_t j = 0; j < i; j++) {
            if (devices[j].instance == devices[i].instance &&
                strcmp(devices[j].saved->name, name) == 0)
                return migrate_error(error, -EINVAL,
                                     "device %s instance %" PRIu32
                                     " is there twice: number them",
                                     name, devices[i].instance);
        }
    }
    return 0;
}

size_t fields_states(const struct xen_migrate_state *saved)
{
    size_t nr = 1;

    for (size_t i = 0; subsection(saved, i); i++)
        nr += fields_states(subsection(saved, i));
    return nr;
}

uint64_t fields_max_length(const struct xen_migrate_state *saved)
{
    const struct xen_migrate_field *field = saved->fields;
    /* Kind, id, name, instance and version of a section. */
    uint64_t length = 1 + 4 + 1 + WIRE_NAME_MAX + 4 + 4;

    for (; field && field->type != XEN_MIGRATE_END; field++)
        length += field_length(field);
    for (size_t i = 0; subsection(saved, i); i++)
        length += fields_max_length(subsection(saved, i));
    return length;
}

static uint64_t element_get(const uint8_t *at, enum xen_migrate_type type)
{
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;

    switch (element_size(type)) {
    case 8:
        memcpy(&u64, at, sizeof(u64));
        return u64;
    case 4:
        memcpy(&u32, at, sizeof(u32));
        return u32;
    case 2:
        memcpy(&u16, at, sizeof(u16));
        return u16;
    default:
        return *at;
    }
}

static void element_set(uint8_t *at, enum xen_migrate_type type, uint64_t value)
{
    uint32_t u32 = (uint32_t)value;
    uint16_t u16 = (uint16_t)value;

    switch (element_size(type)) {
    case 8:
        memcpy(at, &value, sizeof(value));
        break;
    case 4:
        memcpy(at, &u32, sizeof(u32));
        break;
    case 2:
        memcpy(at, &u16, sizeof(u16));
        break;
    default:
        *at = (uint8_t)value;
        break;
    }
}

static void field_save(struct wire_writer *out,
                       const struct xen_migrate_field *field, const uint8_t *at)
{
    size_t size = element_size(field->type);

    if (field->type == XEN_MIGRATE_BUFFER) {
        wire_put_bytes(out, at, field->count);
        return;
    }

    for (uint32_t i = 0; i < field->count; i++, at += size) {
        uint64_t value = element_get(at, field->type);

        for (size_t byte = size; byte-- > 0;)
            wire_put_u8(out, (uint8_t)(value >> 8 * byte));
    }
}

void fields_save(struct wire_writer *out, const struct xen_migrate_state *saved,
                 void *state)
{
    const struct xen_migrate_field *field = saved->fields;

    if (saved->pre_save)
        saved->pre_save(state);
    for (; field && field->type != XEN_MIGRATE_END; field++)
        field_save(out, field, (const uint8_t *)state + field->offset);

    for (size_t i = 0; subsection(saved, i); i++) {
        const struct xen_migrate_state *sub = subsection(saved, i);

        if (sub->needed && !sub->needed(state))
            continue;
        wire_put_u8(out, WIRE_SUBSECTION);
        wire_put_name(out, sub->name);
        wire_put_u32(out, sub->version);
        fields_save(out, sub, state);
    }
}

/* Both ends of the range that a loaded element must lie in. */
static void field_range(const struct xen_migrate_field *field, uint64_t *min,
                        uint64_t *max)
{
    *min = field->min;
    *max = field->max;
    if (*min == 0 && *max == 0)
        *max = field->type == XEN_MIGRATE_BOOL ? 1 : UINT64_MAX;
}

static int field_cut_short(const struct xen_migrate_field *field,
                           const char *label, char *error)
{
    return migrate_error(error, -EBADMSG,
                         "%s: the stream ends in field %s: it was cut short",
                         label, field->name);
}

static int field_load(struct wire_reader *in,
                      const struct xen_migrate_field *field, uint8_t *at,
                      const char *label, char *error)
{
    size_t size = element_size(field->type);
    uint64_t min, max;

    if (field->type == XEN_MIGRATE_BUFFER)
        return wire_get_copy(in, at, field->count)
                   ? 0
                   : field_cut_short(field, label, error);

    field_range(field, &min, &max);
    for (uint32_t i = 0; i < field->count; i++, at += size) {
        const uint8_t *bytes = wire_get_bytes(in, size);
        uint64_t value = 0;

        if (!bytes)
            return field_cut_short(field, label, error);
        for (size_t byte = 0; byte < size; byte++)
            value = value << 8 | bytes[byte];
        if (value < min || value > max)
            return migrate_error(error, -EBADMSG,
                                 "%s: field %s is %" PRIu64 ", not in %" PRIu64
                                 " to %" PRIu64 ": the stream is damaged or "
                                 "from an incompatible program",
                                 label, field->name, value, min, max);
        element_set(at, field->type, value);
    }
    return 0;
}

int fields_check_version(const struct xen_migrate_state *saved,
                         uint32_t version, const char *label, char *error)
{
    if (version > saved->version)
        return migrate_error(error, -ENOTSUP,
                             "%s: version %" PRIu32 " in the stream, this "
                             "program reads %" PRIu32 " to %" PRIu32
                             ": load it with the newer program",
                             label, version, saved->minimum, saved->version);
    if (version < saved->minimum)
        return migrate_error(error, -ENOTSUP,
                             "%s: version %" PRIu32 " in the stream, this "
                             "program reads %" PRIu32 " to %" PRIu32
                             ": load it with an older program",
                             label, version, saved->minimum, saved->version);
    return 0;
}

static bool comes_next(struct wire_reader *in,
                       const struct xen_migrate_state *sub)
{
    size_t len = strlen(sub->name);
    const uint8_t *bytes = wire_peek(in, 2 + len);

    return bytes && bytes[0] == WIRE_SUBSECTION && bytes[1] == len &&
           memcmp(bytes + 2, sub->name, len) == 0;
}

/*
 * The subsection that comes next, if the table has it from position *next on;
 * NULL when it does not, as it may belong to the state around this one.
 */
static const struct xen_migrate_state *
find_subsection(struct wire_reader *in, const struct xen_migrate_state *saved,
                size_t *next)
{
    for (size_t i = *next; subsection(saved, i); i++) {
        if (comes_next(in, subsection(saved, i))) {
            *next = i + 1;
            return subsection(saved, i);
        }
    }
    return NULL;
}

static int load_state(struct wire_reader *in,
                      const struct xen_migrate_state *saved, uint32_t version,
                      void *staged, struct fields_log *log, size_t device,
                      const char *label, char *error);

static int load_subsection(struct wire_reader *in,
                           const struct xen_migrate_state *sub, void *staged,
                           struct fields_log *log, size_t device,
                           const char *label, char *error)
{
    char where[4 * WIRE_NAME_MAX];
    char name[WIRE_NAME_MAX + 1];
    uint32_t version;
    int r;

    wire_get_u8(in);
    wire_get_name(in, name);
    version = wire_get_u32(in);
    snprintf(where, sizeof(where), "%s, subsection %s", label, name);
    if (in->cut)
        return migrate_error(error, -EBADMSG,
                             "%s: the stream ends: it was cut short", where);
    r = fields_check_version(sub, version, where, error);
    if (r)
        return r;
    return load_state(in, sub, version, staged, log, device, where, error);
}

static int load_state(struct wire_reader *in,
                      const struct xen_migrate_state *saved, uint32_t version,
                      void *staged, struct fields_log *log, size_t device,
                      const char *label, char *error)
{
    const struct xen_migrate_field *field = saved->fields;
    const struct xen_migrate_state *sub;
    size_t next = 0;
    int r = 0;

    for (; !r && field && field->type != XEN_MIGRATE_END; field++) {
        if (field->since <= version)
            r = field_load(in, field, (uint8_t *)staged + field->offset, label,
                           error);
    }
    while (!r && (sub = find_subsection(in, saved, &next)))
        r = load_subsection(in, sub, staged, log, device, label, error);
    if (r)
        return r;

    log->read[log->nr].saved = saved;
    log->read[log->nr].version = version;
    log->read[log->nr].device = device;
    log->nr++;
    return 0;
}

int fields_load(struct wire_reader *in, const struct xen_migrate_state *saved,
                uint32_t version, void *staged, struct fields_log *log,
                size_t device, const char *label, char *error)
{
    char name[WIRE_NAME_MAX + 1];
    int r = load_state(in, saved, version, staged, log, device, label, error);

    if (r || wire_peek_u8(in) != WIRE_SUBSECTION)
        return r;

    wire_get_u8(in);
    wire_get_name(in, name);
    if (in->cut || in->bad_name)
        return migrate_error(error, -EBADMSG,
                             "%s: a subsection without a name: the stream is "
                             "damaged",
                             label);
    return migrate_error(error, -ENOTSUP,
                         "%s: subsection %s is unknown, there twice or out of "
                         "order: load it with the program that saved it",
                         label, name);
}

void fields_apply(const struct fields_read *read, const void *staged,
                  void *state)
{
    const struct xen_migrate_field *field = read->saved->fields;

    for (; field && field->type != XEN_MIGRATE_END; field++) {
        if (field->since <= read->version)
            memcpy((uint8_t *)state + field->offset,
                   (const uint8_t *)staged + field->offset,
                   (size_t)field_length(field));
    }
}

static void describe_field(FILE *json, const struct xen_migrate_field *field)
{
    static const char *const types[] = {
        [XEN_MIGRATE_BOOL] = "bool",  [XEN_MIGRATE_U8] = "uint8",
        [XEN_MIGRATE_U16] = "uint16", [XEN_MIGRATE_U32] = "uint32",
        [XEN_MIGRATE_U64] = "uint64", [XEN_MIGRATE_BUFFER] = "buffer",
    };
    bool array = field->type != XEN_MIGRATE_BUFFER && field->count > 1;
    uint64_t size = array ? element_size(field->type) : field_length(field);

    fputs("{\"name\":", json);
    vmdesc_string(json, field->name);
    if (array)
        fprintf(json, ",\"array_len\":%" PRIu32, field->count);
    fprintf(json, ",\"type\":\"%s\",\"size\":%" PRIu64 "}", types[field->type],
            size);
}

static void describe_subsections(FILE *json,
                                 const struct xen_migrate_state *saved,
                                 const void *state)
{
    bool any = false;

    for (size_t i = 0; subsection(saved, i); i++) {
        const struct xen_migrate_state *sub = subsection(saved, i);

        if (sub->needed && !sub->needed(state))
            continue;
        fputs(any ? "," : ",\"subsections\":[", json);
        any = true;
        fputs("{\"vmsd_name\":", json);
        vmdesc_string(json, sub->name);
        fprintf(json, ",\"version\":%" PRIu32 ",", sub->version);
        fields_describe(json, sub, state);
        fputs("}", json);
    }
    if (any)
        fputs("]", json);
}

void fields_describe(FILE *json, const struct xen_migrate_state *saved,
                     const void *state)
{
    const struct xen_migrate_field *field = saved->fields;
    const char *comma = "";

    fputs("\"fields\":[", json);
    for (; field && field->type != XEN_MIGRATE_END; field++) {
        if (field->count == 0)
            continue;
        fputs(comma, json);
        describe_field(json, field);
        comma = ",";
    }
    fputs("]", json);
    describe_subsections(json, saved, state);
}
