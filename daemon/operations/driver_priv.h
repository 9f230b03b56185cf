/* Inside the driver: driver.c (operations and their commands), task.c (steps on their way), nodes.c (who answers,
 * fences), late.c (who takes long), view.c (what is shown). */
#ifndef HECATE_DAEMON_OPERATIONS_DRIVER_PRIV_H
#define HECATE_DAEMON_OPERATIONS_DRIVER_PRIV_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "daemon/operations/engine.h"
#include "daemon/operations/operations.h"
#include "daemon/operations/schedule.h"
#include "daemon/operations/silence.h"
#include "daemon/operations/work.h"

#define DRIVER_LEASE_POLL_MS 20 /* while the lease is out nothing is begun; looked at again after so long */
#define DRIVER_CHECK_EVERY_MS 5000
#define DRIVER_CHECK_TIMEOUT_MS 10000
/* A node that is in the way of itself is looked at again after so long; twice as long each time. */
#define DRIVER_AVOID_MIN_MS 2000
#define DRIVER_AVOID_MAX_MS 60000
#define DRIVER_SAID_MS 60000 /* that a silent node does not answer is said once in so long */
/* What is done in one turn of the loop: thousands of operations may wait for one node, and one may have thousands of
 * steps. What is reached first counts. */
#define DRIVER_TURN_MAX 64    /* operations that begin or go on; steps that are begun on nodes */
#define DRIVER_TURN_STEPS 256 /* steps that get in line */
#define DRIVER_TURN_NS UINT64_C(3000000)
#define DRIVER_ADVANCE_STEPS 64 /* of one operation; the next ones a little later */
#define DRIVER_LOOK_MAX 256     /* operations that hear that a node is back; operations or steps that are freed */
/* A step that takes longer keeps no place in its pool; of a gluster command, its node gets no other one meanwhile. */
#define DRIVER_SLOW_MS 30000
/* A gluster command that took longer has hung, even if it has ended well: most take seconds. */
#define DRIVER_LATE_MS 60000
/* A node where a step hung, or did not end in its time, gets gluster commands after the others for so long. */
#define DRIVER_HUNG_MS 3600000
/* So does one that needs for them on average this long at least, and a multiple of what others of its pool need. */
#define DRIVER_TARDY_MS 10000
#define DRIVER_TARDY_TIMES 4
#define DRIVER_TARDY_STEPS 4 /* that the average is about, at least */
/* A fence that is not raised for longer: gluster commands do not wait for it. */
#define DRIVER_FENCE_SLOW_MS 3000

struct op;
struct node_state;

/* DOUBTED: the node speaks of a newer term while the lease is out */
enum task_state { TASK_FENCING, TASK_QUEUED, TASK_RUNNING, TASK_DOUBTED };

struct task { /* a step that waits for its node's fence or for its turn, or runs */
    struct op_driver *driver;
    struct op *op; /* NULL: given up, its answer is dropped; of an earlier generation it must not be looked at */
    uint64_t generation;
    size_t step;
    enum exec_step_kind kind;
    enum task_state state;
    struct id node, op_id;
    struct schedule_item item;
    struct exec_call *call;
    struct op_work *work; /* NULL until it runs: what waits holds no copies */
    uint64_t placed_ms, started_ms;
    bool slow;     /* its node is known to take long for it */
    bool lined;    /* among its node's `lined` */
    char *refusal; /* while DOUBTED: what the node said */
    TAILQ_ENTRY(task) link;
    STAILQ_ENTRY(task) fencing;
    TAILQ_ENTRY(task) lined_link;
};
TAILQ_HEAD(driver_task_list, task);
STAILQ_HEAD(driver_task_queue, task);

struct op {
    RB_ENTRY(op) link;
    RB_ENTRY(op) due_link; /* when due_ms is not UINT64_MAX */
    TAILQ_ENTRY(op) list_link;
    struct engine engine;
    struct task **tasks; /* one slot for each step of the engine */
    uint64_t due_ms;
};
RB_HEAD(driver_op_tree, op);
RB_HEAD(driver_due_tree, op);
TAILQ_HEAD(driver_op_list, op);

