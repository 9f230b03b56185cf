/* Which storage nodes answer, and their fences.
 *
 * While leading, each node is asked every few seconds whether its glusterd runs; the outcome of steps counts too. The
 * fence of every node is raised in the background when a term begins; a step waits for the fence of its own node only.
 *
 * A node may answer and yet be of no use: its fence is damaged or names a term that nobody ever had, another cluster
 * has it, it answers without end or without meaning. It alone is avoided, for a while that doubles each time. Then it
 * is looked at again, and used again when it is well: of a fence that means raised, of the others that a check is
 * answered.
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

struct node_state *nodes_find(const struct op_driver *driver, struct id node)
{
    struct node_state key = {.node = node};

    return RB_FIND(driver_node_tree, (struct driver_node_tree *)(uintptr_t)&driver->nodes, &key);
}

struct node_state *nodes_find_or_add(struct op_driver *driver, struct id node)
{
    struct node_state *state = nodes_find(driver, node);

    if (state == NULL) {
        state = mem_calloc(1, sizeof(*state));
        state->node = node;
        STAILQ_INIT(&state->waiting);
        STAILQ_INIT(&state->waiting_any);
        TAILQ_INIT(&state->lined);
        STAILQ_INIT(&state->fenced);
        RB_INSERT(driver_node_tree, &driver->nodes, state);
    }
    return state;
}

/* One whose answers had no meaning serves those who have no choice: they may be of a Gluster that we do not know, and
 * then no node gives better ones. */
static bool is_down(const struct node_state *state)
{
    return state->silence.silent || state->no_glusterd ||
           (state->cause != EXEC_CAUSE_NONE && state->cause != EXEC_CAUSE_GARBAGE);
}

/* It answers, but what it says of its fence is of no use. */
static bool is_fence(enum exec_cause cause)
{
    return cause == EXEC_CAUSE_FENCE_DAMAGED || cause == EXEC_CAUSE_FENCE_AHEAD || cause == EXEC_CAUSE_FOREIGN;
}

static bool is_doubtful(const struct node_state *state)
{
    return is_down(state) || state->cause != EXEC_CAUSE_NONE;
}

bool op_driver_node_down(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = nodes_find(driver, node);

    return state != NULL && is_down(state);
}

bool nodes_doubtful(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = nodes_find(driver, node);

    return state != NULL && is_doubtful(state);
}

bool nodes_absent(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = nodes_find(driver, node);

    return state != NULL && state->absent;
}

const char *nodes_silence(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = nodes_find(driver, node);

    return state != NULL && state->silence.silent ? state->error : NULL;
}

/* ---- what is learnt ---- */

static void tell_up(struct op_driver *driver, struct node_state *state)
{
    state->up = true;
    state->told = ID_NONE;
    driver_turn(driver);
}

/* error: of what makes it so; "" leaves what was said before. */
static void set(struct op_driver *driver, struct node_state *state, bool silent, bool no_glusterd, const char *error)
{
    bool answers = state->silence.silent && !silent;

    silence_note(&state->silence, silent, driver_clock_ms(driver));
    state->no_glusterd = no_glusterd;
    if (!silent) {
        state->last_ok_ms = driver_clock_ms(driver) + 1;
    }
    if (*error != '\0' || !is_doubtful(state)) {
        text_put(state->error, sizeof(state->error), error);
    }
    if (is_doubtful(state) != state->doubtful) {
        state->doubtful = !state->doubtful;
        state->doubtful_ms = driver_clock_ms(driver);
    }
    if (answers) { /* be it down in another way: what was not tried while it was silent is tried now */
        tell_up(driver, state);
    }
    if (is_down(state) == state->down) {
        return;
    }
    state->down = !state->down;
    LOG(state->down ? LOG_WARNING : LOG_INFO, "nodes",
        state->down ? "a storage node is down" : "a storage node is back", LF_STR("node", id_text(state->node).text),
        LF_STR("reason", state->error));
    if (!state->down) {
        tell_up(driver, state);
    } else if (silent) {
        state->up = false;
        tasks_yield(driver, state->node);
    }
}

bool nodes_tell_up(struct op_driver *driver, size_t left)
{
    struct node_state *state;

    RB_FOREACH (state, driver_node_tree, &driver->nodes) {
        if (state->up) {
            state->up = !driver_node_up(driver, state->node, &state->told, &left);
            if (state->up) {
                return false;
            }
        }
    }
    return true;
}

