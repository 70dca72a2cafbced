/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/queues.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dm/log.h"
#include "dm/pv/queue.h"
#include "dm/xen-events.h"
#include "dm/xen-grants.h"

struct queues {
    struct xen_grants *grants;
    struct xen_events *events;
    struct queue *queues[QUEUES_MAX];
    unsigned nr;
    uv_prepare_t prepare;
    uv_idle_t idle; /* active: some queue has more to do */
    unsigned nr_handles;
};

static void spin(uv_idle_t *idle)
{
    (void)idle;
}

static void before_sleep(uv_prepare_t *prepare)
{
    struct queues *queues = prepare->data;
    bool more = false;

    for (unsigned i = 0; i < queues->nr; i++)
        more |= queue_turn(queues->queues[i]);
    if (more)
        uv_idle_start(&queues->idle, spin);
    else
        uv_idle_stop(&queues->idle);
}

static int open_xen(uint32_t domid, uv_loop_t *loop, struct queues *queues)
{
    const char *what = "gntdev";
    int ret = xen_grants_open(domid, &queues->grants);

    if (ret == 0) {
        what = "evtchn";
        ret = xen_events_open(domid, loop, &queues->events);
    }
    if (ret) {
        xen_grants_close(queues->grants);
        log_error("PV disks are not served: cannot open Xen's %s: %s (is the "
                  "module xen-%s loaded?)",
                  what, strerror(-ret), what);
    }
    return ret;
}

int queues_open(uint32_t domid, uv_loop_t *loop, struct queues **out)
{
    struct queues *queues = calloc(1, sizeof(*queues));
    int ret;

    if (!queues) {
        log_error("PV disks are not served: out of memory");
        return -ENOMEM;
    }
    ret = open_xen(domid, loop, queues);
    if (ret) {
        free(queues);
        return ret;
    }
    uv_prepare_init(loop, &queues->prepare);
    queues->prepare.data = queues;
    uv_prepare_start(&queues->prepare, before_sleep);
    uv_idle_init(loop, &queues->idle);
    queues->idle.data = queues;
    queues->nr_handles = 2;
    *out = queues;
    return 0;
}

static void closed(uv_handle_t *handle)
{
    struct queues *queues = handle->data;

    if (--queues->nr_handles == 0)
        free(queues);
}

void queues_close(struct queues *queues)
{
    if (!queues)
        return;
    xen_events_close(queues->events);
    xen_grants_close(queues->grants);
    uv_close((uv_handle_t *)&queues->prepare, closed);
    uv_close((uv_handle_t *)&queues->idle, closed);
}

struct xen_events *queues_events(const struct queues *queues)
{
    return queues->events;
}

struct xen_grants *queues_grants(const struct queues *queues)
{
    return queues->grants;
}

void queues_add(struct queues *queues, struct queue *queue)
{
    queues->queues[queues->nr++] = queue;
}

void queues_remove(struct queues *queues, struct queue *queue)
{
    unsigned i = 0;

    while (queues->queues[i] != queue)
        i++;
    queues->queues[i] = queues->queues[--queues->nr];
}
