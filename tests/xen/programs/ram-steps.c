/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * ram-steps pages DOMID: pages that Xen has given to a guest.
 * ram-steps run DOMID:   what a device model may do with its blocks, on this
 * guest, which must be paused; after each step Xen's count is exact.  Ends with
 * the guest as it was.
 * ram-steps track DOMID: two blocks, and for each line of the input which gfns
 * the guest wrote to since the one before.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/memory.h>
#include <xencall.h>

#include "xenram/mapcache.h"
#include "xenram/ram.h"

#define PAGE UINT64_C(4096)
/* Above what hvmloader hands out, below the interrupt controllers. */
#define FIRST UINT64_C(0xfe200)
#define OTHER UINT64_C(0xfe9fd)
#define MAX_PAGES UINT64_C(2048)

struct guest {
    xencall_handle *call;
    uint32_t domid;
    uint64_t pages; /* before the first step */
    struct xen_mapcache *cache;
    struct xen_ram *ram;
    struct xen_ram_block *block;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "ram-steps: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static uint64_t ask(struct guest *guest, unsigned command)
{
    domid_t *domid = xencall_alloc_buffer(guest->call, sizeof(*domid));
    long ret;

    if (!domid)
        die("no buffer for a call", strerror(errno));
    *domid = (domid_t)guest->domid;
    ret = xencall2(guest->call, __HYPERVISOR_memory_op, command,
                   (uintptr_t)domid);
    xencall_free_buffer(guest->call, domid);
    if (ret < 0)
        die("Xen does not count the guest's pages", strerror(errno));
    return (uint64_t)ret;
}

static uint64_t count(struct guest *guest)
{
    return ask(guest, XENMEM_current_reservation);
}

static void expect_pages(struct guest *guest, const char *step, uint64_t more)
{
    uint64_t pages = count(guest);
    char text[128];

    snprintf(text, sizeof(text),
             "%" PRIu64 " pages more than before, not %" PRIu64,
             pages - guest->pages, more);
    if (pages != guest->pages + more)
        die(step, text);
    printf("%s: %" PRIu64 " pages more, %" PRIu64 " in all\n", step, more,
           pages);
}

static void expect(struct guest *guest, const char *step, int ret, int wanted)
{
    if (ret != wanted)
        die(step, ret ? xen_ram_error(guest->ram) : "succeeded");
    if (ret)
        printf("%s: refused: %s\n", step, xen_ram_error(guest->ram));
}

/* Pages [first, first + nr) start with this, or with zeroes. */
static void fill(struct guest *guest, uint64_t first, uint64_t nr)
{
    for (uint64_t page = first; page < first + nr; page++) {
        uint64_t value = ~page;

        expect(guest, "write",
               xen_ram_write(guest->ram, guest->block, page * PAGE, &value,
                             sizeof(value)),
               0);
    }
}

static void check(struct guest *guest, uint64_t first, uint64_t nr, bool filled)
{
    for (uint64_t page = first; page < first + nr; page++) {
        uint64_t seen, wanted = filled ? ~page : 0;

        expect(guest, "read",
               xen_ram_read(guest->ram, guest->block, page * PAGE, &seen,
                            sizeof(seen)),
               0);
        if (seen != wanted)
            die("read", "a page has other content");
    }
}

static void expect_hole(struct guest *guest, const char *step, uint64_t gfn)
{
    uint8_t byte;

    if (xen_mapcache_read(guest->cache, gfn * PAGE, &byte, 1, NULL) != -EFAULT)
        die(step, "a page is left where none should be");
}

static void expect_size(struct guest *guest, const char *step, uint64_t pages)
{
    if (xen_ram_size(guest->block) != pages * PAGE)
        die(step, "the block has another length");
}

static void open_list(struct guest *guest)
{
    int ret = xen_mapcache_open(guest->domid, NULL, &guest->cache);

    if (ret == 0)
        ret = xen_ram_open(guest->domid, guest->cache, &guest->ram);
    if (ret)
        die("open", strerror(-ret));
}

static void close_list(struct guest *guest)
{
    xen_ram_close(guest->ram);
    xen_mapcache_close(guest->cache);
    xen_mapcache_thread_offline();
}

static void begin(struct guest *guest)
{
    static const struct xen_ram_spec spec = {
        .idstr = "steps",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM,
        .gfn = FIRST,
        .size = 5 * PAGE,
    };

    open_list(guest);
    expect(guest, "allocate",
           xen_ram_alloc_resizeable(guest->ram, &spec, MAX_PAGES * PAGE, NULL,
                                    &guest->block),
           0);
    expect_pages(guest, "allocate", 5);
    check(guest, 0, 5, false);
    fill(guest, 0, 5);
}

static int resize(struct guest *guest, uint64_t pages)
{
    return xen_ram_resize(guest->ram, guest->block, pages * PAGE);
}

/* To the last page that maxmem allows, and one further. */
static void grow_to_the_limit(struct guest *guest)
{
    uint64_t most = ask(guest, XENMEM_maximum_reservation);
    uint64_t room = most - guest->pages;

    printf("maxmem leaves room for %" PRIu64 " pages\n", room);
    if (room < 8 || room >= MAX_PAGES)
        die("the limit", "the guest has too little room, or too much");
    expect(guest, "grow", resize(guest, room), 0);
    expect_pages(guest, "grow to maxmem", room);
    check(guest, 0, 5, true);
    check(guest, 5, room - 5, false);
    fill(guest, 5, room - 5);

    expect(guest, "grow beyond maxmem", resize(guest, room + 1), -ENOSPC);
    expect_pages(guest, "after the refusal", room);
    expect_size(guest, "after the refusal", room);
    check(guest, 0, room, true);
    expect_hole(guest, "after the refusal", FIRST + room);

    expect(guest, "shrink", resize(guest, 3), 0);
    expect_pages(guest, "shrink", 3);
    expect_hole(guest, "shrink", FIRST + 3);
    expect(guest, "grow again", resize(guest, room), 0);
    check(guest, 0, 3, true);
    check(guest, 3, room - 3, false);
    /* Half-way through the batches Xen has no more. */
    expect(guest, "grow far beyond maxmem", resize(guest, MAX_PAGES), -ENOSPC);
    expect_pages(guest, "after that refusal", room);
    expect(guest, "shrink", resize(guest, 5), 0);
    fill(guest, 0, 5);
}

static void move(struct guest *guest)
{
    static const uint64_t gfns[] = {OTHER, OTHER + 2, OTHER - 1, FIRST};

    for (size_t i = 0; i < sizeof(gfns) / sizeof(gfns[0]); i++) {
        uint64_t old = xen_ram_gfn(guest->block);

        expect(guest, "move",
               xen_ram_relocate(guest->ram, guest->block, gfns[i]), 0);
        expect_pages(guest, "move", 5);
        check(guest, 0, 5, true);
        expect_hole(guest, "move", old > gfns[i] ? old + 4 : old);
    }
}

static double now_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void run(struct guest *guest)
{
    double began = now_us();

    begin(guest);
    grow_to_the_limit(guest);
    move(guest);
    xen_ram_set_phase(guest->ram, XEN_RAM_RUNNING);
    expect(guest, "resize while it runs", resize(guest, 6), -EPERM);
    xen_ram_free(guest->ram, guest->block);
    expect_pages(guest, "free", 0);
    for (uint64_t page = 0; page < 6; page++)
        expect_hole(guest, "free", FIRST + page);
    close_list(guest);
    printf("all steps took %.0f us\n", now_us() - began);
}

static int print_run(uint64_t gfn, uint64_t nr, void *opaque)
{
    (void)opaque;
    printf(" 0x%" PRIx64 "+%" PRIu64, gfn, nr);
    return 0;
}

static void tell_written(struct guest *guest)
{
    expect(guest, "sync", xen_ram_sync_dirty(guest->ram), 0);
    printf("written");
    expect(guest, "take",
           xen_ram_dirty_take(guest->ram, XEN_RAM_DISPLAY, 0, OTHER + 99,
                              print_run, NULL),
           0);
    printf("\n");
    fflush(stdout);
}

static void track(struct guest *guest)
{
    struct xen_ram_spec specs[] = {
        {.idstr = "low", .gfn = FIRST, .size = 3 * PAGE},
        {.idstr = "high", .gfn = OTHER, .size = 2 * PAGE},
    };
    struct xen_ram_block *blocks[2];
    char line[80];

    open_list(guest);
    for (size_t i = 0; i < 2; i++) {
        specs[i].kind = XEN_RAM_VISIBLE;
        specs[i].flags = XEN_RAM_TRACKED;
        expect(guest, "allocate",
               xen_ram_alloc(guest->ram, &specs[i], &blocks[i]), 0);
    }
    expect(guest, "start", xen_ram_dirty_start(guest->ram, XEN_RAM_DISPLAY), 0);
    while (fgets(line, sizeof(line), stdin))
        tell_written(guest);
    for (size_t i = 0; i < 2; i++)
        xen_ram_free(guest->ram, blocks[i]);
    expect_pages(guest, "free", 0);
    close_list(guest);
}

int main(int argc, char **argv)
{
    struct guest guest = {.call = xencall_open(NULL, 0)};

    if (argc != 3 || !guest.call) {
        fprintf(stderr, "usage, in dom0: ram-steps pages|run|track DOMID\n");
        return EXIT_FAILURE;
    }
    guest.domid = (uint32_t)strtoul(argv[2], NULL, 0);
    guest.pages = count(&guest);
    if (strcmp(argv[1], "run") == 0)
        run(&guest);
    else if (strcmp(argv[1], "track") == 0)
        track(&guest);
    else
        printf("%" PRIu64 "\n", guest.pages);
    xencall_close(guest.call);
    return EXIT_SUCCESS;
}
