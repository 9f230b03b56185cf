/* The devices of a cluster that a plan may use, what fits on them, and the reasons of those it may not use. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

#define REASON_CAUSES_MAX 32
#define REASON_EXAMPLES 3 /* of each */

/* ---- reasons ---- */

static void add(const struct store_plan_env *env, struct store_reason place, const char *cause, const char *fmt,
                va_list args)
{
    struct store_reasons *list = env->reasons;
    CLEANUP(free_ptr) char *figures = NULL;

    if (list == NULL) {
        return;
    }
    if (vasprintf(&figures, fmt, args) < 0) {
        figures = mem_strdup("");
    }
    place.text = mem_printf("%s%s", cause, figures);
    place.cause_len = strlen(cause);
    list->items = mem_realloc_array(list->items, list->n + 1, sizeof(*list->items));
    list->items[list->n++] = place;
}

void plan_explain(const struct store_plan_env *env, struct id cluster, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(env, (struct store_reason){cluster, ID_NONE, ID_NONE, NULL, 0}, "", fmt, args);
    va_end(args);
}

void plan_explain_place(const struct store_plan_env *env, const struct node_entry *node, struct id device,
                        const char *cause, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(env, (struct store_reason){node->rec.cluster, node->rec.id, device, NULL, 0}, cause, fmt, args);
    va_end(args);
}

void store_reasons_fini(struct store_reasons *reasons)
{
    for (size_t i = 0; i < reasons->n; i++) {
        free(reasons->items[i].text);
    }
    free(reasons->items);
    *reasons = (struct store_reasons){NULL, 0};
}

static void print_reason(const struct store *store, const struct store_reason *reason, struct buf *buf)
{
    const struct node_entry *node = find_node(store, reason->node);
    const struct device_entry *device = find_device(store, reason->device);
    const char *host = node != NULL ? node->rec.manage.items[0] : "";

    if (id_is_none(reason->node)) {
        buf_printf(buf, "\ncluster %s: %s", id_text(reason->cluster).text, reason->text);
    } else if (id_is_none(reason->device)) {
        buf_printf(buf, "\n  node %s (%s) %s", id_text(reason->node).text, host, reason->text);
    } else {
        buf_printf(buf, "\n  device %s (%s on %s) %s", id_text(reason->device).text,
                   device != NULL ? device->rec.name : "", host, reason->text);
    }
}

/* Places of one cluster with one cause; of the cluster itself each reason is its own. */
static bool is_alike(const struct store_reason *a, const struct store_reason *b)
{
    return id_equal(a->cluster, b->cluster) && !id_is_none(a->node) && !id_is_none(b->node) &&
           id_is_none(a->device) == id_is_none(b->device) && a->cause_len == b->cause_len &&
           memcmp(a->text, b->text, a->cause_len) == 0;
}

/* A cluster's own reasons come before those of its places, and the clusters as they were tried. */
static bool comes_before(const struct store_reason *a, const struct store_reason *b)
{
    return id_equal(a->cluster, b->cluster) && id_is_none(a->node) && !id_is_none(b->node);
}

/* The lines of a cause, at its first place; done: of those that have been printed. */
static void print_alike(const struct store *store, const struct store_reasons *reasons, size_t first, bool *done,
                        struct buf *buf)
{
    const struct store_reason *cause = &reasons->items[first];
    size_t n = 0;

    for (size_t i = first; i < reasons->n; i++) {
        if (i == first || (!done[i] && is_alike(cause, &reasons->items[i]))) {
            done[i] = true;
            if (n++ < REASON_EXAMPLES) {
                print_reason(store, &reasons->items[i], buf);
            }
        }
    }
    if (n > REASON_EXAMPLES) {
        buf_printf(buf, "\n  and %zu more: each %.*s", n - REASON_EXAMPLES, (int)cause->cause_len, cause->text);
    }
}

void store_reasons_print(const struct store *store, const struct store_reasons *reasons, struct buf *buf)
{
    CLEANUP(free_ptr) bool *done = mem_calloc(reasons->n + 1, sizeof(*done));
    size_t n_causes = 0, left = 0;

    for (size_t i = 0; i < reasons->n && n_causes < REASON_CAUSES_MAX; i++) {
        for (size_t j = i + 1; j < reasons->n && !done[i] && !id_is_none(reasons->items[i].node); j++) {
            if (!done[j] && comes_before(&reasons->items[j], &reasons->items[i])) {
                print_alike(store, reasons, j, done, buf);
                n_causes++;
            }
        }
        if (!done[i]) {
            print_alike(store, reasons, i, done, buf);
            n_causes++;
        }
    }
    for (size_t i = 0; i < reasons->n; i++) {
        left += !done[i];
    }
    if (left > 0) {
        buf_printf(buf, "\n  and %zu more", left);
    }
}

/* ---- candidates ---- */

