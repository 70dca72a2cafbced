/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_OPTIONS_IMPL_H
#define DM_OPTIONS_IMPL_H

/* Shared by the files of the command line parser only. */

#include <stddef.h>

#include "dm/keyval.h"
#include "dm/options.h"

#define PARSE_MAX_CHARDEVS 8
#define PARSE_MAX_DRIVES 16
#define PARSE_NO_INDEX UINT32_MAX

struct parse_chardev {
    struct options_qmp socket;
    bool used;
};

/* Both halves of an emulated NIC, which may come in any order. */
struct parse_nic {
    const char *netdev; /* id that binds them */
};

/* A -drive, and a -device that shows one to the guest. */
struct parse_drive {
    struct options_drive drive;
    unsigned index; /* PARSE_NO_INDEX: any */
    bool free;      /* if=none: of a -device */
    bool used;
};

struct parse_ide {
    const char *drive; /* its id */
    unsigned index;
    bool cdrom;
};

struct parse {
    struct options *options;
    const char *option; /* as given, with its dash */
    const char *argument;
    size_t text_used;
    bool machine_given, probe;
    struct parse_chardev chardevs[PARSE_MAX_CHARDEVS];
    unsigned nr_chardevs;
    const char *monitors[OPTIONS_MAX_QMP]; /* ids of chardevs */
    unsigned nr_monitors;
    struct parse_nic nics[OPTIONS_MAX_NICS];         /* beside options->nics */
    struct parse_drive drives[PARSE_MAX_DRIVES + 1]; /* one to fill in */
    unsigned nr_drives;
    struct parse_ide ides[OPTIONS_MAX_DRIVES + 1];
    unsigned nr_ides;
};

/*
 * One error line: the option, its argument, the text and the xl.cfg key (NULL:
 * none).  Returns -EINVAL.
 */
int parse_refuse(const struct parse *parse, const char *key, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

/* Copy the argument into options->text and split it there. */
int parse_keyvals(struct parse *parse, const char *first, struct keyvals *out);

/* Handlers, and what can only be checked when all options are known. */
int parse_chardev(struct parse *parse);
int parse_mon(struct parse *parse);
int parse_resolve_monitors(struct parse *parse);

int parse_device(struct parse *parse);
int parse_netdev(struct parse *parse);
int parse_resolve_nics(struct parse *parse);

int parse_drive(struct parse *parse);
int parse_ide_device(struct parse *parse, const struct keyvals *keyvals,
                     const char *model);
int parse_resolve_drives(struct parse *parse);

int parse_domid(struct parse *parse);
int parse_machine(struct parse *parse);
int parse_memory(struct parse *parse);
int parse_object(struct parse *parse);
/* -ENOENT: model is no memory device.  keyvals is the argument of -device. */
int parse_memory_device(struct parse *parse, const struct keyvals *keyvals,
                        const char *model);
int parse_resolve_memory(struct parse *parse);
int parse_smp(struct parse *parse);
int parse_boot(struct parse *parse);
int parse_incoming(struct parse *parse);
int parse_serial(struct parse *parse);
int parse_display(struct parse *parse);
int parse_vnc(struct parse *parse);
int parse_run_with(struct parse *parse);
int parse_policy(struct parse *parse);

int parse_ram_file(struct parse *parse);
int parse_ram_block(struct parse *parse);

void options_print_help(void);

#endif
