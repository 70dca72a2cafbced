/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_IDE_IDE_H
#define DM_HW_IDE_IDE_H

/*
 * The IDE controller of the PIIX3: two channels of two drives.
 *
 *   piix3-ide.c   the PCI function, ports, unplug
 *   channel.c     task file, selection, interrupts, resets
 *   transfer.c    requests to a disk, and data through the data port
 *   bus-master.c  data by DMA
 *   ata.c         commands, of hard disks and what CD-ROM drives share
 *   identify.c    what drives say of themselves
 *   atapi.c       packet commands of CD-ROM drives
 *   atapi-info.c  those of them that only tell something
 *   saved.c       saved state
 *
 * A channel does one thing at a time: there is one transfer, of one of its
 * drives.  While a request of it is in flight (IDE_BUSY) the drive is busy.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "dm/block/disk.h"
#include "dm/bus.h"
#include "dm/pci.h"

struct device;
struct machine;

#define IDE_NR_CHANNELS 2
#define IDE_NR_DRIVES 2 /* of a channel */
#define IDE_NR_TASK 5
#define IDE_PACKET_SIZE 12
#define IDE_MAX_MULTIPLE 16 /* sectors of a block of READ MULTIPLE */
#define IDE_BUFFER (IDE_MAX_MULTIPLE * DISK_SECTOR)
#define IDE_MAX_PIECES 256
#define IDE_MAX_REQUEST (1u << 20) /* bytes of a DMA request */
#define CD_SECTOR 2048u

/* Status and error register: ATA/ATAPI-7, volume 1, 6.1 and 6.2. */
#define ST_ERR 0x01
#define ST_DRQ 0x08
#define ST_DSC 0x10
#define ST_DRDY 0x40
#define ST_BSY 0x80
#define ST_READY (ST_DRDY | ST_DSC)
#define ER_ABRT 0x04
#define ER_IDNF 0x10
#define ER_UNC 0x40

/* Interrupt reason: the sector count register of a packet device. */
#define REASON_COMMAND 0x01
#define REASON_TO_HOST 0x02

enum ide_register { /* from the command block's base */
                    IDE_DATA,
                    IDE_ERROR, /* read; write: feature */
                    IDE_COUNT,
                    IDE_LOW,
                    IDE_MID,
                    IDE_HIGH,
                    IDE_DEVICE,
                    IDE_STATUS, /* read; write: command */
};
#define IDE_FEATURE IDE_ERROR
/* Index into task: those that have two bytes. */
#define TASK(reg) ((reg)-IDE_FEATURE)

#define DEVICE_ALWAYS 0xa0
#define DEVICE_LBA 0x40
#define DEVICE_SECOND 0x10
#define DEVICE_HEAD 0x0f

#define CONTROL_HOB 0x80 /* read the older bytes */
#define CONTROL_SRST 0x04
#define CONTROL_NIEN 0x02

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };

enum ide_media_event { MEDIA_NONE, MEDIA_EJECT, MEDIA_NEW, MEDIA_REMOVED };

struct ide_drive {
    struct ide_channel *channel;
    struct disk *disk; /* NULL: none */
    uint8_t built;     /* enum ide_kind that the command line gives */
    uint8_t kind;      /* the same, or IDE_NONE once unplugged */
    uint8_t task[IDE_NR_TASK], previous[IDE_NR_TASK];
    uint8_t device, error, status;
    bool interrupt; /* asserts INTRQ while selected */
    uint8_t multiple;
    uint8_t mode; /* of SET FEATURES 03h */
    bool write_cache;
    uint8_t heads, sectors; /* of the CHS translation */

    uint8_t sense_key, asc, ascq;
    bool attention; /* a medium came that the guest does not know */
    bool tray_open, locked;
    uint8_t event; /* enum ide_media_event */
};

enum ide_phase {
    IDE_IDLE,
    IDE_DATA_IN,
    IDE_DATA_OUT,
    IDE_DMA,  /* waits for the bus master */
    IDE_BUSY, /* a request is in flight; never saved */
    IDE_NR_PHASES,
};

