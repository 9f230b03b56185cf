/* Failed steps: when they are tried again, when it is given up, and which bricks are left to a clean-up. */
#include <stdlib.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

bool engine_makes_bricks(const struct engine *engine)
{
    return (engine->type == STORE_OP_CREATE_VOLUME || engine->type == STORE_OP_CREATE_BLOCK ||
            engine->type == STORE_OP_EXPAND_VOLUME) &&
           engine->phase == STORE_OP_FORWARD;
}

bool engine_may_replan(const struct engine *engine, const struct engine_step *step)
{
    bool evicts = engine->type == STORE_OP_EVICT_BRICK && engine->phase == STORE_OP_FORWARD;
    uint32_t replans_max = engine->env.replans_max != 0 ? engine->env.replans_max : ENGINE_REPLANS_MAX;

    /* Bricks that Gluster has are not planned again: the database would lose them, and a clean-up take them away. Of a
     * create nobody has been given anything: what it has made is deleted first. */
    if (engine_is_kept(engine) || (evicts && engine->given != ENGINE_NOT_GIVEN) ||
        (engine->type == STORE_OP_EXPAND_VOLUME && engine->given == ENGINE_GIVEN)) {
        return false;
    }
    return (engine_makes_bricks(engine) || evicts) && !engine->no_other_place && engine->attempt < replans_max &&
           (step->kind == EXEC_BRICK_CREATE || step->kind == EXEC_VOLUME_CREATE || step->kind == EXEC_VOLUME_EXPAND ||
            step->kind == EXEC_BRICK_SYNC || step->own);
}

void engine_no_place(struct engine *engine, const char *text)
{
    free(engine->no_place);
    engine->no_place = mem_strdup(text);
}

/* ---- who says no ---- */

bool engine_has_refused(const struct engine_step *step, struct id node)
{
    for (size_t i = 0; i < step->n_refusers; i++) {
        if (id_equal(step->refusers[i], node)) {
            return true;
        }
    }
    return false;
}

/* Does a no that may be another one at the next try count? */
static bool counts_any(const struct engine_step *step)
{
    return step->policy == ENGINE_UNDOES || step->policy == ENGINE_UNDOES_REFUSED || step->policy == ENGINE_REFUSES ||
           step->policy == ENGINE_REFUSES_BUSY;
}

void engine_note_refusal(struct engine_step *step, const struct exec_result *result)
{
    step->silent += step->n_refusers > 0 && exec_is_unreachable(result->code);
    if (result->code == E_REMOTE && (result->permanent || counts_any(step)) && !engine_has_refused(step, step->node)) {
        step->refusers = mem_realloc_array(step->refusers, step->n_refusers + 1, sizeof(*step->refusers));
        step->refusers[step->n_refusers++] = step->node;
    }
}

bool engine_all_refuse(const struct engine *engine, const struct engine_step *step, const struct exec_result *result)
{
    /* What one host alone exports may be where gluster-block is on no other node. */
    bool skips = step->policy == ENGINE_SKIPS || (step->policy == ENGINE_CONFIRMS && engine->block.hosts.n == 1);

    if (!skips || result->code != E_REMOTE || !result->permanent) {
        return false;
    }
    if (step->others == 0) {
        return true;
    }
    return step->others_up == 0 && step->tries + 1 >= ENGINE_TRIES_CONNECT && !engine_is_second(engine, step);
}

bool engine_goes_without(const struct engine_step *step, const struct exec_result *result)
{
    return step->policy == ENGINE_WAITS_ANSWERED &&
           ((result->code == E_REMOTE && step->tries + 1 >= ENGINE_FORGET_REFUSED) ||
            (result->code == E_BUSY && step->busy + 1 >= ENGINE_TRIES_BUSY));
}

/* One node's no is not the cluster's: another one is asked, if one answers. */
static bool asks_another(const struct engine_step *step)
{
    return step->n_refusers < ENGINE_REFUSERS && step->others_up > 0 && step->silent < ENGINE_TRIES_TIMEOUT;
}

/* ---- when it is given up ---- */

