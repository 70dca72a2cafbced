/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/dm/harness.h"
#include "tests/fakexen/fakexen.h"

/* Start, QMP and end, as libxl does them. */

#define DOMID 7u

/* ---- an ordinary life ------------------------------------------------- */

static const char *string_of(struct json_object *object, const char *key)
{
    struct json_object *value;

    CHECK(json_object_object_get_ex(object, key, &value));
    CHECK(json_object_is_type(value, json_type_string));
    return json_object_get_string(value);
}

/* libxl_dm.c, device_model_postconfig_chardev. */
static void check_serial_is_a_pty(struct qmp_peer *peer)
{
    struct json_object *list = qmp_call(peer, "query-chardev", NULL), *item;
    bool found = false;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        item = json_object_array_get_idx(list, i);
        if (strcmp(string_of(item, "label"), "serial0") == 0) {
            CHECK(strncmp(string_of(item, "filename"), "pty:/dev/", 9) == 0);
            found = true;
        }
    }
    CHECK(found);
    json_object_put(list);
}

static void check_vnc_is_off(struct qmp_peer *peer)
{
    struct json_object *object = qmp_call(peer, "query-vnc", NULL), *enabled;

    CHECK(json_object_object_get_ex(object, "enabled", &enabled));
    CHECK(!json_object_get_boolean(enabled));
    json_object_put(object);
}

static void check_cpus(struct qmp_peer *peer, size_t nr)
{
    struct json_object *list = qmp_call(peer, "query-cpus-fast", NULL), *index;

    CHECK_EQUAL(json_object_array_length(list), nr);
    for (size_t i = 0; i < nr; i++) {
        CHECK(json_object_object_get_ex(json_object_array_get_idx(list, i),
                                        "cpu-index", &index));
        CHECK_EQUAL(json_object_get_int(index), i);
    }
    json_object_put(list);
}

static void live_as_libxl_4_17_has_it(void)
{
    struct qmp_peer peer, other;
    struct dm dm;

    dm_start(&dm, DOMID, NULL);
    CHECK(fakexen_ioreq_enabled(DOMID));
    CHECK_EQUAL(fakexen_ioreq_servers(DOMID), 1);

    qmp_open_peer(&peer, dm.qmp_path);
    check_serial_is_a_pty(&peer);
    check_vnc_is_off(&peer);
    qmp_check_status(&peer, "prelaunch");
    qmp_do(&peer, "cont", NULL);
    qmp_check_status(&peer, "running");
    qmp_do(&peer, "cont", NULL); /* xl unpause sends it always */
    check_cpus(&peer, 2);

    qmp_open_peer(&other, dm.xenstat_path);
    json_object_put(qmp_call(&other, "query-block", NULL));
    qmp_close_peer(&other);
    qmp_do(&peer, "stop", NULL);
    qmp_check_status(&peer, "paused");
    qmp_close_peer(&peer);
    dm_end(&dm);
}

static void an_ordinary_life(void **state)
{
    (void)state;
    in_child(live_as_libxl_4_17_has_it);
}

static void check_class(struct json_object *error, const char *class)
{
    CHECK(strcmp(string_of(error, "class"), class) == 0);
    CHECK(string_of(error, "desc")[0] != '\0');
    json_object_put(error);
}

static void call_what_is_not_there(void)
{
    struct qmp_peer peer;
    struct dm dm;

    dm_start(&dm, DOMID, NULL);
    qmp_open_peer(&peer, dm.qmp_path);
    check_class(qmp_fails(&peer, "xen-no-such-thing", NULL), "CommandNotFound");
    check_class(qmp_fails(&peer, "xen-save-devices-state",
                          "{\"filename\":\"/dev/fdset/99\"}"),
                "GenericError");
    check_class(qmp_fails(&peer, "stop", "{\"surprise\":1}"), "GenericError");
    check_class(qmp_fails(&peer, "add-fd", NULL), "GenericError");
    qmp_check_status(&peer, "prelaunch");
    qmp_close_peer(&peer);
    dm_end(&dm);
}

static void errors_leave_the_connection_usable(void **state)
{
    (void)state;
    in_child(call_what_is_not_there);
}

static void quit_by_qmp(void)
{
    struct qmp_peer peer;
    struct dm dm;

    dm_start(&dm, DOMID, NULL);
    qmp_open_peer(&peer, dm.qmp_path);
    qmp_do(&peer, "quit", NULL);
    qmp_close_peer(&peer);
    CHECK_EQUAL(dm_join(&dm), 0);
    check_nothing_left();
}

static void quit_ends_it(void **state)
{
    (void)state;
    in_child(quit_by_qmp);
}

