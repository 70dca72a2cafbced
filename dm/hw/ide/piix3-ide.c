/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE function 00:01.1: Intel 82371SB (PIIX3) data sheet, 2.3.  Both channels
 * are always at the legacy ports: whether the guest enables them in IDETIM, as
 * its drivers want to see, changes nothing.
 *
 * A machine without drives does not have it: a controller is probed for
 * seconds by some guests, and there would be nothing to find.
 */
#include "config.h"

#include "dm/device.h"
#include "dm/machine.h"

#include "dm/block/disks.h"
#include "dm/hw/ide/ide.h"

#define BM_PORTS 16
#define BM_BAR 4
#define COMMAND_PORTS 8
#define CONTROL_PORTS 1

#define IDETIM 0x40 /* a word a channel, then the slaves' timings */
#define IDETIM_LEN 5

static const struct {
    uint16_t command, control;
} ports[IDE_NR_CHANNELS] = {
    {0x1f0, 0x3f6},
    {0x170, 0x376},
};

/* ---- unplug ---- */

static void unplug(struct ide_drive *drive)
{
    struct ide_channel *channel = drive->channel;
    struct disk *disk = drive->disk;

    if (channel->transfer.phase != IDE_IDLE && ide_owner(channel) == drive) {
        ide_settle(channel);
        channel->transfer = (struct ide_transfer){0};
    }
    drive->kind = IDE_NONE;
    drive->disk = NULL;
    ide_update_line(channel);
    if (disk)
        disks_remove(channel->ide->machine->disks, disk);
}

static bool has_drives(const struct ide *ide)
{
    bool any = false;

    for (unsigned i = 0; i < IDE_NR_CHANNELS; i++)
        for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++)
            any |= ide->channels[i].drives[unit].kind != IDE_NONE;
    return any;
}

/*
 * CD-ROM drives stay: no PV driver takes their place.  A controller without
 * drives goes too, so that the guest need not look for them.
 */
static void ide_unplug(struct device *device, unsigned what)
{
    struct ide *ide = device->state;
    unsigned first = what & DEVICE_DISKS ? 0 : 1;

    if (!(what & (DEVICE_DISKS | DEVICE_AUXILIARY_DISKS)))
        return;
    for (unsigned nr = first; nr < DISKS_MAX_IDE; nr++) {
        struct ide_drive *drive =
            &ide->channels[nr / IDE_NR_DRIVES].drives[nr % IDE_NR_DRIVES];

        if (drive->kind == IDE_DISK)
            unplug(drive);
    }
    if (!has_drives(ide))
        pci_remove(&ide->pci);
}

/* ---- life ---- */

static void init_drives(struct ide *ide)
{
    for (unsigned nr = 0; nr < DISKS_MAX_IDE; nr++) {
        const struct options_drive *option = &ide->machine->options->drives[nr];
        struct ide_channel *channel = &ide->channels[nr / IDE_NR_DRIVES];
        struct ide_drive *drive = &channel->drives[nr % IDE_NR_DRIVES];

        channel->ide = ide;
        drive->channel = channel;
        drive->disk = disks_ide(ide->machine->disks, nr);
        if (option->id)
            drive->built = option->cdrom ? IDE_CDROM : IDE_DISK;
        /* A state says what is left; an old one has no word of any drive. */
        drive->kind = ide->machine->loading ? IDE_NONE : drive->built;
        if (drive->built == IDE_CDROM && drive->disk)
            atapi_attach(drive);
    }
}

static int add_ports(struct ide *ide)
{
    struct bus *bus = ide->machine->bus;
    int ret = 0;

    for (unsigned i = 0; i < IDE_NR_CHANNELS && ret == 0; i++) {
        ret = bus_add(bus, BUS_PIO, ports[i].command, COMMAND_PORTS,
                      &ide_command_ops, &ide->channels[i]);
        if (ret == 0)
            ret = bus_add(bus, BUS_PIO, ports[i].control, CONTROL_PORTS,
                          &ide_control_ops, &ide->channels[i]);
    }
    return ret;
}

static int ide_init(struct device *device)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086,
        .device = 0x7010,
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = 0x010180, /* compatibility mode, bus master */
    };
    struct ide *ide = device->state;
    int ret;

    ide->machine = device->machine;
    init_drives(ide);
    for (unsigned i = 0; i < IDE_NR_CHANNELS; i++)
        ide_channel_reset(&ide->channels[i]);
    pci_function_init(&ide->pci, "piix3-ide", PCI_DEVFN(1, 1), &ids);
    for (unsigned i = 0; i < IDETIM_LEN; i++)
        ide->pci.write_mask[IDETIM + i] = 0xff;
    ide->pci.bars[BM_BAR] = (struct pci_bar){
        .kind = PCI_BAR_IO,
        .size = BM_PORTS,
        .ops = &ide_bus_master_ops,
        .opaque = ide,
    };
    ret = pci_add(device->machine, &ide->pci);
    return ret ? ret : add_ports(ide);
}

static void ide_reset(struct device *device)
{
    struct ide *ide = device->state;

    pci_reset(&ide->pci);
    for (unsigned i = 0; i < IDETIM_LEN; i++)
        ide->pci.config[IDETIM + i] = 0;
    for (unsigned i = 0; i < IDE_NR_CHANNELS; i++)
        ide_channel_reset(&ide->channels[i]);
}

/* What the guest did not have any more, or not yet, is another's. */
static void restore_drive(struct ide_drive *drive)
{
    if (drive->kind == IDE_NONE && drive->built != IDE_NONE)
        unplug(drive);
}

static void ide_restored(struct device *device)
{
    struct ide *ide = device->state;

    pci_function_restore(&ide->pci);
    for (unsigned i = 0; i < IDE_NR_CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];

        for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++)
            restore_drive(&channel->drives[unit]);
        ide_update_line(channel);
    }
    if (!has_drives(ide))
        pci_remove(&ide->pci);
}

static void ide_fini(struct device *device)
{
    struct ide *ide = device->state;

    for (unsigned i = 0; i < IDE_NR_CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];

        ide_settle(channel);
        for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++)
            if (channel->drives[unit].built == IDE_CDROM &&
                channel->drives[unit].disk)
                atapi_detach(&channel->drives[unit]);
        bus_remove(device->machine->bus, BUS_PIO, ports[i].command);
        bus_remove(device->machine->bus, BUS_PIO, ports[i].control);
    }
    pci_remove(&ide->pci);
}

const struct device_ops device_ide = {
    .name = "piix3-ide",
    .state_size = sizeof(struct ide),
    .saved = &ide_saved,
    .init = ide_init,
    .reset = ide_reset,
    .restored = ide_restored,
    .unplug = ide_unplug,
    .fini = ide_fini,
};
