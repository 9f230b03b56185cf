#include "daemon/executor/mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/mock_database.h"
#include "daemon/executor/mock_orders.h"
#include "daemon/executor/mock_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

/* The database as it was, for threads that make inventories of it. */
struct copy {
    _Atomic unsigned refs;
    uint64_t applied, made_ms;
    uv_mutex_t mutex;
    struct store_snapshot *snapshot;
    struct store_view *view;  /* of it, made by the first thread that needs it; NULL: not yet, or it cannot be read */
    _Atomic uint64_t cost_ms; /* of making it */
};

struct exec_call {
    struct mock *mock;
    uv_timer_t timer;
    struct exec_result result;
    exec_done_cb cb;
    void *user;
    bool done, cancelled;
    struct exec_call *previous, *next;
    uv_work_t work; /* of an inventory that follows the database... */
    struct copy *copy;
    struct id node;
    char *lose;
    uint64_t delay_ms;
};

struct mock {
    struct executor executor;
    uv_loop_t *loop;
    struct mock_world *world;
    struct mock_orders *orders;
    struct exec_call *calls;
    const struct store *(*database)(void *user); /* NULL: nodes are as steps have left them */
    void *database_user;
    struct copy *copy; /* the newest */
    bool closing;
    void (*closed_cb)(void *user);
    void *closed_user;
};

int exec_mock_order(struct executor *executor, const char *json, struct err *reterr)
{
    return mock_orders_set(((struct mock *)executor)->orders, json, reterr);
}

struct mock_world *exec_mock_world(struct executor *executor)
{
    return ((struct mock *)executor)->world;
}

void exec_mock_follow(struct executor *executor, const struct store *(*database)(void *user), void *user)
{
    struct mock *mock = (struct mock *)executor;

    mock->database = database;
    mock->database_user = user;
}

/* ---- copies of the database ---- */

static void copy_unref(struct copy *copy)
{
    if (copy != NULL && --copy->refs == 0) {
        store_view_free(copy->view);
        store_snapshot_free(copy->snapshot);
        uv_mutex_destroy(&copy->mutex);
        free(copy);
    }
}

#define CHEAP_MS 100    /* a copy that took less is made again whenever the database has changed... */
#define REUSED_TIMES 10 /* ... others serve so many times as long */

static struct copy *copy_get(struct mock *mock)
{
    const struct store *store = mock->database(mock->database_user);
    uint64_t now_ms = uv_now(mock->loop), applied = store_applied_index(store);
    struct copy *copy = mock->copy;

    if (copy == NULL || (copy->applied != applied &&
                         (copy->cost_ms < CHEAP_MS || now_ms - copy->made_ms > REUSED_TIMES * copy->cost_ms))) {
        copy_unref(copy);
        copy = mem_calloc(1, sizeof(*copy));
        copy->refs = 1;
        copy->applied = applied;
        copy->made_ms = now_ms;
        copy->snapshot = store_snapshot_take(store);
        CHECK(uv_mutex_init(&copy->mutex) == 0);
        mock->copy = copy;
    }
    copy->refs++;
    return copy;
}

static void copy_read(struct copy *copy)
{
    uint64_t from_ns = uv_hrtime();

    (void)store_view_new(copy->snapshot, &copy->view, NULL);
    copy->cost_ms = (uv_hrtime() - from_ns) / 1000000;
}

/* ---- calls ---- */

static void maybe_closed(struct mock *mock)
{
    if (mock->closing && mock->calls == NULL) {
        void (*closed_cb)(void *user) = mock->closed_cb;
        void *user = mock->closed_user;

        mock_orders_free(mock->orders);
        mock_world_free(mock->world);
        copy_unref(mock->copy);
        free(mock);
        closed_cb(user);
    }
}

static void call_closed(uv_handle_t *handle)
{
    struct exec_call *call = handle->data;
    struct mock *mock = call->mock;

    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        mock->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    exec_result_fini(&call->result);
    free(call->lose);
    free(call);
    maybe_closed(mock);
}

static void call_ends(uv_timer_t *timer)
{
    TURN("mock step");
    struct exec_call *call = timer->data;

    call->done = true;
    call->cb(call->user, &call->result);
    uv_close((uv_handle_t *)&call->timer, call_closed);
}

static void cancelled(struct exec_call *call)
{
    call->result.code = E_CANCELLED;
    (void)snprintf(call->result.message, sizeof(call->result.message), "cancelled");
    CHECK(uv_timer_start(&call->timer, call_ends, 0, 0) == 0);
}

/* ---- inventories that follow the database: made by a thread, for they may be large ---- */

