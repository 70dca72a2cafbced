/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MEMORY_INFO_H
#define DM_MEMORY_INFO_H

/* What is told about memory devices, in QEMU's words, by QMP and its monitor.
 */

#include <stdint.h>
#include <stdio.h>

#include "dm/options.h"
#include "xenram/memory-device.h"

struct machine;

#define MEMORY_PATH_MAX (OPTIONS_ID_MAX + 16)

/* "dimm", "virtio-mem" */
const char *memory_kind_name(enum xen_memory_kind kind);
/* Path of a backend, as QEMU's object tree has it. */
void memory_backend_path(const char *memdev, char path[MEMORY_PATH_MAX]);

/* Bytes of RAM, and of memory devices that the guest has now. */
uint64_t memory_base_size(const struct machine *machine);
uint64_t memory_plugged_size(const struct machine *machine);

/* "info memory-devices" and "info memory_size_summary" */
void memory_print_devices(FILE *out, const struct machine *machine);
void memory_print_size(FILE *out, const struct machine *machine);

#endif
