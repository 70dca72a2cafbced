/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_RUN_H
#define DM_RUN_H

/*
 * The whole program: parse, open, drop privileges, load, serve until SIGHUP,
 * SIGTERM or `quit`.  Returns the exit status: 0, or 1 after a line in the log.
 */
int dm_main(int argc, char **argv);

#endif