static void end_with_peers_connected(void)
{
    struct qmp_peer peers[4];
    struct dm dm;

    dm_start(&dm, DOMID, NULL);
    for (size_t i = 0; i < 4; i++)
        qmp_open_peer(&peers[i], dm.qmp_path);
    CHECK(send(peers[0].fd, "{\"execute\":", 11, MSG_NOSIGNAL) == 11);
    dm_end(&dm);
    for (size_t i = 0; i < 4; i++)
        qmp_close_peer(&peers[i]);
}

static void sighup_ends_it_whoever_is_connected(void **state)
{
    (void)state;
    in_child(end_with_peers_connected);
}

/* ---- the probe of libxl 4.20 ------------------------------------------ */

static bool names_parameter(struct json_object *option, const char *name)
{
    struct json_object *list;

    CHECK(json_object_object_get_ex(option, "parameters", &list));
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (strcmp(string_of(json_object_array_get_idx(list, i), "name"),
                   name) == 0)
            return true;
    return false;
}

static void probe(void)
{
    static const char *const args[] = {
        "xenram-dm",  "-S",       "-no-user-config", "-nodefaults",
        "-nographic", "-machine", "none,accel=xen",  NULL};
    const char *path = scratch("probe");
    struct dm dm = {0};
    struct qmp_peer peer;
    struct json_object *list, *item;
    bool chroot_known = false, user_known = false;

    for (size_t i = 0; args[i]; i++)
        dm_add(&dm, args[i]);
    dm_add(&dm, "-chardev");
    dm_add(&dm, "socket,id=libxl-cmd,");
    dm_use_qmp_fd(&dm, path);
    dm_add(&dm, "-mon");
    dm_add(&dm, "chardev=libxl-cmd,mode=control");
    dm_launch(&dm);

    qmp_open_peer(&peer, path);
    list = qmp_call(&peer, "query-command-line-options", NULL);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        item = json_object_array_get_idx(list, i);
        if (strcmp(string_of(item, "option"), "run-with") == 0) {
            chroot_known = names_parameter(item, "chroot");
            user_known = names_parameter(item, "user");
        }
    }
    json_object_put(list);
    CHECK(chroot_known && user_known);
    qmp_do(&peer, "quit", NULL);
    qmp_close_peer(&peer);
    CHECK_EQUAL(dm_join(&dm), 0);
    CHECK_EQUAL(fakexen_calls(FAKEXEN_ANY), 0);
}

static void the_probe_is_answered_without_xen(void **state)
{
    (void)state;
    in_child(probe);
}

/* ---- dm_restrict ------------------------------------------------------ */

static void run_restricted(const char *const *how)
{
    const char *path = scratch("qmp");
    struct qmp_peer peer;
    struct dm dm;

    create_domain(DOMID);
    dm_prepare(&dm, DOMID, how);
    dm_use_qmp_fd(&dm, path);
    qmp_connect(&peer, path); /* no path leads there from a chroot */
    dm_launch(&dm);
    qmp_negotiate(&peer);
    qmp_check_status(&peer, "prelaunch");
    CHECK_EQUAL(getuid(), 65543);
    CHECK_EQUAL(getgid(), 65536);
    CHECK(access("/", R_OK) != 0);
    CHECK(fakexen_xs_get(dm.state_key) == NULL);
    CHECK_EQUAL(fakexen_calls(FAKEXEN_RESTRICT), 1);
    qmp_do(&peer, "cont", NULL);
    CHECK_EQUAL(fakexen_pci_read(DOMID, 0, 0, 4), 0x12378086);
    qmp_do(&peer, "quit", NULL);
    CHECK_EQUAL(dm_join(&dm), 0);
    check_nothing_left();
    pass_without_leak_check();
}

static void run_restricted_4_17(void)
{
    const char *root = scratch("root");
    const char *how[] = {"-S",     "-xen-domid-restrict", "-chroot", root,
                         "-runas", "65543:65536",         NULL};

    CHECK(mkdir(root, 0) == 0);
    run_restricted(how);
}

/* What libxl writes once the probe has told it of -run-with. */
static void run_restricted_4_20(void)
{
    const char *root = scratch("root");
    char where[300];
    const char *how[] = {"-S",        "-xen-domid-restrict", "-run-with", where,
                         "-run-with", "user=65543:65536",    NULL};

    snprintf(where, sizeof(where), "chroot=%s", root);
    CHECK(mkdir(root, 0) == 0);
    run_restricted(how);
}

static void a_restricted_one_reports_by_qmp(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip(); /* chroot needs root */
    in_child(run_restricted_4_17);
    in_child(run_restricted_4_20);
}

/* ---- refusals --------------------------------------------------------- */

