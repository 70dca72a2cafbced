/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Random operations on a list of blocks, some with a call of Xen that fails,
 * against a model that holds each byte.  After each operation the blocks, their
 * content, the guest's p2m and its page count are those of the model.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define DOMID 4u
#define PAGE 4096u
#define MAX_PAGES 24u
#define BLOCKS 5u
#define FIRST UINT64_C(0xe0000) /* gfns that blocks may have */
#define SPAN 160u
#define OPERATIONS 2500u

struct model {
    struct xen_ram_block *block; /* NULL: none */
    bool visible;
    unsigned flags;
    uint64_t gfn, size, max_pages;
    uint8_t bytes[MAX_PAGES * PAGE];
};

struct world {
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    struct model models[BLOCKS];
    uint64_t tot;
    uint32_t seed;
    bool injected;
    unsigned done, failed;
};

static uint32_t below(struct world *world, uint32_t limit)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 17;
    world->seed ^= world->seed << 5;
    return world->seed % limit;
}

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE;
}

static bool overlaps(const struct world *world, const struct model *except,
                     uint64_t gfn, uint64_t nr)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        const struct model *m = &world->models[i];

        if (m != except && m->block && m->visible &&
            gfn < m->gfn + pages_of(m->size) && m->gfn < gfn + nr)
            return true;
    }
    return false;
}

/*
 * One call fails.  Those that give memory back are left alone: what a failed
 * way back would leave is nobody's promise.
 */
static void inject(struct world *world)
{
    static const enum fakexen_kind kinds[] = {
        FAKEXEN_POPULATE, FAKEXEN_BUFFER,   FAKEXEN_MAP,
        FAKEXEN_MEM_TYPE, FAKEXEN_RELOCATE,
    };
    enum fakexen_kind kind = kinds[below(world, 5)];

    world->injected = below(world, 3) == 0;
    if (world->injected)
        fakexen_fail(kind, 1 + below(world, 6), 1, ENOMEM);
}

static void disarm(void)
{
    for (int kind = 0; kind < FAKEXEN_NR_KINDS; kind++)
        fakexen_fail((enum fakexen_kind)kind, 1, 1, 0);
}

/* An operation gave rc; expected is what it must give with a healthy Xen. */
static bool succeeded(struct world *world, int rc, int expected)
{
    disarm();
    if (rc != expected && !(world->injected && rc < 0)) {
        fail_msg("operation %u: %d instead of %d: %s", world->done, rc,
                 expected, xen_ram_error(world->ram));
    }
    if (rc) {
        assert_true(xen_ram_error(world->ram)[0] != '\0');
        world->failed++;
    }
    return rc == 0;
}

static void do_alloc(struct world *world, struct model *m)
{
    char name[8] = "block-?";
    struct xen_ram_spec spec = {.idstr = name};
    struct xen_ram_block *block;
    uint64_t max;
    int expected = 0;

    name[6] = (char)('0' + (m - world->models));
    max = 1 + below(world, MAX_PAGES);
    spec.size = 1 + below(world, (uint32_t)max * PAGE);
    spec.max_length = max * PAGE;
    spec.flags = below(world, 4) ? XEN_RAM_RESIZEABLE : 0;
    spec.kind = below(world, 4) ? XEN_RAM_VISIBLE : XEN_RAM_PRIVATE;
    spec.gfn = XEN_RAM_NO_GFN;
    if (spec.kind == XEN_RAM_VISIBLE) {
        spec.gfn = FIRST + below(world, SPAN - MAX_PAGES);
        spec.flags |= below(world, 3) ? 0 : XEN_RAM_ROM;
        expected = overlaps(world, NULL, spec.gfn, max) ? -EEXIST : 0;
    }
    inject(world);
    if (succeeded(world, xen_ram_alloc(world->ram, &spec, &block), expected)) {
        *m = (struct model){
            .block = block,
            .visible = spec.kind == XEN_RAM_VISIBLE,
            .flags = spec.flags,
            .gfn = spec.gfn,
            .size = spec.size,
            .max_pages = max,
        };
    }
}

static void do_resize(struct world *world, struct model *m)
{
    uint64_t size = below(world, MAX_PAGES * PAGE);
    uint64_t used = pages_of(m->size) * PAGE;
    int expected = 0;

    xen_ram_set_phase(world->ram,
                      below(world, 8) ? XEN_RAM_RESET : XEN_RAM_RUNNING);
    if (xen_ram_get_phase(world->ram) == XEN_RAM_RUNNING)
        expected = -EPERM;
    else if (size == 0 || (size != m->size && !(m->flags & XEN_RAM_RESIZEABLE)))
        expected = -EINVAL;
    else if (size > m->max_pages * PAGE)
        expected = -E2BIG;
    else if (m->visible && size > m->size &&
             overlaps(world, m, m->gfn, pages_of(size)))
        expected = -EEXIST;
    inject(world);
    if (succeeded(world, xen_ram_resize(world->ram, m->block, size),
                  expected)) {
        if (size > m->size) {
            memset(m->bytes + m->size, 0, size - m->size);
            if (size > used)
                memset(m->bytes + used, 0, pages_of(size) * PAGE - used);
        }
        m->size = size;
    }
    xen_ram_set_phase(world->ram, XEN_RAM_RESET);
}

