/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One channel: ATA/ATAPI-7, volume 2, chapters 5 (registers) and 9 (resets). */
#include "config.h"

#include <string.h>

#include "dm/machine.h"

#include "dm/hw/ide/ide.h"

#define FIRST_LINE 14
#define BM_INTERRUPT 0x04

#define COMMAND_DEVICE_RESET 0x08
#define COMMAND_DIAGNOSTIC 0x90

/* As a channel reads that has no drive at all. */
#define FLOATING 0xff

static unsigned number(const struct ide_channel *channel)
{
    return channel == &channel->ide->channels[1];
}

static bool has_drive(const struct ide_channel *channel)
{
    return channel->drives[0].kind || channel->drives[1].kind;
}

/* Both drives have a device register, and agree on who is meant. */
static struct ide_drive *selected(struct ide_channel *channel)
{
    return &channel->drives[!!(channel->drives[0].device & DEVICE_SECOND)];
}

/* ---- interrupts ---- */

void ide_update_line(struct ide_channel *channel)
{
    const struct ide_drive *drive = selected(channel);
    bool level =
        drive->kind && drive->interrupt && !(channel->control & CONTROL_NIEN);

    if (level && !channel->level)
        channel->bm_status |= BM_INTERRUPT;
    channel->level = level;
    machine_isa_irq(channel->ide->machine, FIRST_LINE + number(channel), 0,
                    level);
}

void ide_interrupt(struct ide_drive *drive)
{
    drive->interrupt = true;
    ide_update_line(drive->channel);
}

static void acknowledge(struct ide_drive *drive)
{
    drive->interrupt = false;
    ide_update_line(drive->channel);
}

/* ---- resets ---- */

void ide_signature(struct ide_drive *drive)
{
    bool packet = drive->kind == IDE_CDROM;

    memset(drive->previous, 0, sizeof(drive->previous));
    drive->task[TASK(IDE_FEATURE)] = 0;
    drive->task[TASK(IDE_COUNT)] = 0x01;
    drive->task[TASK(IDE_LOW)] = 0x01;
    drive->task[TASK(IDE_MID)] = packet ? 0x14 : 0;
    drive->task[TASK(IDE_HIGH)] = packet ? 0xeb : 0;
    drive->device = DEVICE_ALWAYS;
    drive->error = 0x01;
    drive->status = packet ? 0 : ST_READY;
}

static void power_on(struct ide_drive *drive)
{
    ide_signature(drive);
    drive->multiple = IDE_MAX_MULTIPLE;
    drive->mode = 0;
    drive->write_cache = true;
    drive->heads = 16;
    drive->sectors = 63;
    drive->interrupt = false;
    drive->sense_key = drive->asc = drive->ascq = 0;
    drive->attention = drive->tray_open = drive->locked = false;
    drive->event = MEDIA_NONE;
}

static void stop_transfer(struct ide_channel *channel)
{
    ide_settle(channel);
    channel->transfer = (struct ide_transfer){0};
}

void ide_channel_reset(struct ide_channel *channel)
{
    stop_transfer(channel);
    channel->control = 0;
    channel->bm_command = 0;
    channel->bm_status = 0;
    channel->bm_table = 0;
    channel->walk = (struct ide_walk){0};
    for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++)
        power_on(&channel->drives[unit]);
    ide_update_line(channel);
}

static void soft_reset_begins(struct ide_channel *channel)
{
    stop_transfer(channel);
    for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++) {
        channel->drives[unit].status = ST_BSY;
        channel->drives[unit].interrupt = false;
    }
}

static void diagnose(struct ide_channel *channel)
{
    for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++) {
        ide_signature(&channel->drives[unit]);
        channel->drives[unit].locked = false;
    }
}

static void write_control(struct ide_channel *channel, uint8_t value)
{
    uint8_t changed = channel->control ^ value;

    channel->control = value & (CONTROL_HOB | CONTROL_SRST | CONTROL_NIEN);
    if (changed & value & CONTROL_SRST)
        soft_reset_begins(channel);
    else if (changed & CONTROL_SRST)
        diagnose(channel);
    ide_update_line(channel);
}

/* ---- commands ---- */

void ide_finish(struct ide_drive *drive)
{
    drive->channel->transfer.phase = IDE_IDLE;
    drive->status = ST_READY;
    drive->error = 0;
    ide_interrupt(drive);
}

void ide_fail(struct ide_drive *drive, uint8_t error)
{
    drive->channel->transfer.phase = IDE_IDLE;
    drive->status = ST_READY | ST_ERR;
    drive->error = error;
    ide_interrupt(drive);
}

/* The guest gives up what it had begun. */
static void abandon(struct ide_channel *channel)
{
    struct ide_drive *owner = ide_owner(channel);

    if (channel->transfer.phase == IDE_IDLE)
        return;
    owner->status = owner->kind == IDE_CDROM ? ST_DRDY : ST_READY;
    channel->transfer = (struct ide_transfer){0};
}

static void reset_device(struct ide_drive *drive)
{
    struct ide_channel *channel = drive->channel;
    uint8_t device = drive->device;

    if (channel->transfer.phase != IDE_IDLE && ide_owner(channel) == drive)
        stop_transfer(channel);
    ide_signature(drive);
    drive->device = device;
    acknowledge(drive);
}

