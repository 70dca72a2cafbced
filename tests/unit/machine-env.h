/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_MACHINE_ENV_H
#define TESTS_MACHINE_ENV_H

/* What a machine of one processor stands on, on fakexen, but for its disks. */

#include <stdbool.h>

#include <uv.h>

#include "dm/machine.h"
#include "dm/options.h"

/*
 * machine_init is next.  The domain of the options must exist; they and the
 * loop, which may be NULL, are kept.
 */
void machine_env_open(struct machine *machine, const struct options *options,
                      uv_loop_t *loop, bool loading);
/* After machine_fini.  Domain and loop stay. */
void machine_env_close(struct machine *machine);

#endif
