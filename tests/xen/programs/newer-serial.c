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

extern const struct device_ops device_serial;

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

/* What today's table has, and in version 2 one more. */
static const struct xen_migrate_field newer_fields[] = {
    XEN_MIGRATE_FIELD_RANGE(U8, serial, ier, 0, IER_MASK),
    XEN_MIGRATE_FIELD(U8, serial, fcr),
    XEN_MIGRATE_FIELD(U8, serial, lcr),
    XEN_MIGRATE_FIELD_RANGE(U8, serial, mcr, 0, MCR_MASK),
    XEN_MIGRATE_FIELD(U8, serial, scr),
    XEN_MIGRATE_FIELD_RANGE(U8, serial, line, 0, LSR_ERRORS),
    XEN_MIGRATE_FIELD(U8, serial, modem),
    XEN_MIGRATE_ARRAY(U8, serial, divisor),
    XEN_MIGRATE_FIELD(BOOL, serial, transmit_pending),
    XEN_MIGRATE_ARRAY(BUFFER, serial, receive.data),
    XEN_MIGRATE_FIELD_RANGE(U8, serial, receive.nr, 0, FIFO_SIZE),
    XEN_MIGRATE_ARRAY(BUFFER, serial, transmit.data),
    XEN_MIGRATE_FIELD_RANGE(U8, serial, transmit.nr, 0, FIFO_SIZE),
#if NEWER_VERSION >= 2
    {
        .name = "scratch",
        .type = XEN_MIGRATE_U8,
        .offset = offsetof(struct serial, scr),
        .count = 1,
        .since = 2,
    },
#endif
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state newer_saved = {
    .name = "serial",
    .version = NEWER_VERSION,
    .minimum = 1,
    .size = sizeof(struct serial),
    .fields = newer_fields,
    .subsections = newer_subsections,
    .check = serial_check,
};

const struct device_ops device_serial = {
    .name = "serial",
    .state_size = sizeof(struct serial),
    .saved = &newer_saved,
    .init = serial_init,
    .reset = serial_reset,
    .restored = serial_restored,
    .stop = serial_stop,
    .resume = serial_resume,
    .fini = serial_fini,
};