/* Nodes that have just come back are connected soon; one that is down is not waited for. */
static bool is_apart(const struct engine *engine, const struct engine_step *step)
{
    for (size_t i = 0; i < engine->n_steps && step->apart; i++) {
        if (engine->steps[i].kind == EXEC_BRICK_CREATE && engine_is_down(engine, engine->steps[i].node)) {
            return true;
        }
    }
    return false;
}

static bool exhausted(const struct engine *engine, const struct engine_step *step)
{
    if (step->code == E_REMOTE && asks_another(step)) {
        return false;
    }
    if (step->permanent) {
        return true;
    }
    switch (step->code) {
    case E_BUSY:
        return step->busy >= ENGINE_TRIES_BUSY || (is_apart(engine, step) && step->busy >= ENGINE_TRIES_REMOTE);
    case E_CONNECT:
    case E_AUTH:
    case E_PROTOCOL:
    case E_DAMAGED:
        /* There is another place, and the node is known to be down: no need to wait for it. */
        if (engine_may_replan(engine, step) && step->kind == EXEC_BRICK_CREATE && engine->env.node_down != NULL &&
            engine->env.node_down(engine->env.user, step->node)) {
            return true;
        }
        return step->tries >= ENGINE_TRIES_CONNECT;
    case E_TIMEOUT:
        return step->tries >= ENGINE_TRIES_TIMEOUT;
    case E_REMOTE:
        return step->tries >= ENGINE_TRIES_REMOTE;
    default:
        return step->tries >= ENGINE_TRIES_CONNECT;
    }
}

bool engine_is_hopeless(const struct engine *engine, const struct engine_step *step)
{
    if (engine_is_kept(engine)) {
        return false;
    }
    switch (step->policy) {
    case ENGINE_UNDOES:
        return exhausted(engine, step);
    case ENGINE_UNDOES_REFUSED:
    case ENGINE_REFUSES_BUSY:
        return (step->code == E_REMOTE || step->code == E_BUSY) && exhausted(engine, step);
    case ENGINE_REFUSES:
        return step->code == E_REMOTE && exhausted(engine, step);
    case ENGINE_REFUSES_AT_ONCE:
        if (engine_is_second(engine, step) && step->n_refusers < ENGINE_REFUSERS) {
            return false; /* it is one node's word against another's */
        }
        return step->code == E_REMOTE && step->permanent && !asks_another(step);
    case ENGINE_CONFIRMS:
        if (step->permanent && step->others_up > 0) {
            return false; /* one where gluster-block is installed has yet to be found */
        }
        return (step->permanent && step->others == 0) || step->tries >= ENGINE_TRIES_CONNECT ||
               step->busy >= ENGINE_TRIES_BUSY;
    case ENGINE_TURNS: /* goes forward, to where it is asked again */
        return step->code == E_REMOTE && step->permanent;
    case ENGINE_WAITS:
    case ENGINE_WAITS_ANSWERED:
    case ENGINE_SKIPS:
    case ENGINE_IGNORES:
        break;
    }
    return false;
}

uint32_t engine_tried(const struct engine_step *step)
{
    return step->tries + step->busy + step->again;
}

/* Doubles with each of n tries up to a limit; up to a quarter less, so that operations do not come all at once. */
static uint64_t pause_ms(const struct engine *engine, uint32_t n, uint32_t any, uint64_t limit_ms)
{
    uint64_t wait_ms = ENGINE_BACKOFF_MIN_MS;

    for (uint32_t i = 1; i < n && wait_ms < limit_ms; i++) {
        wait_ms *= 2;
    }
    wait_ms = wait_ms < limit_ms ? wait_ms : limit_ms;
    return wait_ms - wait_ms * engine->op_id.bytes[any % ID_BYTES] / 1024;
}

static uint64_t backoff_ms(const struct engine *engine, const struct engine_step *step)
{
    bool busy = step->code == E_BUSY;

    return pause_ms(engine, busy ? step->busy : step->tries, engine_tried(step),
                    busy ? ENGINE_BUSY_BACKOFF_MAX_MS : ENGINE_BACKOFF_MAX_MS);
}

