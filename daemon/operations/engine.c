#include "daemon/operations/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define STALE_PLANS_MAX 20
#define NO_REPLACEMENT "No Replacement was found for resource requested to be removed"

/* ---- life ---- */

static void drop_steps(struct engine *engine)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        store_strs_fini(&engine->steps[i].info.bricks);
        free(engine->steps[i].error);
        free(engine->steps[i].hosts);
        free(engine->steps[i].refusers);
        free(engine->steps[i].progress);
    }
    free(engine->steps);
    engine->steps = NULL;
    engine->n_steps = 0;
}

static void forget_block(struct engine *engine)
{
    store_strs_fini(&engine->block.hosts);
    explicit_bzero(&engine->block, sizeof(engine->block));
}

/* Takes over the record as it is now: begin, after a replan, after the turn to undo. */
static bool load(struct engine *engine, const struct store *store, uint64_t now_ms)
{
    const struct store_operation *op = store_operation(store, engine->op_id);

    drop_steps(engine);
    if (op == NULL) {
        return false;
    }
    engine->type = op->type;
    engine->phase = op->phase;
    engine->attempt = op->attempt;
    engine->begin_index = op->begin_index;
    engine->force = op->force;
    engine->restored = op->restored && op->phase == STORE_OP_FORWARD;
    engine->no_other_place = false;
    forget_block(engine);
    engine->redo = engine->asks = false;
    engine->parent = op->parent;
    engine->parts = store_op_has_parts(op->type);
    engine_build(engine, store, op, now_ms);
    return true;
}

bool engine_init(struct engine *engine, const struct store *store, struct id op_id, const struct engine_env *env,
                 uint64_t now_ms)
{
    memset(engine, 0, sizeof(*engine));
    engine->op_id = op_id;
    engine->env = *env;
    engine->given = ENGINE_PERHAPS_GIVEN;
    return load(engine, store, now_ms);
}

void engine_fini(struct engine *engine)
{
    drop_steps(engine);
    free(engine->failed_nodes);
    free(engine->refusal);
    free(engine->no_place);
    store_strs_fini(&engine->device.paths);
    forget_block(engine);
    memset(engine, 0, sizeof(*engine));
}

/* ---- what comes next ---- */

/* Nothing is left but bricks of which their nodes do not let go: the volume is done with. */
static bool only_bricks_left(const struct engine *engine)
{
    if (engine->type == STORE_OP_CLEAN_BRICKS) {
        return false;
    }
    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];

        if (step->state != ENGINE_DONE && !engine_is_left(step)) {
            return false;
        }
    }
    return true;
}

/* Or at least may do so. */
static bool makes_volume(const struct engine *engine)
{
    return engine->type == STORE_OP_CREATE_VOLUME || engine->type == STORE_OP_CREATE_BLOCK;
}

/* A device that is forgotten: its node did not answer, or bricks that are left on it still wait for it. */
static bool leaves_device(const struct engine *engine, const struct store *store, const struct store_operation *op)
{
    bool leaves = store_device_used_kib(store, op->target) > 0;

    for (size_t i = 0; i < engine->n_steps; i++) {
        leaves = leaves || exec_is_unreachable(engine->steps[i].code);
    }
    return engine->type == STORE_OP_DEVICE_DELETE && engine->force && leaves;
}

static void act_end(struct engine *engine, const struct store *store, struct engine_action *action)
{
    const struct store_operation *op = store_operation(store, engine->op_id);

    engine->proposing = true;
    action->kind = ENGINE_END;
    action->failed = engine->phase == STORE_OP_UNDO;
    action->leave = engine_stage(engine) != UINT32_MAX;
    if (op != NULL) {
        if (action->failed) {
            text_put(action->text, sizeof(action->text), op->reason);
        }
        /* What succeeded at the second attempt is ready; what the first one left is cleaned up afterwards. */
        action->leave =
            action->leave || (engine_makes_bricks(engine) && op->n_abandoned > 0) || leaves_device(engine, store, op);
    }
}