static void refuse_options(void)
{
    static const struct {
        const char *args[4], *says;
    } cases[] = {
        {{"-usbdevice", "tablet"}, "usbdevice"},
        {{"-device", "lsi53c895a"}, "lsi53c895a"},
        {{"-nonsense"}, "nonsense"},
        {{"-incoming", "tcp:0:4444"}, "incoming"},
        {{"-kernel", "/no/such/kernel"}, "/no/such/kernel"},
    };
    struct dm dm;

    create_domain(DOMID);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dm_prepare(&dm, DOMID, cases[i].args);
        dm_launch(&dm);
        CHECK_EQUAL(dm_join(&dm), 1);
        CHECK(logged(cases[i].says));
        CHECK(fakexen_xs_get("/local/domain/0/device-model/7/state") == NULL);
        check_nothing_left();
    }
}

static void what_cannot_be_done_ends_it_with_a_line(void **state)
{
    (void)state;
    in_child(refuse_options);
}

static void serve_no_domain(void)
{
    struct dm dm;

    dm_prepare(&dm, 99, NULL);
    dm_launch(&dm);
    CHECK_EQUAL(dm_join(&dm), 1);
    CHECK(logged("99"));
    check_nothing_left();
}

static void a_domain_that_is_not_there_ends_it(void **state)
{
    (void)state;
    in_child(serve_no_domain);
}

/* ---- every Xen call of a start fails once ----------------------------- */

/* One that came up has all that a guest needs. */
static void check_claims(void)
{
    static const struct {
        uint16_t first, last;
    } ports[] = {{0x10, 0x1f},    {0x60, 0x60},     {0x64, 0x64},
                 {0x70, 0x71},    {0x92, 0x92},     {0x3f8, 0x3ff},
                 {0xcf8, 0xcff},  {0xafc0, 0xafcf}, {0xafe0, 0xafe3},
                 {0xb004, 0xb005}};
    static const uint8_t functions[] = {0x00, 0x08, 0x0b, 0x10};

    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        CHECK(fakexen_claimed(DOMID, false, ports[i].first, ports[i].last));
    for (size_t i = 0; i < sizeof(functions); i++)
        CHECK(fakexen_claimed_pci(DOMID, functions[i]));
    CHECK_EQUAL(fakexen_pci_read(DOMID, 0, 0, 4), 0x12378086);
}

/* With the boot ROM, so that populate and friends are among them. */
static bool start_with_failure(enum fakexen_kind kind, unsigned nth,
                               const char *const *extra)
{
    uint64_t before = fakexen_tot_pages(DOMID);
    bool failed, up;
    struct dm dm;

    fakexen_xs_set("/local/domain/0/device-model/7/state", "");
    fakexen_fail(kind, nth, 1, EIO);
    dm_prepare(&dm, DOMID, extra);
    dm_launch(&dm);
    up = dm_comes_up(&dm);
    failed = fakexen_failed(kind);
    fakexen_fail(kind, 1, 0, 0);
    CHECK(up || failed);
    if (up) {
        check_claims();
        dm_end(&dm);
    } else {
        CHECK_EQUAL(dm_join(&dm), 1);
        check_nothing_left();
    }
    CHECK_EQUAL(fakexen_ioreq_servers(DOMID), 0);
    CHECK_EQUAL(fakexen_tot_pages(DOMID), before);
    return failed;
}

static void fail_each_call(void)
{
    const char *kernel = scratch("kernel");
    const char *extra[] = {"-kernel", kernel, NULL};
    unsigned total = 0, last;

    write_kernel(kernel, 8192);
    create_domain(DOMID);
    for (unsigned kind = 0; kind < FAKEXEN_NR_KINDS; kind++) {
        /* Two channels are bound; what follows answers requests. */
        last = kind == FAKEXEN_EVTCHN ? 2 : 1000;
        for (unsigned nth = 1; nth <= last; nth++, total++) {
            if (!start_with_failure((enum fakexen_kind)kind, nth, extra))
                break;
            CHECK(nth < 1000);
        }
    }
    CHECK(total > 30);
}

static void a_start_survives_any_failing_call(void **state)
{
    (void)state;
    in_child(fail_each_call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_life),
        cmocka_unit_test(errors_leave_the_connection_usable),
        cmocka_unit_test(quit_ends_it),
        cmocka_unit_test(sighup_ends_it_whoever_is_connected),
        cmocka_unit_test(the_probe_is_answered_without_xen),
        cmocka_unit_test(a_restricted_one_reports_by_qmp),
        cmocka_unit_test(what_cannot_be_done_ends_it_with_a_line),
        cmocka_unit_test(a_domain_that_is_not_there_ends_it),
        cmocka_unit_test(a_start_survives_any_failing_call),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
