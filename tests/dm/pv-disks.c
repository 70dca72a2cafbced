/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "tests/dm/harness.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/pv-env.h"

/* PV disks that it serves, from the toolstack's first key to the guest's end.
 */

#define XVDE 51776u

static struct pv_env env = {.threaded = true};

static void attach(unsigned devid, const char *image)
{
    char params[256];
    int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && ftruncate(fd, PV_IMAGE_SECTORS * 512) == 0);
    close(fd);
    snprintf(params, sizeof(params), "aio:%s", image);
    pv_attach(devid, params, "w");
}

static void write_page(struct pv_front *front, uint64_t sector, uint8_t value)
{
    static const struct pv_segment segment = {0, 0, 7};

    memset(pv_page(0), value, 4096);
    CHECK_EQUAL(pv_do(front, BLKIF_OP_WRITE, sector, &segment, 1), 0);
}

static void check_page(struct pv_front *front, uint64_t sector, uint8_t value)
{
    static const struct pv_segment segment = {1, 0, 7};
    uint8_t *page = pv_page(1);

    memset(page, ~value, 4096);
    CHECK_EQUAL(pv_do(front, BLKIF_OP_READ, sector, &segment, 1), 0);
    CHECK(page[0] == value && memcmp(page, page + 1, 4095) == 0);
}

static void check_image(const char *image, size_t offset, uint8_t value)
{
    size_t len;
    uint8_t *data = read_file(image, &len);

    CHECK(len == PV_IMAGE_SECTORS * 512 && data[offset] == value);
    free(data);
}

static void restore_here(struct dm *dm, const char *state)
{
    char text[32];

    fakexen_xs_set("/local/domain/0/device-model/7/state", "");
    dm_prepare(dm, PV_DOMID, NULL);
    snprintf(text, sizeof(text), "fd:%d", open(state, O_RDONLY));
    dm_add(dm, "-incoming");
    dm_add(dm, text);
    dm_launch(dm);
    CHECK(dm_comes_up(dm));
}

static void end(struct dm *dm, struct qmp_peer *peer)
{
    qmp_do(peer, "quit", NULL);
    qmp_close_peer(peer);
    CHECK_EQUAL(dm_join(dm), 0);
    CHECK_EQUAL(fakexen_grants_mapped(), 0);
    check_nothing_left();
}

/* The disk is there before the device model. */
static void start_with_disk(struct dm *dm, struct qmp_peer *peer,
                            struct pv_front *front, const char *image)
{
    create_domain(PV_DOMID);
    dm_prepare(dm, PV_DOMID, NULL);
    attach(front->devid, image);
    dm_launch(dm);
    CHECK(dm_comes_up(dm));
    qmp_open_peer(peer, dm->qmp_path);
    qmp_do(peer, "cont", NULL);
    pv_front_connect(front);
}

static void live(void)
{
    const char *image = scratch("image"), *state = scratch("state");
    struct pv_front front = {.env = &env, .devid = XVDE, .persistent = true};
    struct qmp_peer peer;
    struct pv_answer answer;
    struct dm dm;

    start_with_disk(&dm, &peer, &front, image);
    write_page(&front, 0, 0x11);

    /* Saved, it takes nothing; the guest that goes on finds all answered. */
    qmp_save(&peer, state);
    pv_put_io(&front, BLKIF_OP_READ, 9, 0, &(struct pv_segment){0, 0, 7}, 1, 0);
    pv_kick(&front);
    qmp_check_status(&peer, "paused");
    CHECK(!pv_answer(&front, &answer));
    qmp_do(&peer, "cont", NULL);
    CHECK_EQUAL(pv_wait_answer(&front).id, 9);
    check_page(&front, 0, 0x11);
    write_page(&front, 8, 0x22);
    qmp_save(&peer, state);
    end(&dm, &peer);
    check_image(image, 4096, 0x22);

    /* Another device model: the toolstack starts anew, so does the frontend. */
    pv_front_drop(&front);
    pv_remove(XVDE);
    attach(XVDE, image);
    restore_here(&dm, state);
    qmp_open_peer(&peer, dm.qmp_path);
    qmp_do(&peer, "cont", NULL);
    pv_front_connect(&front);
    check_page(&front, 0, 0x11);
    check_page(&front, 8, 0x22);
    pv_front_drop(&front);
    end(&dm, &peer);
}

static void a_pv_disk_lives_through_save_and_restore(void **state)
{
    (void)state;
    in_child(live);
}

static void hot(void)
{
    struct pv_front front = {.env = &env, .devid = XVDA};
    struct qmp_peer peer;
    struct dm dm;

    dm_start(&dm, PV_DOMID, NULL);
    qmp_open_peer(&peer, dm.qmp_path);
    qmp_do(&peer, "cont", NULL);
    for (int i = 0; i < 3; i++) {
        attach(XVDA, scratch("image"));
        pv_front_connect(&front);
        if (i > 0)
            check_page(&front, 0, (uint8_t)(i - 1));
        write_page(&front, 0, (uint8_t)i);
        pv_detach(XVDA, true);
        pv_wait_back(&env, XVDA, 6);
        pv_front_drop(&front);
        pv_remove(XVDA);
    }
    end(&dm, &peer);
}

