/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_SAVEFILE_H
#define TOOL_SAVEFILE_H

/*
 * Where the state of a device model is in a file: all of it, or one record of
 * what xl saved.  xl: tools/xl/xl.h, struct save_file_header; around the state
 * docs/specs/libxl-migration-stream.pandoc, revision 2, and for the memory
 * docs/specs/libxc-migration-stream.pandoc, revisions 2 and 3, of Xen.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

struct savefile {
    bool libxl;  /* false: a device model's state and nothing else */
    bool memory; /* the headers of the memory were read: */
    uint32_t libxc_version;
    bool hvm;
    uint32_t xen_major, xen_minor; /* of the host that saved it */
    uint64_t pages;  /* sent, some more than once if it was live */
    uint64_t length; /* bytes of all of it, once it is read */

    char *config; /* libxl's, JSON with a final zero; NULL: none */

    int state_fd; /* a copy of the state, at its start; -1: none */
    uint64_t state_offset, state_length;
};

/*
 * Read source to the end of what it holds.  savefile_fini in any case; after a
 * failure out has what was found until then.
 * -EBADMSG: damaged, or no such file.  -ENOTSUP: of another version.
 * -EFBIG: the state is longer than xen_migrate_inspect reads.  -ENOMEM, …
 */
int savefile_read(struct source *source, struct savefile *out);
void savefile_fini(struct savefile *savefile);

#endif
