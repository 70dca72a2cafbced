/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_OPTIONS_H
#define DM_OPTIONS_H

/*
 * The command line, as libxl 4.14 to 4.22 writes it and as users extend it with
 * device_model_args.  Order does not matter; of a scalar the last one counts.
 * Strings point into argv, which must live on, or into text: do not copy a
 * filled struct.
 */

#include <stdbool.h>
#include <stdint.h>

#include "dm/block/disk.h"

#define OPTIONS_MAX_SERIALS 2
#define OPTIONS_MAX_NICS 32
#define OPTIONS_MAX_QMP 4
#define OPTIONS_MAX_BLOCKS 8
#define OPTIONS_MAX_DRIVES 4
#define OPTIONS_MAX_DIMMS 16
#define OPTIONS_MAX_VIRTIO_MEMS 4
#define OPTIONS_MAX_BACKENDS 24
#define OPTIONS_ID_MAX 64
#define OPTIONS_TEXT 16384 /* bytes of all arguments that are taken apart */
#define OPTIONS_NO_DOMID UINT32_MAX

enum options_action {
    OPTIONS_RUN,     /* be the device model of domid */
    OPTIONS_PROBE,   /* libxl 4.20's probe: answer QMP, touch no Xen */
    OPTIONS_HELP,    /* --help: printed already, exit 0 */
    OPTIONS_VERSION, /* --version: printed already, exit 0 */
};

/* A QMP listener: path, or fd when path is NULL. */
struct options_qmp {
    const char *id;
    const char *path;
    int fd;
};

struct options_nic {
    const char *model, *id, *ifname;
    uint8_t mac[6];
};

/* A drive of the IDE controller; id NULL: none there. */
struct options_drive {
    const char *id;
    const char *file; /* NULL: no medium in a CD-ROM drive */
    enum disk_cache cache;
    bool cdrom, read_only, discard;
    bool raw; /* format=raw was said */
};

/* The memory of a block is a file; copy: what is written stays here. */
struct options_file {
    const char *block, *path;
    bool copy;
};

/* Lengths of a block in bytes; 0: as the device has it. */
struct options_block {
    const char *name;
    uint64_t size, max;
};

/* -object memory-backend-ram: how much memory a device is made of. */
struct options_backend {
    const char *id; /* at most OPTIONS_ID_MAX bytes */
    uint64_t size;  /* bytes, whole pages */
};

/*
 * Memory devices, each with a backend of its own: -device pc-dimm and
 * virtio-mem-pci.  Lengths are bytes.
 */
struct options_dimm {
    const char *id; /* NULL: none */
    const char *memdev;
    uint64_t size; /* that of the backend */
    uint64_t addr; /* gpa; 0: anywhere */
    uint16_t node;
    int slot; /* -1: any */
};

struct options_virtio_mem {
    const char *id; /* NULL: none */
    const char *memdev;
    uint64_t size;           /* that of the backend, a multiple of block_size */
    uint64_t requested_size; /* likewise */
    uint64_t block_size;     /* a power of two from 1 MiB on */
    uint64_t addr;           /* gpa; 0: anywhere */
    uint16_t node;
};

struct options {
    enum options_action action;
    uint32_t domid;
    const char *name; /* NULL: none */
    struct options_qmp qmp[OPTIONS_MAX_QMP];
    unsigned nr_qmp;
    const char *serials[OPTIONS_MAX_SERIALS]; /* NULL: no such port */
    const char *kernel, *initrd, *append;
    const char *boot_order; /* letters of a, c, d, n */
    uint32_t max_vcpus;     /* 1 to 128; a hint, Xen's number counts */
    uint64_t ram_mb;
    uint64_t maxmem;           /* bytes, of RAM and memory devices; 0: not
                                  given */
    unsigned slots;            /* of DIMMs; 0: not given */
    uint64_t max_ram_below_4g; /* bytes; 0: not given */
    bool platform_device;      /* -machine xenfv */
    bool acpi;
    int incoming_fd; /* -1: a fresh start */
    bool paused;     /* -S */
    struct options_nic nics[OPTIONS_MAX_NICS];
    unsigned nr_nics;
    /* Primary master, primary slave, secondary master, secondary slave. */
    struct options_drive drives[OPTIONS_MAX_DRIVES];

    bool restrict_domid; /* -xen-domid-restrict */
    const char *chroot;
    const char *runas;

    struct options_file files[OPTIONS_MAX_BLOCKS]; /* -xenram-file */
    unsigned nr_files;
    struct options_block blocks[OPTIONS_MAX_BLOCKS]; /* -xenram-block */
    unsigned nr_blocks;
    struct options_backend backends[OPTIONS_MAX_BACKENDS];
    unsigned nr_backends;
    struct options_dimm dimms[OPTIONS_MAX_DIMMS];
    unsigned nr_dimms;
    struct options_virtio_mem virtio_mems[OPTIONS_MAX_VIRTIO_MEMS];
    unsigned nr_virtio_mems;
    bool strict; /* -xenram-policy strict */
    bool vmdesc; /* no suppress-vmdesc=on */
    bool debug;  /* -xenram-debug */

    char text[OPTIONS_TEXT]; /* arguments, cut at their commas */
};

/*
 * Fill options from argv.  Warnings go to the log.  Returns 0, or -EINVAL after
 * one error line that names the option and, where one exists, the xl.cfg key.
 */
int options_parse(int argc, char **argv, struct options *options);

#endif
