/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options-impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "dm/log.h"

#define MAX_DOMID 0x7fef       /* xen/xen.h, DOMID_FIRST_RESERVED - 1 */
#define MAX_VCPUS 128          /* xen/hvm/hvm_info_table.h, HVM_MAX_VCPUS */
#define MMIO_START 0xf0000000u /* the smallest hole that libxl makes */

int parse_domid(struct parse *parse)
{
    uint64_t domid;

    if (keyval_number(parse->argument, MAX_DOMID, &domid) || domid == 0)
        return parse_refuse(parse, NULL, "a domain has a number from 1 to %u",
                            MAX_DOMID);
    parse->options->domid = (uint32_t)domid;
    return 0;
}

static int set_type(struct parse *parse, const char *type)
{
    struct options *options = parse->options;

    parse->probe = strcmp(type, "none") == 0;
    if (parse->probe)
        return 0;
    if (strcmp(type, "xenfv") == 0 || strncmp(type, "xenfv-", 6) == 0) {
        options->platform_device = true;
        return 0;
    }
    if (strcmp(type, "pc") == 0 || strncmp(type, "pc-i440fx-", 10) == 0) {
        options->platform_device = false;
        return 0;
    }
    if (strcmp(type, "xenpv") == 0 || strcmp(type, "xenpvh") == 0)
        return parse_refuse(parse, "type, device_model_override",
                            "xenram-dm serves HVM guests only; the backends of "
                            "PV and PVH guests need QEMU");
    return parse_refuse(parse, "device_model_args_hvm",
                        "machine %s is not known: xenfv, pc or none", type);
}

/* Room below 4 GiB that libxl leaves to RAM when mmio_hole is set. */
static int set_low_ram(struct parse *parse, const char *value)
{
    uint64_t bytes;

    if (keyval_number(value, MMIO_START, &bytes) || bytes < 1u << 20 ||
        bytes % 4096)
        return parse_refuse(parse, "mmio_hole",
                            "max-ram-below-4g=%s: whole pages from 1 MiB to %u",
                            value, MMIO_START);
    parse->options->max_ram_below_4g = bytes;
    return 0;
}

static int set_flag(struct parse *parse, const struct keyval *pair)
{
    bool on;

    if (keyval_bool(pair->value, &on))
        return parse_refuse(parse, NULL, "%s=%s: on or off", pair->key,
                            pair->value);
    if (strcmp(pair->key, "suppress-vmdesc") == 0)
        parse->options->vmdesc = !on;
    else if (strcmp(pair->key, "acpi") == 0)
        parse->options->acpi = on;
    else if (strcmp(pair->key, "igd-passthru") == 0 && on)
        return parse_refuse(parse, "gfx_passthru",
                            "no PCI passthrough, igd-passthru included");
    else if (strcmp(pair->key, "usb") == 0 && on)
        return parse_refuse(parse, "usb", "no USB controller");
    return 0;
}

static int set_property(struct parse *parse, const struct keyval *pair)
{
    static const char *const flags[] = {
        "suppress-vmdesc", "igd-passthru",    "acpi", "usb", "vmport",
        "mem-merge",       "dump-guest-core", NULL};
    const char *const *flag = flags;

    if (strcmp(pair->key, "type") == 0)
        return set_type(parse, pair->value);
    if (strcmp(pair->key, "max-ram-below-4g") == 0)
        return set_low_ram(parse, pair->value);
    if (strcmp(pair->key, "accel") == 0) {
        if (strcmp(pair->value, "xen") == 0)
            return 0;
        return parse_refuse(parse, NULL, "accel=%s: only xen", pair->value);
    }
    while (*flag && strcmp(*flag, pair->key) != 0)
        flag++;
    if (*flag)
        return set_flag(parse, pair);
    return parse_refuse(parse, "device_model_args_hvm", "%s= is not known",
                        pair->key);
}

int parse_machine(struct parse *parse)
{
    struct keyvals keyvals;
    int ret = parse_keyvals(parse, "type", &keyvals);

    if (ret)
        return ret;
    for (unsigned i = 0; i < keyvals.nr && ret == 0; i++)
        ret = set_property(parse, &keyvals.pairs[i]);
    return ret;
}