static void run_diagnostic(struct ide_channel *channel)
{
    abandon(channel);
    diagnose(channel);
    if (channel->drives[0].kind)
        ide_interrupt(&channel->drives[0]);
    else
        ide_update_line(channel);
}

static void write_command(struct ide_channel *channel, uint8_t command)
{
    struct ide_drive *drive = selected(channel);

    if (channel->control & CONTROL_SRST)
        return;
    if (command == COMMAND_DEVICE_RESET && drive->kind == IDE_CDROM) {
        reset_device(drive);
        return;
    }
    if (channel->transfer.phase == IDE_BUSY)
        return;
    if (command == COMMAND_DIAGNOSTIC) {
        run_diagnostic(channel);
        return;
    }
    if (!drive->kind)
        return;
    abandon(channel);
    acknowledge(drive);
    drive->error = 0;
    if (drive->kind == IDE_CDROM)
        atapi_command(drive, command);
    else
        ata_command(drive, command);
}

/* ---- registers ---- */

static void write_task(struct ide_drive *drive, unsigned reg, uint8_t value)
{
    unsigned i = TASK(reg);

    if (drive->status & ST_BSY)
        return;
    drive->previous[i] = drive->task[i];
    drive->task[i] = value;
}

static void command_write_byte(struct ide_channel *channel, unsigned reg,
                               uint8_t value)
{
    /* Any write to the command block brings back the newer bytes. */
    channel->control &= (uint8_t)~CONTROL_HOB;
    switch (reg) {
    case IDE_STATUS:
        write_command(channel, value);
        break;
    case IDE_DEVICE:
        for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++)
            channel->drives[unit].device = value | DEVICE_ALWAYS;
        ide_update_line(channel);
        break;
    default:
        for (unsigned unit = 0; unit < IDE_NR_DRIVES; unit++)
            write_task(&channel->drives[unit], reg, value);
    }
}

static uint8_t read_task(const struct ide_channel *channel,
                         const struct ide_drive *drive, unsigned reg)
{
    bool older = channel->control & CONTROL_HOB;

    return older ? drive->previous[TASK(reg)] : drive->task[TASK(reg)];
}

static uint8_t command_read_byte(struct ide_channel *channel, unsigned reg)
{
    struct ide_drive *drive = selected(channel);
    uint8_t status = drive->status;

    if (!has_drive(channel))
        return FLOATING;
    if (!drive->kind)
        return 0;
    switch (reg) {
    case IDE_STATUS:
        acknowledge(drive);
        return status;
    case IDE_DEVICE:
        return drive->device;
    case IDE_ERROR:
        if (!(channel->control & CONTROL_HOB))
            return drive->error;
        break;
    }
    return read_task(channel, drive, reg);
}

static bool data_is_for(struct ide_channel *channel)
{
    return selected(channel) == ide_owner(channel);
}

static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ide_channel *channel = opaque;
    uint64_t value = 0;

    if (offset == IDE_DATA && size > 1) {
        value = UINT64_MAX;
        if (data_is_for(channel))
            ide_data_read(channel, &value, size);
        return value;
    }
    for (unsigned i = 0; i < size; i++)
        if (offset + i != IDE_DATA)
            value |= (uint64_t)command_read_byte(channel, (unsigned)offset + i)
                     << 8 * i;
    return value;
}

static void command_write(void *opaque, uint64_t offset, unsigned size,
                          uint64_t value)
{
    struct ide_channel *channel = opaque;

    if (offset == IDE_DATA && size > 1) {
        if (data_is_for(channel))
            ide_data_write(channel, &value, size);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        if (offset + i != IDE_DATA)
            command_write_byte(channel, (unsigned)offset + i,
                               (uint8_t)(value >> 8 * i));
}

static bool data_read_many(void *opaque, uint64_t offset, unsigned size,
                           void *data, uint32_t nr)
{
    struct ide_channel *channel = opaque;

    if (offset != IDE_DATA || size == 1)
        return false;
    memset(data, 0xff, (size_t)size * nr);
    if (data_is_for(channel))
        ide_data_read(channel, data, (size_t)size * nr);
    return true;
}

static bool data_write_many(void *opaque, uint64_t offset, unsigned size,
                            const void *data, uint32_t nr)
{
    struct ide_channel *channel = opaque;

    if (offset != IDE_DATA || size == 1)
        return false;
    if (data_is_for(channel))
        ide_data_write(channel, data, (size_t)size * nr);
    return true;
}

const struct bus_ops ide_command_ops = {
    .read = command_read,
    .write = command_write,
    .read_many = data_read_many,
    .write_many = data_write_many,
};

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ide_channel *channel = opaque;

    (void)offset;
    (void)size;
    if (!has_drive(channel))
        return FLOATING;
    return selected(channel)->kind ? selected(channel)->status : 0;
}

static void control_write(void *opaque, uint64_t offset, unsigned size,
                          uint64_t value)
{
    (void)offset;
    (void)size;
    write_control(opaque, (uint8_t)value);
}

const struct bus_ops ide_control_ops = {
    .read = control_read,
    .write = control_write,
};
