/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disk-impl.h"

#include <errno.h>
#include <stdlib.h>

static void ended(uv_async_t *async)
{
    disk_io_finish(async->data);
}

void disk_io_turned(uv_idle_t *idle)
{
    disk_io_finish(idle->data);
}

static void closed(uv_handle_t *handle)
{
    struct disk_io *io = handle->data;

    if (--io->nr_handles > 0)
        return;
    pthread_mutex_destroy(&io->images.mutex);
    free(io);
}

int disk_io_get(uv_loop_t *loop, struct disk_io **out)
{
    struct disk_io *io = loop->data;
    int ret = -ENOMEM;

    if (!io) {
        io = calloc(1, sizeof(*io));
        if (!io)
            return ret;
        io->loop = loop;
        pthread_mutex_init(&io->images.mutex, NULL);
        ret = workers_open(disk_carry_out, &io->async, &io->workers);
        if (ret)
            goto err_free;
        ret = uv_async_init(loop, &io->async, ended);
        if (ret)
            goto err_workers;
        uv_unref((uv_handle_t *)&io->async);
        uv_idle_init(loop, &io->idle);
        io->async.data = io->idle.data = io;
        io->nr_handles = 2;
        loop->data = io;
    }
    io->users++;
    *out = io;
    return 0;

err_workers:
    workers_close(io->workers);
err_free:
    free(io);
    return ret;
}

void disk_io_put(struct disk_io *io)
{
    if (--io->users > 0)
        return;
    workers_close(io->workers);
    io->loop->data = NULL;
    uv_close((uv_handle_t *)&io->async, closed);
    uv_close((uv_handle_t *)&io->idle, closed);
}
