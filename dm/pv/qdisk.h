/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PV_QDISK_H
#define DM_PV_QDISK_H

/*
 * The PV disks that libxl leaves to the device model: those of
 * backend/qdisk/DOMID in xenstore, which are raw image files.  They come and go
 * while the guest runs (xl block-attach, block-detach).  What is asked of them
 * is done on a thread of their own, so that it neither waits for the vCPUs nor
 * makes them wait; all functions here are called on the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

struct disks;
struct qdisk;
struct xenstore;

struct qdisk_spec {
    uint32_t domid;
    uv_loop_t *loop;
    struct xenstore *xenstore;
    struct disks *disks;
    bool incoming;  /* as in struct disk_spec, until qdisk_start */
    bool no_thread; /* all is done on this thread */
};

/*
 * Open the disks that are there, and offer them to the guest.  Before rights
 * are given up: Xen's devices and the images are opened by path.  A disk that
 * cannot be had is only logged.  The caller activates the disks before
 * qdisk_start.  -errno after a line in the log.
 */
int qdisk_open(const struct qdisk_spec *spec, struct qdisk **out);
/*
 * Watch for those that come later, and start the thread: rights are given up.
 * A line in the log when they cannot be watched: the guest runs without them.
 */
void qdisk_watch(struct qdisk *qdisk);
/* The loop must turn once more; disks and xenstore stay until then. */
void qdisk_close(struct qdisk *qdisk);

/*
 * Restricted device models have no xenstore: one line if the guest has PV disks
 * that will not be served.
 */
void qdisk_warn_restricted(uint32_t domid, struct xenstore *xenstore);

/*
 * Serve requests; not before, nor after stop.  Disks that come meanwhile are
 * activated at once, or not served.  NULL is fine for both.
 */
void qdisk_start(struct qdisk *qdisk);
/* All that was taken has ended and is answered. */
void qdisk_stop(struct qdisk *qdisk);

#endif
