/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Every allocation, every mapping of address space and every call to Xen that
 * an operation of the map cache makes fails once, at each position; and the
 * limits of a process are reached.  An error comes or nothing does, nothing is
 * lost, and the next call works.  Linked with --wrap for aligned_alloc, the one
 * allocation.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/mapcache-guest.h"
#include "xenram/mapcache.h"

#define GFN UINT64_C(0x308) /* in the midst of a chunk */
#define SPAN (3 * (size_t)CHUNK)

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool no_memory, memory_refused;

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (!no_memory)
        return __real_aligned_alloc(alignment, size);
    memory_refused = true;
    errno = ENOMEM;
    return NULL;
}

/* Chunks of one block, and of eight. */
static const struct xen_mapcache_options settings[] = {
    {.window = WINDOW, .budget = 2 * CHUNK, .chunk = CHUNK},
    {.window = WINDOW, .budget = 2 << 20, .chunk = 1 << 20},
};

static struct xen_mapcache *opened(const struct xen_mapcache_options *options)
{
    struct xen_mapcache *cache;

    assert_int_equal(xen_mapcache_open(DOMID, options, &cache), 0);
    return cache;
}

static void assert_frames(const void *host, uint64_t gfn, size_t len)
{
    for (size_t at = 0; at < len; at += PAGE) {
        assert_int_equal(guest_word((const char *)host + at),
                         fakexen_frame(DOMID, gfn + at / PAGE));
    }
}

/* ---- operations ------------------------------------------------------- */

static int look_up(struct xen_mapcache *cache)
{
    void *host;
    int rc = xen_mapcache_lookup(cache, GFN * PAGE, SPAN, &host);

    if (rc == 0)
        assert_frames(host, GFN, SPAN);
    xen_mapcache_quiescent();
    return rc;
}

static int pin(struct xen_mapcache *cache)
{
    void *host;
    int rc = xen_mapcache_pin(cache, GFN * PAGE, SPAN, &host);

    if (rc == 0) {
        assert_frames(host, GFN, SPAN);
        xen_mapcache_unpin(cache, host, SPAN);
    }
    assert_int_equal(guest_stats(cache).pinned, 0);
    return rc;
}

static int read_span(struct xen_mapcache *cache)
{
    static uint8_t buffer[SPAN];
    size_t done;
    int rc = xen_mapcache_read(cache, GFN * PAGE, buffer, SPAN, &done);

    assert_int_equal(rc == 0, done == SPAN);
    assert_frames(buffer, GFN, done / PAGE * PAGE);
    return rc;
}

static int write_span(struct xen_mapcache *cache)
{
    static uint8_t before[SPAN], after[SPAN], out[SPAN];
    size_t done;
    int rc;

    fakexen_peek(DOMID, GFN * PAGE, before, SPAN);
    memcpy(out, before, SPAN);
    for (size_t at = 0; at < SPAN; at++)
        if (at % PAGE >= 4)
            out[at] = (uint8_t)(before[at] + 1);
    rc = xen_mapcache_write(cache, GFN * PAGE, out, SPAN, &done);
    fakexen_peek(DOMID, GFN * PAGE, after, SPAN);
    assert_int_equal(rc == 0, done == SPAN);
    assert_memory_equal(after, out, done);
    assert_memory_equal(after + done, before + done, SPAN - done);
    return rc;
}

static int drop(struct xen_mapcache *cache)
{
    uint64_t left;

    xen_mapcache_invalidate(cache);
    left = xen_mapcache_reclaim(cache, 0);
    assert_int_equal(left, guest_stats(cache).mapped);
    assert_int_equal(left > 0, guest_stats(cache).stale > 0);
    return left ? -ENOMEM : 0;
}

static int hole(struct xen_mapcache *cache)
{
    int rc = (int)guest_shown(cache, HOLE_GPA / PAGE);

    return rc == -EFAULT ? 0 : rc;
}

/* ---- what is there before them ---------------------------------------- */

static void nothing(struct xen_mapcache *cache)
{
    (void)cache;
}

