/* Asking all storage nodes what is on them: for GET /internal/state/examine/gluster, and from time to time on the
 * leader.
 *
 * While nodes are asked, operations go on. What the audit tells has therefore been seen twice in a row, and is not
 * about anything that an operation works on. */
#include <stdlib.h>
#include <string.h>

#include "daemon/examine.h"
#include "daemon/member_priv.h"
#include "daemon/order.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define WARNINGS_MAX 20

struct asked_node {
    struct gather *gather;
    struct id node, cluster;
    struct exec_inventory *inventory; /* NULL: not (yet) */
    char *failure;                    /* NULL: none */
};

struct gather {
    struct member *member; /* NULL: it is gone */
    struct asked_node *nodes;
    size_t n, waiting;
    size_t operations; /* when it began */
    void (*done)(struct gather *gather);
    api_document_cb cb; /* of the API; NULL: an audit */
    void *cb_user;
};

static void gather_free(struct gather *gather)
{
    for (size_t i = 0; i < gather->n; i++) {
        exec_inventory_free(gather->nodes[i].inventory);
        free(gather->nodes[i].failure);
    }
    free(gather->nodes);
    free(gather);
}

static void node_answered(void *user, const struct exec_result *result)
{
    struct asked_node *asked = user;
    struct gather *gather = asked->gather;

    if (result->code == 0 && result->inventory != NULL) {
        asked->inventory = exec_inventory_ref(result->inventory);
    } else {
        asked->failure = mem_strdup(*result->message != '\0' ? result->message : err_text(result->code));
    }
    if (--gather->waiting == 0) {
        gather->done(gather);
    }
}

/* done is called from the loop; not at once unless there is no node. */
static void gather_start(struct member *member, void (*done)(struct gather *gather), api_document_cb cb, void *cb_user)
{
    struct gather *gather = mem_calloc(1, sizeof(*gather));
    const struct store_node *node = NULL;

    gather->member = member;
    gather->operations = store_counts(member->store).operations;
    gather->done = done;
    gather->cb = cb;
    gather->cb_user = cb_user;
    gather->nodes = mem_calloc(store_counts(member->store).nodes + 1, sizeof(*gather->nodes));
    while ((node = store_node_next(member->store, node)) != NULL) {
        if (id_is_none(node->pending)) {
            gather->nodes[gather->n++] = (struct asked_node){gather, node->id, node->cluster, NULL, NULL};
        }
    }
    gather->waiting = gather->n;
    if (gather->n == 0) {
        done(gather);
        return;
    }
    for (size_t i = 0; i < gather->n; i++) { /* no answer comes from within */
        const struct store_node *item = store_node(member->store, gather->nodes[i].node);

        op_driver_inventory(member->driver, item, node_answered, &gather->nodes[i]);
    }
}

static void compare_all(const struct gather *gather, struct examine_findings *findings)
{
    const struct store *store = gather->member->store;

    for (size_t i = 0; i < gather->n; i++) {
        const struct store_node *node = store_node(store, gather->nodes[i].node);

        if (node != NULL && gather->nodes[i].inventory != NULL) {
            examine_node(store, node, gather->nodes[i].inventory, findings);
        }
    }
}

/* ---- for the API ---- */

static void report_cluster(const struct gather *gather, struct id cluster, json_t *report, json_t *list)
{
    json_t *nodes = NULL;
    bool match = true;

    for (size_t i = 0; i < gather->n; i++) {
        const struct asked_node *asked = &gather->nodes[i];

        if (!id_equal(asked->cluster, cluster)) {
            continue;
        }
        nodes = nodes != NULL ? nodes : json_array();
        json_array_append_new(nodes, examine_node_json(asked->node, asked->inventory));
        if (asked->inventory == NULL) {
            match = false;
            json_array_append_new(
                report, json_sprintf("node %s could not be examined: %s", id_text(asked->node).text, asked->failure));
        } else if (!examine_names_match(gather->member->store, cluster, asked->inventory)) {
            match = false;
            json_array_append_new(report, json_sprintf("heketi volume list does not match with volume list of node %s",
                                                       id_text(asked->node).text));
        }
    }
    if (match) {
        json_array_append_new(report, json_string("heketi volume list matches with volume list of all nodes"));
    }
    json_array_append_new(list, json_pack("{s:s, s:o}", "ClusterHeketiID", id_text(cluster).text, "NodesData",
                                          nodes != NULL ? nodes : json_null()));
}

