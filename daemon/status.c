/* GET /cluster/status: one document that says whether all is well and, if not, what to do. Every member answers it,
 * also without a quorum: what only the leader knows (lag, steps, nodes) is left empty elsewhere. */
#include <string.h>

#include "daemon/health.h"
#include "daemon/json_text.h"
#include "daemon/member_priv.h"
#include "daemon/node_advice.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

static void add_warning(json_t *warnings, const char *code, const char *text, const char *remedy)
{
    json_t *item = json_pack("{s:s, s:o, s:o}", "code", code, "text", json_text(text), "remedy", json_text(remedy));

    CHECK(item != NULL && json_array_append_new(warnings, item) == 0);
}

static json_t *optional_ms(uint64_t value_ms)
{
    return value_ms == UINT64_MAX ? json_null() : json_integer((json_int_t)value_ms);
}

static const char *member_role(const struct cons_status *status, const struct cons_member_status *item, uint64_t self)
{
    static const char *const roles[] = {"follower", "candidate", "leader"};

    if (item->id == self) {
        return roles[status->role];
    }
    if (item->id == status->leader_id) {
        return "leader";
    }
    if (item->standing == CONS_SPARE || item->standing == CONS_STANDBY) {
        return members_standing(item->standing);
    }
    return item->connected ? "follower" : "unknown";
}

/* Version and digest: our own as they are now, of the others what they told last. */
static void add_replica(struct member *member, const struct cons_status *status, uint64_t id, json_t *entry)
{
    const struct replica *replica = replicas_get(member->replicas, id);
    struct store_digest digest = store_digest(member->store);
    const char *version = HECATE_VERSION;
    uint64_t index = status->applied_index;

    if (id != (uint64_t)member->cfg->member_id) {
        if (replica == NULL) {
            return;
        }
        digest = replica->digest;
        version = replica->version;
        index = replica->index;
    }
    json_object_set_new(entry, "version", json_text(version));
    json_object_set_new(entry, "digest", json_string(digest_text(&digest).text));
    json_object_set_new(entry, "digest_index", json_integer((json_int_t)index));
}

static json_t *members_document(struct member *member, const struct cons_status *status)
{
    uint64_t self = (uint64_t)member->cfg->member_id;
    bool leader = status->role == CONS_LEADER;
    json_t *list = json_array();

    for (size_t i = 0; i < status->n_members; i++) {
        const struct cons_member_status *item = &status->members[i];
        uint64_t match = item->id == self ? status->last_index : item->match_index;
        json_t *entry = json_pack("{s:I, s:o, s:o, s:s, s:s, s:b, s:b, s:o}", "id", (json_int_t)item->id, "address",
                                  json_text(item->address), "api", json_text(item->note), "key", item->key, "role",
                                  member_role(status, item, self), "voter", item->standing == CONS_VOTER, "connected",
                                  item->connected || item->id == self, "last_contact_ms",
                                  item->id == self ? json_integer(0) : optional_ms(item->last_contact_ms));

        CHECK(entry != NULL);
        if (leader || item->id == self) {
            json_object_set_new(entry, "match_index", json_integer((json_int_t)match));
        }
        if (leader) {
            uint64_t lag = status->last_index > match ? status->last_index - match : 0;

            json_object_set_new(entry, "lag", json_integer((json_int_t)lag));
        }
        if (item->trouble.word[0] != '\0') {
            json_object_set_new(entry, "trouble", json_string(item->trouble.word));
            json_object_set_new(entry, "reason", json_string(item->trouble.text));
        }
        if (item->goal != CONS_NONE) {
            json_object_set_new(entry, "becomes", json_string(members_standing(item->goal)));
        }
        add_replica(member, status, item->id, entry);
        json_array_append_new(list, entry);
    }
    return list;
}

/* The state machine keeps no node without an address; an entry of the log that brought one must not end the member. */
static const char *node_name(const struct store_node *node)
{
    return node->manage.n > 0 ? node->manage.items[0] : "";
}

struct nodes_visit {
    struct member *member;
    json_t *list, *warnings;
};

