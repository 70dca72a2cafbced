/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* What QMP tells without being asked. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/qmp-client.h"
#include "xenram/memory-device.h"

static struct dev {
    struct xen_memory_device device;
    const char *id;
    uint64_t size;
} devices[3];

static void fill_info(const struct xen_memory_device *device,
                      struct xen_memory_info *info)
{
    const struct dev *dev = (const struct dev *)device;

    *info = (struct xen_memory_info){
        .kind = XEN_MEMORY_VIRTIO_MEM,
        .id = dev->id,
        .memdev = "m0",
        .size = dev->size,
    };
}

static const struct xen_memory_device_ops ops = {.fill_info = fill_info};

static void change(struct fixture *fixture, unsigned i, const char *id,
                   uint64_t size)
{
    devices[i] = (struct dev){{.ops = &ops}, id, size};
    qmp_memory_changed(&devices[i].device, fixture->qmp);
}

static void assert_event(const char *line, const char *data)
{
    assert_non_null(line);
    assert_non_null(strstr(line, "\"event\":\"MEMORY_DEVICE_SIZE_CHANGE\""));
    assert_non_null(strstr(line, "\"timestamp\":{\"seconds\":"));
    if (!strstr(line, data))
        fail_msg("%s is not in %s", data, line);
}

/* Lines up to the one with data in it, which must come. */
static unsigned lines_to(struct client *client, const char *data)
{
    unsigned nr = 0;
    const char *line;
    char c;

    do {
        while (client->len == 0 &&
               recv(client->fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
            uv_run(&client->fixture->loop, UV_RUN_ONCE);
        line = client_line(client);
        assert_event(line, "\"size\":");
        nr++;
    } while (!strstr(line, data));
    return nr;
}

static void
a_change_of_size_is_told_at_once_and_then_once_a_second(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);
    struct client *other = client_log_in(fixture, fixture->other);
    uint64_t start = uv_hrtime(), seconds;

    change(fixture, 0, "vm0", 4096);
    assert_event(client_line(client),
                 "{\"id\":\"vm0\",\"size\":4096,"
                 "\"qom-path\":\"/machine/peripheral/vm0\"}");
    assert_event(client_line(other), "\"size\":4096");
    for (uint64_t size = 1; size < 50; size++)
        change(fixture, 0, "vm0", size * 8192);
    seconds = (uv_hrtime() - start) / 1000000000;
    assert_true(lines_to(client, "\"size\":401408") <= 1 + seconds);
    assert_true(lines_to(other, "\"size\":401408") <= 1 + seconds);
    client_hang_up(client);
    client_hang_up(other);
}

static void each_device_has_a_second_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);

    change(fixture, 0, "vm0", 4096);
    change(fixture, 1, NULL, 12288);
    assert_event(client_line(client), "\"size\":4096");
    assert_event(client_line(client),
                 "{\"size\":12288,"
                 "\"qom-path\":\"/machine/peripheral-anon/m0\"}");
    client_hang_up(client);
}

static void who_has_not_negotiated_is_told_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_connect(fixture, fixture->path);

    assert_non_null(strstr(client_line(client), "\"QMP\""));
    change(fixture, 2, "vm2", 4096);
    assert_true(client_is_silent(client));
    client_hang_up(client);
}

static void a_client_that_does_not_read_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = client_log_in(fixture, fixture->path);

    change(fixture, 2, "vm2", 4096);
    client_hang_up(client);
    for (unsigned i = 0; i < 3; i++)
        change(fixture, i, "vm", 4096);
    fixture_turn(fixture);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST_STARTED(a_change_of_size_is_told_at_once_and_then_once_a_second),
        TEST_STARTED(each_device_has_a_second_of_its_own),
        TEST_STARTED(who_has_not_negotiated_is_told_nothing),
        TEST_STARTED(a_client_that_does_not_read_is_not_waited_for),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
