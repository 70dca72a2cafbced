/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/log.h"
#include "dm/options-impl.h"

static int parse_name(struct parse *parse)
{
    parse->options->name = parse->argument;
    return 0;
}

static int parse_kernel(struct parse *parse)
{
    parse->options->kernel = parse->argument;
    return 0;
}

static int parse_initrd(struct parse *parse)
{
    parse->options->initrd = parse->argument;
    return 0;
}

static int parse_append(struct parse *parse)
{
    parse->options->append = parse->argument;
    return 0;
}

static int parse_no_acpi(struct parse *parse)
{
    parse->options->acpi = false;
    return 0;
}

static int parse_paused(struct parse *parse)
{
    parse->options->paused = true;
    return 0;
}

static int parse_restrict(struct parse *parse)
{
    parse->options->restrict_domid = true;
    return 0;
}

static int parse_chroot(struct parse *parse)
{
    parse->options->chroot = parse->argument;
    return 0;
}

static int parse_runas(struct parse *parse)
{
    parse->options->runas = parse->argument;
    return 0;
}

static int parse_debug(struct parse *parse)
{
    parse->options->debug = true;
    return 0;
}

static int parse_help(struct parse *parse)
{
    parse->options->action = OPTIONS_HELP;
    return 0;
}

static int parse_version(struct parse *parse)
{
    parse->options->action = OPTIONS_VERSION;
    return 0;
}

static int warn_usb(struct parse *parse)
{
    (void)parse;
    log_warn("-usb: no USB controller: the guest starts without (xl.cfg: usb)");
    return 0;
}

/*
 * Every option we know.  One with a handler is used; of the others, one with
 * text is refused with it, and one without is ignored.
 */
static const struct option {
    const char *name;
    const char *argument; /* NULL: takes none */
    int (*parse)(struct parse *parse);
    const char *text; /* with a handler: help */
    const char *key;  /* of xl.cfg, for refusals */
} options_known[] = {
    {"xen-domid", "N", parse_domid, "serve domain N (else XEN_DOMAIN_ID)", 0},
    {"name", "NAME", parse_name, "name of the guest, for messages", 0},
    {"machine", "TYPE[,...]", parse_machine,
     "xenfv; pc,accel=xen (no platform device); none (probe)", 0},
    {"M", "TYPE[,...]", parse_machine, "same as -machine", 0},
    {"m", "MIB[,slots=N][,maxmem=SIZE]", parse_memory,
     "RAM of the guest, and how much it and memory devices may be", 0},
    {"object", "memory-backend-ram,id=ID,size=SIZE", parse_object,
     "memory that a memory device is made of", 0},
    {"smp", "N[,maxcpus=MAX]", parse_smp, "vCPUs", 0},
    {"boot", "order=LETTERS", parse_boot, "of a, c, d, n", 0},
    {"kernel", "FILE", parse_kernel, "boot this bzImage", 0},
    {"initrd", "FILE", parse_initrd, "with this initial RAM disk", 0},
    {"append", "TEXT", parse_append, "and this command line", 0},
    {"serial", "SPEC", parse_serial,
     "pty, stdio, file:PATH, unix:PATH[,...], null or none", 0},
    {"no-acpi", NULL, parse_no_acpi, "the guest has no ACPI tables", 0},
    {"chardev", "socket,id=ID,path=PATH|fd=N,server=on,wait=off", parse_chardev,
     "a socket for -mon", 0},
    {"mon", "chardev=ID,mode=control", parse_mon, "speak QMP there", 0},
    {"netdev", "tap,id=ID,ifname=NAME", parse_netdev,
     "create the tap; its frames are discarded", 0},
    {"device", "MODEL[,...]", parse_device,
     "ide-hd; ide-cd; pc-dimm,memdev=ID[,addr=GPA][,slot=N]; "
     "virtio-mem-pci,memdev=ID[,requested-size=SIZE][,block-size=SIZE]"
     "[,memaddr=GPA]; display and NICs: warns",
     0},
    {"drive", "file=PATH,format=raw,if=ide,index=N[,...]", parse_drive,
     "a disk or CD-ROM", 0},
    {"vnc", "DISPLAY|none", parse_vnc, "warns: no VNC server", 0},
    {"display", "none", parse_display, "no display", 0},
    {"incoming", "fd:N", parse_incoming, "load a saved state", 0},
    {"S", NULL, parse_paused, "wait for cont", 0},
    {"xen-domid-restrict", NULL, parse_restrict,
     "give up all rights on other domains", 0},
    {"chroot", "DIR", parse_chroot, "change the root directory", 0},
    {"runas", "USER|UID:GID", parse_runas, "become this user", 0},
    {"run-with", "chroot=DIR|user=USER", parse_run_with,
     "same as -chroot, -runas", 0},
    {"xenram-policy", "adapt|strict", parse_policy,
     "take over lengths of a saved state, or refuse", 0},
    {"xenram-file", "NAME=PATH[,private]", parse_ram_file,
     "the memory NAME is this file; private: leave the file as it is", 0},
    {"xenram-block", "NAME[,size=BYTES][,max=BYTES]", parse_ram_block,
     "lengths of a memory that can be resized", 0},
    {"xenram-debug", NULL, parse_debug, "log debug messages", 0},
    {"usb", NULL, warn_usb, "warns: no USB controller", 0},
    {"help", NULL, parse_help, "print this text", 0},
    {"h", NULL, parse_help, "same as -help", 0},
    {"version", NULL, parse_version, "print the version", 0},

    {"no-shutdown", NULL, NULL, NULL, NULL},
    {"nodefaults", NULL, NULL, NULL, NULL},
    {"no-user-config", NULL, NULL, NULL, NULL},
    {"nographic", NULL, NULL, NULL, NULL},
    {"k", "LAYOUT", NULL, NULL, NULL},

    {"xen-attach", NULL, NULL, "PV and PVH guests need QEMU",
     "device_model_override"},
    {"sdl", NULL, NULL, "no display", "sdl"},
    {"spice", "...", NULL, "no display", "spice"},
    {"soundhw", "MODEL", NULL, "no sound card", "soundhw"},
    {"usbdevice", "DEVICE", NULL, "no USB controller", "usbdevice"},
    {"cdrom", "FILE", NULL, "use -drive", "disk"},
    {"hda", "FILE", NULL, "use -drive", "disk"},
    {"pflash", "FILE", NULL, "the toolstack loads the firmware", "bios"},
    {"bios", "FILE", NULL, "the toolstack loads the firmware", "bios"},
    {"qmp", "...", NULL, "use -chardev and -mon", "device_model_args"},
};
#define NR_OPTIONS (sizeof(options_known) / sizeof(options_known[0]))

