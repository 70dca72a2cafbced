/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "dm/log.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-events.h"
#include "dm/qmp-json.h"
#include "dm/qmp-listen.h"
#include "dm/qmp-session.h"

#define MAX_CONNECTIONS 16
#define MAX_PASSED_FDS 8
#define RETRY_MS 1000
#define QUIT_MS 1000

/* While more than this waits for a slow reader, its input waits too. */
#define OUTPUT_HIGH 65536

struct listener {
    struct qmp *qmp;
    uv_poll_t poll;
    int fd;
};

struct connection {
    struct qmp *qmp;
    struct connection *next;
    uv_poll_t poll;
    int fd;
    struct qmp_session session;
    char in[4096];
    size_t in_pos, in_len;
    bool answered; /* a message ended among these bytes */
    char *out;
    size_t out_pos, out_len, out_size;
    bool ending; /* close when the output is sent */
};

struct qmp {
    uv_loop_t *loop;
    struct qmp_context context;
    struct listener listeners[OPTIONS_MAX_QMP];
    unsigned nr_listeners;
    struct connection *connections;
    unsigned nr_connections;
    struct qmp_events events;
    uv_timer_t timer; /* accepts again after a lack of descriptors, or quits */
    unsigned nr_handles;
    bool closing;
};

/* The last handle takes the memory along. */
static void handle_closed(struct qmp *qmp)
{
    if (--qmp->nr_handles == 0)
        free(qmp);
}

static void connection_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct qmp *qmp = connection->qmp;

    free(connection->out);
    free(connection);
    handle_closed(qmp);
}

static void start_listeners(struct qmp *qmp);

static void end_connection(struct connection *connection)
{
    struct qmp *qmp = connection->qmp;
    struct connection **link = &qmp->connections;

    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    qmp->nr_connections--;

    if (connection->session.quit && !qmp->closing)
        uv_stop(qmp->loop);
    qmp_session_fini(&connection->session);
    uv_close((uv_handle_t *)&connection->poll, connection_closed);
    close(connection->fd);
    if (!qmp->closing)
        start_listeners(qmp);
}

static size_t pending_output(const struct connection *connection)
{
    return connection->out_len - connection->out_pos;
}

static int reserve_output(struct connection *connection, size_t len)
{
    size_t pending = pending_output(connection);
    size_t size = pending + len;
    char *out;

    if (connection->out_pos) {
        memmove(connection->out, connection->out + connection->out_pos,
                pending);
        connection->out_pos = 0;
        connection->out_len = pending;
    }
    if (size <= connection->out_size)
        return 0;
    out = realloc(connection->out, size);
    if (!out)
        return -ENOMEM;
    connection->out = out;
    connection->out_size = size;
    return 0;
}

/* Puts message.  Messages end with CR LF, which JSON text cannot hold. */
static int queue_message(struct connection *connection,
                         struct json_object *message)
{
    size_t len = 0;
    const char *text = qmp_text(message, &len);
    int ret = text ? reserve_output(connection, len + 2) : -ENOMEM;

    if (ret == 0) {
        memcpy(connection->out + connection->out_len, text, len);
        memcpy(connection->out + connection->out_len + len, "\r\n", 2);
        connection->out_len += len + 2;
    }
    json_object_put(message);
    return ret;
}

/* Returns 0, or -errno when the connection is of no use any more. */
static int send_output(struct connection *connection)
{
    while (pending_output(connection)) {
        ssize_t sent =
            send(connection->fd, connection->out + connection->out_pos,
                 pending_output(connection), MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : -errno;
        connection->out_pos += (size_t)sent;
    }
    return 0;
}

/* The last descriptor stays, the rest were never asked for. */
static void keep_passed_fds(struct connection *connection, struct msghdr *msg)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg;
         cmsg = CMSG_NXTHDR(msg, cmsg)) {
        size_t nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < nr; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
            qmp_session_pass_fd(&connection->session, fd);
        }
    }
}

/* Returns bytes, 0 at the end, or -errno. */
static ssize_t receive(struct connection *connection)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(MAX_PASSED_FDS * sizeof(int))];
    } control;
    struct iovec iov = {connection->in, sizeof(connection->in)};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    ssize_t len;

    do
        len = recvmsg(connection->fd, &msg, MSG_CMSG_CLOEXEC);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return -errno;
    keep_passed_fds(connection, &msg);
    connection->in_pos = 0;
    connection->in_len = (size_t)len;
    connection->answered = false;
    return len;
}

