/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * Requests to a disk whose image is in the page cache, so many in flight at a
 * time, beside the system call alone on this thread.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dm/block/disk.h"

#include "tests/bench/bench.h"

#define IMAGE (UINT64_C(64) << 20)
#define MOST_DEPTH 32u
#define MOST_BYTES (1u << 20)

struct setting {
    uv_loop_t loop;
    struct disk *disk;
    int fd;
    enum disk_op op;
    size_t bytes;
    unsigned depth, nr, left, in_flight;
    uint32_t seed;
    struct disk_request requests[MOST_DEPTH];
    struct iovec iov[MOST_DEPTH];
    char *buffer; /* of MOST_BYTES; all use it */
};

static uint64_t any_offset(struct setting *s)
{
    s->seed ^= s->seed << 13;
    s->seed ^= s->seed >> 17;
    s->seed ^= s->seed << 5;
    return s->seed % (IMAGE / s->bytes) * s->bytes;
}

static void submit(struct setting *s, struct disk_request *request);

static void ended(struct disk_request *request, int error)
{
    struct setting *s = request->opaque;

    if (error)
        bench_die("a request failed");
    s->in_flight--;
    if (s->left)
        submit(s, request);
}

static void submit(struct setting *s, struct disk_request *request)
{
    struct iovec *iov = &s->iov[request - s->requests];

    *iov = (struct iovec){s->buffer, s->bytes};
    *request = (struct disk_request){
        .op = s->op,
        .offset = any_offset(s),
        .length = s->bytes,
        .iov = iov,
        .nr_iov = 1,
        .done = ended,
        .opaque = s,
    };
    s->left--;
    s->in_flight++;
    disk_submit(s->disk, request);
}

static double requests(void *opaque)
{
    struct setting *s = opaque;
    double start = bench_now();

    s->left = s->nr;
    for (unsigned i = 0; i < s->depth; i++)
        submit(s, &s->requests[i]);
    while (s->in_flight)
        uv_run(&s->loop, UV_RUN_ONCE);
    return (bench_now() - start) / s->nr;
}

static double calls(void *opaque)
{
    struct setting *s = opaque;
    struct iovec iov = {s->buffer, s->bytes};
    double start = bench_now();

    for (unsigned i = 0; i < s->nr; i++) {
        off_t offset = (off_t)any_offset(s);
        ssize_t bytes = s->op == DISK_READ
                            ? preadv2(s->fd, &iov, 1, offset, 0)
                            : pwritev2(s->fd, &iov, 1, offset, 0);

        if (bytes != (ssize_t)s->bytes)
            bench_die("a call failed");
    }
    return (bench_now() - start) / s->nr;
}

static void fill(const struct setting *s)
{
    for (uint64_t offset = 0; offset < IMAGE; offset += MOST_BYTES)
        if (pwrite(s->fd, s->buffer, MOST_BYTES, (off_t)offset) !=
            (ssize_t)MOST_BYTES)
            bench_die("cannot fill the image");
}

void bench_disk(void)
{
    static const struct {
        const char *name, *limit;
        enum disk_op op;
        size_t bytes;
        unsigned depth, nr;
    } rows[] = {
        {"disk.read.4k.1", "preadv2", DISK_READ, 4096, 1, 4000},
        {"disk.read.4k.32", "preadv2", DISK_READ, 4096, 32, 4000},
        {"disk.read.64k.1", "preadv2", DISK_READ, 65536, 1, 1000},
        {"disk.read.128k.1", "preadv2", DISK_READ, 131072, 1, 1000},
        {"disk.read.256k.1", "preadv2", DISK_READ, 262144, 1, 400},
        {"disk.read.256k.4", "preadv2", DISK_READ, 262144, 4, 400},
        {"disk.read.512k.1", "preadv2", DISK_READ, 524288, 1, 400},
        {"disk.read.512k.4", "preadv2", DISK_READ, 524288, 4, 400},
        {"disk.read.1m.4", "preadv2", DISK_READ, 1 << 20, 4, 200},
        {"disk.write.4k.1", "pwritev2", DISK_WRITE, 4096, 1, 2000},
        {"disk.write.4k.32", "pwritev2", DISK_WRITE, 4096, 32, 4000},
        {"disk.write.1m.4", "pwritev2", DISK_WRITE, 1 << 20, 4, 200},
    };
    static struct setting s = {.seed = 9173};
    const char *tmp = getenv("TMPDIR");
    struct disk_spec spec = {.id = "disk", .raw = true};
    char path[128];

    snprintf(path, sizeof(path), "%.80s/bench-disk-XXXXXX", tmp ? tmp : "/tmp");
    s.fd = mkstemp(path);
    s.buffer = calloc(1, MOST_BYTES);
    spec.path = path;
    if (s.fd < 0 || !s.buffer || uv_loop_init(&s.loop))
        bench_die("no image");
    fill(&s);
    if (disk_open(&s.loop, &spec, &s.disk) || disk_activate(s.disk))
        bench_die("no disk");
    unlink(path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        s.op = rows[i].op;
        s.bytes = rows[i].bytes;
        s.depth = rows[i].depth;
        s.nr = rows[i].nr;
        bench_run(rows[i].name, requests, rows[i].limit, calls, &s);
    }
    disk_close(s.disk);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    uv_loop_close(&s.loop);
    free(s.buffer);
    close(s.fd);
}