static void pv_disks_come_and_go(void **state)
{
    (void)state;
    in_child(hot);
}

static struct {
    sem_t waits, may_go;
    atomic_flag once;
} hold;

static void hold_xenstore(enum fakexen_kind kind, void *opaque)
{
    (void)opaque;
    if (kind == FAKEXEN_XENSTORE && !atomic_flag_test_and_set(&hold.once)) {
        CHECK(sem_post(&hold.waits) == 0);
        CHECK(sem_wait(&hold.may_go) == 0);
    }
}

/* Of the thread of that name: the value behind a word of its status. */
static int thread_status(const char *name, const char *word)
{
    char path[300], line[256];
    struct dirent *entry;
    DIR *dir = opendir("/proc/self/task");
    int value = -1;

    CHECK(dir != NULL);
    while ((entry = readdir(dir))) {
        bool found = false;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/task/%s/status",
                 entry->d_name);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file)) {
            line[strcspn(line, "\n")] = '\0';
            if (strncmp(line, "Name:\t", 6) == 0)
                found = strcmp(line + 6, name) == 0;
            else if (found && strncmp(line, word, strlen(word)) == 0)
                value = atoi(line + strlen(word));
        }
        if (file)
            fclose(file);
    }
    closedir(dir);
    return value;
}

static void with_the_rights_of_all(void)
{
    struct pv_front front = {.env = &env, .devid = XVDE};
    struct qmp_peer peer;
    struct dm dm;

    start_with_disk(&dm, &peer, &front, scratch("image"));
    CHECK_EQUAL(thread_status("pv-disks", "NoNewPrivs:"), 1);
    pv_front_drop(&front);
    end(&dm, &peer);
}

static void their_thread_gives_up_what_the_first_one_does(void **state)
{
    (void)state;
    in_child(with_the_rights_of_all);
}

static void while_the_loop_waits(void)
{
    struct pv_front front = {.env = &env, .devid = XVDE, .persistent = true};
    struct qmp_peer peer;
    struct dm dm;

    CHECK(sem_init(&hold.waits, 0, 0) == 0);
    CHECK(sem_init(&hold.may_go, 0, 0) == 0);
    dm_start(&dm, PV_DOMID, NULL);
    qmp_open_peer(&peer, dm.qmp_path);
    qmp_do(&peer, "cont", NULL);
    attach(XVDE, scratch("image"));
    pv_front_connect(&front);
    fakexen_set_hook(hold_xenstore, NULL);
    pv_set_back(XVDE, "something", "new");
    CHECK(sem_wait(&hold.waits) == 0);
    for (uint64_t i = 0; i < 200; i++) {
        write_page(&front, 8 * i, (uint8_t)i);
        check_page(&front, 8 * i, (uint8_t)i);
    }
    fakexen_set_hook(NULL, NULL);
    CHECK(sem_post(&hold.may_go) == 0);
    pv_front_drop(&front);
    end(&dm, &peer);
}

static void pv_disks_are_served_while_the_loop_waits(void **state)
{
    (void)state;
    in_child(while_the_loop_waits);
}

static void without_xenstore(void)
{
    const char *root = scratch("root"), *path = scratch("qmp");
    const char *how[] = {"-S",     "-xen-domid-restrict", "-chroot", root,
                         "-runas", "65543:65536",         NULL};
    struct qmp_peer peer;
    struct dm dm;

    CHECK(mkdir(root, 0) == 0);
    create_domain(PV_DOMID);
    dm_prepare(&dm, PV_DOMID, how);
    attach(XVDA, scratch("image"));
    dm_use_qmp_fd(&dm, path);
    qmp_connect(&peer, path);
    dm_launch(&dm);
    qmp_negotiate(&peer);
    CHECK(strcmp(pv_back(XVDA, "state"), "1") == 0);
    qmp_do(&peer, "quit", NULL);
    qmp_close_peer(&peer);
    CHECK_EQUAL(dm_join(&dm), 0);
    pass_without_leak_check();
}

static void a_restricted_one_leaves_them_alone(void **state)
{
    (void)state;
    if (getuid() == 0) /* chroot needs root */
        in_child(without_xenstore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pv_disk_lives_through_save_and_restore),
        cmocka_unit_test(pv_disks_come_and_go),
        cmocka_unit_test(pv_disks_are_served_while_the_loop_waits),
        cmocka_unit_test(their_thread_gives_up_what_the_first_one_does),
        cmocka_unit_test(a_restricted_one_leaves_them_alone),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
