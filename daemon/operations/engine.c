#include "daemon/operations/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

/* ---- building the steps ---- */

static void add_step(struct engine *engine, unsigned stage, enum exec_step_kind kind, struct id node, struct id object,
                     uint64_t now_ms)
{
    engine->steps = mem_realloc_array(engine->steps, engine->n_steps + 1, sizeof(*engine->steps));
    engine->steps[engine->n_steps++] = (struct engine_step){
        .kind = kind, .stage = stage, .node = node, .object = object, .since_ms = now_ms, .error = mem_strdup("")};
}

static struct id brick_node(const struct store *store, const struct store_brick *brick)
{
    const struct store_device *device = store_device(store, brick->device);

    CHECK(device != NULL);
    return device->node;
}

static void add_brick_steps(struct engine *engine, const struct store *store, unsigned stage, enum exec_step_kind kind,
                            const struct store_brick *bricks, size_t n, uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++) {
        add_step(engine, stage, kind, brick_node(store, &bricks[i]), bricks[i].id, now_ms);
    }
}

static void build_volume(struct engine *engine, const struct store *store, const struct store_operation *op,
                         uint64_t now_ms)
{
    const struct store_volume *volume = store_volume(store, op->target);

    CHECK(volume != NULL);
    if (op->type == STORE_OP_CREATE_VOLUME && op->phase == STORE_OP_FORWARD) {
        add_brick_steps(engine, store, 0, EXEC_BRICK_CREATE, volume->bricks, volume->n_bricks, now_ms);
        add_step(engine, 1, EXEC_VOLUME_CREATE, ID_NONE, volume->id, now_ms);
        add_brick_steps(engine, store, 2, EXEC_BRICK_SYNC, volume->bricks, volume->n_bricks, now_ms);
        add_brick_steps(engine, store, 3, EXEC_BRICK_DESTROY, op->abandoned, op->n_abandoned, now_ms);
        return;
    }
    add_step(engine, 0, EXEC_VOLUME_DELETE, ID_NONE, volume->id, now_ms);
    add_brick_steps(engine, store, 1, EXEC_BRICK_DESTROY, volume->bricks, volume->n_bricks, now_ms);
    add_brick_steps(engine, store, 1, EXEC_BRICK_DESTROY, op->abandoned, op->n_abandoned, now_ms);
}

/* A node of the cluster that can run Gluster commands: settled, not `except`; the n-th of them, so that each try asks
 * another one. ID_NONE: there is none. */
static struct id pool_node(const struct store *store, struct id cluster, struct id except, uint32_t n)
{
    const struct store_node *node = NULL;
    size_t count = 0;

    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        count += id_is_none(node->pending) && !id_equal(node->id, except);
    }
    if (count == 0) {
        return ID_NONE;
    }
    n %= (uint32_t)count;
    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        if (id_is_none(node->pending) && !id_equal(node->id, except) && n-- == 0) {
            return node->id;
        }
    }
    return ID_NONE;
}

static void build_node(struct engine *engine, const struct store *store, const struct store_operation *op,
                       uint64_t now_ms)
{
    const struct store_node *node = store_node(store, op->target);
    bool alone;

    CHECK(node != NULL);
    alone = id_is_none(pool_node(store, node->cluster, node->id, 0));
    if (op->type == STORE_OP_NODE_ADD && op->phase == STORE_OP_FORWARD) {
        add_step(engine, 0, alone ? EXEC_GLUSTERD_CHECK : EXEC_PEER_PROBE, alone ? node->id : ID_NONE, node->id,
                 now_ms);
    } else if (!alone) {
        add_step(engine, 0, EXEC_PEER_DETACH, ID_NONE, node->id, now_ms);
    }
}

static void build_device(struct engine *engine, const struct store *store, const struct store_operation *op,
                         uint64_t now_ms)
{
    const struct store_device *device = store_device(store, op->target);
    bool add = op->type == STORE_OP_DEVICE_ADD && op->phase == STORE_OP_FORWARD;

    CHECK(device != NULL);
    add_step(engine, 0, add ? EXEC_DEVICE_SETUP : EXEC_DEVICE_TEARDOWN, device->node, device->id, now_ms);
}

static void clear(struct engine *engine)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        free(engine->steps[i].error);
    }
    free(engine->steps);
    store_strs_fini(&engine->device.paths);
    memset(engine, 0, sizeof(*engine));
}

