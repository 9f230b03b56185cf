#include "tests/simulation/sim_ops.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/operations/command.h"
#include "daemon/operations/work.h"
#include "store/base/check.h"
#include "store/base/mem.h"

static uint64_t now_ms(const struct sim_ops *ops)
{
    return ops->sim->now / SIM_MS;
}

static void random_bytes(void *user, void *data, size_t len)
{
    struct sim_ops *ops = user;
    uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)sim_random(ops->sim, 256);
    }
}

static void plan_env(struct sim_ops *ops, struct store_plan_env *ret_env)
{
    store_plan_env_init(ret_env);
    ret_env->user = ops;
    ret_env->random = random_bytes;
    ret_env->now_ms = 1000000 + (int64_t)now_ms(ops);
    ret_env->block_auto = true;
    ret_env->block_size_gib = 50;
}

/* ---- where the leader may die ---- */

static void die(struct sim *sim, void *user)
{
    size_t member = (size_t)(uintptr_t)user;

    sim_crash(sim, member);
}

static void come_back(struct sim *sim, void *user)
{
    sim_restart(sim, (size_t)(uintptr_t)user);
}

/* True: the leader is dead from here on. It is ended by an event, since we are inside its code. */
static bool point(struct sim_ops *ops, size_t at)
{
    if (++ops->points != ops->crash_point) {
        return false;
    }
    ops->crashed = true;
    if (ops->crashes_left > 0) { /* the next leader dies soon after */
        ops->crashes_left--;
        ops->crash_point = ops->points + 1 + sim_random(ops->sim, 12);
    }
    ops->dying = at;
    ops->dying_life = ops->sim->members[at].life;
    sim_at(ops->sim, 0, die, (void *)(uintptr_t)at);
    sim_at(ops->sim, 2 * SIM_S, come_back, (void *)(uintptr_t)at);
    return true;
}

/* ---- proposals ---- */

static bool propose(struct sim_ops *ops, size_t at, const struct store_cmd *cmd, struct ops_proposal proposal)
{
    struct ops_member *member = &ops->members[at];
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct core_status status = sim_status(ops->sim, at);
    size_t place = member->n_proposals;

    store_cmd_encode(cmd, &buf);
    proposal.index = status.last_index + 1;
    proposal.term = status.term;
    member->proposals = mem_realloc_array(member->proposals, place + 1, sizeof(*member->proposals));
    member->proposals[place] = proposal;
    member->n_proposals++; /* known before the core may apply it */
    if (sim_propose(ops->sim, at, buf.data, buf.len) == 0) {
        member->n_proposals--;
        return false;
    }
    return true;
}

/* ---- operations of the leader ---- */

static struct ops_op *find(struct ops_member *member, struct id id)
{
    struct ops_op *op = member->ops;

    while (op != NULL && !id_equal(op->id, id)) {
        op = op->next;
    }
    return op;
}

static void forget(struct ops_member *member)
{
    while (member->ops != NULL) {
        struct ops_op *op = member->ops;

        member->ops = op->next;
        engine_fini(&op->engine);
        free(op);
    }
    free(member->proposals);
    member->proposals = NULL;
    member->n_proposals = 0;
    member->term = 0;
}

static void take_up(struct sim_ops *ops, size_t at, struct id id)
{
    struct ops_member *member = &ops->members[at];
    const struct engine_env env = {.user = ops};
    struct ops_op *op = mem_calloc(1, sizeof(*op));

    op->id = id;
    if (!engine_init(&op->engine, member->store, id, &env, now_ms(ops))) {
        free(op);
        return;
    }
    op->next = member->ops;
    member->ops = op;
}

struct ops_running { /* a step on its way */
    struct ops_running *next, **place;
    struct sim_ops *ops;
    size_t member;
    unsigned life;
    uint64_t term;
    struct id op_id;
    size_t step;
    uint64_t begin_index;
    uint32_t attempt;
    enum store_op_phase phase;
    struct op_work work;
    struct exec_result result;
};

