/* Three members in one process on loopback: one loop, real logs, pretended storage nodes. */
#ifndef HECATE_TESTS_UNIT_DAEMON_FIXTURE_H
#define HECATE_TESTS_UNIT_DAEMON_FIXTURE_H

#include "daemon/member_priv.h"

#define FIXTURE_MEMBERS 3
#define FIXTURE_NODES 3

struct answer { /* of a submit */
    bool came;
    enum api_submit_kind kind;
    enum store_code code;
    struct id id, op_id;
    bool untouched;
    char text[512];
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t deadline;
    bool late;
    char folder[64];
    struct cfg cfgs[FIXTURE_MEMBERS];
    struct member *members[FIXTURE_MEMBERS]; /* NULL: does not run */
    char failed[FIXTURE_MEMBERS][512];
    struct id cluster, nodes[FIXTURE_NODES];
};

/* Nothing runs yet. */
void fixture_init(struct fixture *fixture);
void fixture_fini(struct fixture *fixture);

/* 0 or what member_start returns. */
int fixture_try_start(struct fixture *fixture, size_t at, struct err *reterr);
void fixture_start(struct fixture *fixture, size_t at);
void fixture_stop(struct fixture *fixture, size_t at);
/* Turns the loop until the condition holds; fails after 30 s. */
void fixture_until(struct fixture *fixture, const char *what, bool (*condition)(struct fixture *fixture, void *user),
                   void *user);

/* The member that serves, once there is one. */
struct member *fixture_leader(struct fixture *fixture);
struct member *fixture_follower(struct fixture *fixture);
/* Submits and waits for the answer. */
struct answer fixture_submit(struct fixture *fixture, struct member *member, const struct store_request *request);
/* Waits until the operation or job has ended; its record. */
const struct store_job *fixture_finish(struct fixture *fixture, struct member *member, struct id op_id);

/* A cluster with nodes and a device on each. */
void fixture_load_topology(struct fixture *fixture);
struct answer fixture_create(struct fixture *fixture, const char *name, uint32_t size_gib);

#endif
