/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bus master: Intel 82371SB (PIIX3) data sheet, 2.7 and 3.5.3.  What the
 * descriptors of a table say is pinned, neighbours as one, and goes to a disk
 * as one request, or as several when it is long or scattered.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dm/machine.h"

#include "dm/hw/ide/ide.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define BM_SIZE 8 /* registers of a channel */
#define BM_COMMAND 0
#define BM_STATUS 2
#define BM_TABLE 4

#define BM_START 0x01
#define BM_COMMAND_BITS 0x09 /* start, direction */
#define BM_ACTIVE 0x01
#define BM_ERROR 0x02
#define BM_INTERRUPT 0x04
#define BM_CAPABLE 0x60 /* the guest's own notes */

#define PRD_LAST UINT32_C(0x80000000)
#define PRD_SPAN 0x10000u /* of a region, and of the table */

static void run(struct ide_channel *channel);

/* ---- descriptors ---- */

static uint32_t get_le32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void rewind_table(struct ide_channel *channel)
{
    channel->walk = (struct ide_walk){.next = channel->bm_table};
}

/* The next descriptor that has bytes; a table cannot leave its 64 KiB. */
static int next_region(struct ide_channel *channel, struct ide_walk *walk)
{
    uint8_t prd[8];
    int ret = xen_mapcache_read(channel->ide->machine->cache, walk->next, prd,
                                sizeof(prd), NULL);

    if (ret)
        return ret;
    walk->address = get_le32(prd) & ~UINT32_C(1);
    walk->left = get_le32(prd + 4) & 0xfffe;
    if (walk->left == 0)
        walk->left = PRD_SPAN;
    if (walk->left - 1 > UINT32_MAX - walk->address)
        return -EFAULT;
    walk->next += sizeof(prd);
    walk->last = get_le32(prd + 4) & PRD_LAST || walk->next % PRD_SPAN == 0;
    return 0;
}

static bool extends(const struct ide_piece *piece, uint64_t gpa)
{
    return piece->gpa + piece->len == gpa;
}

/*
 * Collect pieces of at most max bytes in all.  Returns how many bytes, fewer
 * when the table or our room ends, or -errno.
 */
static int64_t collect(struct ide_channel *channel, struct ide_walk *walk,
                       uint32_t max)
{
    uint32_t total = 0;

    channel->nr_pieces = 0;
    while (total < max) {
        struct ide_piece *piece = &channel->pieces[channel->nr_pieces];
        uint32_t len;
        int ret;

        if (walk->left == 0) {
            if (walk->last)
                break;
            ret = next_region(channel, walk);
            if (ret)
                return ret;
        }
        len = walk->left < max - total ? walk->left : max - total;
        if (channel->nr_pieces > 0 && extends(piece - 1, walk->address)) {
            piece[-1].len += len;
        } else if (channel->nr_pieces < IDE_MAX_PIECES) {
            *piece = (struct ide_piece){.gpa = walk->address, .len = len};
            channel->nr_pieces++;
        } else {
            break;
        }
        walk->address += len;
        walk->left -= len;
        total += len;
    }
    return total;
}

/* As collect, whole sectors only. */
static int64_t collect_sectors(struct ide_channel *channel, uint32_t max)
{
    struct ide_walk walk = channel->walk;
    int64_t total = collect(channel, &walk, max);
    uint32_t rest = total > 0 ? (uint32_t)total % DISK_SECTOR : 0;

    if (rest > 0) {
        walk = channel->walk;
        max = (uint32_t)total - rest;
        total = collect(channel, &walk, max);
        /* The guest rewrites the table under us. */
        if (total >= 0 && total != max)
            return -EFAULT;
    }
    channel->walk = walk;
    return total;
}

/* ---- memory ---- */

static bool is_rom(const struct xen_ram *ram, const struct ide_piece *piece)
{
    struct xen_ram_block *block = NULL;

    while ((block = xen_ram_next(ram, block))) {
        uint64_t gfn = xen_ram_gfn(block);
        uint64_t first = gfn * XEN_RAM_PAGE_SIZE;

        if (gfn == XEN_RAM_NO_GFN || !(xen_ram_get_flags(block) & XEN_RAM_ROM))
            continue;
        if (piece->gpa < first
                ? piece->len > first - piece->gpa
                : piece->gpa - first < xen_ram_used_length(block))
            return true;
    }
    return false;
}

/*
 * Its frames were exchanged while another request has the old ones pinned: the
 * data goes by way of memory of ours.
 */
