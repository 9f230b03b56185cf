#include "tests/unit/api/fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/unit/api/token.h"

/* ---- backend ---- */

static void make_random(void *user, void *data, size_t len)
{
    struct fixture_member *member = user;
    uint64_t n = ++*member->ids * UINT64_C(0x9e3779b97f4a7c15);

    memset(data, 0x5a, len);
    memcpy(data, &n, len < sizeof(n) ? len : sizeof(n));
}

static void apply(struct fixture_member *member, struct store_cmd *cmd, struct store_result *ret_result)
{
    store_apply(member->store, ++*member->index, cmd, ret_result);
}

static void end_operation(struct fixture_member *member, struct id op_id)
{
    const struct store_operation *op = store_operation(member->store, op_id);
    struct store_result result;
    struct store_cmd cmd;

    if (op == NULL) {
        return;
    }
    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.time_ms = 1700000000000;
    if (op->type == STORE_OP_DEVICE_ADD || op->type == STORE_OP_DEVICE_RESYNC) {
        cmd.device.id = op->target;
        cmd.device.total_kib = member->large ? 524288000000 : 524288000;
        cmd.device.extent_kib = 4096;
    }
    if (op->type == STORE_OP_CREATE_BLOCK) {
        free(cmd.block.iqn);
        cmd.block.iqn = mem_strdup("iqn.x");
        free(cmd.block.user);
        cmd.block.user = mem_strdup("u-5f3a");
        free(cmd.block.password);
        cmd.block.password = mem_strdup("p-91d2");
        store_strs_add(&cmd.block.hosts, "h2");
        store_strs_add(&cmd.block.hosts, "h1");
    }
    apply(member, &cmd, &result);
    if (result.code != STORE_OK) {
        fail_msg("the end of %s: %s", store_op_type_name(op->type), result.text);
    }
    store_cmd_fini(&cmd);
}

static void answer_submit(api_submit_cb cb, void *cb_user, const struct store_result *result, bool job)
{
    const struct api_submit_result answer = {
        .kind = result->code != STORE_OK && result->code != STORE_REPEATED ? API_REFUSED
                : job                                                      ? API_ACCEPTED
                                                                           : API_DONE,
        .id = result->id,
        .op_id = result->op_id,
        .code = result->code,
        .text = result->text,
    };

    cb(cb_user, &answer);
}

static bool is_job(enum store_request_type type)
{
    return type != STORE_REQ_CLUSTER_CREATE && type != STORE_REQ_CLUSTER_FLAGS && type != STORE_REQ_CLUSTER_DELETE &&
           type != STORE_REQ_NODE_TAGS && type != STORE_REQ_DEVICE_TAGS && type != STORE_REQ_MODE &&
           type != STORE_REQ_LOG_LEVEL && type != STORE_REQ_TOLD;
}

static enum store_code backend_plan(void *user, const struct store_request *request, struct store_reasons *reasons,
                                    struct store_cmd *ret_cmd, struct store_result *ret_result)
{
    struct fixture_member *member = user;
    struct store_plan_env env;

    store_plan_env_init(&env);
    env.user = member;
    env.random = make_random;
    env.now_ms = 1700000000000;
    env.reasons = reasons;
    env.volumes_per_cluster_max = member->large ? -1 : env.volumes_per_cluster_max;
    return store_plan(member->store, request, &env, ret_cmd, ret_result);
}

static void carry_out(struct fixture_member *member, const struct store_request *request, struct store_result *result)
{
    struct store_cmd cmd;
    enum store_code code = backend_plan(member, request, NULL, &cmd, result);

    if (code == STORE_OK) {
        apply(member, &cmd, result);
        store_cmd_fini(&cmd);
        if (result->code == STORE_OK && member->ends) {
            end_operation(member, result->op_id);
        }
    }
}

static void backend_submit(void *user, const struct store_request *request, api_submit_cb cb, void *cb_user)
{
    struct fixture_member *member = user;
    struct store_result result;
    enum fixture_submit mode = member->mode;

    member->submits++;
    if (member->once) {
        member->mode = FIXTURE_APPLY;
    }
    switch (mode) {
    case FIXTURE_APPLY:
        carry_out(member, request, &result);
        answer_submit(cb, cb_user, &result, is_job(request->type));
        break;
    case FIXTURE_HOLD:
        CHECK(member->n_held < FIXTURE_HELD_MAX);
        member->held[member->n_held].cb = cb;
        member->held[member->n_held].cb_user = cb_user;
        store_request_copy(&member->held[member->n_held++].request, request);
        break;
    case FIXTURE_IN_DOUBT:
        carry_out(member, request, &result);
        cb(cb_user, &(struct api_submit_result){.kind = API_UNAVAILABLE, .text = "in doubt"});
        break;
    case FIXTURE_UNTOUCHED:
        cb(cb_user, &(struct api_submit_result){.kind = API_UNAVAILABLE, .text = "untouched", .untouched = true});
        break;
    }
}

