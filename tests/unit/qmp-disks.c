/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "dm/block/disks.h"
#include "dm/qmp.h"

#include "tests/unit/fake-machine.h"
#include "tests/unit/qmp-client.h"

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define BYTES 65536
#define CD "ide-5632"

static struct {
    char disk[64], iso[64], other[64];
    unsigned changes, asked;
    bool locked, open;
} env;

static void make_file(char *path, size_t size, const char *dir,
                      const char *name)
{
    int fd;

    snprintf(path, size, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, BYTES), 0);
    close(fd);
}

static void changed(void *opaque)
{
    (void)opaque;
    env.changes++;
}

static bool is_locked(void *opaque)
{
    (void)opaque;
    return env.locked;
}

static bool is_open(void *opaque)
{
    (void)opaque;
    return env.open;
}

static void ask_for_medium(void *opaque)
{
    (void)opaque;
    env.asked++;
}

static const struct disk_tray_ops tray = {is_locked, is_open, ask_for_medium};

static struct disk *drive(void)
{
    return disks_find(fake.machine.disks, CD);
}

static int setup(void **state)
{
    static struct options options;
    struct fixture *fixture;

    qmp_setup_started(state);
    fixture = *state;
    memset(&env, 0, sizeof(env));
    make_file(env.disk, sizeof(env.disk), fixture->dir, "disk");
    make_file(env.iso, sizeof(env.iso), fixture->dir, "iso");
    make_file(env.other, sizeof(env.other), fixture->dir, "other");
    options.incoming_fd = -1;
    options.drives[0] =
        (struct options_drive){.id = "ide0-hd0", .file = env.disk, .raw = true};
    options.drives[2] = (struct options_drive){.id = CD,
                                               .file = env.iso,
                                               .cdrom = true,
                                               .read_only = true,
                                               .raw = true};
    assert_int_equal(disks_open(&fixture->loop, &options, &fake.machine.disks),
                     0);
    assert_int_equal(disks_activate(fake.machine.disks), 0);
    disk_on_change(drive(), changed, NULL);
    disk_set_tray(drive(), &tray, NULL);
    return 0;
}

static int teardown(void **state)
{
    disks_close(fake.machine.disks);
    unlink(env.disk);
    unlink(env.iso);
    unlink(env.other);
    return qmp_teardown(state);
}

/* ---- what xentop and users read ------------------------------------------ */

/* Value at a path of keys and indices; NULL: not there. */
static struct json_object *find(struct json_object *object, const char *path)
{
    struct json_object *found = NULL;

    return json_pointer_get(object, path, &found) ? NULL : found;
}

static void says(struct json_object *reply, const char *path, const char *text)
{
    struct json_object *value = find(reply, path);

    if (!value || strcmp(json_object_get_string(value), text) != 0)
        fail_msg("%s is not %s: %s", path, text,
                 json_object_to_json_string(reply));
}

static void query_block_tells_disks_and_media(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    struct json_object *reply =
        json_tokener_parse(client_ask(client, "{\"execute\":\"query-block\"}"));

    says(reply, "/return/0/device", "ide0-hd0");
    says(reply, "/return/0/removable", "false");
    says(reply, "/return/0/inserted/file", env.disk);
    says(reply, "/return/0/inserted/drv", "raw");
    says(reply, "/return/0/inserted/ro", "false");
    says(reply, "/return/0/inserted/image/virtual-size", "65536");
    says(reply, "/return/1/device", CD);
    says(reply, "/return/1/removable", "true");
    says(reply, "/return/1/tray_open", "false");
    says(reply, "/return/1/locked", "false");
    says(reply, "/return/1/inserted/ro", "true");
    assert_null(find(reply, "/return/2"));
    json_object_put(reply);

    assert_int_equal(disk_change(drive(), NULL, -1), 0);
    env.open = env.locked = true;
    reply =
        json_tokener_parse(client_ask(client, "{\"execute\":\"query-block\"}"));
    says(reply, "/return/1/tray_open", "true");
    says(reply, "/return/1/locked", "true");
    assert_null(find(reply, "/return/1/inserted"));
    json_object_put(reply);
    client_hang_up(client);
}

