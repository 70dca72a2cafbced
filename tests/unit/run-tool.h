/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_RUN_TOOL_H
#define TESTS_RUN_TOOL_H

/* The operator's tool, in this process. */

#define TOOL(...) run_tool((const char *const[]){"xenram", __VA_ARGS__, NULL})

extern char tool_output[16384]; /* stdout and stderr of the last run */

/* The words end with NULL; the exit status. */
int run_tool(const char *const *words);

#endif
