#include "daemon/executor/mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/mock_orders.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

struct exec_call {
    struct mock *mock;
    uv_timer_t timer;
    struct exec_result result;
    exec_done_cb cb;
    void *user;
    bool done;
    struct exec_call *previous, *next;
};

struct mock {
    struct executor executor;
    uv_loop_t *loop;
    struct mock_world *world;
    struct mock_orders *orders;
    struct exec_call *calls;
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

/* ---- calls ---- */

static void maybe_closed(struct mock *mock)
{
    if (mock->closing && mock->calls == NULL) {
        void (*closed_cb)(void *user) = mock->closed_cb;
        void *user = mock->closed_user;

        mock_orders_free(mock->orders);
        mock_world_free(mock->world);
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
        mock_world_apply(mock->world, step, &call->result);
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
    if (order == NULL || !order->hang) {
        CHECK(uv_timer_start(&call->timer, call_ends, order != NULL ? order->delay_ms : 0, 0) == 0);
    }
    return call;
}

static void cancel(struct executor *executor, struct exec_call *call)
{
    (void)executor;
    if (!call->done) {
        call->result.code = E_CANCELLED;
        (void)snprintf(call->result.message, sizeof(call->result.message), "cancelled");
        CHECK(uv_timer_start(&call->timer, call_ends, 0, 0) == 0);
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
