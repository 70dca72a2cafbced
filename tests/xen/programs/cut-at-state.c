/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * cut-at-state: copies what xl sends, and stops in the middle of the device
 * model's state: when the guest's memory is through and the guest is suspended.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEHIND 1000 /* bytes of the state that still go through */

static const unsigned char magic[8] = {'Q', 'E', 'V', 'M', 0, 0, 0, 3};

static void die(const char *what)
{
    fprintf(stderr, "cut-at-state: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void put(const unsigned char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(STDOUT_FILENO, data, len);

        if (done < 0)
            die("write");
        data += done;
        len -= (size_t)done;
    }
}

int main(void)
{
    static unsigned char data[65536];
    size_t kept = 0; /* of what went through, may begin the magic */
    ssize_t got;

    while ((got = read(STDIN_FILENO, data + kept, sizeof(data) - kept)) > 0) {
        size_t nr = kept + (size_t)got;
        unsigned char *at = memmem(data, nr, magic, sizeof(magic));

        if (at) {
            size_t len = (size_t)(at - data) + sizeof(magic) + BEHIND;

            put(data + kept, (len < nr ? len : nr) - kept);
            return EXIT_SUCCESS;
        }
        put(data + kept, (size_t)got);
        kept = nr < sizeof(magic) - 1 ? nr : sizeof(magic) - 1;
        memmove(data, data + nr - kept, kept);
    }
    if (got < 0)
        die("read");
    return EXIT_SUCCESS;
}
