/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/qdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/log.h"
#include "dm/pv/queues.h"
#include "dm/pv/vbd.h"
#include "dm/thread.h"
#include "dm/xenstore.h"

struct qdisk {
    struct vbd_host host;
    char dir[64];
    struct xenstore_watch *watch;
    struct vbd *vbds[QUEUES_MAX];
    unsigned nr;
    bool no_thread;
    bool watches; /* rights are given up: the thread may start */
};

/* ---- their thread ----------------------------------------------------- */

struct opening {
    struct vbd_host *host;
    int ret;
};

static void open_queues(void *opaque)
{
    struct opening *opening = opaque;
    struct vbd_host *host = opening->host;

    opening->ret = queues_open(
        host->domid, host->thread ? thread_loop(host->thread) : host->loop,
        &host->queues);
}

static void close_queues(void *opaque)
{
    queues_close(opaque);
}

static int new_thread(struct thread **out)
{
    int ret = thread_new(out);

    if (ret)
        log_error("PV disks are not served: no event loop: %s", strerror(-ret));
    return ret;
}

static int start_thread(struct qdisk *qdisk)
{
    int ret = qdisk->host.thread && qdisk->watches
                  ? thread_start(qdisk->host.thread, "pv-disks")
                  : 0;

    if (ret)
        log_error("PV disks are not served: cannot start a thread: %s",
                  strerror(-ret));
    return ret;
}

/* With the first disk: most guests have none. */
static int open_host(struct qdisk *qdisk)
{
    struct vbd_host *host = &qdisk->host;
    struct opening opening = {.host = host};

    if (!host->thread && !qdisk->no_thread)
        opening.ret = new_thread(&host->thread);
    if (opening.ret == 0 && !host->queues)
        thread_call(host->thread, open_queues, &opening);
    return opening.ret ? opening.ret : start_thread(qdisk);
}

/* ---- which disks there are -------------------------------------------- */

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

    if (qdisk->nr == QUEUES_MAX) {
        log_error("PV disk %s is not served: there are %u", name, QUEUES_MAX);
        return;
    }
    ret = open_host(qdisk);
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

int qdisk_open(const struct qdisk_spec *spec, struct qdisk **out)
{
    struct qdisk *qdisk = calloc(1, sizeof(*qdisk));

    if (!qdisk) {
        log_error("PV disks: out of memory");
        return -ENOMEM;
    }
    qdisk->host = (struct vbd_host){
        .domid = spec->domid,
        .loop = spec->loop,
        .xenstore = spec->xenstore,
        .disks = spec->disks,
        .incoming = spec->incoming,
    };
    qdisk->no_thread = spec->no_thread;
    name_dir(qdisk->dir, spec->domid);
    scan(qdisk);
    *out = qdisk;
    return 0;
}

void qdisk_watch(struct qdisk *qdisk)
{
    int ret;

    qdisk->watches = true;
    (void)start_thread(qdisk);
    ret = xenstore_watch(qdisk->host.xenstore, qdisk->host.loop, qdisk->dir,
                         scan, qdisk, &qdisk->watch);
    if (ret)
        log_error("PV disks cannot come and go: cannot watch %s: %s",
                  qdisk->dir, strerror(-ret));
}

void qdisk_close(struct qdisk *qdisk)
{
    if (!qdisk)
        return;
    xenstore_unwatch(qdisk->watch);
    while (qdisk->nr > 0)
        vbd_free(qdisk->vbds[--qdisk->nr]);
    thread_call(qdisk->host.thread, close_queues, qdisk->host.queues);
    thread_end(qdisk->host.thread);
    free(qdisk);
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
