/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-commands.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "dm/pci.h"

#include "tests/unit/capture.h"
#include "tests/unit/fake-machine.h"
#include "tests/unit/qmp-client.h"

static void commands_wait_for_negotiation(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_connect(fixture, fixture->path);

    client_line(client);
    assert_string_equal(
        client_ask(client, "{\"execute\":\"cont\",\"id\":5}"),
        "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"cont: give "
        "qmp_capabilities first\"},\"id\":5}");
    assert_int_equal(fake.conts, 0);
    assert_string_equal(client_ask(client,
                                   "{\"execute\":\"qmp_capabilities\","
                                   "\"arguments\":{\"enable\":[\"oob\"]}}"),
                        "{\"error\":{\"class\":\"GenericError\",\"desc\":"
                        "\"enable: none of these capabilities was offered\"}}");
    assert_string_equal(client_ask(client, "{\"execute\":\"qmp_capabilities\","
                                           "\"arguments\":{\"enable\":[]}}"),
                        "{\"return\":{}}");
    assert_non_null(
        strstr(client_ask(client, "{\"execute\":\"qmp_capabilities\"}"),
               "CommandNotFound"));
    client_hang_up(client);
}

static void what_libxl_asks_is_answered(void **state)
{
    static const struct {
        const char *command, *result;
    } rows[] = {
        {"\"query-status\"", "{\"status\":\"prelaunch\",\"running\":false,"
                             "\"singlestep\":false}"},
        {"\"query-chardev\"", "[{\"label\":\"serial0\",\"filename\":"
                              "\"pty:/dev/pts/9\",\"frontend-open\":true}]"},
        {"\"query-vnc\"", "{\"enabled\":false}"},
        {"\"query-xenram-blocks\"",
         "[{\"name\":\"xen.ram\",\"kind\":\"guest\",\"offset\":0,"
         "\"size\":1048576,\"used-length\":1048576,"
         "\"max-length\":1048576,\"gfn\":0,\"attributes\":[]},"
         "{\"name\":\"boot.rom\",\"kind\":\"visible\",\"offset\":1048576,"
         "\"size\":5000,\"used-length\":8192,\"max-length\":65536,"
         "\"gfn\":991232,\"attributes\":[\"resizeable\",\"rom\"]},"
         "{\"name\":\"scratch\",\"kind\":\"private\",\"offset\":1114112,"
         "\"size\":4096,\"used-length\":4096,\"max-length\":4096,"
         "\"attributes\":[\"dont-dump\"]},"
         "{\"name\":\"nvram\",\"kind\":\"file\",\"offset\":1118208,"
         "\"size\":128,\"used-length\":4096,\"max-length\":4096,"
         "\"file\":\"/var/lib/nvram\",\"attributes\":[\"copy-on-write\"]}]"},
        {"\"cont\"", "{}"},
        {"\"cont\"", "{}"},
        {"\"query-status\"", "{\"status\":\"running\",\"running\":true,"
                             "\"singlestep\":false}"},
        {"\"query-cpus-fast\"",
         "[{\"cpu-index\":0,\"thread-id\":0,\"target\":\"x86_64\"},"
         "{\"cpu-index\":1,\"thread-id\":0,\"target\":\"x86_64\"},"
         "{\"cpu-index\":2,\"thread-id\":0,\"target\":\"x86_64\"}]"},
        {"\"xen-set-global-dirty-log\",\"arguments\":{\"enable\":true}", "{}"},
        {"\"stop\"", "{}"},
        {"\"query-status\"", "{\"status\":\"paused\",\"running\":false,"
                             "\"singlestep\":false}"},
        {"\"xen-set-global-dirty-log\",\"arguments\":{\"enable\":false}", "{}"},
        {"\"system_wakeup\"", "{}"},
        {"\"system_reset\"", "{}"},
        {"\"query-block\"", "[]"},
        {"\"query-blockstats\"", "[]"},
        {"\"query-pci\"", "[{\"bus\":0,\"devices\":[]}]"},
        {"\"query-fdsets\"", "[]"},
        {"\"query-name\"", "{\"name\":\"guest\"}"},
        {"\"query-kvm\"", "{\"enabled\":false,\"present\":false}"},
        {"\"query-uuid\"",
         "{\"UUID\":\"00000000-0000-0000-0000-000000000000\"}"},
        {"\"query-command-line-options\"",
         "[{\"option\":\"run-with\",\"parameters\":[{\"name\":\"chroot\","
         "\"type\":\"string\"},{\"name\":\"user\",\"type\":\"string\"}]}]"},
        {"\"human-monitor-command\",\"arguments\":{\"command-line\":"
         "\"info status\"}",
         "\"VM status: paused (paused)\\r\\n\""},
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);

    for (int i = 0; i < (int)(sizeof(rows) / sizeof(rows[0])); i++) {
        /* libxl counts its ids up from here. */
        int id = 0x786c7100 + i;
        char text[512], expected[1024];

        snprintf(text, sizeof(text), "{\"execute\":%s,\"id\":%d}\r\n",
                 rows[i].command, id);
        snprintf(expected, sizeof(expected), "{\"return\":%s,\"id\":%d}",
                 rows[i].result, id);
        assert_string_equal(client_ask(client, text), expected);
    }
    assert_int_equal(fake.conts, 2);
    assert_int_equal(fake.stops, 1);
    assert_int_equal(fake.wakes, 1);
    assert_int_equal(fake.reboots, 1);
    assert_int_equal(fake.dirty_on, 1);
    assert_int_equal(fake.dirty_off, 1);
    client_hang_up(client);
}

