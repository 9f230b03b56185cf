/* consensus.h on the loop: the core, its disk threads, its network, one timer.
 *
 * After every input: what waits is submitted as one event, the core does what is due, frames go out with one write per
 * peer, the timer is set to the core's next deadline. No periodic tick.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "consensus/node_priv.h"
#include "consensus/tell.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

#define SLOT_MS 25
#define INFLIGHT 1024 /* entries on their way to one follower */
#define TRAILING 2048 /* entries kept after a snapshot, for members that were away for a moment */
#define SUBMIT_MAX 256

/* ---- the core's environment ---- */

uint64_t node_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t env_now(void *user)
{
    (void)user;
    return node_now_us();
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    net_send(((struct cons *)user)->net, peer, frame, len);
}

static void env_disk(void *user, struct disk_op *op)
{
    disk_put(((struct cons *)user)->disk, op);
}

static void *env_snapshot(void *user)
{
    TURN("take snapshot");
    struct cons *c = user;

    return c->fsm.snapshot_take(c->fsm.user);
}

static void env_snapshot_free(void *user, void *handle)
{
    TURN("free snapshot");
    ((struct cons *)user)->fsm.snapshot_free(handle);
}

static void env_state_free(void *user, void *state)
{
    ((struct cons *)user)->fsm.state_free(state);
}

static void *env_adopt(void *user, uint64_t index, void *state)
{
    struct cons *c = user;

    (void)index;
    return c->fsm.state_adopt(c->fsm.user, state);
}

static int env_restore(void *user, uint64_t index, const uint8_t *data, size_t len)
{
    struct cons *c = user;
    struct err err = ERR_INIT;
    void *state, *old;
    int rc = c->fsm.state_decode(index, data, len, &state, &err);

    if (rc != 0) {
        LOG(LOG_CRITICAL, "raft", "snapshot cannot be restored", LF_U64("index", index), LF_STR("reason", err.message));
        return rc;
    }
    old = env_adopt(user, index, state);
    if (old != NULL) {
        c->fsm.state_free(old);
    }
    return 0;
}

static void env_changed(void *user)
{
    ((struct cons *)user)->changed = true; /* told after the core has returned */
}

static void env_resigned(void *user)
{
    ((struct cons *)user)->resigned = true; /* done after the core has returned */
}

/* ---- members ---- */

static void env_members(void *user)
{
    ((struct cons *)user)->members_changed = true; /* told after the core has returned */
}

/* Connections follow whom the core knows. */
static void connect_members(struct cons *c)
{
    struct cons_peer peers[CONS_MEMBERS_MAX];
    char addresses[CONS_MEMBERS_MAX][CONS_TEXT_MAX], keys[CONS_MEMBERS_MAX][CONS_KEY_SIZE], note[CONS_TEXT_MAX];
    struct core_status status;

    c->members_changed = false;
    core_get_status(c->core, &status);
    for (size_t i = 0; i < status.n_peers; i++) {
        node_split_address(status.peers[i].address, addresses[i], note);
        text_put(keys[i], sizeof(keys[i]), core_address_key(status.peers[i].address));
        peers[i] = (struct cons_peer){.id = status.peers[i].id, .address = addresses[i], .key = keys[i]};
    }
    net_set_peers(c->net, peers, status.n_peers, status.keys_known && !c->trust_new_keys);
    c->changed = true;
}

static void env_failed(void *user, const char *text)
{
    struct cons *c = user;

    c->failed = true;
    free(c->failed_text);
    c->failed_text = mem_strdup(text);
}

static void disk_notify(void *user)
{
    (void)uv_async_send(&((struct cons *)user)->async); /* cannot fail while the handle is open */
}

static void disk_encode(void *user, void *handle, uint8_t **ret_data, size_t *ret_len)
{
    ((struct cons *)user)->fsm.snapshot_encode(handle, ret_data, ret_len);
}

static int disk_check(void *user, uint64_t index, const uint8_t *data, size_t len, struct err *reterr)
{
    return ((struct cons *)user)->fsm.snapshot_check(index, data, len, reterr);
}

static int disk_decode(void *user, uint64_t index, const uint8_t *data, size_t len, void **ret_state,
                       struct err *reterr)
{
    return ((struct cons *)user)->fsm.state_decode(index, data, len, ret_state, reterr);
}

/* ---- a turn ---- */

