/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_PV_ENV_H
#define TESTS_PV_ENV_H

/*
 * A toolstack and a block frontend around the PV disks, on fakexen, in one
 * thread: what waits turns the loop.  Or around a whole device model, whose
 * thread turns it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "dm/block/disks.h"
#include "dm/pv/qdisk.h"
#include "dm/pv/ring.h"

#define PV_DOMID 7u
#define PV_PAGES 512u        /* of data, from PV_GFN on */
#define PV_GFN UINT64_C(256) /* rings are below */
#define PV_IMAGE_SECTORS 4096u

/* Numbers of disks, as Xen counts them. */
#define XVDA 51712u
#define XVDB 51728u

struct pv_env {
    bool threaded; /* another thread turns the loop; the rest is empty */
    uv_loop_t loop;
    struct xenstore *xenstore;
    struct disks *disks;
    struct qdisk *qdisk;
    char dir[64];
};

/* A machine with a guest, no disks yet; its qdisk runs and watches. */
void pv_env_open(struct pv_env *env);
/* qdisk can be NULL already. */
void pv_env_close(struct pv_env *env);
/* The parts of it, for tests that open qdisk themselves. */
void pv_env_prepare(struct pv_env *env);
void pv_open_qdisk(struct pv_env *env, bool incoming);

/* An image in the environment's directory, PV_IMAGE_SECTORS long. */
const char *pv_image(struct pv_env *env, const char *name);
void pv_read_image(struct pv_env *env, const char *name, void *data,
                   size_t offset, size_t len);

/* Turn the loop once, without waiting. */
void pv_turn(struct pv_env *env);
/* Often enough for all that follows from one change. */
void pv_turns(struct pv_env *env);

/* ---- the toolstack ---------------------------------------------------- */

#define PV_BACK "/local/domain/0/backend/qdisk/7"
#define PV_FRONT "/local/domain/7/device/vbd"

/* Keys of both ends as libxl writes them; params: "aio:PATH". */
void pv_attach(unsigned devid, const char *params, const char *mode);
/* With the image of that name, as pv_image makes it. */
void pv_attach_image(struct pv_env *env, unsigned devid, const char *name,
                     const char *mode);
/* online 0, state 5; force: the frontend is removed at once. */
void pv_detach(unsigned devid, bool force);
void pv_remove(unsigned devid);

/* Keys of the two ends. */
const char *pv_back(unsigned devid, const char *key);
void pv_set_back(unsigned devid, const char *key, const char *value);
void pv_set_front(unsigned devid, const char *key, const char *value);
/* Turn until our state is that. */
void pv_wait_back(struct pv_env *env, unsigned devid, unsigned state);

/* ---- a frontend ------------------------------------------------------- */

struct pv_front {
    struct pv_env *env;
    unsigned devid;
    enum ring_layout layout;
    unsigned order;
    bool persistent;
    unsigned size; /* entries */
    uint64_t ring_gfn;
    uint32_t ring_refs[RING_MAX_PAGES];
    uint32_t port;
    uint32_t produced, consumed;
    uint32_t refs[PV_PAGES]; /* grants of the data pages */
};

/* Waits for InitWait, connects, waits for Connected. */
void pv_front_connect(struct pv_front *front);
/* Makes ring and port, and says so, without state. */
void pv_front_publish(struct pv_front *front);
/* Takes ring, port and grants back. */
void pv_front_drop(struct pv_front *front);

void *pv_page(unsigned page);

struct pv_segment {
    unsigned page; /* of data */
    uint8_t first, last;
};

/* Put a request into the ring; refs as they are. */
void pv_put(struct pv_front *front, const struct ring_request *request);
/*
 * The same, from segments; more than 11 go indirect, described in the data page
 * `indirect`.
 */
void pv_put_io(struct pv_front *front, uint8_t operation, uint64_t id,
               uint64_t sector, const struct pv_segment *segments, unsigned nr,
               unsigned indirect);
void pv_kick(struct pv_front *front);

struct pv_answer {
    uint64_t id;
    uint8_t operation;
    int16_t status;
};
/* The next answer, if there is one; asks for an event for the one after. */
bool pv_answer(struct pv_front *front, struct pv_answer *answer);
/* Turn until there is one. */
struct pv_answer pv_wait_answer(struct pv_front *front);
/* Put one, kick, wait; its status. */
int pv_do(struct pv_front *front, uint8_t operation, uint64_t sector,
          const struct pv_segment *segments, unsigned nr);

/* ---- what cmocka sets up ---------------------------------------------- */

struct pv_side {
    struct pv_env env;
    struct pv_front front; /* of XVDA, not connected */
};

int pv_side_setup(void **state);
/* Its qdisk does not run: as while a guest comes in. */
int pv_side_setup_incoming(void **state);
int pv_side_teardown(void **state);

#endif