static void a_full_budget(struct xen_mapcache *cache)
{
    assert_true(guest_shown(cache, 0x800) > 0);
    assert_true(guest_shown(cache, 0x810) > 0);
}

/* In large chunks beside the span, with all but one between them missing. */
static void other_blocks(struct xen_mapcache *cache)
{
    assert_true(guest_shown(cache, 0x3f0) > 0);
    assert_true(guest_shown(cache, 0x380) > 0);
}

static void stale_chunks(struct xen_mapcache *cache)
{
    assert_int_equal(look_up(cache), 0);
    fakexen_swap(DOMID, GFN + 1, 0x900);
    xen_mapcache_invalidate(cache);
}

static void read_only_chunks(struct xen_mapcache *cache)
{
    const void *host;

    assert_int_equal(xen_mapcache_lookup_ro(cache, GFN * PAGE, SPAN, &host), 0);
    xen_mapcache_quiescent();
}

static void a_page_that_came(struct xen_mapcache *cache)
{
    fakexen_balloon_out(DOMID, GFN + 2, 1);
    assert_true(guest_shown(cache, GFN) > 0);
    assert_int_equal(fakexen_balloon_in(DOMID, GFN + 2, 1), 0);
    guest_stamp();
}

static void *quarantine;

static void a_quarantined_chunk(struct xen_mapcache *cache)
{
    assert_int_equal(xen_mapcache_pin(cache, GFN * PAGE, PAGE, &quarantine), 0);
    fakexen_swap(DOMID, GFN, 0x900);
    xen_mapcache_invalidate(cache);
}

/* Some pages of a span that was pinned before its frames went. */
static int replace(struct xen_mapcache *cache)
{
    int rc = xen_mapcache_replace(cache, GFN * PAGE, SPAN);

    if (rc == 0)
        assert_frames(quarantine, GFN, PAGE);
    assert_int_equal(guest_stats(cache).pinned, 1);
    return rc;
}

/* Each with each setting in which it can succeed. */
static const struct operation {
    const char *name;
    void (*prepare)(struct xen_mapcache *cache);
    int (*run)(struct xen_mapcache *cache);
} operations[] = {
    {"lookup", nothing, look_up},
    {"lookup, budget full", a_full_budget, look_up},
    {"lookup, other blocks", other_blocks, look_up},
    {"lookup, stale", stale_chunks, look_up},
    {"lookup, page came", a_page_that_came, look_up},
    {"lookup, read-only", read_only_chunks, look_up},
    {"pin", nothing, pin},
    {"pin, budget full", a_full_budget, pin},
    {"pin, other blocks", other_blocks, pin},
    {"pin, stale", stale_chunks, pin},
    {"pin, page came", a_page_that_came, pin},
    {"read", nothing, read_span},
    {"read, stale", stale_chunks, read_span},
    {"read, page came", a_page_that_came, read_span},
    {"read, quarantined", a_quarantined_chunk, read_span},
    {"write", nothing, write_span},
    {"write, budget full", a_full_budget, write_span},
    {"write, other blocks", other_blocks, write_span},
    {"write, stale", stale_chunks, write_span},
    {"write, read-only", read_only_chunks, write_span},
    {"write, page came", a_page_that_came, write_span},
    {"write, quarantined", a_quarantined_chunk, write_span},
    {"drop, budget full", a_full_budget, drop},
    {"drop, stale", stale_chunks, drop},
    {"replace", a_quarantined_chunk, replace},
    {"hole", nothing, hole},
    {"hole, budget full", a_full_budget, hole},
};

/* True when the call failed, that is, when there are that many. */
static bool one_failure(const struct xen_mapcache_options *options,
                        const struct operation *operation,
                        enum fakexen_kind kind, unsigned nth)
{
    struct xen_mapcache *cache;
    bool failed;
    void *state;
    int rc;