/* Moves what may be submitted from `waiting` to `submitted`, where it must be before the core may apply it. */
static size_t take_waiting(struct cons *c, size_t window, uint64_t bytes, char **ret_data, uint32_t *ret_lens)
{
    struct core_status status;
    size_t n = 0;

    core_get_status(c->core, &status);
    while (c->waiting.head != NULL && n < window && n < SUBMIT_MAX && (n == 0 || c->waiting.head->len <= bytes)) {
        struct proposal *proposal = proposals_pop(&c->waiting);

        bytes = proposal->len < bytes ? bytes - proposal->len : 0;
        proposal->index = status.last_index + 1 + n;
        proposal->term = status.term;
        ret_data[n] = TAKE_PTR(proposal->data); /* the core copies it */
        ret_lens[n++] = proposal->len;
        proposals_push(&c->submitted, proposal);
    }
    return n;
}

static void submit_waiting(struct cons *c)
{
    for (;;) {
        char *data[SUBMIT_MAX];
        uint32_t lens[SUBMIT_MAX];
        uint64_t bytes, first;
        size_t window = core_window(c->core, &bytes);
        size_t n;

        if (window == 0 || c->waiting.head == NULL) {
            return;
        }
        n = take_waiting(c, window, bytes, data, lens);
        first = core_submit(c->core, (const void *const *)data, lens, n);
        for (size_t i = 0; i < n; i++) {
            free(data[i]);
        }
        if (first == 0) { /* if the core has failed, drop_proposals answers: they may be on the disk */
            if (!c->failed) {
                proposals_refuse_last(&c->submitted, n, E_BUSY);
            }
            return;
        }
    }
}

/* No longer the leader: what was submitted may still be applied, what waits was never tried. */
static void drop_proposals(struct cons *c)
{
    struct core_status status;
    struct proposal *proposal;

    if (c->waiting.head == NULL && c->submitted.head == NULL) {
        return;
    }
    core_get_status(c->core, &status);
    if (!c->failed && status.role == CORE_LEADER) {
        if (c->submitted.head == NULL || c->submitted.head->term == status.term) {
            return;
        }
    }
    while ((proposal = proposals_pop(&c->submitted)) != NULL) {
        proposal_finish(proposal, E_UNKNOWN_OUTCOME, NULL);
    }
    if (c->failed || status.role != CORE_LEADER) {
        while ((proposal = proposals_pop(&c->waiting)) != NULL) {
            proposal_finish(proposal, E_NOT_LEADER, NULL);
        }
    }
}

static void turn(struct cons *c);

static void timer_cb(uv_timer_t *timer)
{
    turn(timer->data);
}

static void arm(struct cons *c, uint64_t next_us)
{
    uint64_t now_us = node_now_us();
    uint64_t delay_ms;

    if (next_us == UINT64_MAX) {
        uv_timer_stop(&c->timer);
        return;
    }
    /* Never 0: a timer that is due at once would run again within the same pass, and nothing else ever. */
    delay_ms = next_us > now_us ? (next_us - now_us + 999) / 1000 : 1;
    CHECK(uv_timer_start(&c->timer, timer_cb, delay_ms, 0) == 0);
}

static void prepare_cb(uv_prepare_t *prepare)
{
    uv_prepare_stop(prepare);
    turn(prepare->data);
}

/* Something was put in: the turn follows before the loop waits again, once for all inputs. */
void node_want_turn(struct cons *c)
{
    if (!c->closing && !c->starting) {
        CHECK(uv_prepare_start(&c->turn, prepare_cb) == 0);
    }
}

static void tell_lease(struct cons *c)
{
    struct core_status status;
    uint64_t until_us = 0;

    if (!c->core_config.lease_kept) {
        return;
    }
    if (!c->failed && core_serving(c->core)) {
        core_get_status(c->core, &status);
        until_us = status.lease_until_us;
    }
    if (until_us != c->lease_told_us) {
        c->lease_told_us = until_us;
        c->events.lease(c->events.user, until_us);
    }
}

