/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/run-tool.h"

#include <stdint.h>
#include <stdlib.h>

#include "tool/tool.h"

#include "tests/unit/capture.h"

#define MAX_WORDS 64

char tool_output[16384];

int run_tool(const char *const *words)
{
    char *argv[MAX_WORDS];
    int argc = 0, status;

    for (; words[argc]; argc++) {
        if (argc == MAX_WORDS - 1)
            abort();
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    argv[argc] = NULL;
    capture_begin();
    status = tool_main(argc, argv);
    capture_end(tool_output, sizeof(tool_output));
    return status;
}
