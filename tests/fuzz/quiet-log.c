/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fuzz/quiet-log.h"

#include <stdarg.h>
#include <stdio.h>

#include "dm/log.h"

unsigned quiet_log_errors;

/* Formatted, so that a sanitizer sees every string that is named. */
static void format_only(const char *format, va_list args)
{
    char text[8192];

    vsnprintf(text, sizeof(text), format, args);
}

void log_set_name(const char *name)
{
    (void)name;
}

void log_set_debug(int enable)
{
    (void)enable;
}

#define QUIET(name)                                                            \
    void name(const char *format, ...)                                         \
    {                                                                          \
        va_list args;                                                          \
                                                                               \
        va_start(args, format);                                                \
        format_only(format, args);                                             \
        va_end(args);                                                          \
    }

QUIET(log_debug)
QUIET(log_info)
QUIET(log_warn)
QUIET(log_guest)

void log_error(const char *format, ...)
{
    va_list args;

    quiet_log_errors++;
    va_start(args, format);
    format_only(format, args);
    va_end(args);
}

unsigned log_errors(void)
{
    return quiet_log_errors;
}
