/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A block frontend that does what it likes with its ring, its grants and its
 * keys in xenstore, while a toolstack attaches and detaches its disk.  The
 * first byte says how it connects, then come steps of a byte and arguments.
 */

#include <stdint.h>

#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "tests/fakexen/fakexen.h"
#include "tests/fuzz/board.h"
#include "tests/fuzz/input.h"
#include "tests/unit/pv-env.h"

#define STEPS_MAX 200u
#define INDIRECT_PAGE 300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Most are grants of pages; 255 is any number. */
static uint32_t take_ref(struct input *input, const struct pv_front *front)
{
    uint8_t which = (uint8_t)take(input, 1);

    return which == 255 ? (uint32_t)take(input, 4) : front->refs[which];
}

static void put_request(struct input *input, struct pv_front *front)
{
    struct ring_request request = {.operation = (uint8_t)take(input, 1)};
    struct blkif_request_segment *table = pv_page(INDIRECT_PAGE);
    unsigned given;

    request.id = take(input, 1);
    request.sector = take(input, 2);
    if (request.sector == 0xffff)
        request.sector = take(input, 8);
    request.nr_segments = (uint16_t)take(input, 1);
    request.indirect_operation = (uint8_t)take(input, 1);
    request.nr_sectors = take(input, 2);
    request.indirect_refs[0] = front->refs[INDIRECT_PAGE];
    given = (unsigned)take(input, 1) % 65;
    for (unsigned i = 0; i < given; i++) {
        struct ring_segment segment = {.ref = take_ref(input, front)};
        uint8_t sectors = (uint8_t)take(input, 1);

        segment.first = sectors & 15;
        segment.last = sectors >> 4;
        table[i] = (struct blkif_request_segment){segment.ref, segment.first,
                                                  segment.last};
        if (i < RING_DIRECT_SEGMENTS)
            request.segments[i] = segment;
    }
    pv_put(front, &request);
}

static void scribble(struct input *input, struct pv_front *front)
{
    uint64_t page = take(input, 1) % (1u << front->order);
    uint8_t *ring = fakexen_host(PV_DOMID, front->ring_gfn + page);
    unsigned at = (unsigned)take(input, 2) % RING_PAGE;
    unsigned len = (unsigned)take(input, 1);

    for (; len > 0 && at < RING_PAGE; len--)
        ring[at++] = (uint8_t)take(input, 1);
}

static const char *take_word(struct input *input)
{
    static const char *const words[] = {
        "0", "1",  "2",          "3",          "4",          "5",   "6",
        "8", "99", "4294967295", "x86_32-abi", "x86_64-abi", "arm", "",
    };

    return words[take(input, 1) % (sizeof(words) / sizeof(words[0]))];
}

static void set_front(struct input *input)
{
    static const char *const keys[] = {
        "state",         "state",     "ring-ref",           "ring-ref0",
        "event-channel", "protocol",  "ring-page-order",    "ring-ref1",
        "ring-ref2",     "ring-ref3", "feature-persistent", "nothing",
    };
    const char *key = keys[take(input, 1) % (sizeof(keys) / sizeof(keys[0]))];

    pv_set_front(XVDA, key, take_word(input));
}

static void set_back(struct input *input)
{
    static const char *const keys[] = {"state", "online", "mode", "params"};
    const char *key = keys[take(input, 1) % (sizeof(keys) / sizeof(keys[0]))];

    if (pv_back(XVDA, "online"))
        pv_set_back(XVDA, key, take_word(input));
}

static void reconnect(struct pv_front *front)
{
    pv_front_drop(front);
    pv_front_publish(front);
    pv_set_front(XVDA, "state", "3");
}

/* It may have scribbled over the number of answers: not all of 2^32. */
static void take_answers(struct pv_front *front)
{
    struct pv_answer answer;

    for (unsigned i = 0; i < front->size && pv_answer(front, &answer); i++)
        continue;
}

static void step(struct input *input, struct pv_front *front)
{
    struct pv_env *env = front->env;

    switch (take(input, 1) % 12) {
    case 0:
    case 1:
        put_request(input, front);
        break;
    case 2:
        pv_kick(front);
        break;
    case 3:
        pv_turn(env);
        take_answers(front);
        break;
    case 4:
        scribble(input, front);
        break;
    case 5:
        front->produced += (uint32_t)take(input, 1);
        break;
    case 6:
        set_front(input);
        break;
    case 7:
        set_back(input);
        break;
    case 8:
        fakexen_end_grant(take_ref(input, front));
        break;
    case 9:
        qdisk_stop(env->qdisk);
        break;
    case 10:
        qdisk_start(env->qdisk);
        break;
    case 11:
        reconnect(front);
        break;
    }
}

static void turns(struct pv_env *env)
{
    for (int i = 0; i < 3; i++)
        pv_turn(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct pv_env env;
    struct pv_front front = {.env = &env, .devid = XVDA};
    uint8_t how = (uint8_t)take(&input, 1);

    pv_env_open(&env);
    front.layout = how & 1 ? RING_X86_32 : RING_X86_64;
    front.persistent = how & 2;
    front.order = (how >> 2) % (RING_MAX_ORDER + 1);
    pv_attach_image(&env, XVDA, "image", "w");
    turns(&env);
    pv_front_publish(&front);
    pv_set_front(XVDA, "state", "3");
    turns(&env);
    for (unsigned i = 0; i < STEPS_MAX && input.left > 0; i++)
        step(&input, &front);
    pv_remove(XVDA);
    turns(&env);
    pv_front_drop(&front);
    expect(fakexen_grants_mapped() == 0);
    expect(!disks_next(env.disks, NULL));
    pv_env_close(&env);
    return 0;
}
