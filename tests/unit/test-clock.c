/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/test-clock.h"

#include <time.h>

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

uint64_t test_clock_us = 1;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    (void)clock;
    ts->tv_sec = (time_t)(test_clock_us / 1000000);
    ts->tv_nsec = (long)(test_clock_us % 1000000 * 1000);
    return 0;
}
