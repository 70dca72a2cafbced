/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_DISKS_H
#define DM_BLOCK_DISKS_H

/* All disks of a machine.  disks may be NULL where it is asked for one: none.
 */

#include <stdbool.h>

#include <uv.h>

#include "dm/block/disk.h"

struct disks;
struct options;
struct thread;

#define DISKS_MAX_IDE 4

/* Those of the command line.  -errno after a line in the log. */
int disks_open(uv_loop_t *loop, const struct options *options,
               struct disks **out);
void disks_close(struct disks *disks);

/* Drive 0 to 3 (primary master first); NULL: none. */
struct disk *disks_ide(struct disks *disks, unsigned index);
/* Is it a CD-ROM drive? */
bool disks_ide_is_cdrom(const struct disks *disks, unsigned index);
struct disk *disks_find(struct disks *disks, const char *id);
/* In the order in which they came; NULL ends. */
struct disk *disks_next(struct disks *disks, struct disk *after);

/*
 * One more, of a PV backend, on a thread of its own (NULL: on this one); remove
 * closes it.  All functions here are called on the loop's thread, wherever the
 * disks are.
 */
int disks_add(struct disks *disks, struct thread *thread,
              const struct disk_spec *spec, struct disk **out);
void disks_remove(struct disks *disks, struct disk *disk);
/* Is any request under way that this thread's loop has to end? */
bool disks_need_loop(struct disks *disks);

/*
 * Of all of them; the first error, after doing all.  activate waits up to five
 * seconds for images that others have: libxl tells a device model to end and
 * starts the next one, or lets another go on, without waiting for that.
 */
void disks_drain(struct disks *disks);
int disks_flush(struct disks *disks);
int disks_activate(struct disks *disks);
int disks_deactivate(struct disks *disks);
/* This one, at once or not. */
int disks_activate_one(struct disks *disks, struct disk *disk);

#endif
