/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/hw/ide/ide.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a load says to a transfer of the first drive of a channel. */
static int check(unsigned channel, enum ide_kind kind,
                 const struct ide_transfer *transfer)
{
    struct ide *ide = calloc(1, sizeof(*ide));
    char text[256] = "";
    int ret;

    assert_non_null(ide);
    ide->channels[channel].transfer = *transfer;
    ide->channels[channel].drives[0].kind = (uint8_t)kind;
    ide->channels[channel].drives[0].built = (uint8_t)kind;
    ret = ide_saved.check(ide, text, sizeof(text));
    assert_int_equal(ret != 0, text[0] != '\0');
    free(ide);
    return ret;
}

#define BYTES(at_, end_, filled_, block_)                                      \
    .at = (at_), .end = (end_), .filled = (filled_), .block = (block_)

static void transfers_that_can_be_are_taken(void **state)
{
    static const struct {
        enum ide_kind kind;
        struct ide_transfer transfer;
    } cases[] = {
        {IDE_NONE, {.phase = IDE_IDLE}},
        {IDE_DISK,
         {.phase = IDE_DATA_IN, BYTES(0, 512, 8192, 512), .left = 16}},
        {IDE_DISK,
         {.phase = IDE_DATA_OUT,
          .write = true,
          BYTES(511, 512, 512, 512),
          .left = 1}},
        {IDE_DISK,
         {.phase = IDE_DATA_IN, .source = IDE_REPLY, BYTES(0, 512, 512, 512)}},
        {IDE_DISK, {.phase = IDE_DMA, .left = 65536}},
        {IDE_CDROM,
         {.phase = IDE_DATA_OUT, .source = IDE_PACKET, BYTES(4, 12, 12, 12)}},
        {IDE_CDROM,
         {.phase = IDE_DATA_IN,
          .source = IDE_PACKET_SECTORS,
          BYTES(2, 4, 2048, 2),
          .left = 4}},
        {IDE_CDROM,
         {.phase = IDE_DMA,
          .source = IDE_PARAMETERS,
          .write = true,
          .filled = 8}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned channel = 0; channel < IDE_NR_CHANNELS; channel++)
            assert_int_equal(check(channel, cases[i].kind, &cases[i].transfer),
                             0);
}

static void transfers_that_cannot_be_are_refused(void **state)
{
    static const struct {
        enum ide_kind kind;
        struct ide_transfer transfer;
    } cases[] = {
        /* of no drive, of one of the other kind, of the other unit */
        {IDE_NONE, {.phase = IDE_DMA, .left = 1}},
        {IDE_CDROM, {.phase = IDE_DMA, .left = 1}},
        {IDE_DISK, {.phase = IDE_DMA, .left = 1, .unit = 1}},
        {IDE_DISK,
         {.phase = IDE_DATA_OUT, .source = IDE_PACKET, BYTES(0, 12, 12, 12)}},
        {IDE_DISK, {.phase = IDE_DMA, .source = IDE_PACKET_SECTORS, .left = 4}},
        /* in the wrong direction */
        {IDE_DISK,
         {.phase = IDE_DATA_IN,
          .write = true,
          BYTES(0, 512, 512, 512),
          .left = 1}},
        {IDE_DISK, {.phase = IDE_DATA_OUT, BYTES(0, 512, 512, 512), .left = 1}},
        {IDE_CDROM,
         {.phase = IDE_DATA_IN, .source = IDE_PACKET, BYTES(0, 12, 12, 12)}},
        {IDE_CDROM,
         {.phase = IDE_DMA,
          .source = IDE_PACKET_SECTORS,
          .write = true,
          .left = 4}},
        /* by a way that it does not go */
        {IDE_CDROM, {.phase = IDE_DMA, .source = IDE_PACKET, .filled = 12}},
        {IDE_DISK, {.phase = IDE_DMA, .source = IDE_REPLY, .filled = 512}},
        {IDE_DISK, {.phase = IDE_BUSY, .left = 0}},
        /* with nothing left to move, or places that are out of order */
        {IDE_DISK, {.phase = IDE_DMA, .left = 0}},
        {IDE_CDROM,
         {.phase = IDE_DMA, .source = IDE_PACKET_REPLY, BYTES(8, 8, 8, 8)}},
        {IDE_DISK,
         {.phase = IDE_DATA_IN, BYTES(512, 512, 512, 512), .left = 1}},
        {IDE_DISK,
         {.phase = IDE_DATA_IN, BYTES(600, 512, 1024, 512), .left = 2}},
        {IDE_DISK, {.phase = IDE_DATA_IN, BYTES(0, 1024, 512, 512), .left = 1}},
        {IDE_DISK, {.phase = IDE_DATA_IN, BYTES(0, 512, 512, 0), .left = 1}},
        {IDE_DISK, {.phase = IDE_DATA_IN, BYTES(0, 512, 1000, 512), .left = 2}},
        {IDE_DISK, {.phase = IDE_DATA_IN, BYTES(0, 512, 1024, 512), .left = 1}},
        {IDE_CDROM,
         {.phase = IDE_DATA_IN,
          .source = IDE_PACKET_SECTORS,
          BYTES(0, 512, 512, 512),
          .left = 4}},
        {IDE_CDROM,
         {.phase = IDE_DATA_OUT, .source = IDE_PACKET, BYTES(0, 12, 14, 12)}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned channel = 0; channel < IDE_NR_CHANNELS; channel++)
            assert_int_equal(check(channel, cases[i].kind, &cases[i].transfer),
                             -EINVAL);
}

static void a_block_is_a_power_of_two_of_sectors(void **state)
{
    struct ide *ide = calloc(1, sizeof(*ide));
    char text[256];

    (void)state;
    assert_non_null(ide);
    for (unsigned n = 0; n <= IDE_MAX_MULTIPLE; n++) {
        ide->channels[1].drives[1].multiple = (uint8_t)n;
        assert_int_equal(ide_saved.check(ide, text, sizeof(text)) == 0,
                         (n & (n - 1)) == 0);
    }
    free(ide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_that_can_be_are_taken),
        cmocka_unit_test(transfers_that_cannot_be_are_refused),
        cmocka_unit_test(a_block_is_a_power_of_two_of_sectors),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
