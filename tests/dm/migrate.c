/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/carried.h"
#include "tests/dm/harness.h"
#include "tests/fakexen/fakexen.h"

/* Save in one device model, restore in another, as xl save and restore do. */

/* ---- there and back --------------------------------------------------- */

static void save_and_restore(void)
{
    const char *state = scratch("state");
    struct dm source, target;
    struct qmp_peer peer;
    uint64_t pages;
    size_t len;
    char *data;

    run_source(&source, &peer, NULL);
    set_up_guest(SOURCE);
    qmp_do(&peer, "xen-set-global-dirty-log", "{\"enable\":true}");
    qmp_save(&peer, state);
    qmp_do(&peer, "xen-set-global-dirty-log", "{\"enable\":false}");
    qmp_check_status(&peer, "paused");
    quit(&source, &peer);
    check_nothing_left();

    data = read_file(state, &len);
    CHECK(len > 8 && len <= 256 * 1024); /* RLIMIT_FSIZE of dm_restrict */
    CHECK(memcmp(data, "QEVM\0\0\0\3", 8) == 0);
    free(data);

    prepare_target(&target, state, NULL);
    pages = fakexen_tot_pages(TARGET);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    qmp_open_peer(&peer, target.qmp_path);
    qmp_check_status(&peer, "paused");
    qmp_do(&peer, "cont", NULL);
    qmp_check_status(&peer, "running");
    check_guest(TARGET);
    CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
    quit(&target, &peer);
    check_nothing_left();
}

static void a_restored_guest_finds_its_devices(void **state)
{
    (void)state;
    in_child(save_and_restore);
}

static void restore_restricted(void)
{
    const char *state = scratch("state"), *root = scratch("root");
    const char *path = scratch("qmp");
    const char *how[] = {"-S",     "-xen-domid-restrict", "-chroot", root,
                         "-runas", "65544:65536",         NULL};
    struct dm source, target;
    struct qmp_peer peer;

    run_source(&source, &peer, NULL);
    set_up_guest(SOURCE);
    qmp_save(&peer, state);
    quit(&source, &peer);

    CHECK(mkdir(root, 0) == 0);
    prepare_target(&target, state, how);
    dm_use_qmp_fd(&target, path);
    qmp_connect(&peer, path);
    dm_launch(&target);
    qmp_negotiate(&peer);
    qmp_check_status(&peer, "paused");
    qmp_do(&peer, "cont", NULL);
    check_guest(TARGET);
    quit(&target, &peer);
    check_nothing_left();
    pass_without_leak_check();
}

static void a_restricted_one_can_restore(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip(); /* chroot needs root */
    in_child(restore_restricted);
}

static void save_again(void)
{
    const char *first = scratch("first"), *second = scratch("second");
    struct dm source, target;
    struct qmp_peer peer;
    char *a, *b;
    size_t len, other;

    run_source(&source, &peer, NULL);
    set_up_guest(SOURCE);
    qmp_save(&peer, first);
    quit(&source, &peer);
    prepare_target(&target, first, NULL);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    qmp_open_peer(&peer, target.qmp_path);
    qmp_save(&peer, second);
    quit(&target, &peer);

    a = read_file(first, &len);
    b = read_file(second, &other);
    CHECK_EQUAL(len, other);
    CHECK(memcmp(a, b, len) == 0);
    free(a);
    free(b);
}

static void a_state_that_was_loaded_is_saved_the_same(void **state)
{
    (void)state;
    in_child(save_again);
}

static void checkpoint(void)
{
    const char *state = scratch("state");
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, NULL);
    set_up_guest(SOURCE);
    qmp_save(&peer, state);
    qmp_do(&peer, "cont", NULL); /* xl save -c */
    qmp_check_status(&peer, "running");
    check_guest(SOURCE);
    qmp_save(&peer, state);
    qmp_do(&peer, "cont", NULL);
    quit(&dm, &peer);
    check_nothing_left();
}

static void the_source_goes_on_after_a_checkpoint(void **state)
{
    (void)state;
    in_child(checkpoint);
}

/* Both at the same time, as xl migrate to localhost has them. */
static void overlap(void)
{
    const char *state = scratch("state");
    struct qmp_peer peer;
    struct dm source;

    run_source(&source, &peer, NULL);
    set_up_guest(SOURCE);
    qmp_save(&peer, state);
    check_handed_on(&source, &peer, state);
}

static void source_and_target_can_live_side_by_side(void **state)
{
    (void)state;
    in_child(overlap);
}

/* ---- dirty pages ------------------------------------------------------ */

static void read_cmos_into(uint64_t gpa)
{
    struct fakexen_io io = {.addr = 0x71,
                            .read = true,
                            .size = 1,
                            .data = gpa,
                            .count = 2,
                            .data_is_ptr = true};

    CHECK_EQUAL(fakexen_io(SOURCE, &io), 0);
}