static void older_and_longer_answers_have_what_libxl_reads(void **state)
{
    static const struct {
        const char *command, *part;
    } rows[] = {
        {"query-cpus", "{\"CPU\":2,"},
        {"query-hotpluggable-cpus", "\"type\":\"xen-vcpu\""},
        {"query-version", "\"major\":9"},
        {"query-commands", "{\"name\":\"xen-save-devices-state\"}"},
        {"query-target", "x86_64"},
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"execute\":\"%s\",\"id\":1}",
                 rows[i].command);
        assert_non_null(strstr(client_ask(client, text), rows[i].part));
    }
    client_hang_up(client);
}

static void the_counters_of_the_map_cache_are_live(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    const char *ask = "{\"execute\":\"query-xenram-mapcache\"}";

    assert_string_equal(
        client_ask(client, ask),
        "{\"return\":{\"window-bytes\":1099511627776,\"chunk-bytes\":0,"
        "\"budget-bytes\":0,\"mapped-bytes\":0,\"pinned-chunks\":0,"
        "\"quarantined-chunks\":0,\"stale-chunks\":0,\"misses\":17,"
        "\"map-calls\":0,\"map-errors\":0,\"holes\":0,\"evictions\":0,"
        "\"invalidates\":0}}");
    fake.misses = UINT64_MAX;
    assert_non_null(
        strstr(client_ask(client, ask), "\"misses\":18446744073709551615"));
    client_hang_up(client);
}

static void each_pci_function_has_a_qdev_id(void **state)
{
    static struct pci_function function, hidden;
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    const char *line;

    memset(&function, 0, sizeof(function));
    function.name = "xen-platform";
    function.devfn = PCI_DEVFN(2, 1);
    function.present = true;
    memcpy(function.config, "\x53\x58\x01\x00", 4);
    function.config[0x3d] = 1;
    function.bars[1] = (struct pci_bar){
        .kind = PCI_BAR_MEM_PREFETCH, .size = 4096, .mapped = PCI_UNMAPPED};
    fake.machine.pci[function.devfn] = &function;
    fake.machine.pci[3] = &hidden;
    line = client_ask(client, "{\"execute\":\"query-pci\"}");
    assert_string_equal(
        line, "{\"return\":[{\"bus\":0,\"devices\":[{\"bus\":0,\"slot\":2,"
              "\"function\":1,\"class_info\":{\"class\":0,\"desc\":"
              "\"xen-platform\"},\"id\":{\"vendor\":22611,\"device\":1},"
              "\"irq\":0,\"irq_pin\":1,\"qdev_id\":\"xen-platform\","
              "\"regions\":[{\"bar\":1,\"type\":\"memory\",\"address\":-1,"
              "\"size\":4096,\"prefetch\":true,\"mem_type_64\":false}]}]}]}");
    client_hang_up(client);
}

