/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/vbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

#include "dm/block/disks.h"
#include "dm/log.h"
#include "dm/pv/queue.h"
#include "dm/thread.h"
#include "dm/xenstore.h"

#define NAME_MAX_LEN 16u
#define NUMBER_MAX_LEN 24u
/* Smaller pieces of a file are cleared, not freed. */
#define DISCARD_GRANULARITY "4096"

struct vbd {
    struct vbd_host *host;
    struct xenstore_watch *watch;
    struct disk *disk; /* NULL: not served */
    bool discard;
    bool over;           /* taken away; the image is closed */
    bool refused;        /* the frontend, until it says more */
    struct queue *queue; /* NULL: no frontend is connected */
    char label[32];      /* for the log and QMP: "xvda" */
    char name[NAME_MAX_LEN];
    char back[XENSTORE_PATH_MAX], front[XENSTORE_PATH_MAX];
};

/* ---- xenstore --------------------------------------------------------- */

static int read_key(const struct vbd *vbd, const char *dir, const char *key,
                    char **out)
{
    char path[2 * XENSTORE_PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", dir, key);
    return xenstore_read(vbd->host->xenstore, path, out);
}

/* absent when there is no such key, or no number in it. */
static uint32_t read_number(const struct vbd *vbd, const char *dir,
                            const char *key, uint32_t absent)
{
    char path[2 * XENSTORE_PATH_MAX];
    uint64_t value = absent;

    snprintf(path, sizeof(path), "%s/%s", dir, key);
    (void)xenstore_read_number(vbd->host->xenstore, path, UINT32_MAX, &value);
    return (uint32_t)value;
}

static bool key_is(const struct vbd *vbd, const char *key, const char *value)
{
    char *text;
    bool same;

    if (read_key(vbd, vbd->back, key, &text))
        return false;
    same = strcmp(text, value) == 0;
    free(text);
    return same;
}

/* In one transaction, and only while the toolstack keeps the directory. */
static void write_keys(struct vbd *vbd, const struct xenstore_pair *pairs,
                       unsigned nr)
{
    int ret = xenstore_write_below(vbd->host->xenstore, vbd->back, "state",
                                   pairs, nr);

    if (ret && ret != -ENOENT)
        log_error("%s: cannot write %s: %s", vbd->label, vbd->back,
                  strerror(-ret));
}

static void set_state(struct vbd *vbd, enum xenbus_state state)
{
    char value[NUMBER_MAX_LEN];
    struct xenstore_pair pair = {"state", value};

    snprintf(value, sizeof(value), "%d", state);
    write_keys(vbd, &pair, 1);
}

/* ---- the image -------------------------------------------------------- */

static int open_image(struct vbd *vbd, const char *path)
{
    struct vbd_host *host = vbd->host;
    struct disk_spec spec = {
        .id = vbd->label,
        .path = path,
        .read_only = !key_is(vbd, "mode", "w"),
        .discard = key_is(vbd, "discard-enable", "1"),
        .raw = true, /* so the toolstack says */
        .incoming = host->incoming,
    };
    int ret = disks_add(host->disks, host->thread, &spec, &vbd->disk);

    if (ret == 0 && host->running) {
        ret = disks_activate_one(host->disks, vbd->disk);
        if (ret)
            disks_remove(host->disks, vbd->disk);
    }
    if (ret) {
        vbd->disk = NULL;
        return ret;
    }
    vbd->discard = spec.discard && !spec.read_only;
    return 0;
}

/* "aio:PATH", as libxl names a raw image. */
static void open_params(struct vbd *vbd)
{
    char *params;

    if (read_key(vbd, vbd->back, "params", &params)) {
        log_error("PV disk %s is not served: %s names no image", vbd->label,
                  vbd->back);
        return;
    }
    if (strncmp(params, "aio:", 4) != 0)
        log_error("PV disk %s is not served: \"%s\" is not a raw image (xl.cfg:"
                  " format=raw in disk)",
                  vbd->label, params);
    else if (open_image(vbd, params + 4))
        log_error("PV disk %s is not served", vbd->label);
    free(params);
}

static void read_label(struct vbd *vbd)
{
    char *dev;

    snprintf(vbd->label, sizeof(vbd->label), "vbd-%s", vbd->name);
    if (read_key(vbd, vbd->back, "dev", &dev))
        return;
    snprintf(vbd->label, sizeof(vbd->label), "%s", dev);
    free(dev);
}

/*
 * PV drivers of HVM guests leave CD-ROMs to the emulated drive, which stays
 * when the disks are unplugged.
 */
static void open_disk(struct vbd *vbd)
{
    vbd->over = false;
    read_label(vbd);
    if (!key_is(vbd, "device-type", "cdrom"))
        open_params(vbd);
}

static void close_disk(struct vbd *vbd)
{
    if (vbd->disk)
        disks_remove(vbd->host->disks, vbd->disk);
    vbd->disk = NULL;
}

/* ---- connecting ------------------------------------------------------- */

static void close_queue(void *opaque)
{
    queue_close(opaque);
}

static void disconnect(struct vbd *vbd)
{
    if (vbd->queue)
        thread_call(vbd->host->thread, close_queue, vbd->queue);
    vbd->queue = NULL;
}

/* What the frontend is to know before it makes its ring. */
static void offer(struct vbd *vbd)
{
    static const char *const info[] = {"0", "4"};
    char order[NUMBER_MAX_LEN], segments[NUMBER_MAX_LEN];
    char sectors[NUMBER_MAX_LEN];
    const struct xenstore_pair pairs[] = {
        {"max-ring-page-order", order},
        {"feature-max-indirect-segments", segments},
        {"feature-persistent", "1"},
        {"feature-flush-cache", "1"},
        {"info", info[disk_read_only(vbd->disk)]},
        {"sector-size", "512"},
        {"sectors", sectors},
        {"state", "2"},
        {"feature-discard", "1"},
        {"discard-alignment", "0"},
        {"discard-granularity", DISCARD_GRANULARITY},
    };
    unsigned nr = sizeof(pairs) / sizeof(pairs[0]);

    _Static_assert(XenbusStateInitWait == 2 && VDISK_READONLY == 4, "texts");
    snprintf(order, sizeof(order), "%u", RING_MAX_ORDER);
    snprintf(segments, sizeof(segments), "%u", QUEUE_MAX_SEGMENTS);
    snprintf(sectors, sizeof(sectors), "%" PRIu64, disk_nr_sectors(vbd->disk));
    write_keys(vbd, pairs, vbd->discard ? nr : nr - 3);
}

static int read_layout(const struct vbd *vbd, enum ring_layout *layout)
{
    char *protocol;
    int ret = read_key(vbd, vbd->front, "protocol", &protocol);

    *layout = RING_X86_64;
    if (ret)
        return 0;
    if (strcmp(protocol, XEN_IO_PROTO_ABI_X86_32) == 0)
        *layout = RING_X86_32;
    else if (strcmp(protocol, XEN_IO_PROTO_ABI_X86_64) != 0)
        ret = -EPROTO;
    if (ret)
        log_guest("PV disk %s: the frontend speaks no protocol of x86",
                  vbd->label);
    free(protocol);
    return ret;
}

static int read_ring(const struct vbd *vbd, struct queue_spec *spec)
{
    char key[32];

    spec->order = read_number(vbd, vbd->front, "ring-page-order", 0);
    spec->port = read_number(vbd, vbd->front, "event-channel", 0);
    if (spec->order > RING_MAX_ORDER) {
        log_guest("PV disk %s: the frontend's ring-page-order %u is above %u",
                  vbd->label, spec->order, RING_MAX_ORDER);
        return -EPROTO;
    }
    /* Grant 0 is nobody's: mapping it fails. */
    for (unsigned i = 0; i < 1u << spec->order; i++) {
        snprintf(key, sizeof(key), "ring-ref%u", i);
        spec->refs[i] = read_number(vbd, vbd->front, key, 0);
    }
    if (spec->order == 0)
        spec->refs[0] = read_number(vbd, vbd->front, "ring-ref", spec->refs[0]);
    return 0;
}

struct connection {
    struct queue_spec spec;
    bool start;
    struct queue *queue;
    int ret;
};

static void open_queue(void *opaque)
{
    struct connection *connection = opaque;

    connection->ret = queue_open(&connection->spec, &connection->queue);
    if (connection->ret == 0 && connection->start)
        queue_start(connection->queue);
}

static void connect_frontend(struct vbd *vbd)
{
    struct vbd_host *host = vbd->host;
    struct connection new = {
        .spec.name = vbd->label,
        .spec.disk = vbd->disk,
        .spec.queues = host->queues,
        .spec.persistent =
            read_number(vbd, vbd->front, "feature-persistent", 0) == 1,
        .start = host->running,
    };

    new.ret = read_layout(vbd, &new.spec.layout);
    if (new.ret == 0)
        new.ret = read_ring(vbd, &new.spec);
    if (new.ret == 0)
        thread_call(host->thread, open_queue, &new);
    vbd->refused = new.ret != 0;
    vbd->queue = new.queue;
    if (vbd->queue)
        set_state(vbd, XenbusStateConnected);
}

/* ---- both ends' states ------------------------------------------------ */

/* The toolstack wants it to go (state Closing), or the frontend does. */
static void closing(struct vbd *vbd, uint64_t back, uint64_t front)
{
    bool alive = front == XenbusStateInitialised ||
                 front == XenbusStateConnected || front == XenbusStateClosing;

    if (!alive) {
        disconnect(vbd);
        if (back != XenbusStateClosed)
            set_state(vbd, XenbusStateClosed);
    } else if (front == XenbusStateClosing && back != XenbusStateClosing &&
               back != XenbusStateClosed) {
        set_state(vbd, XenbusStateClosing);
    }
}

static void opening(struct vbd *vbd, uint64_t back, uint64_t front)
{
    if (!vbd->disk)
        return;
    if (front == XenbusStateInitialising) {
        /* It starts anew; what was connected is no more. */
        disconnect(vbd);
        if (back != XenbusStateInitWait)
            offer(vbd);
    } else if (front == XenbusStateInitialised ||
               front == XenbusStateConnected) {
        if (!vbd->queue && !vbd->refused)
            connect_frontend(vbd);
    }
}

/* No number is 0; what cannot be read is an error. */
static int read_or_0(const struct vbd *vbd, const char *dir, const char *key,
                     uint64_t *out)
{
    char path[2 * XENSTORE_PATH_MAX];
    int ret;

    *out = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    ret = xenstore_read_number(vbd->host->xenstore, path, UINT32_MAX, out);
    if (ret == 0 || ret == -ENOENT || ret == -EINVAL)
        return 0;
    log_error("PV disk %s: cannot read %s: %s", vbd->label, path,
              strerror(-ret));
    return ret;
}

void vbd_changed(struct vbd *vbd)
{
    uint64_t back, front, online;

    /* A disk that is in use does not go because xenstore has trouble. */
    if (read_or_0(vbd, vbd->back, "state", &back) ||
        read_or_0(vbd, vbd->front, "state", &front) ||
        read_or_0(vbd, vbd->back, "online", &online) ||
        back == XenbusStateUnknown)
        return;
    /* Another one took its place before we saw that it was gone. */
    if (vbd->over && online)
        open_disk(vbd);
    if (!online || back == XenbusStateClosing || front == XenbusStateClosing ||
        front == XenbusStateClosed || front == XenbusStateUnknown)
        closing(vbd, back, front);
    else
        opening(vbd, back, front);
    /* Nobody will connect any more: others may have the image. */
    if (!online && !vbd->queue) {
        close_disk(vbd);
        vbd->over = true;
    }
}

static void frontend_changed(void *opaque)
{
    struct vbd *vbd = opaque;

    vbd->refused = false;
    vbd_changed(vbd);
}

/* ---- life ------------------------------------------------------------- */

int vbd_new(struct vbd_host *host, const char *name, struct vbd **out)
{
    struct vbd *vbd;
    char state[XENSTORE_PATH_MAX + 8];
    int ret;

    if (strlen(name) >= NAME_MAX_LEN)
        return -ENAMETOOLONG;
    vbd = calloc(1, sizeof(*vbd));
    if (!vbd)
        return -ENOMEM;
    vbd->host = host;
    strcpy(vbd->name, name);
    snprintf(vbd->back, sizeof(vbd->back), "backend/qdisk/%u/%s", host->domid,
             name);
    snprintf(vbd->front, sizeof(vbd->front), "/local/domain/%u/device/vbd/%s",
             host->domid, name);
    snprintf(state, sizeof(state), "%s/state", vbd->front);
    ret = xenstore_watch(host->xenstore, host->loop, state, frontend_changed,
                         vbd, &vbd->watch);
    if (ret) {
        log_error("PV disk %s: cannot watch %s: %s", name, state,
                  strerror(-ret));
        free(vbd);
        return ret;
    }
    open_disk(vbd);
    *out = vbd;
    vbd_changed(vbd);
    return 0;
}

void vbd_free(struct vbd *vbd)
{
    if (!vbd)
        return;
    xenstore_unwatch(vbd->watch);
    disconnect(vbd);
    close_disk(vbd);
    free(vbd);
}

const char *vbd_name(const struct vbd *vbd)
{
    return vbd->name;
}

static void start_queue(void *opaque)
{
    queue_start(opaque);
}

void vbd_start(struct vbd *vbd)
{
    if (vbd->queue)
        thread_call(vbd->host->thread, start_queue, vbd->queue);
}

static void stop_queue(void *opaque)
{
    queue_stop(opaque);
}

void vbd_stop(struct vbd *vbd)
{
    if (vbd->queue)
        thread_call(vbd->host->thread, stop_queue, vbd->queue);
}