static void log_dirty(void)
{
    struct qmp_peer peer;
    struct dm dm;

    run_source(&dm, &peer, NULL);
    read_cmos_into(0x300000);
    qmp_do(&peer, "stop", NULL);
    CHECK_EQUAL(fakexen_dirty_count(SOURCE), 0); /* nobody asked */
    qmp_do(&peer, "cont", NULL);
    qmp_do(&peer, "xen-set-global-dirty-log", "{\"enable\":true}");
    /* not told as they come: stop itself must see to it */
    fakexen_fail(FAKEXEN_MODIFIED, 1, 0, EIO);
    read_cmos_into(0x400000);
    read_cmos_into(0x500fff);
    CHECK_EQUAL(fakexen_dirty_count(SOURCE), 0);
    json_object_put(qmp_fails(&peer, "stop", NULL));
    fakexen_fail(FAKEXEN_MODIFIED, 1, 0, 0);
    qmp_do(&peer, "stop", NULL);
    CHECK(fakexen_dirty(SOURCE, 0x400));
    CHECK(fakexen_dirty(SOURCE, 0x500));
    CHECK(fakexen_dirty(SOURCE, 0x501));
    CHECK_EQUAL(fakexen_dirty_count(SOURCE), 3);
    quit(&dm, &peer);
    check_nothing_left();
}

static void what_it_wrote_is_dirty_before_stop_is_answered(void **state)
{
    (void)state;
    in_child(log_dirty);
}

static uint64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void log_much(void)
{
    struct qmp_peer peer;
    uint64_t began, calls;
    struct dm dm;

    run_source(&dm, &peer, NULL);
    qmp_do(&peer, "xen-set-global-dirty-log", "{\"enable\":true}");
    fakexen_reset_counters();
    began = now_ms();
    for (unsigned i = 0; i < 300; i++)
        read_cmos_into(0x400000 + i * 2 * 4096);
    calls = fakexen_calls(FAKEXEN_MODIFIED);
    CHECK(calls <= now_ms() - began + 2);
    /* Nothing else happens: it is told all the same. */
    while (fakexen_dirty_count(SOURCE) < 300)
        sched_yield();
    qmp_do(&peer, "stop", NULL);
    CHECK_EQUAL(fakexen_dirty_count(SOURCE), 300);
    quit(&dm, &peer);
    check_nothing_left();
}

static void xen_is_told_of_writes_once_in_a_millisecond(void **state)
{
    (void)state;
    in_child(log_much);
}

/* ---- the boot ROM ----------------------------------------------------- */

static void restore_with_rom(void)
{
    const char *state = scratch("state"), *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};
    struct dm source, target;
    struct qmp_peer peer;
    uint64_t pages;
    uint8_t rom[2];

    write_kernel(kernel, 8192);
    run_source(&source, &peer, extra);
    fakexen_pci_write(SOURCE, HOST_BRIDGE, 0x30, 4, 0xf3000001);
    fakexen_pci_write(SOURCE, HOST_BRIDGE, 0x04, 2, 2);
    CHECK_EQUAL(fakexen_type(SOURCE, 0xf3000), FAKEXEN_RAM_RO);
    qmp_save(&peer, state);
    /* to be read while the source still holds its page */
    prepare_target(&target, state, extra);
    quit(&source, &peer);
    CHECK(unlink(kernel) == 0);

    pages = fakexen_tot_pages(TARGET);
    CHECK_EQUAL(fakexen_type(TARGET, 0xf3000), FAKEXEN_RAM_RW);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    qmp_open_peer(&peer, target.qmp_path);
    CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
    CHECK_EQUAL(fakexen_type(TARGET, 0xf3000), FAKEXEN_RAM_RO);
    qmp_do(&peer, "cont", NULL);
    fakexen_pci_write(TARGET, HOST_BRIDGE, 0x30, 4, 0xf4000001);
    CHECK_EQUAL(fakexen_type(TARGET, 0xf3000), FAKEXEN_HOLE);
    CHECK_EQUAL(fakexen_type(TARGET, 0xf4000), FAKEXEN_RAM_RO);
    fakexen_peek(TARGET, UINT64_C(0xf4000000), rom, 2);
    CHECK(rom[0] == 0x55 && rom[1] == 0xaa);
    quit(&target, &peer);
    check_nothing_left();
}

static void a_restored_guest_needs_no_kernel_file(void **state)
{
    (void)state;
    in_child(restore_with_rom);
}

/* ---- what cannot be loaded -------------------------------------------- */

