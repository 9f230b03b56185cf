/* What administrators ask of the cluster of members: handing leadership over. */
#include <stdlib.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

struct admin {
    api_document_cb cb;
    void *user;
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
           json_pack("{s:s, s:s}", "error", status == 503 ? "unavailable" : "refused", "reason", text));
}

/* ---- handing over ---- */

static void handed_over(void *user, uint64_t leader, const char *text)
{
    struct admin *admin = user;

    if (leader != 0) {
        answer(admin->cb, admin->user, 200, json_pack("{s:I}", "leader", (json_int_t)leader));
    } else {
        refuse(admin->cb, admin->user, 409, text);
    }
    free(admin);
}

static void transfer(struct member *member, const json_t *body, api_document_cb cb, void *cb_user)
{
    json_t *value = json_object_get(body, "member");
    json_int_t target = json_integer_value(value);
    struct admin *admin;

    if (value != NULL && (!json_is_integer(value) || target <= 0)) {
        refuse(cb, cb_user, 400, "member: expected the number of a member");
        return;
    }
    if (target == member->cfg->member_id) {
        answer(cb, cb_user, 200, json_pack("{s:I}", "leader", target));
        return;
    }
    admin = mem_calloc(1, sizeof(*admin));
    *admin = (struct admin){cb, cb_user};
    handover_start(member, (uint64_t)target, handed_over, admin);
}

void members_admin(void *user, enum api_admin what, uint64_t id, const json_t *body, api_document_cb cb, void *cb_user)
{
    struct member *member = user;

    (void)id;
    if (!member_serving(member)) {
        refuse(cb, cb_user, 503, "this member is no longer the leader; nothing was changed");
        return;
    }
    switch (what) {
    case API_ADMIN_TRANSFER:
        transfer(member, body, cb, cb_user);
        break;
    }
}
