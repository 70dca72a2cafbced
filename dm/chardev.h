/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CHARDEV_H
#define DM_CHARDEV_H

/*
 * The host's end of a serial port: pty, file:PATH, unix:PATH[,server=on]
 * [,wait=off], stdio, none, null.  Nothing here ever blocks the event loop.
 *
 * A socket listens unless server=off; it then connects, and connects again when
 * the peer went away.  One peer at a time, others wait.  A file is truncated.
 */

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct chardev;

struct chardev_user {
    /* How many bytes received would take now. */
    size_t (*room)(void *opaque);
    void (*received)(void *opaque, const uint8_t *buf, size_t len);
    /* Room for output again, after a write that was cut short. */
    void (*writable)(void *opaque);
};

/*
 * Open what spec says.  label ("serial0") appears in messages and in QMP.
 * -EINVAL: unknown kind or key; or what the system gave.  The log says why.
 * "none" gives *out = NULL and 0.
 */
int chardev_open(uv_loop_t *loop, const char *label, const char *spec,
                 struct chardev **out);
void chardev_close(struct chardev *chardev);

/* user and opaque stay valid until the next call; NULL takes them off. */
void chardev_attach(struct chardev *chardev, const struct chardev_user *user,
                    void *opaque);

/*
 * Takes up to len bytes and returns how many; the rest was refused because the
 * buffer is full, and writable will be called.  With nobody connected at the
 * other end all bytes are taken, so that a guest never waits: the last
 * CHARDEV_BUFFER are kept for whoever connects next, older ones are dropped.
 * user's functions are not called from in here.
 */
#define CHARDEV_BUFFER 65536u
size_t chardev_write(struct chardev *chardev, const uint8_t *buf, size_t len);

/* The user has room again. */
void chardev_accept(struct chardev *chardev);

const char *chardev_label(const struct chardev *chardev);
/* As query-chardev shows it: "pty:/dev/pts/4", "file", "unix:PATH,server". */
const char *chardev_filename(const struct chardev *chardev);

#endif
