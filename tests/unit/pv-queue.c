/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "dm/pv/queue.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/pv-env.h"

#define INDIRECT_PAGE (PV_PAGES - 1)

static void connect_as(struct pv_side *side, enum ring_layout layout,
                       unsigned order, bool persistent)
{
    pv_attach_image(&side->env, XVDA, "image", "w");
    side->front.layout = layout;
    side->front.order = order;
    side->front.persistent = persistent;
    pv_front_connect(&side->front);
}

/* ---- against a model -------------------------------------------------- */

/*
 * Several requests at a time, each of sectors of its own: the image is divided
 * into AREAS, of which each is in one request at most.
 */
#define AREAS 8u
#define AREA_SECTORS (PV_IMAGE_SECTORS / AREAS)
#define SECTORS_PER_PAGE 8u

struct planned {
    bool write;
    unsigned nr;
    uint64_t sector;
    struct pv_segment segments[QUEUE_MAX_SEGMENTS];
};

struct model {
    struct pv_front *front;
    uint8_t image[PV_IMAGE_SECTORS * 512];
    unsigned next_page;
};

static void plan(struct model *model, unsigned area, struct planned *planned)
{
    unsigned sectors = 0;

    planned->write = rand() % 2;
    planned->nr = 1 + (unsigned)rand() % QUEUE_MAX_SEGMENTS;
    if (rand() % 2)
        planned->nr = 1 + planned->nr % RING_DIRECT_SEGMENTS;
    /* Data pages of one batch are all different; some are next to others. */
    for (unsigned i = 0; i < planned->nr; i++) {
        struct pv_segment *segment = &planned->segments[i];

        segment->page = model->next_page++ % (PV_PAGES - AREAS);
        segment->first = (uint8_t)(rand() % SECTORS_PER_PAGE);
        segment->last =
            (uint8_t)(segment->first +
                      (unsigned)rand() % (SECTORS_PER_PAGE - segment->first));
        if (rand() % 2) {
            segment->first = 0;
            segment->last = SECTORS_PER_PAGE - 1;
        }
        sectors += segment->last - segment->first + 1u;
        if (planned->write)
            for (unsigned b = 0; b < 4096; b++)
                ((uint8_t *)pv_page(segment->page))[b] = (uint8_t)rand();
        else
            memset(pv_page(segment->page), 0xee, 4096);
    }
    assert_true(sectors <= AREA_SECTORS);
    planned->sector =
        area * AREA_SECTORS + (unsigned)rand() % (AREA_SECTORS - sectors + 1);
}

static void check(struct model *model, const struct planned *planned)
{
    uint8_t *image = model->image + planned->sector * 512;

    for (unsigned i = 0; i < planned->nr; i++) {
        const struct pv_segment *segment = &planned->segments[i];
        uint8_t *page = pv_page(segment->page), untouched[4096];
        size_t start = segment->first * 512u;
        size_t len = (segment->last - segment->first + 1u) * 512u;

        if (planned->write) {
            memcpy(image, page + start, len);
        } else {
            memset(untouched, 0xee, sizeof(untouched));
            assert_memory_equal(page + start, image, len);
            assert_memory_equal(page, untouched, start);
            assert_memory_equal(page + start + len, untouched,
                                4096 - start - len);
        }
        image += len;
    }
}

static void one_batch(struct model *model)
{
    struct planned planned[AREAS];
    unsigned nr = 1 + (unsigned)rand() % AREAS, seen = 0;

    for (unsigned i = 0; i < nr; i++) {
        plan(model, i, &planned[i]);
        pv_put_io(model->front,
                  planned[i].write ? BLKIF_OP_WRITE : BLKIF_OP_READ, i,
                  planned[i].sector, planned[i].segments, planned[i].nr,
                  PV_PAGES - AREAS + i);
    }
    pv_kick(model->front);
    for (unsigned i = 0; i < nr; i++) {
        struct pv_answer answer = pv_wait_answer(model->front);

        assert_true(answer.id < nr);
        assert_int_equal(answer.status, BLKIF_RSP_OKAY);
        assert_int_equal(answer.operation, planned[answer.id].write
                                               ? BLKIF_OP_WRITE
                                               : BLKIF_OP_READ);
        seen |= 1u << answer.id;
    }
    assert_int_equal(seen, (1u << nr) - 1);
    for (unsigned i = 0; i < nr; i++)
        check(model, &planned[i]);
}