static bool may_read(const struct connection *connection)
{
    return !connection->ending && !connection->session.quit &&
           pending_output(connection) <= OUTPUT_HIGH;
}

/* Answers what was received, as far as the output allows. */
static int feed(struct connection *connection)
{
    while (connection->in_pos < connection->in_len && may_read(connection)) {
        struct json_object *reply;
        size_t used;
        int bad = qmp_session_feed(
            &connection->session, connection->in + connection->in_pos,
            connection->in_len - connection->in_pos, &used, &reply);
        int ret = reply ? queue_message(connection, reply) : 0;

        if (ret)
            return ret;
        connection->in_pos += used;
        connection->answered = connection->answered || reply;
        connection->ending = connection->ending || bad;
    }
    if (connection->in_pos == connection->in_len && connection->answered)
        qmp_session_idle(&connection->session);
    return 0;
}

/* One round of input; -errno ends the connection. */
static int read_input(struct connection *connection)
{
    ssize_t len;

    if (connection->in_pos < connection->in_len || !may_read(connection))
        return 0;
    len = receive(connection);
    if (len == -EAGAIN)
        return 0;
    if (len < 0)
        return (int)len;
    if (len == 0)
        connection->ending = true;
    return 0;
}

static void wait_for_more(struct connection *connection);

static void quit_now(uv_timer_t *timer)
{
    struct qmp *qmp = timer->data;

    uv_stop(qmp->loop);
}

/* What still comes is of no interest, only that the peer has gone. */
static void peer_ready(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;
    ssize_t len =
        recv(connection->fd, connection->in, sizeof(connection->in), 0);

    (void)events;
    if (status || len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
        end_connection(connection);
}

/*
 * libxl looks at a hang-up before it reads what came before it (libxl_qmp.c,
 * qmp_ev_fd_callback): after `quit` the peer may close first, for a while.
 */
static void wait_for_peer(struct connection *connection)
{
    uv_timer_start(&connection->qmp->timer, quit_now, QUIT_MS, 0);
    uv_poll_start(&connection->poll, UV_READABLE, peer_ready);
}

static void connection_ready(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;
    int ret = status;

    if (ret == 0 && (events & UV_READABLE))
        ret = read_input(connection);
    if (ret == 0)
        ret = feed(connection);
    if (ret == 0)
        ret = send_output(connection);
    if (ret == 0 && pending_output(connection) == 0 && connection->ending)
        ret = -ESHUTDOWN;
    if (ret)
        end_connection(connection);
    else if (connection->session.quit && pending_output(connection) == 0)
        wait_for_peer(connection);
    else
        wait_for_more(connection);
}

static void wait_for_more(struct connection *connection)
{
    bool held = connection->in_pos < connection->in_len;
    int events = 0;

    if (may_read(connection) && !held)
        events |= UV_READABLE;
    /* Input that was held back goes on as soon as the socket takes more. */
    if (pending_output(connection) || held)
        events |= UV_WRITABLE;
    uv_poll_start(&connection->poll, events, connection_ready);
}

static struct json_object *make_event(const char *name,
                                      struct json_object *data)
{
    struct json_object *event = json_object_new_object();
    struct json_object *stamp = json_object_new_object();
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    qmp_put_int(stamp, "seconds", now.tv_sec);
    qmp_put_int(stamp, "microseconds", now.tv_nsec / 1000);
    qmp_put(event, "timestamp", stamp);
    qmp_put_string(event, "event", name);
    qmp_put(event, "data", data);
    return event;
}

/* A client that does not read, or is about to go, misses it. */
static void emit(const char *name, struct json_object *data, void *opaque)
{
    struct qmp *qmp = opaque;
    struct json_object *event = make_event(name, data);

    for (struct connection *c = qmp->connections; c; c = c->next) {
        if (!c->session.negotiated || !may_read(c))
            continue;
        if (queue_message(c, json_object_get(event)) == 0)
            wait_for_more(c);
    }
    json_object_put(event);
}

void qmp_memory_changed(const struct xen_memory_device *device, void *opaque)
{
    struct qmp *qmp = opaque;

    qmp_events_size(&qmp->events, device);
}

static int new_connection(struct qmp *qmp, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int ret;

    if (!connection)
        return -ENOMEM;
    connection->qmp = qmp;
    connection->fd = fd;
    ret = qmp_session_init(&connection->session, &qmp->context);
    if (ret == 0)
        ret = queue_message(connection, qmp_session_greeting());
    if (ret == 0)
        ret = uv_poll_init(qmp->loop, &connection->poll, fd);
    if (ret) {
        qmp_session_fini(&connection->session);
        free(connection->out);
        free(connection);
        return ret;
    }
    connection->poll.data = connection;
    connection->next = qmp->connections;
    qmp->connections = connection;
    qmp->nr_connections++;
    qmp->nr_handles++;
    wait_for_more(connection);
    return 0;
}

static void stop_listeners(struct qmp *qmp)
{
    for (unsigned i = 0; i < qmp->nr_listeners; i++)
        uv_poll_stop(&qmp->listeners[i].poll);
}

static void retry_now(uv_timer_t *timer)
{
    start_listeners(timer->data);
}

static void no_connection(struct qmp *qmp, int error)
{
    log_warn("QMP: cannot accept a connection: %s", strerror(-error));
    /* The listener would stay readable and the loop would spin. */
    stop_listeners(qmp);
    uv_timer_start(&qmp->timer, retry_now, RETRY_MS, 0);
}

static void listener_ready(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    struct qmp *qmp = listener->qmp;
    int fd, ret;

    (void)events;
    if (status) {
        no_connection(qmp, status);
        return;
    }
    fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            no_connection(qmp, -errno);
        return;
    }
    ret = new_connection(qmp, fd);
    if (ret) {
        close(fd);
        no_connection(qmp, ret);
        return;
    }
    if (qmp->nr_connections == MAX_CONNECTIONS)
        stop_listeners(qmp);
}

