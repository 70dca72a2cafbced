/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dm/block/disk.h"
#include "dm/block/format.h"
#include "dm/log.h"

#define HINT "(xl.cfg: disk)"

static int measure(int fd, uint64_t *size)
{
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    if (!S_ISBLK(st.st_mode))
        *size = (uint64_t)st.st_size;
    else if (ioctl(fd, BLKGETSIZE64, size))
        return -errno;
    return 0;
}

int image_measure(struct image *image)
{
    uint64_t size;
    int ret = measure(image->fd, &size);

    if (ret == 0)
        image->size = size;
    return ret;
}

/* O_NONBLOCK: a FIFO must not keep us; files and block devices ignore it. */
static int open_path(const struct image_want *want)
{
    int fd = open(want->path, (want->read_only ? O_RDONLY : O_RDWR) |
                                  O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd >= 0)
        return fd;
    fd = -errno;
    log_error("disk %s: cannot open %s for %s: %s " HINT, want->id, want->path,
              want->read_only ? "reading" : "writing", strerror(-fd));
    return fd;
}

static int check_rights(const struct image_want *want, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int access = flags & O_ACCMODE;

    if (flags >= 0 &&
        (access == O_RDWR || (want->read_only && access == O_RDONLY)))
        return 0;
    log_error("disk %s: the descriptor of %s cannot be %s", want->id,
              want->path, want->read_only ? "read" : "read and written");
    return -EACCES;
}

/* libxl sets that limit for restricted device models, dm_restrict=1. */
static void warn_of_limit(const struct image_want *want,
                          const struct image *image)
{
    struct rlimit limit;

    if (image->block_device || image->read_only ||
        getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= image->size)
        return;
    log_warn("disk %s: only the first %llu bytes of %s can be written, which "
             "has %llu: use a block device (xl.cfg: dm_restrict, disk)",
             want->id, (unsigned long long)limit.rlim_cur, want->path,
             (unsigned long long)image->size);
}

static int identify(const struct image_want *want, struct image *image)
{
    struct stat st;
    int ret;

    if (fstat(image->fd, &st))
        return -errno;
    if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
        log_error("disk %s: %s is no file and no block device " HINT, want->id,
                  want->path);
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    }
    image->block_device = S_ISBLK(st.st_mode);
    image->dev = image->block_device ? st.st_rdev : st.st_dev;
    image->ino = image->block_device ? 0 : st.st_ino;
    ret = image_measure(image);
    if (ret) {
        log_error("disk %s: cannot tell the size of %s: %s", want->id,
                  want->path, strerror(-ret));
        return ret;
    }
    if (image->size < DISK_SECTOR) {
        log_error("disk %s: %s has %llu bytes: a disk has %u at least " HINT,
                  want->id, want->path, (unsigned long long)image->size,
                  DISK_SECTOR);
        return -EINVAL;
    }
    warn_of_limit(want, image);
    return format_check(want, image->fd);
}

static struct image *find(const struct images *images, const struct image *like)
{
    for (struct image *image = images->first; image; image = image->next) {
        if (image->block_device == like->block_device &&
            image->dev == like->dev && image->ino == like->ino &&
            image->read_only == like->read_only)
            return image;
    }
    return NULL;
}

/* The one that is there already, or *own, where NULL is left then. */
static struct image *share(struct images *images, struct image **own)
{
    struct image *image;

    pthread_mutex_lock(&images->mutex);
    image = find(images, *own);
    if (!image) {
        image = *own;
        *own = NULL;
        image->images = images;
        image->next = images->first;
        images->first = image;
    }
    image->users++;
    pthread_mutex_unlock(&images->mutex);
    return image;
}

int image_open(struct images *images, const struct image_want *want,
               struct image **out)
{
    struct image *image = calloc(1, sizeof(*image));
    int fd = want->fd, ret = -ENOMEM;

    if (!image) {
        log_error("disk %s: out of memory", want->id);
        goto err_fd;
    }
    if (fd < 0)
        fd = open_path(want);
    ret = fd < 0 ? fd : check_rights(want, fd);
    if (ret)
        goto err_fd;
    image->fd = fd;
    image->read_only = want->read_only;
    ret = identify(want, image);
    if (ret)
        goto err_fd;
    *out = share(images, &image);
    if (image) {
        close(fd);
        free(image);
    }
    return 0;

err_fd:
    if (fd >= 0)
        close(fd);
    free(image);
    return ret;
}

void image_close(struct image *image)
{
    struct images *images = image->images;
    struct image **link = &images->first;
    bool last;

    pthread_mutex_lock(&images->mutex);
    last = --image->users == 0;
    if (last) {
        while (*link != image)
            link = &(*link)->next;
        *link = image->next;
    }
    pthread_mutex_unlock(&images->mutex);
    if (last) {
        close(image->fd);
        free(image);
    }
}

static void advance(struct disk_request *request, size_t bytes)
{
    request->moved += bytes;
    while (bytes > 0 && bytes >= request->iov->iov_len) {
        bytes -= request->iov->iov_len;
        request->iov++;
        request->nr_iov--;
    }
    if (bytes > 0) {
        request->iov->iov_base = (char *)request->iov->iov_base + bytes;
        request->iov->iov_len -= bytes;
    }
}

int image_move(const struct image *image, struct disk_request *request,
               int flags)
{
    while (request->moved < request->length) {
        int nr = request->nr_iov < IOV_MAX ? (int)request->nr_iov : IOV_MAX;
        off_t offset = (off_t)(request->offset + request->moved);
        ssize_t bytes =
            request->op == DISK_READ
                ? preadv2(image->fd, request->iov, nr, offset, flags)
                : pwritev2(image->fd, request->iov, nr, offset, flags);

        if (bytes > 0)
            advance(request, (size_t)bytes);
        else if (bytes == 0)
            /* Linux 5.9 gave 0 for "would block" as well. */
            return flags & RWF_NOWAIT ? -EAGAIN : -EIO;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

int image_discard(const struct image *image, uint64_t offset, uint64_t length)
{
    uint64_t range[2] = {offset, length};
    int ret;

    do
        ret = image->block_device
                  ? ioctl(image->fd, BLKDISCARD, range)
                  : fallocate(image->fd,
                              FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              (off_t)offset, (off_t)length);
    while (ret && errno == EINTR);
    return ret ? -errno : 0;
}

int image_flush(const struct image *image)
{
    int ret;

    do
        ret = fdatasync(image->fd);
    while (ret && errno == EINTR);
    return ret ? -errno : 0;
}
