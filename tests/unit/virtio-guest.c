/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/virtio-guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/pci.h"

#include "tests/fakexen/fakexen.h"
#include "tests/unit/machine-env.h"

#include "xenram/mapcache.h"

#define FIRST_DOMID 7
#define BARS UINT64_C(0xe0000000) /* 64 KiB for each function */
#define QUEUES UINT64_C(0x100000) /* a page for each part, by slot */
#define BUFFERS UINT64_C(0x200000)

struct virtio_guest guest;

/* ---- the machine ---- */

static void make_machine(bool loading)
{
    guest.options.ram_mb = GUEST_MIB;
    /* Whether Xen gives it all is another matter. */
    guest.options.maxmem = GUEST_MIB << 20;
    for (unsigned i = 0; i < guest.options.nr_virtio_mems; i++)
        guest.options.maxmem += guest.options.virtio_mems[i].size;
    assert_int_equal(uv_loop_init(&guest.loop), 0);
    machine_env_open(&guest.machine, &guest.options, &guest.loop, loading);
    assert_int_equal(machine_init(&guest.machine), 0);
}

void guest_begin(unsigned room)
{
    fakexen_reset();
    GUEST_DOMID = FIRST_DOMID;
    fakexen_create(&(struct fakexen_domain){
        .domid = GUEST_DOMID,
        .pages = GUEST_MIB * 256,
        .maxmem = (GUEST_MIB + room) * 256,
        .special = true,
    });
    make_machine(false);
    machine_reset(&guest.machine);
    machine_cont(&guest.machine);
}

int guest_save(void)
{
    char error[XEN_MIGRATE_ERROR_MAX] = "";
    int fd = memfd_create("state", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(machine_stop(&guest.machine), 0);
    assert_int_equal(machine_save(&guest.machine, fd, false, error), 0);
    guest_end();
    return fd;
}

void guest_begin_loading(void)
{
    uint32_t from = GUEST_DOMID++;

    fakexen_create(&(struct fakexen_domain){.domid = GUEST_DOMID});
    fakexen_copy_memory(GUEST_DOMID, from);
    fakexen_destroy(from);
    make_machine(true);
}

int guest_load(int fd, char error[XEN_MIGRATE_ERROR_MAX])
{
    int ret;

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    ret = machine_load(&guest.machine, fd, error);
    close(fd);
    if (ret == 0)
        machine_cont(&guest.machine);
    return ret;
}

void guest_end(void)
{
    machine_fini(&guest.machine);
    uv_run(&guest.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&guest.loop), 0);
    machine_env_close(&guest.machine);
    xen_mapcache_thread_offline();
    assert_int_equal(fakexen_violations(), 0);
    assert_int_equal(fakexen_mappings(), 0);
}

void guest_turns(void)
{
    for (unsigned i = 0; i < 100000; i++) {
        xen_mapcache_quiescent();
        if (uv_run(&guest.loop, UV_RUN_NOWAIT) == 0)
            return;
    }
    fail_msg("the event loop never comes to rest");
}

/* ---- registers ---- */

uint64_t reg_read(const struct driver *driver, unsigned reg, unsigned size)
{
    return bus_read(guest.machine.bus, BUS_MMIO, driver->bar0 + reg, size) &
           (size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX);
}

void reg_write(const struct driver *driver, unsigned reg, unsigned size,
               uint64_t value)
{
    bus_write(guest.machine.bus, BUS_MMIO, driver->bar0 + reg, size, value);
}

void driver_probe(struct driver *driver, uint8_t devfn)
{
    struct machine *machine = &guest.machine;
    uint64_t place = devfn * UINT64_C(0x10000);

    *driver = (struct driver){
        .devfn = devfn,
        .bar0 = BARS + place,
        .bar1 = BARS + place + 0x8000,
        .desc = QUEUES + (devfn >> 3) * UINT64_C(0x3000),
        .avail = QUEUES + (devfn >> 3) * UINT64_C(0x3000) + 0x1000,
        .used = QUEUES + (devfn >> 3) * UINT64_C(0x3000) + 0x2000,
    };
    assert_int_equal(pci_config_read(machine, devfn, 0, 2), 0x1af4);
    pci_config_write(machine, devfn, 0x10, 4, (uint32_t)driver->bar0);
    pci_config_write(machine, devfn, 0x14, 4, (uint32_t)driver->bar1);
    pci_config_write(machine, devfn, 0x04, 2, 0x0006);
}