    guest_up(&state);
    cache = opened(options);
    quarantine = NULL;
    operation->prepare(cache);
    fakexen_fail(kind, nth, 1, ENOMEM);
    rc = operation->run(cache);
    failed = fakexen_failed(kind);
    fakexen_fail(kind, 1, 1, 0);
    if (rc && (rc != -ENOMEM || !failed))
        fail_msg("%s, call %u: %d", operation->name, nth, rc);
    rc = operation->run(cache);
    if (rc)
        fail_msg("%s, after call %u failed: %d", operation->name, nth, rc);
    if (quarantine)
        xen_mapcache_unpin(cache, quarantine, PAGE);
    assert_int_equal(look_up(cache), 0);
    assert_int_equal(guest_stats(cache).pinned, 0);
    assert_int_equal(guest_stats(cache).mapped, fakexen_mapped_bytes());
    guest_down((void **)&cache);
    return failed;
}

/* Returns how many of all operations' calls can fail. */
static unsigned fail_each(enum fakexen_kind kind)
{
    unsigned nr = 0, nth;

    for (size_t i = 0; i < NR(settings) * NR(operations); i++) {
        nth = 1;
        while (one_failure(&settings[i / NR(operations)],
                           &operations[i % NR(operations)], kind, nth))
            nth++;
        nr += nth - 1;
    }
    return nr;
}

static void any_call_to_Xen_may_fail(void **state)
{
    (void)state;
    assert_true(fail_each(FAKEXEN_MAP) > 4 * NR(operations));
}

static void any_mapping_of_address_space_may_fail(void **state)
{
    (void)state;
    assert_true(fail_each(FAKEXEN_MMAP) > 10);
}

static void an_open_that_fails_leaves_nothing(void **state)
{
    static const enum fakexen_kind kinds[] = {FAKEXEN_OPEN, FAKEXEN_MMAP};
    struct xen_mapcache *cache = NULL;
    unsigned nr = 0;

    (void)state;
    for (size_t i = 0; i < NR(kinds); i++) {
        for (unsigned nth = 1;; nth++) {
            fakexen_fail(kinds[i], nth, 1, ENOMEM);
            if (xen_mapcache_open(DOMID, &settings[0], &cache) == 0)
                break;
            assert_true(fakexen_failed(kinds[i]));
            assert_int_equal(fakexen_handles(), 0);
            nr++;
        }
        fakexen_fail(kinds[i], 1, 1, 0);
        xen_mapcache_close(cache);
    }
    assert_int_equal(nr, 4);
    no_memory = true;
    assert_int_equal(xen_mapcache_open(DOMID, &settings[0], &cache), -ENOMEM);
    no_memory = false;
    assert_true(memory_refused);
}

/* ---- the limits of a process ------------------------------------------ */

/* What a child does; cmocka's checks would not reach us from there. */
static void in_a_child(bool (*works)(void))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(works() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Bytes of address space, or of private writable memory, now. */
static uint64_t used_bytes(const char *what)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, what, strlen(what)) == 0)
            sscanf(line + strlen(what), "%llu", &kib);
    if (file)
        fclose(file);
    return kib << 10;
}

static bool shows(struct xen_mapcache *cache, uint64_t gfn)
{
    return guest_shown(cache, gfn) == fakexen_frame(DOMID, gfn);
}

static bool limit(int resource, const char *what, uint64_t room)
{
    struct rlimit limit = {.rlim_cur = used_bytes(what) + room,
                           .rlim_max = RLIM_INFINITY};

    return setrlimit(resource, &limit) == 0;
}

/* A window that is too large is an error, a smaller one works. */
static bool little_address_space(void)
{
    struct xen_mapcache_options options = {.window = UINT64_C(1) << 42,
                                           .chunk = CHUNK};
    struct xen_mapcache *cache;

    if (!limit(RLIMIT_AS, "VmSize:", UINT64_C(64) << 20) ||
        xen_mapcache_open(DOMID, &options, &cache) != -ENOMEM)
        return false;
    options.window = PAGES * PAGE;
    if (xen_mapcache_open(DOMID, &options, &cache))
        return false;
    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16)
        if (!shows(cache, gfn))
            return false;
    xen_mapcache_close(cache);
    return fakexen_mappings() == 0;
}

