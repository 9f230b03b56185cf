/* Inside the driver: driver.c (operations), task.c (steps on their way), nodes.c (who answers, fences). */
#ifndef HECATE_DAEMON_OPERATIONS_DRIVER_PRIV_H
#define HECATE_DAEMON_OPERATIONS_DRIVER_PRIV_H

#include <bsd/sys/tree.h>

#include "daemon/operations/engine.h"
#include "daemon/operations/operations.h"
#include "daemon/operations/schedule.h"

#define LEASE_POLL_MS 20

struct op;

struct task { /* a step that waits for its resource or runs; owns copies of what the executor borrows */
    struct op_driver *driver;
    struct op *op; /* NULL: cancelled, its answer is dropped */
    size_t step;
    struct id node;
    struct schedule_item item;
    struct exec_call *call; /* NULL: waits */
    struct exec_step exec;
    char *host, *peer;
    struct store_volume *volume;
    struct store_device *device;
    struct exec_brick *bricks;
    struct store_brick *copies;
    char **storage_hosts;
    size_t n_bricks;
    struct task *previous, *next;
};

struct op {
    RB_ENTRY(op) link;
    struct engine engine;
    struct task **tasks; /* one slot for each step of the engine */
    uint64_t due_ms;
};
RB_HEAD(driver_op_tree, op);
int driver_op_cmp(struct op *a, struct op *b);
RB_PROTOTYPE(driver_op_tree, op, link, driver_op_cmp)

struct node_state {
    struct id node;
    bool down, checking, seen;
    uint64_t fence_term;
    uint64_t last_ok_ms; /* clock; 0: never */
    char error[2048];
};

struct op_driver {
    uv_loop_t *loop;
    struct executor *executor;
    struct op_driver_env env;
    struct driver_op_tree ops;
    struct schedule *schedule;
    struct task *tasks;
    uv_timer_t timer, nodes_timer;
    uv_idle_t begun_idle;
    uint64_t armed_ms;
    struct id *begun;
    size_t n_begun;
    bool running, closing;
    uint64_t generation;
    size_t calls, proposals; /* under way, in any generation */
    unsigned handles;
    struct node_state *nodes;
    size_t n_nodes;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* driver.c */
uint64_t driver_clock_ms(const struct op_driver *driver);
const struct store *driver_store(const struct op_driver *driver);
void driver_advance(struct op_driver *driver, struct op *op);
void driver_timer(uv_timer_t *timer);
void driver_maybe_closed(struct op_driver *driver);
/* task.c */
void task_queue(struct op_driver *driver, struct op *op, size_t step);
void tasks_run(struct op_driver *driver);    /* starts what may run now */
void tasks_cancel(struct op_driver *driver); /* all: the operations forget them */
/* nodes.c */
void nodes_start(struct op_driver *driver);
void nodes_stop(struct op_driver *driver);
void nodes_fini(struct op_driver *driver);
void nodes_note(struct op_driver *driver, struct id node, const struct exec_result *result);

#endif