static void random_requests_agree_with_a_model(void **state)
{
    static const struct {
        enum ring_layout layout;
        unsigned order;
        bool persistent;
    } kinds[] = {
        {RING_X86_64, 0, false}, {RING_X86_64, 0, true},
        {RING_X86_32, 0, false}, {RING_X86_32, 2, true},
        {RING_X86_64, 1, false}, {RING_X86_64, 2, true},
    };
    struct model *model = malloc(sizeof(*model));
    struct pv_side *side = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint8_t *image = malloc(sizeof(model->image));

        srand((unsigned)i);
        memset(model, 0, sizeof(*model));
        model->front = &side->front;
        connect_as(side, kinds[i].layout, kinds[i].order, kinds[i].persistent);
        for (unsigned batch = 0; batch < 100; batch++)
            one_batch(model);
        pv_read_image(&side->env, "image", image, 0, sizeof(model->image));
        assert_memory_equal(image, model->image, sizeof(model->image));
        free(image);

        pv_detach(XVDA, true);
        pv_wait_back(&side->env, XVDA, 6);
        pv_front_drop(&side->front);
        pv_remove(XVDA);
        pv_turn(&side->env);
        pv_side_teardown(state);
        pv_side_setup(state);
        side = *state;
    }
    free(model);
}

/* ---- the kinds of requests -------------------------------------------- */

static const struct pv_segment one_page[] = {{0, 0, 7}};

static void flush_and_discard_are_carried_out(void **state)
{
    struct pv_side *side = *state;
    struct pv_front *front = &side->front;
    struct ring_request request = {
        .operation = BLKIF_OP_DISCARD, .id = 5, .sector = 8, .nr_sectors = 8};
    uint8_t sector[512], zero[512] = {0};
    struct pv_answer answer;

    connect_as(side, RING_X86_64, 0, false);
    memset(pv_page(0), 0x11, 4096);
    assert_int_equal(pv_do(front, BLKIF_OP_WRITE, 8, one_page, 1), 0);
    assert_int_equal(pv_do(front, BLKIF_OP_FLUSH_DISKCACHE, 0, NULL, 0), 0);
    memset(pv_page(0), 0x22, 4096);
    /* A flush with data: a write behind a flush. */
    assert_int_equal(pv_do(front, BLKIF_OP_FLUSH_DISKCACHE, 16, one_page, 1),
                     0);
    pv_read_image(&side->env, "image", sector, 16 * 512, 512);
    assert_int_equal(sector[0], 0x22);

    pv_put(front, &request);
    pv_kick(front);
    answer = pv_wait_answer(front);
    assert_int_equal(answer.id, 5);
    assert_int_equal(answer.operation, BLKIF_OP_DISCARD);
    assert_int_equal(answer.status, BLKIF_RSP_OKAY);
    pv_read_image(&side->env, "image", sector, 8 * 512, 512);
    assert_memory_equal(sector, zero, 512);
    pv_front_drop(front);
}

static void what_was_never_offered_is_not_supported(void **state)
{
    static const uint8_t operations[] = {BLKIF_OP_WRITE_BARRIER,
                                         BLKIF_OP_RESERVED_1, 7, 99, 255};
    struct pv_side *side = *state;

    connect_as(side, RING_X86_64, 0, false);
    for (size_t i = 0; i < sizeof(operations); i++)
        assert_int_equal(pv_do(&side->front, operations[i], 0, one_page, 1),
                         BLKIF_RSP_EOPNOTSUPP);
    pv_front_drop(&side->front);
}

static void requests_that_make_no_sense_are_errors(void **state)
{
    static const struct {
        uint64_t sector;
        unsigned nr;
        struct pv_segment segment;
    } cases[] = {
        {0, 0, {0, 0, 7}},                    /* no data */
        {0, 1, {0, 5, 4}},                    /* ends before it starts */
        {0, 1, {0, 0, 8}},                    /* beyond the page */
        {0, 1, {0, 255, 255}},                /* far beyond it */
        {PV_IMAGE_SECTORS, 1, {0, 0, 0}},     /* behind the disk */
        {PV_IMAGE_SECTORS - 7, 1, {0, 0, 7}}, /* over its end */
        {UINT64_MAX, 1, {0, 0, 7}},           /* wraps */
        {UINT64_MAX / 512, 1, {0, 0, 7}},     /* wraps with its length */
        {UINT64_C(1) << 55, 1, {0, 0, 7}},    /* wraps as bytes */
    };
    struct pv_side *side = *state;
    struct disk_stats stats;

    connect_as(side, RING_X86_64, 0, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, cases[i].sector,
                               &cases[i].segment, cases[i].nr),
                         BLKIF_RSP_ERROR);
        assert_int_equal(pv_do(&side->front, BLKIF_OP_WRITE, cases[i].sector,
                               &cases[i].segment, cases[i].nr),
                         BLKIF_RSP_ERROR);
    }
    disk_get_stats(disks_find(side->env.disks, "xvda"), &stats);
    assert_true(stats.invalid_operations > 0);
    assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1), 0);
    pv_front_drop(&side->front);
}