static void visit_node(void *user, const struct op_node_view *view)
{
    struct nodes_visit *visit = user;
    const struct store_node *node = store_node(visit->member->store, view->node);
    struct node_advice advice = {.code = ""};
    json_t *entry;

    if (node == NULL) {
        return;
    }
    if (node_advice(view, node_name(node), visit->member->cfg, &advice)) {
        add_warning(visit->warnings, advice.code, advice.text, advice.remedy);
    }
    entry = json_pack("{s:s, s:s, s:o, s:s, s:b, s:b, s:o, s:s, s:o, s:I, s:o, s:o}", "id", id_text(node->id).text,
                      "cluster", id_text(node->cluster).text, "manage", json_text(node_name(node)), "state",
                      store_state_name(node->state), "down", view->down, "avoided", view->avoided, "avoided_ms",
                      view->avoided ? json_integer((json_int_t)view->avoided_ms) : json_null(), "cause", advice.code,
                      "remedy", json_text(advice.remedy), "fence_term", (json_int_t)view->fence_term, "last_ok_ms",
                      optional_ms(view->last_ok_ms), "last_error", json_text(view->last_error));
    CHECK(entry != NULL);
    json_array_append_new(visit->list, entry);
}

/* What every member knows of them; the rest is the leader's to tell. */
static json_t *nodes_known(const struct store *store)
{
    const struct store_cluster *cluster = NULL;
    json_t *list = json_array();

    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        const struct store_node *node = NULL;

        while ((node = store_cluster_node_next(store, cluster->id, node)) != NULL) {
            json_t *entry =
                json_pack("{s:s, s:s, s:o, s:s}", "id", id_text(node->id).text, "cluster", id_text(node->cluster).text,
                          "manage", json_text(node_name(node)), "state", store_state_name(node->state));

            CHECK(entry != NULL && json_array_append_new(list, entry) == 0);
        }
    }
    return list;
}

static void visit_step(void *user, const struct op_step_view *view)
{
    json_t *entry =
        json_pack("{s:s, s:o, s:s, s:I, s:I, s:o, s:o}", "step", view->step, "host", json_text(view->host), "state",
                  view->state, "attempts", (json_int_t)view->attempts, "since_ms", (json_int_t)view->since_ms,
                  "last_error", json_text(view->last_error), "progress", json_text(view->progress));

    CHECK(entry != NULL && json_array_append_new(user, entry) == 0);
}

json_t *status_operation_steps(void *user, struct id op_id, size_t max, size_t *ret_n)
{
    struct member *member = user;
    json_t *list = json_array();

    *ret_n = 0;
    if (member->driver_term != 0) {
        *ret_n = op_driver_visit(member->driver, op_id, max, visit_step, list);
    }
    return list;
}

#define OPERATIONS_SHOWN_MAX 100
#define TROUBLED_SHOWN_MAX 50    /* of them at most */
#define TROUBLED_LOOKED_MAX 1000 /* operations, for such ones: a look at the status must not take long */
#define STEPS_SHOWN_MAX 300      /* of all operations together */
#define STEPS_OF_ONE_MAX 30
#define PARKED_SHOWN_MAX 5 /* of each; there is one for each node that is waited for */

/* Without its steps. */
static json_t *operation_document(const struct store_operation *op)
{
    json_t *parked = json_array();
    json_t *entry;

    for (size_t i = 0; i < op->n_parked && i < PARKED_SHOWN_MAX; i++) {
        json_array_append_new(parked, json_pack("{s:s, s:o}", "node", id_text(op->parked[i].node).text, "text",
                                                json_text(op->parked[i].text)));
    }
    entry = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "id", id_text(op->id).text, "type",
                      store_op_type_name(op->type), "phase", op->phase == STORE_OP_UNDO ? "undo" : "forward", "target",
                      id_text(op->target).text, "reason", json_text(op->reason), "parked", parked, "parked_total",
                      (json_int_t)op->n_parked);
    CHECK(entry != NULL);
    return entry;
}