bool engine_init(struct engine *engine, const struct store *store, struct id op_id, uint64_t now_ms)
{
    const struct store_operation *op = store_operation(store, op_id);

    memset(engine, 0, sizeof(*engine));
    if (op == NULL) {
        return false;
    }
    engine->op_id = op_id;
    engine->type = op->type;
    engine->phase = op->phase;
    engine->attempt = op->attempt;
    engine->force = op->force;
    switch (op->type) {
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_DELETE_VOLUME:
        build_volume(engine, store, op, now_ms);
        break;
    case STORE_OP_NODE_ADD:
    case STORE_OP_NODE_DELETE:
        build_node(engine, store, op, now_ms);
        break;
    case STORE_OP_DEVICE_ADD:
    case STORE_OP_DEVICE_DELETE:
        build_device(engine, store, op, now_ms);
        break;
    case STORE_OP_CLEAN_BRICKS:
        add_brick_steps(engine, store, 0, EXEC_BRICK_DESTROY, op->abandoned, op->n_abandoned, now_ms);
        break;
    }
    return true;
}

void engine_fini(struct engine *engine)
{
    clear(engine);
}

/* ---- what comes next ---- */

/* May this operation be given up? In UNDO and in deletes there is only forward. */
static bool may_give_up(const struct engine *engine)
{
    return engine->phase == STORE_OP_FORWARD && engine->type != STORE_OP_DELETE_VOLUME &&
           engine->type != STORE_OP_NODE_DELETE && engine->type != STORE_OP_DEVICE_DELETE &&
           engine->type != STORE_OP_CLEAN_BRICKS;
}

static unsigned current_stage(const struct engine *engine)
{
    unsigned stage = UINT32_MAX;

    for (size_t i = 0; i < engine->n_steps; i++) {
        if (engine->steps[i].state != ENGINE_DONE && engine->steps[i].stage < stage) {
            stage = engine->steps[i].stage;
        }
    }
    return stage;
}

static void act_end(struct engine *engine, const struct store *store, struct engine_action *action)
{
    const struct store_operation *op = store_operation(store, engine->op_id);

    engine->proposing = true;
    action->kind = ENGINE_END;
    action->failed = engine->phase == STORE_OP_UNDO;
    if (action->failed && op != NULL) {
        (void)snprintf(action->text, sizeof(action->text), "%s", op->reason);
    }
}

/* A step is hopeless, and nothing of this operation runs any more. */
static void act_give_up(struct engine *engine, const struct engine_step *step, struct engine_action *action)
{
    engine->proposing = true;
    (void)snprintf(action->text, sizeof(action->text), "%s", step->error);
    if (engine->type == STORE_OP_CREATE_VOLUME && step->kind == EXEC_BRICK_CREATE &&
        engine->attempt < ENGINE_REPLANS_MAX) {
        action->kind = ENGINE_REPLAN;
        action->node = step->node;
        engine->failed_node = step->node;
    } else if (may_give_up(engine)) {
        action->kind = ENGINE_UNDO;
    } else {
        action->kind = ENGINE_END;
        action->failed = true;
    }
}

static struct id choose_node(const struct store *store, const struct engine_step *step)
{
    const struct store_volume *volume;
    const struct store_node *node;

    switch (step->kind) {
    case EXEC_VOLUME_CREATE:
        volume = store_volume(store, step->object);
        return volume != NULL && volume->n_bricks > 0
                   ? brick_node(store, &volume->bricks[step->tries % volume->n_bricks])
                   : ID_NONE;
    case EXEC_VOLUME_DELETE:
        volume = store_volume(store, step->object);
        return volume != NULL ? pool_node(store, volume->cluster, ID_NONE, step->tries) : ID_NONE;
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
        node = store_node(store, step->object);
        return node != NULL ? pool_node(store, node->cluster, node->id, step->tries) : ID_NONE;
    default:
        return step->node;
    }
}

void engine_next(struct engine *engine, const struct store *store, uint64_t now_ms, struct engine_action *action)
{
    unsigned stage = current_stage(engine);
    const struct engine_step *hopeless = NULL;
    bool running = false;

    memset(action, 0, sizeof(*action));
    action->kind = ENGINE_WAIT;
    action->wait_ms = UINT64_MAX;
    if (engine->proposing || engine->done) {
        return;
    }
    if (stage == UINT32_MAX) {
        act_end(engine, store, action);
        return;
    }
    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];

        running = running || step->state == ENGINE_RUNNING;
        if (step->hopeless && step->state == ENGINE_WAITING && hopeless == NULL) {
            hopeless = step;
        }
    }
    if (hopeless != NULL) {
        if (!running) {
            act_give_up(engine, hopeless, action);
        }
        return;
    }
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (step->state != ENGINE_WAITING || step->stage != stage) {
            continue;
        }
        if (step->retry_ms <= now_ms) {
            step->node = choose_node(store, step);
            step->state = ENGINE_RUNNING;
            step->since_ms = now_ms;
            action->kind = ENGINE_RUN;
            action->step = i;
            action->node = step->node;
            return;
        }
        if (step->retry_ms < action->wait_ms) {
            action->wait_ms = step->retry_ms;
        }
    }
}

