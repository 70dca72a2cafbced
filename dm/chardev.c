/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/chardev-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm/log.h"

#define READ_CHUNK 4096
#define STALL_MS 500

/*
 * One peer.  It outlives its chardev by a turn of the loop, since libuv closes
 * handles later.
 */
struct stream {
    struct chardev *chardev; /* NULL once disconnected */
    int in, out;             /* -1: none */
    uv_poll_t in_poll, out_poll;
    uv_timer_t stall; /* runs while the user waits for a peer that may leave */
    bool in_polled, out_polled; /* the handle is open */
    int in_events;
    bool in_ended, out_waiting;
    unsigned open_handles;
};

/* ---- ring ---- */

static size_t ring_room(const struct chardev *chardev)
{
    return CHARDEV_BUFFER - chardev->out_len;
}

static void ring_drop(struct chardev *chardev, size_t len)
{
    chardev->out_first = (chardev->out_first + len) % CHARDEV_BUFFER;
    chardev->out_len -= len;
}

/* len is at most ring_room. */
static void ring_put(struct chardev *chardev, const uint8_t *buf, size_t len)
{
    size_t end = (chardev->out_first + chardev->out_len) % CHARDEV_BUFFER;
    size_t part = CHARDEV_BUFFER - end;

    if (part > len)
        part = len;
    memcpy(chardev->out + end, buf, part);
    memcpy(chardev->out, buf + part, len - part);
    chardev->out_len += len;
}

static void ring_put_dropping(struct chardev *chardev, const uint8_t *buf,
                              size_t len)
{
    if (len > CHARDEV_BUFFER) {
        buf += len - CHARDEV_BUFFER;
        len = CHARDEV_BUFFER;
    }
    if (len > ring_room(chardev))
        ring_drop(chardev, len - ring_room(chardev));
    ring_put(chardev, buf, len);
}

/* ---- streams ---- */

static void stream_free(struct stream *stream)
{
    if (stream->in >= 0)
        close(stream->in);
    if (stream->out >= 0)
        close(stream->out);
    free(stream);
}

static void handle_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    if (--stream->open_handles == 0)
        stream_free(stream);
}

static void stream_close(struct stream *stream)
{
    stream->chardev = NULL;
    uv_close((uv_handle_t *)&stream->stall, handle_closed);
    if (stream->in_polled)
        uv_close((uv_handle_t *)&stream->in_poll, handle_closed);
    if (stream->out_polled)
        uv_close((uv_handle_t *)&stream->out_poll, handle_closed);
}

void chardev_disconnect(struct chardev *chardev)
{
    struct stream *stream = chardev->stream;

    chardev->stream = NULL;
    chardev->discarding = false;
    if (stream)
        stream_close(stream);
}

/* ---- room for output ---- */

static void offer_room(struct chardev *chardev)
{
    if (!chardev->refused)
        return;
    chardev->refused = false;
    if (chardev->stream)
        uv_timer_stop(&chardev->stream->stall);
    if (chardev->user && chardev->user->writable)
        chardev->user->writable(chardev->opaque);
}

/* May the oldest bytes go?  Asked when the ring is full. */
static bool may_drop(struct chardev *chardev)
{
    if (!chardev->stream)
        return true;
    if (!chardev->discarding && chardev->kind->nobody)
        chardev->discarding = chardev->kind->nobody(chardev);
    return chardev->discarding;
}

static void stalled(uv_timer_t *timer)
{
    struct stream *stream = timer->data;

    if (stream->chardev && may_drop(stream->chardev))
        offer_room(stream->chardev);
}

static void refuse(struct chardev *chardev)
{
    chardev->refused = true;
    /* A peer whose end goes unnoticed must be looked for. */
    if (chardev->kind->nobody)
        uv_timer_start(&chardev->stream->stall, stalled, STALL_MS, STALL_MS);
}

static void lost(struct chardev *chardev)
{
    chardev_disconnect(chardev);
    if (chardev->kind->lost)
        chardev->kind->lost(chardev);
    offer_room(chardev); /* without a peer everything is taken */
}

/* ---- output ---- */

static void flush(struct chardev *chardev);

static void output_ready(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    struct chardev *chardev = stream->chardev;

    (void)events;
    if (!chardev)
        return;
    if (status < 0) {
        lost(chardev);
        return;
    }
    chardev->discarding = false;
    flush(chardev);
}

static void wait_for_output(struct stream *stream, bool wait)
{
    if (!stream->out_polled || stream->out_waiting == wait)
        return;
    stream->out_waiting = wait;
    if (wait)
        uv_poll_start(&stream->out_poll, UV_WRITABLE, output_ready);
    else
        uv_poll_stop(&stream->out_poll);
}