static int put_raw(struct pv_side *side, const struct ring_request *request)
{
    pv_put(&side->front, request);
    pv_kick(&side->front);
    return pv_wait_answer(&side->front).status;
}

static void indirect_requests_are_bounded(void **state)
{
    struct pv_side *side = *state;
    struct ring_request request = {.operation = BLKIF_OP_INDIRECT};
    static const struct {
        uint8_t operation;
        uint16_t nr;
        int status;
    } cases[] = {
        {BLKIF_OP_READ, 0, BLKIF_RSP_ERROR},
        {BLKIF_OP_READ, QUEUE_MAX_SEGMENTS + 1, BLKIF_RSP_ERROR},
        {BLKIF_OP_WRITE, 65535, BLKIF_RSP_ERROR},
        {BLKIF_OP_INDIRECT, 1, BLKIF_RSP_EOPNOTSUPP},
        {BLKIF_OP_DISCARD, 1, BLKIF_RSP_EOPNOTSUPP},
        {BLKIF_OP_FLUSH_DISKCACHE, 1, BLKIF_RSP_EOPNOTSUPP},
    };

    connect_as(side, RING_X86_64, 0, false);
    request.indirect_refs[0] = side->front.refs[INDIRECT_PAGE];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request.indirect_operation = cases[i].operation;
        request.nr_segments = cases[i].nr;
        assert_int_equal(put_raw(side, &request), cases[i].status);
    }
    request.nr_segments = 255;
    request.operation = BLKIF_OP_READ;
    assert_int_equal(put_raw(side, &request), BLKIF_RSP_ERROR);
    pv_front_drop(&side->front);
}

static void wrong_grants_are_errors(void **state)
{
    struct pv_side *side = *state;
    struct ring_request request = {.nr_segments = 2};

    for (int persistent = 0; persistent < 2; persistent++) {
        connect_as(side, RING_X86_64, 0, persistent);
        request.operation = BLKIF_OP_READ;
        request.segments[0] = (struct ring_segment){side->front.refs[0], 0, 7};
        request.segments[1] = (struct ring_segment){12345, 0, 7};
        assert_int_equal(put_raw(side, &request), BLKIF_RSP_ERROR);
        request.operation = BLKIF_OP_WRITE;
        assert_int_equal(put_raw(side, &request), BLKIF_RSP_ERROR);
        request.operation = BLKIF_OP_INDIRECT;
        request.indirect_refs[0] = UINT32_MAX;
        assert_int_equal(put_raw(side, &request), BLKIF_RSP_ERROR);
        /* Read only: written from, never read to. */
        request.segments[1].ref = fakexen_grant(PV_DOMID, PV_GFN + 1, true);
        request.operation = BLKIF_OP_READ;
        assert_int_equal(put_raw(side, &request), BLKIF_RSP_ERROR);
        request.operation = BLKIF_OP_WRITE;
        assert_int_equal(put_raw(side, &request), BLKIF_RSP_OKAY);
        pv_front_drop(&side->front);
        pv_side_teardown(state);
        pv_side_setup(state);
        side = *state;
    }
}

static void a_disk_to_read_is_not_written(void **state)
{
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "r");
    pv_front_connect(&side->front);
    assert_string_equal(pv_back(XVDA, "info"), "4");
    assert_null(pv_back(XVDA, "feature-discard"));
    assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1), 0);
    assert_int_equal(pv_do(&side->front, BLKIF_OP_WRITE, 0, one_page, 1),
                     BLKIF_RSP_ERROR);
    pv_front_drop(&side->front);
}

/* ---- grants ----------------------------------------------------------- */

