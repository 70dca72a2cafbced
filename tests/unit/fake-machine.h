/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAKE_MACHINE_H
#define TESTS_FAKE_MACHINE_H

/*
 * A machine without a guest: what the QMP server calls is counted, and fails
 * when told to.
 */

#include "dm/machine.h"

struct fake_machine {
    struct machine machine;
    unsigned conts, stops, saves, wakes, reboots, dirty_on, dirty_off;
    int stop_fails, save_fails, wake_fails, log_fails; /* -errno to return */
    bool saved_live;
    size_t save_bytes;  /* what a save writes */
    uint64_t misses;    /* of the map cache */
    uint64_t requested; /* of the virtio-mem device vm0; odd is refused */
};

/* One machine at a time; it belongs to the caller's test. */
extern struct fake_machine fake;

void fake_machine_reset(void);

#endif
