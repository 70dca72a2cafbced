/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenstore.h>

/* A list of nodes, parents included.  Transactions apply at once. */

#define VALUE_MAX 4096

struct node {
    struct node *next;
    char *path;
    char *value; /* with a final zero behind len bytes */
    unsigned len;
};

static struct node *nodes;

char *fx_store_copy(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(fx_alloc(size), text, size);
}

/* ---- nodes ------------------------------------------------------------ */

static int absolute(const char *path, char out[FX_PATH_MAX])
{
    int len = snprintf(out, FX_PATH_MAX, "%s%s",
                       path[0] == '/' ? "" : "/local/domain/0/", path);

    if (len < 0 || len >= FX_PATH_MAX || strstr(out, "//") ||
        (len > 1 && out[len - 1] == '/'))
        return -EINVAL;
    return 0;
}

static struct node *find(const char *path)
{
    struct node *node;

    for (node = nodes; node; node = node->next)
        if (strcmp(node->path, path) == 0)
            return node;
    return NULL;
}

bool fx_store_below(const char *parent, const char *path)
{
    size_t len = strcmp(parent, "/") == 0 ? 0 : strlen(parent);

    return strncmp(parent, path, len) == 0 &&
           (path[len] == '/' || path[len] == '\0');
}

static struct node *make(const char *path)
{
    char parent[FX_PATH_MAX];
    struct node *node = find(path);
    char *slash;

    if (node)
        return node;
    snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = '\0';
        make(parent);
    }
    node = fx_alloc(sizeof(*node));
    node->path = fx_store_copy(path);
    node->value = fx_store_copy("");
    node->next = nodes;
    nodes = node;
    return node;
}

static void set(const char *path, const void *data, unsigned len)
{
    struct node *node = make(path);

    fx_free(node->value);
    node->value = fx_alloc(len + 1);
    memcpy(node->value, data, len);
    node->len = len;
}

static void remove_below(const char *path)
{
    struct node **link = &nodes, *node;

    while ((node = *link) != NULL) {
        if (!fx_store_below(path, node->path)) {
            link = &node->next;
            continue;
        }
        *link = node->next;
        fx_free(node->path);
        fx_free(node->value);
        fx_free(node);
    }
}

void fx_store_reset(void)
{
    remove_below("/");
}

/* Lock held and the path made absolute, or errno set and false. */
bool fx_store_enter(struct xs_handle *h, const char *path,
                    char full[FX_PATH_MAX])
{
    int rc = fx_enter(FAKEXEN_XENSTORE, 0);

    if (rc == 0) {
        rc = ((struct fx_handle *)h)->dead ? -EBADF : absolute(path, full);
        if (rc)
            fx_unlock();
    }
    return fx_result(rc) == 0;
}

/* ---- libxenstore: data ------------------------------------------------ */

