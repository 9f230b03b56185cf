/* Asking all storage nodes what is on them: for GET /internal/state/examine/gluster, and from time to time on the
 * leader.
 *
 * While nodes are asked, operations go on. What the audit tells has therefore been seen twice in a row, and is not
 * about anything that an operation works on. A node that it could not look at is told at once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/gather.h"
#include "daemon/member_priv.h"
#include "daemon/order.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define WARNINGS_MAX 20
#define LINES_MAX 50 /* in the log, of one round */
#define UNAVAILABLE(reason) "{\"error\":\"unavailable\",\"reason\":\"" reason "\"}"

void audit_init(struct member *member)
{
    TAILQ_INIT(&member->audit.gathers);
}

/* ---- nodes that could not be looked at ---- */

static const char *unseen_remedy(int code)
{
    switch (code) {
    case E_CONNECT:
    case E_TIMEOUT:
        return "look at the node, its sshd and its glusterd; the next audit asks it again";
    case E_AUTH:
        return "look at the node's host key and at the key that it should accept; the next audit asks it again";
    default:
        return "run vgs, lvs, gluster volume info and gluster peer status on the node; the next audit asks it again";
    }
}

static struct audit_unseen *unseen_of(const struct gather *gather, size_t *ret_n)
{
    struct audit_unseen *list = mem_calloc(gather->n + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < gather->n; i++) {
        const struct gather_node *item = &gather->nodes[i];

        if (item->failure != NULL && item->code != E_NOT_FOUND) {
            list[n++] = (struct audit_unseen){item->node, mem_strdup(item->host), mem_strdup(item->failure),
                                              unseen_remedy(item->code)};
        }
    }
    *ret_n = n;
    return list;
}

static void unseen_free(struct audit_unseen *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].host);
        free(list[i].reason);
    }
    free(list);
}

static char *unseen_text(const struct audit_unseen *item)
{
    return mem_printf("node %s could not be looked at: %s", item->host, item->reason);
}

/* ---- for the API: made in the thread ---- */

static void put_json(struct buf *out, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    CHECK(text != NULL);
    buf_append_str(out, text);
    free(text);
    json_decref(json);
}

static void put_line(json_t *report, char *line)
{
    json_t *text = json_string(line);

    json_array_append_new(report, text != NULL ? text : json_string("(no text)"));
    free(line);
}

static void put_cluster(const struct gather *gather, struct id cluster, json_t *report, struct buf *out)
{
    bool match = true, any = false;

    buf_printf(out, "{\"ClusterHeketiID\":\"%s\",\"NodesData\":", id_text(cluster).text);
    for (size_t i = 0; i < gather->n; i++) {
        const struct gather_node *item = &gather->nodes[i];

        if (!id_equal(item->cluster, cluster)) {
            continue;
        }
        buf_append_char(out, any ? ',' : '[');
        any = true;
        if (item->json != NULL) {
            buf_append_str(out, item->json);
        } else {
            (void)examine_node_put(item->node, NULL, SIZE_MAX, out);
        }
        match = match && item->failure == NULL && item->names_match;
        if (item->failure != NULL) {
            put_line(report, mem_printf("node %s could not be examined: %s", id_text(item->node).text, item->failure));
        } else if (!item->names_match) {
            put_line(report, mem_printf("heketi volume list does not match with volume list of node %s",
                                        id_text(item->node).text));
        }
        if (item->failure == NULL && item->json == NULL) {
            put_line(report, mem_printf("node %s was examined, but its lists are left out: together they are too large",
                                        id_text(item->node).text));
        }
    }
    if (match) {
        json_array_append_new(report, json_string("heketi volume list matches with volume list of all nodes"));
    }
    buf_append_str(out, any ? "]}" : "null}");
}

static json_t *unseen_json(const struct gather *gather)
{
    json_t *list = json_array();
    size_t n;
    struct audit_unseen *unseen = unseen_of(gather, &n);

    for (size_t i = 0; i < n; i++) {
        CLEANUP(free_ptr) char *text = unseen_text(&unseen[i]);
        json_t *entry = json_pack("{s:s, s:s, s:s, s:s}", "code", "node-not-examined", "node",
                                  id_text(unseen[i].node).text, "text", text, "remedy", unseen[i].remedy);

        if (entry == NULL) { /* what a node says need not be UTF-8 */
            entry = json_pack("{s:s, s:s, s:s, s:s}", "code", "node-not-examined", "node", id_text(unseen[i].node).text,
                              "text", "node could not be looked at", "remedy", unseen[i].remedy);
        }
        json_array_append_new(list, entry);
    }
    unseen_free(unseen, n);
    return list;
}

