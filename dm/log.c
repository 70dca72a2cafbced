/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define GUEST_LINES 16
#define GUEST_SECONDS 60

static char prefix[128] = "xenram-dm: ";
static int debug_enabled;
static _Atomic unsigned errors;

void log_set_name(const char *name)
{
    if (name)
        snprintf(prefix, sizeof(prefix), "xenram-dm[%.100s]: ", name);
    else
        snprintf(prefix, sizeof(prefix), "xenram-dm: ");
}

void log_set_debug(int enable)
{
    debug_enabled = enable;
}

/* Text of a guest or a peer must not forge lines or drive a terminal. */
static void make_printable(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];

        if (c < 0x20 || c == 0x7f)
            line[i] = '?';
    }
}

static void put_line(const char *word, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    size_t max = sizeof(line) - 1; /* room for the newline */
    size_t len = (size_t)snprintf(line, max, "%s%s: ", prefix, word);
    int more = vsnprintf(line + len, max - len, format, args);
    ssize_t written;

    if (more < 0)
        return;
    len += (size_t)more < max - len ? (size_t)more : max - len - 1;
    make_printable(line, len);
    line[len++] = '\n';
    /* One call, so that lines of several processes do not mix.  A full disk or
       RLIMIT_FSIZE must not stop the guest. */
    written = write(STDERR_FILENO, line, len);
    (void)written;
}

void log_debug(const char *format, ...)
{
    va_list args;

    if (!debug_enabled)
        return;
    va_start(args, format);
    put_line("debug", format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line("info", format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line("warn", format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;

    errors++;
    va_start(args, format);
    put_line("error", format, args);
    va_end(args);
}

unsigned log_errors(void)
{
    return errors;
}

/* Which one of GUEST_SECONDS it is. */
static unsigned count_guest_line(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static time_t started;
    static unsigned lines;
    struct timespec now;
    unsigned line;

    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&mutex);
    if (lines == 0 || now.tv_sec - started >= GUEST_SECONDS) {
        started = now.tv_sec;
        lines = 0;
    }
    line = lines;
    if (lines <= GUEST_LINES)
        lines++;
    pthread_mutex_unlock(&mutex);
    return line;
}

void log_guest(const char *format, ...)
{
    unsigned line = count_guest_line();
    va_list args;

    if (line > GUEST_LINES)
        return;
    if (line == GUEST_LINES) {
        log_warn("more messages that the guest caused are dropped for up to "
                 "%d seconds",
                 GUEST_SECONDS);
        return;
    }
    va_start(args, format);
    put_line("warn", format, args);
    va_end(args);
}
