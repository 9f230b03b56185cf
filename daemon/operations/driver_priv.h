/* Inside the driver: driver.c (operations and their commands), task.c (steps on their way), nodes.c (who answers,
 * fences), view.c (what is shown). */
#ifndef HECATE_DAEMON_OPERATIONS_DRIVER_PRIV_H
#define HECATE_DAEMON_OPERATIONS_DRIVER_PRIV_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "daemon/operations/engine.h"
#include "daemon/operations/operations.h"
#include "daemon/operations/schedule.h"
#include "daemon/operations/work.h"

#define DRIVER_LEASE_POLL_MS 20 /* while the lease is out nothing is begun; looked at again after so long */
#define DRIVER_CHECK_EVERY_MS 5000
#define DRIVER_CHECK_TIMEOUT_MS 10000
/* A node that is in the way of itself is looked at again after so long; twice as long each time. */
#define DRIVER_AVOID_MIN_MS 2000
#define DRIVER_AVOID_MAX_MS 60000
#define DRIVER_SLOW_MS 30000 /* a step that takes longer keeps no place in its pool */
/* Within this time Gluster has noticed, too, that a node is down: by probes after 10 s, nine every 2 s. */
#define DRIVER_UNNOTICED_MS 60000

struct op;
struct node_state;

/* DOUBTED: the node speaks of a newer term while the lease is out */
enum task_state { TASK_FENCING, TASK_QUEUED, TASK_RUNNING, TASK_DOUBTED };

struct task { /* a step that waits for its node's fence or for its turn, or runs */
    struct op_driver *driver;
    struct op *op; /* NULL: given up, its answer is dropped */
    size_t step;
    enum task_state state;
    struct id node, op_id;
    struct schedule_item item;
    struct exec_call *call;
    struct op_work work;
    uint64_t started_ms;
    char *refusal; /* while DOUBTED: what the node said */
    LIST_ENTRY(task) link;
    STAILQ_ENTRY(task) fencing;
};
LIST_HEAD(driver_task_list, task);
STAILQ_HEAD(driver_task_queue, task);

struct op {
    RB_ENTRY(op) link;
    RB_ENTRY(op) due_link; /* when due_ms is not UINT64_MAX */
    struct engine engine;
    struct task **tasks; /* one slot for each step of the engine */
    uint64_t due_ms;
};
RB_HEAD(driver_op_tree, op);
RB_HEAD(driver_due_tree, op);

struct node_state {
    RB_ENTRY(node_state) link;
    struct id node;
    bool silent;         /* does not answer at all */
    bool no_glusterd;    /* answers, but its glusterd does not run */
    bool down, doubtful; /* as it was told last */
    bool fencing, checking;
    enum exec_cause cause; /* why it is avoided, if it answers; see nodes.c */
    unsigned strikes;      /* how often in a row it gave cause to */
    uint64_t avoid_ms;     /* until then no answer to a check clears it */
    uint64_t fence_term;
    uint64_t silent_ms;               /* clock when it fell silent */
    uint64_t doubtful_ms;             /* clock when that began or ended */
    uint64_t last_ok_ms;              /* clock + 1; 0: never */
    struct driver_task_queue waiting; /* for the fence */
    char error[512];
};
RB_HEAD(driver_node_tree, node_state);

struct probe;
LIST_HEAD(driver_probe_list, probe);

struct op_driver {
    uv_loop_t *loop;
    struct executor *executor;
    struct op_driver_env env;
    struct driver_op_tree ops;
    struct driver_due_tree due;
    struct schedule *schedule;
    struct driver_task_list tasks;
    struct driver_node_tree nodes;
    struct driver_probe_list probes;
    uv_timer_t timer, nodes_timer;
    uv_idle_t begun_idle;
    uint64_t armed_ms;   /* UINT64_MAX: not */
    uint64_t run_due_ms; /* try to start steps again; UINT64_MAX: not needed */
    struct id *begun;
    size_t n_begun;
    bool running, closing;
    size_t doubted; /* tasks in this state */
    uint64_t generation;
    size_t calls, proposals; /* under way, in any generation */
    unsigned handles;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* driver.c */
uint64_t driver_clock_ms(const struct op_driver *driver);
const struct store *driver_store(const struct op_driver *driver);
void driver_advance(struct op_driver *driver, struct op *op);
/* Something has to be done at this time at the latest. */
void driver_wake(struct op_driver *driver, uint64_t at_ms);
void driver_node_up(struct op_driver *driver, struct id node);
void driver_maybe_closed(struct op_driver *driver);
RB_PROTOTYPE(driver_op_tree, op, link, op_cmp);

/* task.c */
void task_start(struct op_driver *driver, struct op *op, size_t step);
void task_fenced(struct task *task, const struct exec_result *result); /* code 0: the node's fence is raised */
void tasks_run(struct op_driver *driver);                              /* starts what may run now */
void tasks_yield(struct op_driver *driver, struct id node);            /* the node is silent */
void tasks_yield_slow(struct op_driver *driver);                       /* those that take long */
void tasks_cancel(struct op_driver *driver);                           /* all: the operations forget them */

/* nodes.c */
void nodes_start(struct op_driver *driver);
void nodes_stop(struct op_driver *driver);
void nodes_cancel(struct op_driver *driver); /* what is being asked; callbacks still come */
void nodes_fini(struct op_driver *driver);
/* The outcome of a step. */
void nodes_note(struct op_driver *driver, struct id node, const struct exec_result *result);
/* Gluster commands are rather given to others: it is down, or its answers had no meaning lately. */
bool nodes_doubtful(const struct op_driver *driver, struct id node);
/* A node says that a newer term has taken over. While a majority gives us the lease at an instant after its answer
 * there is no such term, and the node is in the wrong: then this is what came of the step. false: nobody knows yet. */
bool nodes_judge(struct op_driver *driver, const char *said, struct exec_result *ret_result);
/* Storage names of the Gluster cluster's nodes that fell silent so lately that Gluster may not know it. */
void nodes_silent(const struct op_driver *driver, struct id cluster, struct store_strs *ret_names);
/* Is the node's fence raised in this term? If not: raises it, task_fenced follows later. */
bool nodes_fence(struct op_driver *driver, struct task *task);
RB_PROTOTYPE(driver_node_tree, node_state, link, node_cmp);

#endif