static void avoid(struct op_driver *driver, struct node_state *state, enum exec_cause cause)
{
    uint64_t wait_ms = DRIVER_AVOID_MIN_MS;

    if (is_fence(cause)) {
        state->fence_term = 0; /* raising it again is the test whether the node is well */
    }
    if (cause == state->cause && driver_clock_ms(driver) < state->avoid_ms) {
        return; /* many steps at once are one occasion */
    }
    for (unsigned i = 0; i < state->strikes && wait_ms < DRIVER_AVOID_MAX_MS; i++) {
        wait_ms *= 2;
    }
    state->strikes++;
    state->cause = cause;
    state->avoid_ms = driver_clock_ms(driver) + (wait_ms < DRIVER_AVOID_MAX_MS ? wait_ms : DRIVER_AVOID_MAX_MS);
}

static bool is_behaviour(enum exec_cause cause)
{
    return cause == EXEC_CAUSE_FLOOD || cause == EXEC_CAUSE_GARBAGE;
}

/* The node has answered as it should: a step or its fence (fenced), or a check. */
static void forgive(struct op_driver *driver, struct node_state *state, bool fenced)
{
    bool served = driver_clock_ms(driver) >= state->avoid_ms;

    if ((is_fence(state->cause) && !fenced) || (is_behaviour(state->cause) && !served)) {
        return;
    }
    if (state->cause == EXEC_CAUSE_NONE && fenced && served) {
        state->strikes = 0;
    }
    state->cause = EXEC_CAUSE_NONE;
}

static void note(struct op_driver *driver, struct node_state *state, bool fenced, bool no_glusterd,
                 const struct exec_result *result)
{
    bool silent = exec_is_unreachable(result->code) && !is_fence(result->cause);

    if (result->code == E_CANCELLED || result->code == E_FENCED) {
        return;
    }
    if (result->cause != EXEC_CAUSE_NONE) {
        avoid(driver, state, result->cause);
    } else if (result->code == 0) {
        forgive(driver, state, fenced);
    } else if (silent && !is_fence(state->cause) && !is_behaviour(state->cause)) {
        state->cause = EXEC_CAUSE_NONE; /* that it does not let us in is not what is wrong now */
    }
    set(driver, state, silent, no_glusterd,
        silent || result->cause != EXEC_CAUSE_NONE || (no_glusterd && result->code != 0) ? result->message : "");
}

void nodes_note(struct op_driver *driver, struct id node, const struct exec_result *result)
{
    struct node_state *state = nodes_find_or_add(driver, node);

    note(driver, state, true, state->no_glusterd, result);
}

bool nodes_judge(struct op_driver *driver, const char *said, struct exec_result *ret_result)
{
    memset(ret_result, 0, sizeof(*ret_result));
    if (!driver->env.serving(driver->env.user)) {
        return false;
    }
    ret_result->code = E_PROTOCOL;
    ret_result->cause = EXEC_CAUSE_FENCE_AHEAD;
    text_print(ret_result->message, sizeof(ret_result->message),
               "its fence is wrong: no newer leader than that of term %lu exists, but it says: %.512s",
               (unsigned long)driver->env.term(driver->env.user), said);
    return true;
}

void nodes_silent(const struct op_driver *driver, struct id cluster, struct store_strs *ret_names)
{
    const struct store *store = driver_store(driver);
    const struct store_node *node = NULL;

    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        const struct node_state *state = nodes_find(driver, node->id);

        if (state != NULL && silence_is_unnoticed(&state->silence, driver_clock_ms(driver))) {
            store_strs_add(ret_names, node->storage.items[0]);
        }
    }
}

