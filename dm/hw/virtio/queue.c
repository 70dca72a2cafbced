/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/hw/virtio/queue.h"

#include <errno.h>
#include <stdatomic.h>

#include "dm/machine.h"
#include "dm/hw/virtio/le.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

/* virtio 1.2, 2.7.5 */
#define DESC_SIZE 16
#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

/* 2.7.6 and 2.7.8: flags and idx of two bytes each, then the ring. */
#define RING_IDX 2
#define RING_FIRST 4
#define AVAIL_ENTRY 2
#define AVAIL_NO_INTERRUPT 1
#define USED_ENTRY 8

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EBADMSG;
}

static int fetch(struct machine *machine, uint64_t gpa, void *buf, size_t len,
                 const char **why)
{
    int ret = xen_mapcache_read(machine->cache, gpa, buf, len, NULL);

    if (ret)
        *why = "memory of the driver cannot be read";
    return ret;
}

static int store(struct machine *machine, uint64_t gpa, const void *buf,
                 size_t len, const char **why)
{
    int ret = xen_ram_guest_write(machine->ram, gpa, buf, len);

    if (ret)
        *why = "memory of the driver cannot be written";
    return ret;
}

static int fetch16(struct machine *machine, uint64_t gpa, uint16_t *out,
                   const char **why)
{
    uint8_t bytes[2];
    int ret = fetch(machine, gpa, bytes, sizeof(bytes), why);

    if (ret == 0)
        *out = (uint16_t)le_get(bytes, 2);
    return ret;
}

/* ---- chains ---- */

/*
 * A chain has at most as many pieces as the table has entries, or it comes back
 * to one of them.
 */
static int walk(const struct virtio_queue *queue, struct machine *machine,
                struct virtio_chain *chain, const char **why)
{
    uint16_t index = chain->head, flags;

    chain->nr = 0;
    chain->nr_out = 0;
    do {
        uint8_t desc[DESC_SIZE];
        struct virtio_piece *piece = &chain->pieces[chain->nr];
        int ret;

        if (index >= queue->size)
            return broken(why, "a descriptor lies outside of its table");
        if (chain->nr == queue->size)
            return broken(why, "a chain of descriptors has no end");
        ret = fetch(machine, queue->desc + (uint64_t)index * DESC_SIZE, desc,
                    sizeof(desc), why);
        if (ret)
            return ret;
        piece->gpa = le_get(desc, 8);
        piece->len = (uint32_t)le_get(desc + 8, 4);
        flags = (uint16_t)le_get(desc + 12, 2);
        index = (uint16_t)le_get(desc + 14, 2);
        if (flags & DESC_INDIRECT)
            return broken(why, "an indirect descriptor was not agreed on");
        if (!(flags & DESC_WRITE) && chain->nr_out != chain->nr)
            return broken(why, "a piece to read follows one to write");
        chain->nr++;
        if (!(flags & DESC_WRITE))
            chain->nr_out++;
    } while (flags & DESC_NEXT);
    return 0;
}

int virtio_chain_read(const struct virtio_chain *chain, struct machine *machine,
                      void *buf, size_t len, const char **why)
{
    uint8_t *to = buf;

    for (unsigned i = 0; i < chain->nr_out && len > 0; i++) {
        const struct virtio_piece *piece = &chain->pieces[i];
        size_t n = piece->len < len ? piece->len : len;
        int ret = n > 0 ? fetch(machine, piece->gpa, to, n, why) : 0;

        if (ret)
            return ret;
        to += n;
        len -= n;
    }
    return len == 0 ? 0 : broken(why, "a request is too short");
}

int virtio_chain_write(const struct virtio_chain *chain,
                       struct machine *machine, const void *buf, size_t len,
                       const char **why)
{
    const uint8_t *from = buf;

    for (unsigned i = chain->nr_out; i < chain->nr && len > 0; i++) {
        const struct virtio_piece *piece = &chain->pieces[i];
        size_t n = piece->len < len ? piece->len : len;
        int ret = n > 0 ? store(machine, piece->gpa, from, n, why) : 0;

        if (ret)
            return ret;
        from += n;
        len -= n;
    }
    return len == 0 ? 0 : broken(why, "there is no room for a response");
}

/* ---- rings ---- */

int virtio_queue_check(const struct virtio_queue *queue, const char **why)
{
    if (queue->size == 0 || queue->size > VIRTIO_QUEUE_MAX ||
        queue->size & (queue->size - 1))
        return broken(why, "the size of a queue is no power of two");
    if (queue->desc % DESC_SIZE || queue->avail % 2 || queue->used % 4)
        return broken(why, "a part of a queue is not aligned");
    return 0;
}

int virtio_queue_pop(struct virtio_queue *queue, struct machine *machine,
                     struct virtio_chain *chain, const char **why)
{
    uint16_t index, waiting;
    unsigned slot = queue->next_avail % queue->size;
    int ret = fetch16(machine, queue->avail + RING_IDX, &index, why);

    if (ret)
        return ret;
    waiting = (uint16_t)(index - queue->next_avail);
    if (waiting == 0)
        return -EAGAIN;
    if (waiting > queue->size)
        return broken(why, "more chains are available than there can be");
    /* The index before the entries that it speaks of. */
    atomic_thread_fence(memory_order_acquire);
    ret = fetch16(machine, queue->avail + RING_FIRST + slot * AVAIL_ENTRY,
                  &chain->head, why);
    if (ret == 0)
        ret = walk(queue, machine, chain, why);
    if (ret == 0)
        queue->next_avail++;
    return ret;
}

int virtio_queue_push(struct virtio_queue *queue, struct machine *machine,
                      uint16_t head, uint32_t written, bool *interrupt,
                      const char **why)
{
    unsigned slot = queue->next_used % queue->size;
    uint8_t entry[USED_ENTRY], idx[2];
    uint16_t flags;
    int ret;

    le_put(entry, head, 4);
    le_put(entry + 4, written, 4);
    ret = store(machine, queue->used + RING_FIRST + slot * USED_ENTRY, entry,
                sizeof(entry), why);
    if (ret)
        return ret;
    le_put(idx, queue->next_used + 1u, 2);
    /* The entry before the index that tells of it. */
    atomic_thread_fence(memory_order_release);
    ret = store(machine, queue->used + RING_IDX, idx, sizeof(idx), why);
    if (ret)
        return ret;
    queue->next_used++;
    /* The index before the flags: who clears them looks at the index again. */
    atomic_thread_fence(memory_order_seq_cst);
    ret = fetch16(machine, queue->avail, &flags, why);
    if (ret == 0)
        *interrupt = !(flags & AVAIL_NO_INTERRUPT);
    return ret;
}