#define GET(path, property)                                                    \
    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"" path                 \
    "\",\"property\":\"" property "\"}}"
#define SET(path, property, value)                                             \
    "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"" path                 \
    "\",\"property\":\"" property "\",\"value\":" value "}}"
#define VM0 "/machine/peripheral/vm0"

static void the_size_of_a_virtio_mem_device_can_be_asked_for(void **state)
{
    static const struct {
        const char *ask, *answer;
    } rows[] = {
        {SET(VM0, "requested-size", "67108864"), "{\"return\":{}}"},
        {GET(VM0, "requested-size"), "{\"return\":67108864}"},
        {SET("vm0", "requested-size", "0"), "{\"return\":{}}"},
        {GET("vm0", "requested-size"), "{\"return\":0}"},
        {GET("vm0", "size"), "{\"return\":2097152}"},
        {GET("vm0", "block-size"), "{\"return\":2097152}"},
        {GET("vm0", "memaddr"), "{\"return\":5368709120}"},
        {GET("vm0", "node"), "{\"return\":1}"},
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(client_ask(client, rows[i].ask), rows[i].answer);
    client_hang_up(client);
}

/* From then on the guest's memory has to stay where it is. */
static void a_live_save_is_known_to_the_machine(void **state)
{
    static const char *const log[] = {
        "{\"execute\":\"xen-set-global-dirty-log\",\"arguments\":"
        "{\"enable\":false}}",
        "{\"execute\":\"xen-set-global-dirty-log\",\"arguments\":"
        "{\"enable\":true}}",
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);

    assert_false(fake.machine.saving);
    client_ask(client, log[1]);
    assert_true(fake.machine.saving);
    fake.log_fails = -EIO;
    client_ask(client, log[0]);
    assert_true(fake.machine.saving);
    fake.log_fails = 0;
    client_ask(client, log[0]);
    assert_false(fake.machine.saving);
    client_hang_up(client);
}

static void refusals_have_a_class_and_advice(void **state)
{
    static const struct {
        const char *command, *class, *part;
    } rows[] = {
        {"\"frobnicate\"", "CommandNotFound", "frobnicate"},
        {"\"\"", "CommandNotFound", "no command"},
        {"\"change-vnc-password\",\"arguments\":{\"password\":\"x\"}",
         "GenericError", "vncpasswd"},
        {"\"device_add\",\"arguments\":{\"driver\":\"usb-host\",\"id\":\"x\"}",
         "GenericError", "xl.cfg"},
        {"\"device_del\",\"arguments\":{\"id\":\"pci-pt-00_01.0\"}",
         "DeviceNotFound", "pci-pt-00_01.0"},
        {"\"eject\",\"arguments\":{\"id\":\"ide-5632\"}", "DeviceNotFound",
         "ide-5632"},
        {"\"qom-get\",\"arguments\":{\"path\":\"/machine/peripheral/x\","
         "\"property\":\"size\"}",
         "DeviceNotFound", "/machine/peripheral/x"},
        {"\"qom-get\",\"arguments\":{\"path\":\"vm0\",\"property\":\"x\"}",
         "GenericError", "vm0 has no property x"},
        {"\"qom-set\",\"arguments\":{\"path\":\"vm1\",\"property\":"
         "\"requested-size\",\"value\":0}",
         "DeviceNotFound", "vm1"},
        {"\"qom-set\",\"arguments\":{\"path\":\"vm0\",\"property\":\"size\","
         "\"value\":0}",
         "GenericError", "only requested-size"},
        {"\"qom-set\",\"arguments\":{\"path\":\"vm0\",\"property\":"
         "\"requested-size\",\"value\":-2}",
         "GenericError", "negative"},
        {"\"qom-set\",\"arguments\":{\"path\":\"vm0\",\"property\":"
         "\"requested-size\",\"value\":3}",
         "GenericError", "no odd sizes"},
        {"\"qom-set\",\"arguments\":{\"path\":\"vm0\",\"property\":"
         "\"requested-size\",\"value\":\"64M\"}",
         "GenericError", "type int"},
        {"\"cpu-add\",\"arguments\":{\"id\":1}", "GenericError", "maxvcpus"},
        {"\"xen-load-devices-state\",\"arguments\":{\"filename\":\"/x\"}",
         "GenericError", "COLO"},
        {"\"system_powerdown\"", "GenericError", "xl shutdown"},
        {"\"add-fd\"", "GenericError", "SCM_RIGHTS"},
        {"\"remove-fd\",\"arguments\":{\"fdset-id\":3}", "GenericError", "3"},
        {"\"remove-fd\",\"arguments\":{\"fdset-id\":0,\"fd\":-1}",
         "GenericError", "-1"},
        {"\"xen-save-devices-state\",\"arguments\":{\"filename\":"
         "\"/dev/fdset/9\"}",
         "GenericError", "/dev/fdset/9"},
        {"\"xen-save-devices-state\",\"arguments\":{\"filename\":"
         "\"/dev/fdset/x\"}",
         "GenericError", "/dev/fdset/x"},
        {"\"xen-save-devices-state\",\"arguments\":{\"filename\":"
         "\"/none/such\"}",
         "GenericError", "/none/such"},
        {"\"xen-save-devices-state\"", "GenericError", "filename"},
        {"\"xen-set-global-dirty-log\",\"arguments\":{\"enable\":1}",
         "GenericError", "boolean"},
        {"\"xen-set-global-dirty-log\",\"arguments\":{\"enable\":null}",
         "GenericError", "boolean"},
        {"\"cont\",\"arguments\":{\"now\":true}", "GenericError", "now"},
        {"\"cont\",\"arguments\":[]", "GenericError", "arguments"},
        {"\"cont\",\"control\":{}", "GenericError", "control"},
        {"7", "GenericError", "execute"},
        {"\"query-command-line-options\",\"arguments\":{\"option\":\"m\"}",
         "GenericError", "option m"},
    };
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512], class[64];
        const char *line;

        snprintf(text, sizeof(text), "{\"execute\":%s,\"id\":%zu}\r\n",
                 rows[i].command, i);
        snprintf(class, sizeof(class),
                 "{\"error\":{\"class\":\"%s\",\"desc\":", rows[i].class);
        line = client_ask(client, text);
        if (strncmp(line, class, strlen(class)) != 0 ||
            !strstr(line, rows[i].part))
            fail_msg("%s: %s", text, line);
        snprintf(class, sizeof(class), "\"id\":%zu}", i);
        assert_non_null(strstr(line, class));
    }
    assert_int_equal(fake.conts, 0);
    assert_int_equal(fake.dirty_on + fake.dirty_off, 0);
    client_hang_up(client);
}

