/* Wiring: the store behind the log, the operation driver on the leader, the API in front.
 *
 * The driver runs while this member leads: it is started when the member begins to serve in a new term and stopped when
 * leadership or the term is lost. A lease that lapses for a moment stops nothing; it only delays the next step, since
 * the driver asks before each one.
 */
#include "daemon/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/event.h"
#include "daemon/executor/mock.h"
#include "daemon/gather.h"
#include "daemon/import.h"
#include "daemon/member_priv.h"
#include "daemon/notify.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

void member_random(void *user, void *data, size_t len)
{
    (void)user;
    CHECK(len <= 256 && getrandom(data, len, 0) == (ssize_t)len); /* up to 256 bytes are never cut short */
}

bool member_serving(struct member *member)
{
    return !member->failed && cons_serving(member->cons);
}

void member_failed(struct member *member, const char *message, bool lasting)
{
    if (!member->failed) {
        member->failed = true;
        member->failed_cb(member->failed_user, message, lasting);
    }
}

/* ---- proposals ---- */

struct proposal {
    struct member *member;
    uint64_t begin_ns;
    member_propose_cb cb;
    void *user;
    int status;
    uv_idle_t idle; /* answers a refused proposal from the loop */
};

static void proposal_applied(void *user, int status, uint64_t index, const void *result)
{
    struct proposal *proposal = user;

    (void)index;
    if (status == 0) {
        metrics_time(&proposal->member->metrics.commit, (uv_hrtime() - proposal->begin_ns) / 1000);
    }
    proposal->cb(proposal->user, status, result);
    free(proposal);
}

static void proposal_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void proposal_refused(uv_idle_t *idle)
{
    TURN("proposal");
    struct proposal *proposal = idle->data;

    uv_idle_stop(idle);
    proposal->cb(proposal->user, proposal->status, NULL);
    uv_close((uv_handle_t *)idle, proposal_free);
}

void member_propose(struct member *member, const struct store_cmd *cmd, member_propose_cb cb, void *user)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct proposal *proposal = mem_calloc(1, sizeof(*proposal));

    proposal->member = member;
    proposal->begin_ns = uv_hrtime();
    proposal->cb = cb;
    proposal->user = user;
    store_cmd_encode(cmd, &buf);
    proposal->status = cons_propose(member->cons, buf.data, buf.len, proposal_applied, proposal);
    if (proposal->status == E_INVALID && buf.len > CONS_COMMAND_MAX) {
        LOG(LOG_ERROR, "member", "a command is not proposed: it is too large for an entry of the log",
            LF_U64("type", (uint64_t)cmd->type), LF_U64("bytes", buf.len), LF_U64("most", CONS_COMMAND_MAX));
    }
    if (proposal->status != 0) {
        CHECK(uv_idle_init(member->loop, &proposal->idle) == 0);
        proposal->idle.data = proposal;
        CHECK(uv_idle_start(&proposal->idle, proposal_refused) == 0);
    }
}

/* ---- what the operation driver asks for ---- */

static const struct store *env_store(void *user)
{
    return ((struct member *)user)->store;
}

/* While leadership is handed over no step is begun that the successor would have to wait for. */
static bool env_serving(void *user)
{
    struct member *member = user;

    return member->handover.state == HANDOVER_NONE && member_serving(member);
}

static uint64_t env_term(void *user)
{
    return ((struct member *)user)->driver_term;
}

static int64_t env_now_ms(void *user)
{
    return member_time_ms(user);
}

static void env_propose(void *user, const struct store_cmd *cmd, op_propose_cb cb, void *cb_user)
{
    member_propose(user, cmd, cb, cb_user);
}

static bool env_node_down(void *user, struct id node)
{
    struct member *member = user;

    return op_driver_node_down(member->driver, node);
}

static bool env_asked(void *user, struct id op_id)
{
    struct member *member = user;

    return asked_lately(member->asked, op_id, (int64_t)uv_now(member->loop));
}

