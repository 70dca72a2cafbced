/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_DM_HARNESS_H
#define TESTS_DM_HARNESS_H

/*
 * A toolstack, a Xen host and a guest around xenram-dm.  Each test runs in a
 * child process with a machine of its own: there dm_main runs in a thread, and
 * the test is what libxl and the guest would do.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/* ---- children --------------------------------------------------------- */

/*
 * Run fn in a child with a new machine; assert that it comes to its end.  What
 * it wrote to stderr is shown when it does not.
 */
void in_child(void (*fn)(void));

/* In a child: end it as failed unless condition holds. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
void check(bool condition, const char *text, const char *file, int line);
#define CHECK_EQUAL(a, b)                                                      \
    check_equal((int64_t)(a), (int64_t)(b), #a " == " #b, __FILE__, __LINE__)
void check_equal(int64_t a, int64_t b, const char *text, const char *file,
                 int line);

/* End the child as passed, without a look for leaks: after a chroot. */
void pass_without_leak_check(void) __attribute__((noreturn));

/* A path in a directory that goes with the child.  Lives until then. */
const char *scratch(const char *name);

/* Was text logged since the child started? */
bool logged(const char *text);

/* Bytes of a file, and its length in *len; malloc. */
void *read_file(const char *path, size_t *len);
void write_file(const char *path, const void *data, size_t len);

/* A kernel that linux_boot_open accepts, of len bytes. */
void write_kernel(const char *path, size_t len);

/* ---- a device model --------------------------------------------------- */

#define DM_MAX_ARGS 64

struct dm {
    uint32_t domid;
    char *qmp_path, *xenstat_path, *state_key;
    int argc;
    char *argv[DM_MAX_ARGS];
    pthread_t thread;
    bool joined;
    int status; /* once joined */
};

/*
 * argv as libxl 4.17 writes it for domain domid with 16 MiB and 2 vCPUs
 * (libxl_dm.c), extra (NULL at its end, may be NULL) where device_model_args
 * go.
 */
void dm_prepare(struct dm *dm, uint32_t domid, const char *const *extra);
void dm_add(struct dm *dm, const char *arg);
/* libxl-cmd becomes a socket that listens at path and is passed on. */
void dm_use_qmp_fd(struct dm *dm, const char *path);
void dm_launch(struct dm *dm);

/* Runs it until "running" (true) or its end (false). */
bool dm_comes_up(struct dm *dm);
/* Domain, launch, comes up. */
void dm_start(struct dm *dm, uint32_t domid, const char *const *extra);

/* Wait for its end; returns the exit status. */
int dm_join(struct dm *dm);
/* SIGHUP, join, status 0, and nothing of it is left. */
void dm_end(struct dm *dm);
/* Handles, mappings, buffers, violations: none. */
void check_nothing_left(void);

void create_domain(uint32_t domid);
#define GUEST_MIB 16
#define GUEST_PAGES (GUEST_MIB * 256)

/* ---- QMP -------------------------------------------------------------- */

struct qmp_peer {
    int fd;
    int64_t id;
    char *buf;
    size_t len, size;
};

/*
 * A connection may wait in the socket; the greeting comes when the device model
 * is ready.  qmp_open_peer does both.
 */
void qmp_connect(struct qmp_peer *peer, const char *path);
void qmp_negotiate(struct qmp_peer *peer);
void qmp_open_peer(struct qmp_peer *peer, const char *path);
void qmp_close_peer(struct qmp_peer *peer);

/* The value of "return"; arguments is JSON text or NULL.  json_object_put. */
struct json_object *qmp_call(struct qmp_peer *peer, const char *command,
                             const char *arguments);
/* As qmp_call, the value dropped. */
void qmp_do(struct qmp_peer *peer, const char *command, const char *arguments);
/* The value of "error". */
struct json_object *qmp_fails(struct qmp_peer *peer, const char *command,
                              const char *arguments);
/* As libxl passes a descriptor: with the first byte.  Returns fdset-id. */
int64_t qmp_add_fd(struct qmp_peer *peer, int fd);
/* query-status is that. */
void qmp_check_status(struct qmp_peer *peer, const char *status);

/* stop, add-fd, xen-save-devices-state, into a file. */
void qmp_save(struct qmp_peer *peer, const char *path);

#endif
