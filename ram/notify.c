/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ram/block.h"

void xen_ram_notifier_add(struct xen_ram *ram,
                          struct xen_ram_notifier *notifier)
{
    struct xen_ram_notifier **last = &ram->notifiers;

    while (*last)
        last = &(*last)->next;
    notifier->next = NULL;
    *last = notifier;
    if (notifier->added)
        for (struct xen_ram_block *b = ram->blocks; b; b = b->next)
            notifier->added(b, notifier->opaque);
}

void xen_ram_notifier_remove(struct xen_ram *ram,
                             struct xen_ram_notifier *notifier)
{
    struct xen_ram_notifier **at = &ram->notifiers;

    while (*at && *at != notifier)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = notifier->next;
    if (notifier->removed)
        for (struct xen_ram_block *b = ram->blocks; b; b = b->next)
            notifier->removed(b, notifier->opaque);
}

void ram_notify_added(struct xen_ram *ram, struct xen_ram_block *block)
{
    for (struct xen_ram_notifier *n = ram->notifiers; n; n = n->next)
        if (n->added)
            n->added(block, n->opaque);
}

void ram_notify_removed(struct xen_ram *ram, struct xen_ram_block *block)
{
    for (struct xen_ram_notifier *n = ram->notifiers; n; n = n->next)
        if (n->removed)
            n->removed(block, n->opaque);
}

/* To those before end; NULL: to all. */
static void abandon(struct xen_ram *ram, struct xen_ram_block *block,
                    uint64_t new_length, const struct xen_ram_notifier *end)
{
    for (struct xen_ram_notifier *n = ram->notifiers; n != end; n = n->next)
        if (n->abandoned)
            n->abandoned(block, new_length, n->opaque);
}

int ram_notify_prepare(struct xen_ram *ram, struct xen_ram_block *block,
                       uint64_t new_length, char reason[XEN_RAM_REASON_MAX])
{
    for (struct xen_ram_notifier *n = ram->notifiers; n; n = n->next) {
        int rc = 0;

        reason[0] = '\0';
        if (n->prepare_resize)
            rc = n->prepare_resize(block, new_length, reason, n->opaque);
        if (rc) {
            abandon(ram, block, new_length, n);
            return rc;
        }
    }
    return 0;
}

void ram_notify_abandoned(struct xen_ram *ram, struct xen_ram_block *block,
                          uint64_t new_length)
{
    abandon(ram, block, new_length, NULL);
}

void ram_notify_resized(struct xen_ram *ram, struct xen_ram_block *block,
                        uint64_t old_length, uint64_t new_length)
{
    for (struct xen_ram_notifier *n = ram->notifiers; n; n = n->next)
        if (n->resized)
            n->resized(block, old_length, new_length, n->opaque);
    if (block->resized)
        block->resized(block, old_length, new_length, block->opaque);
}
