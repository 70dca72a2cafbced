/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dm/chardev.h"

#include "tests/unit/fake-board.h"

#define COM1 0x3f8
#define COM2 0x2f8
#define IRQ4 4

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define FCR IIR

/* ---- a line that takes what it is told to take ---- */

struct chardev {
    const struct chardev_user *user;
    void *opaque;
    uint8_t sent[65536];
    size_t nr_sent, room;
    const char *typed;
};

static struct chardev line;

void chardev_attach(struct chardev *chardev, const struct chardev_user *user,
                    void *opaque)
{
    chardev->user = user;
    chardev->opaque = opaque;
}

size_t chardev_write(struct chardev *chardev, const uint8_t *buf, size_t len)
{
    if (len > chardev->room)
        len = chardev->room;
    memcpy(chardev->sent + chardev->nr_sent, buf, len);
    chardev->nr_sent += len;
    chardev->room -= len;
    return len;
}

void chardev_accept(struct chardev *chardev)
{
    size_t room = chardev->user->room(chardev->opaque);
    size_t len = strlen(chardev->typed);

    assert_true(room > 0);
    if (len > room)
        len = room;
    if (len == 0)
        return;
    chardev->typed += len;
    chardev->user->received(chardev->opaque,
                            (const uint8_t *)chardev->typed - len, len);
}

static void type(const char *text)
{
    line.typed = text;
    if (line.user->room(line.opaque) > 0)
        chardev_accept(&line);
}

static void allow(size_t room)
{
    line.room = room;
    line.user->writable(line.opaque);
}

