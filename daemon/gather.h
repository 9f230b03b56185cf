/* One examination of all storage nodes: they are asked, some at a time, and what each answers is held against the
 * database by a thread, with a view of the database as it was at the beginning. */
#ifndef HECATE_DAEMON_GATHER_H
#define HECATE_DAEMON_GATHER_H

#include <stdatomic.h>
#include <sys/queue.h>
#include <uv.h>

#include "api/api.h"
#include "daemon/examine.h"

struct member;

enum gather_state {
    GATHER_TO_ASK,
    GATHER_ASKED,
    GATHER_ANSWERED, /* with an inventory, which waits for the thread */
    GATHER_COMPARED, /* or not to be had: failure */
};

struct gather_node {
    struct gather *gather;
    struct id node, cluster;
    char *host; /* manage name */
    enum gather_state state;
    bool working; /* the thread has it */
    struct exec_inventory *inventory;
    int code;      /* 0, or why it could not be looked at... */
    char *failure; /* ... with the reason; NULL: none */
    bool names_match;
    char *json; /* the node's part of the answer to clients, if wanted; NULL: too much */
};

struct gather {
    TAILQ_ENTRY(gather) link;
    struct member *member; /* NULL: it is gone */
    uint64_t term;         /* when it began */
    size_t operations;     /* under way when it began */
    struct gather_node *nodes;
    size_t n;
    bool describe;                           /* the nodes' inventories are wanted as JSON */
    struct findings *earlier;                /* what the findings are confirmed by, or NULL; owned */
    void (*conclude)(struct gather *gather); /* in the thread, at the end; NULL: nothing */
    void (*done)(struct gather *gather);     /* on the loop, last; the gather ends with it */

    /* For conclude and done. */
    struct store_view *view; /* the database as it was: for conclude only */
    struct examine examine;
    struct findings *findings;
    struct findings_list list;
    char *failed; /* NULL, or why there is no copy: nothing was compared */
    char *document;

    /* Inside. */
    uv_work_t work;
    atomic_bool stop; /* the member ends, or nobody wants it: no further node is asked, and the thread ends soon */
    struct store_snapshot *snapshot;
    bool begun, working, prepared, concluded;
    size_t at_once; /* nodes that are asked */
    size_t next, asked;
    size_t described_bytes, listed; /* of the thread; listed: volumes, since memory was given back */
};

/* Fills what is above conclude from the member; the caller sets the rest and calls gather_run. Where the database is
 * large, it waits until others that run have ended. */
struct gather *gather_new(struct member *member);
void gather_run(struct gather *gather);
/* How many nodes are asked at a time, in a database of so many volumes: each lists all of its pool. */
size_t gather_at_once(size_t volumes);
/* The member is about to end: what the thread does comes to its end soon. */
void gather_stop_all(struct member *member);
/* The member ends: gathers that run find nobody. */
void gather_abandon_all(struct member *member);

#endif
