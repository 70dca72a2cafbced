/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_PLUG_H
#define TOOL_PLUG_H

#include <stdint.h>

/*
 * Ask the guest whose device model answers at path (QMP) to have bytes of its
 * virtio-mem devices, in all, and wait for it as long as it goes on; patience
 * is how many seconds it may do nothing.  name is for messages.
 * -ENODEV:    it has no such device.
 * -E2BIG:     they are not that large.
 * -EINVAL:    no multiple of a device's blocks.
 * -ETIMEDOUT: the guest has not followed; what is asked for stays so.
 * other:      as qmp_command.
 */
int plug_guest(const char *name, const char *path, uint64_t bytes,
               unsigned patience);

#endif
