/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A guest that is saved and loaded a thousand times, each time by a program
 * whose blocks have other lengths, and between two saves resizes, moves and
 * writes them, against a model that holds each byte.  What does not fit, and
 * what was damaged, is refused and leaves the loading side as it was.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"
#include "xenram/migrate.h"
#include "xenram/ram.h"

#define PAGE XEN_RAM_PAGE_SIZE
#define ROUNDS 1000u
#define LOW_PAGES 8u
#define MAX_PAGES 12u
#define BLOCKS 6u
#define FIRST UINT64_C(0xe0000)
#define SLOT (2 * MAX_PAGES) /* gfns in which a block may move */

static const struct {
    const char *idstr;
    enum xen_ram_kind kind;
    unsigned flags;
} blocks[BLOCKS] = {
    {"vram", XEN_RAM_VISIBLE, 0},
    {"private-a", XEN_RAM_PRIVATE, 0},
    {"rom", XEN_RAM_VISIBLE, XEN_RAM_ROM},
    {"private-b", XEN_RAM_PRIVATE, 0},
    {"tables", XEN_RAM_VISIBLE, XEN_RAM_ROM},
    {"private-c", XEN_RAM_PRIVATE, 0},
};

struct model {
    uint64_t gfn, size;
    uint8_t bytes[MAX_PAGES * PAGE]; /* zero behind the last page */
};

struct timer {
    uint64_t count;
    uint32_t late; /* of a subsection */
};

/* What a program has for a block: how long, how long at most. */
struct shape {
    uint64_t size, max;
    bool fixed;
};

struct side {
    uint32_t domid;
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    struct xen_ram_block *blocks[BLOCKS];
    struct shape shapes[BLOCKS];
    struct timer timer;
};

struct world {
    struct model models[BLOCKS];
    struct timer timer;
    uint8_t low[LOW_PAGES * PAGE];
    uint32_t seed;
    unsigned refused, grown, shrunk;
};

static bool is_late(const void *state)
{
    return ((const struct timer *)state)->late != 0;
}

static const struct xen_migrate_field late_fields[] = {
    XEN_MIGRATE_FIELD(U32, timer, late),
    {0},
};

static const struct xen_migrate_state late = {
    .name = "timer/late",
    .version = 1,
    .minimum = 1,
    .fields = late_fields,
    .needed = is_late,
};

static const struct xen_migrate_state *const subsections[] = {&late, NULL};

static const struct xen_migrate_field timer_fields[] = {
    XEN_MIGRATE_FIELD(U64, timer, count),
    {0},
};

static const struct xen_migrate_state timer_saved = {
    .name = "timer",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct timer),
    .fields = timer_fields,
    .subsections = subsections,
};

static uint32_t below(struct world *world, uint32_t limit)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 17;
    world->seed ^= world->seed << 5;
    return world->seed % limit;
}

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

/* ---- a program and its guest ------------------------------------------- */

static void open_side(struct side *side, uint32_t domid,
                      enum xen_ram_phase phase)
{
    side->domid = domid;
    side->timer = (struct timer){0};
    assert_int_equal(xen_mapcache_open(domid, NULL, &side->cache), 0);
    assert_int_equal(xen_ram_open(domid, side->cache, &side->ram), 0);
    xen_ram_set_phase(side->ram, phase);
    for (unsigned i = 0; i < BLOCKS; i++) {
        const struct shape *shape = &side->shapes[i];
        bool private = blocks[i].kind == XEN_RAM_PRIVATE;
        const struct xen_ram_spec spec = {
            .idstr = blocks[i].idstr,
            .kind = blocks[i].kind,
            .flags = blocks[i].flags | (shape->fixed ? 0 : XEN_RAM_RESIZEABLE),
            .gfn = private ? XEN_RAM_NO_GFN : FIRST + i * SLOT,
            .size = shape->size,
            .max_length = shape->max,
        };

        assert_int_equal(xen_ram_alloc(side->ram, &spec, &side->blocks[i]), 0);
        /* What a program puts there before it loads has to go. */
        if (private)
            memset(xen_ram_host(side->blocks[i]), 0xd5, shape->size);
    }
}

static void close_side(struct side *side)
{
    xen_ram_close(side->ram);
    xen_mapcache_close(side->cache);
}

static void shape_blocks(struct world *world, struct side *side, bool roomy)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct shape *shape = &side->shapes[i];
        uint32_t pages = 1 + below(world, MAX_PAGES);

        shape->max = (roomy || below(world, 8) ? MAX_PAGES : pages) * PAGE;
        shape->size = 1 + below(world, (uint32_t)shape->max);
        if (below(world, 3) == 0 && world->models[i].size <= shape->max)
            shape->size = world->models[i].size;
        shape->fixed = !roomy && below(world, 24) == 0;
    }
}

static bool fits(const struct world *world, const struct side *side)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        const struct shape *shape = &side->shapes[i];

        if (world->models[i].size != shape->size &&
            (shape->fixed || round_up(world->models[i].size) > shape->max))
            return false;
    }
    return true;
}