/* Why not this node? NULL: usable. */
static const char *node_refused(const struct store_plan_env *env, const struct node_entry *node)
{
    if (!id_is_none(node->rec.pending)) {
        return "is being added or deleted";
    }
    if (node->rec.state != STORE_STATE_ONLINE) {
        return node->rec.state == STORE_STATE_FAILED ? "is failed" : "is offline";
    }
    for (size_t i = 0; i < env->n_exclude_nodes; i++) {
        if (id_equal(env->exclude_nodes[i], node->rec.id)) {
            return "failed during this operation";
        }
    }
    return env->node_down != NULL && env->node_down(env->user, node->rec.id) ? "does not answer" : NULL;
}

static const char *device_refused(const struct device_entry *device)
{
    if (!id_is_none(device->rec.pending)) {
        return "is being added or deleted";
    }
    if (device->rec.state != STORE_STATE_ONLINE) {
        return device->rec.state == STORE_STATE_FAILED ? "is failed" : "is offline";
    }
    return NULL;
}

static int device_order(const void *a, const void *b)
{
    const struct device_entry *left = ((const struct plan_device *)a)->entry;
    const struct device_entry *right = ((const struct plan_device *)b)->entry;
    int c;

    if (left->node->rec.zone != right->node->rec.zone) {
        return left->node->rec.zone < right->node->rec.zone ? -1 : 1;
    }
    c = id_cmp(&left->node->rec.id, &right->node->rec.id);
    return c != 0 ? c : id_cmp(&left->rec.id, &right->rec.id);
}

static struct plan_role role_of(const struct device_entry *device)
{
    const char *value = store_tags_get(&device->rec.tags, "arbiter");

    value = value != NULL ? value : store_tags_get(&device->node->rec.tags, "arbiter");
    return (struct plan_role){.data = value == NULL || strcmp(value, "required") != 0,
                              .arbiter = value == NULL || strcmp(value, "disabled") != 0};
}

static void add_node(struct plan_space *space, size_t *size, const struct store_plan_env *env, struct node_entry *node)
{
    const char *why = node_refused(env, node);
    struct device_entry *device;

    if (why != NULL) {
        plan_explain_place(env, node, ID_NONE, why, "%s", "");
        return;
    }
    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        why = device_refused(device);
        if (why != NULL) {
            plan_explain_place(env, node, device->rec.id, why, "%s", "");
            continue;
        }
        if (space->n == *size) {
            *size = *size > 0 ? 2 * *size : 16;
            space->devices = mem_realloc_array(space->devices, *size, sizeof(*space->devices));
        }
        space->devices[space->n++] = (struct plan_device){
            device,
            device_free_kib(device),
            device_spare_kib(device),
            role_of(device),
            plan_tag_rule_accepts(space->tag_rule, device),
        };
    }
}

enum plan_outcome plan_gather(struct plan_space *space, const struct store *store, const struct store_plan_env *env,
                              const struct cluster_entry *cluster)
{
    struct node_entry *node;
    size_t size = 0, n_nodes = 0;

    TREE_EACH (node, cluster_node_tree, &cluster->nodes, in_cluster) {
        n_nodes += node_visible(store, node) ? 1 : 0;
        add_node(space, &size, env, node);
    }
    if (n_nodes == 0) {
        return PLAN_NO_NODES;
    }
    if (space->n == 0) {
        return PLAN_NO_DEVICES;
    }
    qsort(space->devices, space->n, sizeof(*space->devices), device_order);
    return PLAN_PLACED;
}

/* ---- what fits where ---- */

const struct node_entry *plan_node_of(const struct plan_space *space, size_t device)
{
    return space->devices[device].entry->node;
}

size_t plan_group_end(const struct plan_space *space, size_t first)
{
    const struct node_entry *node = plan_node_of(space, first);
    size_t end = first + 1;

    while (end < space->n && (space->zone_strict ? plan_node_of(space, end)->rec.zone == node->rec.zone
                                                 : plan_node_of(space, end) == node)) {
        end++;
    }
    return end;
}

bool plan_fits(const struct plan_space *space, size_t device, uint64_t size_kib, struct plan_need *ret_need)
{
    const struct plan_device *d = &space->devices[device];
    struct plan_need need = plan_need(size_kib, space->factor, d->entry->rec.extent_kib);
    uint64_t total = need.pool_kib + need.meta_kib;
    uint64_t spare = need.meta_kib > d->spare_kib ? need.meta_kib : d->spare_kib;

    *ret_need = need;
    return d->free_kib > total && d->free_kib - total >= spare;
}

uint64_t plan_slots(const struct plan_space *space, size_t device, uint64_t size_kib)
{
    const struct plan_device *d = &space->devices[device];
    struct plan_need need;
    uint64_t spare;

    /* A brick of no size is nobody's wish; a damaged operation may ask for one. */
    if (!d->accepted || size_kib == 0 || !plan_fits(space, device, size_kib, &need)) {
        return 0;
    }
    spare = need.meta_kib > d->spare_kib ? need.meta_kib : d->spare_kib;
    spare = spare > 0 ? spare : 1; /* something must be left */
    return (d->free_kib - spare) / (need.pool_kib + need.meta_kib);
}

void plan_take(struct plan_space *space, size_t device, const struct plan_need *need)
{
    struct plan_device *d = &space->devices[device];

    d->free_kib -= need->pool_kib + need->meta_kib;
    d->spare_kib = need->meta_kib > d->spare_kib ? need->meta_kib : d->spare_kib;
}
