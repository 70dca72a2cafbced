/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MEMORY_REGION_H
#define DM_MEMORY_REGION_H

/* Where the memory devices of a machine may be, and how much of them. */

struct machine;

/*
 * Make machine->memory, as the options and the guest's head-room have it; guest
 * RAM is there already.  The same options give the same base on every host.
 * 0 or -errno, after a line in the log.
 */
int memory_region_open(struct machine *machine);

#endif
