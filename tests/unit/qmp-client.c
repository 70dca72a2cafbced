/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/qmp-client.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake-machine.h"

int qmp_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fake_machine_reset();
    strcpy(fixture->dir, "/tmp/xenram-qmp-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->path, sizeof(fixture->path), "%s/a", fixture->dir);
    snprintf(fixture->other, sizeof(fixture->other), "%s/b", fixture->dir);
    fixture->options.name = "guest";
    fixture->options.nr_qmp = 2;
    fixture->options.qmp[0] =
        (struct options_qmp){.id = "a", .path = fixture->path, .fd = -1};
    fixture->options.qmp[1] =
        (struct options_qmp){.id = "b", .path = fixture->other, .fd = -1};
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    *state = fixture;
    return 0;
}

void fixture_open(struct fixture *fixture)
{
    assert_int_equal(qmp_open(&fixture->loop, &fixture->options, &fake.machine,
                              &fixture->qmp),
                     0);
}

int qmp_setup_started(void **state)
{
    qmp_setup(state);
    fixture_open(*state);
    qmp_start(((struct fixture *)*state)->qmp);
    return 0;
}

int qmp_teardown(void **state)
{
    struct fixture *fixture = *state;

    qmp_close(fixture->qmp);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    unlink(fixture->path);
    unlink(fixture->other);
    assert_int_equal(rmdir(fixture->dir), 0);
    free(fixture);
    return 0;
}

unsigned count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned nr = 0;

    assert_non_null(dir);
    while (readdir(dir))
        nr++;
    closedir(dir);
    return nr;
}

void fixture_turn(struct fixture *fixture)
{
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

struct client *client_connect(struct fixture *fixture, const char *path)
{
    struct client *client = calloc(1, sizeof(*client));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    assert_non_null(client);
    client->fixture = fixture;
    strcpy(address.sun_path, path);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

void client_hang_up(struct client *client)
{
    close(client->fd);
    free(client);
}

void client_give(struct client *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL),
                     strlen(text));
}

/* The next line, without its CR LF; NULL when the server hung up. */
const char *client_line(struct client *client)
{
    for (unsigned i = 0; i < TURNS; i++) {
        char *end = memmem(client->in, client->len, "\r\n", 2);
        ssize_t got;

        if (end) {
            size_t len = (size_t)(end - client->in);

            assert_true(len < sizeof(client->line));
            memcpy(client->line, client->in, len);
            client->line[len] = '\0';
            client->len -= len + 2;
            memmove(client->in, end + 2, client->len);
            return client->line;
        }
        fixture_turn(client->fixture);
        got = recv(client->fd, client->in + client->len,
                   sizeof(client->in) - client->len, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return NULL;
        if (got > 0)
            client->len += (size_t)got;
    }
    fail_msg("no line came");
    return NULL;
}

const char *client_ask(struct client *client, const char *text)
{
    client_give(client, text);
    return client_line(client);
}

bool client_is_silent(struct client *client)
{
    char c;

    for (unsigned i = 0; i < 100; i++)
        fixture_turn(client->fixture);
    return client->len == 0 && recv(client->fd, &c, 1, MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

/* Greeted and negotiated. */
struct client *client_log_in(struct fixture *fixture, const char *path)
{
    struct client *client = client_connect(fixture, path);

    assert_non_null(strstr(client_line(client), "\"QMP\""));
    assert_string_equal(
        client_ask(client, "{\"execute\":\"qmp_capabilities\"}\r\n"),
        "{\"return\":{}}");
    return client;
}

/* libxl's way: the descriptor with the first byte, the rest afterwards. */
void client_give_with_fd(struct client *client, const char *text, int fd)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {(char *)text, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof(control.buf)};
    struct cmsghdr *cmsg;

    memset(&control, 0, sizeof(control));
    cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    assert_int_equal(sendmsg(client->fd, &msg, MSG_NOSIGNAL), 1);
    fixture_turn(client->fixture);
    if (text[1])
        client_give(client, text + 1);
}