static void turn(struct cons *c)
{
    TURN("log");
    uint64_t next, bytes;

    if (c->closing || c->starting) {
        return;
    }
    submit_waiting(c);
    next = core_poll(c->core);
    drop_proposals(c);
    if (c->waiting.head != NULL && core_window(c->core, &bytes) > 0) {
        next = 0; /* what was applied has made room */
    }
    if (c->members_changed) {
        connect_members(c);
    }
    net_flush(c->net);
    if (c->resigned) {
        c->resigned = false;
        net_reset(c->net);
    }
    tell_lease(c);
    node_tell_refusal(c);
    if (c->changed) {
        c->changed = false;
        c->events.changed(c->events.user);
    }
    if (c->failed) {
        uv_timer_stop(&c->timer);
        if (c->failed_text != NULL) {
            char *text = TAKE_PTR(c->failed_text);

            c->events.failed(c->events.user, text);
            free(text);
        }
        return;
    }
    arm(c, next);
}

static void async_cb(uv_async_t *async)
{
    TURN("log");
    struct cons *c = async->data;
    struct disk_op *op;

    while (!c->closing && (op = disk_take(c->disk)) != NULL) {
        node_tell_snapshot(op);
        core_done(c->core, op);
    }
    turn(c);
}

/* ---- the network ---- */

static void net_connected(void *user, uint64_t peer)
{
    struct cons *c = user;

    LOG(LOG_INFO, "peer", "connected", LF_U64("member", peer));
    core_connected(c->core, peer);
    node_want_turn(c);
}

static void net_disconnected(void *user, uint64_t peer)
{
    struct cons *c = user;

    LOG(LOG_INFO, "peer", "disconnected", LF_U64("member", peer));
    core_disconnected(c->core, peer);
    node_want_turn(c);
}

static void net_closed(void *user, uint64_t peer)
{
    struct cons *c = user;

    core_closed(c->core, peer);
    node_want_turn(c);
}

/* Whoever has a certificate may connect, only members are believed. */
static bool net_speaks(void *user, uint64_t peer)
{
    struct core_status status;

    core_get_status(((struct cons *)user)->core, &status);
    for (size_t i = 0; i < status.n_peers; i++) {
        if (status.peers[i].id == peer) {
            return status.peers[i].speaks;
        }
    }
    return false;
}

static bool told(struct cons *c, uint64_t peer, const uint8_t *frame, size_t len)
{
    struct core_status status;
    const void *data;
    size_t data_len;

    core_get_status(c->core, &status);
    if (!tell_decode(frame, len, peer, status.cluster_id, &data, &data_len)) {
        return false;
    }
    if (data != NULL && status.disk_state == CORE_FORMED && net_speaks(c, peer)) {
        c->events.told(c->events.user, peer, data, data_len);
    }
    return true;
}

static bool net_frame(void *user, uint64_t peer, const uint8_t *frame, size_t len)
{
    struct cons *c = user;
    bool ok = tell_is(frame, len) ? told(c, peer, frame, len) : core_recv(c->core, peer, frame, len);

    node_want_turn(c);
    return ok;
}

/* ---- start and end ---- */

/* Milliseconds since 1970 in 48 bits, most significant byte first, and then random ones (as UUID version 7 has them,
 * RFC 9562 section 5.7): storage nodes let a cluster that was formed later take over from one before it. */
