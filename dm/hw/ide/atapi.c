/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packet commands of CD-ROM drives: MMC-3, SPC-2; SFF-8020i for old ones. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "dm/hw/ide/ide.h"

#define LIMIT_MAX 0xfffeu /* bytes of a DRQ block */
#define SENSE_LEN 18
#define EVENT_LEN 8
#define MEDIA_CLASS 4

#define START_STOP_START 0x01
#define START_STOP_LOAD_EJECT 0x02
#define READ_CD_USER_DATA 0x10

/* ---- the medium ---- */

bool atapi_has_medium(const struct ide_drive *drive)
{
    return !drive->tray_open && disk_has_medium(drive->disk);
}

uint32_t atapi_nr_sectors(const struct ide_drive *drive)
{
    uint64_t nr = disk_nr_sectors(drive->disk) / (CD_SECTOR / DISK_SECTOR);
    uint32_t most = UINT32_MAX / (CD_SECTOR / DISK_SECTOR);

    return nr < most ? (uint32_t)nr : most;
}

/* Another one is in the drive, or none. */
static void medium_changed(void *opaque)
{
    struct ide_drive *drive = opaque;

    drive->attention = disk_has_medium(drive->disk);
    drive->event = drive->attention ? MEDIA_NEW : MEDIA_REMOVED;
    drive->tray_open = false;
}

static bool is_locked(void *opaque)
{
    const struct ide_drive *drive = opaque;

    return drive->locked;
}

static bool is_open(void *opaque)
{
    const struct ide_drive *drive = opaque;

    return drive->tray_open;
}

static void ask_for_medium(void *opaque)
{
    struct ide_drive *drive = opaque;

    drive->event = MEDIA_EJECT;
}

static const struct disk_tray_ops tray_ops = {
    .is_locked = is_locked,
    .is_open = is_open,
    .ask_for_medium = ask_for_medium,
};

void atapi_attach(struct ide_drive *drive)
{
    disk_on_change(drive->disk, medium_changed, drive);
    disk_set_tray(drive->disk, &tray_ops, drive);
}

void atapi_detach(struct ide_drive *drive)
{
    disk_on_change(drive->disk, NULL, NULL);
    disk_set_tray(drive->disk, NULL, NULL);
}

/* ---- ends of commands ---- */

void atapi_finish(struct ide_drive *drive)
{
    drive->sense_key = drive->asc = drive->ascq = 0;
    drive->task[TASK(IDE_COUNT)] = REASON_COMMAND | REASON_TO_HOST;
    ide_finish(drive);
}

void atapi_check(struct ide_drive *drive, uint8_t key, uint8_t asc,
                 uint8_t ascq)
{
    drive->sense_key = key;
    drive->asc = asc;
    drive->ascq = ascq;
    drive->task[TASK(IDE_COUNT)] = REASON_COMMAND | REASON_TO_HOST;
    ide_fail(drive, (uint8_t)(key << 4));
}

static void refuse(struct ide_drive *drive, uint8_t asc)
{
    atapi_check(drive, SENSE_ILLEGAL_REQUEST, asc, 0);
}

/* ---- data ---- */

/* The guest's limit for a DRQ block; odd ones are allowed for the last only. */
static uint32_t block_limit(const struct ide_drive *drive)
{
    uint32_t limit =
        drive->task[TASK(IDE_MID)] | (uint32_t)drive->task[TASK(IDE_HIGH)] << 8;

    limit &= LIMIT_MAX;
    return limit > 0 ? limit : LIMIT_MAX;
}

static struct ide_transfer *begin(struct ide_drive *drive,
                                  enum ide_source source)
{
    bool dma = drive->channel->transfer.dma;
    struct ide_transfer *transfer = ide_begin(drive, source);

    transfer->dma = dma;
    transfer->block = block_limit(drive);
    return transfer;
}

/* len bytes of the buffer. */
static void send_reply(struct ide_drive *drive, uint32_t len)
{
    struct ide_transfer *transfer;

    if (len == 0) {
        atapi_finish(drive);
        return;
    }
    transfer = begin(drive, IDE_PACKET_REPLY);
    transfer->filled = len;
    if (transfer->dma)
        ide_dma_begin(drive->channel);
    else
        ide_send(drive->channel, len);
}

