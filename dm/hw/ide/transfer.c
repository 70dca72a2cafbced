/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data through the data port, in DRQ blocks: ATA/ATAPI-7, volume 2, chapter 11
 * (PIO data-in, PIO data-out, PACKET).  Sectors are read from a disk, and
 * written to it, IDE_MAX_MULTIPLE at a time, whatever the size of a block.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "dm/hw/ide/ide.h"

/* ---- requests ---- */

static void request_done(struct disk_request *request, int error)
{
    struct ide_channel *channel = request->opaque;

    channel->in_flight = false;
    ide_dma_release(channel, error);
    if (channel->cancelled)
        return;
    channel->finished(channel, error);
}

void ide_submit(struct ide_channel *channel, enum disk_op op, uint64_t sector,
                uint64_t length, unsigned nr_iov,
                void (*finished)(struct ide_channel *channel, int error))
{
    struct ide_drive *drive = ide_owner(channel);

    channel->request = (struct disk_request){
        .op = op,
        .offset = sector * DISK_SECTOR,
        .length = length,
        .iov = channel->iov,
        .nr_iov = nr_iov,
        .done = request_done,
        .opaque = channel,
    };
    channel->in_flight = true;
    channel->finished = finished;
    channel->transfer.phase = IDE_BUSY;
    drive->status = ST_BSY;
    disk_submit(drive->disk, &channel->request);
}

void ide_wait(struct ide_channel *channel)
{
    while (channel->in_flight)
        disk_drain(ide_owner(channel)->disk);
}

void ide_settle(struct ide_channel *channel)
{
    channel->cancelled = true;
    ide_wait(channel);
    channel->cancelled = false;
}

