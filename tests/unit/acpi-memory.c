/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/acpi-memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEADER 36
#define GIB (UINT64_C(1) << 30)

static uint64_t number(const uint8_t *bytes, unsigned len)
{
    uint64_t value = 0;

    while (len-- > 0)
        value = value << 8 | bytes[len];
    return value;
}

/* Length of the package whose length field is at bytes; two bytes of it. */
static size_t package(const uint8_t *bytes)
{
    assert_int_equal(bytes[0] & 0xf0, 0x40);
    return (size_t)(bytes[0] & 0xf) | (size_t)bytes[1] << 4;
}

static const uint8_t *find(const uint8_t *bytes, size_t len, const void *what,
                           size_t what_len)
{
    const uint8_t *at = memmem(bytes, len, what, what_len);

    assert_non_null(at);
    return at;
}

/* One device, as a kernel's interpreter goes through it; returns its bytes. */
static size_t check_device(const uint8_t *bytes, unsigned index,
                           const struct acpi_memory *device)
{
    static const char name[] = "0123456789ABCDEF";
    const uint8_t *resource;
    size_t len;

    assert_memory_equal(bytes, "\x5b\x82", 2);
    len = 2 + package(bytes + 2);
    assert_memory_equal(bytes + 4, "XRM", 3);
    assert_int_equal(bytes[7], name[index]);
    find(bytes, len, "\x08_HID\x0c\x41\xd0\x0c\x80", 10);
    find(bytes, len, "\x08_STA\x0a\x0f", 7);
    assert_int_equal(find(bytes, len, "\x08_UID\x0a", 6)[6], index);
    if (device->node)
        assert_int_equal(number(find(bytes, len, "\x08_PXM\x0c", 6) + 6, 4),
                         device->node);
    else
        assert_null(memmem(bytes, len, "_PXM", 4));

    resource = find(bytes, len, "\x08_CRS\x11", 6) + 6;
    assert_int_equal(resource + package(resource) - bytes, len);
    assert_memory_equal(resource + 2, "\x0a\x30\x8a\x2b\0\0\x0c\x03", 8);
    assert_int_equal(number(resource + 10, 8), 0);
    assert_int_equal(number(resource + 18, 8), device->addr);
    assert_int_equal(number(resource + 26, 8), device->addr + device->size - 1);
    assert_int_equal(number(resource + 34, 8), 0);
    assert_int_equal(number(resource + 42, 8), device->size);
    assert_memory_equal(resource + 50, "\x79\0", 2);
    return len;
}

static void check_table(const struct acpi_memory *devices, unsigned nr)
{
    uint8_t table[ACPI_MEMORY_TABLE_MAX], sum = 0;
    size_t len = acpi_memory_table(devices, nr, table), at;

    assert_memory_equal(table, "SSDT", 4);
    assert_int_equal(number(table + 4, 4), len);
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + table[i]);
    assert_int_equal(sum, 0);
    assert_int_equal(table[HEADER], 0x10);
    assert_int_equal(HEADER + 1 + package(table + HEADER + 1), len);
    assert_memory_equal(table + HEADER + 3, "\\_SB_", 5);
    at = HEADER + 8;
    for (unsigned i = 0; i < nr; i++)
        at += check_device(table + at, i, &devices[i]);
    assert_int_equal(at, len);
}

static void the_table_has_each_device_with_its_range(void **state)
{
    struct acpi_memory devices[ACPI_MEMORY_MAX];

    (void)state;
    for (unsigned i = 0; i < ACPI_MEMORY_MAX; i++)
        devices[i] = (struct acpi_memory){
            .addr = (8 + 3 * i) * GIB,
            .size = (i + 1) * (GIB / 8),
            .node = i % 3 ? 0 : i,
        };
    for (unsigned nr = 0; nr <= ACPI_MEMORY_MAX; nr++)
        check_table(devices, nr);
    devices[0].addr = (UINT64_C(1) << 52) - GIB;
    devices[0].size = GIB;
    devices[0].node = 65535;
    check_table(devices, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_each_device_with_its_range),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