static void read_sectors(struct ide_drive *drive, uint32_t first, uint32_t nr)
{
    uint32_t all = atapi_nr_sectors(drive);
    struct ide_transfer *transfer;

    if (first > all || nr > all - first) {
        disk_count_invalid(drive->disk);
        refuse(drive, ASC_LBA_OUT_OF_RANGE);
        return;
    }
    if (nr == 0) {
        atapi_finish(drive);
        return;
    }
    transfer = begin(drive, IDE_PACKET_SECTORS);
    transfer->sector = (uint64_t)first * (CD_SECTOR / DISK_SECTOR);
    transfer->left = nr * (CD_SECTOR / DISK_SECTOR);
    if (transfer->dma)
        ide_dma_begin(drive->channel);
    else
        ide_read_next(drive->channel);
}

static void read_10(struct ide_drive *drive, const uint8_t *packet)
{
    read_sectors(drive, atapi_get32(packet + 2), atapi_get16(packet + 7));
}

static void read_12(struct ide_drive *drive, const uint8_t *packet)
{
    read_sectors(drive, atapi_get32(packet + 2), atapi_get32(packet + 6));
}

/* Of sectors with their headers there are none in an image. */
static void read_cd(struct ide_drive *drive, const uint8_t *packet)
{
    unsigned wanted = packet[9], type = packet[1] >> 2 & 7;
    uint32_t nr = atapi_get32(packet + 5) & 0xffffff;

    if (type > 2 || type == 1 || packet[10] & 7 ||
        (wanted != 0 && wanted != READ_CD_USER_DATA))
        refuse(drive, ASC_INVALID_FIELD);
    else
        read_sectors(drive, atapi_get32(packet + 2), wanted ? nr : 0);
}

/* ---- commands that change something ---- */

static void succeed(struct ide_drive *drive, const uint8_t *packet)
{
    (void)packet;
    atapi_finish(drive);
}

static void seek(struct ide_drive *drive, const uint8_t *packet)
{
    if (atapi_get32(packet + 2) >= atapi_nr_sectors(drive))
        refuse(drive, ASC_LBA_OUT_OF_RANGE);
    else
        atapi_finish(drive);
}

static void request_sense(struct ide_drive *drive, const uint8_t *packet)
{
    uint8_t *buffer = drive->channel->buffer;

    buffer[0] = 0x70; /* current, fixed format */
    buffer[2] = drive->sense_key;
    buffer[7] = SENSE_LEN - 8;
    buffer[12] = drive->asc;
    buffer[13] = drive->ascq;
    drive->sense_key = drive->asc = drive->ascq = 0;
    send_reply(drive, packet[4] < SENSE_LEN ? packet[4] : SENSE_LEN);
}

/* What is in the list may not be changed, or does not matter. */
static void receive_parameters(struct ide_drive *drive, uint32_t len)
{
    struct ide_transfer *transfer;

    if (len == 0) {
        atapi_finish(drive);
        return;
    }
    if (len > IDE_BUFFER) {
        refuse(drive, ASC_INVALID_FIELD);
        return;
    }
    transfer = begin(drive, IDE_PARAMETERS);
    transfer->write = true;
    transfer->filled = len;
    if (transfer->dma) {
        ide_dma_begin(drive->channel);
        return;
    }
    ide_receive(drive->channel, len);
    ide_interrupt(drive);
}

static void mode_select_6(struct ide_drive *drive, const uint8_t *packet)
{
    receive_parameters(drive, packet[4]);
}

static void mode_select_10(struct ide_drive *drive, const uint8_t *packet)
{
    receive_parameters(drive, atapi_get16(packet + 7));
}

static void prevent_removal(struct ide_drive *drive, const uint8_t *packet)
{
    drive->locked = packet[4] & 1;
    atapi_finish(drive);
}

static void start_stop(struct ide_drive *drive, const uint8_t *packet)
{
    bool start = packet[4] & START_STOP_START;

    if (!(packet[4] & START_STOP_LOAD_EJECT) || packet[4] & 0xf0) {
        atapi_finish(drive);
        return;
    }
    if (!start && drive->locked && disk_has_medium(drive->disk)) {
        refuse(drive, ASC_REMOVAL_PREVENTED);
        return;
    }
    if (start == drive->tray_open && disk_has_medium(drive->disk)) {
        drive->event = start ? MEDIA_NEW : MEDIA_REMOVED;
        drive->attention = start;
    }
    drive->tray_open = !start;
    atapi_finish(drive);
}

