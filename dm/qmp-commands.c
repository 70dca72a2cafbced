/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm/log.h"
#include "dm/machine.h"
#include "dm/qmp-json.h"
#include "dm/qmp.h"
#include "dm/xen.h"

#include "xenram/migrate.h"
#include "xenram/ram.h"

#define MAX_ARGUMENTS 5

struct json_object *qmp_fail(struct qmp_error *error, const char *class,
                             const char *format, ...)
{
    va_list args;

    error->class = class;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return NULL;
}

static struct json_object *argument(const struct qmp_call *call,
                                    const char *name)
{
    struct json_object *value = NULL;

    if (call->arguments)
        json_object_object_get_ex(call->arguments, name, &value);
    return value;
}

const char *qmp_string(const struct qmp_call *call, const char *name)
{
    struct json_object *value = argument(call, name);

    return value ? json_object_get_string(value) : NULL;
}

bool qmp_bool(const struct qmp_call *call, const char *name, bool otherwise)
{
    struct json_object *value = argument(call, name);

    return value ? json_object_get_boolean(value) : otherwise;
}

int64_t qmp_int(const struct qmp_call *call, const char *name,
                int64_t otherwise)
{
    struct json_object *value = argument(call, name);

    return value ? json_object_get_int64(value) : otherwise;
}

static struct json_object *cont(struct qmp_call *call, struct qmp_error *error)
{
    (void)error;
    machine_cont(call->context->machine);
    return json_object_new_object();
}

static struct json_object *stop(struct qmp_call *call, struct qmp_error *error)
{
    int ret = machine_stop(call->context->machine);

    if (ret)
        return qmp_fail(error, QMP_GENERIC, "cannot stop: %s", strerror(-ret));
    return json_object_new_object();
}

static struct json_object *quit(struct qmp_call *call, struct qmp_error *error)
{
    (void)error;
    call->quit = true;
    return json_object_new_object();
}

static struct json_object *system_wakeup(struct qmp_call *call,
                                         struct qmp_error *error)
{
    int ret = xen_wake(call->context->machine->xen);

    if (ret)
        return qmp_fail(error, QMP_GENERIC, "cannot wake the guest: %s",
                        strerror(-ret));
    return json_object_new_object();
}

static struct json_object *system_reset(struct qmp_call *call,
                                        struct qmp_error *error)
{
    (void)error;
    machine_reboot(call->context->machine);
    return json_object_new_object();
}

static struct json_object *set_dirty_log(struct qmp_call *call,
                                         struct qmp_error *error)
{
    struct machine *machine = call->context->machine;
    bool enable = qmp_bool(call, "enable", false);

    if (xen_ram_log_dirty(machine->ram, enable))
        return qmp_fail(error, QMP_GENERIC, "%s", xen_ram_error(machine->ram));
    machine->saving = enable;
    return json_object_new_object();
}

static struct json_object *save_state(struct qmp_call *call,
                                      struct qmp_error *error)
{
    struct qmp_context *context = call->context;
    const char *filename = qmp_string(call, "filename");
    char text[XEN_MIGRATE_ERROR_MAX] = "";
    int fd = qmp_fdsets_open(&context->fdsets, filename, O_WRONLY);
    int ret;

    if (fd < 0)
        return qmp_fail(error, QMP_GENERIC, "%.200s: cannot write there: %s",
                        filename, strerror(-fd));
    ret =
        machine_save(context->machine, fd, qmp_bool(call, "live", true), text);
    if (close(fd) && ret == 0) {
        ret = -errno;
        snprintf(text, sizeof(text), "%s", strerror(errno));
    }
    if (ret) {
        log_error("cannot save to %s: %s", filename, text);
        return qmp_fail(error, QMP_GENERIC, "cannot save: %s",
                        text[0] ? text : strerror(-ret));
    }
    return json_object_new_object();
}

static struct json_object *add_fd(struct qmp_call *call,
                                  struct qmp_error *error)
{
    struct json_object *result;
    int64_t set = qmp_int(call, "fdset-id", -1);
    int fd = *call->fd, ret;

