/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

/*
 * xenram, the operator's tool.  A command prints to stdout what it found out,
 * and to stderr one line that says why it failed.
 */

#include <stdbool.h>

/* The program: returns the exit status. */
int tool_main(int argc, char **argv);

/*
 * inspect: what is in the file behind fd.  name is for messages.
 * check: argc and argv are options of the device model, without a program's
 * name.
 * Both return 0, or -errno when the file is damaged or would be refused.
 */
int tool_inspect(int fd, const char *name, bool json);
int tool_check(int fd, const char *name, bool json, int argc, char **argv);

struct savefile;

/*
 * Read fd, and lay the state ready at its start.  -ENOENT: a file without a
 * device model's state; else as savefile_read.  error, of SOURCE_ERROR_MAX
 * bytes, has the reason.
 */
int tool_read(int fd, struct savefile *out, char *error);

/* One line to stderr: "xenram: NAME: text". */
void tool_error(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
