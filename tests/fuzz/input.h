/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

/* A fuzzer's bytes, taken from the front as numbers. */

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *data;
    size_t left;
};

/* Of up to 8 bytes, lowest first; those that are not there are 0. */
static inline uint64_t take(struct input *input, unsigned nr)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < nr && input->left > 0; i++) {
        value |= (uint64_t)*input->data++ << i * 8;
        input->left--;
    }
    return value;
}

#endif
