/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/virtio-mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/device.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/hw/virtio/le.h"
#include "dm/hw/virtio/mem-impl.h"

#include "xenram/ram.h"

#define TYPE_MEMORY 24
#define CLASS_CODE 0x00ff00 /* no class */
#define FIRST_SLOT 0x10     /* on the PCI bus */

/* 5.15.3 */
#define FEATURE_ACPI_PXM (UINT64_C(1) << 0)
#define FEATURE_UNPLUGGED_INACCESSIBLE (UINT64_C(1) << 1)
#define FEATURE_PERSISTENT_SUSPEND (UINT64_C(1) << 2)

/* 5.15.4: offsets into the configuration. */
#define CONFIG_BLOCK_SIZE 0
#define CONFIG_NODE 8
#define CONFIG_ADDR 16
#define CONFIG_REGION_SIZE 24
#define CONFIG_USABLE_SIZE 32
#define CONFIG_PLUGGED_SIZE 40
#define CONFIG_REQUESTED_SIZE 48
#define CONFIG_LEN 56

/*
 * A guest may use more than is requested, so that what it cannot give back at
 * one end need not hinder it from growing: two of Linux's memory blocks.
 */
#define USABLE_MORE (UINT64_C(256) << 20)

/* ---- sizes ---- */

static uint64_t wanted_usable(const struct virtio_mem *mem)
{
    uint64_t more = (USABLE_MORE + mem->block_size - 1) & -mem->block_size;

    if (mem->requested == 0)
        return 0;
    return mem->size - mem->requested < more ? mem->size
                                             : mem->requested + more;
}

void mem_grow_usable(struct virtio_mem *mem)
{
    uint64_t wanted = wanted_usable(mem);

    if (mem->usable < wanted)
        mem->usable = wanted;
}

static void show_config(struct virtio *virtio, uint8_t bytes[VIRTIO_CONFIG_MAX])
{
    const struct virtio_mem *mem = (struct virtio_mem *)virtio;

    le_put(bytes + CONFIG_BLOCK_SIZE, mem->block_size, 8);
    le_put(bytes + CONFIG_NODE, mem->options->node, 2);
    le_put(bytes + CONFIG_ADDR, mem->addr, 8);
    le_put(bytes + CONFIG_REGION_SIZE, mem->size, 8);
    le_put(bytes + CONFIG_USABLE_SIZE, mem->usable, 8);
    le_put(bytes + CONFIG_PLUGGED_SIZE, xen_ram_plugged(mem->block), 8);
    le_put(bytes + CONFIG_REQUESTED_SIZE, mem->requested, 8);
}

/* ---- the driver ---- */

static void notified(struct virtio *virtio)
{
    mem_requests_wait((struct virtio_mem *)virtio);
}

static void reset_by_driver(struct virtio *virtio)
{
    mem_requests_forget((struct virtio_mem *)virtio);
}

static const struct virtio_ops virtio_mem_ops = {
    .type = TYPE_MEMORY,
    .class_code = CLASS_CODE,
    .config_size = CONFIG_LEN,
    .features = FEATURE_ACPI_PXM | FEATURE_UNPLUGGED_INACCESSIBLE |
                FEATURE_PERSISTENT_SUSPEND,
    .needed = FEATURE_UNPLUGGED_INACCESSIBLE,
    .config = show_config,
    .notified = notified,
    .reset = reset_by_driver,
};

/* ---- the memory device ---- */

static struct virtio_mem *mem_of(const struct xen_memory_device *memory)
{
    const char *state =
        (const char *)memory - offsetof(struct virtio_mem, memory);

    return (struct virtio_mem *)(uintptr_t)state;
}

static uint64_t get_addr(const struct xen_memory_device *memory)
{
    return mem_of(memory)->addr;
}

static void set_addr(struct xen_memory_device *memory, uint64_t addr)
{
    mem_of(memory)->addr = addr;
}

static uint64_t get_plugged_size(const struct xen_memory_device *memory)
{
    return xen_ram_plugged(mem_of(memory)->block);
}

static struct xen_memory_range get_range(const struct xen_memory_device *memory)
{
    const struct virtio_mem *mem = mem_of(memory);

    return (struct xen_memory_range){
        .size = mem->size,
        .alignment = mem->block_size,
    };
}

static void fill_info(const struct xen_memory_device *memory,
                      struct xen_memory_info *info)
{
    const struct virtio_mem *mem = mem_of(memory);

