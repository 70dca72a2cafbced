/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/msix.h"

#include <assert.h>
#include <string.h>

#include "dm/bus.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/pci.h"
#include "dm/xen.h"

#define CAPABILITY_ID 0x11
#define CAPABILITY_LEN 12
#define CONTROL 2 /* offset into the capability; low byte: vectors - 1 */
#define CONTROL_HIGH_ENABLE 0x80
#define CONTROL_HIGH_MASK 0x40
#define TABLE 4
#define PENDING 8
#define PENDING_OFFSET 0x800 /* into the BAR */

/* Offsets into an entry. */
#define ENTRY_DATA 8
#define ENTRY_CONTROL 12
#define ENTRY_MASK 0x01

static uint32_t get32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint8_t control(const struct msix *msix)
{
    return msix->function->config[msix->offset + CONTROL + 1];
}

bool msix_enabled(const struct msix *msix)
{
    return control(msix) & CONTROL_HIGH_ENABLE;
}

/* ---- messages ---- */

/*
 * A guest that gets its interrupts by event channels masks them there, and
 * leaves the entry masked as it found it.
 */
static bool by_event_channel(uint64_t address, uint32_t data)
{
    uint32_t pirq =
        (uint32_t)(address >> 32 & 0xffffff00) | (address >> 12 & 0xff);

    return (data & 0xff) == 0 && pirq != 0;
}

static void deliver(struct msix *msix, unsigned vector)
{
    const uint8_t *entry = msix->table + vector * MSIX_ENTRY;
    uint64_t address = get32(entry) | (uint64_t)get32(entry + 4) << 32;
    uint32_t data = get32(entry + ENTRY_DATA);
    bool masked =
        control(msix) & CONTROL_HIGH_MASK || entry[ENTRY_CONTROL] & ENTRY_MASK;
    int ret;

    if (masked && !by_event_channel(address, data)) {
        msix->pending |= (uint8_t)(1u << vector);
        return;
    }
    msix->pending &= (uint8_t) ~(1u << vector);
    ret = xen_msi(msix->function->machine->xen, address, data);
    if (ret)
        log_guest("%s: message %#llx at %#llx not sent: %s",
                  msix->function->name, (unsigned long long)data,
                  (unsigned long long)address, strerror(-ret));
}

void msix_notify(struct msix *msix, unsigned vector)
{
    if (vector < msix->nr && msix_enabled(msix))
        deliver(msix, vector);
}

/* A mask may have gone. */
static void deliver_pending(struct msix *msix)
{
    for (unsigned i = 0; i < msix->nr; i++)
        if (msix->pending & 1u << i)
            msix_notify(msix, i);
}

void msix_written(struct msix *msix)
{
    deliver_pending(msix);
}

/* ---- the BAR ---- */

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct msix *msix = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        uint64_t at = offset + i;
        uint64_t byte = 0;

        if (at < msix->nr * MSIX_ENTRY)
            byte = msix->table[at];
        else if (at == PENDING_OFFSET)
            byte = msix->pending;
        value |= byte << 8 * i;
    }
    return value;
}

/* Drivers write four or eight bytes, aligned; the rest is undefined. */
static void bar_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct msix *msix = opaque;
    uint8_t *entry;

    if (size < 4 || offset % size || offset >= msix->nr * MSIX_ENTRY)
        return;
    for (unsigned i = 0; i < size; i++)
        msix->table[offset + i] = (uint8_t)(value >> 8 * i);
    entry = msix->table + offset / MSIX_ENTRY * MSIX_ENTRY;
    entry[ENTRY_CONTROL] &= ENTRY_MASK;
    memset(entry + ENTRY_CONTROL + 1, 0, 3);
    deliver_pending(msix);
}

static const struct bus_ops bar_ops = {
    .read = bar_read,
    .write = bar_write,
};

/* ---- life ---- */

void msix_init(struct msix *msix, struct pci_function *function, unsigned bar,
               unsigned nr)
{
    uint8_t bytes[CAPABILITY_LEN] = {
        [0] = CAPABILITY_ID,
        [CONTROL] = (uint8_t)(nr - 1),
        [TABLE] = (uint8_t)bar,
        [PENDING] = (uint8_t)bar,
        [PENDING + 1] = PENDING_OFFSET >> 8,
    };

    assert(nr >= 1 && nr <= MSIX_MAX);
    *msix = (struct msix){.function = function, .nr = nr};
    msix->offset = pci_add_capability(function, bytes, sizeof(bytes));
    function->write_mask[msix->offset + CONTROL + 1] =
        CONTROL_HIGH_ENABLE | CONTROL_HIGH_MASK;
    function->bars[bar] = (struct pci_bar){
        .kind = PCI_BAR_MEM,
        .size = MSIX_BAR_SIZE,
        .ops = &bar_ops,
        .opaque = msix,
    };
    msix_reset(msix);
}

void msix_reset(struct msix *msix)
{
    memset(msix->table, 0, sizeof(msix->table));
    for (unsigned i = 0; i < MSIX_MAX; i++)
        msix->table[i * MSIX_ENTRY + ENTRY_CONTROL] = ENTRY_MASK;
    msix->pending = 0;
}
