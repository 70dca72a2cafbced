/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/xenstore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "dm/log.h"

struct xenstore_watch {
    struct xenstore *xenstore;
    struct xenstore_watch *next;
    xenstore_changed_fn *changed;
    void *opaque;
    bool fired;
    char token[16];
    char path[XENSTORE_PATH_MAX];
};

struct xenstore {
    struct xs_handle *handle;
    struct xenstore_watch *watches;
    uv_poll_t poll;
    bool polled;
    unsigned last_token;
};

/* libxenstore gives false or NULL, and errno. */
static int failure(void)
{
    return errno ? -errno : -EIO;
}

static int result(bool good)
{
    return good ? 0 : failure();
}

int xenstore_open(struct xenstore **out)
{
    struct xenstore *xenstore = calloc(1, sizeof(*xenstore));
    int ret;

    if (!xenstore) {
        log_error("xenstore: out of memory");
        return -ENOMEM;
    }
    xenstore->handle = xs_open(0);
    if (!xenstore->handle) {
        ret = failure();
        log_error("cannot reach xenstore: %s (is xenstored running?)",
                  strerror(-ret));
        free(xenstore);
        return ret;
    }
    *out = xenstore;
    return 0;
}

void xenstore_close(struct xenstore *xenstore)
{
    if (!xenstore)
        return;
    xs_close(xenstore->handle);
    free(xenstore);
}

int xenstore_report_running(struct xenstore *xenstore, uint32_t domid)
{
    char path[64];
    int ret;

    snprintf(path, sizeof(path), "device-model/%u/state", domid);
    ret = xenstore_write(xenstore, path, "running");
    if (ret)
        log_error("xenstore: cannot write %s: %s", path, strerror(-ret));
    return ret;
}

/* ---- keys ------------------------------------------------------------- */

int xenstore_read(struct xenstore *xenstore, const char *path, char **out)
{
    char *value = xs_read(xenstore->handle, XBT_NULL, path, NULL);

    if (!value)
        return failure();
    *out = value;
    return 0;
}

int xenstore_read_number(struct xenstore *xenstore, const char *path,
                         uint64_t max, uint64_t *out)
{
    unsigned long long number;
    char *value, *end;
    int ret = xenstore_read(xenstore, path, &value);

    if (ret)
        return ret;
    errno = 0;
    number = strtoull(value, &end, 10);
    /* strtoull takes blanks and signs, too. */
    if (value[0] < '0' || value[0] > '9' || *end || errno || number > max)
        ret = -EINVAL;
    else
        *out = number;
    free(value);
    return ret;
}

int xenstore_write(struct xenstore *xenstore, const char *path,
                   const char *value)
{
    return result(xs_write(xenstore->handle, XBT_NULL, path, value,
                           (unsigned)strlen(value)));
}