static void failures_of_the_machine_reach_the_client(void **state)
{
    struct client *client =
        client_log_in(*state, ((struct fixture *)*state)->path);
    char text[512], log[512];

    fake.stop_fails = -EIO;
    assert_non_null(strstr(client_ask(client, "{\"execute\":\"stop\"}"),
                           "Input/output error"));
    fake.wake_fails = -EPERM;
    assert_non_null(
        strstr(client_ask(client, "{\"execute\":\"system_wakeup\"}"),
               "not permitted"));
    fake.log_fails = -ENOMEM;
    assert_non_null(
        strstr(client_ask(client, "{\"execute\":\"xen-set-global-dirty-log\","
                                  "\"arguments\":{\"enable\":true}}"),
               "the fake has no memory"));
    fake.save_fails = -EFBIG;
    snprintf(text, sizeof(text),
             "{\"execute\":\"xen-save-devices-state\",\"arguments\":"
             "{\"filename\":\"%s\"}}",
             "/dev/null");
    capture_begin();
    client_ask(client, text);
    capture_end(log, sizeof(log));
    assert_non_null(strstr(client->line, "the fake refuses"));
    assert_non_null(strstr(log, "error: cannot save to /dev/null"));
    client_hang_up(client);
}

static void a_state_goes_to_the_descriptor_that_came_along(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    unsigned before = count_fds();
    char name[64], text[256];
    struct json_object *reply, *result, *set;
    struct stat st;
    int fd;

    snprintf(name, sizeof(name), "%s/state", fixture->dir);
    fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    client_give_with_fd(client, "{\"execute\":\"add-fd\",\"id\":1}\r\n", fd);
    close(fd);
    reply = json_tokener_parse(client_line(client));
    assert_true(json_object_object_get_ex(reply, "return", &result));
    assert_true(json_object_object_get_ex(result, "fdset-id", &set));
    fake.save_bytes = 100;
    snprintf(text, sizeof(text),
             "{\"execute\":\"xen-save-devices-state\",\"id\":2,\"arguments\":"
             "{\"live\":false,\"filename\":\"/dev/fdset/%d\"}}\r\n",
             json_object_get_int(set));
    json_object_put(reply);
    assert_string_equal(client_ask(client, text), "{\"return\":{},\"id\":2}");
    assert_false(fake.saved_live);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_size, 100);
    /* The set lived for one use. */
    assert_non_null(strstr(client_ask(client, text), "No such file"));
    assert_int_equal(count_fds(), before);
    unlink(name);
    client_hang_up(client);
}

