/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DIMM_H
#define DM_DIMM_H

/*
 * DIMMs of the command line: memory that is there from the start, above RAM,
 * where the guest finds it by an ACPI table.  Functions return 0 or -errno
 * after a line in the log.
 */

struct dimms;
struct machine;
struct xenstore;

/* Plug them, and write the table, into a block that hvmloader copies it from.
 */
int dimms_init(struct machine *machine);
void dimms_fini(struct machine *machine);

/*
 * Tell hvmloader where the table is.  A failure is a warning only: the guest
 * starts, and does not find the memory.
 */
void dimms_announce(const struct machine *machine, struct xenstore *xenstore);

#endif
