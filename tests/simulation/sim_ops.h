/* Store and operation engine on top of the simulated cluster: each member has a store, the leader begins operations for
 * clients and carries them out on pretended storage nodes that all members share. A step's effect comes some time after
 * it was started, whether or not its leader still lives; the node's fence decides. */
#ifndef HECATE_TESTS_SIMULATION_SIM_OPS_H
#define HECATE_TESTS_SIMULATION_SIM_OPS_H

#include "daemon/executor/mock_world.h"
#include "daemon/operations/engine.h"
#include "tests/simulation/sim.h"

#define SIM_OPS_ACCEPTED 1024

struct ops_op {
    struct engine engine;
    struct id id;
    struct ops_op *next;
    uint64_t woken_ms; /* a look is due then */
};

struct ops_proposal {
    uint64_t index, term;
    struct id op_id; /* none: a client's */
    enum engine_action_kind kind;
    struct id follow_id; /* an END that leaves something: the operation that takes it over */
    struct id rebalance_id;
    bool client;
};

struct ops_member {
    struct store *store;
    uint64_t term; /* leads in it; 0: does not */
    struct ops_op *ops;
    struct ops_proposal *proposals;
    size_t n_proposals;
};

struct sim_ops {
    struct sim *sim;
    struct mock_world *world;
    struct ops_member members[SIM_MEMBERS_MAX];
    struct id accepted[SIM_OPS_ACCEPTED]; /* operations that a client was told of */
    size_t n_accepted;
    unsigned fail_percent;    /* steps that fail on the node */
    unsigned late_percent;    /* steps whose answer is a time-out, although the effect comes */
    enum exec_step_kind sick; /* steps of this kind fail for good; 0: none */
    bool sick_after;          /* ... although their effect comes */
    unsigned silences;        /* instead: so many of them find no node, then all is well */
    bool recovers;            /* ... has been so from the beginning */
    uint64_t points;          /* passed: before and after each step, effect and command */
    uint64_t crash_point;     /* the leader dies there; 0: never */
    unsigned crashes_left;    /* leaders after the first that die, too */
    bool crashed;
    size_t dying; /* who that is, until the event comes */
    unsigned dying_life;
    uint64_t refused, steps;
    struct ops_running *running; /* steps on their way */
    struct err error;            /* of store_check */
};

/* Fills config->hooks, for sim_new. */
void sim_ops_init(struct sim_ops *ops, struct sim_config *config);
void sim_ops_fini(struct sim_ops *ops); /* after sim_free */
/* A request of a client to whoever serves. False: nobody does, or it was refused. */
bool sim_ops_request(struct sim_ops *ops, struct store_request *request); /* frees the request */
const struct store *sim_ops_store(const struct sim_ops *ops, size_t member);
/* The first member that serves; NULL: none. */
const struct store *sim_ops_leader_store(const struct sim_ops *ops);
/* All accepted operations have ended, with the same state on all members, and the nodes hold what it says. Otherwise
 * sim_fail. Waits at most so long. */
bool sim_ops_settle(struct sim_ops *ops, uint64_t at_most_us);

#endif