static int setup(void **state)
{
    board_begin();
    memset(&line, 0, sizeof(line));
    line.room = sizeof(line.sent);
    line.typed = "";
    board.machine.serials[0] = &line;
    *state = board_add(&device_serial, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_end();
    assert_null(line.user);
    return 0;
}

static uint8_t get(unsigned reg)
{
    return (uint8_t)in((uint16_t)(COM1 + reg), 1);
}

static void put(unsigned reg, uint8_t value)
{
    out((uint16_t)(COM1 + reg), 1, value);
}

/* ---- what drivers do to find the chip ---- */

/* hvmloader, util.c:uart_exists. */
static void hvmloader_finds_the_port(void **state)
{
    (void)state;
    put(IER, 0);
    assert_int_equal(get(IER), 0);
    put(IER, 0x0f);
    assert_int_equal(get(IER), 0x0f);
}

/* SeaBIOS, serial.c:detect_serial. */
static void seabios_finds_the_port(void **state)
{
    (void)state;
    put(IER, 0x02);
    assert_int_equal(get(IER), 0x02);
    assert_int_equal(get(IIR) & 0x3f, 0x02);
    put(IER, 0x00);
    assert_int_equal(get(LSR) & 0x60, 0x60);
}

/* Linux, 8250_port.c:autoconfig and autoconfig_16550a. */
static void linux_finds_a_16550a(void **state)
{
    uint8_t status;

    (void)state;
    put(IER, 0x00);
    assert_int_equal(get(IER) & 0x0f, 0x00);
    put(IER, 0x0f);
    assert_int_equal(get(IER) & 0x0f, 0x0f);
    put(IER, 0x00);

    put(MCR, 0x1a); /* loop, OUT2, RTS: shows as DCD and CTS */
    assert_int_equal(get(MSR) & 0xf0, 0x90);
    put(MCR, 0x00);

    put(LCR, 0xbf); /* an EFR register would keep this */
    put(FCR, 0x00);
    put(LCR, 0x00);
    put(FCR, 0x01);
    assert_int_equal(get(IIR) >> 6, 3);

    put(LCR, 0x80);
    assert_int_not_equal(get(IIR), 0); /* no EFR: not a 16650 */
    put(LCR, 0xbf);
    assert_int_not_equal(get(IIR), 0);
    put(LCR, 0x00);
    put(MCR, 0x10); /* no EXCR1 that mirrors MCR: not from National */
    put(LCR, 0xe0);
    status = get(IIR);
    put(LCR, 0x00);
    put(MCR, 0x00);
    assert_int_equal(status & 0x10, 0);

    put(FCR, 0x21); /* 64 byte FIFOs: not a 16750 */
    assert_int_equal(get(IIR) >> 5, 6);
    put(LCR, 0x80);
    put(FCR, 0x21);
    assert_int_equal(get(IIR) >> 5, 6);
    put(LCR, 0x00);

    put(IER, 0x40); /* no UART unit enable: not an XScale */
    assert_int_equal(get(IER), 0x00);
}

/* Linux, 8250_port.c:serial8250_do_startup. */
static void linux_finds_no_thre_bug(void **state)
{
    (void)state;
    put(IER, 0x02);
    assert_int_equal(get(IIR) & 0x0f, 0x02);
    put(IER, 0x00);
    put(IER, 0x02);
    assert_int_equal(get(IIR) & 0x0f, 0x02); /* raised again */
    put(IER, 0x00);
    assert_int_equal(get(IIR) & 0x0f, 0x01);
}

static void registers_keep_what_they_should(void **state)
{
    (void)state;
    put(SCR, 0x5a);
    assert_int_equal(get(SCR), 0x5a);
    put(LCR, 0x83);
    put(DATA, 0x34);
    put(IER, 0x12);
    assert_int_equal(get(DATA), 0x34);
    assert_int_equal(get(IER), 0x12);
    assert_int_equal(in(COM1, 2), 0x1234); /* two bytes at once */
    put(LCR, 0x03);
    assert_int_equal(get(IER), 0x00);
    assert_int_equal(get(LCR), 0x03);
    put(MCR, 0xff);
    assert_int_equal(get(MCR), 0x1f);
    put(MCR, 0x03);
    put(LSR, 0xff);
    put(MSR, 0xff);
    assert_int_equal(get(LSR), 0x60);
    assert_int_equal(get(MSR) & 0xf0, 0xb0); /* CTS, DSR, DCD */
    assert_int_equal(line.nr_sent, 0);
}

/* ---- sending ---- */

static void bytes_go_out_in_order(void **state)
{
    (void)state;
    for (const char *c = "hello"; *c; c++) {
        assert_int_equal(get(LSR) & 0x60, 0x60);
        put(DATA, (uint8_t)*c);
    }
    assert_int_equal(line.nr_sent, 5);
    assert_memory_equal(line.sent, "hello", 5);
}

static void thre_raises_an_interrupt_for_each_byte(void **state)
{
    (void)state;
    put(IER, 0x02);
    assert_true(board.isa[IRQ4]);
    assert_int_equal(get(IIR) & 0x0f, 0x02);
    assert_false(board.isa[IRQ4]); /* reading IIR was the acknowledgement */
    put(DATA, 'x');
    assert_true(board.isa[IRQ4]);
    assert_int_equal(get(IIR) & 0x0f, 0x02);
    assert_int_equal(get(IIR) & 0x0f, 0x01);
    assert_false(board.isa[IRQ4]);
}

static void nothing_is_lost_when_the_line_is_slow(void **state)
{
    static const char text[] = "a longer text than sixteen bytes";
    size_t nr = 0;

    (void)state;
    put(FCR, 0x01);
    line.room = 0;
    while (nr < sizeof(text)) {
        /* A driver: 16 bytes whenever THRE is up. */
        if (get(LSR) & 0x20)
            for (unsigned i = 0; i < 16 && nr < sizeof(text); i++)
                put(DATA, (uint8_t)text[nr++]);
        else
            allow(3);
        line.room = 0;
    }
    while (!(get(LSR) & 0x40))
        allow(3);
    assert_int_equal(line.nr_sent, sizeof(text));
    assert_memory_equal(line.sent, text, sizeof(text));
}

static void thre_stays_low_until_the_line_takes_the_byte(void **state)
{
    (void)state;
    put(IER, 0x02);
    (void)get(IIR);
    line.room = 0;
    put(DATA, 'x');
    assert_int_equal(get(LSR) & 0x60, 0);
    assert_false(board.isa[IRQ4]);
    put(DATA, 'y'); /* a guest that does not look: this one is lost */
    allow(10);
    assert_int_equal(get(LSR) & 0x60, 0x60);
    assert_true(board.isa[IRQ4]);
    assert_int_equal(line.nr_sent, 1);
    assert_int_equal(line.sent[0], 'x');
}

static void a_port_without_a_line_swallows_output(void **state)
{
    (void)state;
    board_add(&device_serial, 1);
    out(COM2, 1, 'x');
    assert_int_equal(in(COM2 + LSR, 1), 0x60);
    assert_int_equal(line.nr_sent, 0);
}

/* ---- receiving ---- */

static void without_fifos_one_byte_waits(void **state)
{
    (void)state;
    put(IER, 0x01);
    type("abc");
    assert_true(board.isa[IRQ4]);
    assert_int_equal(get(IIR), 0x04);
    assert_int_equal(get(LSR), 0x61);
    assert_int_equal(get(DATA), 'a'); /* reading lets the next one in */
    assert_int_equal(get(DATA), 'b');
    assert_int_equal(get(DATA), 'c');
    assert_int_equal(get(LSR), 0x60);
    assert_false(board.isa[IRQ4]);
    assert_int_equal(get(DATA), 0);
}

static void the_trigger_level_decides_between_data_and_timeout(void **state)
{
    static const struct {
        uint8_t fcr;
        unsigned level;
    } cases[] = {{0x01, 1}, {0x41, 4}, {0x81, 8}, {0xc1, 14}};
    static const char text[] = "0123456789abcdef";

    (void)state;
    put(IER, 0x01);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned nr = 1; nr <= 16; nr++) {
            put(FCR, cases[i].fcr | 0x02);
            type(text + 16 - nr);
            assert_int_equal(get(IIR), nr >= cases[i].level ? 0xc4 : 0xcc);
            assert_true(board.isa[IRQ4]);
            for (unsigned k = 0; k < nr; k++)
                assert_int_equal(get(DATA), text[16 - nr + k]);
            assert_int_equal(get(IIR), 0xc1);
            assert_false(board.isa[IRQ4]);
        }
}

