/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_PRIVILEGE_H
#define DM_PRIVILEGE_H

/* Giving up rights: -chroot, -runas, -run-with, -xen-domid-restrict. */

struct options;
struct xen;

/*
 * Is the user of -runas there, and not root?  0, or -EINVAL after a line in the
 * log.  Early, so that a mistake does not show only after all else is open.
 */
int privilege_check(const struct options *options);

/*
 * Everything is open: keep to the domain, change root, become the user, without
 * capabilities.  xen may be NULL when restrict_domid is not set.  0, or -errno
 * after a line in the log; what was given up until then stays given up, so the
 * caller must end.
 */
int privilege_drop(const struct options *options, struct xen *xen);

#endif
