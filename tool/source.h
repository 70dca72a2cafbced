/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_SOURCE_H
#define TOOL_SOURCE_H

/*
 * A file or a pipe that is read once, from front to back, and how far.  What is
 * not wanted is sought over where that is possible.  Functions return 0 or
 * -errno, and then error holds the reason as one line, with offsets.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_ERROR_MAX 768

struct source {
    int fd;
    uint64_t offset; /* of the next byte */
    uint64_t size;   /* UINT64_MAX: not known, a pipe */
    bool terminal;   /* stderr is one */
    bool shown;      /* progress is on it */
    int64_t since;   /* seconds: the start, or when it was shown last */
    char *error;     /* SOURCE_ERROR_MAX bytes */
};

/* fd stays the caller's and stands where reading is to begin. */
void source_init(struct source *source, int fd, char error[SOURCE_ERROR_MAX]);
/* Takes a line of progress off the terminal. */
void source_fini(struct source *source);

/*
 * The next len bytes, or over them; what says in an error what they are.
 * -EBADMSG: the file ends before; or what read gave.
 */
int source_read(struct source *source, void *buf, size_t len, const char *what);
int source_skip(struct source *source, uint64_t len, const char *what);

/* What is left, at most size bytes. */
int source_read_rest(struct source *source, void *buf, size_t size,
                     size_t *len);

/* Set the reason; returns r. */
int source_fail(struct source *source, int r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
