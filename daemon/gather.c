/* All that is large is made, compared and freed by a thread; the loop only hands over. A gather has one job of the
 * thread at a time, so that what the thread works on needs no lock: the loop touches only nodes that are not `working`.
 */
#include "daemon/gather.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define ASKED_AT_ONCE_MAX 4 /* nodes whose answers are in memory */
#define DESCRIBED_BYTES_MAX ((size_t)8 << 20)

struct gather *gather_new(struct member *member)
{
    struct gather *gather = mem_calloc(1, sizeof(*gather));
    const struct store_node *node = NULL;

    gather->member = member;
    gather->work.data = gather;
    gather->term = member->driver_term;
    gather->operations = store_counts(member->store).operations;
    gather->nodes = mem_calloc(store_counts(member->store).nodes + 1, sizeof(*gather->nodes));
    while ((node = store_node_next(member->store, node)) != NULL) {
        if (id_is_none(node->pending)) {
            gather->nodes[gather->n++] = (struct gather_node){.gather = gather,
                                                              .node = node->id,
                                                              .cluster = node->cluster,
                                                              .host = mem_strdup(node->manage.items[0])};
        }
    }
    TAILQ_INSERT_TAIL(&member->audit.gathers, gather, link);
    return gather;
}

static void gather_free(struct gather *gather)
{
    if (gather->member != NULL) {
        TAILQ_REMOVE(&gather->member->audit.gathers, gather, link);
    }
    for (size_t i = 0; i < gather->n; i++) {
        free(gather->nodes[i].host);
        free(gather->nodes[i].failure);
        free(gather->nodes[i].json);
    }
    free(gather->nodes);
    findings_list_fini(&gather->list);
    findings_free(gather->findings);
    findings_free(gather->earlier);
    examine_fini(&gather->examine);
    free(gather->failed);
    free(gather->document);
    free(gather);
}

/* ---- in the thread ---- */

static void prepare(struct gather *gather)
{
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    struct err err = ERR_INIT;

    gather->findings = findings_new();
    findings_confirm_by(gather->findings, gather->earlier);
    store_snapshot_encode(gather->snapshot, &bytes);
    store_snapshot_free(TAKE_PTR(gather->snapshot));
    if (store_snapshot_decode_until(bytes.data, bytes.len, &gather->stop, &gather->store, &err) != 0) {
        gather->failed = mem_strdup(err.message);
        gather->store = store_new();
    }
    examine_init(&gather->examine, gather->store, gather->findings);
}

static void describe(struct gather *gather, struct gather_node *item)
{
    json_t *json;
    char *text;

    if (gather->described_bytes + item->inventory->n_volumes * 100 > DESCRIBED_BYTES_MAX) {
        return; /* not even made, since it takes long */
    }
    json = examine_node_json(item->node, item->inventory);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text != NULL && gather->described_bytes + strlen(text) <= DESCRIBED_BYTES_MAX) {
        gather->described_bytes += strlen(text);
        item->json = text;
    } else {
        free(text);
    }
}

static void compare(struct gather *gather, struct gather_node *item)
{
    const struct store_node *node = store_node(gather->store, item->node);

    if (node != NULL && gather->failed == NULL && !atomic_load(&gather->stop)) {
        examine_node(&gather->examine, node, item->inventory);
        item->names_match = examine_names_match(gather->store, item->cluster, item->inventory);
    }
    if (gather->describe) {
        describe(gather, item);
    }
    exec_inventory_free(TAKE_PTR(item->inventory));
}

static void conclude(struct gather *gather)
{
    if (atomic_load(&gather->stop)) {
        gather->failed = gather->failed != NULL ? gather->failed : mem_strdup("this member is stopping");
    } else {
        examine_end(&gather->examine);
        if (gather->conclude != NULL) {
            gather->conclude(gather);
        }
    }
    store_free(TAKE_PTR(gather->store));
    gather->examine.store = NULL;
    gather->concluded = true;
}

