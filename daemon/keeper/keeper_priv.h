/* Between the daemon (keeper.c) and the keeper's process (process.c): messages on a pair of sequential-packet sockets.
 */
#ifndef HECATE_DAEMON_KEEPER_KEEPER_PRIV_H
#define HECATE_DAEMON_KEEPER_KEEPER_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/keeper/address.h"

enum keeper_order_kind { ORDER_LEASE = 1, ORDER_RELEASE = 2, ORDER_LEND = 3, ORDER_CHECK = 4 };

struct keeper_order {
    uint32_t kind;
    uint32_t unused;
    uint64_t deadline_us;
};

enum keeper_word_kind {
    WORD_READY = 1, /* leftovers are removed, orders are taken */
    WORD_HELD,      /* also after each refresh: it is confirmed again */
    WORD_AWAY,
    WORD_TROUBLE,
    WORD_ALIVE, /* the answer to a check; says nothing of the addresses */
    WORD_LENT,  /* the lease's deadline no longer counts for the addresses */
};

struct keeper_word {
    uint32_t kind;
    char text[252];
};

/* The keeper's life, in the forked process; never returns. */
void keeper_process(int fd, const struct address *addresses, size_t n) __attribute__((noreturn));

#endif