void ide_request_failed(struct ide_channel *channel, int error)
{
    const struct ide_transfer *transfer = &channel->transfer;
    struct ide_drive *drive = ide_owner(channel);

    if (transfer->source == IDE_PACKET_SECTORS) {
        if (error == -ENOMEDIUM)
            atapi_check(drive, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
        else if (error == -ERANGE)
            atapi_check(drive, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
        else
            atapi_check(drive, SENSE_MEDIUM_ERROR, 0x11, 0); /* read error */
        return;
    }
    ata_set_address(drive, transfer->sector, transfer->extended);
    if (error == -EROFS || error == -EFAULT)
        ide_fail(drive, ER_ABRT);
    else if (error == -ERANGE)
        ide_fail(drive, ER_IDNF);
    else
        /*
         * Of writes too: only what the medium is to blame for does Linux give
         * up at once.  Else it tries each request 6 to 30 times and identifies
         * or resets the drive between (libata-eh.c, ata_eh_worth_retry).
         */
        ide_fail(drive, ER_UNC);
}

/* ---- blocks ---- */

struct ide_transfer *ide_begin(struct ide_drive *drive, enum ide_source source)
{
    struct ide_transfer *transfer = &drive->channel->transfer;

    *transfer = (struct ide_transfer){
        .source = source,
        .unit = (uint8_t)ide_unit(drive),
    };
    return transfer;
}

static bool is_packet(const struct ide_transfer *transfer)
{
    return transfer->source == IDE_PACKET_REPLY ||
           transfer->source == IDE_PACKET_SECTORS ||
           transfer->source == IDE_PARAMETERS;
}

/* The next DRQ block of what is in the buffer. */
static void offer(struct ide_channel *channel, enum ide_phase phase)
{
    struct ide_transfer *transfer = &channel->transfer;
    struct ide_drive *drive = ide_owner(channel);
    uint32_t size = transfer->filled - transfer->at;

    if (size > transfer->block)
        size = transfer->block;
    transfer->end = transfer->at + size;
    transfer->phase = phase;
    drive->status = ST_READY | ST_DRQ;
    if (is_packet(transfer)) {
        drive->task[TASK(IDE_COUNT)] =
            phase == IDE_DATA_IN ? REASON_TO_HOST : 0;
        drive->task[TASK(IDE_MID)] = (uint8_t)size;
        drive->task[TASK(IDE_HIGH)] = (uint8_t)(size >> 8);
    }
}

void ide_send(struct ide_channel *channel, uint32_t len)
{
    channel->transfer.at = 0;
    channel->transfer.filled = len;
    offer(channel, IDE_DATA_IN);
    ide_interrupt(ide_owner(channel));
}

void ide_receive(struct ide_channel *channel, uint32_t len)
{
    channel->transfer.at = 0;
    channel->transfer.filled = len;
    offer(channel, IDE_DATA_OUT);
}

/* ---- sectors ---- */

/* The smallest that is read by itself. */
static uint32_t unit_sectors(const struct ide_transfer *transfer)
{
    return transfer->source == IDE_PACKET_SECTORS ? CD_SECTOR / DISK_SECTOR : 1;
}

static uint32_t next_sectors(const struct ide_transfer *transfer)
{
    uint32_t most =
        transfer->single ? unit_sectors(transfer) : IDE_MAX_MULTIPLE;

    return transfer->left < most ? transfer->left : most;
}

static void sectors_read(struct ide_channel *channel, int error)
{
    struct ide_transfer *transfer = &channel->transfer;

    if (error == 0) {
        ide_send(channel, next_sectors(transfer) * DISK_SECTOR);
        return;
    }
    /* Those before the bad one are good. */
    if (!transfer->single && next_sectors(transfer) > unit_sectors(transfer)) {
        transfer->single = true;
        ide_read_next(channel);
        return;
    }
    ide_request_failed(channel, error);
}

void ide_read_next(struct ide_channel *channel)
{
    const struct ide_transfer *transfer = &channel->transfer;
    uint32_t length = next_sectors(transfer) * DISK_SECTOR;

    channel->iov[0] = (struct iovec){channel->buffer, length};
    ide_submit(channel, DISK_READ, transfer->sector, length, 1, sectors_read);
}

static void advance(struct ide_transfer *transfer)
{
    transfer->sector += transfer->filled / DISK_SECTOR;
    transfer->left -= transfer->filled / DISK_SECTOR;
}

void ide_write_next(struct ide_channel *channel)
{
    ide_receive(channel, next_sectors(&channel->transfer) * DISK_SECTOR);
}

static void flushed(struct ide_channel *channel, int error)
{
    if (error)
        ide_request_failed(channel, error);
    else
        ide_finish(ide_owner(channel));
}

void ide_written(struct ide_channel *channel)
{
    if (channel->transfer.flush)
        ide_submit(channel, DISK_FLUSH, 0, 0, 0, flushed);
    else
        ide_finish(ide_owner(channel));
}

static void sectors_written(struct ide_channel *channel, int error)
{
    struct ide_transfer *transfer = &channel->transfer;

    if (error) {
        ide_request_failed(channel, error);
        return;
    }
    advance(transfer);
    if (transfer->left == 0) {
        ide_written(channel);
        return;
    }
    ide_write_next(channel);
    ide_interrupt(ide_owner(channel));
}

/* ---- the data port ---- */

static void end_quietly(struct ide_channel *channel)
{
    channel->transfer.phase = IDE_IDLE;
    ide_owner(channel)->status = ST_READY;
}

static void sent(struct ide_channel *channel)
{
    struct ide_transfer *transfer = &channel->transfer;

    if (transfer->source == IDE_REPLY) {
        end_quietly(channel);
        return;
    }
    if (transfer->source == IDE_PACKET_REPLY) {
        atapi_finish(ide_owner(channel));
        return;
    }
    advance(transfer);
    if (transfer->left > 0)
        ide_read_next(channel);
    else if (transfer->source == IDE_PACKET_SECTORS)
        atapi_finish(ide_owner(channel));
    else
        end_quietly(channel);
}

static void received(struct ide_channel *channel)
{
    const struct ide_transfer *transfer = &channel->transfer;

    if (transfer->source == IDE_PACKET) {
        atapi_packet(ide_owner(channel));
    } else if (transfer->source == IDE_PARAMETERS) {
        atapi_finish(ide_owner(channel));
    } else {
        channel->iov[0] = (struct iovec){channel->buffer, transfer->filled};
        ide_submit(channel, DISK_WRITE, transfer->sector, transfer->filled, 1,
                   sectors_written);
    }
}

/* A DRQ block is through. */
static void next_block(struct ide_channel *channel)
{
    struct ide_transfer *transfer = &channel->transfer;

    if (transfer->at < transfer->filled) {
        offer(channel, transfer->phase);
        ide_interrupt(ide_owner(channel));
    } else if (transfer->phase == IDE_DATA_IN) {
        sent(channel);
    } else {
        received(channel);
    }
}

/* Returns how many of len bytes the DRQ block still has. */
static size_t step(struct ide_transfer *transfer, size_t len)
{
    size_t rest = transfer->end - transfer->at;
    size_t n = len < rest ? len : rest;

    transfer->at += (uint32_t)n;
    return n;
}

void ide_data_read(struct ide_channel *channel, void *data, size_t len)
{
    struct ide_transfer *transfer = &channel->transfer;
    uint8_t *to = data;

    while (len > 0 && transfer->phase == IDE_DATA_IN) {
        size_t n = step(transfer, len);

        memcpy(to, channel->buffer + transfer->at - n, n);
        to += n;
        len -= n;
        if (transfer->at == transfer->end)
            next_block(channel);
    }
}

void ide_data_write(struct ide_channel *channel, const void *data, size_t len)
{
    struct ide_transfer *transfer = &channel->transfer;
    const uint8_t *from = data;

    while (len > 0 && transfer->phase == IDE_DATA_OUT) {
        size_t n = step(transfer, len);

        memcpy(channel->buffer + transfer->at - n, from, n);
        from += n;
        len -= n;
        if (transfer->at == transfer->end)
            next_block(channel);
    }
}