uint64_t engine_turn_pause_ms(const struct engine *engine)
{
    return pause_ms(engine, engine->turns, engine->turns, ENGINE_BACKOFF_MAX_MS);
}

void engine_step_failed(struct engine *engine, struct engine_step *step, const struct exec_result *result,
                        uint64_t now_ms)
{
    step->state = ENGINE_WAITING;
    step->failed = true;
    step->code = result->code;
    step->permanent = result->code == E_REMOTE && result->permanent;
    step->apart = result->code == E_BUSY && result->apart;
    step->tries += result->code != E_BUSY;
    step->busy += result->code == E_BUSY;
    free(step->error);
    step->error = mem_printf("%s%s", engine_is_second(engine, step) ? "a second node has to say so, too: " : "",
                             result->message[0] != '\0' ? result->message : err_text(result->code));
    step->retry_ms = now_ms + (step->permanent && asks_another(step) ? 0 : backoff_ms(engine, step));
    step->hopeless = engine_is_hopeless(engine, step);
}

/* ---- how long it may take ---- */

uint32_t engine_timeout_ms(const struct engine *engine, const struct engine_step *step)
{
    bool syncs = step->kind == EXEC_BRICK_SYNC, probes = step->kind == EXEC_PEER_PROBE;

    if (step->policy == ENGINE_IGNORES && (syncs || probes)) {
        return ENGINE_IGNORED_MS;
    }
    switch (step->kind) {
    case EXEC_BRICK_SYNC:
    case EXEC_PEER_FORGET:
    case EXEC_HEAL_WAIT:
    case EXEC_BRICK_UNREPLACED:
    case EXEC_VOLUME_CHECK:
        return ENGINE_CONFIRM_MS;
    case EXEC_BLOCK_LOOK:
    case EXEC_VOLUME_LOOK:
        return engine_is_second(engine, step) ? ENGINE_CONFIRM_MS : 0;
    default:
        return 0;
    }
}

/* ---- nodes that are known to be silent ---- */

bool engine_may_spare(const struct engine_step *step)
{
    return step->policy != ENGINE_UNDOES && step->policy != ENGINE_CONFIRMS;
}

bool engine_spares(struct engine *engine, struct engine_step *step, uint64_t now_ms)
{
    const char *said = engine->env.node_silent != NULL && engine_may_spare(step)
                           ? engine->env.node_silent(engine->env.user, step->node)
                           : NULL;

    if (said == NULL) {
        return false;
    }
    step->code = E_CONNECT;
    if (step->policy == ENGINE_IGNORES) {
        step->state = ENGINE_DONE;
        return true;
    }
    step->failed = true;
    step->permanent = step->apart = false;
    step->tries = step->tries > ENGINE_PARK_TRIES ? step->tries : ENGINE_PARK_TRIES;
    free(step->error);
    step->error = mem_printf("%sthe node does not answer: %s",
                             engine_is_second(engine, step) ? "a second node has to say so, too: " : "", said);
    step->retry_ms = now_ms + pause_ms(engine, UINT32_MAX, step->tries + step->busy, ENGINE_SILENT_MS);
    return true;
}

/* ---- what somebody said that it is done ---- */

static void ask_again(struct engine_step *step, uint64_t retry_ms)
{
    if (step->state == ENGINE_DONE) {
        step->state = ENGINE_WAITING;
        step->again += step->tries + step->busy + 1; /* elsewhere; its failures before do not count */
        step->tries = step->busy = 0;
        step->retry_ms = retry_ms;
        free(step->error);
        step->error = NULL;
    }
}

static bool contradicts(const struct engine_step *denied, enum exec_step_kind kind)
{
    switch (denied->kind) {
    case EXEC_BRICK_SYNC:
        return denied->busy % ENGINE_SYNCS_BUSY == 0 &&
               (kind == EXEC_VOLUME_CREATE || kind == EXEC_VOLUME_EXPAND || kind == EXEC_CLONE_START);
    case EXEC_VOLUME_CHECK:
        return kind == EXEC_VOLUME_CREATE || kind == EXEC_VOLUME_EXPAND || kind == EXEC_CLONE_START;
    case EXEC_BLOCK_LOOK:
        return kind == EXEC_BLOCK_CREATE || kind == EXEC_BLOCK_EXPAND;
    default:
        return false;
    }
}

