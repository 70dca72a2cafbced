/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * carry ADDRESS PORT LINE: a TCP connection there; the line and then the input
 * go into it, what comes out of it goes to the output.  The end of the input
 * goes through, the end of the connection ends the program.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "carry: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int connect_to(const char *address, const char *port)
{
    struct sockaddr_in there = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (inet_pton(AF_INET, address, &there.sin_addr) != 1)
        errno = EINVAL;
    else if (fd >= 0 &&
             connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0)
        return fd;
    die(address);
    return -1;
}

static void put(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);

        if (done < 0)
            die("write");
        data += done;
        len -= (size_t)done;
    }
}

/* False at the end of from. */
static bool copy(int from, int to)
{
    static char data[1 << 18];
    ssize_t len = read(from, data, sizeof(data));

    if (len < 0)
        die("read");
    put(to, data, (size_t)len);
    return len > 0;
}

int main(int argc, char **argv)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.events = POLLIN}};
    int fd;

    if (argc != 4) {
        fprintf(stderr, "usage: carry ADDRESS PORT LINE\n");
        return EXIT_FAILURE;
    }
    fd = connect_to(argv[1], argv[2]);
    put(fd, argv[3], strlen(argv[3]));
    put(fd, "\n", 1);
    fds[1].fd = fd;
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            die("poll");
        if (fds[1].revents && !copy(fd, STDOUT_FILENO))
            return EXIT_SUCCESS;
        if (fds[0].revents && !copy(STDIN_FILENO, fd)) {
            shutdown(fd, SHUT_WR);
            fds[0].fd = -1;
        }
    }
}
