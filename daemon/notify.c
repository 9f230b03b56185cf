#include "daemon/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/base/check.h"

void notify_state(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len;
    int fd;

    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path)) {
        return;
    }
    len = strlen(path);
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    /* Best effort: a service manager that does not listen is not our failure. */
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)close(fd);
}

static bool parse_env(const char *name, uint64_t *ret_value)
{
    const char *text = getenv(name);
    char *end;

    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

uint64_t notify_watchdog_ms(void)
{
    uint64_t usec, pid;

    if (!parse_env("WATCHDOG_USEC", &usec) ||
        (getenv("WATCHDOG_PID") != NULL && (!parse_env("WATCHDOG_PID", &pid) || pid != (uint64_t)getpid()))) {
        return 0;
    }
    return usec / 2000 > 0 || usec == 0 ? usec / 2000 : 1;
}

static void feed(uv_timer_t *timer)
{
    (void)timer;
    notify_state("WATCHDOG=1");
}

void notify_watchdog_start(uv_loop_t *loop, uv_timer_t *timer)
{
    uint64_t every_ms = notify_watchdog_ms();

    CHECK(uv_timer_init(loop, timer) == 0);
    if (every_ms != 0) {
        CHECK(uv_timer_start(timer, feed, every_ms, every_ms) == 0);
    }
}
