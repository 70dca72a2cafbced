/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Random reads and writes of two disks, by every way there is, against a model
 * of what is on them: no sector is lost, doubled or stale.  Meanwhile the guest
 * moves to other machines and exchanges frames under its buffers.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xenram/mapcache.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/ide-guest.h"

#define STEPS 600
#define MOST 48u /* sectors of a command */
#define MAX_PIECES 300u
#define BUFFER_PAGES 64u

static uint32_t seed;
static uint8_t *model[2];
static bool may_leave; /* for another machine */

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

struct job {
    unsigned unit, nr, block;
    uint64_t lba;
    bool write;
    struct ata ata;
};

/* ---- by DMA ---- */

struct pieces {
    uint32_t addresses[MAX_PIECES], lengths[MAX_PIECES];
    unsigned nr;
};

/* Even lengths, most of them whole pages, in an order of their own. */
static void cut(struct pieces *pieces, uint32_t bytes)
{
    uint32_t at = 0;

    pieces->nr = 0;
    while (bytes > 0) {
        uint32_t len = draw(3) ? 4096 : 2 + 2 * draw(1000);

        if (len > bytes || pieces->nr == MAX_PIECES - 1)
            len = bytes;
        pieces->addresses[pieces->nr] = DATA + at;
        pieces->lengths[pieces->nr++] = len;
        at += len + (draw(2) ? 0 : 2 * draw(100));
        bytes -= len;
    }
    for (unsigned i = 0; i + 1 < pieces->nr && draw(2); i += 2) {
        uint32_t address = pieces->addresses[i];
        uint32_t length = pieces->lengths[i];

        pieces->addresses[i] = pieces->addresses[i + 1];
        pieces->lengths[i] = pieces->lengths[i + 1];
        pieces->addresses[i + 1] = address;
        pieces->lengths[i + 1] = length;
    }
}

static void move(const struct pieces *pieces, uint8_t *data, bool to_guest)
{
    for (unsigned i = 0; i < pieces->nr; i++) {
        if (to_guest)
            memory_write(pieces->addresses[i], data, pieces->lengths[i]);
        else
            memory_read(pieces->addresses[i], data, pieces->lengths[i]);
        data += pieces->lengths[i];
    }
}

static void run_dma(struct job *job, uint8_t *data)
{
    static struct pieces pieces;

    cut(&pieces, job->nr * 512);
    dma_table(pieces.addresses, pieces.lengths, pieces.nr);
    if (job->write)
        move(&pieces, data, true);
    ata(&job->ata);
    dma_start(!job->write);
    assert_int_equal(dma_status(), BM_INTERRUPT);
    dma_stop();
    assert_int_equal(inb(R_STATUS), ST_READY);
    if (!job->write)
        move(&pieces, data, false);
}

/* ---- by PIO ---- */

static void run_pio(struct job *job, uint8_t *data)
{
    uint32_t stop = !may_leave || draw(8) ? UINT32_MAX : draw(job->nr);

    assert_int_equal(ata(&job->ata) & (ST_DRQ | ST_ERR), ST_DRQ);
    for (unsigned at = 0; at < job->nr; at += job->block) {
        unsigned nr = job->nr - at < job->block ? job->nr - at : job->block;

        if (job->write)
            pio_out(data + at * 512, nr * 512, nr * 512);
        else
            pio_in(data + at * 512, nr * 512, nr * 512);
        inb(R_STATUS);
        if (at <= stop && stop < at + job->block)
            guest_restore();
    }
    assert_int_equal(inb(R_STATUS), ST_READY);
}

/* ---- any of them ---- */

/* write, extended, block of 16 (else 1), DMA: the command. */
static const struct {
    bool write, extended, many, dma;
    uint8_t command;
} ways[] = {
    {false, false, false, false, 0x20}, {false, true, false, false, 0x24},
    {false, false, true, false, 0xc4},  {false, true, true, false, 0x29},
    {false, false, false, true, 0xc8},  {false, true, false, true, 0x25},
    {true, false, false, false, 0x30},  {true, true, false, false, 0x34},
    {true, false, true, false, 0xc5},   {true, true, true, false, 0x39},
    {true, false, false, true, 0xca},   {true, true, false, true, 0x35},
    {true, true, false, true, 0x3d},
};

static void run_job(uint8_t *data)
{
    unsigned way = draw(sizeof(ways) / sizeof(ways[0]));
    struct job job = {
        .unit = draw(2),
        .nr = 1 + draw(MOST),
        .block = ways[way].many ? 16 : 1,
        .lba = draw(IMAGE_SECTORS - MOST),
        .write = ways[way].write,
    };
    uint8_t *sectors = model[job.unit] + job.lba * 512;

    job.ata = (struct ata){.command = ways[way].command,
                           .lba = job.lba,
                           .count = job.nr,
                           .extended = ways[way].extended,
                           .unit = job.unit};
    for (unsigned i = 0; job.write && i < job.nr * 512; i++)
        sectors[i] = data[i] = (uint8_t)draw(256);
    if (ways[way].dma)
        run_dma(&job, data);
    else
        run_pio(&job, data);
    if (!job.write)
        assert_memory_equal(data, sectors, job.nr * 512);
}

/* Content goes along, as when a guest's memory is compacted. */
static void exchange_frames(void)
{
    uint64_t gfn = DATA / 4096 + draw(BUFFER_PAGES);
    uint64_t other = DATA / 4096 + draw(BUFFER_PAGES);

    if (gfn == other)
        return;
    fakexen_swap(guest.options.domid, gfn, other);
    xen_mapcache_invalidate(guest.board.machine.cache);
}

static void disks_hold_what_was_written(void **state)
{
    static uint8_t data[MOST * 512], image[IMAGE_SECTORS * 512];
    void *pinned = NULL;

    (void)state;
    for (unsigned i = 0; i < STEPS; i++) {
        may_leave = draw(40) > 0;
        if (!may_leave) {
            struct xen_mapcache *cache = guest.board.machine.cache;

            /* Another's request, with the frames of this moment. */
            assert_int_equal(xen_mapcache_pin(cache, DATA, 4096, &pinned), 0);
            exchange_frames();
            run_job(data);
            xen_mapcache_unpin(guest.board.machine.cache, pinned, 4096);
        } else {
            exchange_frames();
            run_job(data);
        }
    }
    for (unsigned unit = 0; unit < 2; unit++) {
        image_read(unit, 0, image, IMAGE_SECTORS);
        assert_memory_equal(image, model[unit], sizeof(image));
    }
}

static int setup(void **state)
{
    (void)state;
    guest_begin("dd--");
    map_bus_master();
    for (unsigned unit = 0; unit < 2; unit++) {
        model[unit] = malloc(IMAGE_SECTORS * 512u);
        assert_non_null(model[unit]);
        fill_sectors(model[unit], 0, IMAGE_SECTORS, 0);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned unit = 0; unit < 2; unit++)
        free(model[unit]);
    guest_end();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(disks_hold_what_was_written, setup,
                                        teardown),
    };

    seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