void member_plan_env(struct member *member, struct store_plan_env *ret_env)
{
    const struct cfg *cfg = member->cfg;

    store_plan_env_init(ret_env);
    ret_env->user = member;
    ret_env->random = member_random;
    ret_env->node_down = env_node_down;
    ret_env->asked = env_asked;
    ret_env->now_ms = member_time_ms(member);
    ret_env->brick_min_kib = (uint64_t)cfg->brick_min_gib * STORE_KIB_PER_GIB;
    ret_env->brick_max_kib = (uint64_t)cfg->brick_max_gib * STORE_KIB_PER_GIB;
    ret_env->bricks_per_volume_max = (uint32_t)cfg->bricks_per_volume_max;
    if (cfg->volumes_per_cluster_max != 0) {
        ret_env->volumes_per_cluster_max = cfg->volumes_per_cluster_max;
    }
    ret_env->average_file_size_kib = (uint32_t)cfg->average_file_size_kib;
    ret_env->zone_strict = strcmp(cfg->zone_checking, "strict") == 0;
    ret_env->pre_options = cfg->pre_options;
    ret_env->post_options = cfg->post_options;
    ret_env->block_options = cfg->block_options;
    ret_env->oldest_client = cfg->oldest_client;
    ret_env->block_auto = cfg->block_auto;
    if (cfg->block_size_gib != 0) {
        ret_env->block_size_gib = (uint32_t)cfg->block_size_gib;
    }
}

static void env_step_ended(void *user, enum exec_step_kind kind, int code, uint64_t ms)
{
    metrics_step(&((struct member *)user)->metrics, kind, code, ms);
}

static void env_plan_env(void *user, struct store_plan_env *ret_env)
{
    member_plan_env(user, ret_env);
}

/* ---- roles ---- */

static void log_role(const struct cons_status *status)
{
    static const char *const names[] = {"follower", "candidate", "leader"};
    char state[96];

    (void)snprintf(state, sizeof(state), "STATUS=%s%s, term %lu", names[status->role],
                   status->serving ? ", serving" : "", (unsigned long)status->term);
    notify_state(state);
    LOG(LOG_INFO, "raft", "role", LF_STR("role", names[status->role]), LF_U64("term", status->term),
        LF_U64("leader", status->leader_id), LF_STR("serving", status->serving ? "yes" : "no"),
        LF_U64("applied", status->applied_index));
}

static void cons_changed(void *user)
{
    struct member *member = user;
    struct cons_status status;

    if (member->cons == NULL || member->failed) {
        return; /* still inside cons_start */
    }
    cons_get_status(member->cons, &status);
    log_role(&status);
    event_role(member, &status);
    member_keep_replicas(member, &status);
    if (member->driver_term != 0 && (status.role != CONS_LEADER || status.term != member->driver_term)) {
        member->driver_term = 0;
        audit_stop(member);
        op_driver_stop(member->driver);
    }
    if (status.serving && member->driver_term == 0 && !member->stopping) {
        member->driver_term = status.term;
        member->pace.begun = false; /* others have led meanwhile */
        asked_begin(member->asked, (int64_t)uv_now(member->loop));
        op_driver_start(member->driver);
        audit_start(member);
        load_serving(member);
    }
    if (member->api != NULL) {
        api_server_changed(member->api);
    }
    member_tell(member);
}

static void cons_failed(void *user, const char *message)
{
    member_failed(user, message, false);
}

/* ---- start ---- */

static int start_consensus(struct member *member, struct err *reterr)
{
    const struct cfg *cfg = member->cfg;
    struct cons_peer peers[CFG_PEERS_MAX];
    struct cons_config config = {
        .member_id = (uint64_t)cfg->member_id,
        .data_dir = cfg->data_dir,
        .listen = cfg_self(cfg)->peer,
        .peers = peers,
        .n_peers = cfg->n_peers,
        .tls_off = cfg->plain,
        .election_timeout_ms = (uint32_t)cfg->election_timeout_ms,
        .lease_ms = (uint32_t)cfg->lease_ms,
        .heartbeat_ms = (uint32_t)cfg->heartbeat_ms,
        .trust_new_keys = cfg->trust_new_keys,
        .lease_kept = member->keeper != NULL,
        .snapshot_threshold = (uint32_t)cfg->snapshot_entries,
    };
    const struct cons_fsm fsm = member_machine(member);
    const struct cons_events events = {
        .user = member, .changed = cons_changed, .lease = member_lease, .told = member_told, .failed = cons_failed};

    for (size_t i = 0; i < cfg->n_peers; i++) {
        peers[i] = (struct cons_peer){
            .id = (uint64_t)cfg->peers[i].id, .address = cfg->peers[i].peer, .note = cfg->peers[i].api};
    }
    if (!cfg->plain) {
        config.tls_ca_file = cfg->tls_ca;
        config.tls_cert_file = cfg->tls_cert;
        config.tls_key_file = cfg->tls_key;
    }
    if (mkdir(cfg->data_dir, 0700) != 0 && errno != EEXIST) {
        return err_set(reterr, E_IO, "cluster.data_dir: cannot make %s: %s", cfg->data_dir, strerror(errno));
    }
    return cons_start(member->loop, &config, &fsm, &events, &member->cons, reterr);
}

