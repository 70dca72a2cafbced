/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "tests/unit/disk-env.h"

/* ---- a kernel that fails ------------------------------------------------- */

/* Workers call these too. */
static struct {
    atomic_int read_error, write_error, flush_error, discard_error;
    atomic_int at_once_error; /* of RWF_NOWAIT */
    atomic_int interrupted;   /* so many calls get EINTR */
    atomic_size_t most;       /* bytes that a call moves; 0: all */
    atomic_int reads, reads_at_once, writes, synced_writes, flushes, discards;
    int threads;         /* that can be started; -1: all */
    int allocations;     /* the nth fails; 0: none */
    const char *watched; /* an image */
    bool free_at_flush;  /* it was free then */
} kernel;

static void kernel_reset(void)
{
    memset(&kernel, 0, sizeof(kernel));
    kernel.threads = -1;
}

ssize_t __real_preadv2(int fd, const struct iovec *iov, int nr, off_t offset,
                       int flags);
ssize_t __real_pwritev2(int fd, const struct iovec *iov, int nr, off_t offset,
                        int flags);
int __real_fdatasync(int fd);
int __real_fallocate(int fd, int mode, off_t offset, off_t len);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*start)(void *), void *opaque);
void *__real_calloc(size_t nr, size_t size);
char *__real_strdup(const char *text);
ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int nr, off_t offset,
                       int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int nr, off_t offset,
                        int flags);
int __wrap_fdatasync(int fd);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*start)(void *), void *opaque);
void *__wrap_calloc(size_t nr, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(int error)
{
    if (error)
        errno = error;
    else if (atomic_fetch_sub(&kernel.interrupted, 1) > 0)
        errno = EINTR;
    else
        return false;
    return true;
}

/* The first buffer alone, and not all of it. */
static int cut(const struct iovec **iov, int nr, struct iovec *first)
{
    size_t most = kernel.most;

    if (most == 0)
        return nr;
    *first = **iov;
    if (first->iov_len > most)
        first->iov_len = most;
    *iov = first;
    return first->iov_len || nr == 1 ? 1 : nr;
}

ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int nr, off_t offset,
                       int flags)
{
    struct iovec first;

    if (flags & RWF_NOWAIT) {
        kernel.reads_at_once++;
        if (kernel.at_once_error) {
            errno = kernel.at_once_error;
            return -1;
        }
    }
    kernel.reads++;
    if (fails(kernel.read_error))
        return -1;
    nr = cut(&iov, nr, &first);
    return __real_preadv2(fd, iov, nr, offset, flags);
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int nr, off_t offset,
                        int flags)
{
    struct iovec first;

    kernel.writes++;
    if (flags & RWF_DSYNC)
        kernel.synced_writes++;
    if (fails(kernel.write_error))
        return -1;
    nr = cut(&iov, nr, &first);
    return __real_pwritev2(fd, iov, nr, offset, flags);
}

/* Could another process have the image now? */
static bool is_free(const char *path)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool free = fcntl(fd, F_OFD_SETLK, &all) == 0;

    close(fd);
    return free;
}

int __wrap_fdatasync(int fd)
{
    kernel.flushes++;
    if (kernel.watched)
        kernel.free_at_flush = is_free(kernel.watched);
    return fails(kernel.flush_error) ? -1 : __real_fdatasync(fd);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
    kernel.discards++;
    return fails(kernel.discard_error)
               ? -1
               : __real_fallocate(fd, mode, offset, len);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*start)(void *), void *opaque)
{
    if (kernel.threads == 0)
        return EAGAIN;
    if (kernel.threads > 0)
        kernel.threads--;
    return __real_pthread_create(thread, attr, start, opaque);
}

static bool allocation_fails(void)
{
    return kernel.allocations > 0 && --kernel.allocations == 0;
}

void *__wrap_calloc(size_t nr, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(nr, size);
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : __real_strdup(text);
}

static int setup(void **state)
{
    kernel_reset();
    return disk_env_setup_active(state);
}

static int teardown(void **state)
{
    kernel_reset();
    return disk_env_teardown(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* ---- errors -------------------------------------------------------------- */

static void errors_of_the_kernel_become_those_of_the_contract(void **state)
{
    static const struct {
        int kernel, ours;
    } cases[] = {
        {ENOSPC, -ENOSPC}, {EDQUOT, -ENOSPC}, {EIO, -EIO},     {EFBIG, -EIO},
        {ENXIO, -EIO},     {EFAULT, -EFAULT}, {ENODATA, -EIO}, {EAGAIN, -EIO},
    };
    struct disk_env *env = *state;
    char buffer[512], line[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        capture_begin();
        kernel.write_error = kernel.read_error = cases[i].kernel;
        if (cases[i].kernel == EAGAIN)
            kernel.at_once_error = EAGAIN;
        int wrote = disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512);
        int read = disk_io(env, env->disk, DISK_READ, 0, buffer, 512);
        capture_end(line, sizeof(line));
        assert_int_equal(wrote, cases[i].ours);
        assert_int_equal(read, cases[i].ours);
        assert_true(i > 0 || strstr(line, "No space left on device"));
        kernel_reset();
        assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512),
                         0);
    }
}