static void a_window_above_RLIMIT_AS_is_refused(void **state)
{
    (void)state;
    in_a_child(little_address_space);
}

/* The thread sanitizer has no 1 TiB, and does not live without areas. */
#if !defined(__SANITIZE_THREAD__)
/*
 * What RLIMIT_DATA counts is what a kernel that does not overcommit sets aside:
 * a window of 1 TiB, whose table has 40 MiB, must do with 2.
 */
static bool little_private_memory(void)
{
    const uint64_t room = UINT64_C(2) << 20;
    struct xen_mapcache *cache;

    if (!limit(RLIMIT_DATA, "VmData:", room) ||
        xen_mapcache_open(DOMID, NULL, &cache))
        return false;
    for (uint64_t gfn = 0x100; gfn < PAGES; gfn += 16)
        if (!shows(cache, gfn))
            return false;
    xen_mapcache_close(cache);
    return fakexen_mappings() == 0;
}

/* Then a chunk cannot be noted: an error, until there is memory again. */
static bool no_private_memory(void)
{
    struct xen_mapcache *cache;

    if (xen_mapcache_open(DOMID, NULL, &cache) ||
        !limit(RLIMIT_DATA, "VmData:", 0) ||
        guest_shown(cache, 0x200) != -ENOMEM ||
        guest_read(cache, 0x200) != -ENOMEM ||
        !limit(RLIMIT_DATA, "VmData:", UINT64_C(2) << 20) ||
        !shows(cache, 0x200))
        return false;
    xen_mapcache_close(cache);
    return fakexen_mappings() == 0;
}

static void a_window_of_1_TiB_sets_little_memory_aside(void **state)
{
    (void)state;
    in_a_child(little_private_memory);
}

static void a_chunk_that_cannot_be_noted_is_an_error(void **state)
{
    (void)state;
    in_a_child(no_private_memory);
}

/* Take all areas that the kernel gives: two for each page of another kind. */
static uint8_t *take_all_areas(size_t *taken)
{
    const size_t most = (size_t)1 << 20;
    uint8_t *areas = mmap(NULL, most * PAGE, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (areas == MAP_FAILED)
        return NULL;
    *taken = 1;
    while (*taken < most &&
           mprotect(areas + *taken * PAGE, PAGE, PROT_READ) == 0)
        *taken += 2;
    return *taken < most ? areas : NULL;
}

static bool no_more_areas(void)
{
    struct xen_mapcache *cache = opened(&settings[0]);
    unsigned refused = 0, shown = 0;
    uint64_t gfn;
    uint8_t *areas;
    size_t taken;

    /* What a first map brings in. */
    if (!shows(cache, 0x200))
        return false;
    areas = take_all_areas(&taken);
    if (!areas)
        return false;
    /* Apart from each other, so that none shares its area. */
    for (gfn = 0x220; gfn < 0x400; gfn += 32) {
        int64_t frame = guest_shown(cache, gfn);

        refused += frame == -ENOMEM;
        shown += frame == fakexen_frame(DOMID, gfn);
    }
    if (refused == 0 || refused + shown != 15)
        return false;
    munmap(areas, taken * PAGE);
    for (gfn = 0x200; gfn < 0x400; gfn += 16)
        if (!shows(cache, gfn))
            return false;
    xen_mapcache_close(cache);
    return fakexen_mappings() == 0;
}

static void a_process_without_areas_gets_errors(void **state)
{
    (void)state;
    in_a_child(no_more_areas);
}
#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_to_Xen_may_fail),
        cmocka_unit_test(any_mapping_of_address_space_may_fail),
        GUEST_ALONE(an_open_that_fails_leaves_nothing),
        GUEST_ALONE(a_window_above_RLIMIT_AS_is_refused),
#if !defined(__SANITIZE_THREAD__)
        GUEST_ALONE(a_window_of_1_TiB_sets_little_memory_aside),
        GUEST_ALONE(a_chunk_that_cannot_be_noted_is_an_error),
        GUEST_ALONE(a_process_without_areas_gets_errors),
#endif
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
