/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyboard controller with a keyboard that nobody types on, and no mouse: it
 * answers what drivers ask, so that they find it, or not find it, at once.
 * IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary
 * Device Controller" and "Keyboards".
 */
#include "config.h"

#include <string.h>

#include "dm/bus.h"
#include "dm/device.h"
#include "dm/machine.h"

#define DATA_PORT 0x60
#define COMMAND_PORT 0x64
#define KEYBOARD_IRQ 1

#define STATUS_FULL 0x01   /* output buffer */
#define STATUS_SYSTEM 0x04 /* self test passed */
#define STATUS_COMMAND 0x08
#define STATUS_UNLOCKED 0x10

#define MODE_KEYBOARD_IRQ 0x01
#define MODE_SYSTEM 0x04
#define MODE_KEYBOARD_OFF 0x10
#define MODE_AUX_OFF 0x20
#define MODE_TRANSLATE 0x40

#define OUTPUT_NO_RESET 0x01
#define OUTPUT_A20 0x02
#define OUTPUT_FULL 0x10

enum controller_command {
    READ_RAM = 0x20, /* to 0x3f; 0x20 is the mode */
    WRITE_RAM = 0x60,
    AUX_DISABLE = 0xa7,
    AUX_ENABLE = 0xa8,
    AUX_TEST = 0xa9,
    SELF_TEST = 0xaa,
    KEYBOARD_TEST = 0xab,
    KEYBOARD_DISABLE = 0xad,
    KEYBOARD_ENABLE = 0xae,
    READ_INPUT = 0xc0,
    READ_OUTPUT = 0xd0,
    WRITE_OUTPUT = 0xd1,
    LOOP_KEYBOARD = 0xd2,
    LOOP_AUX = 0xd3,
    SEND_AUX = 0xd4,
    A20_OFF = 0xdd,
    A20_ON = 0xdf,
    PULSE = 0xf0, /* to 0xff: a zero bit pulses that output */
};

enum keyboard_command {
    KEY_SET_LEDS = 0xed,
    KEY_ECHO = 0xee,
    KEY_SCANCODE_SET = 0xf0,
    KEY_IDENTIFY = 0xf2,
    KEY_SET_RATE = 0xf3,
    KEY_ENABLE = 0xf4,
    KEY_DISABLE = 0xf5,
    KEY_SET_DEFAULTS = 0xf6,
    KEY_MODE_FIRST = 0xf7, /* to 0xfa: modes of set 3 */
    KEY_MODE_LAST = 0xfa,
    KEY_RESEND = 0xfe,
    KEY_RESET = 0xff,
};

#define KEYBOARD_ACK 0xfa
#define KEYBOARD_NAK 0xfe
#define KEYBOARD_PASSED 0xaa

#define CONTROLLER_PASSED 0x55
#define TEST_GOOD 0x00
#define TEST_CLOCK_LOW 0x01 /* as with nothing plugged in */
#define RAM_SIZE 32
#define QUEUE_SIZE 16

struct i8042 {
    uint8_t ram[RAM_SIZE]; /* ram[0]: the mode */
    uint8_t output;        /* the output port */
    uint8_t command;       /* of the controller, awaits a byte; 0: none */
    uint8_t keyboard;      /* of the keyboard, awaits a byte; 0: none */
    uint8_t scancode_set;
    bool last_was_command;
    uint8_t last; /* what the data port gave last, and gives again */

    uint8_t queue[QUEUE_SIZE]; /* for the data port, oldest first */
    uint8_t queued;
};

/* ---- output queue ---- */

static void update_irq(struct device *device)
{
    const struct i8042 *i8042 = device->state;

    machine_isa_irq(device->machine, KEYBOARD_IRQ, 0,
                    i8042->queued > 0 && i8042->ram[0] & MODE_KEYBOARD_IRQ);
}

static void queue(struct i8042 *i8042, uint8_t byte)
{
    if (i8042->queued < QUEUE_SIZE)
        i8042->queue[i8042->queued++] = byte;
}

static uint8_t read_data(struct device *device)
{
    struct i8042 *i8042 = device->state;

    if (i8042->queued > 0) {
        i8042->last = i8042->queue[0];
        i8042->queued--;
        memmove(i8042->queue, i8042->queue + 1, i8042->queued);
        /* Each byte is an edge of its own. */
        machine_isa_irq(device->machine, KEYBOARD_IRQ, 0, false);
        update_irq(device);
    }
    return i8042->last;
}

static uint8_t read_status(const struct i8042 *i8042)
{
    uint8_t status = STATUS_UNLOCKED;

    if (i8042->ram[0] & MODE_SYSTEM)
        status |= STATUS_SYSTEM;
    if (i8042->last_was_command)
        status |= STATUS_COMMAND;
    if (i8042->queued > 0)
        status |= STATUS_FULL;
    return status;
}

