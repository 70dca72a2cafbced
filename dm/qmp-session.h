/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_SESSION_H
#define DM_QMP_SESSION_H

/*
 * One dialogue in QMP, without its socket: bytes in, JSON replies out.  QEMU,
 * docs/interop/qmp-spec.
 */

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

struct qmp_context;

/*
 * Longer messages are refused.  libxl sends some hundred bytes; json-c makes
 * several hundred out of each "{}," that a peer sends.
 */
#define QMP_MESSAGE_MAX 65536
#define QMP_MESSAGE_DEPTH 32

struct qmp_session {
    struct qmp_context *context;
    struct json_tokener *tokener;
    size_t length; /* bytes of the message that has begun, 0: none has */
    int fd;        /* passed along and not taken yet, -1: none */
    bool negotiated;
    bool quit; /* `quit` was given */
};

/* -ENOMEM. */
int qmp_session_init(struct qmp_session *session, struct qmp_context *context);
void qmp_session_fini(struct qmp_session *session);

/* What a server says first; the caller puts it.  NULL: no memory. */
struct json_object *qmp_session_greeting(void);

/* A descriptor came with the bytes that will be fed next; it is ours now. */
void qmp_session_pass_fd(struct qmp_session *session, int fd);

/*
 * Read up to one message from buf; *used says how many bytes it took.  When a
 * message ended, *reply is the answer, which the caller puts; else it is NULL.
 * After -EBADMSG, -EMSGSIZE or -ENOMEM send the reply, if there is one, and
 * close: the rest of the bytes cannot be understood, or not be answered.
 */
int qmp_session_feed(struct qmp_session *session, const char *buf, size_t len,
                     size_t *used, struct json_object **reply);

/* All bytes at hand were fed: a descriptor that no command took is closed. */
void qmp_session_idle(struct qmp_session *session);

#endif
