/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

/* What is shown is built as JSON; without --json its arrays become tables. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct column {
    const char *title;
    const char *key;  /* of the objects in the array */
    bool hexadecimal; /* numbers; others are decimal */
};

/* Print rows, an array of objects, to stdout, or nothing when it is empty. */
void table_print(const struct json_object *rows, const struct column *columns,
                 size_t nr);

/* A cell of a row, or a field of any object. */
void table_add_number(struct json_object *to, const char *key, uint64_t value);
void table_add_text(struct json_object *to, const char *key, const char *text);

void table_print_json(struct json_object *object);

#endif
