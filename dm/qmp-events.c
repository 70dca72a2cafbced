/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-events.h"

#include <stdio.h>

#include "dm/qmp-json.h"

#include "xenram/memory-device.h"

static void emit_size(struct qmp_events *events,
                      const struct xen_memory_device *device)
{
    struct json_object *data = json_object_new_object();
    struct xen_memory_info info;
    char path[128];

    device->ops->fill_info(device, &info);
    if (info.id)
        qmp_put_string(data, "id", info.id);
    qmp_put_int(data, "size", (int64_t)info.size);
    snprintf(path, sizeof(path), "/machine/peripheral%s/%s",
             info.id ? "" : "-anon", info.id ? info.id : info.memdev);
    qmp_put_string(data, "qom-path", path);
    events->emit("MEMORY_DEVICE_SIZE_CHANGE", data, events->opaque);
}

static void tell(uv_timer_t *timer);

/* Tell all whose second is over, and come back for the first of the others. */
static void tell_due(struct qmp_events *events)
{
    uint64_t now = uv_now(events->timer.loop), next = UINT64_MAX;

    for (unsigned i = 0; i < events->nr; i++) {
        uint64_t due = events->devices[i].told + QMP_EVENT_MS;

        if (!events->devices[i].waits)
            continue;
        if (due <= now) {
            events->devices[i].waits = false;
            events->devices[i].told = now;
            emit_size(events, events->devices[i].device);
        } else if (due < next) {
            next = due;
        }
    }
    if (next != UINT64_MAX)
        uv_timer_start(&events->timer, tell, next - now, 0);
}

static void tell(uv_timer_t *timer)
{
    tell_due(timer->data);
}

void qmp_events_init(struct qmp_events *events, uv_loop_t *loop,
                     qmp_emit_fn *emit, void *opaque)
{
    events->emit = emit;
    events->opaque = opaque;
    events->nr = 0;
    uv_timer_init(loop, &events->timer);
    events->timer.data = events;
}

void qmp_events_close(struct qmp_events *events, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&events->timer, closed);
}

void qmp_events_size(struct qmp_events *events,
                     const struct xen_memory_device *device)
{
    unsigned i = 0;

    while (i < events->nr && events->devices[i].device != device)
        i++;
    if (i == events->nr) {
        if (i == QMP_EVENTS_MAX)
            return;
        events->nr++;
        events->devices[i].device = device;
        events->devices[i].told = 0;
    }
    events->devices[i].waits = true;
    uv_update_time(events->timer.loop);
    tell_due(events);
}