static void grants_that_stay_are_mapped_once(void **state)
{
    struct pv_side *side = *state;
    uint64_t maps;

    connect_as(side, RING_X86_64, 0, true);
    assert_int_equal(pv_do(&side->front, BLKIF_OP_WRITE, 0, one_page, 1), 0);
    maps = fakexen_calls(FAKEXEN_GNT_MAP);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1), 0);
    assert_int_equal(fakexen_calls(FAKEXEN_GNT_MAP), maps);
    assert_int_equal(fakexen_calls(FAKEXEN_GNT_COPY), 0);
    assert_int_equal(fakexen_grants_mapped(), 2);
    pv_front_drop(&side->front);
}

static void a_frontend_with_too_many_grants_is_served_by_copies(void **state)
{
    struct pv_side *side = *state;
    struct ring_request request = {.operation = BLKIF_OP_READ,
                                   .nr_segments = 1};

    connect_as(side, RING_X86_64, 0, true);
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t ref = fakexen_grant(PV_DOMID, PV_GFN + i % PV_PAGES, false);

        request.segments[0] = (struct ring_segment){ref, 0, 0};
        assert_int_equal(put_raw(side, &request), BLKIF_RSP_OKAY);
    }
    assert_true(fakexen_grants_mapped() < 1200);
    assert_true(fakexen_calls(FAKEXEN_GNT_COPY) > 800);
    pv_front_drop(&side->front);
}

static void more_data_than_pages_waits_its_turn(void **state)
{
    struct pv_side *side = *state;
    struct pv_segment segments[QUEUE_MAX_SEGMENTS];
    unsigned nr = 32;

    for (unsigned i = 0; i < QUEUE_MAX_SEGMENTS; i++)
        segments[i] = (struct pv_segment){i, 0, 7};
    connect_as(side, RING_X86_64, 0, false);
    for (unsigned i = 0; i < nr; i++)
        pv_put_io(&side->front, BLKIF_OP_READ, i, 0, segments,
                  QUEUE_MAX_SEGMENTS, INDIRECT_PAGE);
    pv_kick(&side->front);
    for (unsigned i = 0; i < nr; i++)
        assert_int_equal(pv_wait_answer(&side->front).status, 0);
    pv_front_drop(&side->front);
}

/* ---- events ----------------------------------------------------------- */

static void an_idle_ring_costs_nothing(void **state)
{
    struct pv_side *side = *state;
    uint64_t calls;

    connect_as(side, RING_X86_64, 0, false);
    assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1), 0);
    assert_true(fakexen_evtchn_rung(side->front.port));
    pv_turn(&side->env);
    calls = fakexen_calls(FAKEXEN_ANY);
    for (int i = 0; i < 100; i++)
        pv_turn(&side->env);
    assert_int_equal(fakexen_calls(FAKEXEN_ANY), calls);
    assert_false(fakexen_evtchn_rung(side->front.port));
    pv_front_drop(&side->front);
}

static void a_stopped_queue_takes_nothing_and_goes_on(void **state)
{
    struct pv_side *side = *state;
    struct pv_answer answer;

    connect_as(side, RING_X86_64, 0, false);
    for (uint64_t i = 0; i < 3; i++)
        pv_put_io(&side->front, BLKIF_OP_WRITE, i, 0, one_page, 1, 0);
    pv_kick(&side->front);
    /* Whatever was taken by now is answered by the end of stop. */
    uv_run(&side->env.loop, UV_RUN_NOWAIT);
    qdisk_stop(side->env.qdisk);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(pv_answer(&side->front, &answer));
        assert_int_equal(answer.status, 0);
    }
    pv_put_io(&side->front, BLKIF_OP_WRITE, 77, 0, one_page, 1, 0);
    pv_kick(&side->front);
    for (int i = 0; i < 20; i++)
        pv_turn(&side->env);
    assert_false(pv_answer(&side->front, &answer));
    qdisk_start(side->env.qdisk);
    assert_int_equal(pv_wait_answer(&side->front).id, 77);
    pv_front_drop(&side->front);
}

/* ---- a hostile frontend ----------------------------------------------- */

static void set_produced(struct pv_front *front, uint32_t value)
{
    front->produced = value;
    pv_kick(front);
}

