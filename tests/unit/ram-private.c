/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <sys/resource.h>

#include "tests/unit/ram-env.h"

static void private_memory_ends_at_used_length(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = private(env, PAGE + 1, 64 * PAGE);
    uint8_t *host = xen_ram_host(block);

    assert_true(accessible(host + 2 * PAGE - 1));
    assert_false(accessible(host + 2 * PAGE));
    assert_false(accessible(host + 64 * PAGE - 1));
    fill(env, block, 0, 2 * PAGE, 0x11);

    assert_int_equal(xen_ram_resize(env->ram, block, 10 * PAGE), 0);
    assert_ptr_equal(xen_ram_host(block), host);
    assert_filled(env, block, 0, PAGE + 1, 0x11);
    assert_filled(env, block, PAGE + 1, 9 * PAGE - 1, 0);
    assert_true(accessible(host + 10 * PAGE - 1));
    assert_false(accessible(host + 10 * PAGE));

    fill(env, block, 0, 10 * PAGE, 0x22);
    assert_int_equal(xen_ram_resize(env->ram, block, 3 * PAGE), 0);
    assert_false(accessible(host + 3 * PAGE));
    assert_int_equal(xen_ram_resize(env->ram, block, 64 * PAGE), 0);
    assert_filled(env, block, 0, 3 * PAGE, 0x22);
    assert_filled(env, block, 3 * PAGE, 61 * PAGE, 0);
}

static void private_growth_can_fail_and_changes_nothing(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = private(env, 2 * PAGE, UINT64_C(1) << 40);
    struct rlimit old, none;
    int rc;

    fill(env, block, 0, 2 * PAGE, 0x33);
    assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
    none = old;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_DATA, &none), 0);
    rc = xen_ram_resize(env->ram, block, UINT64_C(1) << 30);
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    assert_int_equal(rc, -ENOMEM);
    assert_error_says(env, "'private'");
    assert_int_equal(xen_ram_size(block), 2 * PAGE);
    assert_false(accessible((uint8_t *)xen_ram_host(block) + 2 * PAGE));
    assert_filled(env, block, 0, 2 * PAGE, 0x33);
    assert_int_equal(xen_ram_resize(env->ram, block, 4 * PAGE), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(private_memory_ends_at_used_length),
        RAM_TEST(private_growth_can_fail_and_changes_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
