/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int file, saved[2];

void capture_begin(void)
{
    fflush(stdout);
    file = memfd_create("captured", MFD_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        saved[i] = dup(STDOUT_FILENO + i);
        if (saved[i] < 0 || dup2(file, STDOUT_FILENO + i) < 0)
            abort();
    }
}

void capture_end(char *text, size_t size)
{
    ssize_t len;

    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], STDOUT_FILENO + i);
        close(saved[i]);
    }
    len = pread(file, text, size - 1, 0);
    text[len < 0 ? 0 : len] = '\0';
    close(file);
}

unsigned lines_of(const char *text)
{
    unsigned nr = 0;

    for (; *text; text++)
        nr += *text == '\n';
    return nr;
}
