/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_LOOP_H
#define TESTS_LOOP_H

#include <stddef.h>

#include <uv.h>

static inline void loop_close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* With whatever handles are in it still; 0, or as uv_loop_close. */
static inline int loop_close(uv_loop_t *loop)
{
    uv_walk(loop, loop_close_handle, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop);
}

#endif
