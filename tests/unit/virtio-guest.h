/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_VIRTIO_GUEST_H
#define TESTS_VIRTIO_GUEST_H

/*
 * A machine on fakexen with virtio devices, and the driver of one of them.  The
 * guest's accesses go straight to the buses; its memory is fakexen's.
 */

#include <uv.h>

#include "dm/machine.h"

#define GUEST_DOMID guest.options.domid
#define GUEST_MIB 16u

struct virtio_guest {
    struct options options;
    struct machine machine;
    uv_loop_t loop;
};
extern struct virtio_guest guest;

/* Before: options.virtio_mems.  Makes what they say, runs.  room: MiB. */
void guest_begin(unsigned room);
void guest_end(void);
/*
 * Stops the machine and saves its state into a file; then a new domain gets the
 * guest's memory, and a machine that guest_load fills.  Options may be changed
 * in between.
 */
int guest_save(void);
void guest_begin_loading(void);
/* As machine_load; the machine runs when it succeeds.  Closes fd. */
int guest_load(int fd, char error[XEN_MIGRATE_ERROR_MAX]);

/* Turns of the event loop until nothing is to be done at once. */
void guest_turns(void);

/* ---- a driver --------------------------------------------------------- */

#define DRIVER_SIZE 8 /* entries of its queue */

struct driver {
    uint8_t devfn;
    uint64_t bar0, bar1;
    uint64_t desc, avail, used;
    uint16_t next, seen; /* of the rings */
};

/* virtio 1.2, 4.1.4.3, and what else is in BAR 0. */
#define REG_DEVICE_SELECT 0x00
#define REG_DEVICE_FEATURES 0x04
#define REG_DRIVER_SELECT 0x08
#define REG_DRIVER_FEATURES 0x0c
#define REG_CONFIG_VECTOR 0x10
#define REG_NR_QUEUES 0x12
#define REG_STATUS 0x14
#define REG_GENERATION 0x15
#define REG_QUEUE_SELECT 0x16
#define REG_QUEUE_SIZE 0x18
#define REG_QUEUE_VECTOR 0x1a
#define REG_QUEUE_ENABLE 0x1c
#define REG_QUEUE_DESC 0x20
#define REG_QUEUE_AVAIL 0x28
#define REG_QUEUE_USED 0x30
#define REG_ISR 0x1000
#define REG_CONFIG 0x2000
#define REG_NOTIFY 0x3000

#define STATUS_ACKNOWLEDGE 0x01
#define STATUS_DRIVER 0x02
#define STATUS_DRIVER_OK 0x04
#define STATUS_FEATURES_OK 0x08
#define STATUS_NEEDS_RESET 0x40

#define FEATURE_VERSION_1 (UINT64_C(1) << 32)

uint64_t reg_read(const struct driver *driver, unsigned reg, unsigned size);
void reg_write(const struct driver *driver, unsigned reg, unsigned size,
               uint64_t value);

/* Finds the function, places its BARs. */
void driver_probe(struct driver *driver, uint8_t devfn);
/* Reset, features, queue, DRIVER_OK.  Returns the status. */
uint8_t driver_start(struct driver *driver, uint64_t features);
void driver_features(const struct driver *driver, uint64_t features);
uint8_t driver_status(const struct driver *driver);
bool driver_broken(const struct driver *driver);

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

void driver_desc(const struct driver *driver, unsigned index, uint64_t gpa,
                 uint32_t len, uint16_t flags, uint16_t next);
/* Makes the chain available; notify tells the device. */
void driver_offer(struct driver *driver, uint16_t head);
void driver_notify(const struct driver *driver);
/* Chains that came back since the last look; length of the last one. */
unsigned driver_returned(struct driver *driver, uint32_t *len);

/*
 * A request of out_len bytes, answered by in_len: true when it came back.
 * in is cleared before.
 */
bool driver_ask(struct driver *driver, const void *out, unsigned out_len,
                void *in, unsigned in_len);

#endif
