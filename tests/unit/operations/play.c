#include "tests/unit/operations/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/command.h"
#include "store/base/mem.h"

#define TOGETHER_MAX 64

int play_index(const struct play *play, struct id node)
{
    for (size_t i = 0; i < play->n_nodes; i++) {
        if (id_equal(play->nodes[i], node)) {
            return (int)i;
        }
    }
    return -1;
}

static bool node_down(void *user, struct id node)
{
    struct play *play = user;
    int i = play_index(play, node);

    return i >= 0 && play->down[i];
}

void play_init(struct play *play, size_t n)
{
    memset(play, 0, sizeof(*play));
    world_init(&play->world, 42);
    play->cluster = world_topology(&play->world, n, 1000 * GIB, play->nodes, play->devices);
    play->n_nodes = n;
    play->now_ms = 1000;
    play->world.env.node_down = NULL;
}

void play_fini(struct play *play)
{
    engine_fini(&play->engine);
    buf_fini(&play->trace);
    world_fini(&play->world);
}

void play_order(struct play *play, enum exec_step_kind kind, int node, int times, int code, bool permanent)
{
    assert_true(play->n_orders < PLAY_ORDERS);
    play->orders[play->n_orders++] =
        (struct play_order){.kind = kind, .node = node, .times = times, .code = code, .permanent = permanent};
}

struct id play_request(struct play *play, enum play_what what)
{
    struct world *world = &play->world;
    enum store_code code = STORE_OK;

    switch (what) {
    case PLAY_CREATE:
        code = world_create(world, 10, 2, "v");
        break;
    case PLAY_DELETE:
        code = world_target(world, STORE_REQ_VOLUME_DELETE, world_volume(world, 10, 2, "v"));
        break;
    case PLAY_NODE_ADD:
        (void)world_begin_node(world, play->cluster, 9, "new");
        break;
    case PLAY_NODE_FIRST:
        (void)world_begin_node(world, world_cluster(world), 9, "new");
        break;
    case PLAY_NODE_DELETE:
        code = world_target(world, STORE_REQ_NODE_DELETE, world_node(world, play->cluster, 9, "new"));
        break;
    case PLAY_NODE_LAST:
        code = world_target(world, STORE_REQ_NODE_DELETE, world_node(world, world_cluster(world), 9, "new"));
        break;
    case PLAY_DEVICE_ADD:
        (void)world_begin_device(world, play->nodes[0], "/dev/sdz");
        break;
    case PLAY_DEVICE_RESYNC:
        code = world_target(world, STORE_REQ_DEVICE_RESYNC, world_device(world, play->nodes[0], "/dev/sdz", 100 * GIB));
        break;
    case PLAY_DEVICE_DELETE:
    case PLAY_DEVICE_FORGET: {
        struct id device = world_device(world, play->nodes[0], "/dev/sdz", 100 * GIB);
        struct store_request request;

        assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_OK);
        assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED), STORE_OK);
        store_request_init(&request, STORE_REQ_DEVICE_DELETE);
        request.target = device;
        request.force = what == PLAY_DEVICE_FORGET;
        code = world_request(world, &request);
        break;
    }
    }
    assert_int_equal(code, STORE_OK);
    assert_int_equal(world->result.code, STORE_OK);
    return world->result.op_id;
}

static struct id ask(struct play *play, struct store_request *request)
{
    assert_int_equal(world_request(&play->world, request), STORE_OK);
    return play->world.result.op_id;
}

struct id play_clone(struct play *play)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_CLONE);
    request.target = world_volume(&play->world, 10, 3, "v");
    return ask(play, &request);
}

struct id play_expand(struct play *play, uint32_t replica)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = world_volume(&play->world, 10, replica, "v");
    request.volume.size_gib = 5;
    return ask(play, &request);
}

struct id play_evict(struct play *play, uint32_t replica)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BRICK_EVICT);
    request.target = store_volume(play->world.store, world_volume(&play->world, 10, replica, "v"))->bricks[0].id;
    return ask(play, &request);
}

void play_begin(struct play *play, struct id op_id)
{
    const struct engine_env env = {.user = play, .node_down = node_down};

    engine_fini(&play->engine);
    assert_true(engine_init(&play->engine, play->world.store, op_id, &env, play->now_ms));
}

static void note(struct play *play, const char *text)
{
    if (play->trace.len > 0) {
        buf_append_char(&play->trace, ' ');
    }
    buf_append_str(&play->trace, text);
}

