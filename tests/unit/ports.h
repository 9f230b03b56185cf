/*
 * Ports for servers of tests. They lie below the range from which the kernel takes the ports of outgoing connections
 * (Linux: 32768 and up): a port that was free when it was chosen is then not taken by somebody's connection before the
 * server listens.
 */
#ifndef HECATE_TESTS_UNIT_PORTS_H
#define HECATE_TESTS_UNIT_PORTS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_FIRST 10000
#define PORTS_END 32768
#define PORTS_MAX 16

/* A socket that is bound to a random port on all addresses, IPv4 and IPv6. */
static inline int ports_bind(unsigned *ret_port)
{
    for (;;) {
        struct sockaddr_in6 address = {.sin6_family = AF_INET6};
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint32_t random = 0;

        if (fd < 0 || getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
            abort();
        }
        *ret_port = PORTS_FIRST + random % (PORTS_END - PORTS_FIRST);
        address.sin6_port = htons((uint16_t)*ret_port);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            return fd;
        }
        close(fd);
    }
}

/* n different ports, at most PORTS_MAX, that nobody has now. */
static inline void ports_free(unsigned *ret_ports, size_t n)
{
    int sockets[PORTS_MAX];

    if (n > PORTS_MAX) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        sockets[i] = ports_bind(&ret_ports[i]);
    }
    for (size_t i = 0; i < n; i++) {
        close(sockets[i]);
    }
}

#endif
