/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/qdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/log.h"
#include "dm/pv/vbd.h"
#include "dm/xen-events.h"
#include "dm/xen-grants.h"
#include "dm/xenstore.h"

#define MAX_DISKS 64u

struct qdisk {
    struct vbd_host host;
    char dir[64];
    struct xenstore_watch *watch;
    struct vbd *vbds[MAX_DISKS];
    unsigned nr;
    uv_prepare_t prepare;
    uv_idle_t idle; /* active: some queue has more to do */
    unsigned nr_handles;
    bool opened;
};

static void spin(uv_idle_t *idle)
{
    (void)idle;
}

static void before_sleep(uv_prepare_t *prepare)
{
    struct qdisk *qdisk = prepare->data;
    bool more = false;

    for (unsigned i = 0; i < qdisk->nr; i++)
        more |= vbd_turn(qdisk->vbds[i]);
    if (more)
        uv_idle_start(&qdisk->idle, spin);
    else
        uv_idle_stop(&qdisk->idle);
}

/* ---- which disks there are -------------------------------------------- */

static int open_xen(struct qdisk *qdisk)
{
    struct vbd_host *host = &qdisk->host;
    const char *what = "gntdev";
    int ret;

    if (qdisk->opened)
        return 0;
    ret = xen_grants_open(host->domid, &host->grants);
    if (ret == 0) {
        what = "evtchn";
        ret = xen_events_open(host->domid, host->loop, &host->events);
    }
    if (ret) {
        xen_grants_close(host->grants);
        host->grants = NULL;
        log_error("PV disks are not served: cannot open Xen's %s: %s (is the "
                  "module xen-%s loaded?)",
                  what, strerror(-ret), what);
        return ret;
    }
    qdisk->opened = true;
    uv_prepare_start(&qdisk->prepare, before_sleep);
    return 0;
}

static struct vbd *find(const struct qdisk *qdisk, const char *name)
{
    for (unsigned i = 0; i < qdisk->nr; i++)
        if (strcmp(vbd_name(qdisk->vbds[i]), name) == 0)
            return qdisk->vbds[i];
    return NULL;
}

static void add(struct qdisk *qdisk, const char *name)
{
    int ret;

    if (qdisk->nr == MAX_DISKS) {
        log_error("PV disk %s is not served: there are %u", name, MAX_DISKS);
        return;
    }
    ret = open_xen(qdisk);
    if (ret == 0)
        ret = vbd_new(&qdisk->host, name, &qdisk->vbds[qdisk->nr]);
    if (ret == 0)
        qdisk->nr++;
}

static bool is_listed(const char *name, char *const *names, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void drop_unlisted(struct qdisk *qdisk, char *const *names, unsigned nr)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < qdisk->nr; i++) {
        struct vbd *vbd = qdisk->vbds[i];

        if (is_listed(vbd_name(vbd), names, nr))
            qdisk->vbds[kept++] = vbd;
        else
            vbd_free(vbd);
    }
    qdisk->nr = kept;
}

static void scan(void *opaque)
{
    struct qdisk *qdisk = opaque;
    char **names = NULL;
    unsigned nr = 0;
    int ret = xenstore_list(qdisk->host.xenstore, qdisk->dir, &names, &nr);

    if (ret && ret != -ENOENT) {
        log_error("PV disks: cannot read %s: %s", qdisk->dir, strerror(-ret));
        return;
    }
    drop_unlisted(qdisk, names, nr);
    for (unsigned i = 0; i < nr; i++) {
        struct vbd *vbd = find(qdisk, names[i]);

        if (vbd)
            vbd_changed(vbd);
        else
            add(qdisk, names[i]);
    }
    free(names);
}

/* ---- life ------------------------------------------------------------- */

static void name_dir(char dir[64], uint32_t domid)
{
    snprintf(dir, 64, "backend/qdisk/%u", domid);
}

int qdisk_open(uint32_t domid, uv_loop_t *loop, struct xenstore *xenstore,
               struct disks *disks, bool incoming, struct qdisk **out)
{
    struct qdisk *qdisk = calloc(1, sizeof(*qdisk));

    if (!qdisk) {
        log_error("PV disks: out of memory");
        return -ENOMEM;
    }
    qdisk->host = (struct vbd_host){
        .domid = domid,
        .loop = loop,
        .xenstore = xenstore,
        .disks = disks,
        .incoming = incoming,
    };
    name_dir(qdisk->dir, domid);
    uv_prepare_init(loop, &qdisk->prepare);
    qdisk->prepare.data = qdisk;
    uv_idle_init(loop, &qdisk->idle);
    qdisk->idle.data = qdisk;
    qdisk->nr_handles = 2;
    scan(qdisk);
    *out = qdisk;
    return 0;
}

void qdisk_watch(struct qdisk *qdisk)
{
    int ret = xenstore_watch(qdisk->host.xenstore, qdisk->host.loop, qdisk->dir,
                             scan, qdisk, &qdisk->watch);

    if (ret)
        log_error("PV disks cannot come and go: cannot watch %s: %s",
                  qdisk->dir, strerror(-ret));
}

static void closed(uv_handle_t *handle)
{
    struct qdisk *qdisk = handle->data;

    if (--qdisk->nr_handles == 0)
        free(qdisk);
}

void qdisk_close(struct qdisk *qdisk)
{
    if (!qdisk)
        return;
    xenstore_unwatch(qdisk->watch);
    while (qdisk->nr > 0)
        vbd_free(qdisk->vbds[--qdisk->nr]);
    xen_events_close(qdisk->host.events);
    xen_grants_close(qdisk->host.grants);
    uv_close((uv_handle_t *)&qdisk->prepare, closed);
    uv_close((uv_handle_t *)&qdisk->idle, closed);
}

void qdisk_warn_restricted(uint32_t domid, struct xenstore *xenstore)
{
    char dir[64], **names;
    unsigned nr;

    name_dir(dir, domid);
    if (xenstore_list(xenstore, dir, &names, &nr))
        return;
    free(names);
    if (nr > 0)
        log_warn("%u PV disks of backendtype=qdisk are not served: "
                 "dm_restrict=1 takes xenstore away (xl.cfg: leave "
                 "backendtype out of disk)",
                 nr);
}

void qdisk_start(struct qdisk *qdisk)
{
    if (!qdisk || qdisk->host.running)
        return;
    qdisk->host.running = true;
    qdisk->host.incoming = false;
    for (unsigned i = 0; i < qdisk->nr; i++)
        vbd_start(qdisk->vbds[i]);
}

void qdisk_stop(struct qdisk *qdisk)
{
    if (!qdisk || !qdisk->host.running)
        return;
    qdisk->host.running = false;
    for (unsigned i = 0; i < qdisk->nr; i++)
        vbd_stop(qdisk->vbds[i]);
}