/* ---- what happened ---- */

static bool is_transient(int code)
{
    return code == E_CONNECT || code == E_TIMEOUT || code == E_BUSY || code == E_AUTH || code == E_CANCELLED ||
           code == E_IO || code == E_PROTOCOL;
}

static void step_failed(struct engine *engine, struct engine_step *step, const struct exec_result *result,
                        uint64_t now_ms)
{
    uint64_t backoff = ENGINE_BACKOFF_MIN_MS;

    step->state = ENGINE_WAITING;
    step->failed = true;
    step->tries++;
    free(step->error);
    step->error = mem_strdup(result->message[0] != '\0' ? result->message : err_text(result->code));
    for (uint32_t i = 1; i < step->tries && backoff < ENGINE_BACKOFF_MAX_MS; i++) {
        backoff *= 2;
    }
    if (backoff > ENGINE_BACKOFF_MAX_MS) {
        backoff = ENGINE_BACKOFF_MAX_MS;
    }
    step->retry_ms = now_ms + backoff;
    if (may_give_up(engine)) {
        /* The volume is there: neither a node that is silent now nor bricks of an abandoned attempt are a reason to
         * give it up. */
        step->hopeless = step->kind != EXEC_BRICK_DESTROY && step->kind != EXEC_BRICK_SYNC &&
                         (result->permanent || !is_transient(result->code) || step->tries >= ENGINE_TRIES_MAX);
    } else if (engine->phase == STORE_OP_FORWARD && result->code == E_REMOTE) {
        /* A delete that the node refuses: volumes only before anything was done (snapshots), the others are one step.
         */
        step->hopeless = result->permanent && step->kind == EXEC_VOLUME_DELETE;
        if (step->kind == EXEC_DEVICE_TEARDOWN || step->kind == EXEC_PEER_DETACH) {
            step->hopeless = result->permanent || step->tries >= ENGINE_TRIES_MAX;
        }
    }
}

void engine_result(struct engine *engine, size_t at, const struct exec_result *result, uint64_t now_ms)
{
    struct engine_step *step = &engine->steps[at];

    CHECK(at < engine->n_steps && step->state == ENGINE_RUNNING);
    step->since_ms = now_ms;
    /* Forgetting a device: what cannot be torn down is left. */
    if (result->code != 0 && !(engine->force && step->kind == EXEC_DEVICE_TEARDOWN && result->code != E_FENCED)) {
        step_failed(engine, step, result, now_ms);
        return;
    }
    step->state = ENGINE_DONE;
    step->failed = false;
    if (step->kind == EXEC_DEVICE_SETUP) {
        store_strs_fini(&engine->device.paths);
        engine->device = result->device;
        store_strs_copy(&engine->device.paths, &result->device.paths);
    }
}

void engine_replan_refused(struct engine *engine)
{
    engine->proposing = false;
    engine->attempt = ENGINE_REPLANS_MAX; /* the hopeless step leads to the undo */
}

void engine_node_up(struct engine *engine, struct id node, uint64_t now_ms)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (step->state == ENGINE_WAITING && step->failed && !step->hopeless && id_equal(step->node, node)) {
            step->retry_ms = now_ms;
        }
    }
}

/* ---- parked parts ---- */

static bool is_parked(const struct engine_step *step)
{
    return step->state != ENGINE_DONE && step->failed && step->tries >= ENGINE_PARK_TRIES;
}

size_t engine_parked(const struct engine *engine, struct store_parked **ret_parked)
{
    size_t n = 0;

    *ret_parked = mem_calloc(engine->n_steps, sizeof(**ret_parked));
    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];
        bool listed = false;

        for (size_t j = 0; j < n; j++) {
            listed = listed || id_equal((*ret_parked)[j].node, step->node);
        }
        if (is_parked(step) && !listed) {
            (*ret_parked)[n].node = step->node;
            (*ret_parked)[n++].text = mem_printf("%s: %s", exec_step_name(step->kind), step->error);
        }
    }
    return n;
}

bool engine_parked_changed(const struct engine *engine, const struct store *store)
{
    const struct store_operation *op = store_operation(store, engine->op_id);
    struct store_parked *parked;
    bool changed;
    size_t n;

    if (op == NULL || engine->proposing || engine->done) {
        return false;
    }
    n = engine_parked(engine, &parked);
    changed = n != op->n_parked;
    for (size_t i = 0; i < n; i++) {
        changed = changed || !id_equal(parked[i].node, op->parked[i].node);
        free(parked[i].text);
    }
    free(parked);
    return changed;
}
