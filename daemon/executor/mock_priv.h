/* Inside the pretended world: facts (mock_world.c) and the Gluster volumes made of them (mock_gluster.c). */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_PRIV_H
#define HECATE_DAEMON_EXECUTOR_MOCK_PRIV_H

#include <bsd/sys/tree.h>

#include "daemon/executor/mock_world.h"

struct fact {
    RB_ENTRY(fact) link;
    char *text;
    uint64_t value;      /* fences: the term; bricks: 1 when part of a Gluster volume */
    char *other;         /* hosts: the manage name of this storage name; names of devices: the id of who has it; block
                            volumes: who exports it, a space behind each; volumes: their kind, or NULL */
    struct fact **parts; /* volumes: their bricks, which cannot go before */
    size_t n_parts;
};

RB_HEAD(mock_fact_tree, fact);

struct mock_world {
    struct mock_fact_tree facts, fences, hosts;
    uint64_t device_kib;
    bool devices_once; /* a name in use on its node is refused */
    bool strict;
};

struct fact *mock_find(const struct mock_fact_tree *tree, const char *text);
struct fact *mock_add(struct mock_fact_tree *tree, char *text);        /* takes text */
bool mock_drop(struct mock_fact_tree *tree, char *text);               /* takes text; false: there is none */
struct fact *mock_next(struct mock_fact_tree *tree, const char *text); /* the first that is not before text */
struct fact *mock_after(const struct fact *fact);
void mock_fail(struct exec_result *result, const char *text, bool permanent);
char *mock_brick_text(const char *host, const struct store_brick *brick);

/* Steps on Gluster volumes. */
void mock_gluster_apply(struct mock_world *world, const struct exec_step *step, struct exec_result *result);

#endif
