/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/options-line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/capture.h"

int line_parse(struct line *line, const char *first, const char *words)
{
    int argc = 1, ret;

    assert_true(strlen(first) + strlen(words) + 1 < sizeof(line->text));
    snprintf(line->text, sizeof(line->text), "%s %s", first, words);
    line->argv[0] = "xenram-dm";
    for (char *word = strtok(line->text, " "); word; word = strtok(NULL, " ")) {
        for (char *c = word; *c; c++)
            *c = *c == '~' ? ' ' : *c;
        assert_true(argc < LINE_MAX_WORDS);
        line->argv[argc++] = word;
    }
    line->argv[argc] = NULL;
    capture_begin();
    ret = options_parse(argc, line->argv, &line->options);
    capture_end(line->log, sizeof(line->log));
    return ret;
}
