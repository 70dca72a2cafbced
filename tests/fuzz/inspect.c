/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A file for xenram inspect and check: whatever it is, either it is in order,
 * or one line says why not; and what would be restored can be shown.  Each
 * input is tried as it is and with the sum of its state made right.
 */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tool/tool.h"

#include "tests/unit/sum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned errors;

static void expect(bool holds)
{
    if (!holds)
        abort();
}

/* In place of the one that writes to stderr. */
void tool_error(const char *name, const char *format, ...)
{
    char text[2048];
    va_list args;

    (void)name;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    expect(text[0] != '\0' && !strchr(text, '\n'));
    errors++;
}

static void look(int fd)
{
    static char *options[] = {"-m", "16", "-serial", "pty", "-kernel", "k"};
    int inspected, checked;

    errors = 0;
    inspected = tool_inspect(fd, "input", false);
    expect(errors == (inspected ? 1 : 0));
    errors = 0;
    expect(lseek(fd, 0, SEEK_SET) == 0);
    checked = tool_check(fd, "input", true, 6, options);
    expect(errors == (checked ? 1 : 0));
    expect(inspected == 0 || checked != 0);
    /* And with the options in the file, whatever they are. */
    expect(lseek(fd, 0, SEEK_SET) == 0);
    (void)tool_check(fd, "input", false, 0, NULL);
}

static void look_at(const uint8_t *data, size_t size)
{
    static int fd = -1; /* kept: most of the time would go into this */

    if (fd < 0)
        fd = memfd_create("input", MFD_CLOEXEC);
    expect(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    expect(ftruncate(fd, (off_t)size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    look(fd);
}

/* The state begins where its magic is. */
static bool fix_state(uint8_t *data, size_t size)
{
    uint8_t *start = memmem(data, size, "QEVM", 4);

    return start && fix_sum(start, size - (size_t)(start - data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    uint8_t *copy = malloc(size + 1);

    if (!copy)
        return 0;
    if (!quiet)
        quiet = freopen("/dev/null", "w", stdout) != NULL;
    if (size > 0)
        memcpy(copy, data, size);
    look_at(copy, size);
    if (fix_state(copy, size))
        look_at(copy, size);
    free(copy);
    return 0;
}
