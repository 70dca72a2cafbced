/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "tests/unit/fake-machine.h"
#include "tests/unit/qmp-client.h"

static void the_greeting_comes_first_with_three_integers(void **state)
{
    struct client *client =
        client_connect(*state, ((struct fixture *)*state)->path);

    assert_string_equal(
        client_line(client),
        "{\"QMP\":{\"version\":{\"qemu\":{\"major\":9,"
        "\"minor\":2,\"micro\":0},\"package\":\"xenram " PACKAGE_VERSION
        "\"},\"capabilities\":[]}}");
    client_hang_up(client);
}

static void nobody_is_answered_before_the_start(void **state)
{
    struct fixture *fixture = *state;
    struct client *client;

    fixture_open(fixture);
    client = client_connect(fixture, fixture->path);
    client_give(client, "{\"execute\":\"query-status\",\"id\":1}");
    assert_true(client_is_silent(client));
    qmp_start(fixture->qmp);
    assert_non_null(strstr(client_line(client), "QMP"));
    client_hang_up(client);
}

static void a_descriptor_that_nobody_asked_for_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    unsigned before = count_fds();
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    client_give_with_fd(client, "{\"execute\":\"query-name\"}\r\n", fd);
    client_line(client);
    fixture_turn(fixture);
    assert_int_equal(count_fds(), before + 1);
    for (int i = 0; i < 20; i++)
        client_give_with_fd(client, " ", fd);
    fixture_turn(fixture);
    close(fd);
    assert_int_equal(count_fds(), before + 1); /* the last may be wanted yet */
    client_hang_up(client);
    fixture_turn(fixture);
    assert_int_equal(count_fds(), before - 2); /* both ends */
}

static void bytes_may_come_one_by_one_or_many_at_once(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    const char *text = "\r\n {\"execute\":\"query-name\",\"id\":\"\\u00e9\"}";

    for (const char *c = text; *c; c++) {
        char one[2] = {*c, '\0'};

        client_give(client, one);
        fixture_turn(client->fixture);
    }
    assert_string_equal(
        client_line(client),
        "{\"return\":{\"name\":\"guest\"},\"id\":\"\xc3\xa9\"}");
    client_give(client, "{\"execute\":\"cont\",\"id\":1}{\"execute\":\"cont\","
                        "\"id\":2}\n\n{\"execute\":\"cont\",\"id\":3}\r\n");
    assert_string_equal(client_line(client), "{\"return\":{},\"id\":1}");
    assert_string_equal(client_line(client), "{\"return\":{},\"id\":2}");
    assert_string_equal(client_line(client), "{\"return\":{},\"id\":3}");
    client_hang_up(client);
}

static void garbage_ends_its_own_connection_only(void **state)
{
    static const char *const garbage[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "[]",
        "{]",
        "{\"execute\":\"cont\",}",
        "{'execute':'cont'}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
        "\"a\":",
        "\xff\xfe",
        "{\"execute\":\x01}",
    };
    struct fixture *fixture = *state;
    struct client *witness = client_log_in(fixture, fixture->path);

    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct client *client = client_log_in(fixture, fixture->path);

        assert_non_null(strstr(client_ask(client, garbage[i]), "GenericError"));
        assert_null(client_line(client));
        client_hang_up(client);
        assert_string_equal(
            client_ask(witness, "{\"execute\":\"cont\",\"id\":0}"),
            "{\"return\":{},\"id\":0}");
    }
    client_hang_up(witness);
}

