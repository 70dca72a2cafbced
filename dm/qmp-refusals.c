/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "dm/qmp-commands.h"

/*
 * Commands of QEMU that libxl or a user may send, and what to do instead: xl
 * prints the text.
 */
static const struct {
    const char *name, *text;
} refusals[] = {
    {"balloon", "use xl mem-set"},
    {"block_resize", "the guest sees the size that its disk had at the start"},
    {"blockdev-add", "disks are those of xl.cfg and of xl block-attach"},
    {"blockdev-close-tray", "use blockdev-change-medium"},
    {"blockdev-insert-medium", "use blockdev-change-medium"},
    {"blockdev-open-tray", "use eject"},
    {"blockdev-remove-medium", "use eject"},
    {"change-vnc-password", "no VNC server; take vncpasswd out of xl.cfg"},
    {"chardev-add", "devices of a running guest stay as they are"},
    {"cpu-add", "all vCPUs are there from the start (xl.cfg: maxvcpus)"},
    {"device_add", "no devices can be added: no PCI passthrough, USB or vCPU "
                   "hotplug (xl.cfg: pci, usbctrl, usbdev, maxvcpus)"},
    {"dump-guest-memory", "use xl dump-core"},
    {"expire_password", "no VNC server; take vncpasswd out of xl.cfg"},
    {"inject-nmi", "use xl trigger DOMAIN nmi"},
    {"migrate", "use xl migrate"},
    {"nbd-server-add", "no COLO"},
    {"nbd-server-start", "no COLO"},
    {"nbd-server-stop", "no COLO"},
    {"netdev_add", "use xl network-attach with type=vif"},
    {"netdev_del", "use xl network-detach"},
    {"object-add", "no network filters, hence no COLO"},
    {"pmemsave", "use xl dump-core"},
    {"query-xen-replication-status", "no COLO"},
    {"screendump", "no display (xl.cfg: vga)"},
    {"send-key", "no keyboard; use the serial console"},
    {"set_password", "no VNC server; take vncpasswd out of xl.cfg"},
    {"system_powerdown", "no ACPI power button; use xl shutdown"},
    {"x-blockdev-change", "no COLO"},
    {"xen-colo-do-checkpoint", "no COLO"},
    {"xen-load-devices-state",
     "a state is loaded at start only (-incoming), hence no COLO"},
    {"xen-set-replication", "no COLO"},
};

const char *qmp_refusal(const char *name)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(refusals[i].name, name) == 0)
            return refusals[i].text;
    }
    return NULL;
}