static void make_document(struct gather *gather)
{
    CLEANUP(buf_fini) struct buf clusters = BUF_INIT;
    const struct store_cluster *cluster = NULL;
    json_t *report = json_array();
    struct buf out = BUF_INIT;

    json_array_append_new(report,
                          json_sprintf("OnDemand Examiner invoked while %zu ops are in flight", gather->operations));
    while ((cluster = store_cluster_next(store_view_rest(gather->view), cluster)) != NULL) {
        buf_append_char(&clusters, clusters.len > 0 ? ',' : '[');
        put_cluster(gather, cluster->id, report, &clusters);
    }
    gather->list = findings_tell(gather->findings, false);
    if (gather->list.more > 0) {
        put_line(report, mem_printf("and %" PRIu64 " more findings, beyond those that are kept", gather->list.more));
    }
    buf_append_str(&out, "{\"report\":");
    put_json(&out, report);
    buf_append_str(&out, ",\"clusters\":");
    buf_append_str(&out, clusters.len > 0 ? buf_str(&clusters) : "null");
    buf_append_str(&out, clusters.len > 0 ? "]" : "");
    buf_append_str(&out, ",\"findings\":");
    put_json(&out, findings_list_json(&gather->list));
    buf_append_str(&out, ",\"unseen\":");
    put_json(&out, unseen_json(gather));
    buf_append_char(&out, '}');
    gather->document = buf_take(&out);
}

/* One examination at a time, since each asks all nodes: whoever asks meanwhile gets the same. When nobody wants it any
 * more it is stopped, and who asks until it has come to its end waits for the next one. */

static void asker_gone(struct audit *audit, size_t i)
{
    audit->n_askers--;
    memmove(&audit->askers[i], &audit->askers[i + 1], (audit->n_askers - i) * sizeof(audit->askers[i]));
}

static bool asker_next(const struct audit *audit, bool joined, size_t *ret_i)
{
    for (*ret_i = 0; *ret_i < audit->n_askers; ++*ret_i) {
        if (audit->askers[*ret_i].joined == joined) {
            return true;
        }
    }
    return false;
}

static void answer_askers(struct member *member, bool joined, int status, const char *text)
{
    size_t i;

    while (asker_next(&member->audit, joined, &i)) {
        struct audit_asker asker = member->audit.askers[i];

        asker_gone(&member->audit, i);
        asker.cb(asker.cb_user, status, mem_strdup(text));
    }
}

static bool may_examine(struct member *member)
{
    return member->driver_term != 0 && !member->stopping && member_serving(member);
}

static void examine_ended(struct gather *gather);

static void examine_begin(struct member *member)
{
    struct gather *gather = gather_new(member);

    for (size_t i = 0; i < member->audit.n_askers; i++) {
        member->audit.askers[i].joined = true;
    }
    member->audit.examine = gather;
    gather->describe = true;
    gather->conclude = make_document;
    gather->done = examine_ended;
    gather_run(gather);
}

static void examine_ended(struct gather *gather)
{
    struct member *member = gather->member;

    if (member == NULL) { /* they have been told */
        return;
    }
    if (atomic_load(&gather->stop)) {
        answer_askers(member, true, 503, UNAVAILABLE("this member is stopping"));
    } else if (gather->failed != NULL) {
        answer_askers(member, true, 503, UNAVAILABLE("the database could not be read back; see the log"));
    } else {
        answer_askers(member, true, 200, gather->document);
    }
    member->audit.examine = NULL;
    if (!may_examine(member)) {
        answer_askers(member, false, 503, UNAVAILABLE("this member does not lead"));
    } else if (member->audit.n_askers > 0) {
        examine_begin(member);
    }
}

