/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/chardev.h"

#include "tests/unit/capture.h"

#define PATIENCE_MS 10000

/* A user that takes as much as it is told to. */
struct guest {
    struct chardev *chardev;
    size_t room;
    uint8_t got[65536];
    size_t nr_got;
    unsigned writable;
};

struct bench {
    uv_loop_t loop;
    uv_timer_t guard;
    uv_prepare_t prepare;
    unsigned turns;
    char dir[64];
    struct guest guest;
};

/* ---- the loop ---- */

static void ran_out(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", PATIENCE_MS);
}

static void count_turn(uv_prepare_t *prepare)
{
    struct bench *bench = prepare->data;

    bench->turns++;
}

static void stop_waiting(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Turn until *what reaches want; a test that waits for nothing fails. */
static void turn_until(struct bench *bench, const size_t *what, size_t want)
{
    uv_timer_start(&bench->guard, ran_out, PATIENCE_MS, 0);
    while (*what < want)
        uv_run(&bench->loop, UV_RUN_ONCE);
    uv_timer_stop(&bench->guard);
}

static void wait_until_writable(struct bench *bench)
{
    uv_timer_start(&bench->guard, ran_out, PATIENCE_MS, 0);
    while (bench->guest.writable == 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
    uv_timer_stop(&bench->guard);
}

/* How often the loop turns by itself in so many milliseconds. */
static unsigned idle_turns(struct bench *bench, unsigned ms)
{
    unsigned before = bench->turns;
    bool done = false;

    bench->guard.data = &done;
    /* A timer that is due already would fire before uv_run sleeps for good. */
    uv_update_time(&bench->loop);
    uv_timer_start(&bench->guard, stop_waiting, ms, 0);
    while (!done)
        uv_run(&bench->loop, UV_RUN_ONCE);
    return bench->turns - before;
}

/* ---- the user ---- */

static size_t room(void *opaque)
{
    const struct guest *guest = opaque;

    return guest->room;
}

static void received(void *opaque, const uint8_t *buf, size_t len)
{
    struct guest *guest = opaque;

    assert_true(len <= guest->room);
    assert_true(len <= sizeof(guest->got) - guest->nr_got);
    memcpy(guest->got + guest->nr_got, buf, len);
    guest->nr_got += len;
    guest->room -= len;
}

static void writable(void *opaque)
{
    struct guest *guest = opaque;

    guest->writable++;
}

static const struct chardev_user user = {
    .room = room,
    .received = received,
    .writable = writable,
};

static size_t put(struct bench *bench, const char *text)
{
    return chardev_write(bench->guest.chardev, (const uint8_t *)text,
                         strlen(text));
}

static void open_spec(struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void open_spec(struct bench *bench, const char *format, ...)
{
    char spec[256];
    va_list args;

    va_start(args, format);
    vsnprintf(spec, sizeof(spec), format, args);
    va_end(args);
    assert_int_equal(
        chardev_open(&bench->loop, "serial0", spec, &bench->guest.chardev), 0);
    bench->guest.room = sizeof(bench->guest.got);
    if (bench->guest.chardev)
        chardev_attach(bench->guest.chardev, &user, &bench->guest);
}

/* ---- the other end ---- */

static void expect_bytes(int fd, const char *text)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    char buf[256];
    size_t len = strlen(text);

    assert_true(len < sizeof(buf));
    for (size_t nr = 0; nr < len;) {
        ssize_t ret;

        assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
        ret = read(fd, buf + nr, len - nr);
        assert_true(ret > 0);
        nr += (size_t)ret;
    }
    assert_memory_equal(buf, text, len);
}

static int open_console(struct bench *bench)
{
    const char *name = chardev_filename(bench->guest.chardev);
    int fd;

    assert_memory_equal(name, "pty:", 4);
    fd = open(name + 4, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static struct sockaddr_un address_of(const struct bench *bench)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket",
             bench->dir);
    return address;
}

static int connect_to(const struct bench *bench)
{
    struct sockaddr_un address = address_of(bench);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)),
                     0);
    return fd;
}

