/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block-names.h"

const struct block_attribute block_attributes[] = {
    {XEN_RAM_RESIZEABLE, "resizeable", "resizeable"},
    {XEN_RAM_ROM, "rom", "rom"},
    {XEN_RAM_COPY, "copy-on-write", "copy"},
    {XEN_RAM_DONTFORK, "dont-fork", "dontfork"},
    {XEN_RAM_DONTDUMP, "dont-dump", "dontdump"},
    {XEN_RAM_HUGE, "huge", "huge"},
    {XEN_RAM_WRITEBACK, "write-back", "writeback"},
    {XEN_RAM_TRACKED, "tracked", "tracked"},
    {XEN_RAM_SPARSE, "sparse", "sparse"},
    {0},
};

const char *block_kind(const struct xen_ram_block *block)
{
    static const char *const kinds[] = {
        [XEN_RAM_GUEST] = "guest",
        [XEN_RAM_VISIBLE] = "visible",
        [XEN_RAM_PRIVATE] = "private",
        [XEN_RAM_FILE] = "file",
    };

    return kinds[xen_ram_get_kind(block)];
}
