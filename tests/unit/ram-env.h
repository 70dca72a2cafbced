/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_RAM_ENV_H
#define TESTS_UNIT_RAM_ENV_H

/* A guest on fakexen with a list of RAM blocks, for the tests of ram/. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define DOMID 5u
#define PAGE 4096u
#define PAGES 2048u   /* 8 MiB of RAM */
#define MAXMEM 12288u /* pages */
#define HOME UINT64_C(0xf0000)
#define BAR UINT64_C(0xe0000)

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct env {
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    uint64_t tot; /* pages of the guest before any block */
};

int ram_setup(void **state);
/* Nothing is left open or mapped, and nothing forbidden was done. */
int ram_teardown(void **state);
#define RAM_TEST(test)                                                         \
    cmocka_unit_test_setup_teardown(test, ram_setup, ram_teardown)

struct xen_ram_block *must_alloc(struct env *env,
                                 const struct xen_ram_spec *spec);
/* At HOME, of at most 16 MiB. */
struct xen_ram_block *visible(struct env *env, const char *idstr,
                              unsigned flags, uint64_t size);
/* Resizeable, named "private". */
struct xen_ram_block *private(struct env *env, uint64_t size,
                              uint64_t max_length);

/* On one line. */
void assert_error_says(const struct env *env, const char *words);
/* The bytes that the owner sees are all value. */
void assert_filled(struct env *env, struct xen_ram_block *block,
                   uint64_t offset, uint64_t len, uint8_t value);
void fill(struct env *env, struct xen_ram_block *block, uint64_t offset,
          uint64_t len, uint8_t value);
void assert_types(uint64_t gfn, uint64_t nr, enum fakexen_type type);
/* Can the kernel read a byte there?  A pipe says so without a signal. */
bool accessible(const void *host);

#endif
