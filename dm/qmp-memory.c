/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "dm/machine.h"
#include "dm/memory-info.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

#include "xenram/memory-device.h"

static void put_backend(struct json_object *object, const char *memdev)
{
    char path[MEMORY_PATH_MAX];

    memory_backend_path(memdev, path);
    qmp_put_string(object, "memdev", path);
}

static struct json_object *describe_dimm(const struct xen_memory_info *info)
{
    struct json_object *data = json_object_new_object();

    if (info->id)
        qmp_put_string(data, "id", info->id);
    qmp_put_int(data, "addr", info->addr);
    qmp_put_int(data, "size", info->size);
    qmp_put_int(data, "slot", info->slot);
    qmp_put_int(data, "node", info->node);
    put_backend(data, info->memdev);
    qmp_put_bool(data, "hotplugged", info->hotplugged);
    qmp_put_bool(data, "hotpluggable", info->hotpluggable);
    return data;
}

static struct json_object *
describe_virtio_mem(const struct xen_memory_info *info)
{
    struct json_object *data = json_object_new_object();

    if (info->id)
        qmp_put_string(data, "id", info->id);
    qmp_put_int(data, "memaddr", info->addr);
    qmp_put_int(data, "requested-size", info->requested_size);
    qmp_put_int(data, "size", info->size);
    qmp_put_int(data, "max-size", info->max_size);
    qmp_put_int(data, "block-size", info->block_size);
    qmp_put_int(data, "node", info->node);
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
        qmp_put_string(item, "type", memory_kind_name(info.kind));
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
    qmp_put_int(result, "base-memory", memory_base_size(machine));
    qmp_put_int(result, "plugged-memory", memory_plugged_size(machine));
    return result;
}
