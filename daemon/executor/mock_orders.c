#include "daemon/executor/mock_orders.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/log.h"
#include "store/base/mem.h"

struct list {
    struct mock_order *items;
    size_t n;
};

struct mock_orders {
    struct list set, read; /* by mock_orders_set; from the file */
    char *file;
    struct stat seen; /* of the file when it was read; all zero: absent */
};

static void list_fini(struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].step);
        free(list->items[i].host);
        free(list->items[i].fail);
        free(list->items[i].lose);
    }
    free(list->items);
    *list = (struct list){0};
}

struct mock_orders *mock_orders_new(const char *file)
{
    struct mock_orders *orders = mem_calloc(1, sizeof(*orders));

    orders->file = mem_strdup(file);
    return orders;
}

void mock_orders_free(struct mock_orders *orders)
{
    if (orders != NULL) {
        list_fini(&orders->set);
        list_fini(&orders->read);
        free(orders->file);
        free(orders);
    }
}

/* ---- reading ---- */

static int parse_code(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"connect", E_CONNECT}, {"timeout", E_TIMEOUT},       {"busy", E_BUSY},
                 {"fenced", E_FENCED},   {"fence damaged", E_DAMAGED}, {"flood", E_PROTOCOL}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        if (strcmp(codes[i].name, name) == 0) {
            return codes[i].code;
        }
    }
    return 0;
}

static int parse_member(struct mock_order *order, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);

    if (strcmp(name, "step") == 0 && text != NULL && order->step == NULL) {
        order->step = mem_strdup(text);
    } else if (strcmp(name, "host") == 0 && text != NULL) {
        order->host = mem_strdup(text);
    } else if (strcmp(name, "lose") == 0 && text != NULL && order->lose == NULL) {
        order->lose = mem_strdup(text);
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
    } else if (strcmp(name, "lie") == 0 && json_is_boolean(value)) {
        order->lie = json_is_true(value);
    } else {
        return E_INVALID;
    }
    return 0;
}

/* root: stolen; NULL when it was no JSON. Replaces the list, or leaves it and fails. */
static int parse(struct list *list, json_t *root, const char *where, const char *problem, struct err *reterr)
{
    struct list made = {0};
    int rc = 0;

    if (!json_is_array(root)) {
        rc = err_set(reterr, E_INVALID, "%s must be a JSON list: %s", where, problem);
    } else {
        made =
            (struct list){.items = mem_calloc(json_array_size(root), sizeof(*made.items)), .n = json_array_size(root)};
    }
    for (size_t i = 0; i < made.n && rc == 0; i++) {
        json_t *item = json_array_get(root, i);
        const char *name;
        json_t *value;

        made.items[i].times = -1;
        if (!json_is_object(item)) {
            rc = err_set(reterr, E_INVALID, "%s[%zu] must be an object", where, i);
        }
        json_object_foreach(item, name, value)
        {
            if (rc == 0 && parse_member(&made.items[i], name, value) != 0) {
                rc = err_set(reterr, E_INVALID, "%s[%zu].%s is unknown or has a wrong value", where, i, name);
            }
        }
    }
    json_decref(root);
    if (rc == 0) {
        list_fini(list);
        *list = made;
    } else {
        list_fini(&made);
    }
    return rc;
}

int mock_orders_set(struct mock_orders *orders, const char *json, struct err *reterr)
{
    json_error_t error = {.text = ""};

    if (*json == '\0') {
        list_fini(&orders->set);
        return 0;
    }
    return parse(&orders->set, json_loads(json, JSON_REJECT_DUPLICATES, &error), "glusterfs.mock.faults", error.text,
                 reterr);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_at_file(struct mock_orders *orders)
{
    json_error_t error = {.text = ""};
    struct err err = ERR_INIT;
    struct stat now = {0};

    if (*orders->file == '\0') {
        return;
    }
    if (stat(orders->file, &now) != 0) {
        now = (struct stat){0};
    }
    if (same_file(&now, &orders->seen)) {
        return;
    }
    orders->seen = now;
    if (now.st_ino == 0) {
        list_fini(&orders->read);
    } else if (parse(&orders->read, json_load_file(orders->file, JSON_REJECT_DUPLICATES, &error), orders->file,
                     error.text, &err) != 0) {
        LOG(LOG_WARNING, "mock", "the orders stay as they were", LF_STR("error", err.message));
    }
}

/* ---- applying ---- */

static const struct mock_order *take(struct list *list, const struct exec_step *step)
{
    for (size_t i = 0; i < list->n; i++) {
        struct mock_order *order = &list->items[i];

        if (order->times != 0 && (order->step == NULL || strcmp(order->step, exec_step_name(step->kind)) == 0) &&
            (order->host == NULL || strcmp(order->host, step->host) == 0)) {
            order->times -= order->times > 0;
            return order;
        }
    }
    return NULL;
}

const struct mock_order *mock_orders_take(struct mock_orders *orders, const struct exec_step *step)
{
    const struct mock_order *order;

    look_at_file(orders);
    order = take(&orders->read, step);
    return order != NULL ? order : take(&orders->set, step);
}