static int bounce(struct ide_channel *channel, struct ide_piece *piece)
{
    int ret = 0;

    piece->host = malloc(piece->len);
    if (!piece->host)
        return -ENOMEM;
    piece->bounced = true;
    if (channel->transfer.write)
        ret = xen_mapcache_read(channel->ide->machine->cache, piece->gpa,
                                piece->host, piece->len, NULL);
    return ret;
}

static int pin(struct ide_channel *channel, struct ide_piece *piece)
{
    struct machine *machine = channel->ide->machine;
    int ret;

    if (!channel->transfer.write && is_rom(machine->ram, piece))
        return -EFAULT;
    ret =
        xen_mapcache_pin(machine->cache, piece->gpa, piece->len, &piece->host);
    return ret == -EBUSY ? bounce(channel, piece) : ret;
}

/* A piece that was not pinned has no host. */
static void release(struct ide_channel *channel, struct ide_piece *piece,
                    int error)
{
    struct machine *machine = channel->ide->machine;
    bool arrived = !channel->transfer.write;

    if (piece->bounced) {
        /* A hole swallows what comes, as it does for a pinned page. */
        if (arrived && error == 0)
            (void)xen_ram_guest_write(machine->ram, piece->gpa, piece->host,
                                      piece->len);
        free(piece->host);
    } else if (piece->host) {
        if (arrived)
            xen_ram_mark_dirty(machine->ram, piece->gpa, piece->len);
        xen_mapcache_unpin(machine->cache, piece->host, piece->len);
    }
}

void ide_dma_release(struct ide_channel *channel, int error)
{
    for (unsigned i = 0; i < channel->nr_pieces; i++)
        release(channel, &channel->pieces[i], error);
    channel->nr_pieces = 0;
}

static int pin_all(struct ide_channel *channel)
{
    for (unsigned i = 0; i < channel->nr_pieces; i++) {
        struct ide_piece *piece = &channel->pieces[i];
        int ret = pin(channel, piece);

        if (ret) {
            ide_dma_release(channel, ret);
            return ret;
        }
        channel->iov[i] = (struct iovec){piece->host, piece->len};
    }
    return 0;
}

/* ---- transfers ---- */

/* Active is left up when the table holds more than the device had. */
static void all_transferred(struct ide_channel *channel)
{
    if (channel->walk.last && channel->walk.left == 0)
        channel->bm_status &= (uint8_t)~BM_ACTIVE;
    if (channel->transfer.source == IDE_SECTORS)
        ide_written(channel);
    else
        atapi_finish(ide_owner(channel));
}

static void memory_failed(struct ide_channel *channel)
{
    struct ide_drive *drive = ide_owner(channel);

    channel->bm_status |= BM_ERROR;
    channel->bm_status &= (uint8_t)~BM_ACTIVE;
    if (channel->transfer.source == IDE_SECTORS)
        ide_fail(drive, ER_ABRT);
    else
        atapi_check(drive, SENSE_HARDWARE_ERROR, 0, 0);
}

static void sectors_moved(struct ide_channel *channel, int error)
{
    struct ide_transfer *transfer = &channel->transfer;
    uint32_t nr = (uint32_t)(channel->request.length / DISK_SECTOR);

    if (error == -EFAULT) {
        memory_failed(channel);
        return;
    }
    if (error) {
        ide_request_failed(channel, error);
        return;
    }
    transfer->sector += nr;
    transfer->left -= nr;
    transfer->phase = IDE_DMA;
    ide_owner(channel)->status = ST_READY | ST_DRQ;
    if (transfer->left == 0)
        all_transferred(channel);
    else
        run(channel);
}

static void move_sectors(struct ide_channel *channel)
{
    const struct ide_transfer *transfer = &channel->transfer;
    uint64_t most = (uint64_t)transfer->left * DISK_SECTOR;
    int64_t length = collect_sectors(
        channel, most < IDE_MAX_REQUEST ? (uint32_t)most : IDE_MAX_REQUEST);

    if (length == 0) { /* a short table: the device waits for another one */
        channel->bm_status &= (uint8_t)~BM_ACTIVE;
        return;
    }
    if (length < 0 || pin_all(channel)) {
        channel->nr_pieces = 0;
        memory_failed(channel);
        return;
    }
    ide_submit(channel, transfer->write ? DISK_WRITE : DISK_READ,
               transfer->sector, (uint64_t)length, channel->nr_pieces,
               sectors_moved);
}