static void run(uv_work_t *work)
{
    struct gather *gather = work->data;
    bool compared = false;

    if (!gather->prepared) {
        prepare(gather);
        return;
    }
    for (size_t i = 0; i < gather->n; i++) {
        if (gather->nodes[i].working) {
            compare(gather, &gather->nodes[i]);
            compared = true;
        }
    }
    if (!compared) {
        conclude(gather);
    }
}

/* ---- on the loop ---- */

static void advance(struct gather *gather);

static void ran(uv_work_t *work, int status)
{
    struct gather *gather = work->data;
    TURN("audit");

    (void)status; /* never cancelled */
    if (!gather->prepared && gather->failed != NULL && !atomic_load(&gather->stop)) {
        LOG(LOG_ERROR, "audit", "the database cannot be read back", LF_STR("reason", gather->failed));
    }
    gather->working = false;
    gather->prepared = true;
    for (size_t i = 0; i < gather->n; i++) {
        if (gather->nodes[i].working) {
            gather->nodes[i].working = false;
            gather->nodes[i].state = GATHER_COMPARED;
            gather->asked--;
        }
    }
    advance(gather);
}

static void hand_over(struct gather *gather)
{
    gather->working = true;
    CHECK(uv_queue_work(gather->work.loop, &gather->work, run, ran) == 0);
}

static void node_answered(void *user, const struct exec_result *result)
{
    struct gather_node *item = user;
    TURN("audit");

    if (result->code == 0 && result->inventory != NULL) {
        item->inventory = exec_inventory_ref(result->inventory);
        item->state = GATHER_ANSWERED;
    } else {
        item->code = result->code != 0 ? result->code : E_PROTOCOL;
        item->failure = mem_strdup(*result->message != '\0' ? result->message : err_text(item->code));
        item->state = GATHER_COMPARED;
        item->gather->asked--;
    }
    advance(item->gather);
}

static void ask(struct gather *gather, struct gather_node *item)
{
    const struct member *member = gather->member;
    const struct store_node *node = NULL;

    if (member == NULL || member->stopping || member->driver_term != gather->term) {
        item->code = E_NOT_LEADER;
        item->failure = mem_strdup("this member does not lead any more");
    } else if ((node = store_node(member->store, item->node)) == NULL) {
        item->code = E_NOT_FOUND;
        item->failure = mem_strdup("it was removed meanwhile");
    }
    if (node == NULL) {
        item->state = GATHER_COMPARED;
        return;
    }
    item->state = GATHER_ASKED;
    gather->asked++;
    op_driver_inventory(member->driver, node, node_answered, item); /* no answer comes from within */
}

static bool give_to_thread(struct gather *gather)
{
    bool any = false;

    for (size_t i = 0; i < gather->n; i++) {
        gather->nodes[i].working = gather->nodes[i].state == GATHER_ANSWERED;
        any = any || gather->nodes[i].working;
    }
    return any;
}

static void advance(struct gather *gather)
{
    while (gather->next < gather->n && gather->asked < ASKED_AT_ONCE_MAX) {
        ask(gather, &gather->nodes[gather->next++]);
    }
    if (gather->working) {
        return;
    }
    if (gather->concluded) {
        gather->done(gather);
        gather_free(gather);
    } else if (give_to_thread(gather) || (gather->next == gather->n && gather->asked == 0)) {
        hand_over(gather);
    }
}

void gather_run(struct gather *gather)
{
    gather->work.loop = gather->member->loop;
    gather->snapshot = store_snapshot_take(gather->member->store);
    hand_over(gather); /* prepares the copy, while nodes are asked */
    advance(gather);
}

void gather_stop_all(struct member *member)
{
    struct gather *gather;

    TAILQ_FOREACH (gather, &member->audit.gathers, link) {
        atomic_store(&gather->stop, true);
    }
}

void gather_abandon_all(struct member *member)
{
    struct gather *gather;

    gather_stop_all(member);
    while ((gather = TAILQ_FIRST(&member->audit.gathers)) != NULL) {
        TAILQ_REMOVE(&member->audit.gathers, gather, link);
        gather->member = NULL;
    }
}