    *info = (struct xen_memory_info){
        .kind = XEN_MEMORY_VIRTIO_MEM,
        .id = mem->options->id,
        .memdev = mem->options->memdev,
        .addr = mem->addr,
        .size = xen_ram_plugged(mem->block),
        .max_size = mem->size,
        .requested_size = mem->requested,
        .block_size = mem->block_size,
        .node = mem->options->node,
    };
}

static const struct xen_memory_device_ops memory_ops = {
    .get_addr = get_addr,
    .set_addr = set_addr,
    .get_plugged_size = get_plugged_size,
    .get_range = get_range,
    .fill_info = fill_info,
};

/* ---- the operator ---- */

struct device *virtio_mem_find(struct machine *machine, const char *id)
{
    for (size_t i = 0; i < machine->nr_devices; i++) {
        struct device *device = &machine->devices[i];
        const struct virtio_mem *mem = device->state;

        if (device->ops == &device_virtio_mem && mem->options->id &&
            strcmp(mem->options->id, id) == 0)
            return device;
    }
    return NULL;
}

void virtio_mem_info(const struct device *device, struct xen_memory_info *info)
{
    const struct virtio_mem *mem = device->state;

    fill_info(&mem->memory, info);
}

int virtio_mem_request(struct device *device, uint64_t bytes, char *text,
                       size_t size)
{
    struct virtio_mem *mem = device->state;

    if (bytes % mem->block_size) {
        snprintf(text, size,
                 "%s: %" PRIu64 " bytes requested are no multiple of the "
                 "block-size %" PRIu64,
                 mem->label, bytes, mem->block_size);
        return -EINVAL;
    }
    if (bytes > mem->size) {
        snprintf(text, size,
                 "%s: %" PRIu64 " bytes requested, its memory backend %s has "
                 "%" PRIu64,
                 mem->label, bytes, mem->options->memdev, mem->size);
        return -EINVAL;
    }
    if (bytes == mem->requested)
        return 0;
    mem->requested = bytes;
    mem_grow_usable(mem);
    virtio_config_changed(&mem->virtio, true);
    return 0;
}

/* ---- life ---- */

static int make_block(struct virtio_mem *mem)
{
    struct xen_ram_spec spec = {
        .idstr = mem->name,
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_SPARSE,
        .gfn = mem->addr / XEN_RAM_PAGE_SIZE,
        .size = mem->size,
        .unit = mem->block_size,
    };

    return machine_alloc_ram(mem->device->machine, &spec, &mem->block);
}

static int make_turn(struct virtio_mem *mem)
{
    uv_loop_t *loop = mem->device->machine->loop;

    /* A machine that is only to be looked at has none. */
    if (!loop)
        return 0;
    mem->turn = calloc(1, sizeof(*mem->turn));
    if (!mem->turn)
        return -ENOMEM;
    uv_idle_init(loop, mem->turn);
    mem->turn->data = mem;
    return 0;
}

static int plug_device(struct virtio_mem *mem)
{
    struct xen_memory *memory = mem->device->machine->memory;
    int ret;

    mem->memory.ops = &memory_ops;
    mem->memory.id = mem->options->id;
    ret = xen_memory_plug(memory, &mem->memory);
    if (ret)
        log_error("virtio-mem %s: %s", mem->label, xen_memory_error(memory));
    return ret;
}

static int virtio_mem_init(struct device *device)
{
    const struct options *options = device->machine->options;
    struct virtio_mem *mem = device->state;
    uint8_t devfn = PCI_DEVFN(FIRST_SLOT + device->instance, 0);
    int ret;

    mem->device = device;
    mem->options = &options->virtio_mems[device->instance];
    mem->label = mem->options->id ? mem->options->id : mem->options->memdev;
    mem->addr = mem->options->addr;
    mem->size = mem->options->size;
    mem->block_size = mem->options->block_size;
    mem->requested = mem->options->requested_size;
    if (asprintf(&mem->name, "/objects/%s", mem->options->memdev) < 0) {
        mem->name = NULL;
        return -ENOMEM;
    }
    ret = plug_device(mem);
    if (ret == 0)
        ret = make_block(mem);
    if (ret == 0)
        ret = make_turn(mem);
    if (ret)
        return ret;
    mem_grow_usable(mem);
    log_info("%s: memory device of %" PRIu64 " MiB at %#" PRIx64, mem->label,
             mem->size >> 20, mem->addr);
    return virtio_init(&mem->virtio, device->machine, mem->label, devfn,
                       &virtio_mem_ops);
}