/* The first operations get what they have, each of the others at least one. */
static void add_steps(struct member *member, json_t *operations)
{
    size_t left = STEPS_SHOWN_MAX, n_operations = json_array_size(operations), n_steps, i;
    json_t *entry;

    json_array_foreach(operations, i, entry)
    {
        size_t others = n_operations - i - 1, most = left - others;
        json_t *steps;
        struct id id;

        CHECK(id_parse(json_string_value(json_object_get(entry, "id")), ID_TEXT_LEN, &id));
        steps = status_operation_steps(member, id, most < STEPS_OF_ONE_MAX ? most : STEPS_OF_ONE_MAX, &n_steps);
        left -= json_array_size(steps);
        json_object_set_new(entry, "steps", steps);
        json_object_set_new(entry, "steps_total", json_integer((json_int_t)n_steps));
    }
}

static bool in_trouble(const struct store_operation *op)
{
    return op->n_parked > 0 || op->phase == STORE_OP_UNDO;
}

/* The oldest ones, after those that wait for a node or are undone. */
static json_t *operations_document(struct member *member)
{
    json_t *list = json_array(), *others = json_array();
    const struct store_operation *op = store_operation_younger(member->store, 0, ID_NONE);

    for (size_t n = 0; op != NULL && n < TROUBLED_LOOKED_MAX; n++) {
        bool first = in_trouble(op) && json_array_size(list) < TROUBLED_SHOWN_MAX;

        if (first || json_array_size(others) < OPERATIONS_SHOWN_MAX) {
            CHECK(json_array_append_new(first ? list : others, operation_document(op)) == 0);
        }
        op = store_operation_younger(member->store, op->begin_index, op->id);
    }
    for (size_t i = 0; i < json_array_size(others) && json_array_size(list) < OPERATIONS_SHOWN_MAX; i++) {
        CHECK(json_array_append(list, json_array_get(others, i)) == 0);
    }
    json_decref(others);
    add_steps(member, list);
    return list;
}

/* How many there are in all, and whether they are all there. */
static void operations_cut(const struct store *store, json_t *document)
{
    size_t n = store_counts(store).operations, n_shown = json_array_size(json_object_get(document, "operations"));

    json_object_set_new(document, "operations_total", json_integer((json_int_t)n));
    json_object_set_new(document, "operations_cut", json_boolean(n > n_shown));
}

static json_t *counts_document(const struct store *store)
{
    struct store_counts counts = store_counts(store);

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "clusters", (json_int_t)counts.clusters, "nodes",
                     (json_int_t)counts.nodes, "devices", (json_int_t)counts.devices, "volumes",
                     (json_int_t)counts.volumes, "bricks", (json_int_t)counts.bricks, "operations",
                     (json_int_t)counts.operations, "jobs", (json_int_t)counts.jobs);
}

static void warn_members(const struct member *member, const struct cons_status *status, json_t *warnings)
{
    for (size_t i = 0; i < status->n_members; i++) {
        const struct cons_member_status *item = &status->members[i];
        char text[320];

        if (item->trouble.word[0] != '\0') { /* perhaps of somebody else in its name */
            add_warning(warnings, item->trouble.tls ? "member-refused" : "member-unreachable", item->trouble.text,
                        item->trouble.remedy);
        }
        if (item->connected || item->id == (uint64_t)member->cfg->member_id || item->trouble.word[0] != '\0') {
            continue;
        }
        text_print(text, sizeof(text), "member %lu at %s is not connected", (unsigned long)item->id, item->address);
        add_warning(warnings, "member-unreachable", text,
                    "start hecated there, or look at the network between the members");
    }
}

#define DAY_S INT64_C(86400)
#define EXPIRY_WARN_S INT64_C(2592000) /* 30 days */

#define REFUSAL_SHOWN_MS 10000 /* a leader repeats it more often than that */

static void warn_refusal(const struct cons_status *status, json_t *warnings)
{
    const struct cons_refusal *refusal = &status->refusal;
    char text[640];

    if (refusal->by == 0 || refusal->ago_ms > REFUSAL_SHOWN_MS) {
        return;
    }
    text_print(text, sizeof(text), "member %lu sends entry %lu of the log, or the snapshot there, which %s: %s",
               (unsigned long)refusal->by, (unsigned long)refusal->index,
               refusal->later ? "this release does not know" : "no release would send", refusal->text);
    if (refusal->later) {
        add_warning(warnings, "release-too-old", text,
                    "start the release of Hecate on this member that the others run; its data stays as it is");
    } else {
        add_warning(warnings, "entry-refused", text,
                    "stop hecated on the member that sends it and find out who has its certificate and key");
    }
}