static void running_free(struct ops_running *running)
{
    *running->place = running->next;
    if (running->next != NULL) {
        running->next->place = running->place;
    }
    exec_result_fini(&running->result);
    op_work_fini(&running->work);
    free(running);
}

/* The answer arrives, if who asked still leads. */
static void answer(struct sim *sim, void *user)
{
    struct ops_running *running = user;
    struct sim_ops *ops = running->ops;
    struct ops_member *member = &ops->members[running->member];
    struct ops_op *op = NULL;

    if (sim->members[running->member].life == running->life && member->term == running->term) {
        op = find(member, running->op_id);
    }
    if (op != NULL && op->engine.attempt == running->attempt && op->engine.phase == running->phase) {
        engine_result(&op->engine, running->step, &running->result, now_ms(ops));
        if (!point(ops, running->member)) {
            sim_touched(sim, running->member);
        }
    }
    running_free(running);
}

/* The node does it, or refuses. */
static void effect(struct sim *sim, void *user)
{
    struct ops_running *running = user;
    struct sim_ops *ops = running->ops;
    bool alive = sim->members[running->member].life == running->life;
    unsigned dice = (unsigned)sim_random(sim, 100);

    if (running->work.exec.kind == ops->sick && ops->silences > 0) {
        ops->silences--;
        running->result.code = E_CONNECT;
    } else if (running->work.exec.kind == ops->sick && !ops->recovers) {
        if (ops->sick_after) {
            mock_world_apply(ops->world, &running->work.exec, &running->result);
            exec_result_fini(&running->result);
        }
        running->result = (struct exec_result){.code = E_REMOTE, .permanent = true};
    } else if (dice < ops->fail_percent) {
        running->result.code = E_REMOTE;
    } else {
        mock_world_apply(ops->world, &running->work.exec, &running->result);
        if (dice >= 100 - ops->late_percent) {
            running->result.code = E_TIMEOUT;
        }
    }
    ops->steps++;
    if (alive && ops->members[running->member].term == running->term && point(ops, running->member)) {
        running_free(running);
        return;
    }
    sim_at(sim, sim_between(sim, SIM_MS, 30 * SIM_MS), answer, running);
}

static void start(struct sim_ops *ops, size_t at, struct ops_op *op, size_t step)
{
    struct ops_running *running = mem_calloc(1, sizeof(*running));

    running->next = ops->running;
    running->place = &ops->running;
    if (ops->running != NULL) {
        ops->running->place = &running->next;
    }
    ops->running = running;
    running->ops = ops;
    running->member = at;
    running->life = ops->sim->members[at].life;
    running->term = ops->members[at].term;
    running->op_id = op->id;
    running->step = step;
    running->attempt = op->engine.attempt;
    running->phase = op->engine.phase;
    if (!op_work_init(&running->work, ops->members[at].store, op->id, &op->engine.steps[step])) {
        sim_fail(ops->sim, "step %zu of an operation is about nothing in the store", step);
    }
    running->work.exec.term = running->term;
    if (point(ops, at)) {
        running_free(running);
        return;
    }
    /* Some take so long that they outlive their leader. */
    sim_at(ops->sim, sim_between(ops->sim, SIM_MS, sim_random(ops->sim, 8) == 0 ? 3 * SIM_S : 60 * SIM_MS), effect,
           running);
}

static void look_again(struct sim *sim, void *user)
{
    size_t at = (size_t)(uintptr_t)user;

    if (sim->members[at].up && sim->members[at].frozen_until <= sim->now) {
        sim_touched(sim, at);
    } else if (sim->members[at].up) {
        sim_at(sim, sim->members[at].frozen_until - sim->now, look_again, user);
    }
}

static void wake(struct sim_ops *ops, size_t at, struct ops_op *op, uint64_t at_ms)
{
    if (at_ms == UINT64_MAX || (op->woken_ms > now_ms(ops) && op->woken_ms <= at_ms)) {
        return;
    }
    op->woken_ms = at_ms;
    sim_at(ops->sim, at_ms > now_ms(ops) ? at_ms * SIM_MS + SIM_MS - ops->sim->now : SIM_MS, look_again,
           (void *)(uintptr_t)at);
}