void audit_examine(void *user, api_text_cb cb, void *cb_user)
{
    struct member *member = user;
    struct audit *audit = &member->audit;

    if (!may_examine(member)) {
        cb(cb_user, 503, mem_strdup(UNAVAILABLE("this member does not lead")));
        return;
    }
    if (audit->n_askers >= AUDIT_ASKERS_MAX) {
        cb(cb_user, 429, mem_strdup(UNAVAILABLE("too many wait for an examination of the nodes; retry later")));
        return;
    }
    audit->askers[audit->n_askers++] = (struct audit_asker){
        .joined = audit->examine != NULL && !atomic_load(&audit->examine->stop), .cb = cb, .cb_user = cb_user};
    if (audit->examine == NULL) {
        examine_begin(member);
    }
}

void audit_examine_forget(void *user, void *cb_user)
{
    struct audit *audit = &((struct member *)user)->audit;
    size_t i;

    for (i = 0; i < audit->n_askers && audit->askers[i].cb_user != cb_user; i++) {
    }
    if (i < audit->n_askers) {
        asker_gone(audit, i);
    }
    if (audit->examine != NULL && !asker_next(audit, true, &i)) {
        atomic_store(&audit->examine->stop, true);
    }
}

/* ---- from time to time ---- */

static void audit_due(uv_timer_t *timer);

static void arm(struct member *member, int64_t seconds)
{
    if (!member->cfg->audit_off) {
        CHECK(uv_timer_start(&member->audit_timer, audit_due, (uint64_t)seconds * 1000, 0) == 0);
    }
}

static const struct findings_group *find_told(const struct findings_list *list, const struct findings_group *group)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].code == group->code && id_equal(list->items[i].node, group->node) &&
            id_equal(list->items[i].where, group->where)) {
            return &list->items[i];
        }
    }
    return NULL;
}

/* What is new or has another number, and what has gone. Lists are short: FINDINGS_GROUPS_MAX. */
static void log_told(const struct findings_list *before, const struct findings_list *now)
{
    size_t lines = 0;

    for (size_t i = 0; i < now->n; i++) {
        const struct findings_group *old = find_told(before, &now->items[i]);

        if ((old == NULL || old->count != now->items[i].count) && lines++ < LINES_MAX) {
            LOG(LOG_WARNING, "audit", now->items[i].text, LF_STR("code", now->items[i].code),
                LF_U64("count", now->items[i].count), LF_STR("remedy", now->items[i].remedy));
        }
    }
    for (size_t i = 0; i < before->n; i++) {
        if (find_told(now, &before->items[i]) == NULL && lines++ < LINES_MAX) {
            LOG(LOG_INFO, "audit", "no longer so", LF_STR("code", before->items[i].code),
                LF_STR("was", before->items[i].text));
        }
    }
    if (lines > LINES_MAX) {
        LOG(LOG_WARNING, "audit", "more has changed than is logged", LF_U64("more", lines - LINES_MAX),
            LF_STR("remedy", "GET /internal/state/examine/gluster shows all of it"));
    }
}

static bool unseen_has(const struct audit_unseen *list, size_t n, const struct audit_unseen *item)
{
    for (size_t i = 0; i < n; i++) {
        if (id_equal(list[i].node, item->node) && strcmp(list[i].reason, item->reason) == 0) {
            return true;
        }
    }
    return false;
}

static void keep_unseen(struct member *member, const struct gather *gather)
{
    struct audit *audit = &member->audit;
    size_t n, lines = 0;
    struct audit_unseen *now = unseen_of(gather, &n);

    for (size_t i = 0; i < n; i++) {
        if (!unseen_has(audit->unseen, audit->n_unseen, &now[i]) && lines++ < LINES_MAX) {
            CLEANUP(free_ptr) char *text = unseen_text(&now[i]);

            LOG(LOG_WARNING, "audit", text, LF_STR("node", id_text(now[i].node).text), LF_STR("remedy", now[i].remedy));
        }
    }
    for (size_t i = 0; i < audit->n_unseen; i++) {
        bool still = false;

        for (size_t j = 0; j < n && !still; j++) {
            still = id_equal(audit->unseen[i].node, now[j].node);
        }
        if (!still && lines++ < LINES_MAX) {
            LOG(LOG_INFO, "audit", "the node could be looked at again", LF_STR("host", audit->unseen[i].host));
        }
    }
    unseen_free(audit->unseen, audit->n_unseen);
    audit->unseen = now;
    audit->n_unseen = n;
}

