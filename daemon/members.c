/* What administrators ask of the cluster of members: who they are, changes of them, handing leadership over.
 *
 * A change is one or two entries of the log, one after the other (a member that is replaced is removed, then added). It
 * is proposed until consensus takes it, which may be a moment later, and answered when it is committed. Whoever asks
 * again after a lost answer gets the same result: what is there already is not an error.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

#define POLL_MS 10
#define PATIENCE_MS 8000 /* less than the API's */
#define STEPS_MAX 2

struct admin {
    struct member *member;
    api_document_cb cb;
    void *user;
    TAILQ_ENTRY(admin) link;
    uv_timer_t timer;
    struct cons_change steps[STEPS_MAX];
    size_t n_steps, at;
    bool submitted; /* steps[at] */
    uint64_t term, deadline_ms;
    char address[CONS_TEXT_MAX], note[CONS_TEXT_MAX];
};

static void answer(api_document_cb cb, void *user, int status, json_t *document)
{
    CHECK(document != NULL);
    cb(user, status, document);
    json_decref(document);
}

static void refuse(api_document_cb cb, void *user, int status, const char *text)
{
    answer(cb, user, status,
           json_pack("{s:s, s:o}", "error", status == 503 ? "unavailable" : "refused", "reason", json_text(text)));
}

/* ---- the list ---- */

const char *members_standing(enum cons_standing standing)
{
    static const char *const names[] = {
        [CONS_NONE] = "none", [CONS_SPARE] = "spare", [CONS_STANDBY] = "standby", [CONS_VOTER] = "voter"};

    return names[standing];
}

static json_t *members_list(struct member *member)
{
    json_t *list = json_array();
    struct cons_status status;

    cons_get_status(member->cons, &status);
    for (size_t i = 0; i < status.n_members; i++) {
        const struct cons_member_status *item = &status.members[i];
        bool self = item->id == (uint64_t)member->cfg->member_id;
        uint64_t match = self ? status.last_index : item->match_index;
        json_t *entry = json_pack("{s:I, s:o, s:o, s:s, s:s, s:s, s:b, s:b, s:I}", "id", (json_int_t)item->id, "peer",
                                  json_text(item->address), "api", json_text(item->note), "key", item->key, "role",
                                  members_standing(item->standing), "becomes",
                                  members_standing(item->goal == CONS_NONE ? item->standing : item->goal), "leader",
                                  item->id == status.leader_id, "connected", item->connected || self, "lag",
                                  (json_int_t)(status.last_index > match ? status.last_index - match : 0));

        CHECK(entry != NULL && json_array_append_new(list, entry) == 0);
    }
    return json_pack("{s:o}", "members", list);
}

/* ---- changes ---- */

static void admin_free(uv_handle_t *handle)
{
    free(handle->data);
}

/* text NULL: done. */
static void admin_end(struct admin *admin, int status, const char *text)
{
    TAILQ_REMOVE(&admin->member->admins, admin, link);
    if (text == NULL) {
        answer(admin->cb, admin->user, status, members_list(admin->member));
    } else {
        refuse(admin->cb, admin->user, status, text);
    }
    uv_close((uv_handle_t *)&admin->timer, admin_free);
}

static void look(uv_timer_t *timer)
{
    TURN("change of members");
    struct admin *admin = timer->data;
    struct member *member = admin->member;
    struct err err = ERR_INIT;
    struct cons_status status;
    int rc;

    cons_get_status(member->cons, &status);
    if (status.role != CONS_LEADER || status.term != admin->term) {
        admin_end(admin, 503, "leadership was lost before the change was confirmed; it may still be carried out");
        return;
    }
    if (admin->submitted && !status.changing) {
        admin->submitted = false;
        if (++admin->at == admin->n_steps) {
            admin_end(admin, 200, NULL);
            return;
        }
    }
    if (!admin->submitted) {
        rc = cons_change(member->cons, &admin->steps[admin->at], &err);
        admin->submitted = rc == 0;
        if (rc != 0 && rc != E_BUSY) {
            admin_end(admin, rc == E_INVALID ? 409 : 503, err.message);
            return;
        }
    }
    if (uv_now(member->loop) >= admin->deadline_ms) {
        if (admin->submitted) {
            (void)err_set(&err, E_BUSY, "not confirmed by a majority in time; it may still be carried out");
        }
        admin_end(admin, admin->submitted ? 503 : 409, err.message);
    }
}

void members_stop(struct member *member)
{
    struct admin *admin;

    while ((admin = TAILQ_FIRST(&member->admins)) != NULL) {
        admin_end(admin, 503, "this member is stopping; it may still be carried out");
    }
}