static void make_inventory(uv_work_t *work)
{
    struct exec_call *call = work->data;
    const struct store_node *node;

    uv_mutex_lock(&call->copy->mutex);
    if (call->copy->view == NULL) {
        copy_read(call->copy);
    }
    uv_mutex_unlock(&call->copy->mutex);
    node = call->copy->view != NULL ? store_node(store_view_rest(call->copy->view), call->node) : NULL;
    if (node != NULL) {
        call->result.inventory = mock_database_inventory(call->copy->view, node, call->lose);
    } else {
        mock_fail(&call->result, "the database does not know this node", false);
    }
    copy_unref(TAKE_PTR(call->copy));
}

static void inventory_made(uv_work_t *work, int status)
{
    struct exec_call *call = work->data;

    (void)status; /* never cancelled */
    call->work.data = NULL;
    if (call->cancelled) {
        cancelled(call);
    } else {
        CHECK(uv_timer_start(&call->timer, call_ends, call->delay_ms, 0) == 0);
    }
}

static void follow(struct mock *mock, struct exec_call *call, const struct exec_step *step,
                   const struct mock_order *order)
{
    call->copy = copy_get(mock);
    call->node = step->node;
    call->lose = mem_strdup(order != NULL && order->lose != NULL ? order->lose : "");
    call->delay_ms = order != NULL ? order->delay_ms : 0;
    call->work.data = call;
    CHECK(uv_queue_work(mock->loop, &call->work, make_inventory, inventory_made) == 0);
}

static struct exec_call *run(struct executor *executor, const struct exec_step *step, exec_done_cb cb, void *user)
{
    struct mock *mock = (struct mock *)executor;
    struct exec_call *call = mem_calloc(1, sizeof(*call));
    const struct mock_order *order = mock_orders_take(mock->orders, step);

    CHECK(!mock->closing);
    call->mock = mock;
    call->cb = cb;
    call->user = user;
    call->next = mock->calls;
    if (mock->calls != NULL) {
        mock->calls->previous = call;
    }
    mock->calls = call;
    if (order == NULL || order->code == 0 || order->after) {
        struct exec_step done = *step;

        if (order != NULL && order->lie) {
            done.kind = EXEC_FENCE; /* that is checked all the same */
        }
        mock_world_apply(mock->world, &done, &call->result);
    }
    if (order != NULL && order->code != 0 && call->result.code == 0) {
        call->result.code = order->code;
        call->result.cause = order->code == E_DAMAGED    ? EXEC_CAUSE_FENCE_DAMAGED
                             : order->code == E_PROTOCOL ? EXEC_CAUSE_FLOOD
                                                         : EXEC_CAUSE_NONE;
        call->result.permanent = order->permanent;
        text_put(call->result.message, sizeof(call->result.message),
                 order->fail != NULL ? order->fail : err_text(order->code));
    }
    CHECK(uv_timer_init(mock->loop, &call->timer) == 0);
    call->timer.data = call;
    if (mock->database != NULL && step->kind == EXEC_INVENTORY && call->result.code == 0 &&
        (order == NULL || !order->hang)) {
        follow(mock, call, step, order);
    } else if (order == NULL || !order->hang) {
        CHECK(uv_timer_start(&call->timer, call_ends, order != NULL ? order->delay_ms : 0, 0) == 0);
    }
    return call;
}

static void cancel(struct executor *executor, struct exec_call *call)
{
    (void)executor;
    if (call->work.data != NULL) { /* the thread has it: ended when that is done */
        call->cancelled = true;
    } else if (!call->done) {
        cancelled(call);
    }
}

static void close_executor(struct executor *executor, void (*closed_cb)(void *user), void *user)
{
    struct mock *mock = (struct mock *)executor;

    mock->closing = true;
    mock->closed_cb = closed_cb;
    mock->closed_user = user;
    for (struct exec_call *call = mock->calls; call != NULL; call = call->next) {
        cancel(executor, call);
    }
    maybe_closed(mock);
}

static const struct exec_ops mock_ops = {.run = run, .cancel = cancel, .close = close_executor};

struct executor *exec_mock_new(uv_loop_t *loop, const struct exec_config *config, struct err *reterr)
{
    struct mock *mock = mem_calloc(1, sizeof(*mock));

    mock->executor.ops = &mock_ops;
    mock->loop = loop;
    mock->orders = mock_orders_new(config->mock_faults_file);
    if (exec_mock_order(&mock->executor, config->mock_faults, reterr) != 0) {
        mock_orders_free(mock->orders);
        free(mock);
        return NULL;
    }
    mock->world = mock_world_new(config->mock_device_kib, config->mock_devices_once);
    return &mock->executor;
}