/* In the thread. */
static void tell_confirmed(struct gather *gather)
{
    gather->list = findings_tell(gather->findings, true);
}

static void audit_done(struct gather *gather)
{
    struct member *member = gather->member;
    bool soon;

    if (member == NULL) {
        return;
    }
    member->audit.running = false;
    if (member->driver_term == 0) { /* leadership was lost meanwhile */
        return;
    }
    if (member->driver_term != gather->term || gather->failed != NULL) { /* of an earlier leadership */
        arm(member, member->cfg->audit_start_s);
        return;
    }
    order_learn(member, gather->examine.orders, gather->examine.n_orders);
    log_told(&member->audit.told, &gather->list);
    findings_list_fini(&member->audit.told);
    member->audit.told = gather->list;
    gather->list = (struct findings_list){.items = NULL};
    keep_unseen(member, gather);
    member->audit.rounds++;
    /* Something is new: looked at again soon. */
    soon = gather->examine.n_orders == EXAMINE_ORDERS_MAX ||
           findings_count(gather->findings, false) > findings_count(gather->findings, true);
    findings_confirm_by(gather->findings, NULL);
    member->audit.last = TAKE_PTR(gather->findings);
    arm(member, soon && member->cfg->audit_start_s < member->cfg->audit_every_s ? member->cfg->audit_start_s
                                                                                : member->cfg->audit_every_s);
}

static void audit_round(struct member *member)
{
    struct gather *gather;

    if (member->audit.running || member->driver_term == 0) {
        return;
    }
    member->audit.running = true;
    gather = gather_new(member);
    gather->earlier = TAKE_PTR(member->audit.last);
    gather->conclude = tell_confirmed;
    gather->done = audit_done;
    gather_run(gather);
}

void audit_now(struct member *member)
{
    if (!member->cfg->audit_off) {
        audit_round(member);
    }
}

static void audit_due(uv_timer_t *timer)
{
    TURN("audit");
    audit_round(timer->data);
}

void audit_start(struct member *member)
{
    arm(member, member->cfg->audit_start_s);
}

void audit_stop(struct member *member)
{
    uv_timer_stop(&member->audit_timer);
    findings_free(TAKE_PTR(member->audit.last));
    findings_list_fini(&member->audit.told);
    unseen_free(TAKE_PTR(member->audit.unseen), member->audit.n_unseen);
    member->audit.n_unseen = 0;
}

void audit_abandon(struct member *member)
{
    answer_askers(member, true, 503, UNAVAILABLE("this member is stopping"));
    answer_askers(member, false, 503, UNAVAILABLE("this member is stopping"));
    gather_abandon_all(member);
}

void audit_warn(const struct member *member,
                void (*warn)(void *user, const char *code, struct id node, const char *text, const char *remedy),
                void *user)
{
    const struct audit *audit = &member->audit;
    uint64_t more = audit->told.more;
    size_t n = 0;
    char text[128];

    for (size_t i = 0; i < audit->n_unseen && n < WARNINGS_MAX / 2; i++, n++) {
        CLEANUP(free_ptr) char *line = unseen_text(&audit->unseen[i]);

        warn(user, "node-not-examined", audit->unseen[i].node, line, audit->unseen[i].remedy);
    }
    if (audit->n_unseen > n) {
        (void)snprintf(text, sizeof(text), "%zu more nodes could not be looked at", audit->n_unseen - n);
        warn(user, "node-not-examined", ID_NONE, text, "GET /internal/state/examine/gluster names all of them");
    }
    for (size_t i = 0; i < audit->told.n; i++) {
        const struct findings_group *group = &audit->told.items[i];

        if (n++ < WARNINGS_MAX) {
            warn(user, group->code, group->node, group->text, group->remedy);
        } else {
            more += group->count;
        }
    }
    if (more > 0) {
        (void)snprintf(text, sizeof(text), "and %" PRIu64 " more differences between database and nodes", more);
        warn(user, "more-findings", ID_NONE, text, "GET /internal/state/examine/gluster shows more of them");
    }
}
