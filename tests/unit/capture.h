/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

/* What is written to stdout and stderr between begin and end. */

#include <stddef.h>

void capture_begin(void);
/* Puts both back; text, of size bytes, gets what was written. */
void capture_end(char *text, size_t size);
/* Newlines in the text. */
unsigned lines_of(const char *text);

#endif
