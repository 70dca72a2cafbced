/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "dm/block-names.h"
#include "dm/machine.h"
#include "dm/qmp-commands.h"
#include "dm/qmp-json.h"

#include "xenram/ram.h"

static void put_number(struct json_object *object, const char *key,
                       uint64_t value)
{
    qmp_put(object, key, json_object_new_int64((int64_t)value));
}

static void put_string(struct json_object *object, const char *key,
                       const char *value)
{
    qmp_put(object, key, json_object_new_string(value));
}

static struct json_object *describe(const struct xen_ram_block *block)
{
    struct json_object *item = json_object_new_object();
    struct json_object *list = json_object_new_array();
    unsigned flags = xen_ram_get_flags(block);

    put_string(item, "name", xen_ram_idstr(block));
    put_string(item, "kind", block_kind(block));
    put_number(item, "offset", xen_ram_offset(block));
    put_number(item, "size", xen_ram_size(block));
    put_number(item, "used-length", xen_ram_used_length(block));
    put_number(item, "max-length", xen_ram_max_length(block));
    if (xen_ram_gfn(block) != XEN_RAM_NO_GFN)
        put_number(item, "gfn", xen_ram_gfn(block));
    if (xen_ram_path(block))
        put_string(item, "file", xen_ram_path(block));
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
