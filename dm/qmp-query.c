/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "dm/chardev.h"
#include "dm/headroom.h"
#include "dm/machine.h"
#include "dm/mapcache-counters.h"
#include "dm/pci.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

struct json_object *qmp_version(void)
{
    struct json_object *version = json_object_new_object();
    struct json_object *qemu = json_object_new_object();

    qmp_put_int(qemu, "major", QMP_VERSION_MAJOR);
    qmp_put_int(qemu, "minor", QMP_VERSION_MINOR);
    qmp_put_int(qemu, "micro", QMP_VERSION_MICRO);
    qmp_put(version, "qemu", qemu);
    qmp_put_string(version, "package", "xenram " PACKAGE_VERSION);
    return version;
}

struct json_object *qmp_query_version(struct qmp_call *call,
                                      struct qmp_error *error)
{
    (void)call;
    (void)error;
    return qmp_version();
}

struct json_object *qmp_query_nothing(struct qmp_call *call,
                                      struct qmp_error *error)
{
    (void)call;
    (void)error;
    return json_object_new_array();
}

struct json_object *qmp_query_status(struct qmp_call *call,
                                     struct qmp_error *error)
{
    const struct machine *machine = call->context->machine;
    struct json_object *result = json_object_new_object();

    (void)error;
    qmp_put_string(result, "status",
                   machine ? machine_status_name(machine) : "prelaunch");
    qmp_put_bool(result, "running",
                 machine && machine->status == MACHINE_RUNNING);
    qmp_put_bool(result, "singlestep", false);
    return result;
}

struct json_object *qmp_query_chardev(struct qmp_call *call,
                                      struct qmp_error *error)
{
    const struct machine *machine = call->context->machine;
    struct json_object *list = json_object_new_array();

    (void)error;
    for (unsigned i = 0; i < OPTIONS_MAX_SERIALS; i++) {
        struct json_object *item;

        if (!machine->serials[i])
            continue;
        item = json_object_new_object();
        qmp_put_string(item, "label", chardev_label(machine->serials[i]));
        qmp_put_string(item, "filename", chardev_filename(machine->serials[i]));
        qmp_put_bool(item, "frontend-open", true);
        qmp_add(list, item);
    }
    return list;
}

struct json_object *qmp_query_vnc(struct qmp_call *call,
                                  struct qmp_error *error)
{
    struct json_object *result = json_object_new_object();

    (void)call;
    (void)error;
    qmp_put_bool(result, "enabled", false);
    return result;
}

struct json_object *qmp_query_kvm(struct qmp_call *call,
                                  struct qmp_error *error)
{
    struct json_object *result = json_object_new_object();

    (void)call;
    (void)error;
    qmp_put_bool(result, "enabled", false);
    qmp_put_bool(result, "present", false);
    return result;
}

struct json_object *qmp_query_name(struct qmp_call *call,
                                   struct qmp_error *error)
{
    struct json_object *result = json_object_new_object();

    (void)error;
    if (call->context->options->name)
        qmp_put_string(result, "name", call->context->options->name);
    return result;
}

struct json_object *qmp_query_uuid(struct qmp_call *call,
                                   struct qmp_error *error)
{
    struct json_object *result = json_object_new_object();

    (void)call;
    (void)error;
    qmp_put_string(result, "UUID", "00000000-0000-0000-0000-000000000000");
    return result;
}

struct json_object *qmp_query_target(struct qmp_call *call,
                                     struct qmp_error *error)
{
    struct json_object *result = json_object_new_object();

    (void)call;
    (void)error;
    qmp_put_string(result, "arch", "x86_64");
    return result;
}

/* libxl takes the new spelling of -chroot and -runas when this lists it. */
struct json_object *qmp_query_options(struct qmp_call *call,
                                      struct qmp_error *error)
{
    static const char *const parameters[] = {"chroot", "user"};
    const char *wanted = qmp_string(call, "option");
    struct json_object *list, *option, *names;

    if (wanted && strcmp(wanted, "run-with") != 0)
        return qmp_fail(error, QMP_GENERIC, "option %.100s is not described",
                        wanted);
    list = json_object_new_array();
    option = json_object_new_object();
    names = json_object_new_array();
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        struct json_object *parameter = json_object_new_object();

        qmp_put_string(parameter, "name", parameters[i]);
        qmp_put_string(parameter, "type", "string");
        qmp_add(names, parameter);
    }
    qmp_put_string(option, "option", "run-with");
    qmp_put(option, "parameters", names);
    qmp_add(list, option);
    return list;
}

/* libxl before 4.15. */
struct json_object *qmp_query_cpus(struct qmp_call *call,
                                   struct qmp_error *error)
{
    struct json_object *list = json_object_new_array();

    (void)error;
    for (unsigned i = 0; i < call->context->machine->nr_vcpus; i++) {
        struct json_object *item = json_object_new_object();

        qmp_put_int(item, "CPU", i);
        qmp_put_bool(item, "current", i == 0);
        qmp_put_bool(item, "halted", false);
        qmp_put_int(item, "thread_id", 0);
        qmp_put_string(item, "arch", "x86");
        qmp_add(list, item);
    }
    return list;
}

/*
 * All vCPUs that the guest may have: what is listed here becomes avail_vcpus of
 * a saved guest.
 */
struct json_object *qmp_query_cpus_fast(struct qmp_call *call,
                                        struct qmp_error *error)
{
    struct json_object *list = json_object_new_array();

