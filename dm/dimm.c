/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/dimm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/acpi-memory.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/xenstore.h"

#include "xenram/memory-device.h"
#include "xenram/ram.h"

#define UNIT (UINT64_C(2) << 20)
/* Linux adds memory in blocks of 128 MiB, and refuses parts of one. */
#define ALIGNMENT (UINT64_C(128) << 20)
/* Reserved in the guest's memory map, above all that option ROMs may take. */
#define TABLE_GFN UINT64_C(0xfe800)
#define TABLE_NAME "acpi.memory"

struct dimm {
    struct xen_memory_device device;
    struct machine *machine;
    const struct options_dimm *options;
    uint64_t addr;
    unsigned slot;
    struct xen_ram_block *block; /* NULL: not plugged */
};

struct dimms {
    unsigned nr;
    size_t table_size; /* bytes */
    struct dimm dimm[OPTIONS_MAX_DIMMS];
};

static struct dimm *dimm_of(const struct xen_memory_device *device)
{
    return (struct dimm *)((char *)(uintptr_t)device -
                           offsetof(struct dimm, device));
}

static uint64_t get_addr(const struct xen_memory_device *device)
{
    return dimm_of(device)->addr;
}

static void set_addr(struct xen_memory_device *device, uint64_t addr)
{
    dimm_of(device)->addr = addr;
}

static uint64_t get_plugged_size(const struct xen_memory_device *device)
{
    return xen_ram_plugged(dimm_of(device)->block);
}

static struct xen_memory_range get_range(const struct xen_memory_device *device)
{
    return (struct xen_memory_range){dimm_of(device)->options->size, ALIGNMENT};
}

static void fill_info(const struct xen_memory_device *device,
                      struct xen_memory_info *info)
{
    const struct dimm *dimm = dimm_of(device);

    *info = (struct xen_memory_info){
        .kind = XEN_MEMORY_DIMM,
        .id = dimm->options->id,
        .memdev = dimm->options->memdev,
        .addr = dimm->addr,
        .size = get_plugged_size(device),
        .max_size = dimm->options->size,
        .node = dimm->options->node,
        .slot = dimm->slot,
    };
}

/* The pages of a guest that is loaded are there, and the state says which. */
static int plugged(struct xen_memory_device *device, char *reason, size_t size)
{
    struct dimm *dimm = dimm_of(device);
    struct xen_ram *ram = dimm->machine->ram;
    char idstr[XEN_RAM_IDSTR_MAX + 1];
    struct xen_ram_spec spec = {
        .idstr = idstr,
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_SPARSE,
        .gfn = dimm->addr / XEN_RAM_PAGE_SIZE,
        .size = dimm->options->size,
        .unit = UNIT,
    };
    int ret;

    snprintf(idstr, sizeof(idstr), "/objects/%s", dimm->options->memdev);
    ret = xen_ram_alloc(ram, &spec, &dimm->block);
    if (ret == 0 && !dimm->machine->loading)
        ret = xen_ram_plug(ram, dimm->block, 0, spec.size);
    if (ret == 0)
        return 0;
    snprintf(reason, size, "%s", xen_ram_error(ram));
    xen_ram_free(ram, dimm->block);
    dimm->block = NULL;
    return ret;
}

static const struct xen_memory_device_ops dimm_ops = {
    .get_addr = get_addr,
    .set_addr = set_addr,
    .get_plugged_size = get_plugged_size,
    .get_range = get_range,
    .fill_info = fill_info,
    .plugged = plugged,
};

static bool slot_taken(const struct dimms *dimms, unsigned slot)
{
    for (unsigned i = 0; i < dimms->nr; i++)
        if (dimms->dimm[i].slot == slot)
            return true;
    return false;
}

static int choose_slot(const struct machine *machine, struct dimm *dimm)
{
    unsigned slots = machine->options->slots;
    bool wanted = dimm->options->slot >= 0;

    dimm->slot = wanted ? (unsigned)dimm->options->slot : 0;
    while (!wanted && slot_taken(machine->dimms, dimm->slot))
        dimm->slot++;
    if ((!slots || dimm->slot < slots) &&
        !slot_taken(machine->dimms, dimm->slot))
        return 0;
    log_error("-device pc-dimm,memdev=%s: slot %u is taken, or not below the "
              "%u of -m slots= (xl.cfg: device_model_args_hvm)",
              dimm->options->memdev, dimm->slot, slots);
    return -EINVAL;
}

