/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_XL_OPTIONS_H
#define TOOL_XL_OPTIONS_H

/*
 * The options that matter for a restore, as libxl makes them from the
 * configuration in a save file (libxl_dm.c,
 * libxl__build_device_model_args_new).
 */

struct json_object;

#define XL_OPTIONS_MAX 256
#define XL_OPTIONS_ERROR_MAX 256

struct xl_options {
    int argc;
    char *argv[XL_OPTIONS_MAX]; /* with nothing for a program's name */
    char machine[96], memory[24];
    struct json_object *config; /* holds the strings of argv */
};

/*
 * -EINVAL: no configuration of an HVM guest; error says why.
 * xl_options_fini in any case.
 */
int xl_options_read(const char *config, struct xl_options *out,
                    char error[XL_OPTIONS_ERROR_MAX]);
void xl_options_fini(struct xl_options *options);

#endif
