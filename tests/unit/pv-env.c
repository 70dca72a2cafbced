/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/pv-env.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "dm/options.h"
#include "dm/xenstore.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/loop.h"

/* How long a test may wait before it has failed, s. */
#define PATIENCE 600

/* blkif.h as a compiler for i386 lays it out. */
typedef uint64_t u64_32 __attribute__((aligned(4)));

struct request_32 {
    uint8_t operation, nr_segments;
    uint16_t handle;
    u64_32 id, sector;
    struct blkif_request_segment segments[11];
};

struct indirect_32 {
    uint8_t operation, indirect_op;
    uint16_t nr_segments;
    u64_32 id, sector;
    uint16_t handle;
    uint32_t refs[8];
    u64_32 pad;
};

struct discard_32 {
    uint8_t operation, flag;
    uint16_t handle;
    u64_32 id, sector, nr_sectors;
};

_Static_assert(sizeof(struct request_32) == 108, "i386");

/* ---- the machine ------------------------------------------------------ */

void pv_env_prepare(struct pv_env *env)
{
    static const struct options options = {.incoming_fd = -1};

    *env = (struct pv_env){.dir = "/tmp/xenram-pv-XXXXXX"};
    assert_non_null(mkdtemp(env->dir));
    fakexen_reset();
    fakexen_create(
        &(struct fakexen_domain){.domid = PV_DOMID, .pages = 16 * 256});
    assert_int_equal(uv_loop_init(&env->loop), 0);
    assert_int_equal(xenstore_open(&env->xenstore), 0);
    assert_int_equal(disks_open(&env->loop, &options, &env->disks), 0);
    alarm(PATIENCE);
}

void pv_open_qdisk(struct pv_env *env, bool incoming)
{
    const struct qdisk_spec spec = {
        .domid = PV_DOMID,
        .loop = &env->loop,
        .xenstore = env->xenstore,
        .disks = env->disks,
        .incoming = incoming,
        .no_thread = true,
    };

    assert_int_equal(qdisk_open(&spec, &env->qdisk), 0);
}

static void open_env(struct pv_env *env, bool incoming)
{
    pv_env_prepare(env);
    pv_open_qdisk(env, incoming);
    qdisk_watch(env->qdisk);
    if (!incoming)
        qdisk_start(env->qdisk);
}

void pv_env_open(struct pv_env *env)
{
    open_env(env, false);
}

static void remove_dir(const char *dir)
{
    struct dirent *entry;
    DIR *stream = opendir(dir);

    assert_non_null(stream);
    while ((entry = readdir(stream)) != NULL)
        (void)unlinkat(dirfd(stream), entry->d_name, 0);
    closedir(stream);
    assert_int_equal(rmdir(dir), 0);
}

void pv_env_close(struct pv_env *env)
{
    qdisk_close(env->qdisk);
    disks_close(env->disks);
    assert_int_equal(loop_close(&env->loop), 0);
    xenstore_close(env->xenstore);
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_grants_mapped(), 0);
    assert_int_equal(fakexen_violations(), 0);
    remove_dir(env->dir);
    alarm(0);
}

const char *pv_image(struct pv_env *env, const char *name)
{
    static char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", env->dir, name);
    fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, PV_IMAGE_SECTORS * 512), 0);
    close(fd);
    return path;
}

void pv_read_image(struct pv_env *env, const char *name, void *data,
                   size_t offset, size_t len)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", env->dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, data, len, (off_t)offset), len);
    close(fd);
}

void pv_turn(struct pv_env *env)
{
    if (env->threaded)
        sched_yield();
    else
        uv_run(&env->loop, UV_RUN_NOWAIT);
}

void pv_turns(struct pv_env *env)
{
    for (int i = 0; i < 20; i++)
        pv_turn(env);
}

/* ---- the toolstack ---------------------------------------------------- */

static void set_key(const char *dir, unsigned devid, const char *key,
                    const char *value)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%u/%s", dir, devid, key);
    fakexen_xs_set(path, value);
}

