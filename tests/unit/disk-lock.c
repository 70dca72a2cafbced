/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "tests/unit/disk-env.h"

/* Who may use an image beside whom, and what kind of image it is. */

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, disk_env_setup, disk_env_teardown)

/* ---- another process ----------------------------------------------------- */

struct other {
    pid_t pid;
    int go; /* closed: end */
};

/* Another device model that has the image. */
static struct other start_other(const struct disk_env *env, bool read_only)
{
    int ready[2], go[2];
    struct other other;
    char byte = 0;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    other.pid = fork();
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        struct disk_spec spec = disk_env_spec(env->path);
        struct disk *disk;
        uv_loop_t loop = {0};

        spec.read_only = read_only;
        close(go[1]);
        byte = uv_loop_init(&loop) == 0 &&
               disk_open(&loop, &spec, &disk) == 0 && disk_activate(disk) == 0;
        if (write(ready[1], &byte, 1) == 1)
            (void)!read(go[0], &byte, 1);
        _exit(0);
    }
    close(ready[1]);
    close(go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(byte);
    close(ready[0]);
    other.go = go[1];
    return other;
}

static void end_other(struct other *other)
{
    close(other->go);
    assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
}

static void one_process_writes_or_several_read(void **state)
{
    static const struct {
        bool other_reads, we_read;
        int ret;
    } cases[] = {
        {false, false, -EAGAIN},
        {false, true, -EAGAIN},
        {true, false, -EAGAIN},
        {true, true, 0},
    };
    struct disk_env *env = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct other other = start_other(env, cases[i].other_reads);
        struct disk_spec spec = disk_env_spec(env->path);
        char line[512], pid[32], buffer[512];
        int ret;

        spec.read_only = cases[i].we_read;
        assert_int_equal(disk_open(&env->loop, &spec, &env->disk), 0);
        capture_begin();
        ret = disk_activate(env->disk);
        capture_end(line, sizeof(line));
        assert_int_equal(ret, cases[i].ret);
        snprintf(pid, sizeof(pid), "process %d (", (int)other.pid);
        assert_int_equal(strstr(line, pid) != NULL, ret != 0);
        assert_int_equal(
            disk_io(env, env->disk, DISK_READ, 0, buffer, sizeof(buffer)),
            ret ? -EIO : 0);

        end_other(&other);
        assert_int_equal(disk_activate(env->disk), 0);
        assert_int_equal(
            disk_io(env, env->disk, DISK_READ, 0, buffer, sizeof(buffer)), 0);
        disk_close(env->disk);
        env->disk = NULL;
    }
}

/* nanosleep is the sleep between two attempts. */
static struct other *ends_while_we_sleep;
static unsigned sleeps;

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    assert_true(time->tv_sec == 0);
    if (++sleeps == 3 && ends_while_we_sleep)
        end_other(ends_while_we_sleep);
    return 0;
}

static void an_image_is_waited_for_but_not_for_ever(void **state)
{
    struct disk_env *env = *state;
    struct other other = start_other(env, false);
    struct disk_spec spec = disk_env_spec(env->path);

    ends_while_we_sleep = NULL;
    assert_int_equal(disk_open(&env->loop, &spec, &env->disk), 0);
    sleeps = 0;
    assert_int_equal(disk_activate(env->disk), -EAGAIN);
    assert_int_equal(sleeps, 0);
    assert_int_equal(disk_activate_within(env->disk, 1000), -EAGAIN);
    assert_in_range(sleeps, 2, 1000);
    ends_while_we_sleep = &other;
    sleeps = 0;
    assert_int_equal(disk_activate_within(env->disk, 1000), 0);
    assert_int_equal(sleeps, 3);
}

static bool lock_byte(int fd, off_t byte, short type)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* Could QEMU have this byte for itself?  That is how it asks. */
static bool qemu_finds_free(int fd, off_t byte)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
    return lock.l_type == F_UNLCK;
}

/* Rights 0: reading, 1: writing; at 100 claimed, at 200 denied to others. */
static void qemu_and_we_see_each_other(void **state)
{
    static const struct {
        bool qemu_writes, we_read;
        int ret;
    } cases[] = {
        {true, false, -EAGAIN},
        {true, true, -EAGAIN},
        {false, false, -EAGAIN},
        {false, true, 0},
    };
    struct disk_env *env = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = open(env->path, O_RDWR | O_CLOEXEC);
        struct disk_spec spec = disk_env_spec(env->path);

        assert_true(lock_byte(fd, 100, F_RDLCK) && lock_byte(fd, 201, F_RDLCK));
        if (cases[i].qemu_writes)
            assert_true(lock_byte(fd, 101, F_RDLCK));
        spec.read_only = cases[i].we_read;
        assert_int_equal(disk_open(&env->loop, &spec, &env->disk), 0);
        assert_int_equal(disk_activate(env->disk), cases[i].ret);
        /* What we tried and did not get leaves nothing behind. */
        if (cases[i].ret) {
            assert_true(qemu_finds_free(fd, 200) && qemu_finds_free(fd, 201));
            close(fd);
            fd = open(env->path, O_RDWR | O_CLOEXEC);
            assert_int_equal(disk_activate(env->disk), 0);
        }
        /* QEMU as a second reader asks for 200 and 101, as a writer for 201. */
        assert_int_equal(qemu_finds_free(fd, 200) && qemu_finds_free(fd, 101),
                         cases[i].we_read);
        assert_false(qemu_finds_free(fd, 201));
        disk_close(env->disk);
        env->disk = NULL;
        close(fd);
    }
}

