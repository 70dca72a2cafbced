/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saved state.  Disks are idle when a machine is saved, so that a transfer
 * either waits for the guest or is none.  A buffer is saved when there is
 * something in it.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "dm/hw/ide/ide.h"

#define BM_COMMAND_BITS 0x09
#define BM_STATUS_BITS 0x67

/* ---- checks ---- */

__attribute__((format(printf, 3, 4))) static int refuse(char *text, size_t size,
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(text, size, format, args);
    va_end(args);
    return -EINVAL;
}

static const char *kind_name(unsigned kind)
{
    static const char *const names[] = {"no drive", "a disk", "a CD-ROM drive"};

    return names[kind];
}

static int check_drive(const struct ide_drive *drive, unsigned channel,
                       unsigned unit, char *text, size_t size)
{
    if (drive->kind != IDE_NONE && drive->kind != drive->built)
        return refuse(text, size,
                      "IDE drive %u.%u: %s in the state, %s here: restore with "
                      "the same disks",
                      channel, unit, kind_name(drive->kind),
                      kind_name(drive->built));
    if (drive->multiple & (drive->multiple - 1))
        return refuse(text, size,
                      "IDE drive %u.%u: blocks of %u sectors in the state, not "
                      "a power of two: the state is damaged",
                      channel, unit, drive->multiple);
    return 0;
}

/* Who of the drives can have such a transfer, and in which direction. */
static bool source_fits(const struct ide_transfer *transfer, uint8_t kind)
{
    bool out =
        transfer->source == IDE_PACKET || transfer->source == IDE_PARAMETERS;
    bool disk = transfer->source == IDE_SECTORS;

    if (kind == IDE_NONE)
        return false;
    if (transfer->source != IDE_REPLY && disk != (kind == IDE_DISK))
        return false;
    if (!disk && transfer->write != (transfer->source == IDE_PARAMETERS))
        return false;
    switch (transfer->phase) {
    case IDE_DATA_IN:
        return !out && !transfer->write;
    case IDE_DATA_OUT:
        return out || transfer->write;
    }
    return transfer->source != IDE_PACKET && transfer->source != IDE_REPLY;
}

static bool moves_sectors(const struct ide_transfer *transfer)
{
    return transfer->source == IDE_SECTORS ||
           transfer->source == IDE_PACKET_SECTORS;
}

static bool transfer_fits(const struct ide_transfer *transfer, uint8_t kind)
{
    uint32_t unit =
        transfer->source == IDE_PACKET_SECTORS ? CD_SECTOR : DISK_SECTOR;

    if (!source_fits(transfer, kind))
        return false;
    if (transfer->phase == IDE_DMA) {
        if (moves_sectors(transfer))
            return transfer->left > 0;
        return transfer->at < transfer->filled;
    }
    if (transfer->at >= transfer->end || transfer->end > transfer->filled ||
        transfer->block == 0)
        return false;
    if (transfer->source == IDE_PACKET)
        return transfer->filled == IDE_PACKET_SIZE;
    if (!moves_sectors(transfer))
        return true;
    return transfer->filled % unit == 0 &&
           transfer->filled / DISK_SECTOR <= transfer->left;
}

static int check_channel(const struct ide_channel *channel, unsigned number,
                         char *text, size_t size)
{
    const struct ide_transfer *transfer = &channel->transfer;
    int ret = 0;

    for (unsigned unit = 0; unit < IDE_NR_DRIVES && ret == 0; unit++)
        ret = check_drive(&channel->drives[unit], number, unit, text, size);
    if (ret)
        return ret;
    if (transfer->phase != IDE_IDLE &&
        !transfer_fits(transfer, channel->drives[transfer->unit].kind))
        return refuse(text, size,
                      "IDE channel %u: a transfer in the state that no drive "
                      "has (%u of %u bytes): the state is damaged",
                      number, transfer->at, transfer->filled);
    return 0;
}

static int check(const void *staged, char *text, size_t size)
{
    const struct ide *ide = staged;
    int ret = 0;

    for (unsigned i = 0; i < IDE_NR_CHANNELS && ret == 0; i++)
        ret = check_channel(&ide->channels[i], i, text, size);
    return ret;
}

/* A save that no stop came before. */
static void pre_save(void *state)
{
    struct ide *ide = state;

    for (unsigned i = 0; i < IDE_NR_CHANNELS; i++)
        ide_wait(&ide->channels[i]);
}

/* ---- fields ---- */