void pv_set_back(unsigned devid, const char *key, const char *value)
{
    set_key(PV_BACK, devid, key, value);
}

void pv_set_front(unsigned devid, const char *key, const char *value)
{
    set_key(PV_FRONT, devid, key, value);
}

static void set_front_number(unsigned devid, const char *key, unsigned number)
{
    char value[16];

    snprintf(value, sizeof(value), "%u", number);
    pv_set_front(devid, key, value);
}

const char *pv_back(unsigned devid, const char *key)
{
    char path[256];

    snprintf(path, sizeof(path), PV_BACK "/%u/%s", devid, key);
    return fakexen_xs_get(path);
}

void pv_attach(unsigned devid, const char *params, const char *mode)
{
    char back[128], front[128], vdev[8], number[16];
    const char *const fronts[] = {
        "backend",        back,   "backend-id",  "0",    "state", "1",
        "virtual-device", number, "device-type", "disk", NULL,
    };
    const char *const backs[] = {
        "frontend",
        front,
        "params",
        params,
        "frontend-id",
        "7",
        "online",
        "1",
        "removable",
        "0",
        "bootable",
        "1",
        "state",
        "1",
        "dev",
        vdev,
        "type",
        "qdisk",
        "mode",
        mode,
        "device-type",
        "disk",
        "discard-enable",
        *mode == 'w' ? "1" : "0",
        NULL,
    };

    snprintf(back, sizeof(back), PV_BACK "/%u", devid);
    snprintf(front, sizeof(front), PV_FRONT "/%u", devid);
    snprintf(vdev, sizeof(vdev), "xvd%c", 'a' + (devid - 51712) / 16);
    snprintf(number, sizeof(number), "%u", devid);
    fakexen_xs_set_all(front, fronts);
    fakexen_xs_set_all(back, backs);
}

void pv_attach_image(struct pv_env *env, unsigned devid, const char *name,
                     const char *mode)
{
    char params[160];

    snprintf(params, sizeof(params), "aio:%s", pv_image(env, name));
    pv_attach(devid, params, mode);
}

static void remove_key(const char *dir, unsigned devid)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%u", dir, devid);
    fakexen_xs_rm(path);
}

void pv_detach(unsigned devid, bool force)
{
    if (force)
        remove_key(PV_FRONT, devid);
    pv_set_back(devid, "online", "0");
    pv_set_back(devid, "state", "5");
}

void pv_remove(unsigned devid)
{
    remove_key(PV_FRONT, devid);
    remove_key(PV_BACK, devid);
}

void pv_wait_back(struct pv_env *env, unsigned devid, unsigned state)
{
    const char *value;

    while (!(value = pv_back(devid, "state")) ||
           strtoul(value, NULL, 10) != state)
        pv_turn(env);
}

/* ---- a frontend ------------------------------------------------------- */

void *pv_page(unsigned page)
{
    return fakexen_host(PV_DOMID, PV_GFN + page);
}

/* In the fake machine the pages of a ring are anywhere, as in a real one. */
static void *ring_byte(const struct pv_front *front, size_t offset)
{
    return (uint8_t *)fakexen_host(PV_DOMID,
                                   front->ring_gfn + offset / RING_PAGE) +
           offset % RING_PAGE;
}

static uint32_t *index_of(const struct pv_front *front, unsigned nr)
{
    return ring_byte(front, nr * 4ul);
}

