/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_LISTEN_H
#define DM_QMP_LISTEN_H

#include "dm/options.h"

/*
 * A listening, non-blocking socket for one -chardev: bound to its path, which a
 * dead socket may occupy, or the inherited descriptor.  Returns it, or -errno
 * after a line in the log.
 */
int qmp_listen(const struct options_qmp *where);

#endif