/* ---- keyboard ---- */

static void keyboard_defaults(struct i8042 *i8042)
{
    i8042->keyboard = 0;
    i8042->scancode_set = 2;
}

static void keyboard_parameter(struct i8042 *i8042, uint8_t byte)
{
    uint8_t command = i8042->keyboard;

    i8042->keyboard = 0;
    if (command != KEY_SCANCODE_SET) {
        queue(i8042, KEYBOARD_ACK);
        return;
    }
    if (byte > 3) {
        queue(i8042, KEYBOARD_NAK);
        return;
    }
    queue(i8042, KEYBOARD_ACK);
    if (byte == 0)
        queue(i8042, i8042->scancode_set);
    else
        i8042->scancode_set = byte;
}

static void keyboard_command(struct i8042 *i8042, uint8_t byte)
{
    switch (byte) {
    case KEY_ECHO:
        queue(i8042, KEY_ECHO);
        break;
    case KEY_IDENTIFY:
        queue(i8042, KEYBOARD_ACK);
        queue(i8042, 0xab);
        /* The second byte goes through the translation like any other. */
        queue(i8042, i8042->ram[0] & MODE_TRANSLATE ? 0x41 : 0x83);
        break;
    case KEY_SET_LEDS:
    case KEY_SCANCODE_SET:
    case KEY_SET_RATE:
        i8042->keyboard = byte;
        queue(i8042, KEYBOARD_ACK);
        break;
    case KEY_ENABLE:
        queue(i8042, KEYBOARD_ACK);
        break;
    case KEY_DISABLE:
    case KEY_SET_DEFAULTS:
        keyboard_defaults(i8042);
        queue(i8042, KEYBOARD_ACK);
        break;
    case KEY_RESEND:
        queue(i8042, i8042->last);
        break;
    case KEY_RESET:
        keyboard_defaults(i8042);
        queue(i8042, KEYBOARD_ACK);
        queue(i8042, KEYBOARD_PASSED);
        break;
    default:
        queue(i8042, byte >= KEY_MODE_FIRST && byte <= KEY_MODE_LAST
                         ? KEYBOARD_ACK
                         : KEYBOARD_NAK);
    }
}

static void keyboard_write(struct i8042 *i8042, uint8_t byte)
{
    /* Anything sent to the keyboard switches its clock on. */
    i8042->ram[0] &= (uint8_t)~MODE_KEYBOARD_OFF;
    /* A command in the place of a parameter ends the one that waited. */
    if (i8042->keyboard && byte < KEY_SET_LEDS) {
        keyboard_parameter(i8042, byte);
    } else {
        i8042->keyboard = 0;
        keyboard_command(i8042, byte);
    }
}

/* ---- controller ---- */

static void write_output(struct device *device, uint8_t value)
{
    struct i8042 *i8042 = device->state;

    i8042->output = value;
    if (!(value & OUTPUT_NO_RESET))
        machine_reboot(device->machine);
}

static uint8_t read_output(const struct i8042 *i8042)
{
    return (uint8_t)((i8042->output & ~OUTPUT_FULL) |
                     (i8042->queued > 0 ? OUTPUT_FULL : 0));
}

static void controller_parameter(struct device *device, uint8_t byte)
{
    struct i8042 *i8042 = device->state;
    uint8_t command = i8042->command;

    i8042->command = 0;
    switch (command) {
    case WRITE_OUTPUT:
        write_output(device, byte);
        break;
    case LOOP_KEYBOARD:
    case LOOP_AUX:
        /*
         * Not marked as aux data even where the command says so: that is how
         * drivers tell at once that there is no aux port.
         */
        queue(i8042, byte);
        break;
    case SEND_AUX: /* nobody there */
        break;
    default:
        if (command >= WRITE_RAM && command < WRITE_RAM + RAM_SIZE)
            i8042->ram[command - WRITE_RAM] = byte;
    }
}

static void set_mode(struct i8042 *i8042, uint8_t bit, bool on)
{
    i8042->ram[0] = (uint8_t)(on ? i8042->ram[0] | bit : i8042->ram[0] & ~bit);
}

static void self_test(struct i8042 *i8042)
{
    i8042->queued = 0;
    set_mode(i8042, MODE_SYSTEM, true);
    queue(i8042, CONTROLLER_PASSED);
}