/* Nothing is wrong; but a held level is easily forgotten. */
static void warn_level(const struct member *member, json_t *warnings)
{
    if (store_settings(member->store)->hold == STORE_HOLD_ON) {
        add_warning(warnings, "upgrade-held",
                    "the feature level is held: new features wait, the older release can be put back",
                    "when all members run the new release and it is to stay: hecate upgrade finalize");
    }
}

static void warn_expiry(uint64_t id, int64_t expires_s, json_t *warnings)
{
    int64_t left_s = expires_s - member_now_ms() / 1000;
    char text[256];

    if (expires_s == 0 || left_s > EXPIRY_WARN_S) {
        return;
    }
    if (left_s <= 0) {
        text_print(text, sizeof(text), "the certificate of member %lu, or its authority's, has expired",
                   (unsigned long)id);
    } else {
        text_print(text, sizeof(text), "the certificate of member %lu, or its authority's, expires in %ld days",
                   (unsigned long)id, (long)(left_s / DAY_S));
    }
    add_warning(warnings, "certificate-expires", text,
                "put a new one in its place (cluster.tls) and send SIGHUP to its hecated; no restart is needed");
}

/* What connected members told of themselves, held against this one. Returns whether a database differs. */
static bool warn_replicas(const struct member *member, const struct cons_status *status, json_t *warnings)
{
    unsigned long self = (unsigned long)member->cfg->member_id;
    bool differs = false;

    for (size_t i = 0; i < status->n_members; i++) {
        const struct replica *replica = replicas_get(member->replicas, status->members[i].id);
        char text[256];

        if (replica == NULL || !status->members[i].connected) {
            continue;
        }
        warn_expiry(replica->member_id, replica->expires_s, warnings);
        if (strcmp(replica->version, HECATE_VERSION) != 0) {
            text_print(text, sizeof(text), "member %lu runs version %s, member %lu version %s",
                       (unsigned long)replica->member_id, replica->version, self, HECATE_VERSION);
            add_warning(warnings, "versions-differ", text, "finish the upgrade: all members should run one release");
        }
        if (replica->differs) {
            differs = true;
            text_print(text, sizeof(text), "the database of member %lu differs from that of member %lu at index %lu",
                       (unsigned long)replica->member_id, self, (unsigned long)replica->compared_index);
            add_warning(
                warnings, "digest-differs", text,
                "the member whose digest differs from that of the majority is wrong and stops by itself: move its "
                "data directory away (keep it for a report), run 'hecate member replace' and start it");
        }
    }
    return differs;
}

#define TROUBLE_SHOWN_MS 10000 /* the keeper repeats it every second while it lasts */

/* The member on whose host the addresses are, as far as it is known here; NULL nobody. */
static json_t *holder_document(const struct member *member, const struct cons_status *status)
{
    if (member->address_held) {
        return json_integer((json_int_t)member->cfg->member_id);
    }
    for (size_t i = 0; i < status->n_members; i++) {
        const struct replica *replica = replicas_get(member->replicas, status->members[i].id);

        if (replica != NULL && replica->holds && status->members[i].connected) {
            return json_integer((json_int_t)replica->member_id);
        }
    }
    return json_null();
}

static json_t *virtual_ips_document(const struct member *member, const struct cons_status *status, json_t *warnings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < member->cfg->virtual_ips.n; i++) {
        json_array_append_new(list, json_text(member->cfg->virtual_ips.items[i]));
    }
    if (member->address_trouble[0] != '\0' && uv_now(member->loop) - member->address_trouble_ms < TROUBLE_SHOWN_MS) {
        add_warning(
            warnings, "virtual-ip", member->address_trouble,
            "take the address off the other host (the one whose interface has the link address that is named: 'ip "
            "link'), or mend the interface of this one");
    }
    return json_pack("{s:o, s:b, s:o}", "addresses", list, "held", member->address_held, "holder",
                     holder_document(member, status));
}

static void warn(void *user, const char *code, const char *text, const char *remedy)
{
    add_warning(user, code, text, remedy);
}

