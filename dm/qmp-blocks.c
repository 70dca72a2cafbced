/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "dm/block-names.h"
#include "dm/machine.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

#include "xenram/ram.h"

static struct json_object *describe(const struct xen_ram_block *block)
{
    struct json_object *item = json_object_new_object();
    struct json_object *list = json_object_new_array();
    unsigned flags = xen_ram_get_flags(block);

    qmp_put_string(item, "name", xen_ram_idstr(block));
    qmp_put_string(item, "kind", block_kind(block));
    qmp_put_int(item, "offset", xen_ram_offset(block));
    qmp_put_int(item, "size", xen_ram_size(block));
    qmp_put_int(item, "used-length", xen_ram_used_length(block));
    qmp_put_int(item, "max-length", xen_ram_max_length(block));
    if (xen_ram_gfn(block) != XEN_RAM_NO_GFN)
        qmp_put_int(item, "gfn", xen_ram_gfn(block));
    if (xen_ram_path(block))
        qmp_put_string(item, "file", xen_ram_path(block));
    for (const struct block_attribute *a = block_attributes; a->flag; a++)
        if (flags & a->flag)
            qmp_add(list, json_object_new_string(a->name));
    qmp_put(item, "attributes", list);
    return item;
}

struct json_object *qmp_query_xenram_blocks(struct qmp_call *call,
                                            struct qmp_error *error)
{
    const struct machine *machine = call->context->machine;
    struct json_object *list = json_object_new_array();
    const struct xen_ram_block *block = NULL;

    (void)error;
    while ((block = xen_ram_next(machine->ram, block)))
        qmp_add(list, describe(block));
    return list;
}
