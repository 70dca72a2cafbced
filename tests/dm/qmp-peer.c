/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/dm/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_ID 0x786c7100 /* libxl's */

static void send_text(struct qmp_peer *peer, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(peer->fd, text, len, MSG_NOSIGNAL);

        CHECK(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

/* libxl cuts what it receives at CR LF. */
static struct json_object *receive(struct qmp_peer *peer)
{
    struct json_object *message;
    char *end;
    ssize_t n;

    while ((end = memmem(peer->buf, peer->len, "\r\n", 2)) == NULL) {
        if (peer->size - peer->len < 4096) {
            peer->size += 65536;
            peer->buf = realloc(peer->buf, peer->size);
            CHECK(peer->buf != NULL);
        }
        n = recv(peer->fd, peer->buf + peer->len, peer->size - peer->len, 0);
        CHECK(n > 0);
        peer->len += (size_t)n;
    }
    *end = '\0';
    message = json_tokener_parse(peer->buf);
    CHECK(message != NULL);
    end += 2;
    peer->len -= (size_t)(end - peer->buf);
    memmove(peer->buf, end, peer->len);
    return message;
}

static struct json_object *answer(struct qmp_peer *peer, const char *key)
{
    struct json_object *message, *id, *value;

    do {
        message = receive(peer);
        value = NULL;
        if (json_object_object_get_ex(message, "event", NULL)) {
            json_object_put(message);
            message = NULL;
        }
    } while (!message);
    CHECK(json_object_object_get_ex(message, "id", &id));
    CHECK_EQUAL(json_object_get_int64(id), peer->id);
    if (!json_object_object_get_ex(message, key, &value)) {
        fprintf(stderr, "%s\n", json_object_to_json_string(message));
        CHECK(value != NULL);
    }
    json_object_get(value);
    json_object_put(message);
    return value;
}

static char *request(struct qmp_peer *peer, const char *command,
                     const char *arguments)
{
    char *text = NULL;

    peer->id++;
    CHECK(asprintf(&text, "{\"execute\":\"%s\",\"id\":%lld%s%s}\r\n", command,
                   (long long)peer->id, arguments ? ",\"arguments\":" : "",
                   arguments ? arguments : "") > 0);
    return text;
}

static struct json_object *call(struct qmp_peer *peer, const char *command,
                                const char *arguments, const char *key)
{
    char *text = request(peer, command, arguments);

    send_text(peer, text, strlen(text));
    free(text);
    return answer(peer, key);
}

struct json_object *qmp_call(struct qmp_peer *peer, const char *command,
                             const char *arguments)
{
    return call(peer, command, arguments, "return");
}

struct json_object *qmp_fails(struct qmp_peer *peer, const char *command,
                              const char *arguments)
{
    return call(peer, command, arguments, "error");
}

void qmp_do(struct qmp_peer *peer, const char *command, const char *arguments)
{
    json_object_put(qmp_call(peer, command, arguments));
}

static void check_greeting(struct qmp_peer *peer)
{
    static const char *const numbers[] = {"major", "minor", "micro"};
    struct json_object *greeting = receive(peer), *object, *number;

    CHECK(json_object_object_get_ex(greeting, "QMP", &object));
    CHECK(json_object_object_get_ex(object, "version", &object));
    CHECK(json_object_object_get_ex(object, "qemu", &object));
    for (size_t i = 0; i < 3; i++) {
        CHECK(json_object_object_get_ex(object, numbers[i], &number));
        CHECK(json_object_is_type(number, json_type_int));
    }
    json_object_put(greeting);
}

void qmp_connect(struct qmp_peer *peer, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *peer = (struct qmp_peer){
        .id = FIRST_ID - 1, .buf = malloc(65536), .size = 65536};
    CHECK(peer->buf != NULL);
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(peer->fd >= 0 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    CHECK(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

void qmp_negotiate(struct qmp_peer *peer)
{
    check_greeting(peer);
    qmp_do(peer, "qmp_capabilities", NULL);
}

void qmp_open_peer(struct qmp_peer *peer, const char *path)
{
    qmp_connect(peer, path);
    qmp_negotiate(peer);
}

void qmp_close_peer(struct qmp_peer *peer)
{
    close(peer->fd);
    free(peer->buf);
}

int64_t qmp_add_fd(struct qmp_peer *peer, int fd)
{
    char *text = request(peer, "add-fd", NULL);
    struct iovec iov = {.iov_base = text, .iov_len = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {{0}};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    struct json_object *object, *number;
    int64_t set;

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    CHECK(sendmsg(peer->fd, &message, MSG_NOSIGNAL) == 1);
    send_text(peer, text + 1, strlen(text) - 1);
    free(text);

    object = answer(peer, "return");
    CHECK(json_object_object_get_ex(object, "fdset-id", &number));
    set = json_object_get_int64(number);
    json_object_put(object);
    return set;
}

void qmp_check_status(struct qmp_peer *peer, const char *status)
{
    struct json_object *object = qmp_call(peer, "query-status", NULL), *text;

    CHECK(json_object_object_get_ex(object, "status", &text));
    if (strcmp(json_object_get_string(text), status) != 0) {
        fprintf(stderr, "status is %s, not %s\n", json_object_get_string(text),
                status);
        CHECK(false);
    }
    json_object_put(object);
}

void qmp_save(struct qmp_peer *peer, const char *path)
{
    char arguments[128];
    int fd;

    qmp_do(peer, "stop", NULL);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    snprintf(arguments, sizeof(arguments),
             "{\"live\":false,\"filename\":\"/dev/fdset/%lld\"}",
             (long long)qmp_add_fd(peer, fd));
    close(fd);
    qmp_do(peer, "xen-save-devices-state", arguments);
}
