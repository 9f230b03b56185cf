/* Which storage nodes answer. While leading, each node is asked every few seconds; the outcome of steps counts too. At
 * the start of a term the fence of every node is raised in the background; the executor also raises it before the first
 * step of a term on a node, so that no step waits for nodes that it does not need. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define CHECK_EVERY_MS 5000

struct probe {
    struct op_driver *driver;
    uint64_t generation, term;
    struct id node;
    char *host;
    bool fence;
    void (*cb)(void *user, int code, const char *message); /* op_driver_check_glusterd */
    void *user;
};

static struct node_state *find(const struct op_driver *driver, struct id node)
{
    for (size_t i = 0; i < driver->n_nodes; i++) {
        if (id_equal(driver->nodes[i].node, node)) {
            return &driver->nodes[i];
        }
    }
    return NULL;
}

static struct node_state *find_or_add(struct op_driver *driver, struct id node)
{
    struct node_state *state = find(driver, node);

    if (state == NULL) {
        driver->nodes = mem_realloc_array(driver->nodes, driver->n_nodes + 1, sizeof(*driver->nodes));
        state = &driver->nodes[driver->n_nodes++];
        *state = (struct node_state){.node = node};
    }
    return state;
}

bool op_driver_node_down(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = find(driver, node);

    return state != NULL && state->down;
}

static void node_up(struct op_driver *driver, struct id node)
{
    struct op *op;

    RB_FOREACH (op, driver_op_tree, &driver->ops) {
        engine_node_up(&op->engine, node, driver_clock_ms(driver));
        op->due_ms = driver_clock_ms(driver);
    }
    if (driver->running && !RB_EMPTY(&driver->ops)) {
        driver->armed_ms = driver_clock_ms(driver);
        CHECK(uv_timer_start(&driver->timer, driver_timer, 0, 0) == 0);
    }
}

void nodes_note(struct op_driver *driver, struct id node, const struct exec_result *result)
{
    struct node_state *state = find_or_add(driver, node);
    bool was_down = state->down;

    if (result->code == E_CANCELLED || result->code == E_FENCED) {
        return;
    }
    state->seen = true;
    state->down = result->code == E_CONNECT || result->code == E_TIMEOUT || result->code == E_AUTH;
    if (!state->down) {
        state->last_ok_ms = driver_clock_ms(driver);
        state->error[0] = '\0';
    } else {
        (void)snprintf(state->error, sizeof(state->error), "%s", result->message);
    }
    if (state->down != was_down) {
        LOG(state->down ? LOG_WARNING : LOG_INFO, "nodes",
            state->down ? "a storage node does not answer" : "a storage node answers again",
            LF_STR("node", id_text(node).text), LF_STR("reason", state->error));
    }
    if (was_down && !state->down) {
        node_up(driver, node);
    }
}

static void probed(void *user, const struct exec_result *result)
{
    struct probe *probe = user;
    struct op_driver *driver = probe->driver;

    driver->calls--;
    if (probe->generation == driver->generation && !id_is_none(probe->node)) {
        struct node_state *state = find_or_add(driver, probe->node);
        struct exec_result seen = *result;

        state->checking = false;
        if (probe->fence && result->code == 0) {
            state->fence_term = probe->term;
        }
        if (seen.code == E_REMOTE && !probe->fence) {
            seen.code = E_CONNECT; /* reachable, but its glusterd does not run: of no use for placement */
        }
        nodes_note(driver, probe->node, &seen);
    }
    if (probe->cb != NULL) {
        probe->cb(probe->user, result->code, result->message);
    }
    free(probe->host);
    free(probe);
    driver_maybe_closed(driver);
}

static void probe_node(struct op_driver *driver, const char *host, struct id node, bool fence,
                       void (*cb)(void *user, int code, const char *message), void *user)
{
    struct probe *probe = mem_calloc(1, sizeof(*probe));
    struct exec_step step = {.kind = fence ? EXEC_FENCE : EXEC_GLUSTERD_CHECK, .node = node};

    *probe = (struct probe){.driver = driver,
                            .generation = driver->generation,
                            .term = driver->env.term(driver->env.user),
                            .node = node,
                            .host = mem_strdup(host),
                            .fence = fence,
                            .cb = cb,
                            .user = user};
    step.host = probe->host;
    step.term = probe->term;
    driver->calls++;
    (void)exec_run(driver->executor, &step, probed, probe);
}

void op_driver_check_glusterd(struct op_driver *driver, const char *host, struct id node,
                              void (*cb)(void *user, int code, const char *message), void *user)
{
    probe_node(driver, host, node, false, cb, user);
}

static void check_all(struct op_driver *driver)
{
    const struct store_node *node = NULL;

    while ((node = store_node_next(driver_store(driver), node)) != NULL) {
        struct node_state *state = find_or_add(driver, node->id);

        if (!state->checking && id_is_none(node->pending)) {
            state->checking = true;
            probe_node(driver, node->manage.items[0], node->id, state->fence_term != driver->env.term(driver->env.user),
                       NULL, NULL);
        }
    }
}

static void nodes_timer(uv_timer_t *timer)
{
    struct op_driver *driver = timer->data;

    if (driver->env.serving(driver->env.user)) {
        check_all(driver);
    }
}

void nodes_start(struct op_driver *driver)
{
    CHECK(uv_timer_start(&driver->nodes_timer, nodes_timer, 0, CHECK_EVERY_MS) == 0);
}

void nodes_stop(struct op_driver *driver)
{
    uv_timer_stop(&driver->nodes_timer);
    driver->n_nodes = 0; /* the next leadership looks anew */
}

void nodes_fini(struct op_driver *driver)
{
    free(driver->nodes);
}

void op_driver_visit_nodes(const struct op_driver *driver, void (*visit)(void *user, const struct op_node_view *view),
                           void *user)
{
    const struct store_node *node = NULL;

    while ((node = store_node_next(driver_store(driver), node)) != NULL) {
        const struct node_state *state = find(driver, node->id);
        struct op_node_view view = {.node = node->id, .last_ok_ms = UINT64_MAX, .last_error = ""};

        if (state != NULL) {
            view.down = state->down;
            view.fence_term = state->fence_term;
            view.last_error = state->error;
            if (state->last_ok_ms != 0) {
                view.last_ok_ms = driver_clock_ms(driver) - state->last_ok_ms;
            }
        }
        visit(user, &view);
    }
}
