/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "dm/bus.h"
#include "dm/machine.h"
#include "dm/options.h"
#include "tool/savefile.h"
#include "tool/source.h"
#include "tool/table.h"
#include "tool/xl-options.h"

#include "xenram/migrate.h"
#include "xenram/ram.h"

static const struct column columns[] = {
    {"BLOCK", "name", false},     {"SAVED", "saved", true},
    {"HERE", "here", true},       {"AT MOST", "at_most", true},
    {"RESULT", "verdict", false}, {"WHY", "reason", false},
};
#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void add_verdict(const struct xen_migrate_block *saved,
                        const struct xen_ram_block *here,
                        enum xen_migrate_verdict verdict, const char *reason,
                        void *opaque)
{
    static const char *const words[] = {
        [XEN_MIGRATE_SAME] = "same",
        [XEN_MIGRATE_GROW] = "grow",
        [XEN_MIGRATE_SHRINK] = "shrink",
        [XEN_MIGRATE_REFUSE] = "refuse",
    };
    struct json_object *row = json_object_new_object();

    table_add_text(row, "name", saved ? saved->idstr : xen_ram_idstr(here));
    if (saved)
        table_add_number(row, "saved", saved->size);
    if (here) {
        table_add_number(row, "here", xen_ram_size(here));
        table_add_number(row, "at_most", xen_ram_max_length(here));
    }
    table_add_text(row, "verdict", words[verdict]);
    if (reason)
        table_add_text(row, "reason", reason);
    json_object_array_add(opaque, row);
}

/* A device model's machine that waits for the state, and no guest. */
static int make_machine(struct machine *machine, const struct options *options)
{
    int ret;

    machine->options = options;
    machine->loading = true;
    ret = xen_ram_open(0, NULL, &machine->ram);
    if (ret)
        return ret;
    (void)xen_ram_set_phase(machine->ram, XEN_RAM_LOADING);
    ret = bus_new(NULL, &machine->bus);
    return ret ? ret : machine_init(machine);
}

static void free_machine(struct machine *machine)
{
    machine_fini(machine);
    bus_free(machine->bus);
    xen_ram_close(machine->ram);
    free(machine);
}

static int ask_machine(const struct options *options, int state_fd,
                       struct json_object *rows, char *error)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    int ret;

    if (!machine)
        return -ENOMEM;
    ret = make_machine(machine, options);
    if (ret)
        snprintf(error, SOURCE_ERROR_MAX,
                 "a device model with these options would not start: %s",
                 strerror(-ret));
    else
        ret = machine_check(machine, state_fd, add_verdict, rows, error);
    free_machine(machine);
    return ret;
}

/* argv without the program's name; a domain is needed, but which is not. */
static int parse(int argc, char **argv, struct options *options, char *error)
{
    static char program[] = "xenram", domid[] = "-xen-domid", number[] = "1";
    char **words = calloc((size_t)argc + 4, sizeof(*words));
    int ret;

    if (!words)
        return -ENOMEM;
    words[0] = program;
    words[1] = domid;
    words[2] = number;
    memcpy(words + 3, argv, (size_t)argc * sizeof(*words));
    ret = options_parse(argc + 3, words, options);
    if (ret)
        snprintf(error, SOURCE_ERROR_MAX,
                 "the device model refuses its options");
    else if (options->action != OPTIONS_RUN) {
        snprintf(error, SOURCE_ERROR_MAX,
                 "with these options the device model serves no guest");
        ret = -EINVAL;
    }
    free(words);
    return ret;
}

/* Those that were given, or those that xl would give. */
static int choose(const struct savefile *file, int argc, char **argv,
                  struct options *options, struct xl_options *from_xl,
                  char *error)
{
    int ret;

    if (argc > 0)
        return parse(argc, argv, options, error);
    if (!file->config) {
        snprintf(error, SOURCE_ERROR_MAX,
                 "no configuration in it: give the options of the device "
                 "model, like -m and -machine");
        return -EINVAL;
    }
    ret = xl_options_read(file->config, from_xl, error);
    return ret ? ret : parse(from_xl->argc, from_xl->argv, options, error);
}

static void print_table(const struct json_object *rows, const char *name,
                        bool restores)
{
    table_print(rows, columns, NR_COLUMNS);
    if (restores)
        printf("\n%s: would be restored\n", name);
}

static void print_json(struct json_object *rows, const char *error)
{
    struct json_object *out = json_object_new_object();

    json_object_object_add(out, "blocks", json_object_get(rows));
    json_object_object_add(out, "restores",
                           json_object_new_boolean(error[0] == '\0'));
    if (error[0])
        table_add_text(out, "error", error);
    table_print_json(out);
    json_object_put(out);
}

int tool_check(int fd, const char *name, bool json, int argc, char **argv)
{
    struct json_object *rows = json_object_new_array();
    struct options *options = calloc(1, sizeof(*options));
    struct xl_options from_xl = {0};
    char error[SOURCE_ERROR_MAX];
    struct savefile file;
    int ret = tool_read(fd, &file, error);

    if (!ret && !options)
        ret = -ENOMEM;
    if (!ret)
        ret = choose(&file, argc, argv, options, &from_xl, error);
    if (!ret)
        ret = ask_machine(options, file.state_fd, rows, error);
    if (ret && !error[0])
        snprintf(error, sizeof(error), "%s", strerror(-ret));

    if (json)
        print_json(rows, error);
    else
        print_table(rows, name, ret == 0);
    if (ret)
        tool_error(name, "would not be restored: %s", error);
    xl_options_fini(&from_xl);
    free(options);
    json_object_put(rows);
    savefile_fini(&file);
    return ret;
}
