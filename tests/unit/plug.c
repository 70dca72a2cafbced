/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "tool/tool.h"

#include "tests/unit/run-tool.h"

/* xenram plug before a device model of our own, a child process. */

#define MIB (INT64_C(1) << 20)

/* What the device model or its guest does otherwise than it should. */
enum fault {
    NONE,
    STUCK,      /* the guest does nothing */
    HALF,       /* the guest goes half the way */
    REFUSES,    /* qom-set fails */
    EVENTS,     /* events come in between */
    GARBAGE,    /* an answer is no QMP */
    ODD_ANSWER, /* query-memory-devices tells something else */
    HANGS_UP,   /* at the second command */
    NO_DEVICES,
    WITHOUT_ID,
};

struct target {
    const char *id;
    int64_t max, block, size, requested;
};

static struct target targets[2];
static char dir[32], path[64];

/* ---- the device model ---- */

static void put_line(int fd, const char *text)
{
    char line[4096];
    int len = snprintf(line, sizeof(line), "%s\r\n", text);

    if (write(fd, line, (size_t)len) != len)
        _exit(1);
}

static struct json_object *describe(const struct target *target, bool with_id)
{
    struct json_object *item = json_object_new_object();
    struct json_object *data = json_object_new_object();

    json_object_object_add(item, "type", json_object_new_string("virtio-mem"));
    json_object_object_add(item, "data", data);
    if (with_id)
        json_object_object_add(data, "id", json_object_new_string(target->id));
    json_object_object_add(data, "max-size",
                           json_object_new_int64(target->max));
    json_object_object_add(data, "block-size",
                           json_object_new_int64(target->block));
    json_object_object_add(data, "size", json_object_new_int64(target->size));
    json_object_object_add(data, "requested-size",
                           json_object_new_int64(target->requested));
    return item;
}

/* The guest follows block by block, one for each look. */
static void follow(enum fault fault)
{
    for (unsigned i = 0; i < 2; i++) {
        struct target *target = &targets[i];
        int64_t goal = target->requested;

        if (fault == HALF)
            goal = goal / 2 / target->block * target->block;
        if (fault == STUCK || target->size == goal)
            continue;
        target->size += target->size < goal ? target->block : -target->block;
        return;
    }
}

static void list_devices(int fd, enum fault fault)
{
    struct json_object *reply = json_object_new_object();
    struct json_object *list = json_object_new_array();

    follow(fault);
    for (unsigned i = 0; i < 2 && fault != NO_DEVICES; i++)
        if (targets[i].id)
            json_object_array_add(list,
                                  describe(&targets[i], fault != WITHOUT_ID));
    json_object_object_add(reply, "return", list);
    if (fault == ODD_ANSWER)
        put_line(fd, "{\"return\": {\"size\": 3}}");
    else
        put_line(fd, json_object_to_json_string(reply));
    json_object_put(reply);
}

static void set(int fd, struct json_object *message, enum fault fault)
{
    struct json_object *arguments, *value, *name;

    if (fault == REFUSES) {
        put_line(fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
                     "\"the device will not\"}}");
        return;
    }
    json_object_object_get_ex(message, "arguments", &arguments);
    json_object_object_get_ex(arguments, "path", &name);
    json_object_object_get_ex(arguments, "value", &value);
    for (unsigned i = 0; i < 2; i++)
        if (targets[i].id && strcmp(json_object_get_string(name) +
                                        strlen("/machine/peripheral/"),
                                    targets[i].id) == 0)
            targets[i].requested = json_object_get_int64(value);
    put_line(fd, "{\"return\": {}}");
}

static void answer(int fd, struct json_object *message, enum fault fault)
{
    struct json_object *command;
    const char *name;

    json_object_object_get_ex(message, "execute", &command);
    name = json_object_get_string(command);
    if (fault == EVENTS)
        put_line(fd, "{\"event\": \"RESUME\", \"timestamp\": {}}");
    if (strcmp(name, "qmp_capabilities") == 0)
        put_line(fd, "{\"return\": {}}");
    else if (fault == HANGS_UP)
        _exit(0);
    else if (fault == GARBAGE)
        put_line(fd, "what?");
    else if (strcmp(name, "query-memory-devices") == 0)
        list_devices(fd, fault);
    else
        set(fd, message, fault);
}

static void serve(int listener, enum fault fault)
{
    struct json_tokener *tokener = json_tokener_new();
    int fd = accept(listener, NULL, NULL);
    char byte;

    put_line(fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}");
    while (read(fd, &byte, 1) == 1) {
        struct json_object *message = json_tokener_parse_ex(tokener, &byte, 1);

        if (!message)
            continue;
        answer(fd, message, fault);
        json_object_put(message);
    }
    json_tokener_free(tokener);
    close(fd);
    close(listener);
    _exit(0);
}

