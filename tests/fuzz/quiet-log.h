/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_QUIET_LOG_H
#define TESTS_QUIET_LOG_H

/* dm/log.h without output, for targets that would fill the terminal. */

/* Calls of log_error. */
extern unsigned quiet_log_errors;

#endif
