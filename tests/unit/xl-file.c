/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/xl-file.h"

#include <stdlib.h>
#include <string.h>

void xl_file_add_bytes(struct xl_file *file, const void *bytes, size_t len)
{
    file->bytes = realloc(file->bytes, file->len + len + 1);
    if (!file->bytes)
        abort();
    if (len > 0)
        memcpy(file->bytes + file->len, bytes, len);
    file->len += len;
}

void xl_file_add_le32(struct xl_file *file, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8),
                             (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    xl_file_add_bytes(file, bytes, sizeof(bytes));
}

void xl_file_add_be32(struct xl_file *file, uint32_t value)
{
    xl_file_add_le32(file, __builtin_bswap32(value));
}

void xl_file_add(struct xl_file *file, uint32_t type, const void *body,
                 size_t len)
{
    static const uint8_t padding[8];

    xl_file_add_le32(file, type);
    xl_file_add_le32(file, (uint32_t)len);
    xl_file_add_bytes(file, body, len);
    xl_file_add_bytes(file, padding, -len % 8);
}

static void add_pages(struct xl_file *file)
{
    static uint8_t pages[8 + 3 * 8 + XL_FILE_PAGES * 4096];

    pages[0] = 3;
    pages[8 + 8] = 1;
    pages[8 + 2 * 8] = 2;
    pages[8 + 2 * 8 + 7] = 0xf0; /* has no bytes */
    memset(pages + 8 + 3 * 8, 0x5a, XL_FILE_PAGES * 4096);
    file->pages = file->len;
    xl_file_add(file, 1, pages, sizeof(pages));
}

static void add_libxc(struct xl_file *file, bool hvm)
{
    static const uint8_t context[20] = {1};

    file->libxc = file->len;
    xl_file_add_be32(file, UINT32_MAX);
    xl_file_add_be32(file, UINT32_MAX);
    xl_file_add_bytes(file, "XENF", 4);
    xl_file_add_be32(file, 3);
    xl_file_add_be32(file, 0);
    xl_file_add_be32(file, 0);
    file->domain = file->len;
    xl_file_add_le32(file, hvm ? 2 : 1);
    xl_file_add_le32(file, 12);
    xl_file_add_le32(file, 4);
    xl_file_add_le32(file, 20);
    xl_file_add(file, 0x10, NULL, 0);
    add_pages(file);
    xl_file_add(file, 9, context, sizeof(context));
    xl_file_add(file, 0, NULL, 0);
}

static void add_state(struct xl_file *file, const void *state, size_t len)
{
    uint8_t *body = calloc(1, 8 + len);

    if (!body)
        abort();
    body[0] = 2; /* QEMU upstream */
    memcpy(body + 8, state, len);
    file->emulator = file->len;
    file->state = file->len + 16;
    xl_file_add(file, 3, body, 8 + len);
    free(body);
}

void xl_file_make(struct xl_file *file, const char *config, const void *state,
                  size_t state_len)
{
    size_t len = config ? strlen(config) : 0;

    *file = (struct xl_file){0};
    xl_file_add_bytes(file, "Xen saved domain, xl format\n \0 \r", 32);
    xl_file_add_le32(file, 0x01020304);
    xl_file_add_le32(file, 3);
    xl_file_add_le32(file, 0);
    xl_file_add_le32(file, config ? (uint32_t)len + 4 : 0);
    if (config) {
        xl_file_add_le32(file, (uint32_t)len);
        xl_file_add_bytes(file, config, len);
    }
    file->libxl = file->len;
    xl_file_add_bytes(file, "LibxlFmt", 8);
    xl_file_add_be32(file, 2);
    xl_file_add_be32(file, 0);
    xl_file_add(file, 1, NULL, 0);
    add_libxc(file, state != NULL);
    if (state)
        add_state(file, state, state_len);
    file->end = file->len;
    xl_file_add(file, 0, NULL, 0);
}

void xl_file_free(struct xl_file *file)
{
    free(file->bytes);
    *file = (struct xl_file){0};
}