static struct admin *admin_new(struct member *member, api_document_cb cb, void *cb_user)
{
    struct admin *admin = mem_calloc(1, sizeof(*admin));
    struct cons_status status;

    cons_get_status(member->cons, &status);
    admin->member = member;
    admin->cb = cb;
    admin->user = cb_user;
    admin->term = status.term;
    admin->deadline_ms = uv_now(member->loop) + PATIENCE_MS;
    TAILQ_INSERT_TAIL(&member->admins, admin, link);
    CHECK(uv_timer_init(member->loop, &admin->timer) == 0);
    admin->timer.data = admin;
    return admin;
}

static void add_step(struct admin *admin, enum cons_change_kind kind, uint64_t id, enum cons_standing goal)
{
    admin->steps[admin->n_steps++] = (struct cons_change){
        .kind = kind, .peer = {.id = id, .address = admin->address, .note = admin->note}, .goal = goal};
}

static void admin_start(struct admin *admin)
{
    if (admin->n_steps == 0) { /* it is so already */
        admin_end(admin, 200, NULL);
    } else {
        CHECK(uv_timer_start(&admin->timer, look, 0, POLL_MS) == 0);
    }
}

const struct cons_member_status *members_find(const struct cons_status *status, uint64_t id)
{
    for (size_t i = 0; i < status->n_members; i++) {
        if (status->members[i].id == id) {
            return &status->members[i];
        }
    }
    return NULL;
}

/* ---- add, replace, move ---- */

struct wanted {
    json_int_t id;
    const char *peer, *api; /* NULL: as it is */
    bool standby, replace;
};

/* Or none. */
static bool is_address(const char *text)
{
    char host[CONS_TEXT_MAX];
    uint16_t port;

    return text == NULL || (strlen(text) < CONS_TEXT_MAX && cfg_split_address(text, host, sizeof(host), &port));
}

/* NULL, or what is wrong. */
static const char *parse(const json_t *body, struct wanted *ret)
{
    int standby = 0, replace = 0;

    memset(ret, 0, sizeof(*ret));
    if (json_unpack((json_t *)(uintptr_t)body, "{s:I, s?s, s?s, s?b, s?b!}", "member", &ret->id, "peer", &ret->peer,
                    "api", &ret->api, "standby", &standby, "replace", &replace) != 0 ||
        ret->id <= 0) {
        return "expected {\"member\": NUMBER, \"peer\": \"HOST:PORT\", \"api\": \"HOST:PORT\"}, and perhaps "
               "\"standby\" and \"replace\": true or false";
    }
    ret->standby = standby != 0;
    ret->replace = replace != 0;
    if (!is_address(ret->peer) || !is_address(ret->api)) {
        return "peer, api: expected HOST:PORT";
    }
    return NULL;
}

static void set_place(struct admin *admin, const struct wanted *wanted, const struct cons_member_status *item)
{
    const char *peer = wanted->peer != NULL ? wanted->peer : item->address;
    const char *api = wanted->api != NULL ? wanted->api : item->note;

    text_put(admin->address, sizeof(admin->address), peer);
    text_put(admin->note, sizeof(admin->note), api);
}

static void add(struct member *member, const json_t *body, api_document_cb cb, void *cb_user)
{
    const struct cons_member_status *item;
    struct cons_status status;
    struct wanted wanted;
    const char *wrong = parse(body, &wanted);
    enum cons_standing goal;
    struct admin *admin;

    if (wrong != NULL) {
        refuse(cb, cb_user, 400, wrong);
        return;
    }
    cons_get_status(member->cons, &status);
    item = members_find(&status, (uint64_t)wanted.id);
    if (item == NULL && (wanted.peer == NULL || wanted.api == NULL)) {
        refuse(cb, cb_user, wanted.replace ? 404 : 400,
               "it is not a member: to add it, its addresses must be given (peer and api)");
        return;
    }
    goal = wanted.standby ? CONS_STANDBY : CONS_VOTER;
    admin = admin_new(member, cb, cb_user);
    set_place(admin, &wanted, item);
    if (item != NULL && wanted.replace && item->standing != CONS_SPARE) { /* a spare has had nothing yet */
        add_step(admin, CONS_REMOVE, item->id, goal);
        add_step(admin, CONS_ADD, item->id, goal);
    } else if (item == NULL) {
        add_step(admin, CONS_ADD, (uint64_t)wanted.id, goal);
    } else if (strcmp(item->address, admin->address) != 0 || strcmp(item->note, admin->note) != 0) {
        add_step(admin, CONS_MOVE, item->id, goal);
    }
    admin_start(admin);
}