void fixture_release(struct fixture_member *member)
{
    member->mode = FIXTURE_APPLY;
    for (size_t i = 0; i < member->n_held; i++) {
        struct fixture_held *held = &member->held[i];
        struct store_result result;

        carry_out(member, &held->request, &result);
        answer_submit(held->cb, held->cb_user, &result, is_job(held->request.type));
        store_request_fini(&held->request);
    }
    member->n_held = 0;
}

static bool backend_serving(void *user)
{
    return ((struct fixture_member *)user)->serving;
}

static bool backend_is_member(void *user, const struct sockaddr *address)
{
    (void)address;
    return ((struct fixture_member *)user)->from_members;
}

static bool backend_leader(void *user, struct api_leader *ret_leader)
{
    struct fixture_member *member = user;

    if (member->leader == NULL && member->leader_port == 0) {
        return false;
    }
    memset(ret_leader, 0, sizeof(*ret_leader));
    (void)snprintf(ret_leader->host, sizeof(ret_leader->host), "127.0.0.1");
    ret_leader->port = member->leader_port != 0 ? member->leader_port : api_server_port(member->leader->server);
    ret_leader->tls = member->leader != NULL && member->leader->config.tls;
    return true;
}

static const struct store *backend_store(void *user)
{
    return ((struct fixture_member *)user)->store;
}

static json_t *backend_status(void *user)
{
    struct fixture_member *member = user;

    member->n_status++;
    if (member->making != NULL) {
        member->making();
    }
    return json_pack("{s:s}", "health", "ok");
}

static json_t *backend_steps(void *user, struct id op_id, size_t max, size_t *ret_n)
{
    (void)user;
    (void)op_id;
    (void)max;
    *ret_n = 1;
    return json_pack("[{s:s}]", "step", "make bricks");
}

static void backend_metrics(void *user, struct buf *buf)
{
    struct fixture_member *member = user;

    member->n_metrics++;
    if (member->making != NULL) {
        member->making();
    }
    buf_append_str(buf, "hecate_of_the_member 1\n");
}

static struct id backend_generation(void *user)
{
    (void)user;
    return (struct id){{[0] = 0xab}};
}

static void backend_admin(void *user, enum api_admin what, uint64_t id, const json_t *body, api_document_cb cb,
                          void *cb_user)
{
    json_t *document = json_pack("{s:i, s:I, s:O?}", "what", (int)what, "member", (json_int_t)id, "body", body);

    (void)user;
    cb(cb_user, 200, document);
    json_decref(document);
}

static void backend_import(void *user, char *dump, size_t len, api_document_cb cb, void *cb_user)
{
    json_t *report = json_pack("{s:b, s:I}", "ok", true, "len", (json_int_t)len);

    (void)user;
    if (memchr(dump, 'x', len) != NULL) { /* all of it is read */
        json_object_set_new(report, "has_x", json_true());
    }
    free(dump);
    cb(cb_user, 200, report);
    json_decref(report);
}

static void backend_examine(void *user, api_text_cb cb, void *cb_user)
{
    struct fixture_member *member = user;

    member->n_examined++;
    if (member->holds_examine) {
        member->examine_cb = cb;
        member->examine_user = cb_user;
        return;
    }
    cb(cb_user, 200, mem_strdup("{\"report\":[\"a, \\\"b\\\"\"],\"clusters\":null}"));
}

static void backend_examine_forget(void *user, void *cb_user)
{
    struct fixture_member *member = user;

    if (cb_user == member->examine_user) { /* the last one that asked */
        member->examine_cb = NULL;
    }
    member->n_forgotten++;
}

static const char *backend_blocked(void *user)
{
    return ((const struct fixture_member *)user)->blocked;
}

/* ---- members ---- */

void fixture_init(struct fixture *fixture, bool auth)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does: h2o writes to sockets that may be closed */
    memset(fixture, 0, sizeof(*fixture));
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->store = store_new();
    for (size_t i = 0; i < 2; i++) {
        struct fixture_member *member = &fixture->members[i];

        member->loop = &fixture->loop;
        member->store = fixture->store;
        member->index = &fixture->index;
        member->ids = &fixture->ids;
        member->ends = true;
        member->config = (struct api_config){
            .listen_host = "127.0.0.1",
            .auth = auth,
            .admin_key = ADMIN_KEY,
            .user_key = USER_KEY,
            .iat_leeway_s = 120,
            .brick_min_kib = STORE_KIB_PER_GIB,
            .body_max_bytes = 1 << 20,
            .import_max_bytes = 8 << 20,
            .connections_max = 100,
            .request_timeout_ms = 10000,
            .member_id = i + 1,
        };
    }
}

void fixture_start(struct fixture *fixture, size_t i)
{
    struct fixture_member *member = &fixture->members[i];
    const struct api_backend backend = {
        .user = member,
        .serving = backend_serving,
        .leader = backend_leader,
        .is_member = backend_is_member,
        .store = backend_store,
        .submit = backend_submit,
        .plan = backend_plan,
        .status = backend_status,
        .operation_steps = backend_steps,
        .metrics = backend_metrics,
        .generation = backend_generation,
        .import = backend_import,
        .examine = backend_examine,
        .examine_forget = backend_examine_forget,
        .admin = backend_admin,
        .blocked = backend_blocked,
    };
    struct err err = ERR_INIT;

    if (api_server_start(&fixture->loop, &member->config, &backend, &member->server, &err) != 0) {
        fail_msg("%s", err.message);
    }
    member->closed = false;
}

