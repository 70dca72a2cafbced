/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "tests/unit/capture.h"

static void refuse(const char *name)
{
    struct tap *tap = NULL;
    uv_loop_t loop;
    char log[512];
    int ret;

    assert_int_equal(uv_loop_init(&loop), 0);
    capture_begin();
    ret = tap_open(&loop, name, &tap);
    capture_end(log, sizeof(log));
    assert_true(ret < 0);
    assert_null(tap);
    assert_non_null(strstr(log, "-netdev tap,ifname="));
    assert_non_null(strstr(log, name));
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_name_that_cannot_be_is_refused(void **state)
{
    (void)state;
    refuse("");
    refuse("0123456789abcdef");
    refuse("a/b");
}

static int bring_up(const char *name)
{
    struct ifreq request = {.ifr_flags = 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

    strcpy(request.ifr_name, name);
    ret = ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    if (ret == 0)
        ret = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return ret;
}

/* More frames than the interface's queue holds (1000): none may be lost. */
static void flood(uv_loop_t *loop, const char *name)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
    char frame[1514] = {0};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    char path[128], count[32] = "";
    FILE *dropped;

    assert_true(fd >= 0);
    to.sll_ifindex = (int)if_nametoindex(name);
    to.sll_protocol = htons(ETH_P_ALL);
    memset(frame, 0xff, 6);
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(sendto(fd, frame, sizeof(frame), 0,
                                (struct sockaddr *)&to, sizeof(to)),
                         sizeof(frame));
        uv_run(loop, UV_RUN_NOWAIT);
    }
    close(fd);
    snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/tx_dropped",
             name);
    dropped = fopen(path, "r");
    if (dropped) {
        assert_non_null(fgets(count, sizeof(count), dropped));
        fclose(dropped);
        assert_string_equal(count, "0\n");
    }
}

static void frames_are_discarded_and_the_interface_goes_with_us(void **state)
{
    struct tap *tap = NULL;
    uv_loop_t loop;
    char name[IFNAMSIZ], log[512];
    int ret;

    (void)state;
    snprintf(name, sizeof(name), "xr%u-emu", (unsigned)getpid() % 1000000);
    assert_int_equal(uv_loop_init(&loop), 0);
    capture_begin();
    ret = tap_open(&loop, name, &tap);
    capture_end(log, sizeof(log));
    if (ret) {
        assert_int_equal(uv_loop_close(&loop), 0);
        /* Not skip(): cmocka writes "not ok", which the TAP driver counts. */
        printf("# no right to make interfaces: %s", log);
        return;
    }
    assert_true(if_nametoindex(name) != 0);
    if (bring_up(name) == 0)
        flood(&loop, name);
    tap_close(tap);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(if_nametoindex(name), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_cannot_be_is_refused),
        cmocka_unit_test(frames_are_discarded_and_the_interface_goes_with_us),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
