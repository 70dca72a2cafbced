/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/devices.h"

#include "dm/device.h"
#include "dm/options.h"

static bool wants_kernel(const struct options *options)
{
    return options->kernel != NULL;
}

static bool wants_ide(const struct options *options)
{
    for (size_t i = 0; i < OPTIONS_MAX_DRIVES; i++)
        if (options->drives[i].id)
            return true;
    return false;
}

static bool wants_platform(const struct options *options)
{
    return options->platform_device;
}

static bool wants_serial0(const struct options *options)
{
    return options->serials[0] != NULL;
}

static bool wants_serial1(const struct options *options)
{
    return options->serials[1] != NULL;
}

static bool wants_virtio_mem0(const struct options *options)
{
    return options->nr_virtio_mems > 0;
}

static bool wants_virtio_mem1(const struct options *options)
{
    return options->nr_virtio_mems > 1;
}

static bool wants_virtio_mem2(const struct options *options)
{
    return options->nr_virtio_mems > 2;
}

static bool wants_virtio_mem3(const struct options *options)
{
    return options->nr_virtio_mems > 3;
}

const struct device_row device_rows[] = {
    {&device_i440fx, 0, NULL},
    {&device_piix3, 0, NULL},
    {&device_ide, 0, wants_ide},
    {&device_piix4_pm, 0, NULL},
    {&device_cmos, 0, NULL},
    {&device_i8042, 0, NULL},
    {&device_port92, 0, NULL},
    {&device_serial, 0, wants_serial0},
    {&device_serial, 1, wants_serial1},
    {&device_xen_platform, 0, wants_platform},
    {&device_boot_rom, 0, wants_kernel},
    {&device_virtio_mem, 0, wants_virtio_mem0},
    {&device_virtio_mem, 1, wants_virtio_mem1},
    {&device_virtio_mem, 2, wants_virtio_mem2},
    {&device_virtio_mem, 3, wants_virtio_mem3},
};

const size_t nr_device_rows = sizeof(device_rows) / sizeof(device_rows[0]);