/* ---- one process --------------------------------------------------------- */

static void disks_of_one_process_share_image_and_lock(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    struct disk *first = disk_env_open(env, &spec);
    struct disk *second = disk_env_open(env, &spec);
    int fd = open(env->path, O_RDWR | O_CLOEXEC);
    char out[512], in[512];

    memset(out, 's', sizeof(out));
    assert_int_equal(disk_io(env, first, DISK_WRITE, 0, out, 512), 0);
    assert_int_equal(disk_io(env, second, DISK_READ, 0, in, 512), 0);
    assert_memory_equal(in, out, 512);
    assert_int_equal(disk_deactivate(first), 0);
    assert_int_equal(disk_io(env, first, DISK_READ, 0, in, 512), -EIO);
    assert_int_equal(disk_io(env, second, DISK_READ, 0, in, 512), 0);
    assert_false(lock_byte(fd, 7, F_WRLCK));
    disk_close(first);
    assert_false(lock_byte(fd, 7, F_WRLCK));
    assert_int_equal(disk_deactivate(second), 0);
    assert_true(lock_byte(fd, 7, F_WRLCK));
    close(fd);
    disk_close(second);
}

static void a_disk_that_is_not_active_moves_nothing(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    char buffer[512] = "x";

    assert_int_equal(disk_open(&env->loop, &spec, &env->disk), 0);
    for (enum disk_op op = DISK_READ; op <= DISK_DISCARD; op++)
        assert_int_equal(
            disk_io(env, env->disk, op, 0, buffer, op == DISK_FLUSH ? 0 : 512),
            -EIO);
    assert_int_equal(disk_activate(env->disk), 0);
    assert_int_equal(disk_activate(env->disk), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512), 0);
    assert_int_equal(disk_deactivate(env->disk), 0);
    assert_int_equal(disk_deactivate(env->disk), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), -EIO);
}

static void a_read_only_disk_is_not_written(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    char buffer[512] = "x";

    spec.read_only = true;
    env->disk = disk_env_open(env, &spec);
    assert_true(disk_read_only(env->disk));
    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512),
                     -EROFS);
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 0, NULL, 512),
                     -EROFS);
    assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), 0);
}

static void the_size_is_that_of_the_last_activation(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    char buffer[512];

    env->disk = disk_env_open(env, &spec);
    assert_int_equal(disk_nr_sectors(env->disk), IMAGE_BYTES / 512);
    assert_int_equal(truncate(env->path, IMAGE_BYTES + 1023), 0);
    assert_int_equal(disk_nr_sectors(env->disk), IMAGE_BYTES / 512);
    assert_int_equal(disk_deactivate(env->disk), 0);
    assert_int_equal(disk_activate(env->disk), 0);
    assert_int_equal(disk_nr_sectors(env->disk), IMAGE_BYTES / 512 + 1);
    assert_int_equal(
        disk_io(env, env->disk, DISK_READ, IMAGE_BYTES, buffer, 512), 0);
    assert_int_equal(
        disk_io(env, env->disk, DISK_READ, IMAGE_BYTES + 512, buffer, 512),
        -ERANGE);
}

/* ---- what is no image ---------------------------------------------------- */

static void refuse(struct disk_env *env, const struct disk_spec *spec, int ret,
                   const char *part)
{
    char line[512];
    int got;

    capture_begin();
    got = disk_open(&env->loop, spec, &env->disk);
    capture_end(line, sizeof(line));
    if (got != ret || !strstr(line, part) || !strstr(line, "disk ide0-hd0: "))
        fail_msg("%s: %d, %s", spec->path, got, line);
    assert_null(env->disk);
    assert_null(env->loop.data);
}

static void what_is_no_image_is_refused_by_name(void **state)
{
    static const struct {
        const char *path;
        int ret;
        const char *part;
    } cases[] = {
        {"/none/such", -ENOENT, "cannot open /none/such for writing"},
        {"/dev", -EISDIR, "/dev"},
        {"/dev/null", -EINVAL, "no file and no block device"},
        {"/dev/full", -EINVAL, "no file and no block device"},
    };
    struct disk_env *env = *state;
    struct disk_spec spec;
    char path[128];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spec = disk_env_spec(cases[i].path);
        refuse(env, &spec, cases[i].ret, cases[i].part);
    }
    spec = disk_env_spec("/dev");
    spec.read_only = true;
    refuse(env, &spec, -EISDIR, "no file and no block device");
    snprintf(path, sizeof(path), "%s/fifo", env->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    spec = disk_env_spec(path);
    refuse(env, &spec, -EINVAL, "no file and no block device");
    assert_int_equal(truncate(env->path, 511), 0);
    spec = disk_env_spec(env->path);
    refuse(env, &spec, -EINVAL, "has 511 bytes");
}

