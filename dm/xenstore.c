/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/xenstore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "dm/log.h"

struct xenstore {
    struct xs_handle *handle;
};

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
        ret = errno ? -errno : -EIO;
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
    static const char value[] = "running";
    char path[64];
    int ret;

    /* Without a leading slash: below our own domain, which is libxl's too. */
    snprintf(path, sizeof(path), "device-model/%u/state", domid);
    if (xs_write(xenstore->handle, XBT_NULL, path, value, strlen(value)))
        return 0;
    ret = errno ? -errno : -EIO;
    log_error("xenstore: cannot write %s: %s", path, strerror(-ret));
    return ret;
}
