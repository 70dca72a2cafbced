/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/disk-env.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int disk_env_setup(void **state)
{
    struct disk_env *env = calloc(1, sizeof(*env));
    const char *tmp = getenv("TMPDIR");
    int fd;

    assert_non_null(env);
    snprintf(env->dir, sizeof(env->dir), "%.40s/disk-XXXXXX",
             tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(env->dir));
    snprintf(env->path, sizeof(env->path), "%s/image", env->dir);
    fd = open(env->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
    close(fd);
    assert_int_equal(uv_loop_init(&env->loop), 0);
    *state = env;
    return 0;
}

int disk_env_setup_active(void **state)
{
    struct disk_env *env;
    struct disk_spec spec;

    disk_env_setup(state);
    env = *state;
    spec = disk_env_spec(env->path);
    env->disk = disk_env_open(env, &spec);
    return 0;
}

int disk_env_teardown(void **state)
{
    struct disk_env *env = *state;
    char command[128];

    disk_close(env->disk);
    uv_run(&env->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&env->loop), 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", env->dir);
    assert_int_equal(system(command), 0);
    free(env);
    return 0;
}

struct disk_spec disk_env_spec(const char *path)
{
    return (struct disk_spec){.id = "ide0-hd0", .path = path, .raw = true};
}

struct disk *disk_env_open(struct disk_env *env, const struct disk_spec *spec)
{
    struct disk *disk;

    assert_int_equal(disk_open(&env->loop, spec, &disk), 0);
    assert_int_equal(disk_activate(disk), 0);
    return disk;
}

static void ended(struct disk_request *request, int error)
{
    struct counted *counted = request->opaque;

    counted->ended++;
    counted->error = error;
}

void counted_init(struct counted *counted, enum disk_op op, uint64_t offset,
                  void *buffer, size_t length)
{
    *counted = (struct counted){
        .request = {.op = op,
                    .offset = offset,
                    .length = length,
                    .nr_iov = 1,
                    .done = ended},
        .iov = {{buffer, length}},
    };
    counted->request.iov = counted->iov;
    counted->request.opaque = counted;
}

int counted_wait(struct disk_env *env, struct counted *counted)
{
    while (!counted->ended)
        assert_true(uv_run(&env->loop, UV_RUN_ONCE) || counted->ended);
    assert_int_equal(counted->ended, 1);
    return counted->error;
}

int disk_io(struct disk_env *env, struct disk *disk, enum disk_op op,
            uint64_t offset, void *buffer, size_t length)
{
    struct counted counted;

    counted_init(&counted, op, offset, buffer, length);
    disk_submit(disk, &counted.request);
    assert_int_equal(counted.ended, 0);
    return counted_wait(env, &counted);
}