static void do_relocate(struct world *world, struct model *m)
{
    uint64_t gfn = FIRST + below(world, SPAN - MAX_PAGES);
    int expected = 0;

    if (m->visible && below(world, 2))
        gfn = m->gfn + below(world, 5) - 2;
    if (!m->visible)
        expected = -EINVAL;
    else if (overlaps(world, m, gfn, pages_of(m->size)))
        expected = -EEXIST;
    inject(world);
    if (succeeded(world, xen_ram_relocate(world->ram, m->block, gfn), expected))
        m->gfn = gfn;
}

static void do_write(struct world *world, struct model *m)
{
    uint8_t bytes[3 * PAGE];
    uint64_t used = pages_of(m->size) * PAGE;
    uint64_t offset = below(world, MAX_PAGES * PAGE);
    size_t len = 1 + below(world, sizeof(bytes));
    int expected = offset <= used && len <= used - offset ? 0 : -ERANGE;

    memset(bytes, (int)(1 + below(world, 255)), len);
    assert_int_equal(xen_ram_write(world->ram, m->block, offset, bytes, len),
                     expected);
    if (expected == 0)
        memcpy(m->bytes + offset, bytes, len);
}

static void check_p2m(const struct world *world)
{
    for (uint64_t gfn = FIRST - 4; gfn < FIRST + SPAN + 4; gfn++) {
        enum fakexen_type expected = FAKEXEN_HOLE;

        for (unsigned i = 0; i < BLOCKS; i++) {
            const struct model *m = &world->models[i];

            if (m->block && m->visible && gfn >= m->gfn &&
                gfn - m->gfn < pages_of(m->size)) {
                expected =
                    m->flags & XEN_RAM_ROM ? FAKEXEN_RAM_RO : FAKEXEN_RAM_RW;
            }
        }
        assert_int_equal(fakexen_type(DOMID, gfn), expected);
    }
}

static void check(struct world *world)
{
    static uint8_t bytes[MAX_PAGES * PAGE];
    uint64_t charged = 0, used;
    unsigned blocks = 0, listed = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        const struct model *m = &world->models[i];

        if (!m->block)
            continue;
        blocks++;
        used = pages_of(m->size) * PAGE;
        charged += m->visible ? pages_of(m->size) : 0;
        assert_int_equal(xen_ram_size(m->block), m->size);
        assert_int_equal(xen_ram_used_length(m->block), used);
        assert_int_equal(xen_ram_gfn(m->block), m->gfn);
        assert_int_equal(xen_ram_read(world->ram, m->block, 0, bytes, used), 0);
        assert_memory_equal(bytes, m->bytes, used);
    }
    for (struct xen_ram_block *b = NULL;
         (b = xen_ram_next(world->ram, b)) != NULL;)
        listed++;
    assert_int_equal(listed, blocks);
    check_p2m(world);
    assert_int_equal(fakexen_tot_pages(DOMID), world->tot + charged);
    assert_int_equal(fakexen_violations(), 0);
}

static void operate(struct world *world)
{
    struct model *m = &world->models[below(world, BLOCKS)];

    if (!m->block) {
        do_alloc(world, m);
        return;
    }
    switch (below(world, 10)) {
    case 0:
        xen_ram_free(world->ram, m->block);
        m->block = NULL;
        break;
    case 1:
    case 2:
    case 3:
        do_resize(world, m);
        break;
    case 4:
    case 5:
        do_relocate(world, m);
        break;
    case 6:
        xen_mapcache_invalidate(world->cache);
        break;
    default:
        do_write(world, m);
    }
    xen_mapcache_quiescent();
}

static void blocks_are_what_the_model_says(void **state)
{
    static struct world world = {.seed = 20071};
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = 256, .maxmem = 1024};
    struct xen_mapcache_options options = {.chunk = 16 * PAGE,
                                           .budget = 64 * PAGE};

    (void)state;
    fakexen_reset();
    fakexen_create(&domain);
    fakexen_fill_new_frames(0xee);
    world.tot = fakexen_tot_pages(DOMID);
    assert_int_equal(xen_mapcache_open(DOMID, &options, &world.cache), 0);
    assert_int_equal(xen_ram_open(DOMID, world.cache, &world.ram), 0);
    for (; world.done < OPERATIONS; world.done++) {
        operate(&world);
        check(&world);
    }
    assert_true(world.failed > OPERATIONS / 20);
    xen_ram_close(world.ram);
    xen_mapcache_close(world.cache);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_handles(), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_what_the_model_says),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
