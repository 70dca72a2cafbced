/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/privilege.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>
#include <cmocka.h>

#include "dm/options.h"
#include "dm/xen.h"

#include "tests/unit/capture.h"

static bool restricted_in_old_root;
static int restrict_fails;

int xen_restrict(struct xen *xen)
{
    (void)xen;
    restricted_in_old_root = access("/proc/self", F_OK) == 0;
    return restrict_fails;
}

static void a_user_must_exist_and_not_be_root(void **state)
{
    static const struct {
        const char *runas;
        int ret;
    } users[] = {
        {NULL, 0},
        {"65543:65536", 0},
        {"nobody", 0},
        {"root", -EINVAL},
        {"0:0", -EINVAL},
        {"0:5", -EINVAL},
        {"no-such-user", -EINVAL},
        {"", -EINVAL},
        {":", -EINVAL},
        {"1:", -EINVAL},
        {":1", -EINVAL},
        {"1:-1", -EINVAL},
        {"4294967295:1", -EINVAL},
        {"99999999999999999:1", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        struct options options = {.runas = users[i].runas};
        char log[512];
        int ret;

        capture_begin();
        ret = privilege_check(&options);
        capture_end(log, sizeof(log));
        assert_int_equal(ret, users[i].ret);
        assert_int_equal(ret ? 1 : 0, strstr(log, "error: -runas ") != NULL);
    }
}

static bool has_no_capability(void)
{
    capng_clear(CAPNG_SELECT_ALL);
    return capng_get_caps_process() == 0 &&
           capng_have_capabilities(CAPNG_SELECT_ALL) == CAPNG_NONE;
}

/* In a child: 0, or the number of the first thing that is not as it should. */
static int drop_all(const char *root)
{
    struct options options = {
        .restrict_domid = true, .chroot = root, .runas = "65543:65536"};
    gid_t groups[4] = {4, 5};

    if (setgroups(2, groups))
        return 9;
    if (privilege_drop(&options, NULL))
        return 1;
    if (!restricted_in_old_root)
        return 2;
    if (getuid() != 65543 || geteuid() != 65543 || getgid() != 65536 ||
        getegid() != 65536)
        return 3;
    if (getgroups(4, groups) != 0)
        return 4;
    if (access("/proc/self", F_OK) == 0)
        return 5;
    if (!has_no_capability())
        return 6;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 7;
    return setuid(0) == 0 ? 8 : 0;
}

static void all_rights_are_given_up(void **state)
{
    char root[] = "/tmp/xenram-root-XXXXXX";
    int status;
    pid_t pid;

    (void)state;
    /* Not skip(): cmocka writes "not ok", which the TAP driver counts. */
    if (geteuid() != 0) {
        printf("# not root: nothing to give up\n");
        return;
    }
    assert_non_null(mkdtemp(root));
    assert_int_equal(chmod(root, 0), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(drop_all(root));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    rmdir(root);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void nothing_asked_for_nothing_given_up_but_new_rights(void **state)
{
    struct options options = {0};
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(privilege_drop(&options, NULL) != 0 ||
              access("/proc/self", F_OK) != 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_failure_is_named(void **state)
{
    struct options no_root = {.chroot = "/none/such"};
    struct options no_restrict = {.restrict_domid = true};
    char log[512];
    int ret;

    (void)state;
    capture_begin();
    ret = privilege_drop(&no_root, NULL);
    capture_end(log, sizeof(log));
    assert_true(ret < 0);
    assert_non_null(strstr(log, "-chroot /none/such: "));

    restrict_fails = -ENOTTY;
    capture_begin();
    ret = privilege_drop(&no_restrict, NULL);
    capture_end(log, sizeof(log));
    restrict_fails = 0;
    assert_int_equal(ret, -ENOTTY);
    assert_non_null(strstr(log, "dm_restrict"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_must_exist_and_not_be_root),
        cmocka_unit_test(all_rights_are_given_up),
        cmocka_unit_test(nothing_asked_for_nothing_given_up_but_new_rights),
        cmocka_unit_test(a_failure_is_named),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
