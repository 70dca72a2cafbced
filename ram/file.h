/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RAM_FILE_H
#define RAM_FILE_H

/* A file as the memory of a block. */

#include <stdbool.h>
#include <stdint.h>

#define FILE_REASON_MAX 160

struct ram_file {
    char *path; /* NULL: no file */
    int fd;     /* -1 once it is mapped */
    uint64_t device, inode;
};

/*
 * Open path, which must be a regular file of exactly size bytes.  On failure
 * reason says what is wrong with it; file_close in any case.
 */
int file_open(struct ram_file *file, const char *path, uint64_t size,
              bool writable, char reason[FILE_REASON_MAX]);
void file_close(struct ram_file *file);
bool file_same(const struct ram_file *a, const struct ram_file *b);

/* length: whole pages; flags: enum xen_ram_flags.  Closes the descriptor. */
int file_map(struct ram_file *file, uint64_t length, unsigned flags,
             void **host, char reason[FILE_REASON_MAX]);
/* Undoes file_map and file_open. */
void file_unmap(struct ram_file *file, void *host, uint64_t length);

#endif
