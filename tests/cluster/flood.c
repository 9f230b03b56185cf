/* Connects to ADDRESS PORT as often as it can, says nothing and keeps the last KEPT of them open, until its input ends.
 * They end by a reset: else the host would soon have no port left to connect from. Prints how often each second. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEPT 900
#define AT_ONCE 64 /* between looks at the input */

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    const struct linger reset = {.l_onoff = 1};
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int kept[KEPT];
    unsigned long n = 0, n_failed = 0;
    double begin_s = now_s();

    if (argc != 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1) {
        return 2;
    }
    at.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    while (poll(&input, 1, 0) == 0) {
        for (int i = 0; i < AT_ONCE; i++, n++) {
            if (n >= KEPT) {
                (void)close(kept[n % KEPT]);
            }
            kept[n % KEPT] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            if (kept[n % KEPT] < 0) {
                return 1;
            }
            (void)setsockopt(kept[n % KEPT], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            if (connect(kept[n % KEPT], (struct sockaddr *)&at, sizeof(at)) != 0 && errno != EINPROGRESS) {
                n_failed++;
            }
        }
    }
    (void)printf("%.0f\n", (double)(n - n_failed) / (now_s() - begin_s));
    return 0;
}
