/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options-impl.h"

#include <string.h>

#include "xenram/ram.h"

#define KEY "device_model_args_hvm"

/* A guest's space has room for that much beside its RAM. */
#define LENGTH_MAX (UINT64_C(8) << 20)

static int check_name(const struct parse *parse, const char *name)
{
    if (*name && strlen(name) <= XEN_RAM_IDSTR_MAX)
        return 0;
    return parse_refuse(parse, KEY, "the name of a block has 1 to %d bytes",
                        XEN_RAM_IDSTR_MAX);
}

int parse_ram_file(struct parse *parse)
{
    struct options *options = parse->options;
    const char *equals = strchr(parse->argument, '=');
    const char *comma = strchr(parse->argument, ',');
    struct options_file file;
    struct keyvals keyvals;
    int ret;

    if (!equals || (comma && comma < equals))
        return parse_refuse(parse, KEY, "NAME=PATH was expected");
    ret = parse_keyvals(parse, NULL, &keyvals);
    if (ret)
        return ret;
    file.block = keyvals.pairs[0].key;
    file.path = keyvals.pairs[0].value;
    file.copy = keyvals.nr == 2 &&
                strcmp(keyvals.pairs[1].key, "private") == 0 &&
                strcmp(keyvals.pairs[1].value, "on") == 0;
    if (keyvals.nr > 2 || (keyvals.nr == 2 && !file.copy))
        return parse_refuse(parse, KEY, "only \"private\" can follow the path");
    if (!*file.path)
        return parse_refuse(parse, KEY, "the path is empty");
    ret = check_name(parse, file.block);
    if (ret)
        return ret;
    for (unsigned i = 0; i < options->nr_files; i++)
        if (strcmp(options->files[i].block, file.block) == 0)
            return parse_refuse(parse, KEY, "%s has file %s already",
                                file.block, options->files[i].path);
    if (options->nr_files == OPTIONS_MAX_BLOCKS)
        return parse_refuse(parse, KEY, "more than %u files",
                            OPTIONS_MAX_BLOCKS);
    options->files[options->nr_files++] = file;
    return 0;
}

static int get_length(const struct parse *parse, const struct keyvals *keyvals,
                      const char *key, uint64_t *length)
{
    const char *text = keyvals_get(keyvals, key);

    *length = 0;
    if (!text)
        return 0;
    if (keyval_number(text, LENGTH_MAX, length) || *length == 0)
        return parse_refuse(parse, KEY, "%s=%s: 1 to %llu bytes can be", key,
                            text, (unsigned long long)LENGTH_MAX);
    return 0;
}

int parse_ram_block(struct parse *parse)
{
    static const char *const known[] = {"name", "size", "max", NULL};
    struct options *options = parse->options;
    struct options_block block;
    struct keyvals keyvals;
    const char *unknown;
    int ret = parse_keyvals(parse, "name", &keyvals);

    if (ret)
        return ret;
    unknown = keyvals_unknown(&keyvals, known);
    if (unknown)
        return parse_refuse(parse, KEY, "%s= is not known", unknown);
    block.name = keyvals_get(&keyvals, "name");
    ret = check_name(parse, block.name ? block.name : "");
    if (ret == 0)
        ret = get_length(parse, &keyvals, "size", &block.size);
    if (ret == 0)
        ret = get_length(parse, &keyvals, "max", &block.max);
    if (ret)
        return ret;
    if (block.size == 0 && block.max == 0)
        return parse_refuse(parse, KEY, "size= or max= is needed");
    if (block.max && block.size > block.max)
        return parse_refuse(parse, KEY, "size= is above max=");
    for (unsigned i = 0; i < options->nr_blocks; i++)
        if (strcmp(options->blocks[i].name, block.name) == 0)
            return parse_refuse(parse, KEY, "%s is there twice", block.name);
    if (options->nr_blocks == OPTIONS_MAX_BLOCKS)
        return parse_refuse(parse, KEY, "more than %u blocks",
                            OPTIONS_MAX_BLOCKS);
    options->blocks[options->nr_blocks++] = block;
    return 0;
}
