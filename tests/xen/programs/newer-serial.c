/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The serial port of a version to come, for a device model that takes it in
 * place of today's.  NEWER_VERSION 1 has a subsection more, which is needed
 * while the guest keeps 0x5a in the scratch register; 2 has a field more, and
 * with it another version of the section.
 */

#define device_serial serial_of_today
#include "dm/hw/serial.c"
#undef device_serial

#define MARK 0x5a

static bool marked(const void *state)
{
    const struct serial *serial = state;

    return serial->scr == MARK;
}

static const struct xen_migrate_field mark_fields[] = {
    XEN_MIGRATE_FIELD_RANGE(U8, serial, scr, MARK, MARK),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state mark_saved = {
    .name = "serial/mark",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct serial),
    .fields = mark_fields,
    .needed = marked,
};

static const struct xen_migrate_state *const newer_subsections[] = {
    &mark_saved,
    NULL,
};

#define NR_FIELDS (sizeof(serial_fields) / sizeof(serial_fields[0]))

static struct xen_migrate_field newer_fields[NR_FIELDS + 1];
static struct xen_migrate_state newer_saved;

extern struct device_ops device_serial;
struct device_ops device_serial;

/* All is today's but what is newer. */
__attribute__((constructor)) static void become_newer(void)
{
    memcpy(newer_fields, serial_fields, sizeof(serial_fields));
#if NEWER_VERSION >= 2
    newer_fields[NR_FIELDS - 1] = (struct xen_migrate_field){
        .name = "scratch",
        .type = XEN_MIGRATE_U8,
        .offset = offsetof(struct serial, scr),
        .count = 1,
        .since = 2,
    };
#endif
    newer_saved = serial_saved;
    newer_saved.version = NEWER_VERSION;
    newer_saved.fields = newer_fields;
    newer_saved.subsections = newer_subsections;

    device_serial = serial_of_today;
    device_serial.saved = &newer_saved;
}