static void a_long_text_comes_in_whole(void **state)
{
    static const char text[] =
        "more than one FIFO holds, so that room must be asked for again";
    char got[sizeof(text)] = "";
    size_t nr = 0;

    (void)state;
    put(FCR, 0xc1);
    type(text);
    while (get(LSR) & 0x01)
        got[nr++] = (char)get(DATA);
    assert_string_equal(got, text);
    assert_int_equal(get(LSR) & 0x02, 0); /* no overrun */
}

static void clearing_the_fifo_makes_room(void **state)
{
    (void)state;
    put(FCR, 0x01);
    type("0123456789abcdefX");
    put(FCR, 0x03);
    assert_int_equal(get(DATA), 'X');
    assert_int_equal(get(LSR) & 0x01, 0);
    type("y");
    put(FCR, 0x00); /* turning FIFOs off clears them */
    assert_int_equal(get(LSR) & 0x01, 0);
    assert_int_equal(get(IIR), 0x01);
}

/* ---- loopback, line and modem status ---- */

static void loopback_returns_what_is_sent(void **state)
{
    (void)state;
    put(FCR, 0x01);
    put(MCR, 0x10);
    type("typed");
    put(DATA, 'x');
    put(DATA, 'y');
    assert_int_equal(get(DATA), 'x');
    assert_int_equal(get(DATA), 'y');
    assert_int_equal(get(LSR) & 0x01, 0); /* the input pin is cut off */
    assert_int_equal(line.nr_sent, 0);
    put(MCR, 0x00);
    assert_int_equal(get(DATA), 't');
}

static void an_overrun_raises_line_status(void **state)
{
    (void)state;
    put(IER, 0x04);
    put(MCR, 0x10);
    put(DATA, 'x');
    assert_false(board.isa[IRQ4]);
    put(DATA, 'y');
    assert_true(board.isa[IRQ4]);
    assert_int_equal(get(IIR), 0x06);
    assert_int_equal(get(LSR), 0x63);
    assert_int_equal(get(LSR), 0x61);
    assert_false(board.isa[IRQ4]);
    assert_int_equal(get(DATA), 'x');
}

static void modem_lines_follow_in_loopback(void **state)
{
    static const struct {
        uint8_t mcr, lines, deltas;
    } cases[] = {
        {0x10, 0x00, 0x0b}, /* CTS, DSR, DCD went away */
        {0x11, 0x20, 0x02}, /* DTR to DSR */
        {0x12, 0x10, 0x03}, /* RTS to CTS, DSR went away */
        {0x14, 0x40, 0x01}, /* OUT1 to RI: its begin does not count */
        {0x18, 0x80, 0x0c}, /* OUT2 to DCD; the end of RI does */
        {0x00, 0xb0, 0x03},
    };

    (void)state;
    put(IER, 0x08);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(MCR, cases[i].mcr);
        assert_true(board.isa[IRQ4]);
        assert_int_equal(get(IIR), 0x00);
        assert_int_equal(get(MSR), cases[i].lines | cases[i].deltas);
        assert_int_equal(get(MSR), cases[i].lines);
        assert_false(board.isa[IRQ4]);
    }
}