static void controller_command(struct device *device, uint8_t byte)
{
    struct i8042 *i8042 = device->state;

    i8042->command = 0;
    switch (byte) {
    case AUX_DISABLE:
    case AUX_ENABLE:
        set_mode(i8042, MODE_AUX_OFF, byte == AUX_DISABLE);
        break;
    case AUX_TEST:
        queue(i8042, TEST_CLOCK_LOW);
        break;
    case SELF_TEST:
        self_test(i8042);
        break;
    case KEYBOARD_TEST:
        queue(i8042, TEST_GOOD);
        break;
    case KEYBOARD_DISABLE:
    case KEYBOARD_ENABLE:
        set_mode(i8042, MODE_KEYBOARD_OFF, byte == KEYBOARD_DISABLE);
        break;
    case READ_INPUT:
        queue(i8042, 0x80); /* not locked */
        break;
    case READ_OUTPUT:
        queue(i8042, read_output(i8042));
        break;
    case WRITE_OUTPUT:
    case LOOP_KEYBOARD:
    case LOOP_AUX:
    case SEND_AUX:
        i8042->command = byte;
        break;
    case A20_OFF:
    case A20_ON:
        i8042->output &= (uint8_t)~OUTPUT_A20;
        i8042->output |= byte == A20_ON ? OUTPUT_A20 : 0;
        break;
    default:
        if (byte >= READ_RAM && byte < READ_RAM + RAM_SIZE)
            queue(i8042, i8042->ram[byte - READ_RAM]);
        else if (byte >= WRITE_RAM && byte < WRITE_RAM + RAM_SIZE)
            i8042->command = byte;
        else if (byte >= PULSE && !(byte & OUTPUT_NO_RESET))
            machine_reboot(device->machine);
    }
}

/* ---- ports ---- */

static uint64_t data_port_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return read_data(opaque);
}

static void data_port_write(void *opaque, uint64_t offset, unsigned size,
                            uint64_t value)
{
    struct device *device = opaque;
    struct i8042 *i8042 = device->state;

    (void)offset;
    (void)size;
    i8042->last_was_command = false;
    if (i8042->command)
        controller_parameter(device, (uint8_t)value);
    else
        keyboard_write(i8042, (uint8_t)value);
    update_irq(device);
}

static uint64_t command_port_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct device *device = opaque;

    (void)offset;
    (void)size;
    return read_status(device->state);
}

static void command_port_write(void *opaque, uint64_t offset, unsigned size,
                               uint64_t value)
{
    struct device *device = opaque;
    struct i8042 *i8042 = device->state;

    (void)offset;
    (void)size;
    i8042->last_was_command = true;
    controller_command(device, (uint8_t)value);
    update_irq(device);
}

static const struct bus_ops data_port_ops = {
    .read = data_port_read,
    .write = data_port_write,
};

static const struct bus_ops command_port_ops = {
    .read = command_port_read,
    .write = command_port_write,
};

/* ---- the device ---- */

static int i8042_init(struct device *device)
{
    struct bus *bus = device->machine->bus;
    int ret = bus_add(bus, BUS_PIO, DATA_PORT, 1, &data_port_ops, device);

    if (ret)
        return ret;
    return bus_add(bus, BUS_PIO, COMMAND_PORT, 1, &command_port_ops, device);
}

static void i8042_reset(struct device *device)
{
    struct i8042 *i8042 = device->state;

    *i8042 = (struct i8042){
        .ram = {MODE_AUX_OFF}, /* interrupts: the firmware enables them */
        .output = OUTPUT_NO_RESET | OUTPUT_A20,
    };
    keyboard_defaults(i8042);
    update_irq(device);
}

static void i8042_restored(struct device *device)
{
    update_irq(device);
}

static void i8042_fini(struct device *device)
{
    bus_remove(device->machine->bus, BUS_PIO, DATA_PORT);
    bus_remove(device->machine->bus, BUS_PIO, COMMAND_PORT);
}

static const struct xen_migrate_field i8042_fields[] = {
    XEN_MIGRATE_ARRAY(BUFFER, i8042, ram),
    XEN_MIGRATE_FIELD(U8, i8042, output),
    XEN_MIGRATE_FIELD(U8, i8042, command),
    XEN_MIGRATE_FIELD(U8, i8042, keyboard),
    XEN_MIGRATE_FIELD_RANGE(U8, i8042, scancode_set, 1, 3),
    XEN_MIGRATE_FIELD(BOOL, i8042, last_was_command),
    XEN_MIGRATE_FIELD(U8, i8042, last),
    XEN_MIGRATE_ARRAY(BUFFER, i8042, queue),
    XEN_MIGRATE_FIELD_RANGE(U8, i8042, queued, 0, QUEUE_SIZE),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state i8042_saved = {
    .name = "i8042",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct i8042),
    .fields = i8042_fields,
};

const struct device_ops device_i8042 = {
    .name = "i8042",
    .state_size = sizeof(struct i8042),
    .saved = &i8042_saved,
    .init = i8042_init,
    .reset = i8042_reset,
    .restored = i8042_restored,
    .fini = i8042_fini,
};