static void propose(struct play *play, const struct engine_action *action)
{
    static const char *const names[] = {[ENGINE_REPLAN] = "replan", [ENGINE_UNDO] = "undo",   [ENGINE_MOVED] = "moved",
                                        [ENGINE_TURN] = "turn",     [ENGINE_PART] = "part",   [ENGINE_END] = "done",
                                        [ENGINE_PARK] = "park",     [ENGINE_LEARN] = "learn", [ENGINE_REDO] = "redo"};
    const char *name = action->kind == ENGINE_END && action->failed ? "failed" : names[action->kind];
    CLEANUP(free_ptr) char *text = mem_printf("%s%s", name, action->leave ? "+leave" : "");
    struct id follow_id = world_id(&play->world);
    struct store_result result;
    struct store_cmd cmd;

    if (!op_command(&play->engine, play->world.store, action, &play->world.env, play->world.env.now_ms, follow_id, &cmd,
                    &result)) {
        note(play, "no-place");
        engine_not_proposed(&play->engine, action->kind, play->now_ms);
        return;
    }
    if (play->propose_busy > 0) {
        play->propose_busy--;
        engine_proposed(&play->engine, play->world.store, action->kind, E_BUSY, NULL, play->now_ms);
    } else {
        note(play, text);
        (void)world_apply(&play->world, &cmd);
        play->follow_id = action->leave ? follow_id : action->kind == ENGINE_PART ? cmd.op_id : ID_NONE;
        play->rebalance_id = cmd.rebalance_id;
        engine_proposed(&play->engine, play->world.store, action->kind, 0, &play->world.result, play->now_ms);
    }
    store_cmd_fini(&cmd);
}

bool play_next(struct play *play, struct engine_action *action)
{
    engine_next(&play->engine, play->world.store, play->now_ms, action);
    switch (action->kind) {
    case ENGINE_WAIT:
        return false;
    case ENGINE_RUN: {
        const struct engine_step *step = &play->engine.steps[action->step];
        CLEANUP(free_ptr)
        char *text = mem_printf("%s@%d", exec_step_name(step->kind), play_index(play, step->node));

        note(play, text);
        break;
    }
    default:
        propose(play, action);
        break;
    }
    return true;
}

/* hosts: the caller's. */
static void block_answer(const struct play *play, const struct engine_step *step, struct store_strs *hosts,
                         struct exec_block_info *info)
{
    const struct store *store = play->world.store;
    const struct store_block_volume *block = store_block_volume(store, step->object);

    for (size_t i = 0; i < step->n_hosts; i++) {
        store_strs_add(hosts, store_node(store, step->hosts[i])->storage.items[0]);
    }
    *info = play->block;
    if (step->policy == ENGINE_CONFIRMS) {
        *info = play->engine.block;
        store_strs_copy(hosts, &play->engine.block.hosts);
    } else if (!info->present) {
        info->present = step->kind != EXEC_BLOCK_LOOK;
        info->size_gib = info->usable_gib = step->kind == EXEC_BLOCK_EXPAND ? block->new_gib : block->size_gib;
        (void)snprintf(info->iqn, sizeof(info->iqn), "iqn.x");
    }
    info->hosts = *hosts;
}