static void ended(struct disk_request *request, int error)
{
    (void)error;
    *(bool *)request->opaque = true;
}

static void move(enum disk_op op, uint64_t offset, size_t length)
{
    static char buffer[8192];
    struct iovec iov = {buffer, length};
    bool done = false;
    struct disk_request request = {
        .op = op,
        .offset = offset,
        .length = length,
        .iov = &iov,
        .nr_iov = 1,
        .done = ended,
        .opaque = &done,
    };
    struct disk *disk = disks_ide(fake.machine.disks, 0);

    disk_submit(disk, &request);
    disk_drain(disk);
    assert_true(done);
}

static void query_blockstats_counts_what_was_moved(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    struct json_object *reply;

    move(DISK_WRITE, 8192, 4096);
    move(DISK_WRITE, 0, 512);
    move(DISK_READ, 0, 8192);
    move(DISK_FLUSH, 0, 0);
    move(DISK_READ, BYTES, 512);
    disk_count_invalid(disks_ide(fake.machine.disks, 0));
    reply = json_tokener_parse(
        client_ask(client, "{\"execute\":\"query-blockstats\"}"));
    says(reply, "/return/0/device", "ide0-hd0");
    says(reply, "/return/0/stats/wr_bytes", "4608");
    says(reply, "/return/0/stats/wr_operations", "2");
    says(reply, "/return/0/stats/wr_highest_offset", "12288");
    says(reply, "/return/0/stats/rd_bytes", "8192");
    says(reply, "/return/0/stats/rd_operations", "1");
    says(reply, "/return/0/stats/failed_rd_operations", "1");
    says(reply, "/return/0/stats/flush_operations", "1");
    says(reply, "/return/0/stats/invalid_rd_operations", "1");
    assert_true(json_object_get_int64(
                    find(reply, "/return/0/stats/wr_total_time_ns")) > 0);
    says(reply, "/return/1/stats/rd_bytes", "0");
    json_object_put(reply);
    client_hang_up(client);
}

static void the_monitor_shows_disks(void **state)
{
    char *text = monitor_run(&fake.machine, "info block");

    (void)state;
    assert_non_null(strstr(text, env.disk));
    assert_non_null(strstr(text, "(raw, read-only), 65536 bytes"));
    assert_non_null(strstr(text, "not locked, tray closed"));
    free(text);
    assert_int_equal(disk_change(drive(), NULL, -1), 0);
    text = monitor_run(&fake.machine, "info block");
    assert_non_null(strstr(text, CD ": [not inserted]"));
    free(text);
    move(DISK_WRITE, 0, 512);
    text = monitor_run(&fake.machine, "info blockstats");
    assert_non_null(strstr(text, "ide0-hd0: rd_bytes=0 wr_bytes=512 "));
    free(text);
}

/* ---- media --------------------------------------------------------------- */

static void ask(struct client *client, const char *command, const char *part)
{
    char text[512];
    const char *reply;

    snprintf(text, sizeof(text), "{\"execute\":%s}", command);
    reply = client_ask(client, text);
    if (!strstr(reply, part))
        fail_msg("%s: %s", text, reply);
}

static void give_fd(struct client *client, const char *path, const char *opaque)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[256];

    assert_true(fd >= 0);
    snprintf(text, sizeof(text),
             "{\"execute\":\"add-fd\",\"arguments\":{\"opaque\":\"%s\"}}",
             opaque);
    client_give_with_fd(client, text, fd);
    close(fd);
    assert_non_null(strstr(client_line(client), "\"fdset-id\":0"));
}

