/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dm/block/image.h"
#include "dm/log.h"

/*
 * QEMU locks single bytes of an image: a read lock on 100 + n claims right n,
 * one on 200 + n keeps others from it; right 1 is writing (block/file-posix.c,
 * include/block/block-common.h).  A writer here locks the whole file, which
 * covers all of these; a reader the byte that keeps writers out, so that both
 * programs can read one image.
 */
#define QEMU_WRITES 101
#define QEMU_NO_WRITERS 201

#define HOLDER_MAX 96
#define RETRY_MS 20

static int lock_range(int fd, int command, short type, off_t start, off_t len)
{
    struct flock lock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = start,
        .l_len = len,
    };

    if (fcntl(fd, command, &lock))
        return errno == EACCES ? -EAGAIN : -errno;
    return command == F_OFD_GETLK && lock.l_type != F_UNLCK ? -EAGAIN : 0;
}

static int take(const struct image *image)
{
    int ret;

    if (!image->read_only)
        return lock_range(image->fd, F_OFD_SETLK, F_WRLCK, 0, 0);
    ret = lock_range(image->fd, F_OFD_SETLK, F_RDLCK, QEMU_NO_WRITERS, 1);
    if (ret)
        return ret;
    ret = lock_range(image->fd, F_OFD_GETLK, F_WRLCK, QEMU_WRITES, 1);
    if (ret)
        lock_range(image->fd, F_OFD_SETLK, F_UNLCK, 0, 0);
    return ret;
}

/* Nothing tells when it becomes free; F_OFD_SETLKW knows no limit of time. */
static int take_within(const struct image *image, unsigned ms)
{
    static const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    int ret = take(image);

    for (unsigned left = ms; ret == -EAGAIN && left >= RETRY_MS;
         left -= RETRY_MS) {
        nanosleep(&pause, NULL);
        ret = take(image);
    }
    return ret;
}

static bool is_locked(const char *pid, const char *fd)
{
    char name[64], line[256];
    bool found = false;
    FILE *file;

    snprintf(name, sizeof(name), "/proc/%.20s/fdinfo/%.20s", pid, fd);
    file = fopen(name, "re");
    while (file && !found && fgets(line, sizeof(line), file))
        found = strncmp(line, "lock:", 5) == 0;
    if (file)
        fclose(file);
    return found;
}

static bool has_lock(const char *pid, const struct stat *wanted)
{
    struct dirent *entry;
    bool found = false;
    char name[64];
    DIR *dir;

    snprintf(name, sizeof(name), "/proc/%.20s/fd", pid);
    dir = opendir(name);
    while (dir && !found && (entry = readdir(dir))) {
        struct stat st;

        found = isdigit((unsigned char)entry->d_name[0]) &&
                fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
                st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino &&
                is_locked(pid, entry->d_name);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* The kernel tells no owner of a lock that belongs to an open file. */
static void name_holder(const struct image *image, char text[HOLDER_MAX])
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    struct stat st;

    strcpy(text, "another process");
    if (fstat(image->fd, &st) == 0) {
        while (dir && (entry = readdir(dir))) {
            char name[64], comm[32] = "";
            FILE *file;

            if (!isdigit((unsigned char)entry->d_name[0]) ||
                !has_lock(entry->d_name, &st))
                continue;
            snprintf(name, sizeof(name), "/proc/%.20s/comm", entry->d_name);
            file = fopen(name, "re");
            if (file && fgets(comm, sizeof(comm), file))
                comm[strcspn(comm, "\n")] = '\0';
            if (file)
                fclose(file);
            snprintf(text, HOLDER_MAX, "process %.20s (%s)", entry->d_name,
                     comm[0] ? comm : "?");
            break;
        }
    }
    if (dir)
        closedir(dir);
}

static int lock(struct image *image, const char *id, const char *path,
                unsigned wait_ms, bool reread)
{
    char holder[HOLDER_MAX];
    int ret = image->lockers ? 0 : take_within(image, wait_ms);

    if (ret == -EAGAIN) {
        name_holder(image, holder);
        log_error("disk %s: %s is in use by %s: a disk has one writer, or "
                  "readers only (xl.cfg: disk)",
                  id, path, holder);
        return ret;
    }
    if (ret)
        log_warn("disk %s: %s cannot be locked: %s: nothing keeps a second "
                 "writer out",
                 id, path, strerror(-ret));
    if (reread && image->lockers == 0)
        (void)posix_fadvise(image->fd, 0, 0, POSIX_FADV_DONTNEED);
    image->lockers++;
    return 0;
}

int image_lock(struct image *image, const char *id, const char *path,
               unsigned wait_ms, bool reread)
{
    int ret;

    pthread_mutex_lock(&image->images->mutex);
    ret = lock(image, id, path, wait_ms, reread);
    pthread_mutex_unlock(&image->images->mutex);
    return ret;
}

void image_unlock(struct image *image)
{
    pthread_mutex_lock(&image->images->mutex);
    if (--image->lockers == 0)
        (void)lock_range(image->fd, F_OFD_SETLK, F_UNLCK, 0, 0);
    pthread_mutex_unlock(&image->images->mutex);
}