    if (fd < 0)
        return qmp_fail(error, QMP_GENERIC,
                        "no descriptor came with it (SCM_RIGHTS)");
    if (set < 0 && argument(call, "fdset-id"))
        return qmp_fail(error, QMP_GENERIC, "fdset-id is negative");
    ret = qmp_fdsets_add(&call->context->fdsets, &set,
                         qmp_string(call, "opaque"), fd);
    if (ret)
        return qmp_fail(error, QMP_GENERIC, "cannot keep the descriptor: %s",
                        strerror(-ret));
    *call->fd = -1;
    result = json_object_new_object();
    qmp_put_int(result, "fdset-id", set);
    qmp_put(result, "fd", json_object_new_int(fd));
    return result;
}

static struct json_object *remove_fd(struct qmp_call *call,
                                     struct qmp_error *error)
{
    int64_t set = qmp_int(call, "fdset-id", -1);
    int64_t fd = qmp_int(call, "fd", -1);

    if (fd > INT32_MAX || (fd < 0 && argument(call, "fd")) ||
        qmp_fdsets_remove(&call->context->fdsets, set, (int)fd))
        return qmp_fail(error, QMP_GENERIC, "no descriptor %lld in a set %lld",
                        (long long)fd, (long long)set);
    return json_object_new_object();
}

static struct json_object *human_monitor(struct qmp_call *call,
                                         struct qmp_error *error)
{
    char *text =
        monitor_run(call->context->machine, qmp_string(call, "command-line"));
    struct json_object *result;

    if (!text)
        return qmp_fail(error, QMP_GENERIC, "out of memory");
    result = json_object_new_string(text);
    free(text);
    return result;
}

static struct json_object *device_del(struct qmp_call *call,
                                      struct qmp_error *error)
{
    return qmp_fail(error, QMP_DEVICE_NOT_FOUND,
                    "no device %.100s that could go", qmp_string(call, "id"));
}

static qmp_handler query_commands;

enum command_flags {
    ANY_TIME = 1, /* also in a probe run */
};

struct command_argument {
    const char *name;
    enum json_type type;
    bool optional;
};