static void a_state_goes_to_a_path_too(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    char name[64], text[256];
    struct stat st;

    fake.save_bytes = 7;
    snprintf(name, sizeof(name), "%s/state", fixture->dir);
    snprintf(text, sizeof(text),
             "{\"execute\":\"xen-save-devices-state\",\"arguments\":"
             "{\"filename\":\"%s\"}}",
             name);
    assert_string_equal(client_ask(client, text), "{\"return\":{}}");
    assert_true(fake.saved_live);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_size, 7);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(name);
    client_hang_up(client);
}

static void a_descriptor_that_cannot_be_written_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    unsigned before = count_fds();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    client_give_with_fd(client, "{\"execute\":\"add-fd\"}", fd);
    close(fd);
    assert_non_null(strstr(client_line(client), "\"fdset-id\":0"));
    assert_non_null(
        strstr(client_ask(client, "{\"execute\":\"xen-save-devices-state\""
                                  ",\"arguments\":{\"filename\":"
                                  "\"/dev/fdset/0\"}}"),
               "Permission denied"));
    assert_int_equal(fake.saves, 0);
    assert_int_equal(count_fds(), before);
    client_hang_up(client);
}

static void sets_can_be_joined_listed_and_removed(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    unsigned before = count_fds();
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    const char *line;

    client_give_with_fd(client,
                        "{\"execute\":\"add-fd\",\"arguments\":{\"opaque\":"
                        "\"raw:/a\\\"b\"}}",
                        fd);
    assert_non_null(strstr(client_line(client), "\"fdset-id\":0"));
    client_give_with_fd(
        client, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":0}}", fd);
    assert_non_null(strstr(client_line(client), "\"fdset-id\":0"));
    /* A blank in front, as QEMU's own client sends it. */
    client_give_with_fd(client, " ", fd);
    assert_non_null(strstr(client_ask(client, "{\"execute\":\"add-fd\"}"),
                           "\"fdset-id\":1"));
    client_give_with_fd(
        client, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":5}}", fd);
    assert_non_null(strstr(client_line(client), "error"));
    close(fd);
    assert_int_equal(count_fds(), before + 3);

    line = client_ask(client, "{\"execute\":\"query-fdsets\"}");
    assert_non_null(strstr(line, "{\"fdset-id\":0,\"fds\":[{\"fd\":"));
    assert_non_null(strstr(line, "\"opaque\":\"raw:/a\\\"b\"}"));
    assert_non_null(strstr(line, "{\"fdset-id\":1,\"fds\":[{\"fd\":"));
    assert_string_equal(client_ask(client,
                                   "{\"execute\":\"remove-fd\",\"arguments\":"
                                   "{\"fdset-id\":0}}"),
                        "{\"return\":{}}");
    assert_int_equal(count_fds(), before + 1);
    client_hang_up(client); /* set 1 is closed by qmp_close */
}