static pid_t start(enum fault fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t pid;

    strcpy(address.sun_path, path);
    unlink(path);
    assert_int_equal(
        bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        serve(listener, fault);
    close(listener);
    return pid;
}

/* ---- the tool ---- */

static int plug(const char *size, const char *patience, enum fault fault)
{
    pid_t pid = start(fault);
    int status = TOOL("plug", "--qmp", path, "--wait", patience, "7", size);

    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return status;
}

static void says(const char *text)
{
    if (!strstr(tool_output, text))
        fail_msg("no \"%s\" in: %s", text, tool_output);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/xenram-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/qmp", dir);
    targets[0] = (struct target){"vm0", 128 * MIB, 2 * MIB, 0, 0};
    targets[1] = (struct target){"vm1", 64 * MIB, 4 * MIB, 0, 0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(dir);
    return 0;
}

/* ---- tests ---- */

static void a_guest_that_follows_has_it(void **state)
{
    (void)state;
    assert_int_equal(plug("8", "30", NONE), 0);
    says("7: 8 MiB plugged\n");
}

static void sizes_have_units(void **state)
{
    static const struct {
        const char *text, *says;
    } sizes[] = {
        {"0", "0 MiB"},        {"4m", "4 MiB"}, {"4096k", "4 MiB"},
        {"4194304b", "4 MiB"}, {"4M", "4 MiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(plug(sizes[i].text, "30", NONE), 0);
        says(sizes[i].says);
    }
    assert_int_equal(plug("1g", "0", NONE), 1);
    says("1024 MiB are more than");
    assert_int_equal(plug("1t", "0", NONE), 1);
    says("1048576 MiB are more than");
}

static void memory_is_taken_back(void **state)
{
    (void)state;
    targets[0].size = targets[0].requested = 6 * MIB;
    assert_int_equal(plug("2", "30", NONE), 0);
    says("7: 2 MiB plugged");
}

static void the_first_device_is_filled_first(void **state)
{
    (void)state;
    targets[0].size = targets[0].requested = 124 * MIB;
    assert_int_equal(plug("136", "30", NONE), 0);
    says("136 MiB plugged");
    /* The rest would be half a block of the second. */
    assert_int_equal(plug("130", "30", NONE), 1);
    says("device vm1 would have 2097152 bytes, which is no multiple of its "
         "blocks of 4194304");
}

static void more_than_there_is_is_refused(void **state)
{
    (void)state;
    assert_int_equal(plug("194", "30", NONE), 1);
    says("194 MiB are more than its 2 virtio-mem devices have, 192 MiB");
}

static void a_guest_that_does_not_follow_is_told(void **state)
{
    (void)state;
    assert_int_equal(plug("8", "0", STUCK), 1);
    says("7: the guest has 0 of 8 MiB and nothing came of it for 0 seconds");
    assert_int_equal(plug("8", "1", HALF), 1);
    says("the guest has 4 of 8 MiB");
}

static void failures_say_what_is_wrong(void **state)
{
    static const struct {
        enum fault fault;
        const char *says;
    } cases[] = {
        {REFUSES, "7: the device will not"},
        {GARBAGE, "no QMP"},
        {ODD_ANSWER, "cannot be understood"},
        {HANGS_UP, "the device model has gone"},
        {NO_DEVICES, "no virtio-mem device with an id"},
        {WITHOUT_ID, "no virtio-mem device with an id"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(plug("8", "0", cases[i].fault), 1);
        says(cases[i].says);
    }
    assert_int_equal(plug("8", "30", EVENTS), 0);
    unlink(path);
    assert_int_equal(TOOL("plug", "--qmp", path, "7", "8"), 1);
    says("no device model answers there: No such file");
    assert_int_equal(TOOL("plug", "7", "8"), 1);
    says("/var/run/xen/qmp-libxenstat-7: no device model answers there");
}

static void words_that_make_no_sense_are_refused(void **state)
{
    static const char *const words[][5] = {
        {"7"},
        {"7", "8", "9"},
        {"g1", "8"},
        {"-1", "8"},
        {"40000", "8"},
        {"7", "-8"},
        {"7", "8x"},
        {"7", "8mb"},
        {"7", ""},
        {"7", "99999999999999999999"},
        {"7", "9999999999999g"},
        {"--wait", "soon", "7", "8"},
        {"--wait", "7", "8"},
        {"--size", "7", "7", "8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_int_equal(
            TOOL("plug", words[i][0], words[i][1], words[i][2], words[i][3]),
            1);
        says("see xenram --help");
    }
    assert_int_equal(TOOL("plug"), 1);
    says("see xenram --help");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_guest_that_follows_has_it),
        TEST(sizes_have_units),
        TEST(memory_is_taken_back),
        TEST(the_first_device_is_filled_first),
        TEST(more_than_there_is_is_refused),
        TEST(a_guest_that_does_not_follow_is_told),
        TEST(failures_say_what_is_wrong),
        TEST(words_that_make_no_sense_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
