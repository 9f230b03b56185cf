/* All that is large is made, compared and freed by a thread; the loop only hands over. A gather has one job of the
 * thread at a time, so that what the thread works on needs no lock: the loop touches only nodes that are not `working`.
 */
#include "daemon/gather.h"

#include <malloc.h>
#include <stdlib.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define ASKED_AT_ONCE_MAX 4   /* nodes whose answers are in memory... */
#define LISTED_MAX 25000      /* ... with so many volumes together, some 600 bytes each: a node lists all of its pool */
#define TRIMMED_LISTED 100000 /* after so many, what threads have freed goes back to the system */
#define DESCRIBED_BYTES_MAX ((size_t)8 << 20)

size_t gather_at_once(size_t volumes)
{
    size_t n = volumes > 0 ? LISTED_MAX / volumes : ASKED_AT_ONCE_MAX;

    return n == 0 ? 1 : n < ASKED_AT_ONCE_MAX ? n : ASKED_AT_ONCE_MAX;
}

struct gather *gather_new(struct member *member)
{
    struct gather *gather = mem_calloc(1, sizeof(*gather));
    const struct store_node *node = NULL;

    gather->member = member;
    gather->work.data = gather;
    gather->term = member->driver_term;
    gather->operations = store_counts(member->store).operations;
    gather->at_once = gather_at_once(store_counts(member->store).volumes);
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
    struct err err = ERR_INIT;

    gather->findings = findings_new();
    findings_confirm_by(gather->findings, gather->earlier);
    if (store_view_new(gather->snapshot, &gather->view, &err) != 0) {
        gather->failed = mem_strdup(err.message);
    } else {
        examine_init(&gather->examine, gather->view, gather->findings);
    }
}

static void describe(struct gather *gather, struct gather_node *item)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    if (examine_node_put(item->node, item->inventory, DESCRIBED_BYTES_MAX - gather->described_bytes, &text)) {
        gather->described_bytes += text.len;
        item->json = buf_take(&text);
    }
}

static void compare(struct gather *gather, struct gather_node *item)
{
    const struct store_node *node = gather->view != NULL ? store_node(store_view_rest(gather->view), item->node) : NULL;

    if (node != NULL && !atomic_load(&gather->stop)) {
        item->names_match = examine_node(&gather->examine, node, item->inventory);
    }
    if (gather->describe && !atomic_load(&gather->stop)) {
        describe(gather, item);
    }
    gather->listed += item->inventory->n_volumes;
    exec_inventory_free_here(TAKE_PTR(item->inventory));
    if (gather->listed >= TRIMMED_LISTED) {
        gather->listed = 0;
        (void)malloc_trim(0);
    }
}

static void conclude(struct gather *gather)
{
    if (gather->failed == NULL && atomic_load(&gather->stop)) {
        gather->failed = mem_strdup("it was stopped");
    }
    if (gather->failed == NULL) {
        examine_end(&gather->examine);
        if (gather->examine.damaged) {
            gather->failed = mem_strdup("a record in memory cannot be read");
        } else if (gather->conclude != NULL) {
            gather->conclude(gather);
        }
    }
    store_view_free(TAKE_PTR(gather->view));
    store_snapshot_free(TAKE_PTR(gather->snapshot));
    (void)malloc_trim(0); /* inventories were made by several threads, whose heaps keep what was freed */
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
static void begin(struct gather *gather, const struct store *store);

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

    if (atomic_load(&gather->stop)) {
        item->code = E_NOT_LEADER;
        item->failure = mem_strdup("it was stopped");
    } else if (member == NULL || member->stopping || member->driver_term != gather->term) {
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

/* Where the database is large, one goes on at a time: each has lists and a view. */
static void begin_waiting(struct member *member)
{
    struct gather *gather, *waiting = NULL;
    bool large = false;

    TAILQ_FOREACH (gather, &member->audit.gathers, link) {
        large = large || (gather->begun && gather->at_once < ASKED_AT_ONCE_MAX);
        waiting = waiting == NULL && !gather->begun ? gather : waiting;
    }
    if (waiting != NULL && !large) {
        begin(waiting, member->store);
    }
}

static void advance(struct gather *gather)
{
    struct member *member;

    while (gather->next < gather->n && gather->asked < gather->at_once) {
        ask(gather, &gather->nodes[gather->next++]);
    }
    if (gather->working) {
        return;
    }
    if (gather->concluded) {
        gather->done(gather);
        member = gather->member;
        gather_free(gather);
        if (member != NULL) {
            begin_waiting(member);
        }
    } else if (give_to_thread(gather) || (gather->next == gather->n && gather->asked == 0)) {
        hand_over(gather);
    }
}

static void begin(struct gather *gather, const struct store *store)
{
    gather->begun = true;
    gather->snapshot = store_snapshot_take(store);
    hand_over(gather); /* prepares the copy, while nodes are asked */
    advance(gather);
}

void gather_run(struct gather *gather)
{
    gather->work.loop = gather->member->loop;
    begin_waiting(gather->member);
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
        if (!gather->begun) {
            begin(gather, member->store); /* finds nobody, and ends */
        }
    }
}
