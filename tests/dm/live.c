/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/carried.h"
#include "tests/fakexen/fakexen.h"

/* Migration of a guest that runs meanwhile, and what may go wrong with it. */

#define PAGE 4096u
#define VGA_FIRST 0xa0u
#define VGA_LAST 0xbfu

static void log_dirty(struct qmp_peer *peer, bool enable)
{
    qmp_do(peer, "xen-set-global-dirty-log",
           enable ? "{\"enable\":true}" : "{\"enable\":false}");
}

/* A write of ours into the guest: input of a string instruction. */
static void write_guest(uint64_t gpa)
{
    struct fakexen_io io = {.addr = 0x71,
                            .read = true,
                            .size = 1,
                            .data = gpa,
                            .count = 1,
                            .data_is_ptr = true};

    CHECK_EQUAL(fakexen_io(SOURCE, &io), 0);
}

static bool add_file(struct qmp_peer *peer, const char *path, int flags,
                     char *arguments, size_t size)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    snprintf(arguments, size,
             "{\"live\":true,\"filename\":\"/dev/fdset/%lld\"}",
             (long long)qmp_add_fd(peer, fd));
    close(fd);
    return true;
}

static void save_live(struct qmp_peer *peer, const char *path)
{
    char arguments[100];

    CHECK(
        add_file(peer, path, O_WRONLY | O_CREAT, arguments, sizeof(arguments)));
    qmp_do(peer, "xen-save-devices-state", arguments);
}

static void fail_to_save(struct qmp_peer *peer)
{
    char arguments[100];

    CHECK(add_file(peer, "/dev/full", O_WRONLY, arguments, sizeof(arguments)));
    json_object_put(qmp_fails(peer, "xen-save-devices-state", arguments));
}

/* ---- after stop --------------------------------------------------------- */

static uint8_t *copy_guest(uint32_t domid)
{
    uint8_t *copy = calloc(GUEST_PAGES, PAGE);

    CHECK(copy != NULL);
    for (size_t gfn = 0; gfn < GUEST_PAGES; gfn++) {
        if (gfn < VGA_FIRST || gfn > VGA_LAST)
            fakexen_peek(domid, gfn * PAGE, copy + gfn * PAGE, PAGE);
    }
    return copy;
}

static void be_quiet_after_stop(void)
{
    const char *state = scratch("state");
    uint8_t *before, *after;
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, NULL);
    set_up_guest(SOURCE);
    log_dirty(&peer, true);
    write_guest(0x400000);
    qmp_do(&peer, "stop", NULL);
    CHECK(fakexen_dirty(SOURCE, 0x400));
    /* The toolstack takes what is dirty and then sends it: no more may come. */
    fakexen_clear_dirty(SOURCE);
    before = copy_guest(SOURCE);

    save_live(&peer, state);
    json_object_put(qmp_call(&peer, "query-chardev", NULL));
    json_object_put(qmp_call(&peer, "query-cpus-fast", NULL));
    qmp_do(&peer, "stop", NULL);
    qmp_check_status(&peer, "paused");
    after = copy_guest(SOURCE);
    CHECK(memcmp(before, after, (size_t)GUEST_PAGES * PAGE) == 0);
    CHECK_EQUAL(fakexen_dirty_count(SOURCE), 0);

    log_dirty(&peer, false);
    quit(&dm, &peer);
    /* Nor does its end, which comes while the target may run already. */
    free(after);
    after = copy_guest(SOURCE);
    CHECK(memcmp(before, after, (size_t)GUEST_PAGES * PAGE) == 0);
    free(before);
    free(after);
    check_nothing_left();
}

static void nothing_is_written_once_stop_is_answered(void **state)
{
    (void)state;
    in_child(be_quiet_after_stop);
}

/* ---- cont --------------------------------------------------------------- */

static void go_on(struct qmp_peer *peer)
{
    qmp_do(peer, "cont", NULL);
    qmp_check_status(peer, "running");
    check_guest(SOURCE);
    qmp_do(peer, "cont", NULL);
    qmp_check_status(peer, "running");
}

static void continue_after_everything(void)
{
    const char *state = scratch("state");
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, NULL);
    set_up_guest(SOURCE);
    go_on(&peer);
    log_dirty(&peer, true);
    go_on(&peer);
    qmp_do(&peer, "stop", NULL);
    go_on(&peer);
    qmp_do(&peer, "stop", NULL);
    qmp_do(&peer, "stop", NULL);
    go_on(&peer);
    qmp_do(&peer, "stop", NULL);
    fail_to_save(&peer);
    go_on(&peer);
    qmp_do(&peer, "stop", NULL);
    save_live(&peer, state);
    save_live(&peer, state);
    go_on(&peer);
    log_dirty(&peer, true);
    qmp_do(&peer, "stop", NULL);
    log_dirty(&peer, false);
    log_dirty(&peer, false);
    go_on(&peer);
    /* A stop that could not tell Xen what is dirty. */
    log_dirty(&peer, true);
    fakexen_fail(FAKEXEN_MODIFIED, 1, 0, EIO);
    write_guest(0x400000);
    json_object_put(qmp_fails(&peer, "stop", NULL));
    go_on(&peer);
    fakexen_fail(FAKEXEN_MODIFIED, 1, 0, 0);
    qmp_do(&peer, "stop", NULL);
    CHECK(fakexen_dirty(SOURCE, 0x400));
    go_on(&peer);
    quit(&dm, &peer);
    check_nothing_left();
}

static void cont_is_good_whatever_came_before(void **state)
{
    (void)state;
    in_child(continue_after_everything);
}

/* ---- a migration that fails ---------------------------------------------- */

static void fail_on_the_other_side(const char *state)
{
    const char *part = scratch("part");
    struct dm target;
    char *data;
    size_t len;

    data = read_file(state, &len);
    write_file(part, data, len - 1);
    free(data);
    prepare_target(&target, part, NULL);
    dm_launch(&target);
    CHECK(!dm_comes_up(&target));
    CHECK_EQUAL(dm_join(&target), 1);
    CHECK(logged("cannot restore: "));
    fakexen_destroy(TARGET);
}

static void migrate_twice(void)
{
    const char *state = scratch("state");
    struct qmp_peer peer;
    struct dm source;

    run_source(&source, &peer, NULL);
    set_up_guest(SOURCE);
    log_dirty(&peer, true);
    qmp_do(&peer, "stop", NULL);
    save_live(&peer, state);
    fail_on_the_other_side(state);

    /* The command that ends logging is lost with the toolstack's helper. */
    go_on(&peer);
    fakexen_clear_dirty(SOURCE);
    write_guest(0x500000);
    log_dirty(&peer, true);
    qmp_do(&peer, "stop", NULL);
    CHECK(fakexen_dirty(SOURCE, 0x500));
    save_live(&peer, state);
    log_dirty(&peer, false);
    check_handed_on(&source, &peer, state);
}

static void a_migration_that_failed_can_be_tried_again(void **state)
{
    (void)state;
    in_child(migrate_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_once_stop_is_answered),
        cmocka_unit_test(cont_is_good_whatever_came_before),
        cmocka_unit_test(a_migration_that_failed_can_be_tried_again),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