/* Hopeless steps, and nothing of this operation runs any more: `first` is the reason. */
static void act_give_up(struct engine *engine, const struct store *store, const struct engine_step *first,
                        uint64_t now_ms, struct engine_action *action)
{
    bool replan = false;

    engine->proposing = true;
    text_put(action->text, sizeof(action->text), first->error);
    if (first->policy == ENGINE_TURNS) {
        action->kind = ENGINE_TURN;
        return;
    }
    if (first->policy != ENGINE_UNDOES && first->policy != ENGINE_UNDOES_REFUSED && first->policy != ENGINE_CONFIRMS) {
        action->kind = ENGINE_END;
        action->failed = true;
        return;
    }
    if (engine->parts) { /* nothing to take back */
        action->kind = ENGINE_END;
        action->failed = true;
        return;
    }
    for (size_t i = 0; i < engine->n_steps && engine_may_replan(engine, first); i++) {
        const struct engine_step *step = &engine->steps[i];

        if (step->hopeless && (step->kind == EXEC_BRICK_CREATE || step->kind == EXEC_BRICK_SYNC || step->own)) {
            engine_blame(engine, step->node);
            replan = true;
        } else if (step->hopeless) { /* a gluster command fails where it is run, seldom because of that node */
            replan = engine_blame_down_nodes(engine, store, step->object) || replan;
        }
    }
    if (replan && engine->type == STORE_OP_EXPAND_VOLUME && engine->given != ENGINE_NOT_GIVEN) {
        if (!engine->asks) {
            engine_ask_whether_given(engine);
            engine->proposing = false;
            action->wait_ms = now_ms; /* look again at once */
            return;
        }
        replan = false; /* they differ */
    }
    action->kind = replan ? ENGINE_REPLAN : ENGINE_UNDO;
}

/* The store does not take the good end (a device of impossible size): a create or add is undone, a delete failed. */
static void act_refused(struct engine *engine, struct engine_action *action)
{
    bool undo = makes_volume(engine) || engine->type == STORE_OP_CLONE_VOLUME || engine->type == STORE_OP_NODE_ADD ||
                engine->type == STORE_OP_DEVICE_ADD || engine->type == STORE_OP_EXPAND_BLOCK;

    engine->proposing = true;
    action->kind = undo ? ENGINE_UNDO : ENGINE_END;
    action->failed = !undo;
    text_put(action->text, sizeof(action->text), engine->refusal);
}

/* Starts the next step of the stage that is due, or says when one will be. */
static bool act_run(struct engine *engine, const struct store *store, unsigned stage, uint64_t now_ms,
                    struct engine_action *action)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];
        bool known;

        if (step->state != ENGINE_WAITING || step->stage != stage) {
            continue;
        }
        if (step->retry_ms <= now_ms) {
            switch (engine_place(engine, store, step)) {
            case ENGINE_PLACED:
                known = step->failed && step->tries >= ENGINE_PARK_TRIES;
                if (engine_spares(engine, step, now_ms)) {
                    action->wait_ms = known ? action->wait_ms : now_ms; /* perhaps all is left now: look again */
                    if (step->state == ENGINE_DONE) {
                        continue;
                    }
                    break;
                }
                step->state = ENGINE_RUNNING;
                step->since_ms = now_ms;
                action->kind = ENGINE_RUN;
                action->step = i;
                return true;
            case ENGINE_NOTHING:
                step->state = ENGINE_DONE;
                if (engine_is_expand_look(engine, step)) { /* the second: there is none */
                    engine_expand_looked(engine, step, &engine->had);
                } else if (engine_is_restored_look(engine, step)) {
                    engine_restored_looked(engine, step, &engine->had, now_ms);
                }
                action->wait_ms = now_ms; /* perhaps the last one: look again at once */
                continue;
            case ENGINE_CANNOT:
                if (engine_is_kept(engine)) {
                    step->retry_ms = now_ms + ENGINE_HOLD_MS;
                    break;
                }
                step->failed = step->permanent = step->hopeless = true;
                step->code = E_REMOTE;
                action->wait_ms = now_ms;
                continue;
            case ENGINE_HELD:
                step->retry_ms = now_ms + (engine->type == STORE_OP_CLEAN_DEVICE ? ENGINE_POLL_MS : ENGINE_HOLD_MS);
                break;
            }
        }
        action->wait_ms = step->retry_ms < action->wait_ms ? step->retry_ms : action->wait_ms;
    }
    return false;
}

