/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_SECONDS 2

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

void source_init(struct source *source, int fd, char error[SOURCE_ERROR_MAX])
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    struct stat stat;

    *source = (struct source){
        .fd = fd,
        .size = UINT64_MAX,
        .terminal = isatty(STDERR_FILENO) == 1,
        .since = now(),
        .error = error,
    };
    if (at >= 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
        source->offset = (uint64_t)at;
        source->size = (uint64_t)stat.st_size;
    }
    error[0] = '\0';
}

static void show_progress(struct source *source)
{
    int64_t time = source->terminal ? now() : source->since;

    if (time - source->since < PROGRESS_SECONDS)
        return;
    source->since = time;
    source->shown = true;
    fprintf(stderr, "\r%" PRIu64, source->offset >> 20);
    if (source->size != UINT64_MAX)
        fprintf(stderr, " of %" PRIu64, source->size >> 20);
    fputs(" MiB read", stderr);
}

void source_fini(struct source *source)
{
    if (source->shown)
        fputs("\r\033[K", stderr);
    source->shown = false;
}

int source_fail(struct source *source, int r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(source->error, SOURCE_ERROR_MAX, format, args);
    va_end(args);
    return r;
}

static int cut_short(struct source *source, const char *what, uint64_t from)
{
    return source_fail(source, -EBADMSG,
                       "ends at 0x%" PRIx64 ", within %s that begins at "
                       "0x%" PRIx64 ": it was cut short, use another copy",
                       source->offset, what, from);
}

int source_read_rest(struct source *source, void *buf, size_t size, size_t *len)
{
    ssize_t n = 1;

    *len = 0;
    while (*len < size && n != 0) {
        n = read(source->fd, (uint8_t *)buf + *len, size - *len);
        if (n < 0 && errno != EINTR)
            return source_fail(source, -errno,
                               "cannot be read at 0x%" PRIx64 ": %s",
                               source->offset, strerror(errno));
        if (n <= 0)
            continue;
        *len += (size_t)n;
        source->offset += (uint64_t)n;
        show_progress(source);
    }
    return 0;
}

int source_read(struct source *source, void *buf, size_t len, const char *what)
{
    uint64_t from = source->offset;
    size_t done;
    int r = source_read_rest(source, buf, len, &done);

    if (!r && done < len)
        r = cut_short(source, what, from);
    return r;
}

/* A seek beyond the end succeeds, so the length of the file decides. */
static int seek_over(struct source *source, uint64_t len, const char *what)
{
    uint64_t from = source->offset;

    if (source->offset > source->size || len > source->size - source->offset) {
        source->offset = source->size;
        return cut_short(source, what, from);
    }
    if (lseek(source->fd, (off_t)len, SEEK_CUR) < 0)
        return source_fail(source, -errno, "cannot seek from 0x%" PRIx64 ": %s",
                           source->offset, strerror(errno));
    source->offset += len;
    show_progress(source);
    return 0;
}

int source_skip(struct source *source, uint64_t len, const char *what)
{
    uint8_t buf[64 * 1024];
    int r = 0;

    if (source->size != UINT64_MAX)
        return seek_over(source, len, what);
    while (!r && len > 0) {
        size_t n = len < sizeof(buf) ? (size_t)len : sizeof(buf);

        r = source_read(source, buf, n, what);
        len -= n;
    }
    return r;
}
