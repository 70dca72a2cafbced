/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_QMP_JSON_H
#define DM_QMP_JSON_H

/*
 * Replies are put together without a look at what memory is there.  Where some
 * was missing, what is made is not whole and has no text: the peer gets nothing
 * of it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/*
 * Add value, which is taken over, and so is a value of NULL: object, or list,
 * is not whole then.  Both may be NULL themselves.
 */
void qmp_put(struct json_object *object, const char *key,
             struct json_object *value);
void qmp_add(struct json_object *list, struct json_object *value);

void qmp_put_string(struct json_object *object, const char *key,
                    const char *text);
void qmp_put_int(struct json_object *object, const char *key, int64_t value);
void qmp_put_bool(struct json_object *object, const char *key, bool value);

/* Add what came from the peer and stays its owner's; NULL is JSON's null. */
void qmp_echo(struct json_object *object, const char *key,
              struct json_object *value);

/*
 * The text of message, which owns it, and its length; NULL when message is not
 * whole, is NULL, or there is no memory for all of the text.
 */
const char *qmp_text(struct json_object *message, size_t *len);

#endif
