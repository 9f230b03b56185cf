/* Plays one operation's engine against a store: steps succeed unless ordered otherwise, commands are applied, time
 * jumps to what the engine waits for. What happens is written down: "brick-create@0 brick-create@1 volume-create@0
 * done". */
#ifndef HECATE_TESTS_UNIT_OPERATIONS_PLAY_H
#define HECATE_TESTS_UNIT_OPERATIONS_PLAY_H

#include "daemon/operations/engine.h"
#include "tests/unit/store/world.h"

#define PLAY_NODES 8
#define PLAY_ORDERS 8
/* Codes besides those of err.h: E_BUSY, and what has to pass. */
#define PLAY_APART 1001
#define PLAY_MARKED 1002
#define PLAY_CLONE "0123456789abcdef0123456789abcdef" /* the id that Gluster gives a clone, without dashes */

enum play_what {
    PLAY_CREATE,
    PLAY_DELETE,
    PLAY_NODE_ADD,
    PLAY_NODE_FIRST,
    PLAY_NODE_DELETE,
    PLAY_NODE_LAST,
    PLAY_DEVICE_ADD,
    PLAY_DEVICE_DELETE,
    PLAY_DEVICE_FORGET,
    PLAY_DEVICE_RESYNC
};

struct play_order {           /* steps of this kind at this node answer so */
    enum exec_step_kind kind; /* 0: any */
    int node;                 /* index; -1: any */
    int times;                /* 0: not used up */
    int code;
    bool permanent;
    int used; /* the play's */
};

struct play {
    struct world world;
    struct id cluster;
    struct id nodes[PLAY_NODES], devices[PLAY_NODES];
    size_t n_nodes;
    bool down[PLAY_NODES]; /* what the failure detector says */
    bool detects;          /* unreachable nodes become known as down */
    struct play_order orders[PLAY_ORDERS];
    size_t n_orders;
    struct exec_block_info block; /* what block steps say, if it is `present`; otherwise that all is as wished */
    struct engine engine;
    uint64_t now_ms;
    struct buf trace;
    struct id follow_id;    /* of the last END that left something */
    struct id rebalance_id; /* of the last END */
    bool found;             /* VOLUME_LOOK finds what it looks for; set by what makes it */
    bool sneaks;            /* VOLUME_EXPAND and VOLUME_CLONE have their effect, whatever they answer */
    bool foreign;           /* Gluster names bricks on other nodes than expected */
    bool taken;             /* the clone is said to be where its source is */
    bool odd;               /* ... or where Gluster puts no clones */
    int liar;               /* this node lies about a clone, or an expand's bricks, if there is a lie */
    const char *lie;  /* NULL: none; "": it has none; otherwise what it gives for the clone's id, without dashes */
    int rebalancing;  /* so many times the rebalance is not over */
    int propose_busy; /* so many proposals find the window full */
};

/* A cluster of n nodes with a device each. */
void play_init(struct play *play, size_t n);
void play_fini(struct play *play);
void play_order(struct play *play, enum exec_step_kind kind, int node, int times, int code, bool permanent);
/* Asks for an operation; its id. */
struct id play_request(struct play *play, enum play_what what);
/* Of a volume "v" of 10 GiB that is made for it: a clone; 5 GiB more; the first brick elsewhere. */
struct id play_clone(struct play *play);
struct id play_expand(struct play *play, uint32_t replica);
struct id play_evict(struct play *play, uint32_t replica);
/* Takes an operation up. */
void play_begin(struct play *play, struct id op_id);
/* Until it ends, waits for ever, or max_ms have passed; true: it ended. One step at a time. */
bool play_run(struct play *play, uint64_t max_ms);
/* The same, but what can run at the same time does; the answers come in the order of the begins. */
bool play_run_together(struct play *play, uint64_t max_ms);
/* One engine_next; commands are applied, their outcome told. False: it waits. ret_action: what it was. */
bool play_next(struct play *play, struct engine_action *ret_action);
void play_answer(struct play *play, size_t step, int code, bool permanent);
int play_index(const struct play *play, struct id node);
const char *play_trace(struct play *play); /* and forgets it */
/* Nodes in the trace renamed to the order in which they first appear: A, B, C. Valid until the next call. */
const char *play_canonical(const char *trace);

#endif