static void check_block(const struct world *world, struct side *side,
                        unsigned i)
{
    const struct model *model = &world->models[i];
    struct xen_ram_block *block = side->blocks[i];
    uint8_t bytes[MAX_PAGES * PAGE];
    uint64_t used = round_up(model->size);

    assert_int_equal(xen_ram_size(block), model->size);
    assert_int_equal(xen_ram_used_length(block), used);
    assert_int_equal(xen_ram_gfn(block), model->gfn);
    assert_int_equal(xen_ram_read(side->ram, block, 0, bytes, used), 0);
    assert_memory_equal(bytes, model->bytes, used);
    if (blocks[i].kind == XEN_RAM_PRIVATE)
        return;
    fakexen_peek(side->domid, model->gfn * PAGE, bytes, used);
    assert_memory_equal(bytes, model->bytes, used);
    for (uint64_t page = 0; page < MAX_PAGES; page++) {
        enum fakexen_type type =
            blocks[i].flags & XEN_RAM_ROM ? FAKEXEN_RAM_RO : FAKEXEN_RAM_RW;

        assert_int_equal(fakexen_type(side->domid, model->gfn + page),
                         page < used / PAGE ? type : FAKEXEN_HOLE);
    }
}

static void check(const struct world *world, struct side *side)
{
    uint64_t pages = LOW_PAGES;
    uint8_t low[LOW_PAGES * PAGE];

    for (unsigned i = 0; i < BLOCKS; i++) {
        check_block(world, side, i);
        if (blocks[i].kind == XEN_RAM_VISIBLE)
            pages += round_up(world->models[i].size) / PAGE;
    }
    fakexen_peek(side->domid, 0, low, sizeof(low));
    assert_memory_equal(low, world->low, sizeof(low));
    assert_int_equal(fakexen_tot_pages(side->domid), pages);
    assert_int_equal(side->timer.count, world->timer.count);
    assert_int_equal(side->timer.late, world->timer.late);
}

/* ---- what happens between two saves ------------------------------------- */

static void resize(struct world *world, struct side *side, unsigned i)
{
    struct model *model = &world->models[i];
    const struct shape *shape = &side->shapes[i];
    uint64_t size = 1 + below(world, (uint32_t)shape->max);
    uint64_t used = round_up(model->size);

    if (shape->fixed)
        return;
    assert_int_equal(xen_ram_resize(side->ram, side->blocks[i], size), 0);
    if (size > model->size)
        memset(model->bytes + model->size, 0, size - model->size);
    if (round_up(size) < used)
        memset(model->bytes + round_up(size), 0, used - round_up(size));
    model->size = size;
}

static void relocate(struct world *world, struct side *side, unsigned i)
{
    uint64_t gfn = FIRST + i * SLOT + below(world, SLOT - MAX_PAGES);

    if (blocks[i].kind != XEN_RAM_VISIBLE)
        return;
    assert_int_equal(xen_ram_relocate(side->ram, side->blocks[i], gfn), 0);
    world->models[i].gfn = gfn;
}

/* Pages of zeroes too: a save leaves them out. */
static void write_some(struct world *world, struct side *side, unsigned i)
{
    struct model *model = &world->models[i];
    uint64_t used = round_up(model->size);
    uint64_t at = below(world, (uint32_t)used);
    size_t len = 1 + below(world, (uint32_t)(used - at));
    int value = below(world, 3) ? (int)below(world, 256) : 0;

    memset(model->bytes + at, value, len);
    assert_int_equal(
        xen_ram_write(side->ram, side->blocks[i], at, model->bytes + at, len),
        0);
}

static void live(struct world *world, struct side *side)
{
    xen_ram_set_phase(side->ram, XEN_RAM_RESET);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (below(world, 2))
            resize(world, side, i);
    }
    xen_ram_set_phase(side->ram, XEN_RAM_RUNNING);
    for (unsigned n = below(world, 8); n > 0; n--)
        write_some(world, side, below(world, BLOCKS));
    if (below(world, 4) == 0)
        relocate(world, side, below(world, BLOCKS));
    memset(world->low + below(world, LOW_PAGES) * PAGE, (int)below(world, 256),
           PAGE);
    fakexen_poke(side->domid, 0, world->low, sizeof(world->low));
    world->timer.count += below(world, 1000);
    world->timer.late = below(world, 2) * below(world, 1000);
    side->timer = world->timer;
}

/* ---- from one to the next ------------------------------------------------ */