static void get_event(struct ide_drive *drive, const uint8_t *packet)
{
    uint8_t *buffer = drive->channel->buffer;
    uint32_t room = atapi_get16(packet + 7);
    bool media = packet[4] & 1u << MEDIA_CLASS;

    if (!(packet[1] & 1)) { /* asynchronous */
        refuse(drive, ASC_INVALID_FIELD);
        return;
    }
    atapi_put16(buffer, media ? EVENT_LEN - 2 : 2);
    buffer[2] = media ? MEDIA_CLASS : 0x80; /* none of those classes */
    buffer[3] = 1u << MEDIA_CLASS;
    if (media) {
        buffer[4] = drive->event;
        buffer[5] = (uint8_t)(drive->tray_open |
                              (uint8_t)disk_has_medium(drive->disk) << 1);
        if (room > 4)
            drive->event = MEDIA_NONE;
    }
    if (room > (media ? EVENT_LEN : 4u))
        room = media ? EVENT_LEN : 4;
    send_reply(drive, room);
}

/* ---- the table ---- */

enum {
    NEEDS_MEDIUM = 1u << 0,
    SPARES_ATTENTION = 1u << 1, /* neither tells of it nor ends it */
};

/* room_at: where the guest says how much it takes, 0: all. */
struct packet_command {
    void (*run)(struct ide_drive *drive, const uint8_t *packet);
    atapi_reply_fn *reply;
    uint8_t room_at, room_bytes;
    uint8_t flags;
};

static const struct packet_command commands[256] = {
    [0x00] = {.run = succeed, .flags = NEEDS_MEDIUM},
    [0x03] = {.run = request_sense, .flags = SPARES_ATTENTION},
    [0x12] = {.reply = atapi_inquiry,
              .room_at = 3,
              .room_bytes = 2,
              .flags = SPARES_ATTENTION},
    [0x15] = {.run = mode_select_6},
    [0x1a] = {.reply = atapi_mode_sense_6, .room_at = 4, .room_bytes = 1},
    [0x1b] = {.run = start_stop},
    [0x1e] = {.run = prevent_removal},
    [0x25] = {.reply = atapi_read_capacity, .flags = NEEDS_MEDIUM},
    [0x28] = {.run = read_10, .flags = NEEDS_MEDIUM},
    [0x2b] = {.run = seek, .flags = NEEDS_MEDIUM},
    [0x43] = {.reply = atapi_read_toc,
              .room_at = 7,
              .room_bytes = 2,
              .flags = NEEDS_MEDIUM},
    [0x46] = {.reply = atapi_get_configuration,
              .room_at = 7,
              .room_bytes = 2,
              .flags = SPARES_ATTENTION},
    [0x4a] = {.run = get_event, .flags = SPARES_ATTENTION},
    [0x51] = {.reply = atapi_read_disc_information,
              .room_at = 7,
              .room_bytes = 2,
              .flags = NEEDS_MEDIUM},
    [0x55] = {.run = mode_select_10},
    [0x5a] = {.reply = atapi_mode_sense_10, .room_at = 7, .room_bytes = 2},
    [0xa8] = {.run = read_12, .flags = NEEDS_MEDIUM},
    [0xbb] = {.run = succeed}, /* SET CD SPEED */
    [0xbd] = {.reply = atapi_mechanism_status, .room_at = 8, .room_bytes = 2},
    [0xbe] = {.run = read_cd, .flags = NEEDS_MEDIUM},
};

static void reply(struct ide_drive *drive, const struct packet_command *command,
                  const uint8_t *packet)
{
    int len = command->reply(drive, packet, drive->channel->buffer);
    uint32_t room = UINT32_MAX;

    if (len < 0) {
        atapi_check(drive, (uint8_t)(-len >> 16), (uint8_t)(-len >> 8),
                    (uint8_t)-len);
        return;
    }
    if (command->room_bytes == 1)
        room = packet[command->room_at];
    else if (command->room_bytes == 2)
        room = atapi_get16(packet + command->room_at);
    send_reply(drive, (uint32_t)len < room ? (uint32_t)len : room);
}

void atapi_packet(struct ide_drive *drive)
{
    uint8_t packet[IDE_PACKET_SIZE];
    const struct packet_command *command;

    memcpy(packet, drive->channel->buffer, sizeof(packet));
    memset(drive->channel->buffer, 0, sizeof(drive->channel->buffer));
    command = &commands[packet[0]];
    if (drive->attention && !(command->flags & SPARES_ATTENTION)) {
        drive->attention = false;
        atapi_check(drive, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED, 0);
    } else if (!command->run && !command->reply) {
        refuse(drive, ASC_INVALID_OPCODE);
    } else if (command->flags & NEEDS_MEDIUM && !atapi_has_medium(drive)) {
        atapi_check(drive, SENSE_NOT_READY, ASC_NO_MEDIUM,
                    drive->tray_open ? 2 : 1);
    } else if (command->run) {
        command->run(drive, packet);
    } else {
        reply(drive, command, packet);
    }
}