enum ide_source {
    IDE_SECTORS,        /* of a hard disk */
    IDE_REPLY,          /* in the buffer; its end is not told */
    IDE_PACKET,         /* a packet command comes */
    IDE_PACKET_REPLY,   /* in the buffer */
    IDE_PACKET_SECTORS, /* of a CD-ROM */
    IDE_PARAMETERS,     /* of a packet command, come and are dropped */
    IDE_NR_SOURCES,
};

struct ide_transfer {
    uint8_t phase, source; /* enum ide_phase, enum ide_source */
    uint8_t unit;          /* whose it is */
    bool write;            /* from the guest */
    bool dma;              /* a packet command asked for it */
    bool flush;            /* at the end */
    bool extended;         /* of a 48-bit command */
    bool single;           /* sector by sector: one of many failed */
    uint32_t at, end;      /* in the buffer: next byte, end of the DRQ block */
    uint32_t filled;       /* bytes of the buffer in use */
    uint32_t block;        /* bytes of a DRQ block at most */
    uint64_t sector;       /* next one, of 512 bytes */
    uint32_t left;         /* sectors, those in the buffer included */
};

/* Where the bus master is in its table. */
struct ide_walk {
    uint32_t next; /* gpa of the next descriptor */
    uint32_t address, left;
    bool last; /* the descriptor in use ends the table */
};

struct ide_piece {
    uint64_t gpa;
    void *host;
    uint32_t len;
    bool bounced; /* host is memory of ours */
};

struct ide_channel {
    struct ide *ide;
    struct ide_drive drives[IDE_NR_DRIVES];
    uint8_t control;
    bool level; /* of INTRQ */
    struct ide_transfer transfer;
    uint8_t buffer[IDE_BUFFER];

    /* The bus master's registers: PIIX3, 2.7. */
    uint8_t bm_command, bm_status;
    uint32_t bm_table;
    struct ide_walk walk;

    struct disk_request request;
    bool in_flight, cancelled;
    void (*finished)(struct ide_channel *channel, int error);
    struct iovec iov[IDE_MAX_PIECES];
    struct ide_piece pieces[IDE_MAX_PIECES];
    unsigned nr_pieces;
};

struct ide {
    struct pci_function pci; /* first: pci_function_saved */
    struct machine *machine;
    struct ide_channel channels[IDE_NR_CHANNELS];
};

extern const struct xen_migrate_state ide_saved;

static inline struct ide_drive *ide_owner(struct ide_channel *channel)
{
    return &channel->drives[channel->transfer.unit];
}

static inline unsigned ide_unit(const struct ide_drive *drive)
{
    return drive == &drive->channel->drives[1];
}

/* ---- channel.c ---- */

extern const struct bus_ops ide_command_ops, ide_control_ops;

void ide_channel_reset(struct ide_channel *channel);
/* After a load: the line as it was. */
void ide_update_line(struct ide_channel *channel);
void ide_interrupt(struct ide_drive *drive);
/* What a drive shows after a reset or a diagnostic. */
void ide_signature(struct ide_drive *drive);
/* The command ended, and its transfer with it. */
void ide_finish(struct ide_drive *drive);
void ide_fail(struct ide_drive *drive, uint8_t error);

/* ---- transfer.c ---- */

/*
 * Start a request of the transfer's owner, of length bytes in nr_iov pieces of
 * channel->iov.  finished is called at its end, unless ide_settle came before.
 */
void ide_submit(struct ide_channel *channel, enum disk_op op, uint64_t sector,
                uint64_t length, unsigned nr_iov,
                void (*finished)(struct ide_channel *channel, int error));
/* Nothing is in flight when this returns, and finished is not called. */
void ide_settle(struct ide_channel *channel);
/* The same, but what was in flight ends as ever. */
void ide_wait(struct ide_channel *channel);

