/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's objects, as far as operators change them: the properties of virtio-mem
 * devices, /machine/peripheral/ID or short ID.
 */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "dm/machine.h"
#include "dm/qmp-commands.h"
#include "dm/virtio-mem.h"

#include "xenram/memory-device.h"

#define PERIPHERAL "/machine/peripheral/"
#define REQUESTED "requested-size"

static struct device *find(const struct qmp_call *call, struct qmp_error *error)
{
    const char *path = qmp_string(call, "path"), *id = path;
    struct device *device;

    if (strncmp(path, PERIPHERAL, strlen(PERIPHERAL)) == 0)
        id = path + strlen(PERIPHERAL);
    device = virtio_mem_find(call->context->machine, id);
    if (!device)
        qmp_fail(error, QMP_DEVICE_NOT_FOUND,
                 "no object %.200s with properties", path);
    return device;
}

static bool find_property(const struct xen_memory_info *info, const char *name,
                          uint64_t *value)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {REQUESTED, info->requested_size},
        {"size", info->size},
        {"block-size", info->block_size},
        {"memaddr", info->addr},
        {"node", info->node},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(numbers[i].name, name) == 0) {
            *value = numbers[i].value;
            return true;
        }
    return false;
}

struct json_object *qmp_qom_get(struct qmp_call *call, struct qmp_error *error)
{
    const char *name = qmp_string(call, "property");
    const struct device *device = find(call, error);
    struct xen_memory_info info;
    uint64_t value;

    if (!device)
        return NULL;
    virtio_mem_info(device, &info);
    if (!find_property(&info, name, &value))
        return qmp_fail(error, QMP_GENERIC, "%s has no property %.100s",
                        info.id, name);
    return json_object_new_int64((int64_t)value);
}

struct json_object *qmp_qom_set(struct qmp_call *call, struct qmp_error *error)
{
    const char *name = qmp_string(call, "property");
    struct device *device = find(call, error);
    int64_t value = qmp_int(call, "value", -1);
    char text[256];

    if (!device)
        return NULL;
    if (strcmp(name, REQUESTED) != 0)
        return qmp_fail(error, QMP_GENERIC,
                        "of %.200s only " REQUESTED " can be set, not %.100s",
                        qmp_string(call, "path"), name);
    if (value < 0)
        return qmp_fail(error, QMP_GENERIC, REQUESTED " is negative");
    if (virtio_mem_request(device, (uint64_t)value, text, sizeof(text)))
        return qmp_fail(error, QMP_GENERIC, "%s", text);
    return json_object_new_object();
}
