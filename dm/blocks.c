/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dm/log.h"
#include "dm/machine.h"

#include "xenram/ram.h"

#define KEY "(xl.cfg: device_model_args_hvm)"

static const struct options_file *file_of(const struct options *options,
                                          const char *name)
{
    for (unsigned i = 0; i < options->nr_files; i++)
        if (strcmp(options->files[i].block, name) == 0)
            return &options->files[i];
    return NULL;
}

static const struct options_block *lengths_of(const struct options *options,
                                              const char *name)
{
    for (unsigned i = 0; i < options->nr_blocks; i++)
        if (strcmp(options->blocks[i].name, name) == 0)
            return &options->blocks[i];
    return NULL;
}

static int set_lengths(struct xen_ram_spec *spec,
                       const struct options_block *lengths)
{
    if (lengths->size && lengths->size < spec->size) {
        log_error("-xenram-block %s: size=%" PRIu64 " is too small, %" PRIu64
                  " bytes are needed " KEY,
                  spec->idstr, lengths->size, spec->size);
        return -EINVAL;
    }
    if (lengths->size)
        spec->size = lengths->size;
    if (lengths->max)
        spec->max_length = lengths->max;
    else if (spec->max_length < spec->size)
        spec->max_length = spec->size;
    return 0;
}

int machine_alloc_ram(struct machine *machine, const struct xen_ram_spec *spec,
                      struct xen_ram_block **out)
{
    const struct options_block *lengths =
        lengths_of(machine->options, spec->idstr);
    const struct options_file *file = file_of(machine->options, spec->idstr);
    struct xen_ram_spec ours = *spec;
    int ret;

    if (lengths && spec->flags & XEN_RAM_RESIZEABLE) {
        ret = set_lengths(&ours, lengths);
        if (ret)
            return ret;
    }
    if (file && spec->kind == XEN_RAM_PRIVATE) {
        ours.kind = XEN_RAM_FILE;
        ours.flags = file->copy ? XEN_RAM_COPY : 0;
        ret = xen_ram_alloc_from_file(machine->ram, &ours, file->path, out);
    } else {
        ret = xen_ram_alloc(machine->ram, &ours, out);
    }
    if (ret)
        log_error("%s", xen_ram_error(machine->ram));
    return ret;
}

/* An option that named a block and changed nothing is a mistake. */
static int refuse(const char *option, const char *name,
                  const struct xen_ram_block *block, const char *why)
{
    if (!block)
        why = "no device has memory of that name; \"info ram\" lists all";
    log_error("%s %s: %s " KEY, option, name, why);
    return -EINVAL;
}

int machine_check_blocks(const struct machine *machine)
{
    const struct options *options = machine->options;

    for (unsigned i = 0; i < options->nr_files; i++) {
        const char *name = options->files[i].block;
        const struct xen_ram_block *block = xen_ram_find(machine->ram, name);

        if (!block || xen_ram_get_kind(block) != XEN_RAM_FILE)
            return refuse("-xenram-file", name, block,
                          block && xen_ram_get_kind(block) == XEN_RAM_GUEST
                              ? "guest RAM is the toolstack's and cannot be a "
                                "file"
                              : "its pages are the guest's and cannot be a "
                                "file");
    }
    for (unsigned i = 0; i < options->nr_blocks; i++) {
        const char *name = options->blocks[i].name;
        const struct xen_ram_block *block = xen_ram_find(machine->ram, name);

        if (!block || !(xen_ram_get_flags(block) & XEN_RAM_RESIZEABLE))
            return refuse("-xenram-block", name, block,
                          "its length cannot be chosen");
    }
    return 0;
}