uint8_t driver_status(const struct driver *driver)
{
    return (uint8_t)reg_read(driver, REG_STATUS, 1);
}

bool driver_broken(const struct driver *driver)
{
    return driver_status(driver) & STATUS_NEEDS_RESET;
}

void driver_features(const struct driver *driver, uint64_t features)
{
    for (unsigned i = 0; i < 2; i++) {
        reg_write(driver, REG_DRIVER_SELECT, 4, i);
        reg_write(driver, REG_DRIVER_FEATURES, 4,
                  features >> 32 * i & UINT32_MAX);
    }
}

uint8_t driver_start(struct driver *driver, uint64_t features)
{
    uint8_t zeroes[4096] = {0};

    driver->next = 0;
    driver->seen = 0;
    fakexen_poke(GUEST_DOMID, driver->desc, zeroes, sizeof(zeroes));
    fakexen_poke(GUEST_DOMID, driver->avail, zeroes, sizeof(zeroes));
    fakexen_poke(GUEST_DOMID, driver->used, zeroes, sizeof(zeroes));
    reg_write(driver, REG_STATUS, 1, 0);
    reg_write(driver, REG_STATUS, 1, STATUS_ACKNOWLEDGE);
    reg_write(driver, REG_STATUS, 1, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    driver_features(driver, features);
    reg_write(driver, REG_STATUS, 1,
              STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    reg_write(driver, REG_QUEUE_SELECT, 2, 0);
    reg_write(driver, REG_QUEUE_SIZE, 2, DRIVER_SIZE);
    reg_write(driver, REG_QUEUE_DESC, 8, driver->desc);
    reg_write(driver, REG_QUEUE_AVAIL, 4, driver->avail);
    reg_write(driver, REG_QUEUE_AVAIL + 4, 4, driver->avail >> 32);
    reg_write(driver, REG_QUEUE_USED, 8, driver->used);
    reg_write(driver, REG_QUEUE_ENABLE, 2, 1);
    reg_write(driver, REG_STATUS, 1,
              STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK |
                  STATUS_DRIVER_OK);
    return driver_status(driver);
}

/* ---- rings ---- */

static void poke16(uint64_t gpa, uint16_t value)
{
    fakexen_poke(GUEST_DOMID, gpa, &value, 2);
}

void driver_desc(const struct driver *driver, unsigned index, uint64_t gpa,
                 uint32_t len, uint16_t flags, uint16_t next)
{
    uint64_t at = driver->desc + index * UINT64_C(16);

    fakexen_poke(GUEST_DOMID, at, &gpa, 8);
    fakexen_poke(GUEST_DOMID, at + 8, &len, 4);
    poke16(at + 12, flags);
    poke16(at + 14, next);
}

void driver_offer(struct driver *driver, uint16_t head)
{
    poke16(driver->avail + 4 + driver->next % DRIVER_SIZE * 2, head);
    driver->next++;
    poke16(driver->avail + 2, driver->next);
}

void driver_notify(const struct driver *driver)
{
    reg_write(driver, REG_NOTIFY, 2, 0);
}

unsigned driver_returned(struct driver *driver, uint32_t *len)
{
    uint16_t index;
    unsigned nr;

    fakexen_peek(GUEST_DOMID, driver->used + 2, &index, 2);
    nr = (uint16_t)(index - driver->seen);
    if (nr > 0 && len)
        fakexen_peek(GUEST_DOMID,
                     driver->used + 8 +
                         (uint16_t)(index - 1) % DRIVER_SIZE * UINT64_C(8),
                     len, 4);
    driver->seen = index;
    return nr;
}

bool driver_ask(struct driver *driver, const void *out, unsigned out_len,
                void *in, unsigned in_len)
{
    uint64_t buffer = BUFFERS + (driver->devfn >> 3) * UINT64_C(0x1000);
    uint32_t len = 0;

    memset(in, 0, in_len);
    fakexen_poke(GUEST_DOMID, buffer, out, out_len);
    fakexen_poke(GUEST_DOMID, buffer + 2048, in, in_len);
    driver_desc(driver, 0, buffer, out_len, DESC_NEXT, 1);
    driver_desc(driver, 1, buffer + 2048, in_len, DESC_WRITE, 0);
    driver_offer(driver, 0);
    driver_notify(driver);
    guest_turns();
    if (driver_returned(driver, &len) != 1)
        return false;
    assert_true(len <= in_len);
    fakexen_peek(GUEST_DOMID, buffer + 2048, in, in_len);
    return true;
}
