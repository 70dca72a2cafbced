/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/ram-env.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int ram_setup(void **state)
{
    static struct env env;
    struct fakexen_domain domain = {
        .domid = DOMID, .pages = PAGES, .maxmem = MAXMEM};

    fakexen_reset();
    fakexen_create(&domain);
    fakexen_fill_new_frames(0xa5);
    assert_int_equal(xen_mapcache_open(DOMID, NULL, &env.cache), 0);
    assert_int_equal(xen_ram_open(DOMID, env.cache, &env.ram), 0);
    env.tot = fakexen_tot_pages(DOMID);
    *state = &env;
    return 0;
}

int ram_teardown(void **state)
{
    struct env *env = *state;

    xen_ram_close(env->ram);
    xen_mapcache_close(env->cache);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_mappings(), 0);
    assert_int_equal(fakexen_violations(), 0);
    return 0;
}

struct xen_ram_block *must_alloc(struct env *env,
                                 const struct xen_ram_spec *spec)
{
    struct xen_ram_block *block = NULL;
    int rc = xen_ram_alloc(env->ram, spec, &block);

    if (rc)
        fail_msg("%s: %d, %s", spec->idstr, rc, xen_ram_error(env->ram));
    return block;
}

struct xen_ram_block *visible(struct env *env, const char *idstr,
                              unsigned flags, uint64_t size)
{
    struct xen_ram_spec spec = {
        .idstr = idstr,
        .kind = XEN_RAM_VISIBLE,
        .flags = flags,
        .gfn = HOME,
        .size = size,
        .max_length = 16 << 20,
    };

    return must_alloc(env, &spec);
}

struct xen_ram_block *private(struct env *env, uint64_t size,
                              uint64_t max_length)
{
    struct xen_ram_spec spec = {
        .idstr = "private",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = size,
        .max_length = max_length,
    };

    return must_alloc(env, &spec);
}

void assert_error_says(const struct env *env, const char *words)
{
    const char *error = xen_ram_error(env->ram);

    if (!strstr(error, words) || strchr(error, '\n'))
        fail_msg("'%s' does not say '%s' on one line", error, words);
}

void assert_filled(struct env *env, struct xen_ram_block *block,
                   uint64_t offset, uint64_t len, uint8_t value)
{
    uint8_t page[PAGE];
    size_t n;

    for (uint64_t done = 0; done < len; done += n) {
        n = len - done < PAGE ? (size_t)(len - done) : PAGE;
        assert_int_equal(xen_ram_read(env->ram, block, offset + done, page, n),
                         0);
        for (size_t i = 0; i < n; i++) {
            if (page[i] != value) {
                fail_msg("byte %#lx is %#x, not %#x",
                         (unsigned long)(offset + done + i), page[i], value);
            }
        }
    }
}

void fill(struct env *env, struct xen_ram_block *block, uint64_t offset,
          uint64_t len, uint8_t value)
{
    uint8_t page[PAGE];
    size_t n;

    memset(page, value, sizeof(page));
    for (uint64_t done = 0; done < len; done += n) {
        n = len - done < PAGE ? (size_t)(len - done) : PAGE;
        assert_int_equal(xen_ram_write(env->ram, block, offset + done, page, n),
                         0);
    }
}

void assert_types(uint64_t gfn, uint64_t nr, enum fakexen_type type)
{
    for (uint64_t i = 0; i < nr; i++)
        assert_int_equal(fakexen_type(DOMID, gfn + i), type);
}

bool accessible(const void *host)
{
    int fds[2];
    bool yes;

    assert_int_equal(pipe(fds), 0);
    yes = write(fds[1], host, 1) == 1;
    close(fds[0]);
    close(fds[1]);
    return yes;
}