static void remove_member(struct member *member, uint64_t id, api_document_cb cb, void *cb_user)
{
    struct admin *admin = admin_new(member, cb, cb_user);
    struct cons_status status;

    cons_get_status(member->cons, &status);
    if (members_find(&status, id) != NULL) {
        add_step(admin, CONS_REMOVE, id, CONS_NONE);
    }
    admin_start(admin);
}

/* A change of a member that there is: refuses, and returns NULL, if there is none. *ret_item is in *ret_status. */
static struct admin *admin_of(struct member *member, uint64_t id, struct cons_status *ret_status,
                              const struct cons_member_status **ret_item, api_document_cb cb, void *cb_user)
{
    cons_get_status(member->cons, ret_status);
    *ret_item = members_find(ret_status, id);
    if (*ret_item == NULL) {
        refuse(cb, cb_user, 404, "no such member");
        return NULL;
    }
    return admin_new(member, cb, cb_user);
}

static void promote(struct member *member, uint64_t id, api_document_cb cb, void *cb_user)
{
    const struct cons_member_status *item;
    struct cons_status status;
    struct admin *admin = admin_of(member, id, &status, &item, cb, cb_user);

    if (admin == NULL) {
        return;
    }
    if (item->standing != CONS_VOTER && item->goal != CONS_VOTER) {
        add_step(admin, CONS_AIM, id, CONS_VOTER);
    }
    admin_start(admin);
}

/* The next key that its connections show is taken (keys.c). */
static void renew(struct member *member, uint64_t id, api_document_cb cb, void *cb_user)
{
    const struct cons_member_status *item;
    struct cons_status status;
    struct admin *admin = admin_of(member, id, &status, &item, cb, cb_user);

    if (admin == NULL) {
        return;
    }
    if (item->key[0] != '\0') {
        add_step(admin, CONS_KEY, id, CONS_NONE);
    }
    admin_start(admin);
}

/* ---- handing over ---- */

struct order {
    api_document_cb cb;
    void *user;
};

static void handed_over(void *user, uint64_t leader, const char *text)
{
    struct order *order = user;

    if (leader != 0) {
        answer(order->cb, order->user, 200, json_pack("{s:I}", "leader", (json_int_t)leader));
    } else {
        refuse(order->cb, order->user, 409, text);
    }
    free(order);
}

static void transfer(struct member *member, const json_t *body, api_document_cb cb, void *cb_user)
{
    json_t *value = json_object_get(body, "member");
    json_int_t target = json_integer_value(value);
    json_int_t from = json_integer_value(json_object_get(body, "from"));
    struct order *order;

    if (value != NULL && (!json_is_integer(value) || target <= 0)) {
        refuse(cb, cb_user, 400, "member: expected the number of a member");
        return;
    }
    /* A follower repeats what it has forwarded when the leader is another one: it must not be done twice. */
    if (target == member->cfg->member_id || (from > 0 && from != member->cfg->member_id)) {
        answer(cb, cb_user, 200, json_pack("{s:I}", "leader", (json_int_t)member->cfg->member_id));
        return;
    }
    order = mem_calloc(1, sizeof(*order));
    *order = (struct order){cb, cb_user};
    handover_start(member, (uint64_t)target, handed_over, order);
}

void members_admin(void *user, enum api_admin what, uint64_t id, const json_t *body, api_document_cb cb, void *cb_user)
{
    struct member *member = user;

    if (!member_serving(member)) {
        refuse(cb, cb_user, 503, "this member is no longer the leader; nothing was changed");
        return;
    }
    switch (what) {
    case API_ADMIN_TRANSFER:
        transfer(member, body, cb, cb_user);
        break;
    case API_ADMIN_MEMBERS:
        answer(cb, cb_user, 200, members_list(member));
        break;
    case API_ADMIN_MEMBER_ADD:
        add(member, body, cb, cb_user);
        break;
    case API_ADMIN_MEMBER_REMOVE:
        remove_member(member, id, cb, cb_user);
        break;
    case API_ADMIN_MEMBER_PROMOTE:
        promote(member, id, cb, cb_user);
        break;
    case API_ADMIN_MEMBER_RENEW:
        renew(member, id, cb, cb_user);
        break;
    case API_ADMIN_UPGRADE:
        answer(cb, cb_user, 200, upgrade_document(member));
        break;
    case API_ADMIN_UPGRADE_HOLD:
    case API_ADMIN_UPGRADE_FINALIZE:
        upgrade_hold(member, what == API_ADMIN_UPGRADE_HOLD, cb, cb_user);
        break;
    }
}
