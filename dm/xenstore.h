/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XENSTORE_H
#define DM_XENSTORE_H

/*
 * Xenstore.  Paths without a leading slash are below our own domain's, which
 * is libxl's too.  Functions return 0 or -errno, and only those that say so
 * write a line in the log.  Once restricted everything fails.
 */

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

struct xenstore;
struct xenstore_watch;

#define XENSTORE_PATH_MAX 256 /* of paths that we make, the zero included */

/* Before rights are given up.  A line in the log on failure. */
int xenstore_open(struct xenstore **out);
/* After the loop closed its handles.  All watches are gone before. */
void xenstore_close(struct xenstore *xenstore);

/*
 * Tell libxl that the device model of domid serves.  Impossible once
 * restricted; libxl then asks over QMP.  A line in the log on failure.
 */
int xenstore_report_running(struct xenstore *xenstore, uint32_t domid);

/* The value as a string, to be freed.  -ENOENT: no such key. */
int xenstore_read(struct xenstore *xenstore, const char *path, char **out);
/*
 * A decimal number.  -EINVAL: another value, or one beyond max; *out is then
 * unchanged, as after any failure.
 */
int xenstore_read_number(struct xenstore *xenstore, const char *path,
                         uint64_t max, uint64_t *out);
/* Writes, and makes the key and its parents where they are missing. */
int xenstore_write(struct xenstore *xenstore, const char *path,
                   const char *value);
/*
 * Write dir/key for all pairs at once, while dir/guard is there: what others
 * removed does not come back.  -ENOENT: it is gone, nothing was written.
 */
struct xenstore_pair {
    const char *key, *value;
};
int xenstore_write_below(struct xenstore *xenstore, const char *dir,
                         const char *guard, const struct xenstore_pair *pairs,
                         unsigned nr);
/* With all below it.  No such key: 0. */
int xenstore_rm(struct xenstore *xenstore, const char *path);
/*
 * Names of what is right below a key: nr strings, one allocation, to be freed.
 * -ENOENT.
 */
int xenstore_list(struct xenstore *xenstore, const char *path, char ***out,
                  unsigned *nr);

/*
 * changed is called from the loop after path, or anything below it, changed,
 * and once at first.  Many changes may make one call.  It may unwatch.
 */
typedef void xenstore_changed_fn(void *opaque);
int xenstore_watch(struct xenstore *xenstore, uv_loop_t *loop, const char *path,
                   xenstore_changed_fn *changed, void *opaque,
                   struct xenstore_watch **out);
/* NULL is fine. */
void xenstore_unwatch(struct xenstore_watch *watch);

#endif
