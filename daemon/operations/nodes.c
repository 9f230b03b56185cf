/* Which storage nodes answer, and their fences.
 *
 * While leading, each node is asked every few seconds whether its glusterd runs; the outcome of steps counts too. The
 * fence of every node is raised in the background when a term begins; a step waits for the fence of its own node only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

static int node_cmp(const struct node_state *a, const struct node_state *b)
{
    return id_cmp(&a->node, &b->node);
}

RB_GENERATE(driver_node_tree, node_state, link, node_cmp);

static struct node_state *find(const struct op_driver *driver, struct id node)
{
    struct node_state key = {.node = node};

    return RB_FIND(driver_node_tree, (struct driver_node_tree *)(uintptr_t)&driver->nodes, &key);
}

static struct node_state *find_or_add(struct op_driver *driver, struct id node)
{
    struct node_state *state = find(driver, node);

    if (state == NULL) {
        state = mem_calloc(1, sizeof(*state));
        state->node = node;
        STAILQ_INIT(&state->waiting);
        RB_INSERT(driver_node_tree, &driver->nodes, state);
    }
    return state;
}

static bool is_down(const struct node_state *state)
{
    return state->silent || state->no_glusterd;
}

bool op_driver_node_down(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = find(driver, node);

    return state != NULL && is_down(state);
}

/* ---- what is learnt ---- */

static void set(struct op_driver *driver, struct node_state *state, bool silent, bool no_glusterd, const char *error)
{
    bool was_down = is_down(state);

    state->silent_ms = silent && !state->silent ? driver_clock_ms(driver) : state->silent_ms;
    state->silent = silent;
    state->no_glusterd = no_glusterd;
    text_put(state->error, sizeof(state->error), is_down(state) ? error : "");
    if (!silent) {
        state->last_ok_ms = driver_clock_ms(driver) + 1;
    }
    if (is_down(state) == was_down) {
        return;
    }
    LOG(was_down ? LOG_INFO : LOG_WARNING, "nodes", was_down ? "a storage node is back" : "a storage node is down",
        LF_STR("node", id_text(state->node).text), LF_STR("reason", state->error));
    if (was_down) {
        driver_node_up(driver, state->node);
    } else if (silent) {
        tasks_yield(driver, state->node);
    }
}

static bool is_silence(int code)
{
    return code == E_CONNECT || code == E_TIMEOUT || code == E_AUTH || code == E_PROTOCOL;
}

void nodes_note(struct op_driver *driver, struct id node, const struct exec_result *result)
{
    struct node_state *state = find_or_add(driver, node);

    if (result->code != E_CANCELLED && result->code != E_FENCED) {
        set(driver, state, is_silence(result->code), state->no_glusterd, result->message);
    }
}

void nodes_silent(const struct op_driver *driver, struct id cluster, struct store_strs *ret_names)
{
    const struct store *store = driver_store(driver);
    const struct store_node *node = NULL;

    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        const struct node_state *state = find(driver, node->id);

        if (state != NULL && state->silent && driver_clock_ms(driver) - state->silent_ms < DRIVER_UNNOTICED_MS) {
            store_strs_add(ret_names, node->storage.items[0]);
        }
    }
}

/* ---- asking ---- */

struct probe {
    struct op_driver *driver;
    uint64_t generation;
    struct id node; /* ID_NONE: not (yet) one of ours */
    char *host;
    struct exec_step step;
    struct exec_call *call;
    bool cancelled;
    void (*cb)(void *user, int code, const char *message);
    exec_done_cb looked; /* of an inventory */
    void *user;
    LIST_ENTRY(probe) link;
};

static void ask(struct op_driver *driver, enum exec_step_kind kind, const char *host, struct id node,
                exec_done_cb answered, void (*cb)(void *user, int code, const char *message), void *user)
{
    struct probe *probe = mem_calloc(1, sizeof(*probe));

    *probe = (struct probe){.driver = driver,
                            .generation = driver->generation,
                            .node = node,
                            .host = mem_strdup(host),
                            .cb = cb,
                            .user = user};
    probe->step = (struct exec_step){.kind = kind,
                                     .host = probe->host,
                                     .node = node,
                                     .managers = driver->env.managers(driver->env.user),
                                     .term = driver->env.term(driver->env.user),
                                     .timeout_ms = kind == EXEC_GLUSTERD_CHECK ? DRIVER_CHECK_TIMEOUT_MS : 0};
    driver->calls++;
    LIST_INSERT_HEAD(&driver->probes, probe, link);
    probe->call = exec_run(driver->executor, &probe->step, answered, probe);
}

static struct node_state *asked(struct probe *probe);
static void probe_free(struct probe *probe);

static void inventory_done(void *user, const struct exec_result *result)
{
    struct probe *probe = user;
    struct op_driver *driver = probe->driver;

    (void)asked(probe);
    probe->looked(probe->user, result);
    probe_free(probe);
    driver_maybe_closed(driver);
}

void op_driver_inventory(struct op_driver *driver, const struct store_node *node, exec_done_cb cb, void *user)
{
    struct probe *probe = mem_calloc(1, sizeof(*probe));

    *probe = (struct probe){.driver = driver,
                            .generation = driver->generation,
                            .node = node->id,
                            .host = mem_strdup(node->manage.items[0]),
                            .looked = cb,
                            .user = user};
    probe->step = (struct exec_step){.kind = EXEC_INVENTORY,
                                     .host = probe->host,
                                     .node = node->id,
                                     .cluster = node->cluster,
                                     .managers = driver->env.managers(driver->env.user),
                                     .term = driver->env.term(driver->env.user)};
    driver->calls++;
    LIST_INSERT_HEAD(&driver->probes, probe, link);
    probe->call = exec_run(driver->executor, &probe->step, inventory_done, probe);
}

