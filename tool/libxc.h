/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_LIBXC_H
#define TOOL_LIBXC_H

/* The guest's memory and processors, as libxc saves them. */

struct savefile;
struct source;

/* Read to behind the END record.  Errors as savefile_read. */
int libxc_read(struct source *source, struct savefile *out);

#endif
