/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "dm/machine.h"
#include "dm/memory-info.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

#include "xenram/memory-device.h"

static void put_number(struct json_object *object, const char *key,
                       uint64_t value)
{
    qmp_put(object, key, json_object_new_int64((int64_t)value));
}

static void put_backend(struct json_object *object, const char *memdev)
{
    char path[MEMORY_PATH_MAX];

    memory_backend_path(memdev, path);
    qmp_put(object, "memdev", json_object_new_string(path));
}

static struct json_object *describe_dimm(const struct xen_memory_info *info)
{
    struct json_object *data = json_object_new_object();

    if (info->id)
        qmp_put(data, "id", json_object_new_string(info->id));
    put_number(data, "addr", info->addr);
    put_number(data, "size", info->size);
    put_number(data, "slot", info->slot);
    put_number(data, "node", info->node);
    put_backend(data, info->memdev);
    qmp_put(data, "hotplugged", json_object_new_boolean(info->hotplugged));
    qmp_put(data, "hotpluggable", json_object_new_boolean(info->hotpluggable));
    return data;
}

static struct json_object *
describe_virtio_mem(const struct xen_memory_info *info)
{
    struct json_object *data = json_object_new_object();

    if (info->id)
        qmp_put(data, "id", json_object_new_string(info->id));
    put_number(data, "memaddr", info->addr);
    put_number(data, "requested-size", info->requested_size);
    put_number(data, "size", info->size);
    put_number(data, "max-size", info->max_size);
    put_number(data, "block-size", info->block_size);
    put_number(data, "node", info->node);
    put_backend(data, info->memdev);
    return data;
}

struct json_object *qmp_query_memory_devices(struct qmp_call *call,
                                             struct qmp_error *error)
{
    const struct xen_memory *memory = call->context->machine->memory;
    struct json_object *list = json_object_new_array();
    const struct xen_memory_device *device = NULL;

    (void)error;
    while (memory && (device = xen_memory_next(memory, device))) {
        struct json_object *item = json_object_new_object();
        struct xen_memory_info info;

        device->ops->fill_info(device, &info);
        qmp_put(item, "type",
                json_object_new_string(memory_kind_name(info.kind)));
        qmp_put(item, "data",
                info.kind == XEN_MEMORY_DIMM ? describe_dimm(&info)
                                             : describe_virtio_mem(&info));
        qmp_add(list, item);
    }
    return list;
}

struct json_object *qmp_query_memory_size(struct qmp_call *call,
                                          struct qmp_error *error)
{
    const struct machine *machine = call->context->machine;
    struct json_object *result = json_object_new_object();

    (void)error;
    put_number(result, "base-memory", memory_base_size(machine));
    put_number(result, "plugged-memory", memory_plugged_size(machine));
    return result;
}