    (void)error;
    headroom_config_read(call->context->machine->headroom);
    for (unsigned i = 0; i < call->context->machine->nr_vcpus; i++) {
        struct json_object *item = json_object_new_object();

        qmp_put_int(item, "cpu-index", i);
        qmp_put_int(item, "thread-id", 0);
        qmp_put_string(item, "target", "x86_64");
        qmp_add(list, item);
    }
    return list;
}

struct json_object *qmp_query_hotpluggable_cpus(struct qmp_call *call,
                                                struct qmp_error *error)
{
    struct json_object *list = json_object_new_array();

    (void)error;
    for (unsigned i = 0; i < call->context->machine->nr_vcpus; i++) {
        struct json_object *item = json_object_new_object();
        struct json_object *place = json_object_new_object();

        qmp_put_int(place, "socket-id", i);
        qmp_put_int(place, "core-id", 0);
        qmp_put_int(place, "thread-id", 0);
        qmp_put_string(item, "type", "xen-vcpu");
        qmp_put_int(item, "vcpus-count", 1);
        qmp_put(item, "props", place);
        qmp_add(list, item);
    }
    return list;
}

static void put_counter(void *opaque, const char *name, uint64_t value)
{
    qmp_put(opaque, name, json_object_new_uint64(value));
}

struct json_object *qmp_query_mapcache(struct qmp_call *call,
                                       struct qmp_error *error)
{
    struct json_object *result = json_object_new_object();

    (void)error;
    mapcache_counters(call->context->machine, put_counter, result);
    return result;
}

static struct json_object *describe_fdset(const struct qmp_fdset_entry *entries,
                                          size_t first)
{
    struct json_object *item = json_object_new_object();
    struct json_object *fds = json_object_new_array();

    for (size_t i = first; i < QMP_FDSETS_MAX_FDS; i++) {
        struct json_object *fd;

        if (entries[i].fd < 0 || entries[i].set != entries[first].set)
            continue;
        fd = json_object_new_object();
        qmp_put_int(fd, "fd", entries[i].fd);
        if (entries[i].opaque[0])
            qmp_put_string(fd, "opaque", entries[i].opaque);
        qmp_add(fds, fd);
    }
    qmp_put_int(item, "fdset-id", entries[first].set);
    qmp_put(item, "fds", fds);
    return item;
}

struct json_object *qmp_query_fdsets(struct qmp_call *call,
                                     struct qmp_error *error)
{
    const struct qmp_fdset_entry *entries = call->context->fdsets.entries;
    struct json_object *list = json_object_new_array();

    (void)error;
    for (size_t i = 0; i < QMP_FDSETS_MAX_FDS; i++) {
        size_t earlier = 0;

        while (earlier < i && (entries[earlier].fd < 0 ||
                               entries[earlier].set != entries[i].set))
            earlier++;
        if (entries[i].fd >= 0 && earlier == i)
            qmp_add(list, describe_fdset(entries, i));
    }
    return list;
}

static unsigned config_word(const struct pci_function *function,
                            unsigned offset)
{
    return function->config[offset] | function->config[offset + 1] << 8;
}

static struct json_object *describe_bars(const struct pci_function *function)
{
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; i < PCI_NR_BARS; i++) {
        const struct pci_bar *bar = &function->bars[i];
        struct json_object *item;

        if (bar->kind == PCI_BAR_NONE)
            continue;
        item = json_object_new_object();
        qmp_put_int(item, "bar", i);
        qmp_put_string(item, "type", bar->kind == PCI_BAR_IO ? "io" : "memory");
        qmp_put_int(item, "address",
                    bar->mapped == PCI_UNMAPPED ? -1 : (int64_t)bar->mapped);
        qmp_put_int(item, "size", bar->size);
        if (bar->kind != PCI_BAR_IO) {
            qmp_put_bool(item, "prefetch", bar->kind == PCI_BAR_MEM_PREFETCH);
            qmp_put_bool(item, "mem_type_64", false);
        }
        qmp_add(list, item);
    }
    return list;
}

/* Offsets: PCI Local Bus Specification 3.0, 6.1. */
static struct json_object *
describe_function(const struct pci_function *function)
{
    struct json_object *item = json_object_new_object();
    struct json_object *class_info = json_object_new_object();
    struct json_object *id = json_object_new_object();

    qmp_put_int(class_info, "class", config_word(function, 0x0a));
    qmp_put_string(class_info, "desc", function->name);
    qmp_put_int(id, "vendor", config_word(function, 0x00));
    qmp_put_int(id, "device", config_word(function, 0x02));
    qmp_put_int(item, "bus", 0);
    qmp_put_int(item, "slot", function->devfn >> 3);
    qmp_put_int(item, "function", function->devfn & 7);
    qmp_put(item, "class_info", class_info);
    qmp_put(item, "id", id);
    if (function->config[0x3d]) {
        qmp_put_int(item, "irq", function->config[0x3c]);
        qmp_put_int(item, "irq_pin", function->config[0x3d]);
    }
    /* libxl gives up on a device without one. */
    qmp_put_string(item, "qdev_id", function->name);
    qmp_put(item, "regions", describe_bars(function));
    return item;
}

struct json_object *qmp_query_pci(struct qmp_call *call,
                                  struct qmp_error *error)
{
    const struct machine *machine = call->context->machine;
    struct json_object *list = json_object_new_array();
    struct json_object *bus = json_object_new_object();
    struct json_object *devices = json_object_new_array();

    (void)error;
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        const struct pci_function *function = machine->pci[devfn];

        if (function && function->present)
            qmp_add(devices, describe_function(function));
    }
    qmp_put_int(bus, "bus", 0);
    qmp_put(bus, "devices", devices);
    qmp_add(list, bus);
    return list;
}