static int copy_piece(struct ide_channel *channel,
                      const struct ide_piece *piece)
{
    struct ide_transfer *transfer = &channel->transfer;
    uint8_t *data = channel->buffer + transfer->at;
    struct machine *machine = channel->ide->machine;

    transfer->at += piece->len;
    if (transfer->write)
        return xen_mapcache_read(machine->cache, piece->gpa, data, piece->len,
                                 NULL);
    return xen_ram_guest_write(machine->ram, piece->gpa, data, piece->len);
}

/* What is in the buffer, or shall come there: no disk has to do with it. */
static void move_buffer(struct ide_channel *channel)
{
    struct ide_transfer *transfer = &channel->transfer;
    int64_t length =
        collect(channel, &channel->walk, transfer->filled - transfer->at);
    int ret = length < 0 ? (int)length : 0;

    for (unsigned i = 0; i < channel->nr_pieces && ret == 0; i++)
        ret = copy_piece(channel, &channel->pieces[i]);
    channel->nr_pieces = 0;
    if (ret)
        memory_failed(channel);
    else if (transfer->at == transfer->filled)
        all_transferred(channel);
    else
        channel->bm_status &= (uint8_t)~BM_ACTIVE;
}

/* As long as both the device and the bus master want to. */
static void run(struct ide_channel *channel)
{
    const struct ide_transfer *transfer = &channel->transfer;

    if (transfer->phase != IDE_DMA || !(channel->bm_status & BM_ACTIVE))
        return;
    if (transfer->source == IDE_SECTORS ||
        transfer->source == IDE_PACKET_SECTORS)
        move_sectors(channel);
    else
        move_buffer(channel);
}

void ide_dma_begin(struct ide_channel *channel)
{
    channel->transfer.phase = IDE_DMA;
    ide_owner(channel)->status = ST_READY | ST_DRQ;
    run(channel);
}

/* ---- registers ---- */

/* The guest takes its memory back: no request may have it after this. */
static void stop(struct ide_channel *channel)
{
    channel->bm_status &= (uint8_t)~BM_ACTIVE;
    if (channel->nr_pieces > 0)
        ide_wait(channel);
}

static void write_command(struct ide_channel *channel, uint8_t value)
{
    uint8_t changed = channel->bm_command ^ value;

    channel->bm_command = value & BM_COMMAND_BITS;
    if (!(changed & BM_START))
        return;
    if (value & BM_START) {
        rewind_table(channel);
        channel->bm_status |= BM_ACTIVE;
        run(channel);
    } else {
        stop(channel);
    }
}

static void write_status(struct ide_channel *channel, uint8_t value)
{
    channel->bm_status &=
        (uint8_t) ~(BM_CAPABLE | (value & (BM_ERROR | BM_INTERRUPT)));
    channel->bm_status |= value & BM_CAPABLE;
}

static uint8_t read_byte(struct ide_channel *channel, unsigned reg)
{
    switch (reg) {
    case BM_COMMAND:
        return channel->bm_command;
    case BM_STATUS:
        return channel->bm_status;
    case BM_TABLE:
    case BM_TABLE + 1:
    case BM_TABLE + 2:
    case BM_TABLE + 3:
        return (uint8_t)(channel->bm_table >> 8 * (reg - BM_TABLE));
    }
    return 0;
}

static void write_byte(struct ide_channel *channel, unsigned reg, uint8_t value)
{
    unsigned shift = 8 * (reg % BM_TABLE);

    if (reg == BM_COMMAND) {
        write_command(channel, value);
    } else if (reg == BM_STATUS) {
        write_status(channel, value);
    } else if (reg >= BM_TABLE) {
        channel->bm_table &= ~(UINT32_C(0xff) << shift);
        channel->bm_table |= (uint32_t)value << shift;
        channel->bm_table &= ~UINT32_C(3);
    }
}

static uint64_t bus_master_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ide *ide = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++, offset++)
        value |= (uint64_t)read_byte(&ide->channels[offset / BM_SIZE],
                                     offset % BM_SIZE)
                 << 8 * i;
    return value;
}

static void bus_master_write(void *opaque, uint64_t offset, unsigned size,
                             uint64_t value)
{
    struct ide *ide = opaque;

    for (unsigned i = 0; i < size; i++, offset++, value >>= 8)
        write_byte(&ide->channels[offset / BM_SIZE], offset % BM_SIZE,
                   (uint8_t)value);
}

const struct bus_ops ide_bus_master_ops = {
    .read = bus_master_read,
    .write = bus_master_write,
};
