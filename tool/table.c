/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tool/table.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

/* Room for a number; strings are shown where they are. */
struct cell {
    char number[24];
};

static const char *cell_text(const struct json_object *row,
                             const struct column *column, struct cell *cell)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(row, column->key, &value);
    if (!value)
        return "-";
    if (!json_object_is_type(value, json_type_int))
        return json_object_get_string(value);
    snprintf(cell->number, sizeof(cell->number),
             column->hexadecimal ? "0x%" PRIx64 : "%" PRIu64,
             json_object_get_uint64(value));
    return cell->number;
}

static size_t column_width(const struct json_object *rows,
                           const struct column *column)
{
    size_t width = strlen(column->title);

    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        const struct json_object *row = json_object_array_get_idx(rows, i);
        struct cell cell;
        size_t len = strlen(cell_text(row, column, &cell));

        if (len > width)
            width = len;
    }
    return width;
}

/* The last column is not padded: it may hold a sentence. */
static void print_cell(const char *text, size_t width, bool last)
{
    if (last)
        printf("%s\n", text);
    else
        printf("%-*s  ", (int)width, text);
}

void table_print(const struct json_object *rows, const struct column *columns,
                 size_t nr)
{
    size_t nr_rows = json_object_array_length(rows);

    if (nr_rows == 0)
        return;
    for (size_t c = 0; c < nr; c++)
        print_cell(columns[c].title, column_width(rows, &columns[c]),
                   c + 1 == nr);
    for (size_t i = 0; i < nr_rows; i++) {
        const struct json_object *row = json_object_array_get_idx(rows, i);

        for (size_t c = 0; c < nr; c++) {
            struct cell cell;

            print_cell(cell_text(row, &columns[c], &cell),
                       column_width(rows, &columns[c]), c + 1 == nr);
        }
    }
}

void table_add_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

void table_add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, json_object_new_string(text));
}

void table_print_json(struct json_object *object)
{
    puts(json_object_to_json_string_ext(
        object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}