/* Options with one argument that changes nothing; others are refused. */
static const struct {
    const char *name, *harmless;
    const char *text, *key;
} options_harmless[] = {
    {"net", "none", "use -netdev tap", "vif"},
    {"monitor", "none", "use xl qemu-monitor-command", "device_model_args"},
    {"parallel", "none", "no parallel port", "device_model_args"},
    {"vga", "none", "no display", "vga"},
    {"accel", "xen", "the accelerator is Xen", "device_model_args"},
};
#define NR_HARMLESS (sizeof(options_harmless) / sizeof(options_harmless[0]))

void options_print_help(void)
{
    printf("xenram-dm: device model of Xen HVM guests; xl starts it "
           "(xl.cfg: device_model_override).\n\n");
    for (size_t i = 0; i < NR_OPTIONS; i++) {
        const struct option *option = &options_known[i];

        if (option->parse)
            printf("  -%s %s\n        %s\n", option->name,
                   option->argument ? option->argument : "", option->text);
    }
}

int parse_refuse(const struct parse *parse, const char *key, const char *format,
                 ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_error("%s%s%.200s: %s%s%s%s", parse->option, parse->argument ? " " : "",
              parse->argument ? parse->argument : "", text,
              key ? " (xl.cfg: " : "", key ? key : "", key ? ")" : "");
    return -EINVAL;
}

int parse_keyvals(struct parse *parse, const char *first, struct keyvals *out)
{
    char *text = parse->options->text + parse->text_used;
    size_t size = strlen(parse->argument) + 1;

    if (size > OPTIONS_TEXT - parse->text_used)
        return parse_refuse(parse, "device_model_args",
                            "more than %u bytes of arguments with commas",
                            OPTIONS_TEXT);
    memcpy(text, parse->argument, size);
    parse->text_used += size;
    if (keyvals_split(text, first, out))
        return parse_refuse(parse, NULL, "more than %u pieces", KEYVAL_MAX);
    return 0;
}

