/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/options.h"

#include "tests/unit/disk-env.h"

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, disk_env_setup_active,               \
                                    disk_env_teardown)

static void what_is_written_is_read_and_is_in_the_file(void **state)
{
    struct disk_env *env = *state;
    char out[8192], in[8192], file[8192];
    int fd = open(env->path, O_RDONLY | O_CLOEXEC);

    memset(out, 'w', sizeof(out));
    assert_int_equal(
        disk_io(env, env->disk, DISK_WRITE, 4096, out, sizeof(out)), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 4096, in, sizeof(in)),
                     0);
    assert_memory_equal(in, out, sizeof(out));
    assert_int_equal(pread(fd, file, sizeof(file), 4096), sizeof(file));
    assert_memory_equal(file, out, sizeof(out));
    close(fd);
}

static void requests_of_several_buffers_fill_them_in_order(void **state)
{
    struct disk_env *env = *state;
    struct counted counted;
    char buffers[4][512], image[2048];

    for (size_t i = 0; i < sizeof(image); i++)
        image[i] = (char)(i / 100);
    assert_int_equal(
        disk_io(env, env->disk, DISK_WRITE, 0, image, sizeof(image)), 0);
    counted_init(&counted, DISK_READ, 0, NULL, sizeof(image));
    counted.request.nr_iov = 5;
    counted.iov[0] = (struct iovec){buffers[0], 1};
    counted.iov[1] = (struct iovec){buffers[1], 511};
    counted.iov[2] = (struct iovec){NULL, 0};
    counted.iov[3] = (struct iovec){buffers[2], 512};
    counted.iov[4] = (struct iovec){buffers[3], 1024 - 512};
    counted.request.length = 1536;
    disk_submit(env->disk, &counted.request);
    assert_int_equal(counted_wait(env, &counted), 0);
    assert_memory_equal(buffers[0], image, 1);
    assert_memory_equal(buffers[1], image + 1, 511);
    assert_memory_equal(buffers[2], image + 512, 512);
    assert_memory_equal(buffers[3], image + 1024, 512);
}

static void
a_request_outside_of_the_disk_or_of_no_sectors_is_refused(void **state)
{
    static const struct {
        uint64_t offset, length;
        int error;
    } cases[] = {
        {IMAGE_BYTES, 512, -ERANGE},
        {IMAGE_BYTES - 512, 1024, -ERANGE},
        {UINT64_MAX - 511, 512, -ERANGE},
        {0, IMAGE_BYTES + 512, -ERANGE},
        {1, 512, -EINVAL},
        {0, 511, -EINVAL},
        {IMAGE_BYTES - 512, 512, 0},
        {IMAGE_BYTES, 0, 0},
    };
    static char buffer[IMAGE_BYTES + 512];
    struct disk_env *env = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (enum disk_op op = DISK_READ; op <= DISK_DISCARD; op++)
            if (op != DISK_FLUSH)
                assert_int_equal(disk_io(env, env->disk, op, cases[i].offset,
                                         buffer, cases[i].length),
                                 cases[i].error);
}

static void buffers_that_are_not_the_length_are_refused(void **state)
{
    static const size_t lens[] = {0, 511, 513, 1024, SIZE_MAX};
    struct disk_env *env = *state;
    char buffer[512];

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct counted counted;

        counted_init(&counted, DISK_WRITE, 0, buffer, sizeof(buffer));
        counted.iov[0].iov_len = lens[i];
        disk_submit(env->disk, &counted.request);
        assert_int_equal(counted_wait(env, &counted), -EINVAL);
    }
}

static void memory_that_is_gone_fails_the_request_alone(void **state)
{
    struct disk_env *env = *state;
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(munmap(memory + 4096, 4096), 0);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, memory, 8192),
                     -EFAULT);
    assert_int_equal(disk_io(env, env->disk, DISK_WRITE, 0, memory, 8192),
                     -EFAULT);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, memory, 4096), 0);
    munmap(memory, 4096);
}

static void a_file_that_was_cut_short_gives_errors_and_no_zeroes(void **state)
{
    struct disk_env *env = *state;
    char buffer[1024];

    assert_int_equal(truncate(env->path, IMAGE_BYTES / 2), 0);
    memset(buffer, 'x', sizeof(buffer));
    assert_int_equal(
        disk_io(env, env->disk, DISK_READ, IMAGE_BYTES / 2 - 512, buffer, 1024),
        -EIO);
    assert_int_equal(buffer[512], 'x');
    assert_int_equal(
        disk_io(env, env->disk, DISK_READ, IMAGE_BYTES - 1024, buffer, 1024),
        -EIO);
    assert_int_equal(disk_io(env, env->disk, DISK_READ, 0, buffer, 1024), 0);
}

/* ---- many at once ---- */

#define NR_MANY 64

