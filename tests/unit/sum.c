/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/unit/sum.h"

#include <libdeflate.h>
#include <string.h>

#define HEADER "\x0axenram/sum" /* then instance and version */

bool fix_sum(uint8_t *stream, size_t len)
{
    uint8_t *header = memmem(stream, len, HEADER, strlen(HEADER));
    uint32_t sum;
    size_t at;

    if (!header)
        return false;
    at = (size_t)(header - stream) + strlen(HEADER) + 8;
    if (at > len || len - at < 4)
        return false;
    sum = libdeflate_crc32(0, stream, at);
    for (size_t i = 0; i < 4; i++)
        stream[at + i] = (uint8_t)(sum >> (24 - 8 * i));
    return true;
}
