/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_XL_FILE_H
#define TESTS_XL_FILE_H

/* A small file as xl save writes it, around a state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xl_file {
    uint8_t *bytes;
    size_t len;
    /* Where parts begin: headers of streams, records. */
    size_t libxl, libxc, domain, pages, emulator, end;
    size_t state;
};

#define XL_FILE_PAGES 2 /* that have bytes; a third is listed without */

/* state NULL: a guest without a device model.  Ends the test on failure. */
void xl_file_make(struct xl_file *file, const char *config, const void *state,
                  size_t state_len);
void xl_file_free(struct xl_file *file);

/* Put a record at the end: of libxl and of libxc, they look the same. */
void xl_file_add(struct xl_file *file, uint32_t type, const void *body,
                 size_t len);
void xl_file_add_bytes(struct xl_file *file, const void *bytes, size_t len);
void xl_file_add_le32(struct xl_file *file, uint32_t value);
void xl_file_add_be32(struct xl_file *file, uint32_t value);

#endif