/*
 * Bytes that went out; 0: none now; -1: none ever, the peer is gone.  What
 * cannot be polled is a file: an error there (disk full) may pass, so the bytes
 * are given up and the next ones tried again.
 */
static ssize_t try_write(struct chardev *chardev, const uint8_t *buf,
                         size_t len)
{
    struct stream *stream = chardev->stream;
    ssize_t ret;

    if (stream->out < 0)
        return (ssize_t)len;
    do {
        ret = write(stream->out, buf, len);
    } while (ret < 0 && errno == EINTR);
    if (ret >= 0)
        return ret;
    if (!stream->out_polled) {
        log_guest("%s: %s: output lost: %s", chardev->label, chardev->filename,
                  strerror(errno));
        return (ssize_t)len;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
}

static void flush(struct chardev *chardev)
{
    while (chardev->stream && chardev->out_len > 0) {
        size_t part = CHARDEV_BUFFER - chardev->out_first;
        ssize_t ret;

        if (part > chardev->out_len)
            part = chardev->out_len;
        ret = try_write(chardev, chardev->out + chardev->out_first, part);
        if (ret < 0)
            lost(chardev);
        if (ret <= 0)
            break;
        ring_drop(chardev, (size_t)ret);
    }
    if (chardev->stream)
        wait_for_output(chardev->stream, chardev->out_len > 0);
    if (ring_room(chardev) > 0)
        offer_room(chardev);
}

size_t chardev_write(struct chardev *chardev, const uint8_t *buf, size_t len)
{
    size_t done = 0, part;

    if (!chardev->kind)
        return len;
    if (chardev->stream && chardev->out_len == 0) {
        ssize_t ret = try_write(chardev, buf, len);

        if (ret < 0)
            lost(chardev);
        else
            done = (size_t)ret;
    }
    part = len - done;
    if (part > ring_room(chardev) && may_drop(chardev)) {
        ring_put_dropping(chardev, buf + done, part);
    } else {
        if (part > ring_room(chardev)) {
            part = ring_room(chardev);
            refuse(chardev);
        }
        ring_put(chardev, buf + done, part);
    }
    if (chardev->stream && chardev->out_len > 0)
        wait_for_output(chardev->stream, true);
    return done + part;
}

/* ---- input ---- */

static size_t user_room(const struct chardev *chardev)
{
    return chardev->user ? chardev->user->room(chardev->opaque) : 0;
}

static void input_ready(uv_poll_t *poll, int status, int events);

/* Without room wait for the peer's end only: data would wake us all the time.
 */
static void wait_for_input(struct chardev *chardev)
{
    struct stream *stream = chardev->stream;
    int events = UV_DISCONNECT;

    if (!stream || !stream->in_polled || stream->in_ended)
        return;
    if (user_room(chardev) > 0)
        events |= UV_READABLE;
    if (stream->in_events == events)
        return;
    stream->in_events = events;
    uv_poll_start(&stream->in_poll, events, input_ready);
}

static void input_ended(struct chardev *chardev)
{
    if (!chardev->kind->output_outlives_input) {
        lost(chardev);
        return;
    }
    chardev->stream->in_ended = true;
    uv_poll_stop(&chardev->stream->in_poll);
}

static void input_ready(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    struct chardev *chardev = stream->chardev;
    uint8_t buf[READ_CHUNK];
    size_t room;
    ssize_t ret;

    if (!chardev)
        return;
    room = user_room(chardev);
    if (room > sizeof(buf))
        room = sizeof(buf);
    if (status < 0 || (!(events & UV_READABLE) && events & UV_DISCONNECT)) {
        input_ended(chardev);
        return;
    }
    if (room > 0) {
        ret = read(stream->in, buf, room);
        if (ret == 0 || (ret < 0 && errno != EAGAIN && errno != EINTR)) {
            input_ended(chardev);
            return;
        }
        if (ret > 0)
            chardev->user->received(chardev->opaque, buf, (size_t)ret);
    }
    wait_for_input(chardev);
}

void chardev_accept(struct chardev *chardev)
{
    wait_for_input(chardev);
}

void chardev_attach(struct chardev *chardev, const struct chardev_user *user,
                    void *opaque)
{
    chardev->user = user;
    chardev->opaque = opaque;
    wait_for_input(chardev);
}

/* ---- connecting ---- */

/* Regular files cannot be polled (-EPERM): always ready. */
static int open_poll(struct stream *stream, uv_loop_t *loop, uv_poll_t *poll,
                     int fd, bool *polled)
{
    int ret = fd < 0 ? -EPERM : uv_poll_init(loop, poll, fd);

    if (ret == -EPERM)
        return 0;
    if (ret)
        return ret;
    poll->data = stream;
    *polled = true;
    stream->open_handles++;
    return 0;
}

int chardev_connect(struct chardev *chardev, int in, int out)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    int ret = -ENOMEM;

    if (!stream)
        goto err_close;
    stream->in = in;
    stream->out = out;
    uv_timer_init(chardev->loop, &stream->stall);
    stream->stall.data = stream;
    stream->open_handles = 1;
    ret = open_poll(stream, chardev->loop, &stream->in_poll, in,
                    &stream->in_polled);
    if (ret == 0)
        ret = open_poll(stream, chardev->loop, &stream->out_poll, out,
                        &stream->out_polled);
    if (ret) {
        stream_close(stream);
        return ret;
    }
    stream->chardev = chardev;
    chardev->stream = stream;
    wait_for_input(chardev);
    /* What was kept goes out from the loop: the caller may be anywhere. */
    wait_for_output(stream, chardev->out_len > 0);
    if (!stream->out_polled)
        flush(chardev);
    return 0;

err_close:
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ret;
}