static void all_of_many_requests_end_once(void **state)
{
    static struct counted many[NR_MANY];
    static char buffers[NR_MANY][4096];
    struct disk_env *env = *state;

    for (unsigned i = 0; i < NR_MANY; i++) {
        memset(buffers[i], (int)i, sizeof(buffers[i]));
        counted_init(&many[i], DISK_WRITE, i * sizeof(buffers[i]), buffers[i],
                     sizeof(buffers[i]));
        disk_submit(env->disk, &many[i].request);
        assert_int_equal(disk_in_flight(env->disk), i + 1);
    }
    disk_drain(env->disk);
    assert_int_equal(disk_in_flight(env->disk), 0);
    for (unsigned i = 0; i < NR_MANY; i++) {
        char back[4096];

        assert_int_equal(many[i].ended, 1);
        assert_int_equal(many[i].error, 0);
        assert_int_equal(disk_io(env, env->disk, DISK_READ, i * sizeof(back),
                                 back, sizeof(back)),
                         0);
        assert_memory_equal(back, buffers[i], sizeof(back));
    }
}

struct chain {
    struct counted counted;
    struct disk_env *env;
    char buffer[512];
    unsigned left;
};

static void submit_more(struct disk_request *request, int error)
{
    struct chain *chain = request->opaque;

    assert_int_equal(error, 0);
    if (chain->left-- == 1)
        return;
    counted_init(&chain->counted, chain->left % 2 ? DISK_READ : DISK_WRITE,
                 chain->left * 512, chain->buffer, 512);
    chain->counted.request.done = submit_more;
    chain->counted.request.opaque = chain;
    disk_submit(chain->env->disk, &chain->counted.request);
}

static void a_drain_waits_for_what_a_done_submits(void **state)
{
    struct disk_env *env = *state;
    struct chain chain = {.env = env, .left = 20};

    counted_init(&chain.counted, DISK_READ, 0, chain.buffer, 512);
    chain.counted.request.done = submit_more;
    chain.counted.request.opaque = &chain;
    disk_submit(env->disk, &chain.counted.request);
    disk_drain(env->disk);
    assert_int_equal(chain.left, 0);
}

static void a_drain_ends_no_request_of_another_disk(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    struct disk *other = disk_env_open(env, &spec);
    struct counted ours, theirs;
    char buffers[2][512];

    counted_init(&ours, DISK_READ, 0, buffers[0], 512);
    counted_init(&theirs, DISK_READ, 0, buffers[1], 512);
    disk_submit(other, &theirs.request);
    disk_submit(env->disk, &ours.request);
    disk_drain(env->disk);
    assert_int_equal(ours.ended, 1);
    assert_int_equal(theirs.ended, 0);
    assert_int_equal(counted_wait(env, &theirs), 0);
    disk_close(other);
}

static void a_close_waits_for_its_requests(void **state)
{
    static struct counted many[NR_MANY];
    static char buffer[4096];
    struct disk_env *env = *state;

    for (unsigned i = 0; i < NR_MANY; i++) {
        counted_init(&many[i], i % 8 ? DISK_WRITE : DISK_FLUSH, 0, buffer,
                     i % 8 ? sizeof(buffer) : 0);
        disk_submit(env->disk, &many[i].request);
    }
    disk_close(env->disk);
    env->disk = NULL;
    for (unsigned i = 0; i < NR_MANY; i++)
        assert_int_equal(many[i].ended, 1);
}

/* ---- all of a machine ---------------------------------------------------- */

static void disks_are_found_by_place_by_name_and_in_order(void **state)
{
    static struct options options;
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    struct disks *disks;
    struct disk *first, *cd, *added;

    memset(&options, 0, sizeof(options));
    options.incoming_fd = -1;
    options.drives[1] =
        (struct options_drive){.id = "a", .file = env->path, .raw = true};
    options.drives[2] =
        (struct options_drive){.id = "cd", .cdrom = true, .read_only = true};
    assert_int_equal(disks_open(&env->loop, &options, &disks), 0);
    spec.id = "xvde";
    assert_int_equal(disks_add(disks, NULL, &spec, &added), 0);

    first = disks_ide(disks, 1);
    cd = disks_ide(disks, 2);
    assert_null(disks_ide(disks, 0));
    assert_null(disks_ide(disks, DISKS_MAX_IDE));
    assert_true(disks_ide_is_cdrom(disks, 2));
    assert_false(disks_ide_is_cdrom(disks, 1));
    assert_ptr_equal(disks_find(disks, "a"), first);
    assert_ptr_equal(disks_find(disks, "xvde"), added);
    assert_null(disks_find(disks, "b"));
    assert_ptr_equal(disks_next(disks, NULL), first);
    assert_ptr_equal(disks_next(disks, first), cd);
    assert_ptr_equal(disks_next(disks, cd), added);
    assert_null(disks_next(disks, added));

    disks_remove(disks, cd);
    assert_null(disks_ide(disks, 2));
    /* Unplugged: what the place was stays known. */
    assert_true(disks_ide_is_cdrom(disks, 2));
    disks_remove(disks, added);
    assert_null(disks_next(disks, first));
    assert_int_equal(disks_add(disks, NULL, &spec, &added), 0);
    assert_ptr_equal(disks_next(disks, first), added);
    disks_close(disks);
}

