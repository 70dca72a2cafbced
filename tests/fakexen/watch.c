/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

/* Connections to xenstore and what they watch. */

struct watch {
    struct watch *next;
    char *path, *token;
};

struct event {
    struct event *next;
    char *path, *token;
};

struct xs_handle {
    struct fx_handle base; /* first: store.c knows no more */
    int fd;                /* readable while there are events */
    struct watch *watches;
    struct event *first, **last;
};

/* All open handles, to tell them about changes. */
static struct xs_handle *handles[64];

static void post(struct xs_handle *h, const char *path, const char *token)
{
    struct event *event = fx_alloc(sizeof(*event));
    uint64_t one = 1;

    event->path = fx_store_copy(path);
    event->token = fx_store_copy(token);
    if (!h->first && write(h->fd, &one, sizeof(one)) < 0)
        fx_die("eventfd: %s", strerror(errno));
    *h->last = event;
    h->last = &event->next;
    fx_wake();
}

void fx_store_changed(const char *path)
{
    struct watch *w;

    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        for (w = handles[i] ? handles[i]->watches : NULL; w; w = w->next)
            if (fx_store_below(w->path, path))
                post(handles[i], path, w->token);
    }
    fx_wake();
}

void fx_store_removed(const char *path)
{
    struct watch *w;

    fx_store_changed(path);
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        for (w = handles[i] ? handles[i]->watches : NULL; w; w = w->next)
            if (fx_store_below(path, w->path) && strcmp(path, w->path) != 0)
                post(handles[i], w->path, w->token);
    }
}

static struct event *take_event(struct xs_handle *h)
{
    struct event *event = h->first;
    uint64_t drop;

    if (event) {
        h->first = event->next;
        if (!h->first) {
            h->last = &h->first;
            if (read(h->fd, &drop, sizeof(drop)) < 0)
                fx_die("eventfd: %s", strerror(errno));
        }
    }
    return event;
}

/* [0] is the path, [1] the token, in one allocation for the caller to free. */
static char **event_vector(struct event *event)
{
    size_t path = strlen(event->path) + 1, token = strlen(event->token) + 1;
    char **vector = malloc(2 * sizeof(*vector) + path + token);

    if (vector) {
        vector[XS_WATCH_PATH] = (char *)(vector + 2);
        vector[XS_WATCH_TOKEN] = vector[XS_WATCH_PATH] + path;
        memcpy(vector[XS_WATCH_PATH], event->path, path);
        memcpy(vector[XS_WATCH_TOKEN], event->token, token);
    }
    fx_free(event->path);
    fx_free(event->token);
    fx_free(event);
    return vector;
}

/* ---- libxenstore: handles --------------------------------------------- */

struct xs_handle *xs_open(unsigned long flags)
{
    struct xs_handle *h = fx_handle_open(FX_STORE, sizeof(*h));
    size_t i = 0;

    (void)flags;
    if (!h)
        return NULL;
    h->fd = eventfd(0, EFD_CLOEXEC);
    h->last = &h->first;
    fx_lock();
    while (i < sizeof(handles) / sizeof(handles[0]) && handles[i])
        i++;
    if (h->fd < 0 || i == sizeof(handles) / sizeof(handles[0]))
        fx_die("too many xenstore handles");
    handles[i] = h;
    fx_unlock();
    return h;
}

static void drop_watch(struct watch **link)
{
    struct watch *w = *link;

    *link = w->next;
    fx_free(w->path);
    fx_free(w->token);
    fx_free(w);
}

void xs_close(struct xs_handle *h)
{
    if (!h)
        return;
    fx_lock();
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        if (handles[i] == h)
            handles[i] = NULL;
    while (h->watches)
        drop_watch(&h->watches);
    while (h->first) {
        struct event *event = take_event(h);

        fx_free(event->path);
        fx_free(event->token);
        fx_free(event);
    }
    close(h->fd);
    fx_handle_unlink(&h->base);
    fx_free(h);
    fx_unlock();
}

struct xs_handle *xs_daemon_open(void)
{
    return xs_open(0);
}

void xs_daemon_close(struct xs_handle *h)
{
    xs_close(h);
}

int xs_fileno(struct xs_handle *h)
{
    return h->fd;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    char full[FX_PATH_MAX];
    struct watch *w;

    /* A special watch, @releaseDomain, has no path. */
    if (!fx_store_enter(h, path[0] == '@' ? "/" : path, full))
        return false;
    w = fx_alloc(sizeof(*w));
    w->path = fx_store_copy(path[0] == '@' ? path : full);
    w->token = fx_store_copy(token);
    w->next = h->watches;
    h->watches = w;
    post(h, w->path, token);
    return fx_leave(0) == 0;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    char full[FX_PATH_MAX];
    struct watch **link = &h->watches;

    if (!fx_store_enter(h, path[0] == '@' ? "/" : path, full))
        return false;
    while (*link && (strcmp((*link)->token, token) ||
                     strcmp((*link)->path, path[0] == '@' ? path : full)))
        link = &(*link)->next;
    if (!*link)
        return fx_leave(-ENOENT) == 0;
    drop_watch(link);
    return fx_leave(0) == 0;
}

char **xs_check_watch(struct xs_handle *h)
{
    struct event *event;

    fx_lock();
    event = take_event(h);
    fx_unlock();
    if (!event) {
        errno = EAGAIN;
        return NULL;
    }
    return event_vector(event);
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
    struct timespec forever = {.tv_sec = (time_t)1 << 40};
    struct event *event;

    fx_lock();
    while ((event = take_event(h)) == NULL)
        fx_wait(&forever);
    fx_unlock();
    if (num)
        *num = 2;
    return event_vector(event);
}
