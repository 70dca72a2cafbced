/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-session.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

int qmp_session_init(struct qmp_session *session, struct qmp_context *context)
{
    *session = (struct qmp_session){.context = context, .fd = -1};
    session->tokener = json_tokener_new_ex(QMP_MESSAGE_DEPTH);
    if (!session->tokener)
        return -ENOMEM;
    json_tokener_set_flags(session->tokener,
                           JSON_TOKENER_STRICT |
                               JSON_TOKENER_ALLOW_TRAILING_CHARS);
    return 0;
}

static void close_passed_fd(struct qmp_session *session)
{
    if (session->fd >= 0)
        close(session->fd);
    session->fd = -1;
}

void qmp_session_fini(struct qmp_session *session)
{
    close_passed_fd(session);
    if (session->tokener)
        json_tokener_free(session->tokener);
    session->tokener = NULL;
}

void qmp_session_pass_fd(struct qmp_session *session, int fd)
{
    close_passed_fd(session);
    session->fd = fd;
}

struct json_object *qmp_session_greeting(void)
{
    struct json_object *greeting = json_object_new_object();
    struct json_object *body = json_object_new_object();

    qmp_put(body, "version", qmp_version());
    qmp_put(body, "capabilities", json_object_new_array());
    qmp_put(greeting, "QMP", body);
    return greeting;
}

static struct json_object *error_reply(const struct qmp_error *error)
{
    struct json_object *reply = json_object_new_object();
    struct json_object *body = json_object_new_object();

    qmp_put_string(body, "class", error->class);
    qmp_put_string(body, "desc", error->text);
    qmp_put(reply, "error", body);
    return reply;
}

/* Before and after qmp_capabilities different commands are known. */
static struct json_object *negotiate(struct qmp_session *session,
                                     struct json_object *arguments,
                                     struct qmp_error *error)
{
    struct json_object *enable;

    if (session->negotiated)
        return qmp_fail(error, QMP_NOT_FOUND,
                        "qmp_capabilities was given already");
    if (json_object_object_get_ex(arguments, "enable", &enable) &&
        (!json_object_is_type(enable, json_type_array) ||
         json_object_array_length(enable) != 0))
        return qmp_fail(error, QMP_GENERIC,
                        "enable: none of these capabilities was offered");
    session->negotiated = true;
    return json_object_new_object();
}

static struct json_object *run(struct qmp_session *session, const char *name,
                               struct json_object *arguments,
                               struct qmp_error *error)
{
    struct qmp_call call = {
        .context = session->context,
        .arguments = arguments,
        .fd = &session->fd,
    };
    struct json_object *result;

    if (strcmp(name, "qmp_capabilities") == 0)
        return negotiate(session, arguments, error);
    if (!session->negotiated)
        return qmp_fail(error, QMP_NOT_FOUND,
                        "%.100s: give qmp_capabilities first", name);
    result = qmp_execute(&call, name, error);
    session->quit = session->quit || call.quit;
    return result;
}

/* Keys of a message: execute, arguments, id. */
static struct json_object *answer(struct qmp_session *session,
                                  struct json_object *message,
                                  struct qmp_error *error)
{
    struct json_object *execute, *arguments = NULL;

    json_object_object_foreach (message, key, value) {
        (void)value;
        if (strcmp(key, "execute") != 0 && strcmp(key, "arguments") != 0 &&
            strcmp(key, "id") != 0)
            return qmp_fail(error, QMP_GENERIC,
                            "a message has no member \"%.100s\"", key);
    }
    if (!json_object_object_get_ex(message, "execute", &execute) ||
        !json_object_is_type(execute, json_type_string))
        return qmp_fail(error, QMP_GENERIC,
                        "a message needs the string \"execute\"");
    if (json_object_object_get_ex(message, "arguments", &arguments) &&
        !json_object_is_type(arguments, json_type_object))
        return qmp_fail(error, QMP_GENERIC, "\"arguments\" is no object");
    return run(session, json_object_get_string(execute), arguments, error);
}

static struct json_object *reply_to(struct qmp_session *session,
                                    struct json_object *message)
{
    struct qmp_error error = {.class = QMP_GENERIC, .text = "out of memory"};
    struct json_object *result = answer(session, message, &error);
    struct json_object *reply, *id;

    if (result) {
        reply = json_object_new_object();
        qmp_put(reply, "return", result);
    } else {
        reply = error_reply(&error);
    }
    if (json_object_object_get_ex(message, "id", &id))
        qmp_echo(reply, "id", id);
    return reply;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int garbage(struct qmp_session *session, int ret, const char *text,
                   struct json_object **reply)
{
    struct qmp_error error;

    qmp_fail(&error, QMP_GENERIC, "%s: this connection ends", text);
    *reply = error_reply(&error);
    json_tokener_reset(session->tokener);
    session->length = 0;
    return ret;
}

int qmp_session_feed(struct qmp_session *session, const char *buf, size_t len,
                     size_t *used, struct json_object **reply)
{
    struct json_object *message;
    size_t skipped = 0, taken, max;

    *reply = NULL;
    if (session->length == 0) {
        while (skipped < len && is_space(buf[skipped]))
            skipped++;
    }
    *used = skipped;
    if (skipped == len)
        return 0;
    if (session->length == 0 && buf[skipped] != '{')
        return garbage(session, -EBADMSG, "a message begins with {", reply);

    max = QMP_MESSAGE_MAX - session->length;
    taken = len - skipped < max ? len - skipped : max;
    message =
        json_tokener_parse_ex(session->tokener, buf + skipped, (int)taken);
    if (message) {
        *used += json_tokener_get_parse_end(session->tokener);
        session->length = 0;
        *reply = reply_to(session, message);
        json_object_put(message);
        return *reply ? 0 : -ENOMEM;
    }
    if (json_tokener_get_error(session->tokener) != json_tokener_continue)
        return garbage(
            session, -EBADMSG,
            json_tokener_error_desc(json_tokener_get_error(session->tokener)),
            reply);
    *used += taken;
    session->length += taken;
    if (session->length == QMP_MESSAGE_MAX)
        return garbage(session, -EMSGSIZE, "the message is longer than 64 KiB",
                       reply);
    return 0;
}

void qmp_session_idle(struct qmp_session *session)
{
    /* Some clients send it with a blank in front of its command. */
    if (session->length == 0)
        close_passed_fd(session);
}