static void command(struct sim_ops *ops, size_t at, struct ops_op *op, const struct engine_action *action)
{
    struct store_plan_env env;
    struct store_result result;
    struct store_cmd cmd;
    struct id follow_id;

    plan_env(ops, &env);
    random_bytes(ops, follow_id.bytes, sizeof(follow_id.bytes));
    if (!op_command(&op->engine, ops->members[at].store, action, &env, env.now_ms, follow_id, &cmd, &result)) {
        engine_not_proposed(&op->engine, action->kind, now_ms(ops));
        return;
    }
    if (point(ops, at)) {
        store_cmd_fini(&cmd);
        return;
    }
    if (!propose(ops, at, &cmd,
                 (struct ops_proposal){.op_id = op->id,
                                       .kind = action->kind,
                                       .follow_id = action->kind == ENGINE_PART ? cmd.op_id : cmd.follow_id,
                                       .rebalance_id = cmd.rebalance_id})) {
        engine_proposed(&op->engine, ops->members[at].store, action->kind, E_BUSY, NULL, now_ms(ops));
    }
    store_cmd_fini(&cmd);
}

static void advance(struct sim_ops *ops, size_t at, struct ops_op *op)
{
    struct engine_action action;

    while (!op->engine.done) {
        if (ops->crashed && ops->dying == at && ops->dying_life == ops->sim->members[at].life) {
            return; /* as good as dead */
        }
        engine_next(&op->engine, ops->members[at].store, now_ms(ops), &action);
        if (action.kind == ENGINE_WAIT) {
            wake(ops, at, op, action.wait_ms);
            return;
        }
        if (action.kind == ENGINE_RUN) {
            start(ops, at, op, action.step);
        } else {
            command(ops, at, op, &action);
        }
    }
}

static void drop_done(struct ops_member *member)
{
    struct ops_op **at = &member->ops;

    while (*at != NULL) {
        struct ops_op *op = *at;

        if (op->engine.done) {
            *at = op->next;
            engine_fini(&op->engine);
            free(op);
        } else {
            at = &op->next;
        }
    }
}

/* ---- hooks ---- */

static void hook_started(void *user, size_t at)
{
    ((struct sim_ops *)user)->members[at].store = store_new();
}

static void hook_stopped(void *user, size_t at)
{
    struct ops_member *member = &((struct sim_ops *)user)->members[at];

    forget(member);
    store_free(member->store);
    member->store = NULL;
}

static void applied(struct sim_ops *ops, size_t at, const struct ops_proposal *proposal, bool ours,
                    const struct store_result *result)
{
    struct ops_member *member = &ops->members[at];
    struct ops_op *op;

    if (proposal->client) {
        if (ours && result->code == STORE_OK && !id_is_none(result->op_id)) {
            CHECK(ops->n_accepted < SIM_OPS_ACCEPTED);
            ops->accepted[ops->n_accepted++] = result->op_id;
            take_up(ops, at, result->op_id);
        } else if (ours) {
            ops->refused += result->code != STORE_OK;
        }
        return;
    }
    op = find(member, proposal->op_id);
    if (op != NULL) {
        engine_proposed(&op->engine, member->store, proposal->kind, ours ? 0 : E_UNKNOWN_OUTCOME, ours ? result : NULL,
                        now_ms(ops));
    }
    if (ours && !id_is_none(proposal->follow_id)) {
        take_up(ops, at, proposal->follow_id);
    }
    if (ours && !id_is_none(proposal->rebalance_id)) {
        take_up(ops, at, proposal->rebalance_id);
    }
}

