/* Storage nodes that answer, but take long: where gluster commands hang, or need far longer than elsewhere in their
 * pool, or where the fence is not raised in time. What any node of the pool can do is rather given to the others. What
 * runs there stays running: it may change something as long as it is not known to have ended.
 */
#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"

static bool hung_lately(const struct op_driver *driver, const struct node_state *state)
{
    return state->hung_ms != 0 && driver_clock_ms(driver) + 1 - state->hung_ms < DRIVER_HUNG_MS;
}

static bool fence_is_slow(const struct op_driver *driver, const struct node_state *state)
{
    return state->fence_since_ms != 0 && driver_clock_ms(driver) + 1 - state->fence_since_ms >= DRIVER_FENCE_SLOW_MS;
}

static bool is_late(const struct op_driver *driver, const struct node_state *state)
{
    return hung_lately(driver, state) || state->n_slow > 0 || fence_is_slow(driver, state);
}

bool late_is(const struct op_driver *driver, struct id node)
{
    const struct node_state *state = nodes_find(driver, node);

    return state != NULL && is_late(driver, state);
}

/* Before it becomes late. What waits for it may go elsewhere; what is given to it later, though it is late, had nowhere
 * else to go, and stays. */
static void becomes_late(struct op_driver *driver, struct node_state *state)
{
    if (!hung_lately(driver, state) && state->n_slow == 0) {
        state->late_ms = driver_clock_ms(driver) + 1;
        driver_wake(driver, driver_clock_ms(driver));
    }
}

void late_note_hung(struct op_driver *driver, struct id node)
{
    struct node_state *state = nodes_find_or_add(driver, node);

    becomes_late(driver, state);
    state->hung_ms = driver_clock_ms(driver) + 1;
    state->n_usual = 0; /* when it is used again it is judged by what it does then */
}

void late_note_slow(struct op_driver *driver, struct id node, bool slow)
{
    struct node_state *state = nodes_find_or_add(driver, node);

    if (slow) {
        becomes_late(driver, state);
        state->n_slow++;
    } else {
        CHECK(state->n_slow > 0);
        state->n_slow--;
    }
}

/* What the others of its pool need, so that one of them alone, which may be quick since it does nothing, does not make
 * this one slow: the second shortest average. UINT64_MAX: too few are known. */
static uint64_t usual_of_others(const struct op_driver *driver, struct id node)
{
    const struct store *store = driver_store(driver);
    const struct store_node *record = store_node(store, node), *other = NULL;
    uint64_t first = UINT64_MAX, second = UINT64_MAX;

    while (record != NULL && (other = store_cluster_node_next(store, record->cluster, other)) != NULL) {
        const struct node_state *state = other != record ? nodes_find(driver, other->id) : NULL;

        if (state == NULL || state->n_usual == 0) {
            continue;
        }
        if (state->usual_ms < first) {
            second = first;
            first = state->usual_ms;
        } else if (state->usual_ms < second) {
            second = state->usual_ms;
        }
    }
    return second;
}

void late_note_took(struct op_driver *driver, struct id node, uint64_t took_ms)
{
    struct node_state *state = nodes_find_or_add(driver, node);
    uint64_t others_ms = usual_of_others(driver, node);

    state->usual_ms = state->n_usual == 0 ? took_ms : (3 * state->usual_ms + took_ms) / 4;
    state->n_usual += state->n_usual < DRIVER_TARDY_STEPS;
    if (state->n_usual == DRIVER_TARDY_STEPS && state->usual_ms >= DRIVER_TARDY_MS &&
        state->usual_ms / DRIVER_TARDY_TIMES >= others_ms) {
        late_note_hung(driver, node);
    }
}

/* Its pool has a node that is not late. */
static bool has_better(const struct op_driver *driver, struct id node)
{
    const struct store *store = driver_store(driver);
    const struct store_node *record = store_node(store, node), *other = NULL;

    while (record != NULL && (other = store_cluster_node_next(store, record->cluster, other)) != NULL) {
        if (other != record && other->state == STORE_STATE_ONLINE && id_is_none(other->pending) &&
            !nodes_doubtful(driver, other->id) && !late_is(driver, other->id)) {
            return true;
        }
    }
    return false;
}

static bool moves(const struct op_driver *driver, const struct node_state *state, uint64_t placed_ms)
{
    return (hung_lately(driver, state) || state->n_slow > 0) && placed_ms < state->late_ms &&
           has_better(driver, state->node);
}

bool late_moves(const struct op_driver *driver, struct id node, uint64_t placed_ms)
{
    const struct node_state *state = nodes_find(driver, node);

    return state != NULL && moves(driver, state, placed_ms);
}

void late_line(struct op_driver *driver, struct task *task)
{
    struct node_state *state = nodes_find_or_add(driver, task->node);

    CHECK(!task->lined);
    task->lined = true;
    TAILQ_INSERT_TAIL(&state->lined, task, lined_link);
}

void late_unline(struct op_driver *driver, struct task *task)
{
    struct node_state *state = task->lined ? nodes_find(driver, task->node) : NULL;

    if (task->lined) {
        CHECK(state != NULL); /* drop_gone leaves it as long as somebody is in line */
        TAILQ_REMOVE(&state->lined, task, lined_link);
        task->lined = false;
    }
}

void late_move_on(struct op_driver *driver, struct node_state *state, size_t *left)
{
    struct task *task;

    while (*left > 0 && (task = TAILQ_FIRST(&state->lined)) != NULL && moves(driver, state, task->placed_ms)) {
        task_moves(task, TASK_MOVES);
        --*left;
    }
    while (*left > 0 && (task = STAILQ_FIRST(&state->waiting_any)) != NULL && fence_is_slow(driver, state) &&
           has_better(driver, state->node)) {
        STAILQ_REMOVE_HEAD(&state->waiting_any, fencing);
        task_moves(task, "the fence of the node is not raised yet");
        --*left;
    }
    if (*left == 0) {
        driver_wake(driver, driver_clock_ms(driver));
    }
}
