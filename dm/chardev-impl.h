/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CHARDEV_IMPL_H
#define DM_CHARDEV_IMPL_H

/*
 * Between chardev.c, which has the buffer and moves bytes, and the kinds, which
 * say where to.  A kind gives chardev.c the descriptors of a peer with
 * chardev_connect and hears when the peer went away.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "dm/chardev.h"

struct stream;

struct chardev_kind {
    const char *name;
    /*
     * args is what follows the name in the spec, "" for nothing; open may write
     * to it.  Sets filename unless it is the name.  -errno after a line in the
     * log.
     */
    int (*open)(struct chardev *chardev, char *args);
    /* The peer went away.  May be NULL. */
    void (*lost)(struct chardev *chardev);
    /*
     * Is nobody there although we are connected?  May disconnect.  NULL: no.
     */
    bool (*nobody)(struct chardev *chardev);
    /* Release state; runs after a failed open too.  May be NULL. */
    void (*close)(struct chardev *chardev);
    bool output_outlives_input; /* end of input is not the end of the peer */
};

extern const struct chardev_kind chardev_pty;
extern const struct chardev_kind chardev_file;
extern const struct chardev_kind chardev_unix;
extern const struct chardev_kind chardev_stdio;

struct chardev {
    const struct chardev_kind *kind;
    uv_loop_t *loop;
    char *label, *filename;
    const struct chardev_user *user;
    void *opaque;
    struct stream *stream; /* NULL: nobody is connected */
    void *state;           /* the kind's own */

    uint8_t *out; /* ring of CHARDEV_BUFFER bytes */
    size_t out_first, out_len;
    bool refused;    /* the user waits for writable */
    bool discarding; /* nobody takes what we write: drop the oldest */
};

/*
 * A peer is there: read from in, write to out, each -1 for none.  They are
 * taken over, must be two descriptors (dup), and do not block; closed on
 * failure.
 */
int chardev_connect(struct chardev *chardev, int in, int out);
/* The same with copies of two descriptors that stay the caller's. */
int chardev_connect_copies(struct chardev *chardev, int in, int out);
void chardev_disconnect(struct chardev *chardev);

/* Set filename.  -ENOMEM. */
int chardev_name(struct chardev *chardev, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
