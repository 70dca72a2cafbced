/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/tool.h"

#include <stdarg.h>
#include <stdio.h>

void tool_error(const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "xenram: %s%s%s\n", name ? name : "", name ? ": " : "",
            text);
}
