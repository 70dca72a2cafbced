/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_QMP_CLIENT_H
#define TESTS_QMP_CLIENT_H

/*
 * A QMP server on two sockets in a directory of its own, before the fake
 * machine, and clients of it.  Server and clients share one thread: a client
 * that waits turns the server's loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "dm/options.h"
#include "dm/qmp.h"

#define TURNS 200000 /* of the loop, before a test gives up */
#define LINE 65536

struct fixture {
    uv_loop_t loop;
    struct options options;
    struct qmp *qmp;
    char dir[32], path[64], other[64]; /* other: the second socket */
};

struct client {
    struct fixture *fixture;
    int fd;
    char in[2 * LINE];
    size_t len;
    char line[LINE]; /* the last one received */
};

/* For cmocka; the state is a struct fixture. */
int qmp_setup(void **state);
int qmp_setup_started(void **state);
int qmp_teardown(void **state);

#define TEST_STARTED(test)                                                     \
    cmocka_unit_test_setup_teardown(test, qmp_setup_started, qmp_teardown)
#define TEST_CLOSED(test)                                                      \
    cmocka_unit_test_setup_teardown(test, qmp_setup, qmp_teardown)

void fixture_open(struct fixture *fixture);
void fixture_turn(struct fixture *fixture);
unsigned count_fds(void);

struct client *client_connect(struct fixture *fixture, const char *path);
/* Greeted and negotiated. */
struct client *client_log_in(struct fixture *fixture, const char *path);
void client_hang_up(struct client *client);

void client_give(struct client *client, const char *text);
/* libxl's way: the descriptor with the first byte, the rest afterwards. */
void client_give_with_fd(struct client *client, const char *text, int fd);
/* The next line, without its CR LF; NULL when the server hung up. */
const char *client_line(struct client *client);
const char *client_ask(struct client *client, const char *text);
/* Nothing comes, however often the server gets its turn. */
bool client_is_silent(struct client *client);

#endif