static void a_limit_of_file_sizes_is_an_error_and_no_signal(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    struct rlimit before, limit;
    char buffer[8192] = "", line[512];
    int ret;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    disk_close(env->disk);
    capture_begin();
    env->disk = disk_env_open(env, &spec);
    ret = disk_io(env, env->disk, DISK_WRITE, 0, buffer, sizeof(buffer));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    capture_end(line, sizeof(line));
    assert_int_equal(ret, -EIO);
    assert_non_null(strstr(line, "only the first 4096 bytes"));
    signal(SIGXFSZ, SIG_DFL);
}

static void calls_that_do_little_are_repeated(void **state)
{
    static const size_t most[] = {1, 511, 512, 700};
    struct disk_env *env = *state;
    char out[2048], in[2048];

    for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
        for (size_t j = 0; j < sizeof(out); j++)
            out[j] = (char)(i + j / 3);
        kernel.most = most[i];
        kernel.interrupted = 3;
        assert_int_equal(
            disk_io(env, env->disk, DISK_WRITE, 512, out, sizeof(out)), 0);
        assert_true((size_t)kernel.writes >= sizeof(out) / most[i] + 3);
        kernel.interrupted = 3;
        assert_int_equal(
            disk_io(env, env->disk, DISK_READ, 512, in, sizeof(in)), 0);
        assert_memory_equal(in, out, sizeof(in));
        kernel_reset();
    }
}

/* ---- reads at once ------------------------------------------------------- */

static void a_read_that_would_block_goes_to_a_worker(void **state)
{
    struct disk_env *env = *state;
    char buffer[512];

    kernel.at_once_error = EAGAIN;
    for (int i = 0; i < 3; i++)
        assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), 0);
    assert_int_equal(kernel.reads_at_once, 3);
    assert_int_equal(kernel.reads, 3);
}

static void a_file_system_that_always_blocks_is_asked_once(void **state)
{
    struct disk_env *env = *state;
    char buffer[512];

    kernel.at_once_error = EOPNOTSUPP;
    for (int i = 0; i < 3; i++)
        assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), 0);
    assert_int_equal(kernel.reads_at_once, 1);
    assert_int_equal(kernel.reads, 3);
}

static void no_more_than_a_mebibyte_is_read_at_once_in_a_turn(void **state)
{
    static char buffers[3][IMAGE_BYTES / 2];
    struct disk_env *env = *state;
    struct counted counted[3];

    for (int turn = 1; turn < 3; turn++) {
        for (int i = 0; i < 3; i++) {
            counted_init(&counted[i], DISK_READ, 0, buffers[i],
                         sizeof(buffers[i]));
            disk_submit(env->disk, &counted[i].request);
        }
        for (int i = 0; i < 3; i++)
            if (!counted[i].ended)
                assert_int_equal(counted_wait(env, &counted[i]), 0);
        assert_int_equal(kernel.reads_at_once, 2 * turn);
        assert_int_equal(kernel.reads, 3 * turn);
    }
}

/* ---- flushes ------------------------------------------------------------- */

static void a_flush_reaches_the_kernel_only_after_a_write(void **state)
{
    struct disk_env *env = *state;
    char buffer[512] = "";

    assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(kernel.flushes, 0);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512),
                         0);
        assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(kernel.flushes, i);
    }
}

static void a_flush_waits_for_one_that_covers_its_writes(void **state)
{
    struct disk_env *env = *state;
    struct counted first, second;
    char buffer[512] = "";

    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512), 0);
    counted_init(&first, DISK_FLUSH, 0, NULL, 0);
    counted_init(&second, DISK_FLUSH, 0, NULL, 0);
    disk_submit(env->disk, &first.request);
    disk_submit(env->disk, &second.request);
    assert_int_equal(counted_wait(env, &first), 0);
    if (!second.ended)
        assert_int_equal(counted_wait(env, &second), 0);
    /* The second could not know whether the first would succeed. */
    assert_int_equal(kernel.flushes, 2);
}