static int parse_harmless(struct parse *parse, size_t i)
{
    if (strcmp(parse->argument, options_harmless[i].harmless) == 0)
        return 0;
    return parse_refuse(parse, options_harmless[i].key, "%s",
                        options_harmless[i].text);
}

static int parse_known(struct parse *parse, const struct option *option)
{
    if (option->parse)
        return option->parse(parse);
    if (option->text)
        return parse_refuse(parse, option->key, "%s", option->text);
    return 0;
}

/* Takes the argument too when there is one; -EINVAL as options_parse. */
static int parse_one(struct parse *parse, const char *name, const char *next,
                     int *taken)
{
    const struct option *option = NULL;
    size_t harmless = 0;

    for (size_t i = 0; i < NR_OPTIONS && !option; i++) {
        if (strcmp(options_known[i].name, name) == 0)
            option = &options_known[i];
    }
    while (harmless < NR_HARMLESS &&
           strcmp(options_harmless[harmless].name, name) != 0)
        harmless++;
    if (!option && harmless == NR_HARMLESS)
        return parse_refuse(parse, "device_model_args, device_model_args_hvm",
                            "not an option of xenram-dm; see -help");
    if (!option || option->argument) {
        if (!next)
            return parse_refuse(parse, NULL, "the argument is missing");
        parse->argument = next;
        *taken = 1;
    }
    return option ? parse_known(parse, option)
                  : parse_harmless(parse, harmless);
}

static int parse_all(struct parse *parse, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        int taken = 0, ret;

        parse->option = argv[i];
        parse->argument = NULL;
        if (name[0] != '-' || !name[1])
            return parse_refuse(parse, "device_model_args",
                                "an option was expected here");
        name += name[1] == '-' ? 2 : 1;
        ret = parse_one(parse, name, i + 1 < argc ? argv[i + 1] : NULL, &taken);
        if (ret)
            return ret;
        if (parse->options->action == OPTIONS_HELP ||
            parse->options->action == OPTIONS_VERSION)
            return 0;
        i += taken;
    }
    return 0;
}

static int find_domid(struct parse *parse)
{
    struct options *options = parse->options;
    const char *env = getenv("XEN_DOMAIN_ID");

    if (options->domid != OPTIONS_NO_DOMID)
        return 0;
    if (!env) {
        log_error("-xen-domid is missing: xl starts xenram-dm, with "
                  "device_model_override in xl.cfg; see -help");
        return -EINVAL;
    }
    parse->option = "XEN_DOMAIN_ID";
    parse->argument = env;
    return parse_domid(parse);
}

static int check_kernel(const struct options *options)
{
    if (options->kernel || (!options->initrd && !options->append))
        return 0;
    log_error("-%s needs -kernel (xl.cfg: %s needs kernel)",
              options->initrd ? "initrd" : "append",
              options->initrd ? "ramdisk" : "cmdline");
    return -EINVAL;
}

static int check(struct parse *parse)
{
    struct options *options = parse->options;
    int ret = parse_resolve_monitors(parse);

    if (ret)
        return ret;
    if (parse->probe) {
        options->action = OPTIONS_PROBE;
        return 0;
    }
    ret = find_domid(parse);
    if (ret == 0)
        ret = check_kernel(options);
    if (ret == 0)
        ret = parse_resolve_nics(parse);
    if (ret == 0)
        ret = parse_resolve_drives(parse);
    if (ret == 0)
        ret = parse_resolve_memory(parse);
    if (ret == 0 && options->ram_mb == 0) {
        log_error("-m is missing: how many MiB of RAM? (xl.cfg: memory)");
        ret = -EINVAL;
    }
    return ret;
}

int options_parse(int argc, char **argv, struct options *options)
{
    struct parse parse = {.options = options};
    int ret;

    memset(options, 0, sizeof(*options));
    options->action = OPTIONS_RUN;
    options->domid = OPTIONS_NO_DOMID;
    options->boot_order = "cda";
    options->max_vcpus = 1;
    options->incoming_fd = -1;
    options->platform_device = true;
    options->acpi = true;
    options->vmdesc = true;

    ret = parse_all(&parse, argc, argv);
    if (ret)
        return ret;
    switch (options->action) {
    case OPTIONS_HELP:
        options_print_help();
        return 0;
    case OPTIONS_VERSION:
        printf("xenram-dm %s\n", PACKAGE_VERSION);
        return 0;
    default:
        return check(&parse);
    }
}
