/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a CD-ROM drive tells of itself and its medium: MMC-3, SPC-2. */
#include "config.h"

#include <string.h>

#include "dm/hw/ide/ide.h"

#define INQUIRY_LEN 36
#define INVALID_FIELD ATAPI_REFUSED(SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD)

#define CD_FRAMES 75u   /* a second */
#define CD_LEAD_IN 150u /* frames before block 0 */
#define CD_LONGEST (80 * 60 * CD_FRAMES)
#define LEAD_OUT 0xaa
#define DATA_TRACK 0x14 /* ADR 1, a data track */

#define PROFILE_NONE 0x0000
#define PROFILE_CD 0x0008
#define PROFILE_DVD 0x0010

static void put_text(uint8_t *to, size_t len, const char *text)
{
    size_t used = strnlen(text, len);

    memset(to, ' ', len);
    memcpy(to, text, used);
}

int atapi_inquiry(const struct ide_drive *drive, const uint8_t *packet,
                  uint8_t *buffer)
{
    (void)drive;
    if (packet[1] & 1 || packet[2]) /* vital product data */
        return INVALID_FIELD;
    buffer[0] = 0x05; /* CD-ROM */
    buffer[1] = 0x80; /* removable */
    buffer[3] = 0x21; /* ATAPI, response format 1 */
    buffer[4] = INQUIRY_LEN - 5;
    put_text(buffer + 8, 8, "XENRAM");
    put_text(buffer + 16, 16, "CD-ROM");
    put_text(buffer + 32, 4, PACKAGE_VERSION);
    return INQUIRY_LEN;
}

int atapi_read_capacity(const struct ide_drive *drive, const uint8_t *packet,
                        uint8_t *buffer)
{
    uint32_t nr = atapi_nr_sectors(drive);

    (void)packet;
    atapi_put32(buffer, nr > 0 ? nr - 1 : 0);
    atapi_put32(buffer + 4, CD_SECTOR);
    return 8;
}

/* ---- table of contents: one track ---- */

static void put_place(uint8_t *to, uint32_t sector, bool msf)
{
    uint32_t frame = sector + CD_LEAD_IN;

    if (!msf) {
        atapi_put32(to, sector);
        return;
    }
    to[0] = 0;
    to[1] = (uint8_t)(frame / CD_FRAMES / 60);
    to[2] = (uint8_t)(frame / CD_FRAMES % 60);
    to[3] = (uint8_t)(frame % CD_FRAMES);
}

static int toc_tracks(const struct ide_drive *drive, const uint8_t *packet,
                      uint8_t *buffer)
{
    bool msf = packet[1] & 2;
    uint8_t first = packet[6];
    uint8_t *to = buffer + 4;

    if (first > 1 && first != LEAD_OUT)
        return INVALID_FIELD;
    if (first <= 1) {
        to[1] = DATA_TRACK;
        to[2] = 1;
        put_place(to + 4, 0, msf);
        to += 8;
    }
    to[1] = DATA_TRACK;
    to[2] = LEAD_OUT;
    put_place(to + 4, atapi_nr_sectors(drive), msf);
    to += 8;
    return (int)(to - buffer);
}

static int toc_session(const uint8_t *packet, uint8_t *buffer)
{
    buffer[5] = DATA_TRACK;
    buffer[6] = 1;
    put_place(buffer + 8, 0, packet[1] & 2);
    return 12;
}

static int toc_raw(const struct ide_drive *drive, uint8_t *buffer)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};
    uint8_t *to = buffer + 4;

    for (size_t i = 0; i < sizeof(points); i++, to += 11) {
        to[0] = 1; /* session */
        to[1] = DATA_TRACK;
        to[3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            to[8] = 1; /* first, last track */
        else if (points[i] == 0xa2)
            put_place(to + 7, atapi_nr_sectors(drive), true);
        else
            put_place(to + 7, 0, true);
    }
    return (int)(to - buffer);
}

int atapi_read_toc(const struct ide_drive *drive, const uint8_t *packet,
                   uint8_t *buffer)
{
    /* SFF-8020i had the format in the last byte. */
    unsigned format = packet[2] & 0x0f ? packet[2] & 0x0f : packet[9] >> 6;
    int len = INVALID_FIELD;

    if (format == 0)
        len = toc_tracks(drive, packet, buffer);
    else if (format == 1)
        len = toc_session(packet, buffer);
    else if (format == 2)
        len = toc_raw(drive, buffer);
    if (len < 0)
        return len;
    atapi_put16(buffer, (uint32_t)len - 2);
    buffer[2] = buffer[3] = 1; /* first and last track or session */
    return len;
}

/* ---- mode pages ---- */