static int start_executor(struct member *member, struct err *reterr)
{
    const struct cfg *cfg = member->cfg;
    CLEANUP(free_ptr) char *known_hosts = mem_printf("%s/known_hosts", cfg->data_dir);
    struct exec_config config;

    cfg_exec(cfg, &config);
    config.keyfile = cfg->ssh_keyfile;
    config.user = cfg->ssh_user;
    config.port = (uint16_t)strtoul(cfg->ssh_port, NULL, 10);
    config.known_hosts = *cfg->ssh_known_hosts != '\0' ? cfg->ssh_known_hosts : known_hosts;
    config.trust_first_use = cfg->ssh_trust_first_use;
    config.sudo = cfg->ssh_sudo;
    config.backup_lvm_metadata = cfg->ssh_backup_lvm_metadata;
    config.xfs_sw = (uint32_t)cfg->ssh_xfs_sw;
    config.xfs_su = (uint32_t)cfg->ssh_xfs_su;
    config.gluster_timeout_s = (uint32_t)cfg->ssh_gluster_timeout_s;
    config.connect_timeout_ms = (uint32_t)cfg->ssh_connect_timeout_ms;
    config.mock_device_kib = (uint64_t)cfg->mock_device_size_gib * STORE_KIB_PER_GIB;
    config.mock_devices_once = cfg->mock_devices_once;
    config.mock_faults = cfg->mock_faults;
    config.mock_faults_file = cfg->mock_faults_file;
    if (strcmp(cfg->executor, "mock") == 0) {
        member->executor = exec_mock_new(member->loop, &config, reterr);
        if (member->executor != NULL) {
            exec_mock_follow(member->executor, env_store, member);
        }
    } else {
        member->executor = exec_ssh_new(member->loop, &config, reterr);
    }
    return member->executor != NULL ? 0 : reterr->code;
}

/* As of the start: a limit that is raised later counts from the next one on. */
static size_t files_max(void)
{
    struct rlimit files;

    return getrlimit(RLIMIT_NOFILE, &files) == 0 ? (size_t)files.rlim_cur : 0;
}

static int start_api(struct member *member, struct err *reterr)
{
    const struct cfg *cfg = member->cfg;
    const struct api_config config = {
        .listen_host = "::",
        .port = (uint16_t)strtoul(cfg->port, NULL, 10),
        .tls = cfg->enable_tls,
        .cert_file = cfg->cert_file,
        .key_file = cfg->key_file,
        .auth = cfg->auth,
        .admin_key = cfg->admin_key,
        .user_key = cfg->user_key,
        .iat_leeway_s = (uint32_t)cfg->iat_leeway_s,
        .brick_min_kib = (uint64_t)cfg->brick_min_gib * STORE_KIB_PER_GIB,
        .default_mode = cfg_default_mode(cfg),
        .max_inflight = (uint32_t)cfg->max_inflight_operations,
        .body_max_bytes = 1 << 20,
        .import_max_bytes = IMPORT_BYTES_MAX,
        .connections_max = api_connections_max(files_max()),
        .request_timeout_ms = 10000,
        .forward_ca_file = cfg->enable_tls ? cfg->api_ca : NULL,
        .member_id = (uint64_t)cfg->member_id,
    };
    const struct api_backend backend = {
        .user = member,
        .serving = backend_serving,
        .leader = backend_leader,
        .is_member = backend_is_member,
        .store = backend_store,
        .submit = backend_submit,
        .asked = backend_asked,
        .plan = backend_plan,
        .status = status_document,
        .operation_steps = status_operation_steps,
        .metrics = member_metrics,
        .generation = backend_generation,
        .import = load_import,
        .blocked = backend_blocked,
        .admin = members_admin,
        .examine = audit_examine,
        .examine_forget = audit_examine_forget,
    };

    return api_server_start(member->loop, &config, &backend, &member->api, reterr);
}

static void start_timers(struct member *member)
{
    member_expire_start(member);
    handover_init(member);
    member_tell_start(member);
    member_lag_start(member);
    CHECK(uv_timer_init(member->loop, &member->audit_timer) == 0);
    member->audit_timer.data = member;
}