void fixture_lead(struct fixture *fixture, int leader)
{
    for (int i = 0; i < 2; i++) {
        fixture->members[i].serving = i == leader;
        fixture->members[i].leader = leader >= 0 && leader != i ? &fixture->members[leader] : NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (fixture->members[i].server != NULL) {
            api_server_changed(fixture->members[i].server);
        }
    }
}

static void server_closed(void *user)
{
    ((struct fixture_member *)user)->closed = true;
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

void fixture_close_begin(struct fixture *fixture, size_t i)
{
    struct fixture_member *member = &fixture->members[i];

    api_server_close(member->server, server_closed, member);
    member->server = NULL;
}

void fixture_close_end(struct fixture *fixture, size_t i)
{
    uint64_t deadline_ms = now_ms() + 15000;

    while (!fixture->members[i].closed) {
        fixture_run_once(fixture);
        if (now_ms() > deadline_ms) {
            fail_msg("the server does not close");
        }
    }
}

void fixture_close(struct fixture *fixture, size_t i)
{
    if (fixture->members[i].server != NULL) {
        fixture_close_begin(fixture, i);
        fixture_close_end(fixture, i);
    }
}

void fixture_fini(struct fixture *fixture)
{
    struct err err = ERR_INIT;

    for (size_t i = 0; i < 2; i++) {
        struct fixture_member *member = &fixture->members[i];

        fixture_close(fixture, i);
        for (size_t j = 0; j < member->n_held; j++) { /* fires into a server that is gone */
            member->held[j].cb(member->held[j].cb_user,
                               &(struct api_submit_result){.kind = API_UNAVAILABLE, .text = "late"});
            store_request_fini(&member->held[j].request);
        }
    }
    assert_int_equal(store_check(fixture->store, &err), 0);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    store_free(fixture->store);
}

void fixture_add_clusters(struct fixture *fixture, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct store_request request;
        struct store_result result;

        store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
        carry_out(&fixture->members[0], &request, &result);
        assert_int_equal(result.code, STORE_OK);
        store_request_fini(&request);
    }
}

static struct id large_topology(struct fixture *fixture)
{
    struct id cluster;

    fixture->members[0].large = true;
    assert_true(id_parse(make_topology(fixture, 0), ID_TEXT_LEN, &cluster));
    return cluster;
}

static void create_volumes(struct fixture *fixture, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct store_request request;
        struct store_result result;

        store_request_init(&request, STORE_REQ_VOLUME_CREATE);
        request.volume.size_gib = 1;
        request.volume.durability = STORE_REPLICATE;
        request.volume.replica = 3;
        carry_out(&fixture->members[0], &request, &result);
        assert_int_equal(result.code, STORE_OK);
        store_request_fini(&request);
    }
}

struct id fixture_add_volumes(struct fixture *fixture, size_t n)
{
    struct id cluster = large_topology(fixture);

    create_volumes(fixture, n);
    return cluster;
}

struct id fixture_begin_volumes(struct fixture *fixture, size_t n)
{
    struct id cluster = large_topology(fixture);

    for (size_t i = 0; i < 2; i++) {
        fixture->members[i].ends = false;
    }
    create_volumes(fixture, n);
    return cluster;
}

void fixture_level(struct fixture *fixture, uint32_t level)
{
    struct store_result result;
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = level;
    apply(&fixture->members[0], &cmd, &result);
    assert_int_equal(result.code, STORE_OK);
    store_cmd_fini(&cmd);
}

static struct id add_ended(struct fixture_member *member, struct store_request *request)
{
    struct store_result result;

    carry_out(member, request, &result);
    assert_int_equal(result.code, STORE_OK);
    end_operation(member, result.op_id);
    store_request_fini(request);
    return result.id;
}

struct id fixture_add_blocks(struct fixture *fixture, size_t n)
{
    struct fixture_member *member = &fixture->members[0];
    struct store_request request;
    struct id hosting;

    member->large = true;
    (void)make_topology(fixture, 0);
    store_request_init(&request, STORE_REQ_VOLUME_CREATE);
    request.volume.size_gib = (uint32_t)n * 2;
    request.volume.block = true;
    request.volume.durability = STORE_REPLICATE;
    request.volume.replica = 3;
    hosting = add_ended(member, &request);
    for (size_t i = 0; i < n; i++) {
        store_request_init(&request, STORE_REQ_BLOCK_CREATE);
        request.block_volume.size_gib = 1;
        (void)add_ended(member, &request);
    }
    return hosting;
}

struct store_digest fixture_digest(const struct fixture *fixture)
{
    return store_digest(fixture->store);
}