int chardev_connect_copies(struct chardev *chardev, int in, int out)
{
    in = fcntl(in, F_DUPFD_CLOEXEC, 0);
    out = fcntl(out, F_DUPFD_CLOEXEC, 0);
    if (in >= 0 && out >= 0)
        return chardev_connect(chardev, in, out);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return -EMFILE;
}

/* ---- opening ---- */

int chardev_name(struct chardev *chardev, const char *format, ...)
{
    va_list args;
    int ret;

    free(chardev->filename);
    va_start(args, format);
    ret = vasprintf(&chardev->filename, format, args);
    va_end(args);
    if (ret < 0) {
        chardev->filename = NULL;
        return -ENOMEM;
    }
    return 0;
}

static const struct chardev_kind *find_kind(const char *name, size_t len)
{
    static const struct chardev_kind *const kinds[] = {
        &chardev_pty,
        &chardev_file,
        &chardev_unix,
        &chardev_stdio,
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i]->name) == len &&
            memcmp(kinds[i]->name, name, len) == 0)
            return kinds[i];
    return NULL;
}

static int open_kind(struct chardev *chardev, char *args)
{
    int ret = chardev->kind->open(chardev, args);

    if (ret == 0 && !chardev->filename)
        ret = chardev_name(chardev, "%s", chardev->kind->name);
    return ret;
}

static int chardev_init(struct chardev *chardev, const char *spec)
{
    size_t len = strcspn(spec, ":,");
    char *args;
    int ret;

    if (strcmp(spec, "null") == 0)
        return chardev_name(chardev, "null");
    chardev->kind = find_kind(spec, len);
    if (!chardev->kind) {
        log_error("%s: \"%s\" is none of pty, file:PATH, unix:PATH, stdio, "
                  "null, none (xl.cfg: serial)",
                  chardev->label, spec);
        return -EINVAL;
    }
    args = strdup(spec[len] ? spec + len + 1 : "");
    chardev->out = malloc(CHARDEV_BUFFER);
    ret = args && chardev->out ? open_kind(chardev, args) : -ENOMEM;
    free(args);
    return ret;
}

int chardev_open(uv_loop_t *loop, const char *label, const char *spec,
                 struct chardev **out)
{
    struct chardev *chardev;
    int ret;

    *out = NULL;
    if (strcmp(spec, "none") == 0)
        return 0;
    chardev = calloc(1, sizeof(*chardev));
    if (!chardev)
        return -ENOMEM;
    chardev->loop = loop;
    chardev->label = strdup(label);
    ret = chardev->label ? chardev_init(chardev, spec) : -ENOMEM;
    if (ret) {
        chardev_close(chardev);
        return ret;
    }
    *out = chardev;
    return 0;
}

void chardev_close(struct chardev *chardev)
{
    if (!chardev)
        return;
    chardev_disconnect(chardev);
    if (chardev->kind && chardev->kind->close)
        chardev->kind->close(chardev);
    free(chardev->out);
    free(chardev->filename);
    free(chardev->label);
    free(chardev);
}

const char *chardev_label(const struct chardev *chardev)
{
    return chardev->label;
}

const char *chardev_filename(const struct chardev *chardev)
{
    return chardev->filename;
}