int member_start(uv_loop_t *loop, const struct cfg *cfg, struct keeper *keeper,
                 void (*failed_cb)(void *user, const char *message, bool lasting), void *user,
                 struct member **ret_member, struct err *reterr)
{
    const struct op_driver_env env = {
        .store = env_store,
        .serving = env_serving,
        .term = env_term,
        .managers = backend_generation,
        .now_ms = env_now_ms,
        .random = member_random,
        .propose = env_propose,
        .plan_env = env_plan_env,
        .step_ended = env_step_ended,
        .no_rebalance = !cfg->ssh_rebalance,
        .replans_max = cfg->volume_create_retries > 0 ? (uint32_t)cfg->volume_create_retries : 0,
        .snapshot_limit = (uint32_t)cfg->ssh_snapshot_limit,
    };
    struct member *member = mem_calloc(1, sizeof(*member));
    struct op_driver_env driver_env = env;
    int rc;

    member->magic = MEMBER_MAGIC;
    member->loop = loop;
    member->cfg = cfg;
    member->failed_cb = failed_cb;
    member->failed_user = user;
    member->store = store_new();
    member->replicas = replicas_new();
    member->asked = asked_new();
    TAILQ_INIT(&member->admins);
    audit_init(member);
    driver_env.user = member;
    if (keeper != NULL) {
        member_address_start(member, keeper);
    }
    rc = start_executor(member, reterr);
    if (rc == 0) {
        member->driver = op_driver_new(loop, member->executor, &driver_env);
        rc = start_consensus(member, reterr);
    }
    if (rc == 0) {
        start_timers(member);
        certificates_stamp(member);
        rc = start_api(member, reterr);
    }
    if (rc == 0) {
        api_server_events_since(member->api, store_applied_index(member->store));
    }
    if (rc != 0) {
        return rc; /* the process ends: the caller prints the error and exits, nothing has been promised to anyone */
    }
    *ret_member = member;
    return 0;
}

/* ---- stop: hand over, close from the top down ---- */

static void stop_done(uv_handle_t *handle)
{
    struct member *member = handle->data;
    void (*closed_cb)(void *user) = member->closed_cb;
    void *closed_user = member->closed_user;

    load_abandon(member);
    audit_abandon(member);
    if (!member->leaves_state) {
        store_free(member->store);
    }
    replicas_free(member->replicas);
    asked_free(member->asked);
    free(member);
    closed_cb(closed_user);
}

static void stop_handover_timer(uv_handle_t *handle)
{
    struct member *member = handle->data;

    uv_close((uv_handle_t *)&member->handover.timer, stop_done);
}

static void stop_audit_timer(uv_handle_t *handle)
{
    struct member *member = handle->data;

    uv_close((uv_handle_t *)&member->audit_timer, stop_handover_timer);
}

static void stop_lag_timer(uv_handle_t *handle)
{
    struct member *member = handle->data;

    uv_close((uv_handle_t *)&member->lag_timer, stop_audit_timer);
}

static void stop_tell_timer(uv_handle_t *handle)
{
    struct member *member = handle->data;

    uv_close((uv_handle_t *)&member->tell_timer, stop_lag_timer);
}

static void stop_timers(void *user)
{
    struct member *member = user;

    uv_close((uv_handle_t *)&member->expire_timer, stop_tell_timer);
}

static void stop_keeper(void *user)
{
    struct member *member = user;

    if (member->keeper != NULL) {
        keeper_close(member->keeper, stop_timers, member);
    } else {
        stop_timers(member);
    }
}

static void stop_executor(void *user)
{
    struct member *member = user;

    exec_close(member->executor, stop_keeper, member);
}

static void stop_driver(void *user)
{
    struct member *member = user;

    op_driver_close(member->driver, stop_executor, member);
}

static void stop_consensus(void *user)
{
    struct member *member = user;

    member->api = NULL; /* it has closed */
    if (member->driver_term != 0) {
        member->driver_term = 0;
        audit_stop(member);
        op_driver_stop(member->driver);
    }
    uv_timer_stop(&member->expire_timer); /* they ask consensus */
    uv_timer_stop(&member->tell_timer);
    members_stop(member);
    member->cons_closing = true;
    cons_close(member->cons, stop_driver, member);
}

void member_stop_now(struct member *member)
{
    gather_stop_all(member);
    api_server_close(member->api, stop_consensus, member);
}

void member_stop(struct member *member, void (*closed_cb)(void *user), void *user)
{
    struct cons_status status;

    CHECK_MAGIC(member, MEMBER_MAGIC);
    if (member->stopping) {
        return;
    }
    member->stopping = true;
    member->closed_cb = closed_cb;
    member->closed_user = user;
    cons_get_status(member->cons, &status);
    if (status.role == CONS_LEADER) {
        handover_start(member, 0, NULL, NULL); /* one that is under way already stops this member at its end */
    } else if (member->handover.state == HANDOVER_NONE) {
        member_stop_now(member);
    }
}

void member_leave_state(struct member *member)
{
    member->leaves_state = true;
}
