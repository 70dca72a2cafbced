/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_SIZE ((size_t)1 << 20)
#define NR_CLASSES 20 /* 16 bytes to 8 MiB, the header included */

/* In front of each allocation; 16 bytes keep its alignment. */
struct header {
    struct header *next_free;
    size_t class;
};
_Static_assert(sizeof(struct header) == 16, "alignment of fx_alloc");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static pthread_once_t cond_once = PTHREAD_ONCE_INIT;
static struct header *free_lists[NR_CLASSES];
static uint8_t *chunk;
static size_t chunk_left;
static unsigned violations;

static void cond_setup(void)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &attr);
    pthread_condattr_destroy(&attr);
}

void fx_lock(void)
{
    pthread_once(&cond_once, cond_setup);
    pthread_mutex_lock(&lock);
}

void fx_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void fx_deadline(struct timespec *deadline, unsigned ms)
{
    clock_gettime(CLOCK_MONOTONIC, deadline);
    deadline->tv_sec += ms / 1000;
    deadline->tv_nsec += (long)(ms % 1000) * 1000000;
    if (deadline->tv_nsec >= 1000000000) {
        deadline->tv_nsec -= 1000000000;
        deadline->tv_sec++;
    }
}

int fx_wait(const struct timespec *deadline)
{
    return -pthread_cond_timedwait(&cond, &lock, deadline);
}

void fx_wake(void)
{
    pthread_cond_broadcast(&cond);
}

/* By number, so that wrap.c does not see our own mappings. */
void *fx_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, off);
}

int fx_munmap(void *addr, size_t len)
{
    return (int)syscall(SYS_munmap, addr, len);
}

void *fx_map_zero(size_t size)
{
    void *p = fx_mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        fx_die("no memory for %zu bytes", size);
    return p;
}

void *fx_alloc(size_t size)
{
    size_t class = 0, total;
    struct header *header;

    size += sizeof(*header);
    while (((size_t)16 << class) < size)
        class ++;
    if (class >= NR_CLASSES)
        fx_die("allocation of %zu bytes", size);
    total = (size_t)16 << class;
    header = free_lists[class];
    if (header) {
        free_lists[class] = header->next_free;
        memset(header, 0, total);
    } else if (total > CHUNK_SIZE / 4) {
        header = fx_map_zero(total);
    } else {
        if (chunk_left < total) {
            chunk = fx_map_zero(CHUNK_SIZE);
            chunk_left = CHUNK_SIZE;
        }
        header = (struct header *)chunk;
        chunk += total;
        chunk_left -= total;
    }
    header->class = class;
    return header + 1;
}

void fx_free(void *p)
{
    struct header *header = p;

    if (!header)
        return;
    header--;
    header->next_free = free_lists[header->class];
    free_lists[header->class] = header;
}

void fx_die(const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "fakexen: ");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    abort();
}

void fx_violation(const char *format, ...)
{
    va_list ap;

    violations++;
    fprintf(stderr, "fakexen: violation: ");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
}

unsigned fakexen_violations(void)
{
    unsigned nr;

    fx_lock();
    fx_sync();
    nr = violations;
    fx_unlock();
    return nr;
}

void fakexen_clear_violations(void)
{
    fx_lock();
    fx_sync();
    violations = 0;
    fx_unlock();
}