static struct id cluster_id_now(void)
{
    struct timespec now;
    struct id id;
    uint64_t ms;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    CHECK(getrandom(&id, sizeof(id), 0) == sizeof(id));
    for (size_t i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    return id;
}

static int fill_core_config(struct core_config *core, const struct cons_config *config, struct err *reterr)
{
    core->id = config->member_id;
    core->n_peers = config->n_peers;
    core->election_timeout_ms = config->election_timeout_ms;
    core->lease_ms = config->lease_ms;
    core->heartbeat_ms = config->heartbeat_ms;
    core->slot_ms = SLOT_MS;
    core->snapshot_threshold = config->snapshot_threshold;
    core->inflight = INFLIGHT;
    core->trailing = TRAILING;
    core->window = CORE_WINDOW_MAX;
    core->lease_kept = config->lease_kept;
    if (config->n_peers < 2 || config->n_peers > CONS_MEMBERS_MAX) {
        return err_set(reterr, E_INVALID, "a cluster has 2 to %d members", CONS_MEMBERS_MAX);
    }
    for (size_t i = 0; i < config->n_peers; i++) {
        int rc = node_check_address(&config->peers[i], reterr);
        size_t at = i;

        if (rc != 0) {
            return rc;
        }
        while (at > 0 && core->peers[at - 1].id > config->peers[i].id) {
            core->peers[at] = core->peers[at - 1];
            at--;
        }
        core->peers[at] =
            (struct core_peer){.id = config->peers[i].id, .address = node_join_address(&config->peers[i])};
    }
    CHECK(getrandom(&core->seed, sizeof(core->seed), 0) == sizeof(core->seed));
    core->new_cluster_id = cluster_id_now();
    return 0;
}

int cons_start(uv_loop_t *loop, const struct cons_config *config, const struct cons_fsm *fsm,
               const struct cons_events *events, struct cons **ret_cons, struct err *reterr)
{
    struct cons *c = mem_calloc(1, sizeof(*c));
    const struct disk_config disk_config = {.dir = config->data_dir,
                                            .member_id = config->member_id,
                                            .notify = disk_notify,
                                            .encode = disk_encode,
                                            .check = disk_check,
                                            .decode = disk_decode,
                                            .handle_free = env_snapshot_free,
                                            .state_free = env_state_free,
                                            .user = c};
    const struct net_events net_events = {.user = c,
                                          .connected = net_connected,
                                          .disconnected = net_disconnected,
                                          .closed = net_closed,
                                          .speaks = net_speaks,
                                          .frame = net_frame};
    const struct core_env env = {.user = c,
                                 .now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .judge = node_judge,
                                 .judge_head = node_judge_head,
                                 .apply = node_apply,
                                 .may_apply = node_may_apply,
                                 .snapshot = env_snapshot,
                                 .snapshot_free = env_snapshot_free,
                                 .state_free = env_state_free,
                                 .restore = env_restore,
                                 .adopt = env_adopt,
                                 .changed = env_changed,
                                 .resigned = env_resigned,
                                 .members = env_members,
                                 .failed = env_failed};
    struct disk_image image;
    int rc;

    c->loop = loop;
    c->fsm = *fsm;
    c->events = *events;
    c->starting = true;
    c->trust_new_keys = config->trust_new_keys;
    rc = fill_core_config(&c->core_config, config, reterr);
    if (rc != 0) {
        free(c);
        return rc;
    }
    CHECK(uv_async_init(loop, &c->async, async_cb) == 0);
    CHECK(uv_timer_init(loop, &c->timer) == 0);
    CHECK(uv_prepare_init(loop, &c->turn) == 0);
    CHECK(uv_prepare_init(loop, &c->applying) == 0);
    c->async.data = c->timer.data = c->turn.data = c->applying.data = c;
    c->open_handles = 4;
    node_apply_start(c);
    rc = disk_open(&disk_config, &c->disk, &image, reterr);
    if (rc == 0) {
        rc = net_start(loop, config, &net_events, &c->net, reterr);
        if (rc == 0) {
            c->core = core_new(&c->core_config, &env, &image);
            c->members_changed = true; /* the network knows those of the configuration file */
        }
        disk_image_fini(&image);
    }
    if (rc != 0) {
        return rc; /* nothing was promised to anyone; the process ends */
    }
    c->starting = false;
    *ret_cons = c;
    node_want_turn(c);
    return 0;
}

static void handle_closed(uv_handle_t *handle)
{
    struct cons *c = handle->data;
    void (*closed_cb)(void *user) = c->closed_cb;
    void *user = c->closed_user;

    if (--c->open_handles > 0) {
        return;
    }
    core_free(c->core);
    for (size_t i = 0; i < c->core_config.n_peers; i++) {
        free((void *)(uintptr_t)c->core_config.peers[i].address);
    }
    free(c->failed_text);
    free(c);
    closed_cb(user);
}

static void net_gone(void *user)
{
    struct cons *c = user;

    disk_close(c->disk); /* waits for the writes in flight */
    uv_close((uv_handle_t *)&c->async, handle_closed);
    uv_close((uv_handle_t *)&c->timer, handle_closed);
    uv_close((uv_handle_t *)&c->turn, handle_closed);
    uv_close((uv_handle_t *)&c->applying, handle_closed);
}

void cons_close(struct cons *c, void (*closed_cb)(void *user), void *user)
{
    struct proposal *proposal;

    c->closing = true;
    c->closed_cb = closed_cb;
    c->closed_user = user;
    uv_timer_stop(&c->timer);
    uv_prepare_stop(&c->turn);
    while ((proposal = proposals_pop(&c->submitted)) != NULL) {
        proposal_finish(proposal, E_UNKNOWN_OUTCOME, NULL);
    }
    while ((proposal = proposals_pop(&c->waiting)) != NULL) {
        proposal_finish(proposal, E_NOT_LEADER, NULL);
    }
    net_close(c->net, net_gone, c);
}
