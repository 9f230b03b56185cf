/* The keeper's process: one loop around poll(2). It reads orders, does what hold.c says and tells what the kernel did.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/keeper/hold.h"
#include "daemon/keeper/keeper_priv.h"
#include "daemon/keeper/sever.h"
#include "store/base/check.h"
#include "store/base/text.h"

#define TROUBLE_EVERY_US 1000000
#define HUNG_US 60000 /* a daemon that lives speaks twice in this time when its deadline is near */

struct process {
    int fd;
    const struct address *addresses;
    size_t n;
    struct address_door door;
    struct hold hold;
    bool held, told_held; /* what the kernel has, and what the daemon knows of it */
    bool must_tell;       /* also when nothing has changed: a release is always answered */
    uint64_t trouble_us;  /* not told again before */
    uint64_t heard_us;    /* when the daemon spoke last */
};

static uint64_t now_us(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool say(struct process *process, enum keeper_word_kind kind, const char *text)
{
    struct keeper_word word = {.kind = kind};

    text_put(word.text, sizeof(word.text), text);
    return send(process->fd, &word, sizeof(word), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(word);
}

/* A daemon that does not read (it hangs) hears of it when it reads again. */
static void tell_state(struct process *process)
{
    if ((process->must_tell || process->told_held != process->held) &&
        say(process, process->held ? WORD_HELD : WORD_AWAY, "")) {
        process->told_held = process->held;
        process->must_tell = false;
    }
}

static void trouble(struct process *process, const char *text)
{
    uint64_t now = now_us();

    if (now >= process->trouble_us && say(process, WORD_TROUBLE, text)) {
        process->trouble_us = now + TROUBLE_EVERY_US;
    }
}

/* ---- what hold.c decides ---- */

static void refresh(struct process *process)
{
    struct err err = ERR_INIT;
    bool all = true;

    for (size_t i = 0; i < process->n; i++) {
        if (address_add(&process->door, &process->addresses[i], HOLD_LIFETIME_S, &err) != 0) {
            trouble(process, err.message);
            all = false;
        }
    }
    process->held = all;
    process->must_tell = process->must_tell || all;
}

static void announce(struct process *process)
{
    struct err err = ERR_INIT;

    for (size_t i = 0; i < process->n; i++) {
        if (address_announce(&process->door, &process->addresses[i], &err) != 0) {
            trouble(process, err.message);
        }
    }
}

static void probe(struct process *process)
{
    struct err err = ERR_INIT;

    for (size_t i = 0; i < process->n; i++) {
        if (address_probe(&process->door, &process->addresses[i], &err) != 0) {
            trouble(process, err.message);
        }
    }
}

/* Who is still connected to an address that goes would never hear of it. But a daemon that lives and has lost its lease
 * for a moment may have it again before a client notices: only those of one that hangs, or has ended, are reset. */
static void sever(struct process *process)
{
    struct err err = ERR_INIT;

    if (now_us() < process->heard_us + HUNG_US) {
        return;
    }
    for (size_t i = 0; i < process->n; i++) {
        if (sever_connections(&process->addresses[i], &err) == E_IO) {
            trouble(process, err.message);
        }
    }
}

static bool remove_all(struct process *process, struct err *err)
{
    bool all = true;

    for (size_t i = 0; i < process->n; i++) {
        all = address_remove(&process->door, &process->addresses[i], err) == 0 && all;
    }
    return all;
}

static void let_go(struct process *process)
{
    struct err err = ERR_INIT;

    if (remove_all(process, &err)) {
        process->held = false;
    } else {
        trouble(process, err.message); /* its lifetime ends it */
    }
}

/* Does what is due; returns when something will be. */
static uint64_t act(struct process *process)
{
    uint64_t wake;

    for (;;) {
        switch (hold_next(&process->hold, now_us(), &wake)) {
        case HOLD_WAIT:
            tell_state(process);
            return wake;
        case HOLD_ADD:
        case HOLD_REFRESH:
            refresh(process);
            break;
        case HOLD_ANNOUNCE:
            announce(process);
            break;
        case HOLD_PROBE:
            probe(process);
            break;
        case HOLD_SEVER:
            sever(process);
            break;
        case HOLD_REMOVE:
            let_go(process);
            break;
        }
    }
}

/* ---- what comes in ---- */

/* What has been taken is confirmed: from now on the addresses are not a sign of leadership. */
static void lend(struct process *process, uint64_t until_us)
{
    hold_lend(&process->hold, until_us);
    if (!process->hold.lent) {
        process->must_tell = true;
    } else if (!say(process, WORD_LENT, "")) {
        hold_release(&process->hold);
    }
}

/* false: the daemon is gone. */
static bool take_orders(struct process *process)
{
    for (;;) {
        struct keeper_order order;
        ssize_t len = recv(process->fd, &order, sizeof(order), MSG_DONTWAIT);

        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len < 0 && errno == EAGAIN) {
            return true;
        }
        if (len != (ssize_t)sizeof(order)) {
            return false;
        }
        process->heard_us = now_us();
        if (order.kind == ORDER_LEASE) {
            hold_lease(&process->hold, order.deadline_us, now_us());
        } else if (order.kind == ORDER_CHECK) {
            (void)say(process, WORD_ALIVE, ""); /* a daemon that does not read has missed more than this */
        } else if (order.kind == ORDER_LEND) {
            lend(process, order.deadline_us);
        } else {
            hold_release(&process->hold);
            process->must_tell = true;
        }
    }
}

static void hear(struct process *process)
{
    uint8_t mac[6];
    bool answer;
    size_t at;

    while (address_conflict(&process->door, process->addresses, process->n, &at, mac, &answer)) {
        bool successor = process->hold.lent;
        bool predecessor = answer && hold_taking_over(&process->hold, now_us());
        char text[200];

        if (process->held && !successor && !predecessor) {
            (void)snprintf(text, sizeof(text),
                           "the virtual address %s is claimed by %02x:%02x:%02x:%02x:%02x:%02x as well",
                           process->addresses[at].text, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
            trouble(process, text);
        }
    }
}

static void wait_until(struct process *process, uint64_t wake_us)
{
    struct pollfd fds[3] = {{process->fd, POLLIN, 0}, {process->door.arp, POLLIN, 0}, {process->door.icmp6, POLLIN, 0}};
    uint64_t now = now_us();
    uint64_t wait_us = wake_us > now ? wake_us - now : 0;
    struct timespec timeout = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};

    (void)ppoll(fds, 3, wake_us == UINT64_MAX ? NULL : &timeout, NULL); /* whatever woke us is looked at */
}

/* ---- life ---- */

/* Of all capabilities two are left, and no way to more. */
static bool keep_two_capabilities(void)
{
    static const cap_value_t kept[] = {CAP_NET_ADMIN, CAP_NET_RAW};
    cap_t caps = cap_init();
    bool ok = caps != NULL && cap_set_flag(caps, CAP_PERMITTED, 2, kept, CAP_SET) == 0 &&
              cap_set_flag(caps, CAP_EFFECTIVE, 2, kept, CAP_SET) == 0 && cap_set_proc(caps) == 0;

    if (caps != NULL) {
        (void)cap_free(caps); /* memory */
    }
    return ok && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

void keeper_process(int fd, const struct address *addresses, size_t n)
{
    struct process process = {.fd = fd, .addresses = addresses, .n = n};
    struct err err = ERR_INIT;

    /* A service manager stops all processes of the service at once: this one outlives the daemon. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    (void)prctl(PR_SET_NAME, "hecate-keeper", 0, 0, 0); /* for people */
    if (!keep_two_capabilities()) {
        (void)err_set(&err, E_IO, "virtual addresses need the capabilities CAP_NET_ADMIN and CAP_NET_RAW: %s",
                      strerror(errno));
    } else if (address_open(addresses, n, &process.door, &err) == 0) {
        (void)remove_all(&process, &err);
    }
    if (err.code != 0) {
        (void)say(&process, WORD_TROUBLE, err.message);
        _exit(1);
    }
    if (!say(&process, WORD_READY, "")) {
        _exit(1);
    }
    do {
        wait_until(&process, act(&process));
        hear(&process);
    } while (take_orders(&process));
    hold_release(&process.hold); /* the daemon has ended, or was killed */
    process.heard_us = 0;
    (void)act(&process);
    let_go(&process);
    _exit(0);
}
