/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_EVENTS_H
#define DM_QMP_EVENTS_H

/*
 * MEMORY_DEVICE_SIZE_CHANGE: a device tells its size at once, and then once a
 * second at most, the last one in any case.
 */

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>
#include <uv.h>

#define QMP_EVENT_MS 1000
#define QMP_EVENTS_MAX (16 + 4) /* memory devices */

struct xen_memory_device;

/* Say it: name and data of an event, which the function puts. */
typedef void qmp_emit_fn(const char *name, struct json_object *data,
                         void *opaque);

struct qmp_events {
    uv_timer_t timer;
    qmp_emit_fn *emit;
    void *opaque;
    unsigned nr;
    struct {
        const struct xen_memory_device *device;
        uint64_t told; /* when, ms of the loop */
        bool waits;
    } devices[QMP_EVENTS_MAX];
};

void qmp_events_init(struct qmp_events *events, uv_loop_t *loop,
                     qmp_emit_fn *emit, void *opaque);
/* The timer's handle goes; closed (NULL: nobody) is told. */
void qmp_events_close(struct qmp_events *events, uv_close_cb closed);

/* The guest has more or less of the device now, which must stay plugged. */
void qmp_events_size(struct qmp_events *events,
                     const struct xen_memory_device *device);

#endif
