/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_VBD_H
#define DM_PV_VBD_H

/*
 * One PV disk: what the toolstack and the frontend say about it in xenstore,
 * the image, and the queue while a frontend is connected.
 *
 * The toolstack makes and removes the directories of both ends; we write our
 * state and what we offer, and never make again what was removed.  The image's
 * name comes from our own directory, which no guest can write.
 */

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

struct disks;
struct queues;
struct thread;
struct vbd;
struct xenstore;

/* What all disks of a guest share. */
struct vbd_host {
    uint32_t domid;
    uv_loop_t *loop;
    struct xenstore *xenstore;
    struct disks *disks;
    struct thread *thread; /* disks and queues are its own; NULL: the loop's */
    struct queues *queues;
    bool running;  /* the guest runs: requests are served, images locked */
    bool incoming; /* it runs elsewhere until it first runs here */
};

/*
 * The disk of backend/qdisk/DOMID/name.  A disk that cannot be served (wrong
 * format, no such file, a CD-ROM) is there nevertheless, for its removal; the
 * log says why.
 */
int vbd_new(struct vbd_host *host, const char *name, struct vbd **out);
/* NULL is fine. */
void vbd_free(struct vbd *vbd);

const char *vbd_name(const struct vbd *vbd);

/* Something changed in the directory of our end. */
void vbd_changed(struct vbd *vbd);

/* See queue.h; nothing without a frontend. */
void vbd_start(struct vbd *vbd);
void vbd_stop(struct vbd *vbd);

#endif
