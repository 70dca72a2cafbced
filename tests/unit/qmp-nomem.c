/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Each step of each reply is made to fail once, as json-c's do when there is no
 * memory.  Linked with --wrap for all of json-c that makes replies.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "dm/block/disks.h"
#include "dm/pci.h"
#include "dm/qmp-json.h"
#include "dm/qmp-session.h"

#include "tests/unit/fake-machine.h"
#include "tests/unit/qmp-client.h"

static unsigned until_failure; /* steps; 0: none fails */
static bool failed;

static bool fails(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    failed = true;
    return true;
}

#define WRAP(type, name, parameters, arguments, failure)                       \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters;                                             \
    type __wrap_##name parameters                                              \
    {                                                                          \
        return fails() ? (failure) : __real_##name arguments;                  \
    }

WRAP(struct json_object *, json_object_new_object, (void), (), NULL)
WRAP(struct json_object *, json_object_new_array, (void), (), NULL)
WRAP(struct json_object *, json_object_new_string, (const char *text), (text),
     NULL)
WRAP(struct json_object *, json_object_new_int, (int32_t value), (value), NULL)
WRAP(struct json_object *, json_object_new_int64, (int64_t value), (value),
     NULL)
WRAP(struct json_object *, json_object_new_uint64, (uint64_t value), (value),
     NULL)
WRAP(struct json_object *, json_object_new_boolean, (json_bool value), (value),
     NULL)
WRAP(int, json_object_object_add,
     (struct json_object * object, const char *key, struct json_object *value),
     (object, key, value), -1)
WRAP(int, json_object_array_add,
     (struct json_object * list, struct json_object *value), (list, value), -1)

const char *__real_json_object_to_json_string_length(struct json_object *object,
                                                     int flags, size_t *len);
const char *__wrap_json_object_to_json_string_length(struct json_object *object,
                                                     int flags, size_t *len);

/* json-c 0.16, printbuf_memappend: its callers do not look at what it gives. */
const char *__wrap_json_object_to_json_string_length(struct json_object *object,
                                                     int flags, size_t *len)
{
    const char *text =
        __real_json_object_to_json_string_length(object, flags, len);

    if (!fails())
        return text;
    *len = *len / 2;
    errno = ENOMEM;
    return text;
}

static void add_descriptor(struct client *client)
{
    client_give_with_fd(client,
                        "{\"execute\":\"add-fd\",\"arguments\":"
                        "{\"opaque\":\"state\"}}",
                        STDOUT_FILENO);
    assert_non_null(strstr(client_line(client), "\"fdset-id\":0"));
}

/* Whole, or an error, or nothing and the connection has gone. */
static void check_answer(struct client *client, const char *got,
                         const char *whole)
{
    static const char error[] = "{\"error\":{\"class\":\"GenericError\","
                                "\"desc\":\"out of memory\"}";

    if (!got)
        assert_int_equal(client->len, 0);
    else if (strncmp(got, error, sizeof(error) - 1) != 0)
        assert_string_equal(got, whole);
}

static unsigned ask_with_failures(struct fixture *fixture, const char *message)
{
    struct client *client = client_log_in(fixture, fixture->path);
    char *whole = strdup(client_ask(client, message));
    unsigned step = 0;

    assert_non_null(whole);
    do {
        const char *got;

        client_give(client, message);
        failed = false;
        until_failure = ++step;
        got = client_line(client);
        until_failure = 0;
        check_answer(client, got, whole);
        if (!got) {
            client_hang_up(client);
            client = client_log_in(fixture, fixture->path);
        }
    } while (failed);
    client_hang_up(client);
    free(whole);
    return step;
}

static void a_reply_is_whole_or_an_error_or_none(void **state)
{
    static const char *const messages[] = {
        "{\"execute\":\"query-status\",\"id\":null}",
        "{\"execute\":\"query-block\"}",
        "{\"execute\":\"query-blockstats\"}",
        "{\"execute\":\"query-chardev\",\"id\":[1,null,{\"a\":2.5}]}",
        "{\"execute\":\"query-command-line-options\"}",
        "{\"execute\":\"query-commands\"}",
        "{\"execute\":\"query-cpus\"}",
        "{\"execute\":\"query-cpus-fast\"}",
        "{\"execute\":\"query-fdsets\"}",
        "{\"execute\":\"query-hotpluggable-cpus\"}",
        "{\"execute\":\"query-kvm\"}",
        "{\"execute\":\"query-memory-devices\"}",
        "{\"execute\":\"query-memory-size-summary\"}",
        "{\"execute\":\"query-name\"}",
        "{\"execute\":\"query-pci\"}",
        "{\"execute\":\"query-target\"}",
        "{\"execute\":\"query-uuid\"}",
        "{\"execute\":\"query-version\"}",
        "{\"execute\":\"query-vnc\"}",
        "{\"execute\":\"query-xenram-blocks\"}",
        "{\"execute\":\"query-xenram-mapcache\"}",
        ("{\"execute\":\"human-monitor-command\",\"arguments\":"
         "{\"command-line\":\"info status\"}}"),
        ("{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"vm0\","
         "\"property\":\"size\"}}"),
        "{\"execute\":\"no-such-command\",\"id\":\"x\"}",
    };
    static struct pci_function function = {
        .name = "network",
        .devfn = PCI_DEVFN(2, 1),
        .present = true,
        .bars[1] = {.kind = PCI_BAR_MEM_PREFETCH,
                    .size = 4096,
                    .mapped = PCI_UNMAPPED},
    };
    static const struct disk_spec drive = {
        .id = "ide-5632",
        .path = "/proc/self/exe",
        .read_only = true,
        .removable = true,
        .raw = true,
    };
    static const struct options options = {.incoming_fd = -1};
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    struct disk *disk;

    fake.machine.options = &options;
    fake.machine.pci[function.devfn] = &function;
    assert_int_equal(disks_open(&fixture->loop, &options, &fake.machine.disks),
                     0);
    assert_int_equal(disks_add(fake.machine.disks, NULL, &drive, &disk), 0);
    add_descriptor(client);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        assert_true(ask_with_failures(fixture, messages[i]) > 3);
    client_hang_up(client);
    disks_close(fake.machine.disks);
}

static char *greet(void)
{
    struct json_object *greeting = qmp_session_greeting();
    size_t len;
    const char *text = qmp_text(greeting, &len);
    char *copy = text ? strndup(text, len) : NULL;

    json_object_put(greeting);
    return copy;
}

static void a_greeting_is_whole_or_none(void **state)
{
    char *whole = greet();
    unsigned step = 0;

    (void)state;
    assert_non_null(whole);
    do {
        char *got;

        failed = false;
        until_failure = ++step;
        got = greet();
        until_failure = 0;
        if (failed)
            assert_null(got);
        else
            assert_string_equal(got, whole);
        free(got);
    } while (failed);
    assert_true(step > 8);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_STARTED(a_reply_is_whole_or_an_error_or_none),
        cmocka_unit_test(a_greeting_is_whole_or_none),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