static void after_a_flush_that_failed_all_fail(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    struct disk *other = disk_env_open(env, &spec);
    char buffer[512] = "";

    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512), 0);
    kernel.flush_error = ENOSPC;
    assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), -ENOSPC);
    kernel.flush_error = 0;
    assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), -ENOSPC);
    assert_int_equal(disk_io(env, other, DISK_FLUSH, 0, NULL, 0), -ENOSPC);
    assert_int_equal(disk_deactivate(env->disk), -ENOSPC);
    /* It stays active. */
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 512), 0);
    disk_close(other);
}

static void a_disk_that_cannot_be_flushed_is_not_given_up(void **state)
{
    struct disk_env *env = *state;
    char buffer[512] = "", line[512];
    int ret;

    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512), 0);
    kernel.flush_error = EIO;
    capture_begin();
    ret = disk_deactivate(env->disk);
    capture_end(line, sizeof(line));
    assert_int_equal(ret, -EIO);
    assert_non_null(strstr(line, "cannot flush"));
    assert_non_null(strstr(line, env->path));
}

static void a_save_flushes_with_the_lock_and_the_end_without(void **state)
{
    struct disk_env *env = *state;
    char buffer[512] = "";

    kernel.watched = env->path;
    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512), 0);
    assert_int_equal(disk_flush_now(env->disk), 0);
    assert_int_equal(kernel.flushes, 1);
    assert_false(kernel.free_at_flush);
    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512), 0);
    disk_close(env->disk);
    env->disk = NULL;
    assert_int_equal(kernel.flushes, 2);
    /* Whoever comes next need not wait for a slow medium. */
    assert_true(kernel.free_at_flush);
}

static void caches_decide_what_reaches_the_medium(void **state)
{
    static const struct {
        enum disk_cache cache;
        int synced, flushes, at_close;
    } cases[] = {
        {DISK_WRITEBACK, 0, 1, 1},
        {DISK_WRITETHROUGH, 1, 0, 0},
        {DISK_UNSAFE, 0, 0, 1},
    };
    struct disk_env *env = *state;
    char buffer[512] = "";

    disk_close(env->disk);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct disk_spec spec = disk_env_spec(env->path);

        kernel_reset();
        spec.cache = cases[i].cache;
        env->disk = disk_env_open(env, &spec);
        assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, buffer, 512),
                         0);
        assert_int_equal(disk_io(env, env->disk, DISK_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(kernel.synced_writes, cases[i].synced);
        assert_int_equal(kernel.flushes, cases[i].flushes);
        disk_close(env->disk);
        env->disk = NULL;
        assert_int_equal(kernel.flushes, cases[i].at_close);
    }
}

/* ---- discards ------------------------------------------------------------ */

static void a_discard_that_nobody_wants_does_nothing(void **state)
{
    struct disk_env *env = *state;
    char out[4096], in[4096];

    memset(out, 'd', sizeof(out));
    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, out, sizeof(out)),
                     0);
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 0, NULL, 4096), 0);
    assert_int_equal(kernel.discards, 0);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(in));
}

static void a_discard_frees_and_what_cannot_is_not_asked_again(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    char buffer[8192], zeroes[4096] = "";

    disk_close(env->disk);
    spec.discard = true;
    env->disk = disk_env_open(env, &spec);
    memset(buffer, 'd', sizeof(buffer));
    assert_int_equal(
        disk_io(env, env->disk, DISK_WRITE, 0, buffer, sizeof(buffer)), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 4096, NULL, 4096),
                     0);
    assert_int_equal(
        disk_io(env, env->disk, DISK_READ, 0, buffer, sizeof(buffer)), 0);
    assert_int_equal(buffer[4095], 'd');
    assert_memory_equal(buffer + 4096, zeroes, 4096);

    kernel.discard_error = EIO;
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 0, NULL, 512), -EIO);
    kernel.discard_error = EINVAL;
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 0, NULL, 512), 0);
    kernel.discard_error = EOPNOTSUPP;
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 0, NULL, 512), 0);
    assert_int_equal(kernel.discards, 4);
    assert_int_equal(disk_io(env, env->disk, DISK_DISCARD, 0, NULL, 512), 0);
    assert_int_equal(kernel.discards, 4);
}

/* ---- threads and memory -------------------------------------------------- */