static void other_formats_are_refused_unless_they_are_called_raw(void **state)
{
    static const struct {
        const char *name, *start;
        size_t len;
    } formats[] = {
        {"qcow2", "QFI\xfb\0\0\0\3", 8},
        {"qed", "QED\0", 4},
        {"vmdk", "KDMV", 4},
        {"vpc", "conectix", 8},
        {"vhdx", "vhdxfile", 8},
    };
    struct disk_env *env = *state;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct disk_spec spec = disk_env_spec(env->path);
        int fd = open(env->path, O_WRONLY | O_CLOEXEC);
        char line[512];

        assert_int_equal(pwrite(fd, formats[i].start, formats[i].len, 0),
                         formats[i].len);
        close(fd);
        spec.raw = false;
        refuse(env, &spec, -EINVAL, formats[i].name);
        spec.raw = true;
        capture_begin();
        env->disk = disk_env_open(env, &spec);
        capture_end(line, sizeof(line));
        assert_non_null(strstr(line, "used as raw"));
        assert_non_null(strstr(line, formats[i].name));
        disk_close(env->disk);
        env->disk = NULL;
    }
}

/* ---- media --------------------------------------------------------------- */

static unsigned changes;

static void changed(void *opaque)
{
    (void)opaque;
    changes++;
}

static void a_medium_comes_and_goes(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(NULL);
    char buffer[512];

    changes = 0;
    spec.removable = spec.read_only = true;
    env->disk = disk_env_open(env, &spec);
    disk_on_change(env->disk, changed, NULL);
    assert_false(disk_has_medium(env->disk));
    assert_null(disk_path(env->disk));
    assert_int_equal(disk_nr_sectors(env->disk), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512),
                     -ENOMEDIUM);
    assert_int_equal(disk_change(env->disk, env->path, -1), 0);
    assert_int_equal(changes, 1);
    assert_string_equal(disk_path(env->disk), env->path);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), 0);
    assert_int_equal(disk_change(env->disk, "/none/such", -1), -ENOENT);
    assert_int_equal(disk_change(env->disk, env->path, -1), 0);
    assert_int_equal(changes, 2);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), 0);
    assert_int_equal(disk_change(env->disk, NULL, -1), 0);
    assert_int_equal(changes, 3);
    assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0),
                     -ENOMEDIUM);
}

static void a_medium_that_another_writes_is_not_taken(void **state)
{
    struct disk_env *env = *state;
    struct other other = start_other(env, false);
    struct disk_spec spec = disk_env_spec(NULL);

    spec.removable = spec.read_only = true;
    env->disk = disk_env_open(env, &spec);
    assert_int_equal(disk_change(env->disk, env->path, -1), -EAGAIN);
    assert_false(disk_has_medium(env->disk));
    end_other(&other);
    assert_int_equal(disk_change(env->disk, env->path, -1), 0);
}

static void a_descriptor_must_have_the_rights(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(NULL);

    spec.removable = true;
    env->disk = disk_env_open(env, &spec);
    assert_int_equal(
        disk_change(env->disk, "m", open(env->path, O_RDONLY | O_CLOEXEC)),
        -EACCES);
    assert_int_equal(
        disk_change(env->disk, "m", open(env->path, O_WRONLY | O_CLOEXEC)),
        -EACCES);
    assert_int_equal(
        disk_change(env->disk, "m", open(env->path, O_RDWR | O_CLOEXEC)), 0);
    assert_string_equal(disk_path(env->disk), "m");
}

static void the_medium_of_a_fixed_disk_stays(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    int fd = open(env->path, O_RDWR | O_CLOEXEC);

    env->disk = disk_env_open(env, &spec);
    assert_int_equal(disk_change(env->disk, "m", fd), -EINVAL);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(disk_change(env->disk, NULL, -1), -EINVAL);
    assert_true(disk_has_medium(env->disk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_process_writes_or_several_read),
        TEST(an_image_is_waited_for_but_not_for_ever),
        TEST(qemu_and_we_see_each_other),
        TEST(disks_of_one_process_share_image_and_lock),
        TEST(a_disk_that_is_not_active_moves_nothing),
        TEST(a_read_only_disk_is_not_written),
        TEST(the_size_is_that_of_the_last_activation),
        TEST(what_is_no_image_is_refused_by_name),
        TEST(other_formats_are_refused_unless_they_are_called_raw),
        TEST(a_medium_comes_and_goes),
        TEST(a_medium_that_another_writes_is_not_taken),
        TEST(a_descriptor_must_have_the_rights),
        TEST(the_medium_of_a_fixed_disk_stays),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