/* What was looked at decides. */
static void act_on_look(struct engine *engine, const struct store *store, uint64_t now_ms, struct engine_action *action)
{
    if (engine->redo || engine_judge_looks(engine, store, now_ms)) {
        engine->proposing = true;
        action->kind = engine->redo ? ENGINE_REDO : ENGINE_LEARN;
    } else {
        action->wait_ms = now_ms; /* look again at once */
    }
}

/* A brick to move goes through three phases: looked at, then placed and made, then the volume's (COMMITTED). A device
 * that is replaced through two: its volume group rebuilt, then its bricks. */
static void act_evict(struct engine *engine, const struct store *store, struct engine_action *action)
{
    const struct store_operation *op = store_operation(store, engine->op_id);

    if (engine->phase != STORE_OP_FORWARD || op == NULL) {
        act_end(engine, store, action);
        return;
    }
    engine->proposing = true;
    if (!id_is_none(op->replacement) || engine->type == STORE_OP_DEVICE_REPLACE) {
        action->kind = ENGINE_MOVED;
    } else if (!engine->no_other_place) {
        action->kind = ENGINE_REPLAN;
    } else {
        action->kind = ENGINE_UNDO;
        text_put(action->text, sizeof(action->text), engine->no_place != NULL ? engine->no_place : NO_REPLACEMENT);
    }
}

static void act_parts(struct engine *engine, const struct store *store, struct engine_action *action)
{
    const struct store_operation *op = store_operation(store, engine->op_id);

    if (op == NULL || !id_is_none(op->child)) {
        return; /* its end is told */
    }
    engine->proposing = true;
    if (op->reason[0] == '\0' && store_op_parts_left(store, engine->op_id)) {
        action->kind = ENGINE_PART;
        return;
    }
    action->kind = ENGINE_END;
    action->failed = op->reason[0] != '\0';
    text_put(action->text, sizeof(action->text), op->reason);
}

static void act_stages_done(struct engine *engine, const struct store *store, struct engine_action *action)
{
    if (engine->parts) {
        act_parts(engine, store, action);
    } else if (engine->type == STORE_OP_EVICT_BRICK || engine->type == STORE_OP_DEVICE_REPLACE) {
        act_evict(engine, store, action);
    } else {
        act_end(engine, store, action);
    }
}

void engine_next(struct engine *engine, const struct store *store, uint64_t now_ms, struct engine_action *action)
{
    unsigned stage = engine_stage(engine);
    const struct engine_step *hopeless = NULL;
    bool running = false;

    action->kind = ENGINE_WAIT;
    action->wait_ms = UINT64_MAX;
    action->failed = action->leave = false;
    action->text[0] = '\0';
    if (engine->proposing || engine->unknown || engine->fenced || engine->done) {
        return;
    }
    if (engine->hold_ms > now_ms) {
        action->wait_ms = engine->hold_ms;
        return;
    }
    if (engine->refusal != NULL && engine->phase == STORE_OP_FORWARD) { /* not of what is kept: engine_proposed */
        act_refused(engine, action);
        return;
    }
    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];

        running = running || step->state == ENGINE_RUNNING;
        hopeless = hopeless == NULL && step->hopeless ? step : hopeless;
    }
    if (hopeless != NULL && !engine_is_asking(engine)) {
        if (!running) {
            act_give_up(engine, store, hopeless, now_ms, action);
        }
        return;
    }
    if (!running && (engine->redo || engine_looked(engine))) {
        act_on_look(engine, store, now_ms, action);
        return;
    }
    if (stage == UINT32_MAX || only_bricks_left(engine)) {
        act_stages_done(engine, store, action);
        return;
    }
    if (act_run(engine, store, stage, now_ms, action)) {
        return;
    }
    if (action->wait_ms > now_ms && engine_stage(engine) == stage && engine_parked_changed(engine, store)) {
        engine->proposing = true;
        action->kind = ENGINE_PARK;
    }
}

