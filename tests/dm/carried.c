/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/dm/carried.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/fakexen/fakexen.h"

void set_up_guest(uint32_t domid)
{
    fakexen_pci_write(domid, PLATFORM, 0x10, 4, 0xc000);
    fakexen_pci_write(domid, PLATFORM, 0x14, 4, 0xf2000000);
    fakexen_pci_write(domid, PLATFORM, 0x04, 2, 3);
    fakexen_pci_write(domid, ISA_BRIDGE, 0x60, 4, 0x0b0a050b);
    fakexen_out(domid, 0x10, 1, 1); /* ROM area locked */
    fakexen_out(domid, 0x92, 1, 0x02);
    fakexen_out(domid, 0xafe2, 2, 0x1234);
    fakexen_out(domid, 0x3ff, 1, 0x77);
    fakexen_out(domid, 0x3fc, 1, 0x0b);
    fakexen_out(domid, 0x64, 1, 0x60); /* command byte of the 8042 */
    fakexen_out(domid, 0x60, 1, 0x45);
    fakexen_out(domid, 0x70, 1, 0x34);
    fakexen_out(domid, 0x71, 1, 0xa5);
    fakexen_out(domid, 0xcf8, 4, 0x80000860);
    fakexen_poke(domid, 0x8000, "guest memory", 12);
}

void check_guest(uint32_t domid)
{
    char text[12];

    CHECK_EQUAL(fakexen_in(domid, 0xcf8, 4), 0x80000860);
    CHECK_EQUAL(fakexen_in(domid, 0x71, 1), 0xa5);
    CHECK_EQUAL(fakexen_in(domid, 0x3ff, 1), 0x77);
    CHECK_EQUAL(fakexen_in(domid, 0x3fc, 1), 0x0b);
    CHECK_EQUAL(fakexen_in(domid, 0x92, 1), 0x02);
    CHECK_EQUAL(fakexen_in(domid, 0xafe2, 2), 0x1234);
    fakexen_out(domid, 0x64, 1, 0x20);
    CHECK_EQUAL(fakexen_in(domid, 0x60, 1), 0x45);
    CHECK_EQUAL(fakexen_in(domid, 0x10, 1), 1);
    CHECK_EQUAL(fakexen_type(domid, 0xf0), FAKEXEN_RAM_RO);
    CHECK(fakexen_claimed(domid, false, 0xc000, 0xc0ff));
    CHECK(fakexen_claimed(domid, true, 0xf2000000, 0xf2ffffff));
    CHECK_EQUAL(fakexen_link_route(domid, 1), 5);
    CHECK_EQUAL(fakexen_link_route(domid, 3), 11);
    CHECK_EQUAL(fakexen_pci_read(domid, ISA_BRIDGE, 0x60, 4), 0x0b0a050b);
    fakexen_peek(domid, 0x8000, text, sizeof(text));
    CHECK(memcmp(text, "guest memory", 12) == 0);
}

void prepare_target(struct dm *dm, const char *state, const char *const *extra)
{
    int fd = open(state, O_RDONLY);
    char text[32];

    CHECK(fd >= 0);
    if (!fakexen_exists(TARGET)) {
        fakexen_create(
            &(struct fakexen_domain){.domid = TARGET, .nr_vcpus = 2});
        fakexen_copy_memory(TARGET, SOURCE);
    }
    fakexen_xs_set("/local/domain/0/device-model/8/state", "");
    dm_prepare(dm, TARGET, extra);
    snprintf(text, sizeof(text), "fd:%d", fd);
    dm_add(dm, "-incoming");
    dm_add(dm, text);
}

void run_source(struct dm *dm, struct qmp_peer *peer, const char *const *extra)
{
    dm_start(dm, SOURCE, extra);
    qmp_open_peer(peer, dm->qmp_path);
    qmp_do(peer, "cont", NULL);
}

void quit(struct dm *dm, struct qmp_peer *peer)
{
    qmp_do(peer, "quit", NULL);
    qmp_close_peer(peer);
    CHECK_EQUAL(dm_join(dm), 0);
}

void check_handed_on(struct dm *source, struct qmp_peer *peer,
                     const char *state)
{
    struct qmp_peer other;
    struct dm target;

    prepare_target(&target, state, NULL);
    dm_launch(&target);
    CHECK(dm_comes_up(&target));
    qmp_open_peer(&other, target.qmp_path);
    qmp_do(&other, "cont", NULL);
    check_guest(TARGET);
    quit(source, peer);
    fakexen_destroy(SOURCE);
    check_guest(TARGET);
    quit(&target, &other);
    check_nothing_left();
}