static void hook_apply(void *user, size_t at, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    struct sim_ops *ops = user;
    struct ops_member *member = &ops->members[at];
    struct store_result result;
    struct store_cmd cmd;

    CHECK(store_cmd_decode(data, len, &cmd, &ops->error) == 0);
    store_apply(member->store, index, &cmd, &result);
    store_cmd_fini(&cmd);
    if (store_check(member->store, &ops->error) != 0) {
        sim_fail(ops->sim, "store: %s", ops->error.message);
    }
    for (size_t i = 0; i < member->n_proposals; i++) {
        struct ops_proposal proposal = member->proposals[i];

        if (proposal.index == index) {
            member->proposals[i] = member->proposals[--member->n_proposals];
            applied(ops, at, &proposal, proposal.term == term, &result);
            break;
        }
    }
}

static void *hook_snapshot(void *user, size_t at)
{
    return store_snapshot_take(((struct sim_ops *)user)->members[at].store);
}

static void hook_encode(void *user, void *handle, struct buf *buf)
{
    (void)user;
    store_snapshot_encode(handle, buf);
}

static void hook_snapshot_free(void *user, void *handle)
{
    (void)user;
    store_snapshot_free(handle);
}

static int hook_restore(void *user, size_t at, uint64_t index, const uint8_t *data, size_t len)
{
    struct sim_ops *ops = user;
    struct store *store;

    (void)index;
    if (store_snapshot_decode(data, len, &store, &ops->error) != 0) {
        return -1;
    }
    store_free(ops->members[at].store);
    ops->members[at].store = store;
    return 0;
}

static void lead(struct sim_ops *ops, size_t at, uint64_t term)
{
    struct ops_member *member = &ops->members[at];
    const struct store_operation *op = NULL;

    forget(member);
    member->term = term;
    while ((op = store_operation_next(member->store, op)) != NULL) {
        take_up(ops, at, op->id);
    }
}

static void hook_step(void *user, size_t at)
{
    struct sim_ops *ops = user;
    struct ops_member *member = &ops->members[at];
    struct sim_member *sim_member = &ops->sim->members[at];
    struct core_status status;

    if (sim_member->failed) {
        return;
    }
    core_get_status(sim_member->core, &status);
    if (member->term != 0 && (status.role != CORE_LEADER || status.term != member->term)) {
        forget(member);
    }
    if (!status.serving) {
        return;
    }
    if (member->term == 0) {
        lead(ops, at, status.term);
    }
    for (struct ops_op *op = member->ops; op != NULL; op = op->next) {
        advance(ops, at, op);
    }
    drop_done(member);
}

/* ---- for tests ---- */

void sim_ops_init(struct sim_ops *ops, struct sim_config *config)
{
    memset(ops, 0, sizeof(*ops));
    ops->world = mock_world_new(500 * STORE_KIB_PER_GIB, true);
    mock_world_be_strict(ops->world);
    config->hooks = (struct sim_hooks){.user = ops,
                                       .sim = &ops->sim,
                                       .started = hook_started,
                                       .stopped = hook_stopped,
                                       .apply = hook_apply,
                                       .snapshot = hook_snapshot,
                                       .encode = hook_encode,
                                       .snapshot_free = hook_snapshot_free,
                                       .restore = hook_restore,
                                       .step = hook_step};
}

void sim_ops_fini(struct sim_ops *ops)
{
    while (ops->running != NULL) {
        running_free(ops->running);
    }
    mock_world_free(ops->world);
}

const struct store *sim_ops_store(const struct sim_ops *ops, size_t member)
{
    return ops->members[member].store;
}

const struct store *sim_ops_leader_store(const struct sim_ops *ops)
{
    int leader = sim_leader(ops->sim);

    return leader >= 0 ? ops->members[leader].store : NULL;
}

bool sim_ops_request(struct sim_ops *ops, struct store_request *request)
{
    int leader = sim_leader(ops->sim);
    struct store_plan_env env;
    struct store_result result = {.code = STORE_TOO_BUSY};
    struct store_cmd cmd;
    bool ok = false;

    plan_env(ops, &env);
    if (leader >= 0 && ops->members[leader].term != 0 &&
        store_plan(ops->members[leader].store, request, &env, &cmd, &result) == STORE_OK) {
        ok = propose(ops, (size_t)leader, &cmd, (struct ops_proposal){.client = true});
        store_cmd_fini(&cmd);
        sim_touched(ops->sim, (size_t)leader);
    }
    store_request_fini(request);
    return ok;
}