/* A fresh transfer of this drive; the caller fills in the rest. */
struct ide_transfer *ide_begin(struct ide_drive *drive, enum ide_source source);
/* Sectors through the data port, from where the transfer is. */
void ide_read_next(struct ide_channel *channel);
void ide_write_next(struct ide_channel *channel);
/* len bytes of the buffer go to, or come from, the guest. */
void ide_send(struct ide_channel *channel, uint32_t len);
void ide_receive(struct ide_channel *channel, uint32_t len);
/* All is transferred: flush where that was asked for, then finish. */
void ide_written(struct ide_channel *channel);
/* A request failed: what the guest sees of it. */
void ide_request_failed(struct ide_channel *channel, int error);

void ide_data_read(struct ide_channel *channel, void *data, size_t len);
void ide_data_write(struct ide_channel *channel, const void *data, size_t len);

/* ---- bus-master.c ---- */

extern const struct bus_ops ide_bus_master_ops;

/* The transfer goes by DMA: now, or once the guest starts the bus master. */
void ide_dma_begin(struct ide_channel *channel);
void ide_dma_release(struct ide_channel *channel, int error);

/* ---- ata.c, identify.c ---- */

void ata_command(struct ide_drive *drive, uint8_t command);
/* Cylinders as IDENTIFY tells them, for a translation. */
uint32_t ata_cylinders(uint64_t nr_sectors, unsigned heads, unsigned sectors);
/* The task file's address := sector. */
void ata_set_address(struct ide_drive *drive, uint64_t sector, bool extended);
/* 512 bytes into the buffer. */
void ide_identify(const struct ide_drive *drive, uint8_t *buffer);

/* ---- atapi.c, atapi-info.c ---- */

void atapi_command(struct ide_drive *drive, uint8_t command);
/* The packet is in the buffer. */
void atapi_packet(struct ide_drive *drive);
/* A reply, sectors or parameters were transferred. */
void atapi_finish(struct ide_drive *drive);
/* CHECK CONDITION. */
void atapi_check(struct ide_drive *drive, uint8_t key, uint8_t asc,
                 uint8_t ascq);
/* The drive has a disk, which tells it of its media and asks for its tray. */
void atapi_attach(struct ide_drive *drive);
void atapi_detach(struct ide_drive *drive);

#define SENSE_NOT_READY 0x02
#define SENSE_MEDIUM_ERROR 0x03
#define SENSE_HARDWARE_ERROR 0x04
#define SENSE_ILLEGAL_REQUEST 0x05
#define SENSE_UNIT_ATTENTION 0x06
#define ASC_INVALID_OPCODE 0x20
#define ASC_LBA_OUT_OF_RANGE 0x21
#define ASC_INVALID_FIELD 0x24
#define ASC_MEDIUM_CHANGED 0x28
#define ASC_SAVING_NOT_SUPPORTED 0x39
#define ASC_NO_MEDIUM 0x3a
#define ASC_REMOVAL_PREVENTED 0x53

/*
 * Fill the buffer, IDE_BUFFER zeroed bytes, for the packet.  Returns the length
 * of the reply before it is cut to what the guest has room for, or the sense of
 * a CHECK CONDITION as -(key << 16 | asc << 8 | ascq).
 */
typedef int atapi_reply_fn(const struct ide_drive *drive, const uint8_t *packet,
                           uint8_t *buffer);
#define ATAPI_REFUSED(key, asc) (-((key) << 16 | (asc) << 8))

atapi_reply_fn atapi_inquiry, atapi_mode_sense_6, atapi_mode_sense_10,
    atapi_read_capacity, atapi_read_toc, atapi_get_configuration,
    atapi_read_disc_information, atapi_mechanism_status;

bool atapi_has_medium(const struct ide_drive *drive);
/* Sectors of 2048 bytes. */
uint32_t atapi_nr_sectors(const struct ide_drive *drive);

static inline uint16_t atapi_get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t atapi_get32(const uint8_t *bytes)
{
    return (uint32_t)atapi_get16(bytes) << 16 | atapi_get16(bytes + 2);
}

static inline void atapi_put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void atapi_put32(uint8_t *bytes, uint32_t value)
{
    atapi_put16(bytes, value >> 16);
    atapi_put16(bytes + 2, value);
}

#endif
