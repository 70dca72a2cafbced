/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options-impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "dm/log.h"

/* Why nobody could use it: -chardev is only known for QMP. */
static int refuse_kind(const struct parse *parse, const char *kind,
                       const char *id)
{
    if (id && strncmp(id, "libxl-channel", 13) == 0)
        return parse_refuse(parse, "channel", "no PV console backend");
    if (strcmp(kind, "spicevmc") == 0)
        return parse_refuse(parse, "spice", "no display");
    return parse_refuse(parse, "device_model_args",
                        "only sockets, for -mon; consoles use -serial");
}

/* A listening socket that needs nobody to connect before we go on. */
static int check_server(const struct parse *parse,
                        const struct keyvals *keyvals)
{
    const char *server = keyvals_get(keyvals, "server");
    const char *wait = keyvals_get(keyvals, "wait");
    bool on = false;

    if (server && keyval_bool(server, &on))
        return parse_refuse(parse, NULL, "server=%s: on or off", server);
    if (!on)
        return parse_refuse(parse, NULL, "only server=on is known");
    if (wait && keyval_bool(wait, &on))
        return parse_refuse(parse, NULL, "wait=%s: on or off", wait);
    if (on)
        return parse_refuse(parse, NULL, "only wait=off is known");
    return 0;
}

static int read_address(const struct parse *parse,
                        const struct keyvals *keyvals,
                        struct options_qmp *socket)
{
    const char *path = keyvals_get(keyvals, "path");
    const char *fd = keyvals_get(keyvals, "fd");
    uint64_t number;

    if (!path == !fd)
        return parse_refuse(parse, NULL, "one of path= and fd= is needed");
    socket->path = path;
    socket->fd = -1;
    if (fd) {
        if (keyval_number(fd, INT_MAX, &number) || number <= 2)
            return parse_refuse(parse, NULL, "fd=%s: no inherited descriptor",
                                fd);
        socket->fd = (int)number;
        return 0;
    }
    if (!*path || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return parse_refuse(
            parse, NULL, "path has %zu bytes, a socket's has 1 to %zu",
            strlen(path), sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    return 0;
}

int parse_chardev(struct parse *parse)
{
    static const char *const known[] = {"kind",   "id",   "path", "fd",
                                        "server", "wait", NULL};
    struct keyvals keyvals;
    const char *kind, *id, *unknown;
    struct parse_chardev *chardev;
    int ret = parse_keyvals(parse, "kind", &keyvals);

    if (ret)
        return ret;
    kind = keyvals_get(&keyvals, "kind");
    id = keyvals_get(&keyvals, "id");
    unknown = keyvals_unknown(&keyvals, known);
    if (!kind)
        return parse_refuse(parse, NULL, "socket,... was expected");
    if (strcmp(kind, "socket") != 0 ||
        (id && strncmp(id, "libxl-channel", 13) == 0))
        return refuse_kind(parse, kind, id);
    if (unknown && strcmp(unknown, "host") == 0)
        return parse_refuse(parse, "vif", "no TCP sockets, hence no COLO");
    if (unknown)
        return parse_refuse(parse, NULL, "%s= is not known", unknown);
    if (!id)
        return parse_refuse(parse, NULL, "id= is needed");
    if (parse->nr_chardevs == PARSE_MAX_CHARDEVS)
        return parse_refuse(parse, NULL, "more than %u of them",
                            PARSE_MAX_CHARDEVS);
    for (unsigned i = 0; i < parse->nr_chardevs; i++) {
        if (strcmp(parse->chardevs[i].socket.id, id) == 0)
            return parse_refuse(parse, NULL, "id=%s is there twice", id);
    }
    chardev = &parse->chardevs[parse->nr_chardevs];
    chardev->socket.id = id;
    ret = check_server(parse, &keyvals);
    if (ret == 0)
        ret = read_address(parse, &keyvals, &chardev->socket);
    if (ret == 0)
        parse->nr_chardevs++;
    return ret;
}

int parse_mon(struct parse *parse)
{
    static const char *const known[] = {"chardev", "mode", "pretty", NULL};
    struct keyvals keyvals;
    const char *mode, *id, *unknown;
    int ret = parse_keyvals(parse, "chardev", &keyvals);

    if (ret)
        return ret;
    unknown = keyvals_unknown(&keyvals, known);
    mode = keyvals_get(&keyvals, "mode");
    id = keyvals_get(&keyvals, "chardev");
    if (unknown)
        return parse_refuse(parse, NULL, "%s= is not known", unknown);
    if (!id)
        return parse_refuse(parse, NULL, "chardev= is needed");
    if (!mode || strcmp(mode, "control") != 0)
        return parse_refuse(parse, "device_model_args",
                            "only mode=control; use xl qemu-monitor-command");
    if (parse->nr_monitors == OPTIONS_MAX_QMP)
        return parse_refuse(parse, NULL, "more than %u of them",
                            OPTIONS_MAX_QMP);
    parse->monitors[parse->nr_monitors++] = id;
    return 0;
}

static struct parse_chardev *find_chardev(struct parse *parse, const char *id)
{
    for (unsigned i = 0; i < parse->nr_chardevs; i++) {
        if (strcmp(parse->chardevs[i].socket.id, id) == 0)
            return &parse->chardevs[i];
    }
    return NULL;
}

int parse_resolve_monitors(struct parse *parse)
{
    struct options *options = parse->options;

    for (unsigned i = 0; i < parse->nr_monitors; i++) {
        struct parse_chardev *chardev = find_chardev(parse, parse->monitors[i]);

        if (!chardev || chardev->used) {
            log_error("-mon chardev=%s: %s", parse->monitors[i],
                      chardev ? "used twice" : "no -chardev has this id");
            return -EINVAL;
        }
        chardev->used = true;
        options->qmp[options->nr_qmp++] = chardev->socket;
    }
    for (unsigned i = 0; i < parse->nr_chardevs; i++) {
        if (!parse->chardevs[i].used) {
            log_error("-chardev id=%s: no -mon uses it (xl.cfg: "
                      "device_model_args)",
                      parse->chardevs[i].socket.id);
            return -EINVAL;
        }
    }
    if (parse->probe && options->nr_qmp == 0) {
        log_error("-machine none: a probe needs -chardev and -mon");
        return -EINVAL;
    }
    return 0;
}