int parse_smp(struct parse *parse)
{
    static const char *const known[] = {"cpus",  "maxcpus", "sockets", "dies",
                                        "cores", "threads", NULL};
    struct keyvals keyvals;
    const char *now, *max, *unknown;
    uint64_t nr, most;
    int ret = parse_keyvals(parse, "cpus", &keyvals);

    if (ret)
        return ret;
    unknown = keyvals_unknown(&keyvals, known);
    if (unknown)
        return parse_refuse(parse, "maxvcpus", "%s= is not known", unknown);
    now = keyvals_get(&keyvals, "cpus");
    max = keyvals_get(&keyvals, "maxcpus");
    if (!now)
        now = "1";
    if (!max)
        max = now;
    if (keyval_number(max, MAX_VCPUS, &most) || most == 0)
        return parse_refuse(parse, "maxvcpus", "%s vCPUs: 1 to %u can be", max,
                            MAX_VCPUS);
    if (keyval_number(now, most, &nr) || nr == 0)
        return parse_refuse(parse, "vcpus", "%s vCPUs: 1 to %s can be", now,
                            max);
    parse->options->max_vcpus = (uint32_t)most;
    return 0;
}

static int set_order(struct parse *parse, const char *order)
{
    for (const char *letter = order; *letter; letter++) {
        if (!strchr("acdn", *letter))
            return parse_refuse(parse, "boot",
                                "%c is no boot device: a, c, d or n", *letter);
        if (strchr(letter + 1, *letter))
            return parse_refuse(parse, "boot", "%c is there twice", *letter);
    }
    parse->options->boot_order = order;
    return 0;
}

int parse_boot(struct parse *parse)
{
    static const char *const known[] = {"order", "menu", "strict", NULL};
    struct keyvals keyvals;
    const char *unknown, *order;
    int ret = parse_keyvals(parse, "order", &keyvals);

    if (ret)
        return ret;
    unknown = keyvals_unknown(&keyvals, known);
    if (unknown)
        return parse_refuse(parse, "boot", "%s= is not known", unknown);
    order = keyvals_get(&keyvals, "order");
    return order ? set_order(parse, order) : 0;
}

int parse_incoming(struct parse *parse)
{
    uint64_t fd;

    if (strncmp(parse->argument, "fd:", 3) != 0 ||
        keyval_number(parse->argument + 3, INT_MAX, &fd) || fd <= 2)
        return parse_refuse(parse, NULL,
                            "fd:N with an inherited descriptor was expected");
    parse->options->incoming_fd = (int)fd;
    return 0;
}

int parse_serial(struct parse *parse)
{
    struct options *options = parse->options;
    unsigned nr = 0;

    while (nr < OPTIONS_MAX_SERIALS && options->serials[nr])
        nr++;
    if (nr == OPTIONS_MAX_SERIALS)
        return parse_refuse(parse, "serial", "there are %u serial ports",
                            OPTIONS_MAX_SERIALS);
    options->serials[nr] = parse->argument;
    return 0;
}

int parse_display(struct parse *parse)
{
    if (strcmp(parse->argument, "none") == 0)
        return 0;
    return parse_refuse(
        parse,
        strncmp(parse->argument, "sdl", 3) == 0 ? "sdl" : "device_model_args",
        "no display");
}

int parse_vnc(struct parse *parse)
{
    if (strcmp(parse->argument, "none") != 0)
        log_warn("-vnc %.100s: no VNC server: the guest starts without display "
                 "(xl.cfg: vnc=0)",
                 parse->argument);
    return 0;
}

int parse_run_with(struct parse *parse)
{
    static const char *const known[] = {"chroot", "user", NULL};
    struct keyvals keyvals;
    const char *unknown, *value;
    int ret = parse_keyvals(parse, NULL, &keyvals);

    if (ret)
        return ret;
    unknown = keyvals_unknown(&keyvals, known);
    if (unknown)
        return parse_refuse(parse, NULL, "%s= is not known", unknown);
    value = keyvals_get(&keyvals, "chroot");
    if (value)
        parse->options->chroot = value;
    value = keyvals_get(&keyvals, "user");
    if (value)
        parse->options->runas = value;
    return 0;
}

int parse_policy(struct parse *parse)
{
    parse->options->strict = strcmp(parse->argument, "strict") == 0;
    if (parse->options->strict || strcmp(parse->argument, "adapt") == 0)
        return 0;
    return parse_refuse(parse, "device_model_args_hvm", "adapt or strict");
}
