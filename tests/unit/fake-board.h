/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAKE_BOARD_H
#define TESTS_FAKE_BOARD_H

/*
 * What devices plug into: the real bus and PCI, with interrupt lines, power,
 * Xen and guest-visible blocks that only remember.  One board at a time.
 */

#include "dm/bus.h"
#include "dm/machine.h"
#include "dm/xen.h"

#include "xenram/ram.h"

struct xen_ram_block {
    const char *idstr;
    uint64_t gfn;
    unsigned moves;
};

struct board {
    struct options options;
    struct machine machine;
    uint64_t low_ram;

    bool isa[MACHINE_ISA_LINES];
    unsigned isa_edges[MACHINE_ISA_LINES]; /* how often it went up */
    bool intx[256];                        /* by devfn */
    unsigned link[4];
    bool claimed_pci[256];
    unsigned claims; /* ranges that Xen would send us now */
    bool rom_locked;
    uint64_t rom_first_gfn;
    uint32_t rom_nr;
    unsigned reboots, poweroffs, sleeps;
    unsigned msis; /* the last one: */
    uint64_t msi_address;
    uint32_t msi_data;

    int fail_msi, fail_claim, fail_claim_pci, fail_relocate, fail_rom_lock,
        fail_sleep, fail_alloc;

    struct xen_ram_block block; /* the only one, of private memory */
    uint8_t memory[4096];

    unsigned guest_lines; /* log_guest calls */
    char last_line[256];
};

extern struct board board;

void board_begin(void);
void board_end(void);

/* A device of the board's machine, made and reset as at power-on. */
struct device *board_add(const struct device_ops *ops, uint32_t instance);
/* The same, made for a state that is to come. */
struct device *board_add_blank(const struct device_ops *ops, uint32_t instance);
void board_remove(struct device *device);

/*
 * What a save and a load of a device do: its fields travel, each within its
 * range, then checks, then restored.  Returns what a check gave.
 */
int board_transfer(const struct device *from, struct device *to);

uint32_t in(uint16_t port, unsigned size);
void out(uint16_t port, unsigned size, uint32_t value);
uint32_t config_in(uint8_t devfn, unsigned offset, unsigned size);
void config_out(uint8_t devfn, unsigned offset, unsigned size, uint32_t value);

/* A guest gone mad: any size, port and value within [first, first + nr). */
void board_shake(uint16_t first, unsigned nr, unsigned rounds);

#endif
