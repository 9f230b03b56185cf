/* A driver on a loop with the mock executor and a store; proposals are applied a turn of the loop later. */
#ifndef HECATE_TESTS_UNIT_OPERATIONS_FIXTURE_H
#define HECATE_TESTS_UNIT_OPERATIONS_FIXTURE_H

#include "daemon/executor/mock.h"
#include "daemon/operations/operations.h"
#include "tests/unit/store/world.h"

#define FIXTURE_NODES 4

struct fixture {
    struct world world;
    uv_loop_t loop;
    uv_timer_t deadline;
    bool late;
    struct executor *executor;
    struct op_driver *driver;
    struct id cluster, nodes[FIXTURE_NODES], devices[FIXTURE_NODES];
    char *hosts[FIXTURE_NODES];
    size_t n_nodes;
    uint64_t term;
    bool serving;
    int propose_status; /* not 0: proposals get this and are not applied */
    bool lose_answers;  /* proposals are applied, their answer is E_UNKNOWN_OUTCOME */
    size_t n_proposed;
    size_t n_silent; /* steps whose node did not answer */
    size_t closed;
};

void fixture_init(struct fixture *fixture, size_t n_nodes);
/* Closes the driver, the executor and the loop. */
void fixture_fini(struct fixture *fixture);
/* A new term; the driver is started. */
void fixture_lead(struct fixture *fixture);
/* Orders to the mock; %s in it is replaced by the host of node. */
void fixture_order(struct fixture *fixture, const char *json, size_t node);
/* Turns the loop until the condition holds; fails after 20 s. */
void fixture_until(struct fixture *fixture, bool (*condition)(struct fixture *fixture));
/* Turns the loop for so long, with nothing expected. */
void fixture_idle(struct fixture *fixture, uint64_t ms);
bool fixture_no_operations(struct fixture *fixture);
/* Begins, tells the driver if it leads. */
struct id fixture_create(struct fixture *fixture, const char *name, uint32_t replica);
struct id fixture_delete(struct fixture *fixture, struct id volume);
struct id fixture_device(struct fixture *fixture, size_t node, const char *name);
/* The world holds exactly the bricks and volumes of the store. */
void fixture_expect_clean(struct fixture *fixture);
size_t fixture_steps(struct fixture *fixture, const char *state);

#endif
