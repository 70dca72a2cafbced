/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/memory-info.h"

#include <inttypes.h>

#include "dm/machine.h"

#define EOL "\r\n"

const char *memory_kind_name(enum xen_memory_kind kind)
{
    return kind == XEN_MEMORY_DIMM ? "dimm" : "virtio-mem";
}

void memory_backend_path(const char *memdev, char path[MEMORY_PATH_MAX])
{
    snprintf(path, MEMORY_PATH_MAX, "/objects/%s", memdev);
}

uint64_t memory_base_size(const struct machine *machine)
{
    return machine->options->ram_mb << 20;
}

uint64_t memory_plugged_size(const struct machine *machine)
{
    struct xen_memory_stats stats = {0};

    if (machine->memory)
        xen_memory_get_stats(machine->memory, &stats);
    return stats.plugged;
}

static void print_dimm(FILE *out, const struct xen_memory_info *info)
{
    fprintf(out, "  addr: 0x%" PRIx64 EOL, info->addr);
    fprintf(out, "  slot: %u" EOL, info->slot);
    fprintf(out, "  node: %" PRIu32 EOL, info->node);
    fprintf(out, "  size: %" PRIu64 EOL, info->size);
}

static void print_virtio_mem(FILE *out, const struct xen_memory_info *info)
{
    fprintf(out, "  memaddr: 0x%" PRIx64 EOL, info->addr);
    fprintf(out, "  node: %" PRIu32 EOL, info->node);
    fprintf(out, "  requested-size: %" PRIu64 EOL, info->requested_size);
    fprintf(out, "  size: %" PRIu64 EOL, info->size);
    fprintf(out, "  max-size: %" PRIu64 EOL, info->max_size);
    fprintf(out, "  block-size: %" PRIu64 EOL, info->block_size);
}

static void print_device(FILE *out, const struct xen_memory_info *info)
{
    char path[MEMORY_PATH_MAX];

    memory_backend_path(info->memdev, path);
    fprintf(out, "Memory device [%s]: \"%s\"" EOL, memory_kind_name(info->kind),
            info->id ? info->id : "");
    if (info->kind == XEN_MEMORY_DIMM)
        print_dimm(out, info);
    else
        print_virtio_mem(out, info);
    fprintf(out, "  memdev: %s" EOL, path);
    if (info->kind != XEN_MEMORY_DIMM)
        return;
    fprintf(out, "  hotplugged: %s" EOL, info->hotplugged ? "true" : "false");
    fprintf(out, "  hotpluggable: %s" EOL,
            info->hotpluggable ? "true" : "false");
}

void memory_print_devices(FILE *out, const struct machine *machine)
{
    const struct xen_memory_device *device = NULL;
    struct xen_memory_info info;

    while (machine->memory &&
           (device = xen_memory_next(machine->memory, device))) {
        device->ops->fill_info(device, &info);
        print_device(out, &info);
    }
}

void memory_print_size(FILE *out, const struct machine *machine)
{
    fprintf(out, "base memory: %" PRIu64 EOL, memory_base_size(machine));
    fprintf(out, "plugged memory: %" PRIu64 EOL, memory_plugged_size(machine));
}