/* ---- what happened ---- */

/* The volume is there, with the bricks in it. What a node has of a clone is to be learnt, together with what the others
 * have. */
static void step_found(struct engine *engine, struct engine_step *step, const struct exec_volume_info *info)
{
    if (engine->type == STORE_OP_CLONE_VOLUME) {
        store_strs_fini(&step->info.bricks);
        step->info = *info;
        store_strs_copy(&step->info.bricks, &info->bricks);
    } else {
        engine->redo = engine->phase == STORE_OP_UNDO;
    }
}

static void step_done(struct engine *engine, struct engine_step *step, const struct exec_result *result,
                      uint64_t now_ms)
{
    step->failed = false;
    free(step->progress);
    step->progress = NULL;
    if (result->unfinished) {
        step->state = ENGINE_WAITING;
        step->polls++;
        step->tries = step->busy = 0; /* what failed now and then in days is no failure */
        step->retry_ms = now_ms + ENGINE_POLL_MS;
        step->progress = mem_strdup(result->message);
        return;
    }
    step->state = ENGINE_DONE;
    if (step->kind == EXEC_VOLUME_DELETE) {
        step->agreed = step->agreed || (!id_is_none(step->gone) && !id_equal(step->gone, step->node));
        step->gone = step->node;
    }
    if (engine_is_expand_look(engine, step)) {
        engine_expand_looked(engine, step, &result->volume);
    } else if (engine_is_restored_look(engine, step)) {
        engine_restored_looked(engine, step, &result->volume, now_ms);
        return;
    }
    if (step->own && result->volume.present) {
        engine_keep_bricks(engine);
    }
    if (result->volume.present && step->kind != EXEC_VOLUME_CLONE) {
        step_found(engine, step, &result->volume);
    }
    if (step->kind == EXEC_DEVICE_SETUP || step->kind == EXEC_DEVICE_LOOK) {
        store_strs_fini(&engine->device.paths);
        engine->device = result->device;
        store_strs_copy(&engine->device.paths, &result->device.paths);
    }
    if (step->kind == EXEC_BLOCK_LOOK && engine->phase == STORE_OP_UNDO && engine_is_second(engine, step)) {
        if (result->code == 0 && engine->block.present && result->block.present) {
            engine_keep_larger(&engine->block, &result->block);
            return;
        }
        if (result->code != 0 || engine->block.present) { /* it cannot say, or does not know what the other one knows */
            return;
        }
    }
    if (step->policy != ENGINE_CONFIRMS &&
        (step->kind == EXEC_BLOCK_CREATE || step->kind == EXEC_BLOCK_EXPAND || step->kind == EXEC_BLOCK_LOOK)) {
        forget_block(engine);
        engine->block = result->block;
        store_strs_copy(&engine->block.hosts, &result->block.hosts);
    }
}

void engine_result(struct engine *engine, size_t at, const struct exec_result *result, uint64_t now_ms)
{
    static const struct exec_result differs = {
        .code = E_BUSY, .message = "this node knows another block volume than the one that was made, or none"};
    struct engine_step *step = &engine->steps[at];
    struct exec_result refused;

    CHECK(at < engine->n_steps && step->state == ENGINE_RUNNING);
    if (engine_block_differs(engine, step, result)) {
        result = &differs;
    }
    step->since_ms = now_ms;
    if (result->code == E_FENCED) {
        step->state = ENGINE_WAITING;
        engine->fenced = true;
        return;
    }
    if (result->code == E_BUSY && result->marked && !engine_unmark(engine, step, now_ms)) {
        refused = *result;
        refused.code = E_REMOTE;
        result = &refused;
    }
    engine_note_refusal(step, result);
    engine_note_given(engine, step, result);
    if (result->code == 0 || step->policy == ENGINE_IGNORES || engine_all_refuse(engine, step, result) ||
        engine_goes_without(step, result)) {
        step->code = result->code;
        step_done(engine, step, result, now_ms);
        return;
    }
    engine_step_failed(engine, step, result, now_ms);
    step->denier = ID_NONE; /* who was asked instead did no better */
    if (result->code == E_BUSY && step->kind == EXEC_BRICK_DESTROY) {
        engine_brick_busy(engine, step);
    } else if (result->code == E_BUSY && !result->moved) {
        engine_do_again(engine, step);
    }
}