void pv_front_publish(struct pv_front *front)
{
    const char *const protocols[] = {"x86_64-abi", "x86_32-abi"};
    char key[32];

    if (front->ring_gfn == 0)
        front->ring_gfn = 16 + front->devid / 16 % 32 * RING_MAX_PAGES;
    front->size = ring_entries(1u << front->order, front->layout);
    front->produced = 0;
    front->consumed = 0;
    front->port = fakexen_evtchn(PV_DOMID);
    for (unsigned i = 0; i < 1u << front->order; i++) {
        memset(ring_byte(front, i * RING_PAGE), 0, RING_PAGE);
        front->ring_refs[i] =
            fakexen_grant(PV_DOMID, front->ring_gfn + i, false);
        snprintf(key, sizeof(key), front->order ? "ring-ref%u" : "ring-ref", i);
        set_front_number(front->devid, key, front->ring_refs[i]);
    }
    *index_of(front, 1) = 1;
    *index_of(front, 3) = 1;
    if (front->order)
        set_front_number(front->devid, "ring-page-order", front->order);
    for (unsigned i = 0; i < PV_PAGES; i++)
        front->refs[i] = fakexen_grant(PV_DOMID, PV_GFN + i, false);
    set_front_number(front->devid, "event-channel", front->port);
    pv_set_front(front->devid, "protocol", protocols[front->layout]);
    set_front_number(front->devid, "feature-persistent", front->persistent);
}

void pv_front_connect(struct pv_front *front)
{
    pv_wait_back(front->env, front->devid, 2);
    pv_front_publish(front);
    pv_set_front(front->devid, "state", "3");
    pv_wait_back(front->env, front->devid, 4);
    pv_set_front(front->devid, "state", "4");
    pv_turn(front->env);
}

void pv_front_drop(struct pv_front *front)
{
    for (unsigned i = 0; i < 1u << front->order; i++)
        fakexen_end_grant(front->ring_refs[i]);
    for (unsigned i = 0; i < PV_PAGES; i++)
        fakexen_end_grant(front->refs[i]);
    fakexen_evtchn_free(front->port);
}

static struct blkif_request_segment segment_of(struct ring_segment segment)
{
    return (struct blkif_request_segment){
        .gref = segment.ref,
        .first_sect = segment.first,
        .last_sect = segment.last,
    };
}

static size_t lay_out_64(const struct ring_request *in, void *out)
{
    struct blkif_request *plain = out;
    struct blkif_request_indirect *indirect = out;
    struct blkif_request_discard *discard = out;

    if (in->operation == BLKIF_OP_INDIRECT) {
        *indirect = (struct blkif_request_indirect){
            .operation = in->operation,
            .indirect_op = in->indirect_operation,
            .nr_segments = in->nr_segments,
            .id = in->id,
            .sector_number = in->sector,
        };
        memcpy(indirect->indirect_grefs, in->indirect_refs,
               sizeof(in->indirect_refs));
    } else if (in->operation == BLKIF_OP_DISCARD) {
        *discard = (struct blkif_request_discard){
            .operation = in->operation,
            .id = in->id,
            .sector_number = in->sector,
            .nr_sectors = in->nr_sectors,
        };
    } else {
        *plain = (struct blkif_request){
            .operation = in->operation,
            .nr_segments = (uint8_t)in->nr_segments,
            .id = in->id,
            .sector_number = in->sector,
        };
        for (unsigned i = 0; i < RING_DIRECT_SEGMENTS; i++)
            plain->seg[i] = segment_of(in->segments[i]);
    }
    return sizeof(*plain);
}

static size_t lay_out_32(const struct ring_request *in, void *out)
{
    struct request_32 *plain = out;
    struct indirect_32 *indirect = out;
    struct discard_32 *discard = out;

    if (in->operation == BLKIF_OP_INDIRECT) {
        *indirect = (struct indirect_32){
            .operation = in->operation,
            .indirect_op = in->indirect_operation,
            .nr_segments = in->nr_segments,
            .id = in->id,
            .sector = in->sector,
        };
        memcpy(indirect->refs, in->indirect_refs, sizeof(in->indirect_refs));
    } else if (in->operation == BLKIF_OP_DISCARD) {
        *discard = (struct discard_32){
            .operation = in->operation,
            .id = in->id,
            .sector = in->sector,
            .nr_sectors = in->nr_sectors,
        };
    } else {
        *plain = (struct request_32){
            .operation = in->operation,
            .nr_segments = (uint8_t)in->nr_segments,
            .id = in->id,
            .sector = in->sector,
        };
        for (unsigned i = 0; i < RING_DIRECT_SEGMENTS; i++)
            plain->segments[i] = segment_of(in->segments[i]);
    }
    return sizeof(*plain);
}

