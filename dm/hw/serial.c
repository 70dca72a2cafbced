/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART: National Semiconductor PC16550D data sheet, chapter 8.
 *
 * A byte takes no time on our line.  What the chardev takes leaves at once;
 * what it refuses stays here and keeps THRE low until there is room, so nothing
 * is lost and nobody waits.  Received bytes that do not reach the trigger level
 * raise the character timeout at once, for the line is idle by then.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dm/bus.h"
#include "dm/chardev.h"
#include "dm/device.h"
#include "dm/machine.h"

#include "dm/hw/bytewise.h"

#define NR_PORTS 8
#define FIFO_SIZE 16

enum {
    RBR = 0, /* read; with DLAB: divisor, low byte */
    THR = 0, /* write */
    IER = 1, /* with DLAB: divisor, high byte */
    IIR = 2, /* read */
    FCR = 2, /* write */
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7,
};

#define IER_RECEIVED 0x01
#define IER_TRANSMIT 0x02
#define IER_LINE 0x04
#define IER_MODEM 0x08
#define IER_MASK 0x0f

#define IIR_MODEM 0x00
#define IIR_NONE 0x01
#define IIR_TRANSMIT 0x02
#define IIR_RECEIVED 0x04
#define IIR_LINE 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS 0xc0

#define FCR_ENABLE 0x01
#define FCR_CLEAR_RECEIVE 0x02
#define FCR_CLEAR_TRANSMIT 0x04
#define FCR_KEPT 0xc9 /* enable, DMA mode, trigger level */

#define LCR_DLAB 0x80

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_READY 0x01
#define LSR_OVERRUN 0x02
#define LSR_PARITY 0x04
#define LSR_FRAMING 0x08
#define LSR_BREAK 0x10
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define LSR_ERRORS (LSR_OVERRUN | LSR_PARITY | LSR_FRAMING | LSR_BREAK)

#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80
#define MSR_LINES 0xf0
#define MSR_DELTAS 0x0f
#define MSR_RI_ENDED 0x04

struct fifo {
    uint8_t data[FIFO_SIZE];
    uint8_t nr; /* data[0] is the oldest */
};

struct serial {
    uint8_t ier, fcr, lcr, mcr, scr;
    uint8_t line;  /* error bits of LSR; the others follow from the FIFOs */
    uint8_t modem; /* as MSR reads */
    uint8_t divisor[2];
    bool transmit_pending; /* the THRE interrupt */
    struct fifo receive, transmit;

    struct machine *machine;
    struct chardev *chardev; /* NULL: output is dropped */
    unsigned port, irq;
    bool running; /* false: no bytes come in, no interrupts change */
};

static const struct {
    uint16_t port;
    uint8_t irq;
} ports[] = {{0x3f8, 4}, {0x2f8, 3}};

/* ---- FIFOs: one byte deep while they are off ---- */