static const uint8_t recovery_page[] = {0x01, 0x06, 0x00, 0x05, 0, 0, 0, 0};
static const uint8_t power_page[] = {0x1a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
/* Reads CD-R, CD-RW, DVD-ROM; tray, can lock and eject; 16 x CD speed. */
static const uint8_t capabilities_page[] = {
    0x2a, 0x12, 0x0b, 0x00, 0x70, 0x00, 0x29, 0x00, 0x0b, 0x00,
    0x00, 0x02, 0x02, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00};
#define CAPABILITIES_LOCK 6
#define CAPABILITIES_LOCKED 0x02

static const struct {
    const uint8_t *bytes;
    size_t len;
} mode_pages[] = {
    {recovery_page, sizeof(recovery_page)},
    {power_page, sizeof(power_page)},
    {capabilities_page, sizeof(capabilities_page)},
};
#define NR_MODE_PAGES (sizeof(mode_pages) / sizeof(mode_pages[0]))
#define ALL_PAGES 0x3f
#define CONTROL_CHANGEABLE 1
#define CONTROL_SAVED 3

/* Returns the length behind the header, or a sense. */
static int put_pages(const struct ide_drive *drive, const uint8_t *packet,
                     uint8_t *buffer)
{
    unsigned control = packet[2] >> 6, page = packet[2] & 0x3f;
    uint8_t *to = buffer;

    if (control == CONTROL_SAVED)
        return ATAPI_REFUSED(SENSE_ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED);
    for (size_t i = 0; i < NR_MODE_PAGES; i++) {
        const uint8_t *bytes = mode_pages[i].bytes;

        if (page != ALL_PAGES && page != bytes[0])
            continue;
        memcpy(to, bytes,
               control == CONTROL_CHANGEABLE ? 2 : mode_pages[i].len);
        if (bytes == capabilities_page && drive->locked &&
            control != CONTROL_CHANGEABLE)
            to[CAPABILITIES_LOCK] |= CAPABILITIES_LOCKED;
        to += mode_pages[i].len;
    }
    return to == buffer ? INVALID_FIELD : (int)(to - buffer);
}

static uint8_t medium_type(const struct ide_drive *drive)
{
    return atapi_has_medium(drive) ? 0x01 : 0x70; /* data disc, none */
}

int atapi_mode_sense_6(const struct ide_drive *drive, const uint8_t *packet,
                       uint8_t *buffer)
{
    int len = put_pages(drive, packet, buffer + 4);

    if (len < 0)
        return len;
    buffer[0] = (uint8_t)(len + 3);
    buffer[1] = medium_type(drive);
    return len + 4;
}

int atapi_mode_sense_10(const struct ide_drive *drive, const uint8_t *packet,
                        uint8_t *buffer)
{
    int len = put_pages(drive, packet, buffer + 8);

    if (len < 0)
        return len;
    atapi_put16(buffer, (uint32_t)len + 6);
    buffer[2] = medium_type(drive);
    return len + 8;
}

/* ---- features ---- */

static uint16_t profile(const struct ide_drive *drive)
{
    if (!atapi_has_medium(drive))
        return PROFILE_NONE;
    return atapi_nr_sectors(drive) > CD_LONGEST ? PROFILE_DVD : PROFILE_CD;
}

static void put_profile(uint8_t *to, uint16_t which, uint16_t current)
{
    atapi_put16(to, which);
    to[2] = which == current;
}

/*
 * Descriptors of features 0 (profiles), 1 (core) and 3 (removable medium), all
 * of them current.
 */
static int put_feature(const struct ide_drive *drive, unsigned feature,
                       uint8_t *to)
{
    atapi_put16(to, feature);
    to[2] = 0x03; /* persistent, current */
    to[3] = 8;
    switch (feature) {
    case 0:
        put_profile(to + 4, PROFILE_DVD, profile(drive));
        put_profile(to + 8, PROFILE_CD, profile(drive));
        return 12;
    case 1:
        to[2] |= 1u << 2;       /* version 1 */
        atapi_put32(to + 4, 2); /* ATAPI */
        to[8] = 0x01;           /* device busy events */
        return 12;
    default:
        to[3] = 4;
        to[4] = 0x29; /* tray, can lock and eject */
        return 8;
    }
}

int atapi_get_configuration(const struct ide_drive *drive,
                            const uint8_t *packet, uint8_t *buffer)
{
    static const unsigned features[] = {0, 1, 3};
    unsigned which = packet[1] & 3, first = atapi_get16(packet + 2);
    uint8_t *to = buffer + 8;

    if (which == 3)
        return INVALID_FIELD;
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (which == 2 ? features[i] == first : features[i] >= first)
            to += put_feature(drive, features[i], to);
    atapi_put32(buffer, (uint32_t)(to - buffer) - 4);
    atapi_put16(buffer + 6, profile(drive));
    return (int)(to - buffer);
}

int atapi_read_disc_information(const struct ide_drive *drive,
                                const uint8_t *packet, uint8_t *buffer)
{
    (void)drive;
    if (packet[1] & 7)
        return INVALID_FIELD;
    atapi_put16(buffer, 32);
    buffer[2] = 0x0e; /* last session and disc are complete */
    buffer[3] = buffer[4] = buffer[5] = buffer[6] = 1; /* tracks, sessions */
    buffer[7] = 0x20;                                  /* unrestricted use */
    return 34;
}

int atapi_mechanism_status(const struct ide_drive *drive, const uint8_t *packet,
                           uint8_t *buffer)
{
    (void)packet;
    buffer[1] = drive->tray_open ? 0x10 : 0;
    return 8;
}
