/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_OPTIONS_LINE_H
#define TESTS_OPTIONS_LINE_H

/* A command line of xenram-dm, given as one text, and what came of it. */

#include "dm/options.h"

#define LINE_MAX_WORDS 128

struct line {
    char text[4096]; /* options points into it */
    char *argv[LINE_MAX_WORDS + 1];
    char log[8192];
    struct options options;
};

/*
 * What options_parse returns for the words of both texts; "~" inside a word
 * stands for a blank.
 */
int line_parse(struct line *line, const char *first, const char *words);

#endif