/* What the leader's comparison of nodes and database has come to, since it leads. */
static json_t *audit_document(const struct member *member)
{
    return json_pack("{s:I, s:b, s:I, s:I}", "rounds", (json_int_t)member->audit.rounds, "running",
                     member->audit.running, "findings", (json_int_t)member->audit.told.count, "unseen",
                     (json_int_t)member->audit.n_unseen);
}

/* About a storage node, or ID_NONE. */
static void warn_node(void *user, const char *code, struct id node, const char *text, const char *remedy)
{
    add_warning(user, code, text, remedy);
    if (!id_is_none(node)) {
        json_object_set_new(json_array_get(user, json_array_size(user) - 1), "node", json_string(id_text(node).text));
    }
}

/* The reasons that OpenSSL and the system give name files; the log has them, and anybody may read this document. */
static void hide_files(const struct cfg *cfg, json_t *warnings)
{
    static const char *const keys[] = {"text", "remedy"};
    json_t *item;
    size_t i;

    json_array_foreach(warnings, i, item)
    {
        for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
            CLEANUP(buf_fini) struct buf text = BUF_INIT;

            cfg_hide_files(cfg, json_string_value(json_object_get(item, keys[k])), &text);
            json_object_set_new(item, keys[k], json_text(buf_str(&text)));
        }
    }
}

json_t *status_document(void *user)
{
    struct member *member = user;
    struct cons_status status;
    json_t *warnings = json_array();
    struct nodes_visit nodes = {.member = member, .warnings = warnings};
    const struct cons_member_status *leader;
    json_t *virtual_ips;
    const char *health;
    json_t *document;
    bool critical;

    cons_get_status(member->cons, &status);
    virtual_ips = virtual_ips_document(member, &status, warnings);
    warn_members(member, &status, warnings);
    warn_level(member, warnings);
    warn_refusal(&status, warnings);
    if (member->driver_term != 0) {
        nodes.list = json_array();
        op_driver_visit_nodes(member->driver, visit_node, &nodes);
    } else {
        nodes.list = nodes_known(member->store);
    }
    audit_warn(member, warn_node, warnings);
    warn_expiry((uint64_t)member->cfg->member_id, cons_tls_expires_s(member->cons), warnings);
    certificates_warn(member, warn, warnings);
    keys_warn(member, &status, warn, warnings);
    critical = health_warn(member, &status, warn, warnings);
    critical = load_warn(member, &status, warn, warnings) || critical;
    critical = warn_replicas(member, &status, warnings) || critical;
    if (status.leader_id == 0) {
        critical = true;
        add_warning(warnings, "no-leader",
                    status.formed ? "there is no leader" : "this member belongs to no cluster yet",
                    status.formed ? "a majority of the members must run and reach each other"
                                  : "a new cluster forms when all its members run and reach each other; to a cluster "
                                    "that is there this member must be added: hecate member add");
    }
    hide_files(member->cfg, warnings);
    health = critical ? "critical" : json_array_size(warnings) > 0 ? "warning" : "ok";
    leader = members_find(&status, status.leader_id);
    document = json_pack(
        "{s:s, s:s, s:o, s:I, s:o, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "cluster_id", status.formed ? id_text(status.cluster_id).text : "", "health", health, "warnings", warnings,
        "member_id", (json_int_t)member->cfg->member_id, "name", json_text(member->cfg->cluster_name), "version",
        HECATE_VERSION, "executor", member->cfg->executor, "leader",
        leader != NULL ? json_pack("{s:I, s:o}", "id", (json_int_t)leader->id, "api", json_text(leader->note))
                       : json_null(),
        "term", (json_int_t)status.term, "commit_index", (json_int_t)status.commit_index, "applied_index",
        (json_int_t)status.applied_index, "last_index", (json_int_t)status.last_index, "snapshot_index",
        (json_int_t)status.snapshot_index, "serving", status.serving, "lease_left_ms",
        status.role == CONS_LEADER ? json_integer((json_int_t)(status.lease_left_us / 1000)) : json_null(),
        "virtual_ips", virtual_ips, "members", members_document(member, &status), "nodes", nodes.list, "operations",
        operations_document(member), "counts", counts_document(member->store), "audit", audit_document(member));
    CHECK(document != NULL);
    operations_cut(member->store, document);
    return document;
}
