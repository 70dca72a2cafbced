/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_QMP_H
#define TOOL_QMP_H

/*
 * A dialogue in QMP with a running device model.  Functions return 0 or -errno,
 * and then error has a line.
 */

#include <stdio.h>

#include <json-c/json.h>

#define QMP_ERROR_MAX 1024

struct qmp_dialogue {
    FILE *stream;
    char error[QMP_ERROR_MAX];
};

/* Connect to the socket at path and agree on capabilities. */
int qmp_dial(struct qmp_dialogue *qmp, const char *path);
void qmp_hang_up(struct qmp_dialogue *qmp);

/*
 * Run a command; arguments is consumed and may be NULL.  *out, the caller's, is
 * what it returns; out may be NULL.
 * -EREMOTEIO: the command failed, error has its words.
 * -EPROTO:    what came back is not QMP.
 */
int qmp_command(struct qmp_dialogue *qmp, const char *name,
                struct json_object *arguments, struct json_object **out);

#endif
