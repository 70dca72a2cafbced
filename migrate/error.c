/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "xenram/migrate.h"

int migrate_error(char *error, int r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, XEN_MIGRATE_ERROR_MAX, format, args);
    va_end(args);
    return r;
}