struct node_state {
    RB_ENTRY(node_state) link;
    struct id node;
    struct silence silence; /* of one that does not answer at all */
    bool no_glusterd;       /* answers, but its glusterd does not run */
    bool down, doubtful;    /* as it was told last */
    bool fencing, checking;
    bool absent;           /* the last look found nobody: more than a step that did not end */
    bool gone;             /* it was deleted */
    bool up;               /* it answers again, or is gone, and not all operations have heard of it: */
    struct id told;        /* those up to this one have */
    enum exec_cause cause; /* why it is avoided, if it answers; see nodes.c */
    unsigned strikes;      /* how often in a row it gave cause to */
    uint64_t avoid_ms;     /* until then no answer to a check clears it */
    uint64_t fence_term;
    uint64_t fence_since_ms;              /* clock + 1 since when it is being raised; 0: it is raised */
    uint64_t hung_ms;                     /* clock + 1 when a step was given up there last; 0: never */
    uint64_t late_ms;                     /* clock + 1 since when gluster commands are rather given to others */
    size_t n_slow;                        /* gluster commands that run there and take long */
    uint64_t usual_ms;                    /* what they need there, on average */
    unsigned n_usual;                     /* of so many, counted up to DRIVER_TARDY_STEPS */
    struct driver_task_list lined;        /* gluster commands that are to run there and wait for their turn */
    uint64_t doubtful_ms;                 /* clock when that began or ended */
    uint64_t last_ok_ms;                  /* clock + 1; 0: never */
    uint64_t said_ms;                     /* clock + 1 when it was logged last that it does not answer; 0: never */
    uint64_t n_unsaid;                    /* tries since then */
    struct driver_task_queue waiting;     /* for the fence */
    struct driver_task_queue waiting_any; /* the same, gluster commands: another node could do them */
    struct driver_task_queue fenced;      /* who waited, and is still to be told what came of it: */
    struct exec_result fence;
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
    struct driver_op_list op_list, gone; /* the same; those of an earlier term, to be freed */
    struct driver_due_tree due;
    struct schedule *schedule;
    struct driver_task_list waiting, running_tasks; /* FENCING, QUEUED; RUNNING, DOUBTED */
    struct driver_task_list gone_tasks;             /* that waited when an earlier term ended: to be withdrawn */
    uint64_t n_placed;                              /* steps that got in line so far */
    struct driver_node_tree nodes;
    struct driver_probe_list probes;
    uv_timer_t timer, nodes_timer;
    uv_idle_t turn_idle; /* runs while there is something to be begun, told or freed */
    uint64_t armed_ms;   /* UINT64_MAX: not */
    uint64_t run_due_ms; /* try to start steps again; UINT64_MAX: not needed */
    struct id *begun;
    size_t n_begun;
    bool resumes; /* operations of before the term: up to that index, done so far up to: */
    uint64_t resume_to, resumed_index;
    struct id resumed_id;
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
struct op *driver_find(const struct op_driver *driver, struct id op_id); /* NULL: none */
void driver_advance(struct op_driver *driver, struct op *op);
/* Something has to be done at this time at the latest. */
void driver_wake(struct op_driver *driver, uint64_t at_ms);
/* A node that was silent answers again: the operations after *told, which moves on, hear of it, *left of them at most.
 * true: all have. */
bool driver_node_up(struct op_driver *driver, struct id node, struct id *told, size_t *left);
/* There is something for the next turns of the loop. */
void driver_turn(struct op_driver *driver);
void driver_maybe_closed(struct op_driver *driver);
RB_PROTOTYPE(driver_op_tree, op, link, op_cmp);

/* task.c */
void task_start(struct op_driver *driver, struct op *op, size_t step);
void task_fenced(struct task *task, const struct exec_result *result); /* code 0: the node's fence is raised */
void tasks_run(struct op_driver *driver);                              /* starts what may run now */
void tasks_yield(struct op_driver *driver, struct id node);            /* the node is silent */
void tasks_yield_slow(struct op_driver *driver);                       /* those that take long */
/* It has not begun on its node, and is given back, to be done by another one. */
#define TASK_MOVES "another step on the node did not end in its time"
void task_moves(struct task *task, const char *reason);
/* All: what runs is cancelled, what waits is withdrawn in later turns by tasks_free_some. No operation of this term
 * may be looked at afterwards. */
void tasks_cancel(struct op_driver *driver);
void tasks_free_some(struct op_driver *driver, size_t left);

/* nodes.c */
void nodes_start(struct op_driver *driver);
void nodes_stop(struct op_driver *driver);
void nodes_cancel(struct op_driver *driver); /* what is being asked; callbacks still come */
void nodes_fini(struct op_driver *driver);
/* The outcome of a step. */
void nodes_note(struct op_driver *driver, struct id node, const struct exec_result *result);
/* Gluster commands are rather given to others: it is down, or its answers had no meaning lately. */
bool nodes_doubtful(const struct op_driver *driver, struct id node);
/* What it says, or what came of it, that the node does not answer. NULL: it does, as far as is known. */
bool nodes_absent(const struct op_driver *driver, struct id node); /* the last look at it had no answer */
const char *nodes_silence(const struct op_driver *driver, struct id node);
/* A node says that a newer term has taken over. While a majority gives us the lease at an instant after its answer
 * there is no such term, and the node is in the wrong: then this is what came of the step. false: nobody knows yet. */
bool nodes_judge(struct op_driver *driver, const char *said, struct exec_result *ret_result);
/* It does not answer again: how many tries that is since it was said last, 0 when it is too early to say it again. */
uint64_t nodes_may_say(struct op_driver *driver, struct id node);
/* Operations hear of the nodes that are back, so many in one turn of the loop. true: all have. */
bool nodes_tell_up(struct op_driver *driver, size_t left);
/* Those that waited for a fence go on, some in each turn of the loop. */
void nodes_go_on(struct op_driver *driver);
/* Storage names of the Gluster cluster's nodes that are silent, and fell so lately that Gluster may not know it
 * (silence.h). */
void nodes_silent(const struct op_driver *driver, struct id cluster, struct store_strs *ret_names);
/* Is the node's fence raised in this term? If not: raises it, task_fenced follows later. */
bool nodes_fence(struct op_driver *driver, struct task *task, const char *host);
struct node_state *nodes_find(const struct op_driver *driver, struct id node); /* NULL: nothing is known of it */
struct node_state *nodes_find_or_add(struct op_driver *driver, struct id node);
RB_PROTOTYPE(driver_node_tree, node_state, link, node_cmp);

/* late.c */
/* A step did not end there in its time, or a gluster command took far longer than they do. */
void late_note_hung(struct op_driver *driver, struct id node);
/* A gluster command ended there. */
void late_note_took(struct op_driver *driver, struct id node, uint64_t took_ms);
/* One takes long, or does not any more. */
void late_note_slow(struct op_driver *driver, struct id node, bool slow);
/* Gluster commands are rather given to others, as one hung there lately, takes long now, or would wait for the fence.
 */
bool late_is(const struct op_driver *driver, struct id node);
/* It has waited since then to run on a node that is late since, and another node of the pool is not. */
bool late_moves(const struct op_driver *driver, struct id node, uint64_t placed_ms);
/* A gluster command gets in its node's line, or out of it. */
void late_line(struct op_driver *driver, struct task *task);
void late_unline(struct op_driver *driver, struct task *task);
/* What has not begun on a node that is late goes to others, *left of them at most. */
void late_move_on(struct op_driver *driver, struct node_state *state, size_t *left);

#endif