static int add_dimm(struct machine *machine, const struct options_dimm *options)
{
    struct dimms *dimms = machine->dimms;
    struct dimm *dimm = &dimms->dimm[dimms->nr];
    int ret;

    *dimm = (struct dimm){
        .device = {.ops = &dimm_ops, .id = options->id},
        .machine = machine,
        .options = options,
        .addr = options->addr,
    };
    if (!options->id)
        dimm->device.id = options->memdev;
    ret = choose_slot(machine, dimm);
    if (ret)
        return ret;
    ret = xen_memory_plug(machine->memory, &dimm->device);
    if (ret) {
        log_error("%s", xen_memory_error(machine->memory));
        return ret;
    }
    dimms->nr++;
    return 0;
}

static int write_table(struct machine *machine)
{
    struct dimms *dimms = machine->dimms;
    struct acpi_memory devices[ACPI_MEMORY_MAX];
    uint8_t table[ACPI_MEMORY_TABLE_MAX];
    struct xen_ram_spec spec = {
        .idstr = TABLE_NAME,
        .kind = XEN_RAM_VISIBLE,
        .gfn = TABLE_GFN,
        .size = sizeof(table),
    };
    struct xen_ram_block *block;
    int ret = machine_alloc_ram(machine, &spec, &block);

    if (ret || machine->loading)
        return ret;
    for (unsigned i = 0; i < dimms->nr; i++)
        devices[i] = (struct acpi_memory){
            .addr = dimms->dimm[i].addr,
            .size = dimms->dimm[i].options->size,
            .node = dimms->dimm[i].options->node,
        };
    dimms->table_size = acpi_memory_table(devices, dimms->nr, table);
    ret = xen_ram_write(machine->ram, block, 0, table, dimms->table_size);
    if (ret)
        log_error("the ACPI table of the DIMMs cannot be written: %s",
                  strerror(-ret));
    return ret;
}

int dimms_init(struct machine *machine)
{
    const struct options *options = machine->options;
    int ret = 0;

    machine->dimms = calloc(1, sizeof(*machine->dimms));
    if (!machine->dimms)
        return -ENOMEM;
    for (unsigned i = 0; i < options->nr_dimms && ret == 0; i++)
        ret = add_dimm(machine, &options->dimms[i]);
    if (ret == 0 && machine->dimms->nr)
        ret = write_table(machine);
    return ret;
}

void dimms_fini(struct machine *machine)
{
    struct dimms *dimms = machine->dimms;

    while (dimms && dimms->nr > 0)
        (void)xen_memory_unplug(machine->memory,
                                &dimms->dimm[--dimms->nr].device);
    free(dimms);
    machine->dimms = NULL;
}

/* Xen, public/hvm/hvm_xs_strings.h. */
void dimms_announce(const struct machine *machine, struct xenstore *xenstore)
{
    char address[XENSTORE_PATH_MAX], length[XENSTORE_PATH_MAX], value[32];
    uint32_t domid = machine->options->domid;
    char *other;
    int ret;

    if (machine->dimms->nr == 0)
        return;
    if (!machine->options->acpi)
        log_warn("the guest has no ACPI tables and will not find its DIMMs "
                 "(xl.cfg: acpi)");
    snprintf(address, sizeof(address),
             "/local/domain/%" PRIu32 "/hvmloader/acpi/address", domid);
    snprintf(length, sizeof(length),
             "/local/domain/%" PRIu32 "/hvmloader/acpi/length", domid);
    if (xenstore_read(xenstore, address, &other) == 0) {
        free(other);
        log_warn("the guest gets tables of its own and will not find its DIMMs "
                 "(xl.cfg: acpi_firmware)");
        return;
    }
    snprintf(value, sizeof(value), "0x%" PRIx64, TABLE_GFN * XEN_RAM_PAGE_SIZE);
    ret = xenstore_write(xenstore, address, value);
    snprintf(value, sizeof(value), "0x%zx", machine->dimms->table_size);
    if (ret == 0)
        ret = xenstore_write(xenstore, length, value);
    if (ret)
        log_warn("hvmloader cannot be told where the DIMMs are, and the guest "
                 "will not find them: %s",
                 strerror(-ret));
}
