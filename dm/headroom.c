/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/headroom.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/log.h"
#include "dm/xenstore.h"

/*
 * A driver that says what it can do (Linux, drivers/xen/manage.c) was started
 * by the same call as the one that reads static-max, and a moment apart.
 */
#define UP_MS 3000
/* libxl reads what it saves within milliseconds. */
#define CONFIG_MS 3000

struct headroom {
    struct xenstore *xenstore;
    struct xenstore_watch *watch;
    uv_timer_t timer;
    char static_max[XENSTORE_PATH_MAX], feature[XENSTORE_PATH_MAX];
    uint64_t first, lowered; /* kB */
    bool is_lowered, up;
};

/* An operator who set another value has the last word. */
static void set(struct headroom *headroom, bool lower)
{
    uint64_t from = lower ? headroom->first : headroom->lowered, now;
    uint64_t to = lower ? headroom->lowered : headroom->first;
    char value[24];
    int ret;

    if (headroom->is_lowered == lower)
        return;
    ret = xenstore_read_number(headroom->xenstore, headroom->static_max,
                               UINT64_MAX, &now);
    if (ret == 0 && now == from) {
        snprintf(value, sizeof(value), "%" PRIu64, to);
        ret = xenstore_write(headroom->xenstore, headroom->static_max, value);
    }
    if (ret)
        log_warn("xenstore: %s cannot be set to %" PRIu64 ": %s",
                 headroom->static_max, to, strerror(-ret));
    else
        headroom->is_lowered = lower;
}

static void drop_watch(struct headroom *headroom)
{
    xenstore_unwatch(headroom->watch);
    headroom->watch = NULL;
}

static void time_over(uv_timer_t *timer)
{
    struct headroom *headroom = timer->data;

    set(headroom, !headroom->up);
    if (headroom->up)
        drop_watch(headroom);
}

static void feature_changed(void *opaque)
{
    struct headroom *headroom = opaque;
    char *value;

    if (headroom->up ||
        xenstore_read(headroom->xenstore, headroom->feature, &value))
        return;
    headroom->up = value[0] != '\0';
    free(value);
    if (headroom->up)
        uv_timer_start(&headroom->timer, time_over, UP_MS, 0);
}

void headroom_config_read(struct headroom *headroom)
{
    if (!headroom || !headroom->is_lowered)
        return;
    set(headroom, false);
    uv_timer_start(&headroom->timer, time_over,
                   headroom->up ? UP_MS : CONFIG_MS, 0);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void headroom_close(struct headroom *headroom)
{
    if (!headroom)
        return;
    drop_watch(headroom);
    uv_close((uv_handle_t *)&headroom->timer, closed);
}

/* Is there room that a balloon driver would misunderstand?  -ENOENT: no. */
static int look(struct headroom *headroom, uint32_t domid)
{
    char target[XENSTORE_PATH_MAX];
    int ret;

    snprintf(target, sizeof(target), "/local/domain/%" PRIu32 "/memory/target",
             domid);
    snprintf(headroom->static_max, sizeof(headroom->static_max),
             "/local/domain/%" PRIu32 "/memory/static-max", domid);
    snprintf(headroom->feature, sizeof(headroom->feature),
             "/local/domain/%" PRIu32 "/control/feature-poweroff", domid);
    ret = xenstore_read_number(headroom->xenstore, headroom->static_max,
                               UINT64_MAX, &headroom->first);
    if (ret == 0)
        ret = xenstore_read_number(headroom->xenstore, target, UINT64_MAX,
                                   &headroom->lowered);
    if (ret)
        log_warn("xenstore: memory/static-max and target of domain %" PRIu32
                 " cannot be read, and a guest with a balloon may not boot: %s",
                 domid, strerror(-ret));
    else if (headroom->first <= headroom->lowered)
        ret = -ENOENT;
    return ret;
}

void headroom_open(uv_loop_t *loop, struct xenstore *xenstore,
                   const struct options *options, struct headroom **out)
{
    struct headroom *headroom;

    *out = NULL;
    if (options->nr_dimms == 0 && options->nr_virtio_mems == 0)
        return;
    headroom = calloc(1, sizeof(*headroom));
    if (!headroom) {
        log_warn("no memory to look after memory/static-max");
        return;
    }
    headroom->xenstore = xenstore;
    if (look(headroom, options->domid)) {
        free(headroom);
        return;
    }
    uv_timer_init(loop, &headroom->timer);
    headroom->timer.data = headroom;
    set(headroom, true);
    if (xenstore_watch(xenstore, loop, headroom->feature, feature_changed,
                       headroom, &headroom->watch))
        log_warn("xenstore: %s cannot be watched: xl mem-set will be refused",
                 headroom->feature);
    *out = headroom;
}
