/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_COMMANDS_H
#define DM_QMP_COMMANDS_H

/* The commands of QMP: a table of names, arguments and small handlers. */

#include <stdbool.h>

#include <json-c/json.h>

#include "dm/options.h"
#include "dm/qmp-fdset.h"

struct machine;

/* We pass for a QEMU this new: libxl asks for 2.11 or later (live saves). */
#define QMP_VERSION_MAJOR 9
#define QMP_VERSION_MINOR 2
#define QMP_VERSION_MICRO 0

/* Shared by all connections. */
struct qmp_context {
    struct machine *machine; /* NULL in a probe run */
    const struct options *options;
    struct qmp_fdsets fdsets;
};

struct qmp_call {
    struct qmp_context *context;
    struct json_object *arguments; /* of the right types; NULL: none */
    int *fd;   /* came along, or -1; a handler that takes it sets -1 */
    bool quit; /* set: end the program after the reply */
};

struct qmp_error {
    const char *class;
    char text[768];
};

/* Returns NULL, so that a handler can return it. */
struct json_object *qmp_fail(struct qmp_error *error, const char *class,
                             const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define QMP_GENERIC "GenericError"
#define QMP_NOT_FOUND "CommandNotFound"
#define QMP_DEVICE_NOT_FOUND "DeviceNotFound"

/*
 * Run the command; returns what goes into "return", the caller's, or NULL with
 * error filled.
 */
struct json_object *qmp_execute(struct qmp_call *call, const char *name,
                                struct qmp_error *error);

/* {"qemu":{...},"package":...} of the greeting and of query-version. */
struct json_object *qmp_version(void);

/* Arguments of a call; the table has checked their types. */
const char *qmp_string(const struct qmp_call *call, const char *name);
bool qmp_bool(const struct qmp_call *call, const char *name, bool otherwise);
int64_t qmp_int(const struct qmp_call *call, const char *name,
                int64_t otherwise);

/*
 * Handlers of queries, in qmp-query.c, qmp-blocks.c, qmp-disks.c and
 * qmp-memory.c, of disks, and of objects, in qmp-qom.c; the others are in
 * qmp-commands.c.
 */
typedef struct json_object *qmp_handler(struct qmp_call *call,
                                        struct qmp_error *error);
qmp_handler qmp_change, qmp_change_medium, qmp_eject, qmp_qom_get, qmp_qom_set,
    qmp_query_block, qmp_query_blockstats, qmp_query_chardev, qmp_query_cpus,
    qmp_query_cpus_fast, qmp_query_fdsets, qmp_query_hotpluggable_cpus,
    qmp_query_kvm, qmp_query_mapcache, qmp_query_memory_devices,
    qmp_query_memory_size, qmp_query_name, qmp_query_nothing, qmp_query_options,
    qmp_query_pci, qmp_query_status, qmp_query_target, qmp_query_uuid,
    qmp_query_version, qmp_query_vnc, qmp_query_xenram_blocks;

/* Why a command of QEMU is not served, or NULL when it is none of QEMU's. */
const char *qmp_refusal(const char *name);

#endif
