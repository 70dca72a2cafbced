/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XENSTORE_H
#define DM_XENSTORE_H

/* The one key that libxl waits for.  Functions return 0 or -errno. */

#include <stdint.h>

struct xenstore;

/* Before rights are given up.  A line in the log on failure. */
int xenstore_open(struct xenstore **out);
void xenstore_close(struct xenstore *xenstore);

/*
 * Tell libxl that the device model of domid serves.  Impossible once
 * restricted; libxl then asks over QMP.  A line in the log on failure.
 */
int xenstore_report_running(struct xenstore *xenstore, uint32_t domid);

#endif