uint64_t nodes_may_say(struct op_driver *driver, struct id node)
{
    struct node_state *state = nodes_find_or_add(driver, node);
    uint64_t now_ms = driver_clock_ms(driver), n = ++state->n_unsaid;

    if (state->said_ms != 0 && now_ms + 1 - state->said_ms < DRIVER_SAID_MS) {
        return 0;
    }
    state->said_ms = now_ms + 1;
    state->n_unsaid = 0;
    return n;
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
    const struct node_state *state = nodes_find(driver, node);
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
                                     .repair = state != NULL && state->cause == EXEC_CAUSE_FENCE_DAMAGED &&
                                               driver->env.serving(driver->env.user),
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
    struct node_state *state = asked(probe);
    struct exec_result wrong;

    if (state != NULL && result->code == E_FENCED && nodes_judge(driver, result->message, &wrong)) {
        note(driver, state, true, state->no_glusterd, &wrong);
    } else if (state != NULL && is_fence(result->cause)) { /* another failure may be that of a large node */
        note(driver, state, true, state->no_glusterd, result);
    }
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
               ? nodes_find(driver, probe->node)
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
        state->absent = result->code == E_CANCELLED ? state->absent : exec_is_unreachable(result->code);
        note(driver, state, false, result->code == E_REMOTE, result);
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

static void go_on(struct op_driver *driver, struct node_state *state, size_t *left)
{
    struct task *task;

    while (*left > 0 && (task = STAILQ_FIRST(&state->fenced)) != NULL) {
        STAILQ_REMOVE_HEAD(&state->fenced, fencing);
        task_fenced(task, &state->fence);
        --*left;
    }
    if (!STAILQ_EMPTY(&state->fenced)) {
        driver_wake(driver, driver_clock_ms(driver));
    }
}

void nodes_go_on(struct op_driver *driver)
{
    struct node_state *state;
    size_t left = DRIVER_TURN_MAX;

    RB_FOREACH (state, driver_node_tree, &driver->nodes) {
        go_on(driver, state, &left);
        late_move_on(driver, state, &left);
    }
}

static void fence_done(void *user, const struct exec_result *result)
{
    struct probe *probe = user;
    struct op_driver *driver = probe->driver;
    struct node_state *state = asked(probe);
    struct exec_result wrong;
    size_t left = DRIVER_TURN_MAX;
    uint64_t n;

    if (state != NULL) {
        state->fencing = false;
    }
    if (state != NULL && result->code == E_FENCED) { /* until it is known who is in the wrong, its steps wait */
        state = nodes_judge(driver, result->message, &wrong) ? state : NULL;
        result = &wrong;
    }
    if (state != NULL) {
        if (result->code == 0) {
            state->fence_term = probe->step.term;
            state->fence_since_ms = 0;
        } else if ((n = nodes_may_say(driver, probe->node)) > 0) {
            LOG(LOG_WARNING, "nodes", "the fence is not raised", LF_STR("host", probe->host),
                LF_U64("term", probe->step.term), LF_U64("tries", n), LF_STR("reason", result->message));
        }
        STAILQ_CONCAT(&state->fenced, &state->waiting);
        STAILQ_CONCAT(&state->fenced, &state->waiting_any);
        state->fence = *result;
        nodes_note(driver, probe->node, result);
        if (result->code == 0) {
            check_node(driver, state, probe->host);
        }
        go_on(driver, state, &left);
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
    if (state->fence_since_ms == 0) {
        state->fence_since_ms = driver_clock_ms(driver) + 1;
        driver_wake(driver, driver_clock_ms(driver) + DRIVER_FENCE_SLOW_MS);
    }
    if (!state->fencing) {
        state->fencing = true;
        ask(driver, EXEC_FENCE, host, state->node, fence_done, NULL, NULL);
    }
    return false;
}

bool nodes_fence(struct op_driver *driver, struct task *task, const char *host)
{
    struct node_state *state = nodes_find_or_add(driver, task->node);

    if (raise_fence(driver, state, host)) {
        return true;
    }
    if (engine_is_pool_step(task->kind)) {
        STAILQ_INSERT_TAIL(&state->waiting_any, task, fencing);
    } else {
        STAILQ_INSERT_TAIL(&state->waiting, task, fencing);
    }
    return false;
}

/* ---- all nodes, now and then ---- */

/* Of nodes that were deleted: what waited for one of them has nothing to wait for. */
static void drop_gone(struct op_driver *driver)
{
    struct node_state *state, *next;

    for (state = RB_MIN(driver_node_tree, &driver->nodes); state != NULL; state = next) {
        next = RB_NEXT(driver_node_tree, &driver->nodes, state);
        if (store_node(driver_store(driver), state->node) != NULL || !STAILQ_EMPTY(&state->waiting) ||
            !STAILQ_EMPTY(&state->waiting_any) || !STAILQ_EMPTY(&state->fenced) || !TAILQ_EMPTY(&state->lined) ||
            state->n_slow > 0) {
            continue;
        }
        if (!state->gone) {
            state->gone = true;
            tell_up(driver, state);
        } else if (!state->up) { /* all operations have heard of it */
            RB_REMOVE(driver_node_tree, &driver->nodes, state);
            free(state);
        }
    }
}

static void nodes_timer(uv_timer_t *timer)
{
    TURN("look at nodes");
    struct op_driver *driver = timer->data;
    const struct store_node *node = NULL;

    tasks_yield_slow(driver);
    driver_wake(driver, driver_clock_ms(driver)); /* what waits may have another node to go to by now */
    if (!driver->env.serving(driver->env.user)) {
        return;
    }
    drop_gone(driver);
    while ((node = store_node_next(driver_store(driver), node)) != NULL) {
        struct node_state *state = nodes_find_or_add(driver, node->id);

        /* A node that is just being added is looked at by its own operation. */
        if (!id_is_none(node->pending) && STAILQ_EMPTY(&state->waiting) && STAILQ_EMPTY(&state->waiting_any)) {
            continue;
        }
        if (is_fence(state->cause) && driver_clock_ms(driver) < state->avoid_ms) {
            continue;
        }
        if (raise_fence(driver, state, node->manage.items[0])) {
            check_node(driver, state, node->manage.items[0]);
        }
    }
    tasks_run(driver);
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
