/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_FORMAT_H
#define DM_BLOCK_FORMAT_H

/*
 * Formats that are not raw, told by the bytes they begin with.  What an image
 * begins with is the guest's to write: it never decides how the image is read.
 * An image that was called raw is raw, with a warning; one of which nobody said
 * what it is, is refused when it does not look raw.
 */

struct image_want;

/* 0, or -EINVAL after a line in the log; what cannot be read looks raw. */
int format_check(const struct image_want *want, int fd);

#endif