static int save(struct world *world, struct side *side)
{
    const struct xen_migrate_device device = {&timer_saved, 0, &side->timer};
    const struct xen_migrate_options options = {.vmdesc = below(world, 2)};
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("state", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(
        xen_migrate_save(side->ram, &device, 1, &options, fd, error), 0);
    return fd;
}

static int load(struct side *side, int fd, char error[XEN_MIGRATE_ERROR_MAX])
{
    const struct xen_migrate_device device = {&timer_saved, 0, &side->timer};

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return xen_migrate_load(side->ram, &device, 1, NULL, fd, error);
}

static void check_untouched(struct side *side, uint64_t pages)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        const uint8_t *host = xen_ram_host(side->blocks[i]);
        uint64_t size = side->shapes[i].size;

        assert_int_equal(xen_ram_size(side->blocks[i]), size);
        assert_true(xen_ram_gfn(side->blocks[i]) == XEN_RAM_NO_GFN);
        for (uint64_t at = 0; host && at < round_up(size); at++)
            assert_int_equal(host[at], at < size ? 0xd5 : 0);
    }
    assert_int_equal(side->timer.count, 0);
    assert_int_equal(side->timer.late, 0);
    assert_int_equal(fakexen_tot_pages(side->domid), pages);
}

static void refuse(struct side *side, int fd)
{
    uint64_t pages = fakexen_tot_pages(side->domid);
    char error[XEN_MIGRATE_ERROR_MAX];

    assert_true(load(side, fd, error) < 0);
    assert_true(error[0] != '\0');
    assert_null(strchr(error, '\n'));
    check_untouched(side, pages);
}

/* Some bit flipped, and some end cut off. */
static void refuse_damaged(struct world *world, struct side *side, int good)
{
    off_t len = lseek(good, 0, SEEK_END);
    uint8_t *bytes = malloc((size_t)len);
    int bad = memfd_create("damaged", MFD_CLOEXEC);
    const uint8_t *description;
    size_t end, cut;

    assert_non_null(bytes);
    assert_true(bad >= 0);
    assert_int_equal(pread(good, bytes, (size_t)len, 0), len);
    /* The end of what is read: a description starts behind it. */
    description = memmem(bytes, (size_t)len, "{\"page_size\"", 12);
    end = description ? (size_t)(description - bytes) - 5 : (size_t)len;

    cut = below(world, (uint32_t)end);
    assert_int_equal(pwrite(bad, bytes, cut, 0), cut);
    refuse(side, bad);
    bytes[below(world, (uint32_t)end)] ^= (uint8_t)(1u << below(world, 8));
    assert_int_equal(pwrite(bad, bytes, (size_t)len, 0), len);
    refuse(side, bad);
    free(bytes);
    close(bad);
}

static void count_changes(struct world *world, const struct side *side)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        world->grown += world->models[i].size > side->shapes[i].size;
        world->shrunk += world->models[i].size < side->shapes[i].size;
    }
}

static void carry(struct world *world, struct side *from, struct side *to)
{
    uint32_t domid = from->domid == 1 ? 2 : 1;
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = save(world, from);
    int r;

    fakexen_create(&(struct fakexen_domain){.domid = domid});
    fakexen_copy_memory(domid, from->domid);
    shape_blocks(world, to, false);
    open_side(to, domid, XEN_RAM_LOADING);
    refuse_damaged(world, to, fd);
    if (!fits(world, to)) {
        refuse(to, fd);
        world->refused++;
        close_side(to);
        check(world, from); /* and goes on */
        shape_blocks(world, to, true);
        open_side(to, domid, XEN_RAM_LOADING);
    }
    count_changes(world, to);
    r = load(to, fd, error);
    if (r)
        fail_msg("%d: %s", r, error);
    check(world, to);
    close(fd);
    close_side(from);
    fakexen_destroy(from->domid);
}

static void a_guest_survives_a_thousand_saves(void **state)
{
    static struct world world = {.seed = 77003};
    static struct side sides[2];
    const struct fakexen_domain domain = {
        .domid = 1,
        .pages = LOW_PAGES,
        .maxmem = 1024,
    };

    (void)state;
    fakexen_reset();
    fakexen_fill_new_frames(0xee);
    fakexen_create(&domain);
    memset(world.low, 0x11, sizeof(world.low));
    for (unsigned i = 0; i < BLOCKS; i++)
        world.models[i].size = 1;
    shape_blocks(&world, &sides[0], true);
    open_side(&sides[0], 1, XEN_RAM_RESET);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct model *model = &world.models[i];

        model->size = sides[0].shapes[i].size;
        model->gfn = xen_ram_gfn(sides[0].blocks[i]);
        if (blocks[i].kind == XEN_RAM_PRIVATE)
            memset(model->bytes, 0xd5, model->size);
    }

    for (unsigned round = 0; round < ROUNDS; round++) {
        live(&world, &sides[round % 2]);
        check(&world, &sides[round % 2]);
        carry(&world, &sides[round % 2], &sides[(round + 1) % 2]);
    }
    assert_true(world.refused > ROUNDS / 10);
    assert_true(world.grown > ROUNDS);
    assert_true(world.shrunk > ROUNDS);
    close_side(&sides[ROUNDS % 2]);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_violations(), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_survives_a_thousand_saves),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
