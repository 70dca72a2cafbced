/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/qmp-json.h"

#include <errno.h>

/* json-c gives no text for what contains this. */
static int refuse_text(struct json_object *object, struct printbuf *text,
                       int level, int flags)
{
    (void)object;
    (void)text;
    (void)level;
    (void)flags;
    return -1;
}

static void spoil(struct json_object *container, struct json_object *value)
{
    json_object_put(value);
    if (container)
        json_object_set_serializer(container, refuse_text, NULL, NULL);
}

void qmp_put(struct json_object *object, const char *key,
             struct json_object *value)
{
    if (!object || !value || json_object_object_add(object, key, value))
        spoil(object, value);
}

void qmp_add(struct json_object *list, struct json_object *value)
{
    if (!list || !value || json_object_array_add(list, value))
        spoil(list, value);
}

void qmp_put_string(struct json_object *object, const char *key,
                    const char *text)
{
    qmp_put(object, key, json_object_new_string(text));
}

void qmp_put_int(struct json_object *object, const char *key, int64_t value)
{
    qmp_put(object, key, json_object_new_int64(value));
}

void qmp_put_bool(struct json_object *object, const char *key, bool value)
{
    qmp_put(object, key, json_object_new_boolean(value));
}

void qmp_echo(struct json_object *object, const char *key,
              struct json_object *value)
{
    json_object_get(value);
    if (!object || json_object_object_add(object, key, value))
        spoil(object, value);
}

const char *qmp_text(struct json_object *message, size_t *len)
{
    const char *text;

    if (!message)
        return NULL;
    /* json-c leaves out of the text what it has no room for. */
    errno = 0;
    text = json_object_to_json_string_length(
        message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
    return errno ? NULL : text;
}