static void disks_work_with_few_threads_or_none(void **state)
{
    struct disk_env *env = *state;

    for (int nr = 0; nr < 3; nr++) {
        struct disk_spec spec = disk_env_spec(env->path);
        struct counted many[16];
        char buffers[16][512];

        disk_close(env->disk);
        kernel.threads = nr;
        env->disk = disk_env_open(env, &spec);
        for (unsigned i = 0; i < 16; i++) {
            memset(buffers[i], 'a' + nr, 512);
            counted_init(&many[i], DISK_WRITE, i * 512, buffers[i], 512);
            disk_submit(env->disk, &many[i].request);
            assert_int_equal(many[i].ended, 0);
        }
        for (unsigned i = 0; i < 16; i++)
            if (!many[i].ended)
                assert_int_equal(counted_wait(env, &many[i]), 0);
        /* And from inside a drain. */
        counted_init(&many[0], DISK_FLUSH, 0, NULL, 0);
        disk_submit(env->disk, &many[0].request);
        disk_drain(env->disk);
        assert_int_equal(many[0].ended, 1);
    }
}

/* So many threads start for four writes of so many bytes in one turn. */
static unsigned threads_for(struct disk_env *env, size_t bytes)
{
    static char buffer[128 << 10];
    struct disk_spec spec = disk_env_spec(env->path);
    struct counted four[4];

    disk_close(env->disk);
    kernel.threads = 8;
    env->disk = disk_env_open(env, &spec);
    for (unsigned i = 0; i < 4; i++) {
        counted_init(&four[i], DISK_WRITE, i * sizeof(buffer), buffer, bytes);
        disk_submit(env->disk, &four[i].request);
    }
    disk_drain(env->disk);
    return 8 - (unsigned)kernel.threads;
}

static void writes_of_few_whole_pages_share_a_thread(void **state)
{
    assert_int_equal(threads_for(*state, 4096), 1);
    assert_int_equal(threads_for(*state, 64 << 10), 1);
}

static void writes_that_may_block_have_threads_of_their_own(void **state)
{
    assert_int_equal(threads_for(*state, 512), 4);
    assert_int_equal(threads_for(*state, 128 << 10), 4);
}

static void a_disk_opens_only_with_all_its_memory(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    bool opened = false;

    disk_close(env->disk);
    env->disk = NULL;
    for (int nth = 1; !opened; nth++) {
        char line[256];
        int ret;

        assert_true(nth < 20);
        capture_begin();
        kernel.allocations = nth;
        ret = disk_open(&env->loop, &spec, &env->disk);
        opened = kernel.allocations > 0;
        kernel.allocations = 0;
        capture_end(line, sizeof(line));
        assert_int_equal(ret, opened ? 0 : -ENOMEM);
        if (!opened)
            assert_non_null(strstr(line, "ide0-hd0"));
    }
}

static void a_medium_changes_only_with_all_its_memory(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(NULL);
    int ret = -ENOMEM;

    spec.removable = spec.read_only = true;
    disk_close(env->disk);
    env->disk = disk_env_open(env, &spec);
    for (int nth = 1; ret; nth++) {
        int fd = open(env->path, O_RDONLY | O_CLOEXEC);

        assert_true(nth < 20);
        kernel.allocations = nth;
        ret = disk_change(env->disk, "medium", fd);
        if (kernel.allocations == 0)
            assert_int_equal(ret, -ENOMEM);
        kernel.allocations = 0;
        assert_int_equal(disk_has_medium(env->disk), ret == 0);
        /* The descriptor is the disk's, or gone. */
        assert_int_equal(fcntl(fd, F_GETFD) >= 0, ret == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(errors_of_the_kernel_become_those_of_the_contract),
        TEST(a_limit_of_file_sizes_is_an_error_and_no_signal),
        TEST(calls_that_do_little_are_repeated),
        TEST(a_read_that_would_block_goes_to_a_worker),
        TEST(a_file_system_that_always_blocks_is_asked_once),
        TEST(no_more_than_a_mebibyte_is_read_at_once_in_a_turn),
        TEST(a_flush_reaches_the_kernel_only_after_a_write),
        TEST(a_flush_waits_for_one_that_covers_its_writes),
        TEST(after_a_flush_that_failed_all_fail),
        TEST(a_disk_that_cannot_be_flushed_is_not_given_up),
        TEST(a_save_flushes_with_the_lock_and_the_end_without),
        TEST(caches_decide_what_reaches_the_medium),
        TEST(a_discard_that_nobody_wants_does_nothing),
        TEST(a_discard_frees_and_what_cannot_is_not_asked_again),
        TEST(disks_work_with_few_threads_or_none),
        TEST(writes_of_few_whole_pages_share_a_thread),
        TEST(writes_that_may_block_have_threads_of_their_own),
        TEST(a_disk_opens_only_with_all_its_memory),
        TEST(a_medium_changes_only_with_all_its_memory),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
