/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/keyval.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Ends the piece at text, with ",," folded; returns the next or NULL. */
static char *cut_piece(char *text)
{
    char *to = text;

    for (char *from = text; *from; from++) {
        if (*from == ',') {
            if (from[1] != ',') {
                *to = '\0';
                return from + 1;
            }
            from++;
        }
        *to++ = *from;
    }
    *to = '\0';
    return NULL;
}

static struct keyval as_pair(char *piece, const char *first)
{
    char *equals = strchr(piece, '=');

    if (equals) {
        *equals = '\0';
        return (struct keyval){piece, equals + 1};
    }
    if (first)
        return (struct keyval){first, piece};
    if (strncmp(piece, "no", 2) == 0 && piece[2])
        return (struct keyval){piece + 2, "off"};
    return (struct keyval){piece, "on"};
}

int keyvals_split(char *text, const char *first, struct keyvals *out)
{
    out->nr = 0;
    while (text) {
        char *next = cut_piece(text);

        if (*text) {
            if (out->nr == KEYVAL_MAX)
                return -E2BIG;
            out->pairs[out->nr++] = as_pair(text, first);
        }
        first = NULL;
        text = next;
    }
    return 0;
}

const char *keyvals_get(const struct keyvals *keyvals, const char *key)
{
    for (unsigned i = keyvals->nr; i-- > 0;) {
        if (strcmp(keyvals->pairs[i].key, key) == 0)
            return keyvals->pairs[i].value;
    }
    return NULL;
}

const char *keyvals_unknown(const struct keyvals *keyvals,
                            const char *const known[])
{
    for (unsigned i = 0; i < keyvals->nr; i++) {
        const char *const *name = known;

        while (*name && strcmp(*name, keyvals->pairs[i].key) != 0)
            name++;
        if (!*name)
            return keyvals->pairs[i].key;
    }
    return NULL;
}

int keyval_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');

        if (*text < '0' || *text > '9' || number > max / 10 ||
            digit > max - number * 10)
            return -EINVAL;
        number = number * 10 + digit;
    }
    *out = number;
    return 0;
}

/* Value of a digit, or 16. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static bool unit_of(const char *suffix, uint64_t *unit)
{
    static const char letters[] = "bkmgt";
    const char *letter;

    if (!*suffix)
        return true;
    letter = strchr(letters, suffix[0] | 0x20);
    if (!letter || suffix[1])
        return false;
    *unit = UINT64_C(1) << (10 * (letter - letters));
    return true;
}

int keyval_size(const char *text, uint64_t unit, uint64_t max, uint64_t *out)
{
    bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
    const char *first = hex ? text + 2 : text, *end = first;
    unsigned base = hex ? 16 : 10;
    uint64_t number = 0;

    for (; digit_of(*end) < base; end++) {
        if (number > (UINT64_MAX - digit_of(*end)) / base)
            return -EINVAL;
        number = number * base + digit_of(*end);
    }
    if (end == first || !unit_of(end, &unit) || number > max / unit)
        return -EINVAL;
    *out = number * unit;
    return 0;
}

int keyval_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"on", true},   {"yes", true}, {"true", true},
                 {"off", false}, {"no", false}, {"false", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return 0;
        }
    }
    return -EINVAL;
}
