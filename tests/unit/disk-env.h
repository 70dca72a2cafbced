/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_DISK_ENV_H
#define TESTS_DISK_ENV_H

/* A directory with an image, a loop, and requests that are waited for. */

#include <stddef.h>
#include <uv.h>

#include "dm/block/disk.h"

#define IMAGE_BYTES (1u << 20)

struct disk_env {
    uv_loop_t loop;
    char dir[64], path[96]; /* path: an image of IMAGE_BYTES zeroes */
    struct disk *disk;
};

/* For cmocka; the state is a struct disk_env.  setup_active opens disk. */
int disk_env_setup(void **state);
int disk_env_setup_active(void **state);
/* Closes disk; all handles must be gone by then. */
int disk_env_teardown(void **state);

/* What libxl asks for; path may be NULL. */
struct disk_spec disk_env_spec(const char *path);
/* Opens, and activates; both must work. */
struct disk *disk_env_open(struct disk_env *env, const struct disk_spec *spec);

/* A request that counts how often it ended. */
struct counted {
    struct disk_request request;
    struct iovec iov[8];
    unsigned ended;
    int error;
};

/* One buffer; it is not submitted. */
void counted_init(struct counted *counted, enum disk_op op, uint64_t offset,
                  void *buffer, size_t length);
/* Turn the loop until it ended. */
int counted_wait(struct disk_env *env, struct counted *counted);
/* All of that. */
int disk_io(struct disk_env *env, struct disk *disk, enum disk_op op,
            uint64_t offset, void *buffer, size_t length);

#endif