static void indices_that_make_no_sense_end_the_ring_only(void **state)
{
    static const uint32_t jumps[] = {33, 1000, 0x80000000u, 0xffffffffu};
    struct pv_side *side = *state;
    struct pv_answer answer;

    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        connect_as(side, RING_X86_64, 0, false);
        assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1), 0);
        set_produced(&side->front, side->front.produced + jumps[i]);
        pv_turns(&side->env);
        assert_false(pv_answer(&side->front, &answer));
        /* It may connect anew. */
        pv_front_drop(&side->front);
        pv_set_front(XVDA, "state", "5");
        pv_wait_back(&side->env, XVDA, 5);
        pv_set_front(XVDA, "state", "6");
        pv_wait_back(&side->env, XVDA, 6);
        pv_set_front(XVDA, "state", "1");
        pv_front_connect(&side->front);
        assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1), 0);
        pv_front_drop(&side->front);
        pv_side_teardown(state);
        pv_side_setup(state);
        side = *state;
    }
}

/*
 * More requests than entries, all the time: others get their turns, and no more
 * is taken than may be under way.
 */
static void a_ring_that_is_always_full_does_not_hold_the_loop(void **state)
{
    struct pv_side *side = *state;
    struct ring_request request = {.operation = 99};
    unsigned seen = 0;
    struct pv_answer answer;

    connect_as(side, RING_X86_64, 0, false);
    for (unsigned i = 0; i < 32; i++)
        pv_put(&side->front, &request);
    pv_kick(&side->front);
    while (seen < 10000) {
        uv_run(&side->env.loop, UV_RUN_NOWAIT);
        while (pv_answer(&side->front, &answer)) {
            seen++;
            pv_put(&side->front, &request);
        }
        pv_kick(&side->front);
    }
    pv_front_drop(&side->front);
}

static void random_bytes_in_the_ring_do_no_harm(void **state)
{
    struct pv_side *side = *state;
    struct pv_answer answer;

    for (unsigned seed = 0; seed < 40; seed++) {
        uint8_t *ring;

        srand(seed);
        connect_as(side, seed % 2 ? RING_X86_32 : RING_X86_64, 0, seed % 4 < 2);
        ring = fakexen_host(PV_DOMID, side->front.ring_gfn);
        for (unsigned round = 0; round < 50; round++) {
            for (unsigned i = 64; i < 4096; i++)
                ring[i] = (uint8_t)(rand() % 4 ? rand() % 12 : rand());
            side->front.produced += (unsigned)rand() % 33;
            pv_kick(&side->front);
            pv_turn(&side->env);
            while (pv_answer(&side->front, &answer))
                ;
        }
        pv_front_drop(&side->front);
        pv_side_teardown(state);
        pv_side_setup(state);
        side = *state;
    }
}

/* ---- failures --------------------------------------------------------- */

static void any_call_to_xen_may_fail_while_requests_run(void **state)
{
    static const enum fakexen_kind kinds[] = {FAKEXEN_GNT_MAP,
                                              FAKEXEN_GNT_COPY};
    struct pv_side *side = *state;

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (unsigned nth = 1; nth <= 4; nth++) {
            connect_as(side, RING_X86_64, 0, nth % 2);
            fakexen_fail(kinds[k], nth, 1, ENOMEM);
            for (uint64_t i = 0; i < 4; i++)
                pv_put_io(&side->front, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE,
                          i, 0, one_page, 1, 0);
            pv_kick(&side->front);
            for (int i = 0; i < 4; i++)
                (void)pv_wait_answer(&side->front);
            fakexen_fail(kinds[k], 1, 1, 0);
            assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, one_page, 1),
                             0);
            pv_front_drop(&side->front);
            pv_side_teardown(state);
            pv_side_setup(state);
            side = *state;
        }
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, pv_side_setup, pv_side_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_requests_agree_with_a_model),
        TEST(flush_and_discard_are_carried_out),
        TEST(what_was_never_offered_is_not_supported),
        TEST(requests_that_make_no_sense_are_errors),
        TEST(indirect_requests_are_bounded),
        TEST(wrong_grants_are_errors),
        TEST(a_disk_to_read_is_not_written),
        TEST(grants_that_stay_are_mapped_once),
        TEST(a_frontend_with_too_many_grants_is_served_by_copies),
        TEST(more_data_than_pages_waits_its_turn),
        TEST(an_idle_ring_costs_nothing),
        TEST(a_stopped_queue_takes_nothing_and_goes_on),
        TEST(indices_that_make_no_sense_end_the_ring_only),
        TEST(a_ring_that_is_always_full_does_not_hold_the_loop),
        TEST(random_bytes_in_the_ring_do_no_harm),
        TEST(any_call_to_xen_may_fail_while_requests_run),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