static void answer_api(struct gather *gather)
{
    const struct store_cluster *cluster = NULL;
    struct examine_findings findings = {NULL, 0};
    json_t *report = json_array(), *list = json_array(), *document;

    json_array_append_new(report,
                          json_sprintf("OnDemand Examiner invoked while %zu ops are in flight", gather->operations));
    while ((cluster = store_cluster_next(gather->member->store, cluster)) != NULL) {
        report_cluster(gather, cluster->id, report, list);
    }
    compare_all(gather, &findings);
    if (json_array_size(list) == 0) {
        json_decref(list);
        list = json_null();
    }
    document =
        json_pack("{s:o, s:o, s:o}", "report", report, "clusters", list, "findings", examine_findings_json(&findings));
    CHECK(document != NULL);
    gather->cb(gather->cb_user, 200, document);
    json_decref(document);
    examine_findings_fini(&findings);
    gather_free(gather);
}

void audit_examine(void *user, api_document_cb cb, void *cb_user)
{
    struct member *member = user;

    if (member->driver_term == 0 || !member_serving(member)) {
        json_t *document = json_pack("{s:s}", "error", "this member does not lead");

        cb(cb_user, 503, document);
        json_decref(document);
        return;
    }
    gather_start(member, answer_api, cb, cb_user);
}

/* ---- from time to time ---- */

static void audit_due(uv_timer_t *timer);

static void arm(struct member *member, int64_t seconds)
{
    CHECK(uv_timer_start(&member->audit_timer, audit_due, (uint64_t)seconds * 1000, 0) == 0);
}

/* What was found now and the time before. */
static void keep_confirmed(struct member *member, struct examine_findings *now)
{
    struct examine_findings *told = &member->audit.told;

    examine_findings_fini(told);
    for (size_t i = 0; i < now->n; i++) {
        const struct examine_finding *item = &now->items[i];

        if (examine_has(&member->audit.last, item)) {
            told->items = mem_realloc_array(told->items, told->n + 1, sizeof(*told->items));
            told->items[told->n++] =
                (struct examine_finding){item->code, item->node, mem_strdup(item->text), mem_strdup(item->remedy)};
            LOG(LOG_WARNING, "audit", item->text, LF_STR("remedy", item->remedy));
        }
    }
    examine_findings_fini(&member->audit.last);
    member->audit.last = *now;
}

/* From the first node of each cluster that has answered: all know the same. True: there may be more to learn. What the
 * store refuses is no reason to come back soon. */
static bool learn_orders(const struct gather *gather)
{
    bool more = false;

    for (size_t i = 0; i < gather->n; i++) {
        bool first = gather->nodes[i].inventory != NULL;

        for (size_t j = 0; first && j < i; j++) {
            first = gather->nodes[j].inventory == NULL || !id_equal(gather->nodes[j].cluster, gather->nodes[i].cluster);
        }
        more = (first && order_learn(gather->member, gather->nodes[i].cluster, gather->nodes[i].inventory)) || more;
    }
    return more;
}

static void audit_done(struct gather *gather)
{
    struct member *member = gather->member;
    struct examine_findings findings = {NULL, 0};
    bool confirm, more;

    member->audit.running = false;
    if (member->driver_term == 0) { /* leadership was lost meanwhile */
        gather_free(gather);
        return;
    }
    compare_all(gather, &findings);
    more = learn_orders(gather);
    gather_free(gather);
    keep_confirmed(member, &findings);
    member->audit.rounds++;
    confirm = more || member->audit.last.n > member->audit.told.n; /* something is new: looked at again soon */
    if (!member->cfg->audit_off) {
        arm(member, confirm && member->cfg->audit_start_s < member->cfg->audit_every_s ? member->cfg->audit_start_s
                                                                                       : member->cfg->audit_every_s);
    }
}

void audit_now(struct member *member)
{
    if (member->audit.running || member->driver_term == 0) {
        return;
    }
    member->audit.running = true;
    gather_start(member, audit_done, NULL, NULL);
}

static void audit_due(uv_timer_t *timer)
{
    TURN("audit");
    audit_now(timer->data);
}

void audit_start(struct member *member)
{
    if (!member->cfg->audit_off) {
        arm(member, member->cfg->audit_start_s);
    }
}

void audit_stop(struct member *member)
{
    uv_timer_stop(&member->audit_timer);
    examine_findings_fini(&member->audit.last);
    examine_findings_fini(&member->audit.told);
}

void audit_warn(const struct member *member,
                void (*warn)(void *user, const char *code, const char *text, const char *remedy), void *user)
{
    const struct examine_findings *told = &member->audit.told;
    char text[128];

    for (size_t i = 0; i < told->n && i < WARNINGS_MAX; i++) {
        warn(user, told->items[i].code, told->items[i].text, told->items[i].remedy);
    }
    if (told->n > WARNINGS_MAX) {
        (void)snprintf(text, sizeof(text), "and %zu more differences between database and nodes",
                       told->n - WARNINGS_MAX);
        warn(user, "more-findings", text, "GET /internal/state/examine/gluster shows all of them");
    }
}
