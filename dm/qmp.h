/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_H
#define DM_QMP_H

/*
 * The QMP server that libxl talks to: several listeners, several connections
 * each, fds passed along.
 */

#include <uv.h>

#include "dm/options.h"

struct machine;
struct qmp;
struct xen_memory_device;

/*
 * Bind and listen on all of options->qmp; nothing is answered before qmp_start.
 * machine is NULL in a probe run: then commands that need one are refused.
 * -errno after a line in the log that names the socket.
 *
 * The command `quit` ends uv_run by uv_stop once its reply is on the way.
 */
int qmp_open(uv_loop_t *loop, const struct options *options,
             struct machine *machine, struct qmp **out);
void qmp_start(struct qmp *qmp);

/* Memory goes when the loop has run the handles' close callbacks. */
void qmp_close(struct qmp *qmp);

/*
 * The guest has more or less of a memory device now, one that stays plugged
 * until qmp_close: clients are told, once a second at most.  opaque is the
 * struct qmp.
 */
void qmp_memory_changed(const struct xen_memory_device *device, void *opaque);

/*
 * Text that human-monitor-command gives back, ended by CR LF lines.  malloc;
 * NULL: no memory.  machine may be NULL.
 */
char *monitor_run(struct machine *machine, const char *line);

#endif
