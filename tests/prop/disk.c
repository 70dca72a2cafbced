/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Random requests, many at a time, to two disks that show one image, against a
 * model that holds a number for each sector.  Requests that are in flight
 * together do not touch what another of them writes: the order of such is
 * nobody's promise.  Disks are drained, given up, closed and opened meanwhile.
 * The number of steps is the first argument.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/disk-env.h"

#define SECTORS (IMAGE_BYTES / DISK_SECTOR)
#define WORDS (DISK_SECTOR / sizeof(uint32_t))
#define MOST_SECTORS 260u /* some reads are too long to be tried at once */
#define PAGE_SECTORS 8u
#define DEPTH 24u
#define MAX_IOV 6u

static unsigned long steps = 4000;

struct slot {
    struct disk_request request;
    struct iovec iov[MAX_IOV];
    uint32_t *buffer; /* MOST_SECTORS */
    struct world *world;
    uint32_t number; /* that it writes */
    bool busy;
};

struct world {
    struct disk_env *env;
    uint32_t seed, numbers;
    uint32_t model[SECTORS];
    struct disk *disks[2];
    struct slot slots[DEPTH];
    uint64_t ended;
};

static uint32_t any(struct world *world, uint32_t limit)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 17;
    world->seed ^= world->seed << 5;
    return world->seed % limit;
}

static void check_sectors(const struct world *world, const uint32_t *words,
                          uint64_t first, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++)
        for (size_t word = 0; word < WORDS; word++)
            if (words[i * WORDS + word] != world->model[first + i])
                fail_msg("sector %llu has %u, not %u",
                         (unsigned long long)(first + i),
                         words[i * WORDS + word], world->model[first + i]);
}

static void ended(struct disk_request *request, int error)
{
    struct slot *slot = request->opaque;
    struct world *world = slot->world;
    uint64_t first = request->offset / DISK_SECTOR;
    uint64_t nr = request->length / DISK_SECTOR;

    assert_true(slot->busy);
    assert_int_equal(error, 0);
    slot->busy = false;
    world->ended++;
    if (request->op == DISK_READ)
        check_sectors(world, slot->buffer, first, nr);
    else if (request->op != DISK_FLUSH)
        for (uint64_t i = 0; i < nr; i++)
            world->model[first + i] = slot->number;
}

static bool is_change(enum disk_op op)
{
    return op == DISK_WRITE || op == DISK_DISCARD;
}

static bool is_in_the_way(const struct world *world, enum disk_op op,
                          uint64_t offset, uint64_t length)
{
    for (size_t i = 0; i < DEPTH; i++) {
        const struct disk_request *other = &world->slots[i].request;

        if (world->slots[i].busy && (is_change(op) || is_change(other->op)) &&
            offset < other->offset + other->length &&
            other->offset < offset + length)
            return true;
    }
    return false;
}

/* Into pieces of any size, none included. */
static unsigned split(struct world *world, struct iovec *iov, void *buffer,
                      size_t length)
{
    unsigned nr = 1 + any(world, MAX_IOV);
    char *at = buffer;

    for (unsigned i = 0; i < nr; i++) {
        size_t left = length - (size_t)(at - (char *)buffer);
        size_t len = i + 1 < nr ? any(world, (uint32_t)left + 1) : left;

        iov[i] = (struct iovec){at, len};
        at += len;
    }
    return nr;
}

static void submit(struct world *world)
{
    static const enum disk_op ops[] = {DISK_READ,  DISK_READ,   DISK_READ,
                                       DISK_WRITE, DISK_WRITE,  DISK_WRITE,
                                       DISK_FLUSH, DISK_DISCARD};
    enum disk_op op = ops[any(world, 8)];
    uint32_t first = any(world, SECTORS);
    uint32_t most =
        SECTORS - first < MOST_SECTORS ? SECTORS - first : MOST_SECTORS;
    uint64_t nr =
        op == DISK_FLUSH ? 0 : 1 + any(world, any(world, 2) ? 8 : most);
    struct slot *slot = NULL;

    for (size_t i = 0; i < DEPTH && !slot; i++)
        if (!world->slots[i].busy)
            slot = &world->slots[i];
    if (nr > most)
        nr = most;
    if (any(world, 2) && nr >= PAGE_SECTORS) { /* whole pages */
        first -= first % PAGE_SECTORS;
        nr -= nr % PAGE_SECTORS;
    }
    if (!slot || is_in_the_way(world, op, (uint64_t)first * DISK_SECTOR,
                               nr * DISK_SECTOR))
        return;
    slot->number = op == DISK_DISCARD ? 0 : ++world->numbers;
    for (size_t i = 0; i < nr * WORDS; i++)
        slot->buffer[i] = op == DISK_WRITE ? slot->number : UINT32_MAX;
    slot->request = (struct disk_request){
        .op = op,
        .offset = (uint64_t)first * DISK_SECTOR,
        .length = nr * DISK_SECTOR,
        .iov = slot->iov,
        .nr_iov = split(world, slot->iov, slot->buffer, nr * DISK_SECTOR),
        .done = ended,
        .opaque = slot,
    };
    slot->busy = true;
    disk_submit(world->disks[any(world, 2)], &slot->request);
    assert_true(slot->busy);
}

static void open_one(struct world *world, unsigned i)
{
    struct disk_spec spec = disk_env_spec(world->env->path);

    spec.discard = true;
    spec.cache = i ? DISK_WRITETHROUGH : DISK_WRITEBACK;
    world->disks[i] = disk_env_open(world->env, &spec);
}

static void step(struct world *world)
{
    unsigned i = any(world, 2);

    switch (any(world, 64)) {
    case 0:
        disk_drain(world->disks[i]);
        assert_int_equal(disk_in_flight(world->disks[i]), 0);
        break;
    case 1:
        assert_int_equal(disk_deactivate(world->disks[i]), 0);
        assert_int_equal(disk_activate(world->disks[i]), 0);
        break;
    case 2:
        disk_close(world->disks[i]);
        open_one(world, i);
        break;
    case 3 ... 15:
        uv_run(&world->env->loop, UV_RUN_NOWAIT);
        break;
    default:
        submit(world);
        break;
    }
}

static void disks_are_what_the_model_says(void **state)
{
    static struct world world = {.seed = 4077};
    static uint32_t file[SECTORS * WORDS];
    int fd;

    world.env = *state;
    for (size_t i = 0; i < DEPTH; i++) {
        world.slots[i].world = &world;
        world.slots[i].buffer = malloc(MOST_SECTORS * DISK_SECTOR);
        assert_non_null(world.slots[i].buffer);
    }
    open_one(&world, 0);
    open_one(&world, 1);
    for (unsigned long i = 0; i < steps; i++)
        step(&world);
    disk_close(world.disks[0]);
    disk_close(world.disks[1]);
    assert_true(world.ended > steps / 4);

    fd = open(world.env->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, file, sizeof(file)), sizeof(file));
    close(fd);
    check_sectors(&world, file, 0, SECTORS);
    for (size_t i = 0; i < DEPTH; i++)
        free(world.slots[i].buffer);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(disks_are_what_the_model_says,
                                        disk_env_setup, disk_env_teardown),
    };

    if (argc > 1)
        steps = strtoul(argv[1], NULL, 10);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