static unsigned depth(const struct serial *serial)
{
    return serial->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static bool is_full(const struct serial *serial, const struct fifo *fifo)
{
    return fifo->nr >= depth(serial);
}

static void push(struct fifo *fifo, uint8_t byte)
{
    fifo->data[fifo->nr++] = byte;
}

static void drop(struct fifo *fifo, unsigned nr)
{
    fifo->nr = (uint8_t)(fifo->nr - nr);
    memmove(fifo->data, fifo->data + nr, fifo->nr);
}

static unsigned trigger_level(const struct serial *serial)
{
    static const uint8_t levels[] = {1, 4, 8, 14};

    return serial->fcr & FCR_ENABLE ? levels[serial->fcr >> 6] : 1;
}

/* ---- interrupts ---- */

static uint8_t line_status(const struct serial *serial)
{
    uint8_t status = serial->line;

    if (serial->receive.nr > 0)
        status |= LSR_READY;
    if (serial->transmit.nr == 0)
        status |= LSR_THRE | LSR_TEMT;
    return status;
}

/* The source of highest priority, as IIR shows it. */
static uint8_t source(const struct serial *serial)
{
    if (serial->ier & IER_LINE && serial->line & LSR_ERRORS)
        return IIR_LINE;
    if (serial->ier & IER_RECEIVED && serial->receive.nr > 0)
        return serial->receive.nr >= trigger_level(serial) ? IIR_RECEIVED
                                                           : IIR_TIMEOUT;
    if (serial->ier & IER_TRANSMIT && serial->transmit_pending)
        return IIR_TRANSMIT;
    if (serial->ier & IER_MODEM && serial->modem & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct serial *serial)
{
    machine_isa_irq(serial->machine, serial->irq, 0,
                    source(serial) != IIR_NONE);
}

/* ---- bytes ---- */

static void receive(struct serial *serial, uint8_t byte)
{
    if (is_full(serial, &serial->receive))
        serial->line |= LSR_OVERRUN;
    else
        push(&serial->receive, byte);
}

/* Take what a loopback or the chardev accepts out of the transmitter. */
static void transmit(struct serial *serial)
{
    struct fifo *fifo = &serial->transmit;

    if (fifo->nr == 0)
        return;
    if (serial->mcr & MCR_LOOP) {
        for (unsigned i = 0; i < fifo->nr; i++)
            receive(serial, fifo->data[i]);
        fifo->nr = 0;
    } else if (serial->chardev) {
        drop(fifo,
             (unsigned)chardev_write(serial->chardev, fifo->data, fifo->nr));
    } else {
        fifo->nr = 0;
    }
    if (fifo->nr == 0)
        serial->transmit_pending = true;
}

static size_t room(void *opaque)
{
    const struct serial *serial = opaque;

    /* In loopback the input pin is cut off. */
    if (!serial->running || serial->mcr & MCR_LOOP ||
        is_full(serial, &serial->receive))
        return 0;
    return depth(serial) - serial->receive.nr;
}

static void received(void *opaque, const uint8_t *buf, size_t len)
{
    struct serial *serial = opaque;

    for (size_t i = 0; i < len; i++)
        receive(serial, buf[i]);
    update_irq(serial);
}

static void writable(void *opaque)
{
    struct serial *serial = opaque;

    if (!serial->running)
        return;
    transmit(serial);
    update_irq(serial);
}

static const struct chardev_user user = {
    .room = room,
    .received = received,
    .writable = writable,
};

static void accept_input(struct serial *serial)
{
    if (serial->chardev && room(serial) > 0)
        chardev_accept(serial->chardev);
}

/* ---- modem lines: the other end is always there ---- */

static uint8_t modem_lines(const struct serial *serial)
{
    uint8_t lines = 0;

    if (!(serial->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    if (serial->mcr & MCR_RTS)
        lines |= MSR_CTS;
    if (serial->mcr & MCR_DTR)
        lines |= MSR_DSR;
    if (serial->mcr & MCR_OUT1)
        lines |= MSR_RI;
    if (serial->mcr & MCR_OUT2)
        lines |= MSR_DCD;
    return lines;
}

static void update_modem(struct serial *serial)
{
    uint8_t before = serial->modem & MSR_LINES;
    uint8_t now = modem_lines(serial);
    uint8_t deltas = (uint8_t)(before ^ now) >> 4;

    /* Of the ring indicator only the end counts. */
    if (now & MSR_RI)
        deltas &= (uint8_t)~MSR_RI_ENDED;
    serial->modem = (uint8_t)(now | (serial->modem & MSR_DELTAS) | deltas);
}

/* ---- registers ---- */

static uint8_t read_rbr(struct serial *serial)
{
    uint8_t byte = 0;

    if (serial->receive.nr > 0) {
        byte = serial->receive.data[0];
        drop(&serial->receive, 1);
    }
    update_irq(serial);
    accept_input(serial);
    return byte;
}

static uint8_t read_iir(struct serial *serial)
{
    uint8_t value = source(serial);

    /* Reading clears the THRE interrupt, but only when it is what is shown. */
    if (value == IIR_TRANSMIT) {
        serial->transmit_pending = false;
        update_irq(serial);
    }
    return serial->fcr & FCR_ENABLE ? value | IIR_FIFOS : value;
}

static uint8_t read_byte(void *opaque, uint64_t offset)
{
    struct serial *serial = opaque;
    bool dlab = serial->lcr & LCR_DLAB;
    uint8_t value;

    switch (offset) {
    case RBR:
        return dlab ? serial->divisor[0] : read_rbr(serial);
    case IER:
        return dlab ? serial->divisor[1] : serial->ier;
    case IIR:
        return read_iir(serial);
    case LCR:
        return serial->lcr;
    case MCR:
        return serial->mcr;
    case LSR:
        value = line_status(serial);
        serial->line &= (uint8_t)~LSR_ERRORS;
        update_irq(serial);
        return value;
    case MSR:
        value = serial->modem;
        serial->modem &= (uint8_t)~MSR_DELTAS;
        update_irq(serial);
        return value;
    case SCR:
        return serial->scr;
    default:
        return 0xff;
    }
}

static void write_thr(struct serial *serial, uint8_t byte)
{
    /* A guest that does not look at THRE loses what it writes. */
    if (!is_full(serial, &serial->transmit))
        push(&serial->transmit, byte);
    serial->transmit_pending = false;
    transmit(serial);
    update_irq(serial);
}

static void write_ier(struct serial *serial, uint8_t value)
{
    uint8_t before = serial->ier;

    serial->ier = value & IER_MASK;
    /*
     * Enabling the THRE interrupt raises it when the transmitter is empty, even
     * if IIR was read before: drivers start transmission that way.
     */
    if ((before ^ serial->ier) & IER_TRANSMIT)
        serial->transmit_pending =
            serial->ier & IER_TRANSMIT && serial->transmit.nr == 0;
    update_irq(serial);
}

static void write_fcr(struct serial *serial, uint8_t value)
{
    if ((value ^ serial->fcr) & FCR_ENABLE)
        value |= FCR_CLEAR_RECEIVE | FCR_CLEAR_TRANSMIT;
    else if (!(value & FCR_ENABLE))
        value = 0; /* the other bits need bit 0 */
    if (value & FCR_CLEAR_RECEIVE)
        serial->receive.nr = 0;
    if (value & FCR_CLEAR_TRANSMIT) {
        serial->transmit.nr = 0;
        serial->transmit_pending = true;
    }
    serial->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    update_irq(serial);
    accept_input(serial);
}

static void write_mcr(struct serial *serial, uint8_t value)
{
    serial->mcr = value & MCR_MASK;
    update_modem(serial);
    transmit(serial);
    update_irq(serial);
    accept_input(serial);
}

static void write_byte(void *opaque, uint64_t offset, uint8_t value)
{
    struct serial *serial = opaque;
    bool dlab = serial->lcr & LCR_DLAB;

    switch (offset) {
    case THR:
        if (dlab)
            serial->divisor[0] = value;
        else
            write_thr(serial, value);
        break;
    case IER:
        if (dlab)
            serial->divisor[1] = value;
        else
            write_ier(serial, value);
        break;
    case FCR:
        write_fcr(serial, value);
        break;
    case LCR:
        serial->lcr = value;
        break;
    case MCR:
        write_mcr(serial, value);
        break;
    case SCR:
        serial->scr = value;
        break;
    default: /* LSR and MSR are read-only */
        break;
    }
}

static uint64_t serial_read(void *opaque, uint64_t offset, unsigned size)
{
    return bytewise_read(read_byte, opaque, offset, size);
}

static void serial_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    bytewise_write(write_byte, opaque, offset, size, value);
}

static const struct bus_ops serial_ops = {
    .read = serial_read,
    .write = serial_write,
};

/* ---- the device ---- */

static int serial_init(struct device *device)
{
    struct serial *serial = device->state;
    struct machine *machine = device->machine;
    int ret;

    if (device->instance >= sizeof(ports) / sizeof(ports[0]))
        return -EINVAL;
    serial->machine = machine;
    serial->port = ports[device->instance].port;
    serial->irq = ports[device->instance].irq;
    ret = bus_add(machine->bus, BUS_PIO, serial->port, NR_PORTS, &serial_ops,
                  serial);
    if (ret)
        return ret;
    serial->chardev = machine->serials[device->instance];
    if (serial->chardev)
        chardev_attach(serial->chardev, &user, serial);
    return 0;
}

static void serial_reset(struct device *device)
{
    struct serial *serial = device->state;

    serial->ier = 0;
    serial->fcr = 0;
    serial->lcr = 0;
    serial->mcr = 0;
    serial->scr = 0;
    serial->line = 0;
    serial->modem = modem_lines(serial);
    serial->divisor[0] = 12; /* 9600 baud */
    serial->divisor[1] = 0;
    serial->transmit_pending = false;
    serial->receive.nr = 0;
    serial->transmit.nr = 0;
    update_irq(serial);
}

static void serial_restored(struct device *device)
{
    update_irq(device->state);
}

static void serial_stop(struct device *device)
{
    struct serial *serial = device->state;

    serial->running = false;
}

static void serial_resume(struct device *device)
{
    struct serial *serial = device->state;

    serial->running = true;
    writable(serial);
    accept_input(serial);
}

static void serial_fini(struct device *device)
{
    struct serial *serial = device->state;

    if (serial->chardev)
        chardev_attach(serial->chardev, NULL, NULL);
    if (serial->machine)
        bus_remove(serial->machine->bus, BUS_PIO, serial->port);
}

/* ---- saved state ---- */

static int serial_check(const void *opaque, char *text, size_t size)
{
    const struct serial *staged = opaque;
    unsigned limit = depth(staged);

    if (staged->receive.nr <= limit && staged->transmit.nr <= limit)
        return 0;
    snprintf(text, size,
             "%u bytes received and %u to send in FIFOs of %u: the state is "
             "damaged",
             staged->receive.nr, staged->transmit.nr, limit);
    return -EINVAL;
}

static const struct xen_migrate_field serial_fields[] = {
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
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state serial_saved = {
    .name = "serial",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct serial),
    .fields = serial_fields,
    .check = serial_check,
};

const struct device_ops device_serial = {
    .name = "serial",
    .state_size = sizeof(struct serial),
    .saved = &serial_saved,
    .init = serial_init,
    .reset = serial_reset,
    .restored = serial_restored,
    .stop = serial_stop,
    .resume = serial_resume,
    .fini = serial_fini,
};
