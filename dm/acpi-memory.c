/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/acpi-memory.h"

#include <assert.h>
#include <string.h>

/* ACPI 6.4, 20.3: AML byte stream encoding. */
#define AML_NAME 0x08
#define AML_BYTE 0x0a
#define AML_DWORD 0x0c
#define AML_SCOPE 0x10
#define AML_BUFFER 0x11
#define AML_EXT 0x5b
#define AML_EXT_DEVICE 0x82

#define HEADER_LENGTH 4 /* offsets into the table's header */
#define HEADER_CHECKSUM 9

struct table {
    uint8_t *bytes;
    size_t len;
};

static void put(struct table *table, const void *bytes, size_t len)
{
    assert(len <= ACPI_MEMORY_TABLE_MAX - table->len);
    memcpy(table->bytes + table->len, bytes, len);
    table->len += len;
}

static void put_byte(struct table *table, unsigned byte)
{
    put(table, &(uint8_t){(uint8_t)byte}, 1);
}

static void put_number(struct table *table, uint64_t number, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        put_byte(table, (unsigned)(number >> (8 * i)) & 0xff);
}

/* A package's length counts from here on; two bytes hold 4095. */
static size_t begin(struct table *table)
{
    put_number(table, 0, 2);
    return table->len - 2;
}

static void end(struct table *table, size_t start)
{
    size_t len = table->len - start;

    table->bytes[start] = (uint8_t)(0x40 | (len & 0xf));
    table->bytes[start + 1] = (uint8_t)(len >> 4);
}

static void put_name(struct table *table, const char name[4])
{
    put_byte(table, AML_NAME);
    put(table, name, 4);
}

static void put_resources(struct table *table, const struct acpi_memory *device)
{
    size_t start;

    put_name(table, "_CRS");
    put_byte(table, AML_BUFFER);
    start = begin(table);
    put_byte(table, AML_BYTE);
    put_byte(table, 3 + 43 + 2);
    /* QWord address space: memory; both ends fixed; cacheable, writable. */
    put_byte(table, 0x8a);
    put_number(table, 43, 2);
    put_byte(table, 0);
    put_byte(table, 0x0c);
    put_byte(table, 0x03);
    put_number(table, 0, 8);
    put_number(table, device->addr, 8);
    put_number(table, device->addr + (device->size - 1), 8);
    put_number(table, 0, 8);
    put_number(table, device->size, 8);
    put(table, "\x79\0", 2);
    end(table, start);
}

static void put_device(struct table *table, const struct acpi_memory *device,
                       unsigned index)
{
    const char digits[] = "0123456789ABCDEF";
    size_t start;

    put_byte(table, AML_EXT);
    put_byte(table, AML_EXT_DEVICE);
    start = begin(table);
    put(table, "XRM", 3);
    put_byte(table, (unsigned char)digits[index]);
    put_name(table, "_HID");
    put_byte(table, AML_DWORD);
    put(table, "\x41\xd0\x0c\x80", 4); /* EISAID("PNP0C80") */
    put_name(table, "_UID");
    put_byte(table, AML_BYTE);
    put_byte(table, index);
    /* Present, enabled, shown, working: Linux asks before it takes one. */
    put_name(table, "_STA");
    put_byte(table, AML_BYTE);
    put_byte(table, 0x0f);
    if (device->node) {
        put_name(table, "_PXM");
        put_byte(table, AML_DWORD);
        put_number(table, device->node, 4);
    }
    put_resources(table, device);
    end(table, start);
}

size_t acpi_memory_table(const struct acpi_memory *devices, unsigned nr,
                         uint8_t bytes[ACPI_MEMORY_TABLE_MAX])
{
    struct table table = {.bytes = bytes};
    uint8_t sum = 0;
    size_t scope;

    assert(nr <= ACPI_MEMORY_MAX);
    put(&table, "SSDT\0\0\0\0\2\0XENRAMMEMORY  ", 24);
    put_number(&table, 1, 4);
    put(&table, "XNRM", 4);
    put_number(&table, 1, 4);
    put_byte(&table, AML_SCOPE);
    scope = begin(&table);
    put(&table, "\\_SB_", 5);
    for (unsigned i = 0; i < nr; i++)
        put_device(&table, &devices[i], i);
    end(&table, scope);

    for (unsigned i = 0; i < 4; i++)
        bytes[HEADER_LENGTH + i] = (uint8_t)(table.len >> (8 * i));
    for (size_t i = 0; i < table.len; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[HEADER_CHECKSUM] = (uint8_t)-sum;
    return table.len;
}