static void a_machine_without_disks_is_one_too(void **state)
{
    (void)state;
    assert_null(disks_ide(NULL, 0));
    assert_null(disks_find(NULL, "a"));
    assert_null(disks_next(NULL, NULL));
    disks_drain(NULL);
    assert_int_equal(disks_activate(NULL), 0);
    assert_int_equal(disks_flush(NULL), 0);
    assert_int_equal(disks_deactivate(NULL), 0);
    disks_close(NULL);
}

static void one_image_that_is_missing_opens_none(void **state)
{
    static struct options options;
    struct disk_env *env = *state;
    struct disks *disks;

    memset(&options, 0, sizeof(options));
    options.drives[0] =
        (struct options_drive){.id = "a", .file = env->path, .raw = true};
    options.drives[3] =
        (struct options_drive){.id = "b", .file = "/none/such", .raw = true};
    assert_int_equal(disks_open(&env->loop, &options, &disks), -ENOENT);
}

struct hop {
    struct counted counted;
    struct hop *other;
    struct disk *disk;
    char buffer[512];
    unsigned *left;
};

static void hop(struct disk_request *request, int error)
{
    struct hop *next = ((struct hop *)request->opaque)->other;

    assert_int_equal(error, 0);
    if (*next->left == 0)
        return;
    --*next->left;
    counted_init(&next->counted, DISK_WRITE, 0, next->buffer, 512);
    next->counted.request.done = hop;
    next->counted.request.opaque = next;
    disk_submit(next->disk, &next->counted.request);
}

static void
a_drain_of_all_waits_for_requests_that_go_from_disk_to_disk(void **state)
{
    static struct options options;
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    struct disks *disks;
    struct hop hops[2];
    unsigned left = 21;

    memset(&options, 0, sizeof(options));
    assert_int_equal(disk_deactivate(env->disk), 0);
    assert_int_equal(disks_open(&env->loop, &options, &disks), 0);
    for (unsigned i = 0; i < 2; i++) {
        hops[i] = (struct hop){.other = &hops[1 - i], .left = &left};
        assert_int_equal(disks_add(disks, NULL, &spec, &hops[i].disk), 0);
    }
    assert_int_equal(disks_activate(disks), 0);
    counted_init(&hops[0].counted, DISK_READ, 0, hops[0].buffer, 512);
    hops[0].counted.request.done = hop;
    hops[0].counted.request.opaque = &hops[0];
    disk_submit(hops[0].disk, &hops[0].counted.request);
    disks_drain(disks);
    assert_int_equal(left, 0);
    assert_int_equal(disk_in_flight(hops[0].disk), 0);
    assert_int_equal(disk_in_flight(hops[1].disk), 0);
    disks_close(disks);
}

static uint8_t byte_of(const char *path, off_t offset)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    close(fd);
    return byte;
}

/* Its thread may wait; that of others may not, whatever the file system does.
 */
static void only_a_patient_disk_writes_before_the_turn_ends(void **state)
{
    struct disk_env *env = *state;
    struct disk_spec spec = disk_env_spec(env->path);
    static uint8_t page[4096] __attribute__((aligned(4096)));
    struct counted counted;
    struct disk *patient;

    memset(page, 0xa5, sizeof(page));
    spec.patient = true;
    patient = disk_env_open(env, &spec);
    counted_init(&counted, DISK_WRITE, 4096, page, sizeof(page));
    disk_submit(patient, &counted.request);
    assert_int_equal(counted.ended, 0);
    assert_int_equal(byte_of(env->path, 4096), 0xa5);
    assert_int_equal(counted_wait(env, &counted), 0);

    memset(page, 0x5a, sizeof(page));
    counted_init(&counted, DISK_WRITE, 4096, page, sizeof(page));
    disk_submit(env->disk, &counted.request);
    assert_int_equal(byte_of(env->path, 4096), 0xa5);
    assert_int_equal(counted_wait(env, &counted), 0);
    assert_int_equal(byte_of(env->path, 4096), 0x5a);
    disk_close(patient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_and_is_in_the_file),
        TEST(requests_of_several_buffers_fill_them_in_order),
        TEST(a_request_outside_of_the_disk_or_of_no_sectors_is_refused),
        TEST(buffers_that_are_not_the_length_are_refused),
        TEST(memory_that_is_gone_fails_the_request_alone),
        TEST(a_file_that_was_cut_short_gives_errors_and_no_zeroes),
        TEST(all_of_many_requests_end_once),
        TEST(a_drain_waits_for_what_a_done_submits),
        TEST(a_drain_ends_no_request_of_another_disk),
        TEST(a_close_waits_for_its_requests),
        TEST(only_a_patient_disk_writes_before_the_turn_ends),
        TEST(disks_are_found_by_place_by_name_and_in_order),
        cmocka_unit_test(a_machine_without_disks_is_one_too),
        TEST(one_image_that_is_missing_opens_none),
        TEST(a_drain_of_all_waits_for_requests_that_go_from_disk_to_disk),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