static int count_children(const char *path, struct node *node, size_t *name)
{
    size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);

    if (!fx_store_below(path, node->path) || node->path[len] == '\0' ||
        strchr(node->path + len + 1, '/'))
        return 0;
    *name = len + 1;
    return 1;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path,
                    unsigned int *num)
{
    char full[FX_PATH_MAX], **list = NULL, *text;
    size_t size = 0, name;
    unsigned nr = 0;
    int rc = 0;

    (void)t;
    if (!fx_store_enter(h, path, full))
        return NULL;
    for (struct node *node = nodes; node; node = node->next) {
        if (count_children(full, node, &name)) {
            nr++;
            size += strlen(node->path + name) + 1;
        }
    }
    if (nr == 0 && !find(full)) {
        rc = -ENOENT;
    } else {
        list = malloc((nr + 1) * sizeof(*list) + size);
        rc = list ? 0 : -ENOMEM;
    }
    if (list) {
        text = (char *)(list + nr + 1);
        nr = 0;
        for (struct node *node = nodes; node; node = node->next) {
            if (count_children(full, node, &name)) {
                list[nr++] = text;
                text = stpcpy(text, node->path + name) + 1;
            }
        }
        list[nr] = NULL;
        *num = nr;
    }
    fx_leave(rc);
    return list;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
              unsigned int *len)
{
    char full[FX_PATH_MAX], *value = NULL;
    struct node *node;
    int rc = 0;

    (void)t;
    if (!fx_store_enter(h, path, full))
        return NULL;
    node = find(full);
    if (!node) {
        rc = -ENOENT;
    } else {
        value = malloc(node->len + 1);
        rc = value ? 0 : -ENOMEM;
    }
    if (value) {
        memcpy(value, node->value, node->len + 1);
        if (len)
            *len = node->len;
    }
    fx_leave(rc);
    return value;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
              const void *data, unsigned int len)
{
    char full[FX_PATH_MAX];
    int rc = 0;

    (void)t;
    if (!fx_store_enter(h, path, full))
        return false;
    if (len > VALUE_MAX) {
        rc = -E2BIG;
    } else {
        set(full, data, len);
        fx_store_changed(full);
    }
    return fx_leave(rc) == 0;
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    char full[FX_PATH_MAX];

    (void)t;
    if (!fx_store_enter(h, path, full))
        return false;
    if (!find(full)) {
        make(full);
        fx_store_changed(full);
    }
    return fx_leave(0) == 0;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    char full[FX_PATH_MAX];

    (void)t;
    if (!fx_store_enter(h, path, full))
        return false;
    if (find(full)) {
        remove_below(full);
        fx_store_removed(full);
    }
    return fx_leave(0) == 0;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t,
                        const char *path, struct xs_permissions *perms,
                        unsigned int num_perms)
{
    char full[FX_PATH_MAX];

    (void)t;
    (void)perms;
    (void)num_perms;
    if (!fx_store_enter(h, path, full))
        return false;
    return fx_leave(find(full) ? 0 : -ENOENT) == 0;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    char full[FX_PATH_MAX];

    if (!fx_store_enter(h, "/", full))
        return XBT_NULL;
    fx_unlock();
    return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
    char full[FX_PATH_MAX];

    (void)t;
    (void)abort;
    if (!fx_store_enter(h, "/", full))
        return false;
    fx_unlock();
    return true;
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
    char full[FX_PATH_MAX], *path = NULL;

    if (!fx_store_enter(h, "/", full))
        return NULL;
    fx_unlock();
    if (asprintf(&path, "/local/domain/%u", domid) < 0)
        return NULL;
    return path;
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
    char full[FX_PATH_MAX];
    bool there;

    if (!fx_store_enter(h, "/", full))
        return false;
    there = fx_domain(domid) != NULL;
    fx_unlock();
    return there;
}

/* ---- for tests -------------------------------------------------------- */

const char *fakexen_xs_get(const char *path)
{
    struct node *node;
    const char *value;

    fx_lock();
    node = find(path);
    value = node ? node->value : NULL;
    fx_unlock();
    return value;
}

void fakexen_xs_set(const char *path, const char *value)
{
    fx_lock();
    set(path, value, (unsigned)strlen(value));
    fx_store_changed(path);
    fx_unlock();
}

void fakexen_xs_set_all(const char *dir, const char *const *pairs)
{
    char path[FX_PATH_MAX];

    fx_lock();
    for (; pairs[0]; pairs += 2) {
        snprintf(path, sizeof(path), "%s/%s", dir, pairs[0]);
        set(path, pairs[1], (unsigned)strlen(pairs[1]));
    }
    fx_store_changed(dir);
    fx_unlock();
}

void fakexen_xs_rm(const char *path)
{
    fx_lock();
    remove_below(path);
    fx_store_removed(path);
    fx_unlock();
}

int fakexen_xs_wait(const char *path, const char *value, unsigned timeout_ms)
{
    struct timespec deadline;
    struct node *node;
    int rc = 0;

    fx_deadline(&deadline, timeout_ms);
    fx_lock();
    while (rc == 0 &&
           ((node = find(path)) == NULL || strcmp(node->value, value) != 0))
        rc = fx_wait(&deadline);
    fx_unlock();
    return rc;
}
