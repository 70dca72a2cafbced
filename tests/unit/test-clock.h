/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TEST_CLOCK_H
#define TESTS_TEST_CLOCK_H

/* Linked with --wrap for clock_gettime: time goes on when a test says so. */

#include <stdint.h>

/* Of every clock. */
extern uint64_t test_clock_us;

#endif