static void the_number_of_kept_descriptors_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int refused = 0;

    for (int i = 0; i < 40; i++) {
        client_give_with_fd(client, "{\"execute\":\"add-fd\"}", fd);
        refused += strstr(client_line(client), "error") != NULL;
    }
    close(fd);
    assert_int_equal(refused, 8);
    client_hang_up(client);
}

static void a_probe_gets_answers_without_a_guest(void **state)
{
    static const char *const refused[] = {"cont",
                                          "stop",
                                          "query-chardev",
                                          "query-cpus-fast",
                                          "query-pci",
                                          "query-cpus",
                                          "system_wakeup",
                                          "add-fd",
                                          "query-vnc",
                                          "system_reset",
                                          "query-fdsets",
                                          "query-block",
                                          "device_del",
                                          "query-hotpluggable-cpus",
                                          "query-xenram-mapcache"};
    struct fixture *fixture = *state;
    struct client *client;

    assert_int_equal(
        qmp_open(&fixture->loop, &fixture->options, NULL, &fixture->qmp), 0);
    qmp_start(fixture->qmp);
    client = client_log_in(fixture, fixture->path);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"execute\":\"%s\"}", refused[i]);
        assert_non_null(strstr(client_ask(client, text), "probe run"));
    }
    assert_non_null(strstr(client_ask(client, "{\"execute\":\"query-status\"}"),
                           "prelaunch"));
    assert_non_null(strstr(
        client_ask(client, "{\"execute\":\"query-command-line-options\"}"),
        "\"option\":\"run-with\""));
    assert_string_equal(client_ask(client, "{\"execute\":\"quit\"}"),
                        "{\"return\":{}}");
    client_hang_up(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_STARTED(commands_wait_for_negotiation),
        TEST_STARTED(what_libxl_asks_is_answered),
        TEST_STARTED(older_and_longer_answers_have_what_libxl_reads),
        TEST_STARTED(the_counters_of_the_map_cache_are_live),
        TEST_STARTED(each_pci_function_has_a_qdev_id),
        TEST_STARTED(the_size_of_a_virtio_mem_device_can_be_asked_for),
        TEST_STARTED(a_live_save_is_known_to_the_machine),
        TEST_STARTED(refusals_have_a_class_and_advice),
        TEST_STARTED(failures_of_the_machine_reach_the_client),
        TEST_STARTED(a_state_goes_to_the_descriptor_that_came_along),
        TEST_STARTED(a_state_goes_to_a_path_too),
        TEST_STARTED(a_descriptor_that_cannot_be_written_is_refused),
        TEST_STARTED(sets_can_be_joined_listed_and_removed),
        TEST_STARTED(the_number_of_kept_descriptors_is_bounded),
        TEST_CLOSED(a_probe_gets_answers_without_a_guest),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
