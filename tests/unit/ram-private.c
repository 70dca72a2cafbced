/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Is one of the flags of /proc/self/smaps set where host is? */
static bool vm_flag(const void *host, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, found = false;

    assert_non_null(smaps);
    while (fgets(line, sizeof(line), smaps)) {
        unsigned long start, end;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (uintptr_t)host >= start && (uintptr_t)host < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(smaps);
    return found;
}

/* "ac": Linux keeps memory for it, also where overcommit is off. */
static void only_what_is_used_is_charged(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *block = private(env, 4 * PAGE, UINT64_C(1) << 40);
    uint8_t *host = xen_ram_host(block);

    assert_true(vm_flag(host, " ac"));
    assert_false(vm_flag(host + 4 * PAGE, " ac"));
    assert_int_equal(xen_ram_resize(env->ram, block, 64 * PAGE), 0);
    assert_true(vm_flag(host + 63 * PAGE, " ac"));
    assert_false(vm_flag(host + 64 * PAGE, " ac"));
    fill(env, block, 0, 64 * PAGE, 1);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), 0);
    assert_true(vm_flag(host, " ac"));
    assert_false(vm_flag(host + PAGE, " ac"));
    assert_false(vm_flag(host + 63 * PAGE, " ac"));
}

static uint64_t data_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    unsigned long long kib = 0;
    char line[256];

    assert_non_null(status);
    while (fgets(line, sizeof(line), status))
        (void)sscanf(line, "VmData: %llu", &kib);
    fclose(status);
    return kib;
}

/* Exit status of a child that may have 1 MiB of data more than now. */
static int live_in_a_mebibyte(struct env *env)
{
    uint64_t bytes = (data_kib() << 10) + (1 << 20);
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
    struct xen_ram_block *block = private(env, PAGE, UINT64_C(1) << 30);

    if (setrlimit(RLIMIT_DATA, &limit))
        return 1;
    for (unsigned i = 0; i < 100; i++) {
        if (xen_ram_resize(env->ram, block, 128 * PAGE))
            return 2;
        if (xen_ram_resize(env->ram, block, 1024 * PAGE) != -ENOMEM)
            return 3;
        if (xen_ram_size(block) != 128 * PAGE)
            return 4;
        if (xen_ram_resize(env->ram, block, PAGE))
            return 5;
    }
    return 0;
}

static void a_tight_limit_holds_what_is_used_and_no_more(void **state)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(live_in_a_mebibyte(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void memory_that_grows_gets_the_advice_again(void **state)
{
    static const struct {
        unsigned flag;
        const char *name;
    } cases[] = {
        {XEN_RAM_DONTFORK, " dc"},
        {XEN_RAM_DONTDUMP, " dd"},
        {XEN_RAM_HUGE, " hg"},
    };
    bool huge = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;
    struct env *env = *state;

    for (size_t i = 0; i < NR(cases); i++) {
        struct xen_ram_spec spec = {
            .idstr = cases[i].name,
            .kind = XEN_RAM_PRIVATE,
            .flags = XEN_RAM_RESIZEABLE | cases[i].flag,
            .gfn = XEN_RAM_NO_GFN,
            .size = 4 * PAGE,
            .max_length = 16 * PAGE,
        };
        struct xen_ram_block *block = must_alloc(env, &spec);
        struct xen_ram_block *plain = private(env, 4 * PAGE, 0);
        bool expected = huge || cases[i].flag != XEN_RAM_HUGE;
        uint8_t *host = xen_ram_host(block);

        assert_int_equal(vm_flag(host, cases[i].name), expected);
        assert_false(vm_flag(xen_ram_host(plain), cases[i].name));
        assert_int_equal(xen_ram_resize(env->ram, block, PAGE), 0);
        assert_int_equal(xen_ram_resize(env->ram, block, 16 * PAGE), 0);
        assert_int_equal(vm_flag(host, cases[i].name), expected);
        assert_int_equal(vm_flag(host + 8 * PAGE, cases[i].name), expected);
        xen_ram_free(env->ram, plain);
    }
}

static void a_block_can_be_memory_of_the_caller(void **state)
{
    static _Alignas(PAGE) uint8_t memory[3 * PAGE];
    struct env *env = *state;
    struct xen_ram_spec spec = {
        .idstr = "theirs",
        .kind = XEN_RAM_PRIVATE,
        .gfn = XEN_RAM_NO_GFN,
        .size = 2 * PAGE,
    };
    struct xen_ram_block *block;
    uint64_t offset;

    memory[PAGE] = 7;
    assert_int_equal(xen_ram_alloc_from_ptr(env->ram, &spec, memory, &block),
                     0);
    assert_ptr_equal(xen_ram_host(block), memory);
    assert_filled(env, block, PAGE, 1, 7);
    fill(env, block, 0, 2 * PAGE, 8);
    assert_int_equal(memory[2 * PAGE - 1], 8);
    assert_int_equal(memory[2 * PAGE], 0);
    assert_ptr_equal(xen_ram_find_host(env->ram, memory + 9, &offset), block);
    assert_int_equal(xen_ram_resize(env->ram, block, PAGE), -EINVAL);
    xen_ram_free(env->ram, block);
    assert_int_equal(memory[0], 8);

    assert_int_equal(xen_ram_alloc_from_ptr(env->ram, &spec, NULL, &block),
                     -EINVAL);
    assert_int_equal(
        xen_ram_alloc_from_ptr(env->ram, &spec, memory + 1, &block), -EINVAL);
    spec.size = PAGE + 1;
    assert_int_equal(xen_ram_alloc_from_ptr(env->ram, &spec, memory, &block),
                     -EINVAL);
    assert_error_says(env, "'theirs'");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(private_memory_ends_at_used_length),
        RAM_TEST(private_growth_can_fail_and_changes_nothing),
        RAM_TEST(only_what_is_used_is_charged),
        RAM_TEST(a_tight_limit_holds_what_is_used_and_no_more),
        RAM_TEST(memory_that_grows_gets_the_advice_again),
        RAM_TEST(a_block_can_be_memory_of_the_caller),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
