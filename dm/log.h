/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_LOG_H
#define DM_LOG_H

/*
 * Four words for stderr, which libxl sends to qemu-dm-NAME.log.  A line is
 * "xenram-dm[NAME]: word: text"; a line longer than 1 KiB is cut.
 */

/* name is copied; NULL leaves the brackets out. */
void log_set_name(const char *name);
void log_set_debug(int enable);

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many errors were logged until now, so that none is told twice. */
unsigned log_errors(void);

/*
 * Something that a guest can cause: at most 16 lines, then one that says that
 * more were dropped, until a minute has gone by.
 */
void log_guest(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