/* What Gluster says on a node of the bricks that the operation makes. */
static void tell_volume(const struct play *play, int on, struct exec_volume_info *info)
{
    bool lies = play->lie != NULL && on == play->liar;
    const char *hex = lies ? play->lie : PLAY_CLONE;
    const struct store *store = play->world.store;
    const struct store_operation *op = store_operation(store, play->engine.op_id);
    const struct store_volume *volume = store_volume(store, op->target);

    if (*hex == '\0') {
        return;
    }
    info->present = true;
    (void)snprintf(info->uuid, sizeof(info->uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_node *node = store_node(store, store_device(store, volume->bricks[i].device)->node);
        CLEANUP(free_ptr)
        char *text = mem_printf("%s:/run/gluster/snaps/%s/brick%zu/brick",
                                play->foreign ? "elsewhere" : node->storage.items[0], hex, i + 1);

        if (play->taken) { /* where its source is */
            CLEANUP(free_ptr) char *path = store_brick_path(&store_volume(store, op->source)->bricks[i]);

            free(text);
            text = mem_printf("%s:%s", node->storage.items[0], path);
        }

        if (play->odd) {
            free(text);
            text = mem_printf("%s:/srv/brick%zu/brick", node->storage.items[0], i + 1);
        }
        store_strs_add(&info->bricks, text);
    }
}

void play_answer(struct play *play, size_t at, int code, bool permanent)
{
    struct exec_result result = {
        .code = code, .permanent = permanent, .apart = code == PLAY_APART, .marked = code == PLAY_MARKED};
    struct store_strs hosts = {NULL, 0};
    enum exec_step_kind kind = play->engine.steps[at].kind;
    int node = play_index(play, play->engine.steps[at].node);

    if (result.apart || result.marked) {
        result.code = E_BUSY;
    }
    if (code != 0) {
        (void)snprintf(result.message, sizeof(result.message), "node %d says %d", node, code);
    } else if (kind == EXEC_DEVICE_SETUP || kind == EXEC_DEVICE_LOOK) {
        result.device.total_kib = 500 * GIB;
        result.device.extent_kib = 4096;
    } else if (play->engine.steps[at].kind >= EXEC_BLOCK_CREATE && play->engine.steps[at].kind <= EXEC_BLOCK_LOOK) {
        block_answer(play, &play->engine.steps[at], &hosts, &result.block);
    }
    play->found =
        play->found || ((code == 0 || play->sneaks) && (kind == EXEC_VOLUME_EXPAND || kind == EXEC_VOLUME_CLONE));
    if (code == 0 && ((kind == EXEC_VOLUME_LOOK && (play->found || (play->lie != NULL && node == play->liar))) ||
                      kind == EXEC_VOLUME_CLONE)) {
        tell_volume(play, node, &result.volume);
    }
    if (code == 0 && kind == EXEC_REBALANCE_STATUS && play->rebalancing > 0) {
        play->rebalancing--;
        result.unfinished = true;
        (void)snprintf(result.message, sizeof(result.message), "%d to go", play->rebalancing);
    }
    if (play->detects && node >= 0) {
        play->down[node] = code == E_CONNECT;
    }
    engine_result(&play->engine, at, &result, play->now_ms);
    store_strs_fini(&result.volume.bricks);
    store_strs_fini(&hosts);
}

static void answer_ordered(struct play *play, size_t at)
{
    const struct engine_step *step = &play->engine.steps[at];
    int node = play_index(play, step->node);

    for (size_t i = 0; i < play->n_orders; i++) {
        struct play_order *order = &play->orders[i];

        if ((order->kind == 0 || order->kind == step->kind) && (order->node < 0 || order->node == node) &&
            (order->times == 0 || order->used < order->times)) {
            order->used++;
            play_answer(play, at, order->code, order->permanent);
            return;
        }
    }
    play_answer(play, at, 0, false);
}

bool play_run(struct play *play, uint64_t max_ms)
{
    uint64_t end_ms = play->now_ms + max_ms;
    struct engine_action action;

    for (int i = 0; i < 10000 && !play->engine.done; i++) {
        if (play_next(play, &action)) {
            if (action.kind == ENGINE_RUN) {
                answer_ordered(play, action.step);
            }
        } else if (action.wait_ms == UINT64_MAX || action.wait_ms > end_ms) {
            return false;
        } else {
            assert_true(action.wait_ms >= play->now_ms);
            play->now_ms = action.wait_ms;
        }
    }
    return play->engine.done;
}

bool play_run_together(struct play *play, uint64_t max_ms)
{
    uint64_t end_ms = play->now_ms + max_ms;
    struct engine_action action;
    size_t running[TOGETHER_MAX], n = 0;

    for (int i = 0; i < 10000 && !play->engine.done; i++) {
        if (play_next(play, &action)) {
            if (action.kind == ENGINE_RUN) {
                assert_true(n < TOGETHER_MAX);
                running[n++] = action.step;
            }
        } else if (n > 0) {
            for (size_t j = 0; j < n; j++) {
                answer_ordered(play, running[j]);
            }
            n = 0;
        } else if (action.wait_ms == UINT64_MAX || action.wait_ms > end_ms) {
            return false;
        } else {
            assert_true(action.wait_ms >= play->now_ms);
            play->now_ms = action.wait_ms;
        }
    }
    return play->engine.done;
}

const char *play_trace(struct play *play)
{
    static char text[8192];

    (void)snprintf(text, sizeof(text), "%s", buf_str(&play->trace));
    buf_clear(&play->trace);
    return text;
}

const char *play_canonical(const char *trace)
{
    static char text[8192];
    char names[16] = {0};
    char *out = text;

    for (; *trace != '\0'; trace++) {
        *out++ = *trace;
        if (*trace == '@' && trace[1] != '-') {
            int node = trace[1] - '0';

            if (names[node] == 0) {
                char next = 'A';

                for (int i = 0; i < 16; i++) {
                    next = names[i] >= next ? (char)(names[i] + 1) : next;
                }
                names[node] = next;
            }
            *out++ = names[node];
            trace++;
        } else if (*trace == '@') {
            *out++ = 'X'; /* the node that is not one of the cluster's first ones */
            trace += 2;
        }
    }
    *out = '\0';
    return text;
}
