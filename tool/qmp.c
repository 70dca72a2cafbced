/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/qmp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(struct qmp_dialogue *qmp, int ret, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct qmp_dialogue *qmp, int ret, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(qmp->error, sizeof(qmp->error), format, args);
    va_end(args);
    return ret;
}

/* One message is one line. */
static int receive(struct qmp_dialogue *qmp, struct json_object **out)
{
    char *line = NULL;
    size_t size = 0;
    int ret = 0;

    *out = NULL;
    errno = 0;
    if (getline(&line, &size, qmp->stream) < 0)
        ret =
            fail(qmp, errno ? -errno : -EPIPE, "the device model has gone: %s",
                 errno ? strerror(errno) : "end of its messages");
    else
        *out = json_tokener_parse(line);
    free(line);
    if (ret == 0 && !json_object_is_type(*out, json_type_object))
        ret = fail(qmp, -EPROTO, "what came from the device model is no QMP");
    if (ret) {
        json_object_put(*out);
        *out = NULL;
    }
    return ret;
}

static int send_message(struct qmp_dialogue *qmp, struct json_object *message)
{
    const char *text =
        json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN);
    size_t len = text ? strlen(text) : 0;

    if (!text)
        return fail(qmp, -ENOMEM, "out of memory");
    /* Far shorter than what a socket holds. */
    if (send(fileno(qmp->stream), text, len, MSG_NOSIGNAL) != (ssize_t)len)
        return fail(qmp, -EPIPE, "the device model does not listen");
    return 0;
}

/* What is neither an answer nor an error is an event. */
static int receive_answer(struct qmp_dialogue *qmp, struct json_object **out)
{
    struct json_object *message, *part;
    int ret;

    while ((ret = receive(qmp, &message)) == 0) {
        if (json_object_object_get_ex(message, "return", &part)) {
            if (out)
                *out = json_object_get(part);
            json_object_put(message);
            return 0;
        }
        if (json_object_object_get_ex(message, "error", &part)) {
            struct json_object *text = NULL;

            json_object_object_get_ex(part, "desc", &text);
            ret = fail(qmp, -EREMOTEIO, "%s",
                       text ? json_object_get_string(text) : "refused");
            json_object_put(message);
            return ret;
        }
        json_object_put(message);
    }
    return ret;
}

int qmp_command(struct qmp_dialogue *qmp, const char *name,
                struct json_object *arguments, struct json_object **out)
{
    struct json_object *message = json_object_new_object();
    int ret;

    json_object_object_add(message, "execute", json_object_new_string(name));
    if (arguments)
        json_object_object_add(message, "arguments", arguments);
    ret = send_message(qmp, message);
    json_object_put(message);
    return ret ? ret : receive_answer(qmp, out);
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, ret;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        ret = -errno;
        close(fd);
        return ret;
    }
    return fd;
}

int qmp_dial(struct qmp_dialogue *qmp, const char *path)
{
    struct json_object *greeting;
    int fd = dial(path), ret;

    qmp->stream = NULL;
    if (fd < 0)
        return fail(qmp, fd, "%s: no device model answers there: %s", path,
                    strerror(-fd));
    qmp->stream = fdopen(fd, "r");
    if (!qmp->stream) {
        close(fd);
        return fail(qmp, -ENOMEM, "out of memory");
    }
    ret = receive(qmp, &greeting);
    if (ret == 0) {
        json_object_put(greeting);
        ret = qmp_command(qmp, "qmp_capabilities", NULL, NULL);
    }
    if (ret)
        qmp_hang_up(qmp);
    return ret;
}

void qmp_hang_up(struct qmp_dialogue *qmp)
{
    if (qmp->stream)
        fclose(qmp->stream);
    qmp->stream = NULL;
}