static void refuse(const char *state, const char *const *extra)
{
    unsigned handles = fakexen_handles(); /* of the source */
    uint64_t pages;
    struct dm target;

    prepare_target(&target, state, extra);
    pages = fakexen_tot_pages(TARGET);
    dm_launch(&target);
    CHECK(!dm_comes_up(&target));
    CHECK_EQUAL(dm_join(&target), 1);
    CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
    CHECK_EQUAL(fakexen_ioreq_servers(TARGET), 0);
    CHECK_EQUAL(fakexen_handles(), handles);
    CHECK_EQUAL(fakexen_violations(), 0);
}

static void load_damaged_states(void)
{
    const char *state = scratch("state"), *bad = scratch("bad");
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};
    struct dm source;
    struct qmp_peer peer;
    char *data;
    size_t len;

    write_kernel(kernel, 8192);
    run_source(&source, &peer, extra);
    set_up_guest(SOURCE);
    qmp_save(&peer, state);
    data = read_file(state, &len);
    for (size_t cut = 0; cut < len; cut += len / 23) {
        write_file(bad, data, cut);
        refuse(bad, extra);
    }
    for (size_t at = 0; at < len; at += len / 23) {
        data[at] ^= 0x10;
        write_file(bad, data, len);
        refuse(bad, extra);
        data[at] ^= 0x10;
    }
    CHECK(logged("cannot restore: "));
    free(data);
    /* a guest with a boot ROM is not one without */
    refuse(state, NULL);
    CHECK(logged("boot-rom"));
    quit(&source, &peer);
    check_nothing_left();
}

static void a_damaged_state_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    in_child(load_damaged_states);
}

static void fail_each_call(void)
{
    const char *state = scratch("state"), *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};
    struct dm source, target;
    struct qmp_peer peer;
    bool failed = true, up = false;
    unsigned handles;
    uint64_t pages;

    write_kernel(kernel, 8192);
    run_source(&source, &peer, extra);
    set_up_guest(SOURCE);
    qmp_save(&peer, state);
    qmp_close_peer(&peer);
    handles = fakexen_handles();
    for (unsigned nth = 1; failed; nth++) {
        prepare_target(&target, state, extra);
        pages = fakexen_tot_pages(TARGET);
        fakexen_fail(FAKEXEN_ANY, nth, 1, EIO);
        dm_launch(&target);
        up = dm_comes_up(&target);
        failed = fakexen_failed(FAKEXEN_ANY);
        fakexen_fail(FAKEXEN_ANY, 1, 0, 0);
        if (up) {
            CHECK_EQUAL(fakexen_tot_pages(TARGET), pages);
            qmp_open_peer(&peer, target.qmp_path);
            quit(&target, &peer);
        } else {
            CHECK_EQUAL(dm_join(&target), 1);
        }
        /* its end may take the ROM along */
        CHECK(pages - fakexen_tot_pages(TARGET) <= 1);
        fakexen_destroy(TARGET);
        CHECK_EQUAL(fakexen_handles(), handles);
        CHECK_EQUAL(fakexen_violations(), 0);
        CHECK(nth < 1000);
    }
    CHECK(up);
    qmp_open_peer(&peer, source.qmp_path);
    quit(&source, &peer);
    check_nothing_left();
}

static void a_restore_survives_any_failing_call(void **state)
{
    (void)state;
    in_child(fail_each_call);
}

static void save_to_nowhere(void)
{
    struct qmp_peer peer;
    struct dm dm;
    char arguments[100];
    int fd;

    run_source(&dm, &peer, NULL);
    qmp_do(&peer, "stop", NULL);
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    snprintf(arguments, sizeof(arguments),
             "{\"live\":true,\"filename\":\"/dev/fdset/%lld\"}",
             (long long)qmp_add_fd(&peer, fd));
    close(fd);
    json_object_put(qmp_fails(&peer, "xen-save-devices-state", arguments));
    qmp_do(&peer, "cont", NULL);
    qmp_check_status(&peer, "running");
    quit(&dm, &peer);
    check_nothing_left();
}

static void a_save_that_fails_leaves_the_guest_running(void **state)
{
    (void)state;
    in_child(save_to_nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_guest_finds_its_devices),
        cmocka_unit_test(a_restricted_one_can_restore),
        cmocka_unit_test(a_state_that_was_loaded_is_saved_the_same),
        cmocka_unit_test(the_source_goes_on_after_a_checkpoint),
        cmocka_unit_test(source_and_target_can_live_side_by_side),
        cmocka_unit_test(what_it_wrote_is_dirty_before_stop_is_answered),
        cmocka_unit_test(xen_is_told_of_writes_once_in_a_millisecond),
        cmocka_unit_test(a_restored_guest_needs_no_kernel_file),
        cmocka_unit_test(a_damaged_state_is_refused_and_changes_nothing),
        cmocka_unit_test(a_restore_survives_any_failing_call),
        cmocka_unit_test(a_save_that_fails_leaves_the_guest_running),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