void pv_put(struct pv_front *front, const struct ring_request *request)
{
    _Alignas(8) uint8_t bytes[128];
    size_t size = front->layout == RING_X86_32 ? lay_out_32(request, bytes)
                                               : lay_out_64(request, bytes);
    size_t at = 64 + (front->produced++ & (front->size - 1)) * size;

    for (size_t i = 0; i < size; i++)
        *(uint8_t *)ring_byte(front, at + i) = bytes[i];
}

void pv_put_io(struct pv_front *front, uint8_t operation, uint64_t id,
               uint64_t sector, const struct pv_segment *segments, unsigned nr,
               unsigned indirect)
{
    struct ring_request request = {
        .operation = operation,
        .id = id,
        .sector = sector,
        .nr_segments = (uint16_t)nr,
    };
    struct blkif_request_segment *table = pv_page(indirect);

    for (unsigned i = 0; i < nr; i++) {
        struct ring_segment segment = {front->refs[segments[i].page],
                                       segments[i].first, segments[i].last};

        if (nr > RING_DIRECT_SEGMENTS)
            table[i] = segment_of(segment);
        else
            request.segments[i] = segment;
    }
    if (nr > RING_DIRECT_SEGMENTS) {
        request.operation = BLKIF_OP_INDIRECT;
        request.indirect_operation = operation;
        request.indirect_refs[0] = front->refs[indirect];
    }
    pv_put(front, &request);
}

void pv_kick(struct pv_front *front)
{
    __atomic_store_n(index_of(front, 0), front->produced, __ATOMIC_SEQ_CST);
    fakexen_evtchn_ring(front->port);
}

bool pv_answer(struct pv_front *front, struct pv_answer *answer)
{
    size_t size = front->layout == RING_X86_32 ? sizeof(struct request_32)
                                               : sizeof(struct blkif_request);
    size_t at = 64 + (front->consumed & (front->size - 1)) * size;
    uint8_t bytes[12];

    if (__atomic_load_n(index_of(front, 2), __ATOMIC_SEQ_CST) ==
        front->consumed)
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = *(uint8_t *)ring_byte(front, at + i);
    memcpy(&answer->id, bytes, 8);
    answer->operation = bytes[8];
    memcpy(&answer->status, bytes + 10, 2);
    front->consumed++;
    __atomic_store_n(index_of(front, 3), front->consumed + 1, __ATOMIC_SEQ_CST);
    return true;
}

struct pv_answer pv_wait_answer(struct pv_front *front)
{
    struct pv_answer answer;

    while (!pv_answer(front, &answer))
        pv_turn(front->env);
    return answer;
}

int pv_do(struct pv_front *front, uint8_t operation, uint64_t sector,
          const struct pv_segment *segments, unsigned nr)
{
    struct pv_answer answer;

    pv_put_io(front, operation, 0x1234, sector, segments, nr, PV_PAGES - 1);
    pv_kick(front);
    answer = pv_wait_answer(front);
    assert_int_equal(answer.id, 0x1234);
    assert_int_equal(answer.operation, operation);
    return answer.status;
}

/* ---- what cmocka sets up ---------------------------------------------- */

static int setup(void **state, bool incoming)
{
    struct pv_side *side = calloc(1, sizeof(*side));

    assert_non_null(side);
    open_env(&side->env, incoming);
    side->front = (struct pv_front){.env = &side->env, .devid = XVDA};
    *state = side;
    return 0;
}

int pv_side_setup(void **state)
{
    return setup(state, false);
}

int pv_side_setup_incoming(void **state)
{
    return setup(state, true);
}

int pv_side_teardown(void **state)
{
    struct pv_side *side = *state;

    pv_env_close(&side->env);
    free(side);
    return 0;
}