static void a_message_without_end_is_cut_off(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    static char blob[4096];
    size_t given = 0;

    memset(blob, 'x', sizeof(blob));
    client_give(client, "{\"execute\":\"");
    for (unsigned i = 0; i < TURNS && given < (1u << 20); i++) {
        ssize_t ret =
            send(client->fd, blob, sizeof(blob), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (ret < 0 && errno != EAGAIN)
            break; /* it hung up */
        given += ret > 0 ? (size_t)ret : 0;
        fixture_turn(client->fixture);
    }
    assert_true(given < (1u << 20));
    assert_non_null(strstr(client_line(client), "longer than 64 KiB"));
    assert_null(client_line(client));
    client_hang_up(client);
}

static void a_slow_reader_is_not_read_from_and_loses_nothing(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    const char *text = "{\"execute\":\"query-commands\"}";
    unsigned given = 0, full = 0;

    /* Until the server has stopped reading for good. */
    while (full < 100) {
        ssize_t ret =
            send(client->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);

        fixture_turn(client->fixture);
        if (ret < 0) {
            assert_int_equal(errno, EAGAIN);
            full++;
            continue;
        }
        assert_int_equal(ret, strlen(text));
        full = 0;
        assert_true(++given < 100000);
    }
    for (unsigned i = 0; i < given; i++)
        assert_non_null(strstr(client_line(client), "xen-save-devices-state"));
    assert_true(client_is_silent(client));
    client_hang_up(client);
}

static void a_client_may_vanish_at_any_time(void **state)
{
    struct fixture *fixture = *state;
    unsigned before = count_fds();
    struct client *witness;

    for (int i = 0; i < 10; i++) {
        struct client *client = client_connect(fixture, fixture->path);

        for (int j = 0; j < 50 * i; j++)
            send(client->fd, "{\"execute\":\"query-commands\"}", 28,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        for (int j = 0; j < i; j++)
            fixture_turn(fixture);
        client_hang_up(client);
    }
    witness = client_log_in(fixture, fixture->path);
    for (int i = 0; i < 100; i++)
        fixture_turn(fixture);
    assert_int_equal(count_fds(), before + 2);
    client_hang_up(witness);
}

static void a_client_that_stops_writing_gets_its_answers(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_connect(fixture, fixture->path);

    client_give(client,
                "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"cont\"}");
    shutdown(client->fd, SHUT_WR);
    assert_non_null(strstr(client_line(client), "QMP"));
    assert_string_equal(client_line(client), "{\"return\":{}}");
    assert_string_equal(client_line(client), "{\"return\":{}}");
    assert_null(client_line(client));
    client_hang_up(client);
}

static void both_sockets_serve_several_clients(void **state)
{
    struct fixture *fixture = *state;
    struct client *clients[8];

    for (int i = 0; i < 8; i++)
        clients[i] =
            client_log_in(fixture, i % 2 ? fixture->path : fixture->other);
    for (int i = 7; i >= 0; i--)
        assert_string_equal(client_ask(clients[i], "{\"execute\":\"cont\"}"),
                            "{\"return\":{}}");
    for (int i = 0; i < 8; i++)
        client_hang_up(clients[i]);
}

static void the_seventeenth_client_waits_its_turn(void **state)
{
    struct fixture *fixture = *state;
    struct client *clients[16], *late;

    for (int i = 0; i < 16; i++)
        clients[i] = client_log_in(fixture, fixture->path);
    late = client_connect(fixture, fixture->other);
    assert_true(client_is_silent(late));
    client_hang_up(clients[5]);
    assert_non_null(strstr(client_line(late), "QMP"));
    client_hang_up(late);
    for (int i = 0; i < 16; i++) {
        if (i != 5)
            client_hang_up(clients[i]);
    }
}

static void a_dead_socket_gives_way_and_the_new_one_is_private(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;

    strcpy(address.sun_path, fixture->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    fixture_open(fixture);
    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_file_in_the_way_is_kept_and_named(void **state)
{
    struct fixture *fixture = *state;
    char log[512];
    int fd = open(fixture->other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    int ret;

    close(fd);
    capture_begin();
    ret = qmp_open(&fixture->loop, &fixture->options, &fake.machine,
                   &fixture->qmp);
    capture_end(log, sizeof(log));
    assert_int_equal(ret, -EEXIST);
    assert_non_null(strstr(log, fixture->other));
    assert_int_equal(access(fixture->other, F_OK), 0);
    assert_null(fixture->qmp);
}

static void an_inherited_socket_must_listen(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), ret;
    struct client *client;
    char log[512];

    fixture->options.nr_qmp = 1;
    fixture->options.qmp[0] = (struct options_qmp){.id = "a", .fd = fd};
    strcpy(address.sun_path, fixture->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    capture_begin();
    ret = qmp_open(&fixture->loop, &fixture->options, NULL, &fixture->qmp);
    capture_end(log, sizeof(log));
    assert_int_equal(ret, -EINVAL);
    assert_non_null(strstr(log, "not a listening socket"));

    assert_int_equal(listen(fd, 1), 0);
    fixture_open(fixture);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    qmp_start(fixture->qmp);
    client = client_log_in(fixture, fixture->path);
    client_hang_up(client);
}

static void quit_is_answered_before_the_loop_ends(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    char reply[64] = "";

    client_give(client,
                "{\"execute\":\"quit\",\"id\":9}\r\n{\"execute\":\"cont\"}");
    /* Returns only by uv_stop: the listeners stay open. */
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(recv(client->fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
    assert_string_equal(reply, "{\"return\":{},\"id\":9}\r\n");
    assert_int_equal(fake.conts, 0);
    client_hang_up(client);
}

static void after_quit_the_client_may_hang_up_first(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    char byte;

    assert_string_equal(client_ask(client, "{\"execute\":\"quit\"}"),
                        "{\"return\":{}}");
    assert_true(client_is_silent(client));
    assert_int_equal(recv(client->fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    shutdown(client->fd, SHUT_WR);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(recv(client->fd, &byte, 1, MSG_DONTWAIT), 0);
    client_hang_up(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_STARTED(the_greeting_comes_first_with_three_integers),
        TEST_CLOSED(nobody_is_answered_before_the_start),
        TEST_STARTED(a_descriptor_that_nobody_asked_for_is_closed),
        TEST_STARTED(bytes_may_come_one_by_one_or_many_at_once),
        TEST_STARTED(garbage_ends_its_own_connection_only),
        TEST_STARTED(a_message_without_end_is_cut_off),
        TEST_STARTED(a_slow_reader_is_not_read_from_and_loses_nothing),
        TEST_STARTED(a_client_may_vanish_at_any_time),
        TEST_STARTED(a_client_that_stops_writing_gets_its_answers),
        TEST_STARTED(both_sockets_serve_several_clients),
        TEST_STARTED(the_seventeenth_client_waits_its_turn),
        TEST_CLOSED(a_dead_socket_gives_way_and_the_new_one_is_private),
        TEST_CLOSED(a_file_in_the_way_is_kept_and_named),
        TEST_CLOSED(an_inherited_socket_must_listen),
        TEST_STARTED(quit_is_answered_before_the_loop_ends),
        TEST_STARTED(after_quit_the_client_may_hang_up_first),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
