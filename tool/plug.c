/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/plug.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool/qmp.h"
#include "tool/tool.h"

#define MAX_DEVICES 16
#define LOOK_MS 200

struct target {
    char *id;
    uint64_t max, block, size;
    uint64_t requested, wanted;
};

struct plug {
    struct qmp_dialogue qmp;
    struct target targets[MAX_DEVICES]; /* by address */
    unsigned nr;
};

static unsigned long long mib(uint64_t bytes)
{
    return (unsigned long long)(bytes >> 20);
}

static uint64_t number(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, key, &value);
    return value ? (uint64_t)json_object_get_int64(value) : 0;
}

/* ---- devices ---- */

static void forget(struct plug *plug)
{
    while (plug->nr > 0)
        free(plug->targets[--plug->nr].id);
}

static int add_target(struct plug *plug, struct json_object *item)
{
    struct json_object *type = NULL, *data = NULL, *id = NULL;
    struct target *target = &plug->targets[plug->nr];

    json_object_object_get_ex(item, "type", &type);
    json_object_object_get_ex(item, "data", &data);
    if (!type || !data || strcmp(json_object_get_string(type), "virtio-mem"))
        return 0;
    /* Without an id there is no name to ask it by. */
    json_object_object_get_ex(data, "id", &id);
    if (!id)
        return 0;
    if (plug->nr == MAX_DEVICES)
        return -EPROTO;
    *target = (struct target){
        .id = strdup(json_object_get_string(id)),
        .max = number(data, "max-size"),
        .block = number(data, "block-size"),
        .size = number(data, "size"),
        .requested = number(data, "requested-size"),
    };
    if (!target->id)
        return -ENOMEM;
    plug->nr++;
    return target->block > 0 ? 0 : -EPROTO;
}

/* As they are now; they are told in order of address. */
static int look(struct plug *plug)
{
    struct json_object *list = NULL;
    int ret = qmp_command(&plug->qmp, "query-memory-devices", NULL, &list);

    if (ret)
        return ret;
    forget(plug);
    if (!json_object_is_type(list, json_type_array))
        ret = -EPROTO;
    for (size_t i = 0; ret == 0 && i < json_object_array_length(list); i++)
        ret = add_target(plug, json_object_array_get_idx(list, i));
    json_object_put(list);
    if (ret)
        snprintf(plug->qmp.error, sizeof(plug->qmp.error),
                 "its memory devices cannot be understood: %s", strerror(-ret));
    return ret;
}

static uint64_t total_size(const struct plug *plug)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < plug->nr; i++)
        total += plug->targets[i].size;
    return total;
}

/* ---- what is asked of them ---- */

/* The first devices are filled first. */
static int share_out(struct plug *plug, uint64_t bytes)
{
    uint64_t rest = bytes, most = 0;

    for (unsigned i = 0; i < plug->nr; i++) {
        struct target *target = &plug->targets[i];

        most += target->max;
        target->wanted = rest < target->max ? rest : target->max;
        rest -= target->wanted;
        if (target->wanted % target->block) {
            snprintf(plug->qmp.error, sizeof(plug->qmp.error),
                     "device %s would have %" PRIu64 " bytes, which is no "
                     "multiple of its blocks of %" PRIu64,
                     target->id, target->wanted, target->block);
            return -EINVAL;
        }
    }
    if (rest == 0)
        return 0;
    snprintf(plug->qmp.error, sizeof(plug->qmp.error),
             "%llu MiB are more than its %u virtio-mem devices have, %llu MiB "
             "(xl.cfg: device_model_args_hvm)",
             mib(bytes), plug->nr, mib(most));
    return -E2BIG;
}

static int request(struct plug *plug, const struct target *target)
{
    struct json_object *arguments = json_object_new_object();
    char path[300];

    snprintf(path, sizeof(path), "/machine/peripheral/%s", target->id);
    json_object_object_add(arguments, "path", json_object_new_string(path));
    json_object_object_add(arguments, "property",
                           json_object_new_string("requested-size"));
    json_object_object_add(arguments, "value",
                           json_object_new_int64((int64_t)target->wanted));
    return qmp_command(&plug->qmp, "qom-set", arguments, NULL);
}

/* What becomes smaller first: the guest may need its place. */
static int request_all(struct plug *plug)
{
    int ret = 0;

    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < plug->nr && ret == 0; i++) {
            const struct target *target = &plug->targets[i];
            bool shrinks = target->wanted < target->requested;

            if (target->wanted != target->requested && shrinks == (pass == 0))
                ret = request(plug, target);
        }
    return ret;
}

/* ---- what comes of it ---- */

static void show(uint64_t size, uint64_t bytes)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%llu of %llu MiB ", mib(size), mib(bytes));
}

static int follow(struct plug *plug, uint64_t bytes, unsigned patience)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    uint64_t before = UINT64_MAX, size;
    unsigned looks = 0;
    int ret;

    do {
        ret = look(plug);
        if (ret)
            return ret;
        size = total_size(plug);
        show(size, bytes);
        if (size != before)
            looks = 0;
        before = size;
        if (size == bytes)
            return 0;
        nanosleep(&pause, NULL);
    } while (looks++ < patience * (1000 / LOOK_MS));
    snprintf(plug->qmp.error, sizeof(plug->qmp.error),
             "the guest has %llu of %llu MiB and nothing came of it for %u "
             "seconds: has it loaded virtio_mem, and does it bring new memory "
             "online?",
             mib(size), mib(bytes), patience);
    return -ETIMEDOUT;
}

int plug_guest(const char *name, const char *path, uint64_t bytes,
               unsigned patience)
{
    struct plug plug = {.nr = 0};
    int ret = qmp_dial(&plug.qmp, path);

    if (ret == 0)
        ret = look(&plug);
    if (ret == 0 && plug.nr == 0) {
        snprintf(plug.qmp.error, sizeof(plug.qmp.error),
                 "it has no virtio-mem device with an id (xl.cfg: "
                 "device_model_args_hvm)");
        ret = -ENODEV;
    }
    if (ret == 0)
        ret = share_out(&plug, bytes);
    if (ret == 0)
        ret = request_all(&plug);
    if (ret == 0)
        ret = follow(&plug, bytes, patience);
    if (isatty(STDERR_FILENO))
        fputs("\r", stderr);
    if (ret == 0)
        printf("%s: %llu MiB plugged\n", name, mib(bytes));
    else
        tool_error(name, "%s", plug.qmp.error);
    forget(&plug);
    qmp_hang_up(&plug.qmp);
    return ret;
}
