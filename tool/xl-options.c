/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/xl-options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

/* Xen, public/hvm/e820.h: libxl ignores a hole that is smaller. */
#define LOW_RAM_MAX UINT64_C(0xf0000000)

static void add(struct xl_options *options, const char *word)
{
    /* options_parse never writes to its words. */
    if (options->argc < XL_OPTIONS_MAX)
        options->argv[options->argc++] = (char *)(uintptr_t)word;
}

static struct json_object *find(const struct json_object *in, const char *key)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(in, key, &value);
    return value;
}

static uint64_t find_number(const struct json_object *in, const char *key)
{
    const struct json_object *value = find(in, key);

    return json_object_is_type(value, json_type_int)
               ? json_object_get_uint64(value)
               : 0;
}

static bool is_text(const struct json_object *value, const char *text)
{
    return json_object_is_type(value, json_type_string) &&
           strcmp(
               json_object_get_string((struct json_object *)(uintptr_t)value),
               text) == 0;
}

static void add_text(struct xl_options *options, const char *option,
                     struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return;
    if (option)
        add(options, option);
    add(options, json_object_get_string(value));
}

static void add_list(struct xl_options *options, const char *option,
                     const struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        add_text(options, option, json_object_array_get_idx(list, i));
}

static void add_machine(struct xl_options *options,
                        const struct json_object *hvm)
{
    uint64_t hole = find_number(hvm, "mmio_hole_memkb") << 10;
    uint64_t low = (UINT64_C(4) << 30) - hole;
    size_t len = (size_t)snprintf(
        options->machine, sizeof(options->machine), "%s,suppress-vmdesc=on",
        is_text(find(hvm, "xen_platform_pci"), "False") ? "pc,accel=xen"
                                                        : "xenfv");

    if (hole && low <= LOW_RAM_MAX)
        snprintf(options->machine + len, sizeof(options->machine) - len,
                 ",max-ram-below-4g=%" PRIu64, low);
    add(options, "-machine");
    add(options, options->machine);
}

static void add_memory(struct xl_options *options,
                       const struct json_object *info)
{
    uint64_t kb = find_number(info, "max_memkb");
    uint64_t video = find_number(info, "video_memkb");

    if (video < kb)
        kb -= video;
    snprintf(options->memory, sizeof(options->memory), "%" PRIu64,
             kb / 1024 + (kb % 1024 != 0));
    add(options, "-m");
    add(options, options->memory);
}

int xl_options_read(const char *config, struct xl_options *out,
                    char error[XL_OPTIONS_ERROR_MAX])
{
    const struct json_object *info, *hvm;

    out->argc = 0;
    out->config = json_tokener_parse(config);
    info = find(out->config, "b_info");
    hvm = find(info, "type.hvm");
    if (!hvm) {
        snprintf(error, XL_OPTIONS_ERROR_MAX,
                 "its configuration is not that of an HVM guest: give the "
                 "options of the device model");
        return -EINVAL;
    }
    add_text(out, "-kernel", find(info, "kernel"));
    add_text(out, "-serial", find(hvm, "serial"));
    add_list(out, "-serial", find(hvm, "serial_list"));
    add_list(out, NULL, find(info, "extra"));
    add_machine(out, hvm);
    add_list(out, NULL, find(info, "extra_hvm"));
    add_memory(out, info);
    if (out->argc == XL_OPTIONS_MAX) {
        snprintf(error, XL_OPTIONS_ERROR_MAX,
                 "its configuration makes more than %d options: give those of "
                 "the device model",
                 XL_OPTIONS_MAX - 1);
        return -EINVAL;
    }
    return 0;
}

void xl_options_fini(struct xl_options *options)
{
    json_object_put(options->config);
    options->config = NULL;
}
