/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * map-copy DOMID GPA FILE...: what it takes at least to put files into a guest:
 * map its memory, 1 MiB a call, and read each file into it.  Prints
 * milliseconds.  The guest must be paused: its memory from GPA on is lost.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xenforeignmemory.h>

#define PAGE 4096u
#define PAGES 256u
#define CHUNK (PAGES * PAGE)

static double now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void *map(xenforeignmemory_handle *fmem, uint32_t domid, uint64_t gpa)
{
    xen_pfn_t gfns[PAGES];

    for (unsigned i = 0; i < PAGES; i++)
        gfns[i] = gpa / PAGE + i;
    return xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, PAGES,
                                gfns, NULL);
}

/* Returns the first gpa behind it, or 0. */
static uint64_t put_file(xenforeignmemory_handle *fmem, uint32_t domid,
                         uint64_t gpa, const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t got;

    if (fd < 0)
        return 0;
    do {
        void *host = map(fmem, domid, gpa);

        if (!host)
            return 0;
        got = read(fd, host, CHUNK);
        xenforeignmemory_unmap(fmem, host, PAGES);
        gpa += CHUNK;
    } while (got == (ssize_t)CHUNK);
    close(fd);
    return got < 0 ? 0 : gpa;
}

int main(int argc, char **argv)
{
    xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
    uint32_t domid;
    uint64_t gpa;
    double began;

    if (argc < 4 || !fmem) {
        fprintf(stderr, "usage, in dom0: map-copy DOMID GPA FILE...\n");
        return EXIT_FAILURE;
    }
    domid = (uint32_t)strtoul(argv[1], NULL, 0);
    gpa = strtoull(argv[2], NULL, 0);
    began = now_ms();
    for (int i = 3; i < argc; i++) {
        gpa = put_file(fmem, domid, gpa, argv[i]);
        if (gpa == 0) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
    }
    printf("%.3f\n", now_ms() - began);
    xenforeignmemory_close(fmem);
    return EXIT_SUCCESS;
}