static void sources_are_shown_by_priority(void **state)
{
    (void)state;
    put(MCR, 0x10); /* modem deltas */
    put(IER, 0x0f); /* THRE */
    put(DATA, 'x'); /* data */
    put(DATA, 'y'); /* overrun, and no room: lost */
    assert_int_equal(get(IIR), 0x06);
    (void)get(LSR);
    assert_int_equal(get(IIR), 0x04);
    (void)get(DATA);
    assert_int_equal(get(IIR), 0x02);
    assert_int_equal(get(IIR), 0x00);
    assert_true(board.isa[IRQ4]);
    (void)get(MSR);
    assert_int_equal(get(IIR), 0x01);
    assert_false(board.isa[IRQ4]);
}

/* ---- saved state, robustness ---- */

static void nothing_comes_in_while_stopped(void **state)
{
    struct device *device = *state;

    device->ops->stop(device);
    assert_int_equal(line.user->room(line.opaque), 0);
    type("a");
    assert_int_equal(get(LSR) & 0x01, 0);
    device->ops->resume(device);
    assert_int_equal(get(DATA), 'a');
}

static void bytes_on_both_sides_survive_a_restore(void **state)
{
    struct device *device = *state, *second;
    uint8_t copy[512];
    struct device from = *device;

    put(FCR, 0x81);
    put(IER, 0x01);
    put(SCR, 0x77);
    put(MCR, 0x0b);
    type("abc");
    line.room = 0;
    put(DATA, 'x');
    put(DATA, 'y');
    device->ops->stop(device);
    assert_true(device->ops->state_size <= sizeof(copy));
    memcpy(copy, device->state, device->ops->state_size);
    from.state = copy;
    board_remove(device);
    board.isa[IRQ4] = false;

    second = board_add_blank(&device_serial, 0);
    assert_int_equal(board_transfer(&from, second), 0);
    assert_true(board.isa[IRQ4]); /* the line is up again */
    assert_int_equal(get(LSR), 0x01);
    line.room = 10;
    second->ops->resume(second);
    assert_memory_equal(line.sent, "xy", 2);
    assert_int_equal(get(LSR), 0x61);
    assert_int_equal(get(IIR), 0xcc);
    assert_int_equal(get(SCR), 0x77);
    assert_int_equal(get(DATA), 'a');
    assert_int_equal(get(DATA), 'b');
    assert_int_equal(get(DATA), 'c');
    *state = second;
}

/* Each byte of a state takes each value: refused, or harmless. */
static void no_state_reaches_beyond_the_fifos(void **state)
{
    struct device *device = *state;
    const struct xen_migrate_field *field = device->ops->saved->fields;
    unsigned refused = 0;
    uint8_t copy[512];
    struct device from = *device;

    from.state = copy;
    for (; field->type != XEN_MIGRATE_END; field++)
        for (uint32_t i = 0; i < field->count; i++)
            for (unsigned value = 0; value < 256; value++) {
                if (field->type == XEN_MIGRATE_BOOL && value > 1)
                    continue;
                memcpy(copy, device->state, device->ops->state_size);
                copy[field->offset + i] = (uint8_t)value;
                if (board_transfer(&from, device) == 0)
                    board_shake(COM1, 8, 50);
                else
                    refused++;
                line.nr_sent = 0;
                line.room = 1000;
            }
    assert_int_not_equal(refused, 0);
}

static void any_access_is_harmless(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        line.nr_sent = 0;
        line.room = i;
        line.typed = "0123456789012345678901234567890123456789";
        board_shake(COM1, 8, 200);
        line.user->writable(line.opaque);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(hvmloader_finds_the_port),
        TEST(seabios_finds_the_port),
        TEST(linux_finds_a_16550a),
        TEST(linux_finds_no_thre_bug),
        TEST(registers_keep_what_they_should),
        TEST(bytes_go_out_in_order),
        TEST(thre_raises_an_interrupt_for_each_byte),
        TEST(nothing_is_lost_when_the_line_is_slow),
        TEST(thre_stays_low_until_the_line_takes_the_byte),
        TEST(a_port_without_a_line_swallows_output),
        TEST(without_fifos_one_byte_waits),
        TEST(the_trigger_level_decides_between_data_and_timeout),
        TEST(a_long_text_comes_in_whole),
        TEST(clearing_the_fifo_makes_room),
        TEST(loopback_returns_what_is_sent),
        TEST(an_overrun_raises_line_status),
        TEST(modem_lines_follow_in_loopback),
        TEST(sources_are_shown_by_priority),
        TEST(nothing_comes_in_while_stopped),
        TEST(bytes_on_both_sides_survive_a_restore),
        TEST(no_state_reaches_beyond_the_fifos),
        TEST(any_access_is_harmless),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
