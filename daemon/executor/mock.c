#include "daemon/executor/mock.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

struct order {
    char *step, *host, *fail;
    int64_t times; /* left; negative: no limit */
    uint64_t delay_ms;
    int code;
    bool hang, permanent, after;
};

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
    struct order *orders;
    size_t n_orders;
    struct exec_call *calls;
    bool closing;
    void (*closed_cb)(void *user);
    void *closed_user;
};

static void orders_fini(struct order *orders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(orders[i].step);
        free(orders[i].host);
        free(orders[i].fail);
    }
    free(orders);
}

static int parse_code(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"connect", E_CONNECT}, {"timeout", E_TIMEOUT}, {"busy", E_BUSY}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        if (strcmp(codes[i].name, name) == 0) {
            return codes[i].code;
        }
    }
    return 0;
}

static int parse_member(struct order *order, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);

    if (strcmp(name, "step") == 0 && text != NULL) {
        order->step = mem_strdup(text);
    } else if (strcmp(name, "host") == 0 && text != NULL) {
        order->host = mem_strdup(text);
    } else if (strcmp(name, "fail") == 0 && text != NULL) {
        order->fail = mem_strdup(text);
        order->code = order->code != 0 ? order->code : E_REMOTE;
    } else if (strcmp(name, "code") == 0 && text != NULL && parse_code(text) != 0) {
        order->code = parse_code(text);
    } else if (strcmp(name, "times") == 0 && json_is_integer(value)) {
        order->times = json_integer_value(value);
    } else if (strcmp(name, "delay_ms") == 0 && json_is_integer(value) && json_integer_value(value) >= 0) {
        order->delay_ms = (uint64_t)json_integer_value(value);
    } else if (strcmp(name, "hang") == 0 && json_is_boolean(value)) {
        order->hang = json_is_true(value);
    } else if (strcmp(name, "permanent") == 0 && json_is_boolean(value)) {
        order->permanent = json_is_true(value);
    } else if (strcmp(name, "after") == 0 && json_is_boolean(value)) {
        order->after = json_is_true(value);
    } else {
        return E_INVALID;
    }
    return 0;
}

static int parse_orders(const json_t *root, struct order **ret_orders, size_t *ret_n, struct err *reterr)
{
    size_t n = json_array_size(root);
    struct order *orders = mem_calloc(n, sizeof(*orders));

    for (size_t i = 0; i < n; i++) {
        json_t *item = json_array_get(root, i);
        const char *name;
        json_t *value;

        orders[i].times = -1;
        if (!json_is_object(item)) {
            orders_fini(orders, n);
            return err_set(reterr, E_INVALID, "glusterfs.mock.faults[%zu] must be an object", i);
        }
        json_object_foreach(item, name, value)
        {
            if (parse_member(&orders[i], name, value) != 0) {
                (void)err_set(reterr, E_INVALID, "glusterfs.mock.faults[%zu].%s is unknown or has a wrong value", i,
                              name);
                orders_fini(orders, n);
                return E_INVALID;
            }
        }
    }
    *ret_orders = orders;
    *ret_n = n;
    return 0;
}

int exec_mock_order(struct executor *executor, const char *json, struct err *reterr)
{
    struct mock *mock = (struct mock *)executor;
    json_error_t json_error;
    struct order *orders = NULL;
    size_t n = 0;
    json_t *root;
    int rc;

    if (*json != '\0') {
        root = json_loads(json, JSON_REJECT_DUPLICATES, &json_error);
        if (!json_is_array(root)) {
            json_decref(root);
            return err_set(reterr, E_INVALID, "glusterfs.mock.faults must be a JSON list in a string: %s",
                           json_error.text);
        }
        rc = parse_orders(root, &orders, &n, reterr);
        json_decref(root);
        if (rc != 0) {
            return rc;
        }
    }
    orders_fini(mock->orders, mock->n_orders);
    mock->orders = orders;
    mock->n_orders = n;
    return 0;
}

struct mock_world *exec_mock_world(struct executor *executor)
{
    return ((struct mock *)executor)->world;
}

static struct order *find_order(struct mock *mock, const struct exec_step *step)
{
    for (size_t i = 0; i < mock->n_orders; i++) {
        struct order *order = &mock->orders[i];

        if (order->times != 0 && (order->step == NULL || strcmp(order->step, exec_step_name(step->kind)) == 0) &&
            (order->host == NULL || strcmp(order->host, step->host) == 0)) {
            order->times -= order->times > 0;
            return order;
        }
    }
    return NULL;
}

/* ---- calls ---- */

static void maybe_closed(struct mock *mock)
{
    if (mock->closing && mock->calls == NULL) {
        void (*closed_cb)(void *user) = mock->closed_cb;
        void *user = mock->closed_user;

        orders_fini(mock->orders, mock->n_orders);
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
    store_strs_fini(&call->result.device.paths);
    free(call);
    maybe_closed(mock);
}

static void call_ends(uv_timer_t *timer)
{
    struct exec_call *call = timer->data;

    call->done = true;
    call->cb(call->user, &call->result);
    uv_close((uv_handle_t *)&call->timer, call_closed);
}

static struct exec_call *run(struct executor *executor, const struct exec_step *step, exec_done_cb cb, void *user)
{
    struct mock *mock = (struct mock *)executor;
    struct exec_call *call = mem_calloc(1, sizeof(*call));
    const struct order *order = find_order(mock, step);

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
        call->result.permanent = order->permanent;
        (void)snprintf(call->result.message, sizeof(call->result.message), "%s",
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
    if (exec_mock_order(&mock->executor, config->mock_faults, reterr) != 0) {
        free(mock);
        return NULL;
    }
    mock->world = mock_world_new(config->mock_device_kib);
    return &mock->executor;
}