static const struct command {
    const char *name;
    qmp_handler *handler;
    unsigned flags;
    struct command_argument arguments[MAX_ARGUMENTS];
} commands[] = {
    {"cont", cont, 0, {{0}}},
    {"stop", stop, 0, {{0}}},
    {"quit", quit, ANY_TIME, {{0}}},
    {"system_wakeup", system_wakeup, 0, {{0}}},
    {"system_reset", system_reset, 0, {{0}}},
    {"xen-set-global-dirty-log",
     set_dirty_log,
     0,
     {{"enable", json_type_boolean, false}}},
    {"xen-save-devices-state",
     save_state,
     0,
     {{"filename", json_type_string, false},
      {"live", json_type_boolean, true}}},
    {"add-fd",
     add_fd,
     0,
     {{"fdset-id", json_type_int, true}, {"opaque", json_type_string, true}}},
    {"remove-fd",
     remove_fd,
     0,
     {{"fdset-id", json_type_int, false}, {"fd", json_type_int, true}}},
    {"human-monitor-command",
     human_monitor,
     0,
     {{"command-line", json_type_string, false},
      {"cpu-index", json_type_int, true}}},
    {"device_del", device_del, 0, {{"id", json_type_string, false}}},
    {"blockdev-change-medium",
     qmp_change_medium,
     0,
     {{"id", json_type_string, true},
      {"device", json_type_string, true},
      {"filename", json_type_string, false},
      {"format", json_type_string, true},
      {"force", json_type_boolean, true}}},
    {"change",
     qmp_change,
     0,
     {{"device", json_type_string, false},
      {"target", json_type_string, false},
      {"arg", json_type_string, true}}},
    {"eject",
     qmp_eject,
     0,
     {{"id", json_type_string, true},
      {"device", json_type_string, true},
      {"force", json_type_boolean, true}}},
    {"qom-get",
     qmp_qom_get,
     0,
     {{"path", json_type_string, false},
      {"property", json_type_string, false}}},
    {"qom-set",
     qmp_qom_set,
     0,
     {{"path", json_type_string, false},
      {"property", json_type_string, false},
      {"value", json_type_int, false}}},
    {"query-block", qmp_query_block, 0, {{0}}},
    {"query-blockstats",
     qmp_query_blockstats,
     0,
     {{"query-nodes", json_type_boolean, true}}},
    {"query-chardev", qmp_query_chardev, 0, {{0}}},
    {"query-command-line-options",
     qmp_query_options,
     ANY_TIME,
     {{"option", json_type_string, true}}},
    {"query-commands", query_commands, ANY_TIME, {{0}}},
    {"query-cpus", qmp_query_cpus, 0, {{0}}},
    {"query-cpus-fast", qmp_query_cpus_fast, 0, {{0}}},
    {"query-fdsets", qmp_query_fdsets, 0, {{0}}},
    {"query-hotpluggable-cpus", qmp_query_hotpluggable_cpus, 0, {{0}}},
    {"query-kvm", qmp_query_kvm, ANY_TIME, {{0}}},
    {"query-memory-devices", qmp_query_memory_devices, 0, {{0}}},
    {"query-memory-size-summary", qmp_query_memory_size, 0, {{0}}},
    {"query-name", qmp_query_name, ANY_TIME, {{0}}},
    {"query-pci", qmp_query_pci, 0, {{0}}},
    {"query-status", qmp_query_status, ANY_TIME, {{0}}},
    {"query-target", qmp_query_target, ANY_TIME, {{0}}},
    {"query-uuid", qmp_query_uuid, ANY_TIME, {{0}}},
    {"query-version", qmp_query_version, ANY_TIME, {{0}}},
    {"query-vnc", qmp_query_vnc, 0, {{0}}},
    {"query-xenram-blocks", qmp_query_xenram_blocks, 0, {{0}}},
    {"query-xenram-mapcache", qmp_query_mapcache, 0, {{0}}},
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static struct json_object *query_commands(struct qmp_call *call,
                                          struct qmp_error *error)
{
    struct json_object *list = json_object_new_array();

    (void)call;
    (void)error;
    for (size_t i = 0; i < NR_COMMANDS; i++) {
        struct json_object *item = json_object_new_object();

        qmp_put_string(item, "name", commands[i].name);
        qmp_add(list, item);
    }
    return list;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < NR_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static const struct command_argument *
find_argument(const struct command *command, const char *name)
{
    for (size_t i = 0; i < MAX_ARGUMENTS; i++) {
        const struct command_argument *known = &command->arguments[i];

        if (known->name && strcmp(known->name, name) == 0)
            return known;
    }
    return NULL;
}

static int check_arguments(const struct command *command,
                           const struct qmp_call *call, struct qmp_error *error)
{
    if (call->arguments) {
        json_object_object_foreach (call->arguments, key, value) {
            const struct command_argument *known = find_argument(command, key);

            if (!known) {
                qmp_fail(error, QMP_GENERIC, "%s has no argument %.100s",
                         command->name, key);
                return -EINVAL;
            }
            if (!json_object_is_type(value, known->type)) {
                qmp_fail(error, QMP_GENERIC, "%s: %s is not of type %s",
                         command->name, key, json_type_to_name(known->type));
                return -EINVAL;
            }
        }
    }
    for (size_t i = 0; i < MAX_ARGUMENTS; i++) {
        const struct command_argument *known = &command->arguments[i];

        if (known->name && !known->optional && !argument(call, known->name)) {
            qmp_fail(error, QMP_GENERIC, "%s needs the argument %s",
                     command->name, known->name);
            return -EINVAL;
        }
    }
    return 0;
}

struct json_object *qmp_execute(struct qmp_call *call, const char *name,
                                struct qmp_error *error)
{
    const struct command *command = find_command(name);
    const char *why = qmp_refusal(name);

    if (why)
        return qmp_fail(error, QMP_GENERIC, "%s: %s", name, why);
    if (!command)
        return qmp_fail(error, QMP_NOT_FOUND, "xenram-dm has no command %.100s",
                        name);
    if (!call->context->machine && !(command->flags & ANY_TIME))
        return qmp_fail(error, QMP_GENERIC,
                        "%s: there is no guest in a probe run", name);
    if (check_arguments(command, call, error))
        return NULL;
    return command->handler(call, error);
}
