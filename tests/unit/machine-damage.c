/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * The state of the whole machine, cut at each length and with each bit flipped:
 * none of these loads, each is told in one line, and the machine that refused
 * them all is as it was: the good state still loads.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dm/bus.h"
#include "dm/machine.h"
#include "dm/options.h"
#include "tests/dm/harness.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/machine-env.h"

#define SOURCE 7u
#define TARGET 8u
#define PAGE 4096u
#define VGA_FIRST 0xa0u
#define VGA_LAST 0xbfu
#define ROM_HOME_GFN 0xfe000u

struct fixture {
    struct options options;
    struct machine machine;
    char kernel[64];
};

static void start(struct fixture *f, uint32_t domid, bool loading)
{
    f->options.domid = domid;
    machine_env_open(&f->machine, &f->options, NULL, loading);
    assert_int_equal(machine_init(&f->machine), 0);
    if (!loading)
        machine_reset(&f->machine);
}

static void stop(struct fixture *f)
{
    machine_fini(&f->machine);
    machine_env_close(&f->machine);
}

static uint8_t *copy_file(int fd, size_t *len)
{
    off_t end = lseek(fd, 0, SEEK_END);
    uint8_t *bytes = malloc((size_t)end);

    assert_true(end > 0);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)end, 0), end);
    *len = (size_t)end;
    return bytes;
}

static int save(struct fixture *f)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("state", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(machine_save(&f->machine, fd, false, error), 0);
    return fd;
}

/* ---- what must not change ------------------------------------------------ */

struct snapshot {
    uint8_t *devices[MACHINE_MAX_DEVICES];
    uint8_t *memory;
    uint64_t pages;
};

static void take(struct snapshot *snapshot, const struct machine *machine)
{
    for (size_t i = 0; i < machine->nr_devices; i++) {
        const struct device *device = &machine->devices[i];

        snapshot->devices[i] = malloc(device->ops->state_size);
        assert_non_null(snapshot->devices[i]);
        memcpy(snapshot->devices[i], device->state, device->ops->state_size);
    }
    snapshot->memory = calloc(GUEST_PAGES, PAGE);
    assert_non_null(snapshot->memory);
    for (size_t gfn = 0; gfn < GUEST_PAGES; gfn++) {
        if (gfn < VGA_FIRST || gfn > VGA_LAST)
            fakexen_peek(TARGET, gfn * PAGE, snapshot->memory + gfn * PAGE,
                         PAGE);
    }
    snapshot->pages = fakexen_tot_pages(TARGET);
}

static void assert_devices_same(const struct snapshot *snapshot,
                                const struct machine *machine)
{
    for (size_t i = 0; i < machine->nr_devices; i++)
        assert_memory_equal(snapshot->devices[i], machine->devices[i].state,
                            machine->devices[i].ops->state_size);
}

static void assert_guest_same(const struct snapshot *snapshot)
{
    uint8_t page[PAGE];

    for (size_t gfn = 0; gfn < GUEST_PAGES; gfn++) {
        if (gfn >= VGA_FIRST && gfn <= VGA_LAST)
            continue;
        fakexen_peek(TARGET, gfn * PAGE, page, PAGE);
        assert_memory_equal(snapshot->memory + gfn * PAGE, page, PAGE);
    }
    assert_int_equal(fakexen_tot_pages(TARGET), snapshot->pages);
    assert_int_equal(fakexen_type(TARGET, ROM_HOME_GFN), FAKEXEN_RAM_RW);
}

static void drop(struct snapshot *snapshot, const struct machine *machine)
{
    for (size_t i = 0; i < machine->nr_devices; i++)
        free(snapshot->devices[i]);
    free(snapshot->memory);
}

/* ---- damage -------------------------------------------------------------- */

static void refuse(struct fixture *f, int fd, const struct snapshot *snapshot)
{
    char error[XEN_MIGRATE_ERROR_MAX];

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_true(machine_load(&f->machine, fd, error) < 0);
    assert_true(error[0] != '\0');
    assert_null(strchr(error, '\n'));
    assert_true(f->machine.loading);
    assert_devices_same(snapshot, &f->machine);
}

static void flip_each_bit(struct fixture *f, int fd, const uint8_t *good,
                          size_t len, const struct snapshot *snapshot)
{
    for (size_t bit = 0; bit < 8 * len; bit++) {
        uint8_t byte = good[bit / 8] ^ (uint8_t)(1u << bit % 8);

        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
        refuse(f, fd, snapshot);
        assert_int_equal(pwrite(fd, &good[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
}

static void cut_at_each_length(struct fixture *f, int fd, size_t len,
                               const struct snapshot *snapshot)
{
    while (len-- > 0) {
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
        refuse(f, fd, snapshot);
    }
}

static void load_good(struct fixture *f, const uint8_t *good, size_t len)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("good", MFD_CLOEXEC);
    uint8_t *again;
    size_t other;

    assert_int_equal(write(fd, good, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (machine_load(&f->machine, fd, error))
        fail_msg("%s", error);
    close(fd);
    fd = save(f);
    again = copy_file(fd, &other);
    assert_int_equal(other, len);
    assert_memory_equal(again, good, len);
    free(again);
    close(fd);
}

/* A kernel for a boot ROM, both serial ports, the platform device. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd;

    assert_non_null(f);
    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){
        .domid = SOURCE, .pages = GUEST_PAGES, .special = true});
    strcpy(f->kernel, "/tmp/machine-damage-XXXXXX");
    fd = mkstemp(f->kernel);
    assert_true(fd >= 0);
    close(fd);
    write_kernel(f->kernel, 8192);
    f->options.ram_mb = GUEST_MIB;
    f->options.kernel = f->kernel;
    f->options.incoming_fd = -1;
    f->options.platform_device = true;
    f->options.serials[0] = "null";
    f->options.serials[1] = "null";
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->kernel);
    assert_int_equal(fakexen_handles(), 0);
    assert_int_equal(fakexen_violations(), 0);
    free(f);
    return 0;
}

static void damage_anywhere_leaves_the_machine_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct snapshot snapshot;
    uint8_t *good;
    size_t len;
    int fd;

    start(f, SOURCE, false);
    bus_write(f->machine.bus, BUS_PIO, 0x3ff, 1, 0x77);
    bus_write(f->machine.bus, BUS_PIO, 0x70, 1, 0x34);
    bus_write(f->machine.bus, BUS_PIO, 0x71, 1, 0xa5);
    fakexen_poke(SOURCE, 0x8000, "guest memory", 12);
    fd = save(f);
    good = copy_file(fd, &len);
    assert_true(len > 1024);
    fakexen_create(&(struct fakexen_domain){.domid = TARGET});
    fakexen_copy_memory(TARGET, SOURCE);
    stop(f);

    start(f, TARGET, true);
    take(&snapshot, &f->machine);
    flip_each_bit(f, fd, good, len, &snapshot);
    cut_at_each_length(f, fd, len, &snapshot);
    assert_guest_same(&snapshot);
    load_good(f, good, len);
    drop(&snapshot, &f->machine);
    stop(f);
    free(good);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            damage_anywhere_leaves_the_machine_as_it_was, setup, teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
