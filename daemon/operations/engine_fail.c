/* Failed steps: when they are tried again, and when it is given up. */
#include <stdlib.h>

#include "daemon/operations/engine_priv.h"
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

    return (engine_makes_bricks(engine) || evicts) && !engine->no_other_place && engine->attempt < replans_max &&
           (step->kind == EXEC_BRICK_CREATE || step->kind == EXEC_VOLUME_CREATE || step->kind == EXEC_VOLUME_EXPAND);
}

static bool exhausted(const struct engine *engine, const struct engine_step *step)
{
    if (step->permanent) {
        return true;
    }
    switch (step->code) {
    case E_BUSY:
        return step->busy >= ENGINE_TRIES_BUSY;
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
    switch (step->policy) {
    case ENGINE_UNDOES:
        return exhausted(engine, step);
    case ENGINE_UNDOES_REFUSED:
    case ENGINE_REFUSES_BUSY:
        return (step->code == E_REMOTE || step->code == E_BUSY) && exhausted(engine, step);
    case ENGINE_REFUSES:
        return step->code == E_REMOTE && exhausted(engine, step);
    case ENGINE_REFUSES_AT_ONCE:
    case ENGINE_TURNS:
        return step->code == E_REMOTE && step->permanent;
    case ENGINE_WAITS:
    case ENGINE_SKIPS:
    case ENGINE_IGNORES:
        break;
    }
    return false;
}

/* Doubles with each try up to a limit; up to a quarter less, so that operations do not come all at once. */
static uint64_t backoff_ms(const struct engine *engine, const struct engine_step *step)
{
    bool busy = step->code == E_BUSY;
    uint64_t limit_ms = busy ? ENGINE_BUSY_BACKOFF_MAX_MS : ENGINE_BACKOFF_MAX_MS;
    uint64_t wait_ms = ENGINE_BACKOFF_MIN_MS;
    uint32_t n = busy ? step->busy : step->tries;

    for (uint32_t i = 1; i < n && wait_ms < limit_ms; i++) {
        wait_ms *= 2;
    }
    wait_ms = wait_ms < limit_ms ? wait_ms : limit_ms;
    return wait_ms - wait_ms * engine->op_id.bytes[(step->tries + step->busy) % ID_BYTES] / 1024;
}

void engine_step_failed(struct engine *engine, struct engine_step *step, const struct exec_result *result,
                        uint64_t now_ms)
{
    step->state = ENGINE_WAITING;
    step->failed = true;
    step->code = result->code;
    step->permanent = result->code == E_REMOTE && result->permanent;
    step->tries += result->code != E_BUSY;
    step->busy += result->code == E_BUSY;
    free(step->error);
    step->error = mem_printf("%s%s", engine_is_second(engine, step) ? "a second node has to say so, too: " : "",
                             result->message[0] != '\0' ? result->message : err_text(result->code));
    step->retry_ms = now_ms + backoff_ms(engine, step);
    step->hopeless = engine_is_hopeless(engine, step);
}
