/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/plug.h"
#include "tool/savefile.h"
#include "tool/source.h"

/* Where libxl puts the one that xentop reads; its own it uses itself. */
#define QMP_SOCKETS "/var/run/xen/qmp-libxenstat-"
#define DOMID_MAX 0x7fef /* Xen, public/xen.h: below DOMID_FIRST_RESERVED */

/*
 * Seconds.  Linux tries again to give back what was in use after 50 of them, at
 * first (drivers/virtio/virtio_mem.c, VIRTIO_MEM_RETRY_TIMER_MIN_MS).
 */
#define PATIENCE 60
#define PATIENCE_MAX 86400

static const char usage[] =
    "usage: xenram inspect [--json] FILE\n"
    "       xenram check [--json] FILE [option of xenram-dm]...\n"
    "       xenram plug [--wait SECONDS] [--qmp SOCKET] DOMID SIZE\n"
    "       xenram --help | --version\n"
    "\n"
    "FILE is what xl save wrote, or the state of a device model; - is the\n"
    "standard input.\n"
    "\n"
    "inspect  shows what is in it\n"
    "check    says whether this version of xenram-dm would restore it, block\n"
    "         by block; without options, with those that xl would give it\n"
    "\n"
    "plug     gives a running guest SIZE of its virtio-mem devices beside its\n"
    "         RAM, in all, or takes memory back; MiB, or with b, k, m, g or t\n"
    "\n"
    "The exit status is 0 when the file is whole and, for check, would be\n"
    "restored; for plug when the guest has followed; else 1.\n";

int tool_read(int fd, struct savefile *out, char *error)
{
    struct source source;
    int ret;

    source_init(&source, fd, error);
    ret = savefile_read(&source, out);
    source_fini(&source);
    if (!ret && out->state_fd < 0)
        ret = source_fail(&source, -ENOENT,
                          "no state of a device model in it: %s",
                          out->hvm ? "saved without one" : "a PV guest");
    return ret;
}

static int refuse_usage(void)
{
    fputs("see xenram --help\n", stderr);
    return -EINVAL;
}

/* argv: what follows the command. */
static int run(bool check, int argc, char **argv)
{
    const char *name;
    bool json = false;
    int fd, ret;

    for (; argc > 0 && strncmp(argv[0], "--", 2) == 0; argc--, argv++) {
        if (strcmp(argv[0], "--json") != 0) {
            tool_error(NULL, "%s is not an option of xenram", argv[0]);
            return refuse_usage();
        }
        json = true;
    }
    if (argc == 0 || (!check && argc > 1)) {
        tool_error(NULL, "%s takes one file%s", check ? "check" : "inspect",
                   check ? ", then options of xenram-dm" : "");
        return refuse_usage();
    }

    name = argv[0];
    fd = strcmp(name, "-") == 0 ? dup(STDIN_FILENO)
                                : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        ret = -errno;
        tool_error(name, "cannot be opened: %s", strerror(-ret));
        return ret;
    }
    ret = check ? tool_check(fd, name, json, argc - 1, argv + 1)
                : tool_inspect(fd, name, json);
    close(fd);
    return ret;
}

/* As xl reads sizes. */
static int read_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "bkmgt";
    unsigned shift = 20;
    const char *unit;
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *bytes = strtoull(text, &end, 10);
    if (*end) {
        unit = strchr(units, *end | 0x20);
        if (!unit || end[1])
            return -EINVAL;
        shift = 10 * (unsigned)(unit - units);
    }
    if (errno || *bytes > (uint64_t)INT64_MAX >> shift)
        return -ERANGE;
    *bytes <<= shift;
    return 0;
}

static int read_number(const char *text, unsigned long max, unsigned long *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return *end || errno || *out > max ? -EINVAL : 0;
}

/* argv: what follows the command. */
static int run_plug(int argc, char **argv)
{
    unsigned long patience = PATIENCE, domid;
    const char *qmp = NULL;
    char path[64];
    uint64_t bytes;

    for (; argc > 1 && strncmp(argv[0], "--", 2) == 0; argc -= 2, argv += 2) {
        if (strcmp(argv[0], "--qmp") == 0) {
            qmp = argv[1];
        } else if (strcmp(argv[0], "--wait") != 0 ||
                   read_number(argv[1], PATIENCE_MAX, &patience)) {
            tool_error(NULL, "%s %s is not an option of plug", argv[0],
                       argv[1]);
            return refuse_usage();
        }
    }
    if (argc != 2 || read_number(argv[0], DOMID_MAX, &domid) ||
        read_size(argv[1], &bytes)) {
        tool_error(NULL, "plug takes the number of a domain and a size");
        return refuse_usage();
    }
    snprintf(path, sizeof(path), QMP_SOCKETS "%lu", domid);
    return plug_guest(argv[0], qmp ? qmp : path, bytes, (unsigned)patience);
}

int tool_main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    int ret = 0;

    if (strcmp(command, "inspect") == 0 || strcmp(command, "check") == 0)
        ret = run(command[0] == 'c', argc - 2, argv + 2);
    else if (strcmp(command, "plug") == 0)
        ret = run_plug(argc - 2, argv + 2);
    else if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0)
        fputs(usage, stdout);
    else if (strcmp(command, "--version") == 0)
        printf("xenram %s\n", PACKAGE_VERSION);
    else {
        tool_error(NULL, "inspect, check or plug, not '%s'", command);
        ret = refuse_usage();
    }

    fflush(stdout);
    if (ferror(stdout)) {
        tool_error(NULL, "cannot write what was found");
        return EXIT_FAILURE;
    }
    return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