static void a_medium_is_exchanged_as_libxl_does(void **state)
{
    static const char *const forms[] = {
        "\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
        "\",\"filename\":\"/dev/fdset/0\",\"format\":\"raw\"}",
        "\"change\",\"arguments\":{\"device\":\"" CD
        "\",\"target\":\"/dev/fdset/0\",\"arg\":\"raw\"}",
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    unsigned before = count_fds();

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char opaque[80];

        env.changes = 0;
        ask(client, "\"eject\",\"arguments\":{\"id\":\"" CD "\"}",
            "\"return\":{}");
        assert_false(disk_has_medium(drive()));
        assert_int_equal(count_fds(), before - 1);
        assert_int_equal(env.changes, 1);
        /* An empty drive can be emptied. */
        ask(client, "\"eject\",\"arguments\":{\"device\":\"" CD "\"}",
            "\"return\":{}");
        snprintf(opaque, sizeof(opaque), "raw:%s", env.other);
        give_fd(client, env.other, opaque);
        ask(client, forms[i], "\"return\":{}");
        assert_int_equal(env.changes, 3);
        assert_string_equal(disk_path(drive()), env.other);
        assert_int_equal(count_fds(), before);
    }
    client_hang_up(client);
}

static void a_medium_is_exchanged_by_its_path(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    char command[256];

    snprintf(command, sizeof(command),
             "\"blockdev-change-medium\",\"arguments\":{\"device\":\"" CD
             "\",\"filename\":\"%s\"}",
             env.other);
    ask(client, command, "\"return\":{}");
    assert_string_equal(disk_path(drive()), env.other);
    client_hang_up(client);
}

static void what_is_no_medium_leaves_the_old_one(void **state)
{
    static const struct {
        const char *command, *part;
    } rows[] = {
        {"\"eject\",\"arguments\":{\"id\":\"ide0-hd0\"}", "no CD-ROM drive"},
        {"\"eject\",\"arguments\":{\"id\":\"none\"}", "DeviceNotFound"},
        {"\"eject\"", "id or device"},
        {"\"change\",\"arguments\":{\"device\":\"vnc\",\"target\":\"x\"}",
         "vncpasswd"},
        {"\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
         "\",\"filename\":\"/none/such\"}",
         "No such file"},
        {"\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
         "\",\"filename\":\"/dev/fdset/7\"}",
         "No such file"},
        {"\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
         "\",\"filename\":\"/dev/null\"}",
         "Invalid argument"},
        {"\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
         "\",\"filename\":\"/tmp\"}",
         "Is a directory"},
        {"\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
         "\",\"filename\":\"/x\",\"format\":\"qcow2\"}",
         "only raw"},
        {"\"blockdev-open-tray\"", "use eject"},
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    unsigned before = count_fds();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ask(client, rows[i].command, rows[i].part);
    assert_string_equal(disk_path(drive()), env.iso);
    assert_int_equal(env.changes, 0);
    assert_int_equal(count_fds(), before);
    client_hang_up(client);
}

static void a_locked_tray_keeps_its_medium_and_the_guest_is_asked(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);

    env.locked = true;
    ask(client, "\"eject\",\"arguments\":{\"id\":\"" CD "\"}", "locked");
    ask(client,
        "\"blockdev-change-medium\",\"arguments\":{\"id\":\"" CD
        "\",\"filename\":\"/x\"}",
        "locked");
    assert_int_equal(env.asked, 2);
    assert_true(disk_has_medium(drive()));
    ask(client, "\"eject\",\"arguments\":{\"id\":\"" CD "\",\"force\":true}",
        "\"return\":{}");
    assert_false(disk_has_medium(drive()));
    assert_int_equal(env.asked, 2);
    client_hang_up(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(query_block_tells_disks_and_media),
        TEST(query_blockstats_counts_what_was_moved),
        TEST(the_monitor_shows_disks),
        TEST(a_medium_is_exchanged_as_libxl_does),
        TEST(a_medium_is_exchanged_by_its_path),
        TEST(what_is_no_medium_leaves_the_old_one),
        TEST(a_locked_tray_keeps_its_medium_and_the_guest_is_asked),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