static int listen_at(const struct bench *bench)
{
    struct sockaddr_un address = address_of(bench);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    uv_timer_init(&bench->loop, &bench->guard);
    uv_prepare_init(&bench->loop, &bench->prepare);
    bench->prepare.data = bench;
    uv_prepare_start(&bench->prepare, count_turn);
    strcpy(bench->dir, "/tmp/xenram-chardev-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    if (bench->guest.chardev)
        chardev_attach(bench->guest.chardev, NULL, NULL);
    chardev_close(bench->guest.chardev);
    uv_close((uv_handle_t *)&bench->guard, NULL);
    uv_close((uv_handle_t *)&bench->prepare, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    rmdir(bench->dir);
    free(bench);
    return 0;
}

/* ---- specs ---- */

static void bad_specs_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *spec;
        int error;
        const char *reason;
    } cases[] = {
        {"", -EINVAL, "none of pty"},
        {"vc", -EINVAL, "\"vc\" is none of pty"},
        {"ptyx", -EINVAL, "none of pty"},
        {"tcp:localhost:4444", -EINVAL, "none of pty"},
        {"pty,mux=on", -EINVAL, "mux=on"},
        {"stdio,signal=off", -EINVAL, "signal=off"},
        {"file:", -EINVAL, "a path is needed"},
        {"file:/nonexistent/log", -ENOENT, "/nonexistent/log"},
        {"unix:", -EINVAL, "path has 0 bytes"},
        {"unix:/x,tls=on", -EINVAL, "tls="},
        {"unix:/x,server=maybe", -EINVAL, "server=maybe"},
        {"unix:/x,wait=on", -EINVAL, "use wait=off"},
        {"unix:/x,server=on,wait", -EINVAL, "use wait=off"},
        {"unix:/nonexistent/x", -ENOENT, "listen on /nonexistent/x"},
        {"unix:/nonexistent/x,server=off", -ENOENT, "connect to"},
        {"unix:/0123456789012345678901234567890123456789012345678901234567890"
         "1234567890123456789012345678901234567890123456789",
         -EINVAL, "1 to 107"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chardev *chardev = (struct chardev *)bench;
        char text[512];
        int ret;

        capture_begin();
        ret = chardev_open(&bench->loop, "serial0", cases[i].spec, &chardev);
        capture_end(text, sizeof(text));
        assert_int_equal(ret, cases[i].error);
        assert_null(chardev);
        if (!strstr(text, cases[i].reason) || !strstr(text, "serial0"))
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].spec, text,
                     cases[i].reason);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    }
}

static void none_is_no_chardev(void **state)
{
    struct bench *bench = *state;

    open_spec(bench, "none");
    assert_null(bench->guest.chardev);
    chardev_close(NULL);
}

static void null_swallows_everything(void **state)
{
    struct bench *bench = *state;

    open_spec(bench, "null");
    assert_string_equal(chardev_label(bench->guest.chardev), "serial0");
    assert_string_equal(chardev_filename(bench->guest.chardev), "null");
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(put(bench, "hello"), 5);
    chardev_accept(bench->guest.chardev);
    assert_int_equal(bench->guest.writable, 0);
}

/* ---- pty ---- */

static void a_console_talks_both_ways(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    console = open_console(bench);
    assert_int_equal(put(bench, "login: \r\n"), 9);
    expect_bytes(console, "login: \r\n");
    assert_int_equal(write(console, "ro\003ot\r", 6), 6);
    turn_until(bench, &bench->guest.nr_got, 6);
    assert_memory_equal(bench->guest.got, "ro\003ot\r", 6);
    close(console);
}

static void output_waits_for_the_console_that_opens_later(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    assert_int_equal(put(bench, "boot messages"), 13);
    console = open_console(bench);
    expect_bytes(console, "boot messages");
    close(console);
    assert_int_equal(put(bench, "more"), 4);
    console = open_console(bench);
    expect_bytes(console, "more");
    close(console);
}

static void an_idle_pty_does_not_spin(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    assert_true(idle_turns(bench, 50) < 10); /* never opened */
    console = open_console(bench);
    assert_true(idle_turns(bench, 50) < 10); /* open */
    close(console);
    assert_true(idle_turns(bench, 50) < 10); /* closed again */
    bench->guest.room = 0;
    console = open_console(bench);
    assert_int_equal(write(console, "x", 1), 1);
    assert_true(idle_turns(bench, 50) < 10); /* input, and no room for it */
    close(console);
}

