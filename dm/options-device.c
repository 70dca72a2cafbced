/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options-impl.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "dm/log.h"

enum verdict {
    NO_DISPLAY, /* warn, start without */
    IDE_DRIVE,
    OF_A_DRIVE, /* the line of its -drive says it */
    REFUSED,
};

/* Models that libxl or a user may ask for; the first match counts. */
static const struct {
    const char *prefix;
    enum verdict verdict;
    const char *text, *key;
} models[] = {
    {"VGA", NO_DISPLAY, NULL, NULL},
    {"cirrus-vga", NO_DISPLAY, NULL, NULL},
    {"qxl", NO_DISPLAY, NULL, NULL},
    {"ide-", IDE_DRIVE, NULL, NULL},
    {"scsi-", OF_A_DRIVE, NULL, NULL},
    {"lsi53c895a", REFUSED, "no SCSI controller; use vdev=xvd*", "disk"},
    {"ahci", REFUSED, "no AHCI controller; use hdtype=\"ide\"", "hdtype"},
    {"piix3-usb-", REFUSED, "no USB controller", "usbversion"},
    {"ich9-usb-", REFUSED, "no USB controller", "usbversion"},
    {"nec-usb-xhci", REFUSED, "no USB controller", "usbversion"},
    {"usb-redir", REFUSED, "no USB controller", "spiceusbredirection"},
    {"usb-", REFUSED, "no USB controller", "usbdev"},
    {"virtio-serial", REFUSED, "no display", "spicevdagent"},
    {"virtserialport", REFUSED, "no display", "spicevdagent"},
    {"intel-hda", REFUSED, "no sound card", "soundhw"},
    {"hda-", REFUSED, "no sound card", "soundhw"},
    {"AC97", REFUSED, "no sound card", "soundhw"},
    {"ES1370", REFUSED, "no sound card", "soundhw"},
    {"sb16", REFUSED, "no sound card", "soundhw"},
    {"adlib", REFUSED, "no sound card", "soundhw"},
    {"gus", REFUSED, "no sound card", "soundhw"},
    {"cs4231a", REFUSED, "no sound card", "soundhw"},
    {"xen-pvdevice", REFUSED, "no such device", "vendor_device"},
    {"xen-pci-passthrough", REFUSED, "no PCI passthrough", "pci"},
};
#define NR_MODELS (sizeof(models) / sizeof(models[0]))

/* Finds or makes the NIC whose -netdev has this id; NULL: too many. */
static struct options_nic *nic_of(struct parse *parse, const char *netdev)
{
    struct options *options = parse->options;

    for (unsigned i = 0; i < options->nr_nics; i++) {
        if (strcmp(parse->nics[i].netdev, netdev) == 0)
            return &options->nics[i];
    }
    if (options->nr_nics == OPTIONS_MAX_NICS)
        return NULL;
    parse->nics[options->nr_nics].netdev = netdev;
    return &options->nics[options->nr_nics++];
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return -EINVAL;
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int add_nic(struct parse *parse, const struct keyvals *keyvals,
                   const char *model)
{
    const char *id = keyvals_get(keyvals, "id");
    const char *netdev = keyvals_get(keyvals, "netdev");
    const char *mac = keyvals_get(keyvals, "mac");
    struct options_nic *nic = nic_of(parse, netdev);

    if (!nic)
        return parse_refuse(parse, "vif", "more than %u NICs",
                            OPTIONS_MAX_NICS);
    if (nic->model)
        return parse_refuse(parse, "vif", "netdev=%s has a NIC already",
                            netdev);
    if (mac && read_mac(mac, nic->mac))
        return parse_refuse(parse, "vif", "mac=%s is no MAC address", mac);
    nic->model = model;
    nic->id = id ? id : netdev;
    log_warn("-device %s,id=%s: no emulated NIC: the guest needs its PV driver "
             "(xl.cfg: type=vif in vif)",
             model, nic->id);
    return 0;
}

int parse_device(struct parse *parse)
{
    struct keyvals keyvals;
    const char *model;
    int ret = parse_keyvals(parse, "driver", &keyvals);

    if (ret)
        return ret;
    model = keyvals_get(&keyvals, "driver");
    if (!model)
        return parse_refuse(parse, NULL, "a model was expected");
    if (keyvals_get(&keyvals, "netdev"))
        return add_nic(parse, &keyvals, model);
    ret = parse_memory_device(parse, &keyvals, model);
    if (ret != -ENOENT)
        return ret;

    for (size_t i = 0; i < NR_MODELS; i++) {
        if (strncmp(models[i].prefix, model, strlen(models[i].prefix)) != 0)
            continue;
        if (models[i].verdict == REFUSED)
            return parse_refuse(parse, models[i].key, "%s", models[i].text);
        if (models[i].verdict == IDE_DRIVE)
            return parse_ide_device(parse, &keyvals, model);
        if (models[i].verdict == NO_DISPLAY)
            log_warn("-device %s: no VGA yet: the guest starts without display "
                     "(xl.cfg: vga=\"none\")",
                     model);
        return 0;
    }
    return parse_refuse(parse, "device_model_args, device_model_args_hvm",
                        "no such device");
}

static bool is_interface_name(const char *name)
{
    return *name && strlen(name) < IFNAMSIZ && !strpbrk(name, "/: \t%") &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int parse_netdev(struct parse *parse)
{
    static const char *const known[] = {"type",   "id",         "ifname", "br",
                                        "script", "downscript", NULL};
    struct keyvals keyvals;
    const char *type, *id, *ifname, *unknown;
    struct options_nic *nic;
    int ret = parse_keyvals(parse, "type", &keyvals);

    if (ret)
        return ret;
    type = keyvals_get(&keyvals, "type");
    id = keyvals_get(&keyvals, "id");
    ifname = keyvals_get(&keyvals, "ifname");
    unknown = keyvals_unknown(&keyvals, known);
    if (!type || strcmp(type, "tap") != 0)
        return parse_refuse(parse, "vif", "only tap is known");
    if (unknown)
        return parse_refuse(parse, "vif", "%s= is not known", unknown);
    if (!id || !ifname)
        return parse_refuse(parse, "vif", "id= and ifname= are needed");
    if (!is_interface_name(ifname))
        return parse_refuse(parse, "vif", "ifname=%s is no interface name",
                            ifname);
    nic = nic_of(parse, id);
    if (!nic)
        return parse_refuse(parse, "vif", "more than %u NICs",
                            OPTIONS_MAX_NICS);
    if (nic->ifname)
        return parse_refuse(parse, "vif", "id=%s is there twice", id);
    nic->ifname = ifname;
    return 0;
}

int parse_resolve_nics(struct parse *parse)
{
    const struct options *options = parse->options;

    for (unsigned i = 0; i < options->nr_nics; i++) {
        if (!options->nics[i].ifname) {
            log_error("-device %s,netdev=%s: no -netdev has this id (xl.cfg: "
                      "vif)",
                      options->nics[i].model, parse->nics[i].netdev);
            return -EINVAL;
        }
    }
    return 0;
}