#define FIELD(kind, member) XEN_MIGRATE_FIELD(kind, ide, member)
#define RANGE(kind, member, lo, hi)                                            \
    XEN_MIGRATE_FIELD_RANGE(kind, ide, member, lo, hi)
#define BYTES(member) XEN_MIGRATE_ARRAY(U8, ide, member)

#define DRIVE_FIELDS(d)                                                        \
    RANGE(U8, d.kind, 0, IDE_CDROM), BYTES(d.task), BYTES(d.previous),         \
        FIELD(U8, d.device), FIELD(U8, d.error), FIELD(U8, d.status),          \
        FIELD(BOOL, d.interrupt), RANGE(U8, d.multiple, 0, IDE_MAX_MULTIPLE),  \
        FIELD(U8, d.mode), FIELD(BOOL, d.write_cache),                         \
        RANGE(U8, d.heads, 1, 16), RANGE(U8, d.sectors, 1, 63),                \
        FIELD(U8, d.sense_key), FIELD(U8, d.asc), FIELD(U8, d.ascq),           \
        FIELD(BOOL, d.attention), FIELD(BOOL, d.tray_open),                    \
        FIELD(BOOL, d.locked), RANGE(U8, d.event, 0, MEDIA_REMOVED)

#define CHANNEL_FIELDS(c)                                                      \
    DRIVE_FIELDS(c.drives[0]), DRIVE_FIELDS(c.drives[1]),                      \
        FIELD(U8, c.control), FIELD(BOOL, c.level),                            \
        RANGE(U8, c.bm_command, 0, BM_COMMAND_BITS),                           \
        RANGE(U8, c.bm_status, 0, BM_STATUS_BITS), FIELD(U32, c.bm_table),     \
        FIELD(U32, c.walk.next), FIELD(U32, c.walk.address),                   \
        RANGE(U32, c.walk.left, 0, 0x10000), FIELD(BOOL, c.walk.last),         \
        RANGE(U8, c.transfer.phase, 0, IDE_DMA)

#define TRANSFER_FIELDS(t)                                                     \
    RANGE(U8, t.source, 0, IDE_NR_SOURCES - 1),                                \
        RANGE(U8, t.unit, 0, IDE_NR_DRIVES - 1), FIELD(BOOL, t.write),         \
        FIELD(BOOL, t.dma), FIELD(BOOL, t.flush), FIELD(BOOL, t.extended),     \
        FIELD(BOOL, t.single), RANGE(U32, t.at, 0, IDE_BUFFER),                \
        RANGE(U32, t.end, 0, IDE_BUFFER), RANGE(U32, t.filled, 0, IDE_BUFFER), \
        RANGE(U32, t.block, 0, 0xffff),                                        \
        RANGE(U64, t.sector, 0, UINT64_C(1) << 48), FIELD(U32, t.left)

/* A transfer, and its bytes, of one channel. */
#define DEFINE_TRANSFER(nr)                                                    \
    static bool has_transfer_##nr(const void *state)                           \
    {                                                                          \
        const struct ide *ide = state;                                         \
                                                                               \
        return ide->channels[nr].transfer.phase != IDE_IDLE;                   \
    }                                                                          \
    static const struct xen_migrate_field transfer_fields_##nr[] = {           \
        TRANSFER_FIELDS(channels[nr].transfer),                                \
        XEN_MIGRATE_ARRAY(BUFFER, ide, channels[nr].buffer),                   \
        {.type = XEN_MIGRATE_END},                                             \
    };                                                                         \
    static const struct xen_migrate_state transfer_##nr = {                    \
        .name = "piix3-ide/transfer" #nr,                                      \
        .version = 1,                                                          \
        .minimum = 1,                                                          \
        .size = sizeof(struct ide),                                            \
        .fields = transfer_fields_##nr,                                        \
        .needed = has_transfer_##nr,                                           \
    }

DEFINE_TRANSFER(0);
DEFINE_TRANSFER(1);

static const struct xen_migrate_field fields[] = {
    CHANNEL_FIELDS(channels[0]),
    CHANNEL_FIELDS(channels[1]),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state *const subsections[] = {
    &pci_function_saved,
    &transfer_0,
    &transfer_1,
    NULL,
};

const struct xen_migrate_state ide_saved = {
    .name = "piix3-ide",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct ide),
    .fields = fields,
    .optional = true, /* 0.1.0 had no disks */
    .subsections = subsections,
    .pre_save = pre_save,
    .check = check,
};