static void start_listeners(struct qmp *qmp)
{
    if (qmp->nr_connections >= MAX_CONNECTIONS)
        return;
    for (unsigned i = 0; i < qmp->nr_listeners; i++)
        uv_poll_start(&qmp->listeners[i].poll, UV_READABLE, listener_ready);
}

void qmp_start(struct qmp *qmp)
{
    start_listeners(qmp);
}

static int open_listener(struct qmp *qmp, const struct options_qmp *where)
{
    struct listener *listener = &qmp->listeners[qmp->nr_listeners];
    int ret = qmp_listen(where);

    if (ret < 0)
        return ret;
    listener->qmp = qmp;
    listener->fd = ret;
    ret = uv_poll_init(qmp->loop, &listener->poll, listener->fd);
    if (ret) {
        log_error("-chardev id=%s: %s", where->id, uv_strerror(ret));
        close(listener->fd);
        return ret;
    }
    listener->poll.data = listener;
    qmp->nr_listeners++;
    qmp->nr_handles++;
    return 0;
}

int qmp_open(uv_loop_t *loop, const struct options *options,
             struct machine *machine, struct qmp **out)
{
    struct qmp *qmp = calloc(1, sizeof(*qmp));
    int ret;

    if (!qmp) {
        log_error("QMP: out of memory");
        return -ENOMEM;
    }
    qmp->loop = loop;
    qmp->context.machine = machine;
    qmp->context.options = options;
    qmp_fdsets_init(&qmp->context.fdsets);
    uv_timer_init(loop, &qmp->timer);
    qmp->timer.data = qmp;
    qmp_events_init(&qmp->events, loop, emit, qmp);
    qmp->nr_handles = 2;

    for (unsigned i = 0; i < options->nr_qmp; i++) {
        ret = open_listener(qmp, &options->qmp[i]);
        if (ret) {
            qmp_close(qmp);
            return ret;
        }
    }
    *out = qmp;
    return 0;
}

static void listener_closed(uv_handle_t *handle)
{
    handle_closed(((struct listener *)handle->data)->qmp);
}

static void timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void events_closed(uv_handle_t *handle)
{
    handle_closed(((struct qmp_events *)handle->data)->opaque);
}

void qmp_close(struct qmp *qmp)
{
    if (!qmp)
        return;
    qmp->closing = true;
    while (qmp->connections)
        end_connection(qmp->connections);
    for (unsigned i = 0; i < qmp->nr_listeners; i++) {
        uv_close((uv_handle_t *)&qmp->listeners[i].poll, listener_closed);
        close(qmp->listeners[i].fd);
    }
    qmp_fdsets_fini(&qmp->context.fdsets);
    uv_close((uv_handle_t *)&qmp->timer, timer_closed);
    qmp_events_close(&qmp->events, events_closed);
}
