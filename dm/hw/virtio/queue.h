/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_HW_VIRTIO_QUEUE_H
#define DM_HW_VIRTIO_QUEUE_H

/*
 * A split virtqueue in guest memory, virtio 1.2, section 2.7, without indirect
 * descriptors and without event indices.
 *
 * A driver owns three areas: the descriptor table, where each entry tells of a
 * piece of its memory and maybe of a next one; the available ring, where it
 * puts heads of chains for the device; the used ring, where the device gives
 * them back.  Indices of the rings run freely and wrap at 2^16.
 *
 *      driver: table, then avail.ring[idx % size], then avail.idx + 1
 *      device: used.ring[idx % size], then used.idx + 1
 *
 * The driver may write to all of it at any time.  What is read is copied once,
 * and the copy is checked and used; nothing is laid over its memory.
 *
 * Functions return 0 or -errno: -EBADMSG when the driver broke a rule, with
 * *why the rule (static), or what the access to its memory gave.  Whatever it
 * is, the queue is of no use until it is set up anew.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

#define VIRTIO_QUEUE_MAX 128 /* entries */

struct virtio_queue {
    uint64_t desc, avail, used; /* guest physical addresses */
    uint16_t size;              /* a power of two */
    uint16_t vector;
    uint16_t next_avail, next_used;
    bool enabled;
};

struct virtio_piece {
    uint64_t gpa;
    uint32_t len;
};

/* The first nr_out pieces are for the device to read, the others to write. */
struct virtio_chain {
    uint16_t head;
    unsigned nr, nr_out;
    struct virtio_piece pieces[VIRTIO_QUEUE_MAX];
};

/* Can a device work with what the driver set up?  -EBADMSG. */
int virtio_queue_check(const struct virtio_queue *queue, const char **why);

/* The next chain; -EAGAIN: none waits. */
int virtio_queue_pop(struct virtio_queue *queue, struct machine *machine,
                     struct virtio_chain *chain, const char **why);

/*
 * Give the chain with this head back, with written bytes in it.  *interrupt:
 * the driver wants to know.
 */
int virtio_queue_push(struct virtio_queue *queue, struct machine *machine,
                      uint16_t head, uint32_t written, bool *interrupt,
                      const char **why);

/*
 * Copy len bytes out of the pieces to read, from the first on, or into those to
 * write.  -EBADMSG: they are shorter.
 */
int virtio_chain_read(const struct virtio_chain *chain, struct machine *machine,
                      void *buf, size_t len, const char **why);
int virtio_chain_write(const struct virtio_chain *chain,
                       struct machine *machine, const void *buf, size_t len,
                       const char **why);

#endif