static void without_a_console_the_guest_never_waits(void **state)
{
    struct bench *bench = *state;
    char buf[65536], last[9] = "", expected[9];
    size_t total = 0;
    unsigned number;
    int console;

    open_spec(bench, "pty");
    for (number = 0; number < 100000; number++) {
        char text[16];

        snprintf(text, sizeof(text), "%07u\n", number);
        assert_int_equal(put(bench, text), 8);
    }
    assert_int_equal(bench->guest.writable, 0);
    assert_true(idle_turns(bench, 50) < 10);

    /* The newest are there for who comes; the end is whole. */
    console = open_console(bench);
    snprintf(expected, sizeof(expected), "%07u\n", number - 1);
    uv_timer_start(&bench->guard, ran_out, PATIENCE_MS, 0);
    while (strcmp(last, expected) != 0) {
        ssize_t ret = read(console, buf, sizeof(buf));

        if (ret > 0) {
            size_t tail = ret < 8 ? (size_t)ret : 8;

            total += (size_t)ret;
            memmove(last, last + tail, 8 - tail);
            memcpy(last + 8 - tail, buf + (size_t)ret - tail, tail);
        }
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    uv_timer_stop(&bench->guard);
    assert_true(total >= CHARDEV_BUFFER);
    close(console);
}

/* Numbers, so that every loss shows: all come through fd in order. */
static void numbers_come_through(struct bench *bench, int fd, unsigned nr)
{
    unsigned sent = 0, seen = 0, refusals = 0;
    size_t part = 0, have = 0;
    char text[16], buf[16];

    uv_timer_start(&bench->guard, ran_out, PATIENCE_MS, 0);
    while (seen < nr) {
        /* As much as goes, then a little reading. */
        while (sent < nr) {
            size_t ret;

            snprintf(text, sizeof(text), "%07u\n", sent);
            ret = chardev_write(bench->guest.chardev,
                                (const uint8_t *)text + part, 8 - part);
            part += ret;
            if (part < 8) {
                refusals++;
                break;
            }
            part = 0;
            sent++;
        }
        for (unsigned i = 0; i < 1000; i++) {
            ssize_t ret = read(fd, buf + have, 8 - have);

            if (ret <= 0)
                break;
            have += (size_t)ret;
            if (have < 8)
                continue;
            snprintf(text, sizeof(text), "%07u\n", seen);
            assert_memory_equal(buf, text, 8);
            have = 0;
            seen++;
        }
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    uv_timer_stop(&bench->guard);
    assert_int_not_equal(refusals, 0);
    assert_int_not_equal(bench->guest.writable, 0);
}

static void a_slow_console_loses_nothing(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    console = open_console(bench);
    numbers_come_through(bench, console, 50000);
    close(console);
}

static void a_guest_that_waited_goes_on_when_the_console_closes(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    console = open_console(bench);
    /* The kernel makes room in a pty some time after it was filled. */
    do {
        bench->guest.writable = 0;
        while (put(bench, "0123456789abcdef") == 16)
            ;
        idle_turns(bench, 20);
    } while (bench->guest.writable);
    close(console);
    wait_until_writable(bench);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(put(bench, "0123456789abcdef"), 16);
}

static void input_comes_as_there_is_room(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    console = open_console(bench);
    bench->guest.room = 3;
    assert_int_equal(write(console, "0123456789", 10), 10);
    turn_until(bench, &bench->guest.nr_got, 3);
    idle_turns(bench, 20);
    assert_int_equal(bench->guest.nr_got, 3);
    bench->guest.room = 5;
    chardev_accept(bench->guest.chardev);
    turn_until(bench, &bench->guest.nr_got, 8);
    bench->guest.room = 100;
    chardev_accept(bench->guest.chardev);
    turn_until(bench, &bench->guest.nr_got, 10);
    assert_memory_equal(bench->guest.got, "0123456789", 10);
    close(console);
}

static void input_waits_for_a_user(void **state)
{
    struct bench *bench = *state;
    int console;

    open_spec(bench, "pty");
    chardev_attach(bench->guest.chardev, NULL, NULL);
    console = open_console(bench);
    assert_int_equal(write(console, "early", 5), 5);
    assert_true(idle_turns(bench, 50) < 10);
    chardev_attach(bench->guest.chardev, &user, &bench->guest);
    turn_until(bench, &bench->guest.nr_got, 5);
    close(console);
}

/* ---- file ---- */

static void a_file_is_truncated_and_written(void **state)
{
    struct bench *bench = *state;
    char path[128], buf[64] = "";
    int fd;

    snprintf(path, sizeof(path), "%s/a=b,c", bench->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "old and long", 12), 12);
    open_spec(bench, "file:%s", path);
    assert_string_equal(chardev_filename(bench->guest.chardev), "file");
    assert_int_equal(put(bench, "one "), 4);
    assert_int_equal(put(bench, "two"), 3);
    assert_int_equal(pread(fd, buf, sizeof(buf), 0), 7);
    assert_string_equal(buf, "one two");
    assert_int_equal(ftruncate(fd, 0), 0); /* a rotated log has no hole */
    assert_int_equal(put(bench, "three"), 5);
    assert_int_equal(pread(fd, buf, sizeof(buf), 0), 5);
    close(fd);
    unlink(path);
}

static void a_full_disk_does_not_stop_the_guest(void **state)
{
    struct bench *bench = *state;
    char text[4096];
    size_t taken = 0;

    open_spec(bench, "file:/dev/full");
    capture_begin();
    for (unsigned i = 0; i < 10; i++)
        taken += put(bench, "hello");
    capture_end(text, sizeof(text));
    assert_int_equal(taken, 50);
    assert_non_null(strstr(text, "output lost: No space left on device"));
    assert_int_equal(bench->guest.writable, 0);
}

/* ---- unix sockets ---- */

static void a_server_talks_both_ways(void **state)
{
    struct bench *bench = *state;
    struct stat stat_buf;
    char path[128];
    int peer;

    snprintf(path, sizeof(path), "%s/socket", bench->dir);
    open_spec(bench, "unix:%s,server=on,wait=off", path);
    assert_non_null(
        strstr(chardev_filename(bench->guest.chardev), "/socket,server"));
    assert_int_equal(put(bench, "kept "), 5);
    peer = connect_to(bench);
    assert_int_equal(write(peer, "input", 5), 5);
    turn_until(bench, &bench->guest.nr_got, 5);
    assert_memory_equal(bench->guest.got, "input", 5);
    assert_int_equal(put(bench, "output"), 6);
    expect_bytes(peer, "kept output");
    close(peer);
    chardev_attach(bench->guest.chardev, NULL, NULL);
    chardev_close(bench->guest.chardev);
    bench->guest.chardev = NULL;
    assert_int_equal(stat(path, &stat_buf), -1); /* it cleans up */
}

static void peers_are_served_one_after_the_other(void **state)
{
    struct bench *bench = *state;
    int first, second;

    open_spec(bench, "unix:%s/socket,server,nowait", bench->dir);
    first = connect_to(bench);
    assert_int_equal(write(first, "1", 1), 1);
    turn_until(bench, &bench->guest.nr_got, 1);
    second = connect_to(bench);
    assert_int_equal(write(second, "2", 1), 1);
    assert_true(idle_turns(bench, 50) < 10); /* it waits quietly */
    assert_int_equal(bench->guest.nr_got, 1);
    assert_int_equal(put(bench, "for the first"), 13);
    expect_bytes(first, "for the first");
    close(first);
    turn_until(bench, &bench->guest.nr_got, 2);
    assert_int_equal(put(bench, "for the second"), 14);
    expect_bytes(second, "for the second");
    close(second);
}

static void a_peer_that_leaves_is_noticed_without_room(void **state)
{
    struct bench *bench = *state;
    int first, second;

    open_spec(bench, "unix:%s/socket", bench->dir);
    bench->guest.room = 1;
    first = connect_to(bench);
    assert_int_equal(write(first, "1 and more", 10), 10);
    turn_until(bench, &bench->guest.nr_got, 1);
    close(first);
    second = connect_to(bench);
    assert_true(idle_turns(bench, 50) < 20);
    assert_int_equal(put(bench, "hello"), 5);
    expect_bytes(second, "hello");
    close(second);
}

static void a_slow_peer_loses_nothing(void **state)
{
    struct bench *bench = *state;
    int peer;

    open_spec(bench, "unix:%s/socket", bench->dir);
    peer = connect_to(bench);
    assert_int_equal(write(peer, "x", 1), 1);
    turn_until(bench, &bench->guest.nr_got, 1);
    assert_int_equal(fcntl(peer, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    numbers_come_through(bench, peer, 100000);
    close(peer);
}

static void a_peer_that_dies_frees_the_guest_that_waited(void **state)
{
    struct bench *bench = *state;
    int peer;

    open_spec(bench, "unix:%s/socket", bench->dir);
    peer = connect_to(bench);
    assert_int_equal(write(peer, "x", 1), 1);
    turn_until(bench, &bench->guest.nr_got, 1);
    while (put(bench, "0123456789abcdef") == 16)
        ;
    assert_int_equal(bench->guest.writable, 0);
    close(peer);
    wait_until_writable(bench);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(put(bench, "0123456789abcdef"), 16);
}

static void a_socket_left_behind_is_replaced_but_a_file_is_not(void **state)
{
    struct bench *bench = *state;
    char spec[128], text[512];
    int stale = listen_at(bench), peer, fd;
    struct chardev *chardev;

    open_spec(bench, "unix:%s/socket", bench->dir);
    close(stale);
    peer = connect_to(bench);
    assert_int_equal(write(peer, "x", 1), 1);
    turn_until(bench, &bench->guest.nr_got, 1);
    close(peer);

    snprintf(spec, sizeof(spec), "unix:%s/file", bench->dir);
    fd = open(spec + 5, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    capture_begin();
    assert_int_equal(chardev_open(&bench->loop, "serial1", spec, &chardev),
                     -EADDRINUSE);
    capture_end(text, sizeof(text));
    assert_non_null(strstr(text, "Address already in use"));
    close(fd);
    assert_int_equal(unlink(spec + 5), 0); /* still there */
}

static void a_client_connects_again(void **state)
{
    struct bench *bench = *state;
    int listener = listen_at(bench), peer;

    open_spec(bench, "unix:%s/socket,server=off", bench->dir);
    assert_null(strstr(chardev_filename(bench->guest.chardev), ",server"));
    peer = accept(listener, NULL, NULL);
    assert_int_equal(write(peer, "1", 1), 1);
    turn_until(bench, &bench->guest.nr_got, 1);
    close(peer);
    uv_run(&bench->loop, UV_RUN_ONCE);
    assert_int_equal(put(bench, "kept"), 4);
    uv_timer_start(&bench->guard, ran_out, PATIENCE_MS, 0);
    assert_int_equal(fcntl(listener, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    while ((peer = accept(listener, NULL, NULL)) < 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
    uv_timer_stop(&bench->guard);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    expect_bytes(peer, "kept");
    close(peer);
    close(listener);
    unlink(address_of(bench).sun_path);
}

/* ---- stdio ---- */

static void stdio_talks_both_ways_and_is_put_back(void **state)
{
    struct bench *bench = *state;
    int saved_in = dup(STDIN_FILENO), saved_out = dup(STDOUT_FILENO);
    int input[2], output[2], flags;
    char buf[16] = "";

    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    fflush(stdout);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    open_spec(bench, "stdio");
    put(bench, "out");
    if (write(input[1], "in", 2) == 2)
        turn_until(bench, &bench->guest.nr_got, 2);
    close(input[1]); /* the end of input is not the end of output */
    idle_turns(bench, 20);
    put(bench, "put");
    chardev_attach(bench->guest.chardev, NULL, NULL);
    chardev_close(bench->guest.chardev);
    bench->guest.chardev = NULL;
    flags = fcntl(output[1], F_GETFL);
    dup2(saved_in, STDIN_FILENO);
    dup2(saved_out, STDOUT_FILENO);

    assert_int_equal(read(output[0], buf, sizeof(buf)), 6);
    assert_string_equal(buf, "output");
    assert_memory_equal(bench->guest.got, "in", 2);
    assert_int_equal(flags & O_NONBLOCK, 0);
    close(input[0]);
    close(output[0]);
    close(output[1]);
    close(saved_in);
    close(saved_out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(bad_specs_are_refused_with_a_reason),
        TEST(none_is_no_chardev),
        TEST(null_swallows_everything),
        TEST(a_console_talks_both_ways),
        TEST(output_waits_for_the_console_that_opens_later),
        TEST(an_idle_pty_does_not_spin),
        TEST(without_a_console_the_guest_never_waits),
        TEST(a_slow_console_loses_nothing),
        TEST(a_guest_that_waited_goes_on_when_the_console_closes),
        TEST(input_comes_as_there_is_room),
        TEST(input_waits_for_a_user),
        TEST(a_file_is_truncated_and_written),
        TEST(a_full_disk_does_not_stop_the_guest),
        TEST(a_server_talks_both_ways),
        TEST(peers_are_served_one_after_the_other),
        TEST(a_peer_that_leaves_is_noticed_without_room),
        TEST(a_slow_peer_loses_nothing),
        TEST(a_peer_that_dies_frees_the_guest_that_waited),
        TEST(a_socket_left_behind_is_replaced_but_a_file_is_not),
        TEST(a_client_connects_again),
        TEST(stdio_talks_both_ways_and_is_put_back),
    };

    signal(SIGPIPE, SIG_IGN);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