void engine_do_again(struct engine *engine, struct engine_step *denied)
{
    struct engine_step *last = NULL;

    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (contradicts(denied, step->kind) && (last == NULL || step->stage > last->stage)) {
            last = step;
        }
    }
    if (last == NULL) {
        return;
    }
    if (denied->kind == EXEC_VOLUME_CHECK) { /* else the two could take turns so that only one node is ever asked */
        denied->denier = last->denier = denied->node;
    }
    ask_again(last, denied->retry_ms);
    for (size_t i = 0; i < engine->n_steps; i++) { /* what it was before that counts no more */
        if (engine->steps[i].kind == EXEC_VOLUME_CHECK) {
            ask_again(&engine->steps[i], denied->retry_ms);
        }
    }
}

/* ---- bricks that a failed try has left marked ---- */

static void add_look(struct engine *engine, struct id node, struct id volume)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        if (engine->steps[i].own && id_equal(engine->steps[i].node, node)) {
            ask_again(&engine->steps[i], 0);
            return;
        }
    }
    CHECK(engine->n_steps < engine->max_steps);
    engine->steps[engine->n_steps++] = (struct engine_step){
        .kind = EXEC_VOLUME_LOOK, .policy = ENGINE_UNDOES, .own = true, .node = node, .object = volume};
}

/* In the first stage: what was done there before stays done. */
bool engine_unmark(struct engine *engine, struct engine_step *refused, uint64_t now_ms)
{
    size_t n = engine->n_steps;

    if (!engine_makes_bricks(engine) || engine->restored ||
        (refused->kind != EXEC_VOLUME_CREATE && refused->kind != EXEC_VOLUME_EXPAND) ||
        refused->unmarks == ENGINE_UNMARKS) {
        return false;
    }
    refused->unmarks++;
    for (size_t i = 0; i < n; i++) {
        if (engine->steps[i].kind == EXEC_BRICK_CREATE) {
            add_look(engine, engine->steps[i].node, refused->object);
            ask_again(&engine->steps[i], now_ms);
        }
    }
    return true;
}

void engine_keep_bricks(struct engine *engine)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        if (engine->steps[i].kind == EXEC_BRICK_CREATE) {
            engine->steps[i].state = ENGINE_DONE;
        }
    }
}

/* ---- bricks that are not let go of ---- */

/* The one that says last that the volume is gone. NULL: the operation deletes none. */
static const struct engine_step *last_delete(const struct engine *engine)
{
    const struct engine_step *last = NULL;

    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];

        if (step->kind == EXEC_VOLUME_DELETE && (last == NULL || step->stage > last->stage)) {
            last = step;
        }
    }
    return last;
}

/* Have two nodes said, where there are two, that the bricks are in no volume any more? Without a delete, two looks or
 * replacings were the steps before. */
static bool is_gone(const struct engine *engine)
{
    const struct engine_step *last = last_delete(engine);

    return last == NULL || last->agreed || engine_is_second(engine, last) || last->others + last->n_refusers == 0;
}

bool engine_is_left(const struct engine_step *step)
{
    if (step->kind != EXEC_BRICK_DESTROY || step->state != ENGINE_WAITING || !step->failed) {
        return false;
    }
    if (exec_is_unreachable(step->code)) {
        return step->tries >= ENGINE_LEAVE_TRIES;
    }
    return step->kept || (step->code == E_REMOTE && step->tries >= ENGINE_LEAVE_REFUSED);
}

void engine_brick_busy(struct engine *engine, struct engine_step *brick)
{
    const struct engine_step *last = last_delete(engine);

    brick->kept = brick->busy >= ENGINE_TRIES_BUSY && is_gone(engine);
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];
        bool looks = engine->type == STORE_OP_EXPAND_VOLUME && step->kind == EXEC_VOLUME_LOOK &&
                     engine_is_second(engine, step) && brick->busy == ENGINE_TRIES_BUSY;

        if (step == last || looks) {
            ask_again(step, brick->retry_ms);
        }
    }
}