static int path_below(char out[XENSTORE_PATH_MAX], const char *dir,
                      const char *key)
{
    int len = snprintf(out, XENSTORE_PATH_MAX, "%s/%s", dir, key);

    return len < XENSTORE_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_in(struct xs_handle *handle, xs_transaction_t t,
                    const char *dir, const char *guard,
                    const struct xenstore_pair *pairs, unsigned nr)
{
    char path[XENSTORE_PATH_MAX];
    int ret = path_below(path, dir, guard);
    void *there;

    if (ret)
        return ret;
    there = xs_read(handle, t, path, NULL);
    ret = result(there != NULL);
    free(there);
    for (unsigned i = 0; i < nr && ret == 0; i++) {
        ret = path_below(path, dir, pairs[i].key);
        if (ret == 0)
            ret = result(xs_write(handle, t, path, pairs[i].value,
                                  (unsigned)strlen(pairs[i].value)));
    }
    return ret;
}

int xenstore_write_below(struct xenstore *xenstore, const char *dir,
                         const char *guard, const struct xenstore_pair *pairs,
                         unsigned nr)
{
    struct xs_handle *handle = xenstore->handle;
    xs_transaction_t t;
    int ret;

    do {
        t = xs_transaction_start(handle);
        if (t == XBT_NULL)
            return failure();
        ret = write_in(handle, t, dir, guard, pairs, nr);
        if (!xs_transaction_end(handle, t, ret != 0) && ret == 0)
            ret = failure();
    } while (ret == -EAGAIN);
    return ret;
}

int xenstore_rm(struct xenstore *xenstore, const char *path)
{
    int ret = result(xs_rm(xenstore->handle, XBT_NULL, path));

    return ret == -ENOENT ? 0 : ret;
}

int xenstore_list(struct xenstore *xenstore, const char *path, char ***out,
                  unsigned *nr)
{
    char **names = xs_directory(xenstore->handle, XBT_NULL, path, nr);

    if (!names)
        return failure();
    *out = names;
    return 0;
}

/* ---- watches ---------------------------------------------------------- */

static struct xenstore_watch *next_fired(struct xenstore *xenstore)
{
    struct xenstore_watch *watch = xenstore->watches;

    while (watch && !watch->fired)
        watch = watch->next;
    return watch;
}

/*
 * A watch may be gone while its events are still queued.  NULL: all watches.
 */
static void mark(struct xenstore *xenstore, const char *token)
{
    struct xenstore_watch *watch;

    for (watch = xenstore->watches; watch; watch = watch->next)
        if (!token || strcmp(watch->token, token) == 0)
            watch->fired = true;
}

static void deliver(uv_poll_t *poll, int status, int events)
{
    struct xenstore *xenstore = poll->data;
    struct xenstore_watch *watch;
    char **event;

    (void)events;
    errno = -status;
    while (status == 0 && (event = xs_check_watch(xenstore->handle)) != NULL) {
        mark(xenstore, event[XS_WATCH_TOKEN]);
        free(event);
    }
    if (errno == ENOMEM) {
        mark(xenstore, NULL); /* an event was lost, nobody knows whose */
    } else if (errno != EAGAIN && errno != EINTR) {
        log_error("xenstore is not watched any more: %s", strerror(errno));
        uv_poll_stop(poll);
    }
    while ((watch = next_fired(xenstore)) != NULL) {
        watch->fired = false;
        watch->changed(watch->opaque);
    }
}

static int poll_events(struct xenstore *xenstore, uv_loop_t *loop)
{
    int ret;

    if (xenstore->polled)
        return 0;
    ret = uv_poll_init(loop, &xenstore->poll, xs_fileno(xenstore->handle));
    if (ret)
        return ret;
    xenstore->poll.data = xenstore;
    xenstore->polled = true;
    return uv_poll_start(&xenstore->poll, UV_READABLE, deliver);
}

int xenstore_watch(struct xenstore *xenstore, uv_loop_t *loop, const char *path,
                   xenstore_changed_fn *changed, void *opaque,
                   struct xenstore_watch **out)
{
    struct xenstore_watch *watch = calloc(1, sizeof(*watch));
    int ret = watch ? 0 : -ENOMEM;

    if (ret == 0)
        ret = poll_events(xenstore, loop);
    if (ret)
        goto err_free;
    watch->xenstore = xenstore;
    watch->changed = changed;
    watch->opaque = opaque;
    snprintf(watch->token, sizeof(watch->token), "%u", ++xenstore->last_token);
    if ((size_t)snprintf(watch->path, sizeof(watch->path), "%s", path) >=
        sizeof(watch->path)) {
        ret = -ENAMETOOLONG;
        goto err_free;
    }
    ret = result(xs_watch(xenstore->handle, watch->path, watch->token));
    if (ret)
        goto err_free;
    watch->next = xenstore->watches;
    xenstore->watches = watch;
    *out = watch;
    return 0;

err_free:
    free(watch);
    return ret;
}

void xenstore_unwatch(struct xenstore_watch *watch)
{
    struct xenstore_watch **link;

    if (!watch)
        return;
    link = &watch->xenstore->watches;
    while (*link != watch)
        link = &(*link)->next;
    *link = watch->next;
    xs_unwatch(watch->xenstore->handle, watch->path, watch->token);
    free(watch);
}
