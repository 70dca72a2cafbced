/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/carried.h"
#include "tests/fakexen/fakexen.h"

/* Who has an image when: starts, saves, migrations. */

#define IMAGE_BYTES (1 << 20)

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

/* Between two attempts to get an image: nobody ends meanwhile. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time;
    (void)left;
    return 0;
}

static const char *make_image(void)
{
    const char *path = scratch("image");
    void *zeroes = calloc(1, IMAGE_BYTES);

    CHECK(zeroes != NULL);
    write_file(path, zeroes, IMAGE_BYTES);
    free(zeroes);
    return path;
}

static const char *drive_of(const char *image)
{
    static char text[256];

    snprintf(text, sizeof(text),
             "file=%s,if=ide,index=0,media=disk,format=raw,cache=writeback",
             image);
    return text;
}

/* What another process would do; -1: somebody has it. */
static int lock(const char *image)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(image, O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    if (fcntl(fd, F_OFD_SETLK, &all) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool is_free(const char *image)
{
    int fd = lock(image);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void save(struct qmp_peer *peer, bool live)
{
    int fd = open(scratch("state"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char arguments[128];

    CHECK(fd >= 0);
    qmp_do(peer, "stop", NULL);
    snprintf(arguments, sizeof(arguments),
             "{\"live\":%s,\"filename\":\"/dev/fdset/%lld\"}",
             live ? "true" : "false", (long long)qmp_add_fd(peer, fd));
    close(fd);
    qmp_do(peer, "xen-save-devices-state", arguments);
}

static void lock_and_unlock(void)
{
    const char *image = make_image();
    const char *const extra[] = {"-drive", drive_of(image), NULL};
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, extra);
    CHECK(!is_free(image));
    save(&peer, false);
    CHECK(!is_free(image));
    qmp_do(&peer, "cont", NULL);
    save(&peer, true);
    CHECK(is_free(image));
    qmp_do(&peer, "cont", NULL);
    CHECK(!is_free(image));
    quit(&dm, &peer);
    CHECK(is_free(image));
    check_nothing_left();
}

static void only_a_live_save_gives_the_image_up_and_cont_takes_it(void **state)
{
    (void)state;
    in_child(lock_and_unlock);
}

static void migrate_on_one_host(void)
{
    const char *image = make_image();
    const char *const extra[] = {"-drive", drive_of(image), NULL};
    struct qmp_peer peer, target_peer;
    struct dm dm, target;

    run_source(&dm, &peer, extra);
    save(&peer, true);
    prepare_target(&target, scratch("state"), extra);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    CHECK(is_free(image));
    qmp_open_peer(&target_peer, target.qmp_path);
    qmp_do(&target_peer, "cont", NULL);
    CHECK(!is_free(image));
    quit(&dm, &peer);
    CHECK(!is_free(image));
    quit(&target, &target_peer);
    check_nothing_left();
}

static void two_device_models_hand_an_image_on(void **state)
{
    (void)state;
    in_child(migrate_on_one_host);
}

static void go_on_without(void)
{
    const char *image = make_image();
    const char *const extra[] = {"-drive", drive_of(image), NULL};
    struct qmp_peer peer;
    struct dm dm;
    int fd;

    run_source(&dm, &peer, extra);
    save(&peer, true);
    fd = lock(image);
    CHECK(fd >= 0);
    qmp_do(&peer, "cont", NULL);
    qmp_check_status(&peer, "running");
    CHECK(logged("is in use by process"));
    close(fd);
    qmp_do(&peer, "cont", NULL);
    CHECK(!is_free(image));
    quit(&dm, &peer);
    check_nothing_left();
}

static void a_guest_goes_on_when_its_image_is_taken(void **state)
{
    (void)state;
    in_child(go_on_without);
}

static void start_and_fail(const char *drive, const char *line)
{
    const char *const extra[] = {"-drive", drive, NULL};
    struct dm dm;

    create_domain(SOURCE);
    fakexen_xs_set("/local/domain/0/device-model/7/state", "");
    dm_prepare(&dm, SOURCE, extra);
    dm_launch(&dm);
    CHECK(!dm_comes_up(&dm));
    CHECK_EQUAL(dm_join(&dm), 1);
    CHECK(logged(line));
    check_nothing_left();
}

static void start_locked(void)
{
    const char *image = make_image();
    char line[64];
    int fd = lock(image);

    CHECK(fd >= 0);
    snprintf(line, sizeof(line), "is in use by process %d (", (int)getpid());
    start_and_fail(drive_of(image), line);
    close(fd);
}

static void start_without_image(void)
{
    start_and_fail(drive_of(scratch("none")), "disk ide0-hd0: cannot open ");
}

static void a_start_is_refused_while_another_has_the_image(void **state)
{
    (void)state;
    in_child(start_locked);
}

static void a_start_is_refused_without_the_image(void **state)
{
    (void)state;
    in_child(start_without_image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_live_save_gives_the_image_up_and_cont_takes_it),
        cmocka_unit_test(two_device_models_hand_an_image_on),
        cmocka_unit_test(a_guest_goes_on_when_its_image_is_taken),
        cmocka_unit_test(a_start_is_refused_while_another_has_the_image),
        cmocka_unit_test(a_start_is_refused_without_the_image),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
