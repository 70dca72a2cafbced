/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_DM_CARRIED_H
#define TESTS_DM_CARRIED_H

/* A guest that goes from one device model to another, as xl has it. */

#include "tests/dm/harness.h"

#define SOURCE 7u
#define TARGET 8u

#define HOST_BRIDGE 0x00
#define ISA_BRIDGE 0x08
#define PLATFORM 0x10

/* Change something in every device that has state, and see that it is so. */
void set_up_guest(uint32_t domid);
void check_guest(uint32_t domid);

/* Domain SOURCE, running. */
void run_source(struct dm *dm, struct qmp_peer *peer, const char *const *extra);

/*
 * The toolstack's part of a restore into TARGET: memory, unless it is there
 * already, and the command line.  dm_launch is next.
 */
void prepare_target(struct dm *dm, const char *state, const char *const *extra);

/* By QMP; it must end well. */
void quit(struct dm *dm, struct qmp_peer *peer);

/*
 * A target goes on from state beside the source, which then ends, as xl migrate
 * to localhost has it; nothing is left of either.
 */
void check_handed_on(struct dm *source, struct qmp_peer *peer,
                     const char *state);

#endif