/* The node's state, unless the answer belongs to an earlier leadership. Then it is only counted. */
static struct node_state *asked(struct probe *probe)
{
    struct op_driver *driver = probe->driver;

    driver->calls--;
    LIST_REMOVE(probe, link);
    return probe->generation == driver->generation && driver->running && !id_is_none(probe->node)
               ? find(driver, probe->node)
               : NULL;
}

static void probe_free(struct probe *probe)
{
    free(probe->host);
    free(probe);
}

static void check_done(void *user, const struct exec_result *result)
{
    struct probe *probe = user;
    struct op_driver *driver = probe->driver;
    struct node_state *state = asked(probe);

    if (state != NULL) {
        state->checking = false;
        if (result->code != E_CANCELLED && result->code != E_FENCED) {
            set(driver, state, is_silence(result->code), result->code == E_REMOTE, result->message);
        }
        tasks_run(driver);
    }
    if (probe->cb != NULL) {
        probe->cb(probe->user, result->code, result->message);
    }
    probe_free(probe);
    driver_maybe_closed(driver);
}

static void check_node(struct op_driver *driver, struct node_state *state, const char *host)
{
    if (!state->checking) {
        state->checking = true;
        ask(driver, EXEC_GLUSTERD_CHECK, host, state->node, check_done, NULL, NULL);
    }
}

void op_driver_check_glusterd(struct op_driver *driver, const char *host, struct id node,
                              void (*cb)(void *user, int code, const char *message), void *user)
{
    ask(driver, EXEC_GLUSTERD_CHECK, host, node, check_done, cb, user);
}

/* ---- fences ---- */

static void fence_done(void *user, const struct exec_result *result)
{
    struct probe *probe = user;
    struct op_driver *driver = probe->driver;
    struct node_state *state = asked(probe);
    struct driver_task_queue waiting = STAILQ_HEAD_INITIALIZER(waiting);
    struct task *task;

    if (state != NULL) {
        state->fencing = false;
        if (result->code == 0) {
            state->fence_term = probe->step.term;
        } else {
            LOG(LOG_WARNING, "nodes", "the fence is not raised", LF_STR("host", probe->host),
                LF_U64("term", probe->step.term), LF_STR("reason", result->message));
        }
        STAILQ_CONCAT(&waiting, &state->waiting);
        nodes_note(driver, probe->node, result);
        if (result->code == 0) {
            check_node(driver, state, probe->host);
        }
        while ((task = STAILQ_FIRST(&waiting)) != NULL) {
            STAILQ_REMOVE_HEAD(&waiting, fencing);
            task_fenced(task, result);
        }
        tasks_run(driver);
    }
    probe_free(probe);
    driver_maybe_closed(driver);
}

static bool raise_fence(struct op_driver *driver, struct node_state *state, const char *host)
{
    if (state->fence_term == driver->env.term(driver->env.user)) {
        return true;
    }
    if (!state->fencing) {
        state->fencing = true;
        ask(driver, EXEC_FENCE, host, state->node, fence_done, NULL, NULL);
    }
    return false;
}

bool nodes_fence(struct op_driver *driver, struct task *task)
{
    struct node_state *state = find_or_add(driver, task->node);

    if (raise_fence(driver, state, task->work.host)) {
        return true;
    }
    STAILQ_INSERT_TAIL(&state->waiting, task, fencing);
    return false;
}

/* ---- all nodes, now and then ---- */

static void nodes_timer(uv_timer_t *timer)
{
    TURN("look at nodes");
    struct op_driver *driver = timer->data;
    const struct store_node *node = NULL;

    if (driver->deposed || !driver->env.serving(driver->env.user)) {
        return;
    }
    while ((node = store_node_next(driver_store(driver), node)) != NULL) {
        struct node_state *state = find_or_add(driver, node->id);

        /* A node that is just being added is looked at by its own operation. */
        if (id_is_none(node->pending) && raise_fence(driver, state, node->manage.items[0])) {
            check_node(driver, state, node->manage.items[0]);
        }
    }
}

void nodes_start(struct op_driver *driver)
{
    CHECK(uv_timer_start(&driver->nodes_timer, nodes_timer, 0, DRIVER_CHECK_EVERY_MS) == 0);
}

void nodes_cancel(struct op_driver *driver)
{
    struct probe *probe;

    LIST_FOREACH (probe, &driver->probes, link) {
        if (!probe->cancelled) {
            probe->cancelled = true;
            exec_cancel(driver->executor, probe->call);
        }
    }
}

void nodes_stop(struct op_driver *driver)
{
    nodes_cancel(driver);
    uv_timer_stop(&driver->nodes_timer);
    nodes_fini(driver); /* the next leadership looks anew */
}

void nodes_fini(struct op_driver *driver)
{
    struct node_state *state;

    while ((state = RB_MIN(driver_node_tree, &driver->nodes)) != NULL) {
        RB_REMOVE(driver_node_tree, &driver->nodes, state);
        free(state);
    }
}