static void replan_refused(struct engine *engine)
{
    engine->proposing = false;
    engine->no_other_place = true;
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        step->hopeless = step->hopeless && engine_is_hopeless(engine, step); /* some have tries left */
    }
}

void engine_not_proposed(struct engine *engine, enum engine_action_kind kind, uint64_t now_ms)
{
    if (kind == ENGINE_REPLAN) {
        replan_refused(engine);
    } else {
        engine->proposing = false;
        engine->hold_ms = now_ms + ENGINE_PART_WAIT_MS;
    }
}

void engine_proposed(struct engine *engine, const struct store *store, enum engine_action_kind kind, int status,
                     const struct store_result *result, uint64_t now_ms)
{
    enum store_code code = status == 0 ? result->code : STORE_OK;

    engine->proposing = false;
    if (status == E_BUSY) { /* nothing was proposed */
        engine->hold_ms = now_ms + ENGINE_HOLD_MS;
    } else if (engine_is_kept(engine) && (status == E_INVALID || (status == 0 && code != STORE_OK)) &&
               (kind == ENGINE_END || kind == ENGINE_LEARN)) {
        engine->hold_ms = now_ms + ENGINE_PART_WAIT_MS;
    } else if (status == E_INVALID && (kind == ENGINE_END || kind == ENGINE_LEARN) && engine->refusal == NULL &&
               engine->phase == STORE_OP_FORWARD) {
        engine->refusal = mem_strdup("What the storage nodes said of it is larger than an entry of the log can be");
        engine->done = !load(engine, store, now_ms);
    } else if (status != 0) {
        engine->unknown = true; /* leadership is lost; the next leader, perhaps this member, reads the store */
    } else if ((kind == ENGINE_REPLAN && code == STORE_STALE_PLAN && engine->stale_plans++ < STALE_PLANS_MAX) ||
               (kind == ENGINE_END && code == STORE_OK && store_operation(store, engine->op_id) != NULL)) {
        engine->hold_ms = now_ms; /* the state moved between plan and apply, or it was a part of the end: at once */
    } else if (kind == ENGINE_REPLAN && code != STORE_OK) {
        replan_refused(engine);
    } else if (kind == ENGINE_PART) {
        if (code != STORE_OK) {
            engine_not_proposed(engine, kind, now_ms);
        }
    } else if (kind != ENGINE_PARK) {
        /* An expand cannot be undone any more: its end is tried again, under other ids. */
        if (((kind == ENGINE_END && engine->type != STORE_OP_EXPAND_VOLUME) || kind == ENGINE_LEARN) &&
            code != STORE_OK && engine->phase == STORE_OP_FORWARD) {
            free(engine->refusal);
            engine->refusal = mem_strdup(result->text);
        }
        if (kind == ENGINE_REPLAN) {
            engine->given = ENGINE_NOT_GIVEN;
        } else if (kind == ENGINE_TURN || kind == ENGINE_REDO) {
            engine->given = ENGINE_PERHAPS_GIVEN;
            engine->turns++;
            engine->hold_ms = now_ms + engine_turn_pause_ms(engine);
        }
        engine->done = !load(engine, store, now_ms);
    }
}

bool engine_node_up(struct engine *engine, struct id node, uint64_t now_ms)
{
    bool due = false;

    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];
        if (step->state == ENGINE_WAITING && step->failed && !step->hopeless && step->retry_ms > now_ms &&
            (engine_is_pool_step(step->kind) || id_equal(step->node, node))) {
            step->retry_ms = now_ms;
            due = true;
        }
    }
    return due;
}