static bool all_ended(struct sim *sim, void *user)
{
    struct sim_ops *ops = user;

    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (!sim->members[i].up || ops->members[i].n_proposals > 0 ||
            store_counts(ops->members[i].store).operations > 0) {
            return false;
        }
        for (size_t j = 0; j < ops->n_accepted; j++) {
            if (store_job(ops->members[i].store, ops->accepted[j]) == NULL) {
                return false;
            }
        }
    }
    return true;
}

static void expect(struct sim_ops *ops, const char *what, size_t found, size_t wanted)
{
    if (found != wanted) {
        sim_fail(ops->sim, "%zu %s on the nodes, %zu in the database", found, what, wanted);
    }
}

static void compare_nodes(struct sim_ops *ops)
{
    const struct store *store = ops->members[0].store;
    struct store_counts counts = store_counts(store);
    const struct store_volume *volume = NULL;
    const struct store_device *device = NULL;

    expect(ops, "bricks", mock_world_count(ops->world, "brick "), counts.bricks);
    expect(ops, "volumes", mock_world_count(ops->world, "volume "), counts.volumes);
    expect(ops, "snapshots", mock_world_count(ops->world, "snapshot "), 0);
    expect(ops, "volume groups", mock_world_count(ops->world, "vg "), counts.devices);
    while ((volume = store_volume_next(store, volume)) != NULL) {
        for (size_t i = 0; i < volume->n_bricks; i++) {
            device = store_device(store, volume->bricks[i].device);
            CLEANUP(free_ptr)
            char *text = mem_printf("brick %s %s", store_node(store, device->node)->manage.items[0],
                                    id_text(volume->bricks[i].id).text);

            if (!mock_world_has(ops->world, text)) {
                sim_fail(ops->sim, "no %s on the nodes", text);
            }
            if (mock_world_value(ops->world, text) != 1) {
                sim_fail(ops->sim, "%s is in no Gluster volume", text);
            }
        }
    }
}

static void compare_blocks(struct sim_ops *ops)
{
    const struct store *store = ops->members[0].store;
    const struct store_block_volume *block = NULL;

    expect(ops, "block volumes", mock_world_count(ops->world, "block "), store_counts(store).block_volumes);
    while ((block = store_block_volume_next(store, block)) != NULL) {
        CLEANUP(free_ptr)
        char *text = mem_printf("block %s/%s", store_volume(store, block->hosting)->name, block->name);

        expect(ops, "GiB in a block volume", (size_t)mock_world_value(ops->world, text), block->size_gib);
        if (block->hosts.n == 0 || block->hosts.n != block->ha_count || block->iqn[0] == '\0') {
            sim_fail(ops->sim, "%s is exported by nobody", text);
        }
    }
}

bool sim_ops_settle(struct sim_ops *ops, uint64_t at_most_us)
{
    struct sim *sim = ops->sim;

    if (!sim_run_until(sim, at_most_us, all_ended, ops) && sim->failure[0] == '\0') {
        sim_fail(sim, "operations do not end: %zu accepted", ops->n_accepted);
    }
    (void)sim_wait_equal(sim, 10 * SIM_S);
    for (size_t i = 1; i < sim->config.n_members && sim->failure[0] == '\0'; i++) {
        struct store_digest a = store_digest(ops->members[0].store), b = store_digest(ops->members[i].store);

        if (memcmp(a.bytes, b.bytes, sizeof(a.bytes)) != 0) {
            sim_fail(sim, "the stores of members 0 and %zu differ", i);
        }
    }
    if (sim->failure[0] == '\0') {
        compare_nodes(ops);
        compare_blocks(ops);
    }
    return sim->failure[0] == '\0';
}