static void virtio_mem_reset(struct device *device)
{
    struct virtio_mem *mem = device->state;

    mem->busy = false;
    virtio_reset(&mem->virtio);
    mem_unplug_all(mem);
}

static void virtio_mem_restored(struct device *device)
{
    struct virtio_mem *mem = device->state;

    virtio_restored(&mem->virtio);
}

static void virtio_mem_stop(struct device *device)
{
    struct virtio_mem *mem = device->state;

    mem_requests_settle(mem);
}

static void virtio_mem_resume(struct device *device)
{
    struct virtio_mem *mem = device->state;

    mem_requests_wait(mem);
}

static void free_turn(uv_handle_t *handle)
{
    free(handle);
}

static void virtio_mem_fini(struct device *device)
{
    struct virtio_mem *mem = device->state;
    struct machine *machine = device->machine;

    virtio_fini(&mem->virtio);
    if (mem->turn)
        uv_close((uv_handle_t *)mem->turn, free_turn);
    if (mem->memory.owner)
        (void)xen_memory_unplug(machine->memory, &mem->memory);
    /* A guest that has run may live on without us, and keeps its memory. */
    if (mem->block && machine->status == MACHINE_PRELAUNCH)
        xen_ram_free(machine->ram, mem->block);
    free(mem->name);
    *mem = (struct virtio_mem){0};
}

/* ---- saved state ---- */

static void pre_save(void *state)
{
    struct virtio_mem *mem = state;

    mem->saved_addr = mem->addr;
    mem->saved_size = mem->size;
    mem->saved_block_size = mem->block_size;
    mem->saved_node = mem->options->node;
}

static int check_saved(const void *state, char *text, size_t size)
{
    const struct virtio_mem *mem = state;

    if (mem->saved_addr != mem->addr || mem->saved_size != mem->size ||
        mem->saved_block_size != mem->block_size ||
        mem->saved_node != mem->options->node) {
        snprintf(text, size,
                 "%s: the state has %#" PRIx64 " bytes at %#" PRIx64
                 " in blocks of %#" PRIx64 " on node %u, here are %#" PRIx64
                 " at %#" PRIx64 " in blocks of %#" PRIx64 " on node %u: "
                 "restore with the same options",
                 mem->label, mem->saved_size, mem->saved_addr,
                 mem->saved_block_size, mem->saved_node, mem->size, mem->addr,
                 mem->block_size, mem->options->node);
        return -EINVAL;
    }
    if (mem->requested > mem->size || mem->requested % mem->block_size ||
        mem->usable > mem->size || mem->usable % mem->block_size) {
        snprintf(text, size,
                 "%s: the state has %#" PRIx64 " bytes requested and %#" PRIx64
                 " usable of %#" PRIx64 " in blocks of %#" PRIx64,
                 mem->label, mem->requested, mem->usable, mem->size,
                 mem->block_size);
        return -EINVAL;
    }
    return 0;
}

static const struct xen_migrate_field virtio_mem_fields[] = {
    XEN_MIGRATE_FIELD(U64, virtio_mem, saved_addr),
    XEN_MIGRATE_FIELD(U64, virtio_mem, saved_size),
    XEN_MIGRATE_FIELD(U64, virtio_mem, saved_block_size),
    XEN_MIGRATE_FIELD(U16, virtio_mem, saved_node),
    XEN_MIGRATE_FIELD(U64, virtio_mem, requested),
    XEN_MIGRATE_FIELD(U64, virtio_mem, usable),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const virtio_mem_subsections[] = {
    &pci_function_saved,
    &virtio_saved,
    NULL,
};

static const struct xen_migrate_state virtio_mem_saved = {
    .name = "virtio-mem",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct virtio_mem),
    .fields = virtio_mem_fields,
    .subsections = virtio_mem_subsections,
    .pre_save = pre_save,
    .check = check_saved,
};

const struct device_ops device_virtio_mem = {
    .name = "virtio-mem",
    .state_size = sizeof(struct virtio_mem),
    .saved = &virtio_mem_saved,
    .init = virtio_mem_init,
    .reset = virtio_mem_reset,
    .restored = virtio_mem_restored,
    .stop = virtio_mem_stop,
    .resume = virtio_mem_resume,
    .fini = virtio_mem_fini,
};
