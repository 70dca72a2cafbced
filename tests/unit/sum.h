/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SUM_H
#define TESTS_SUM_H

/* For those who edit a stream. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Put the right sum into the last section; false: there is none. */
bool fix_sum(uint8_t *stream, size_t len);

#endif
