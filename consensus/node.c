/* consensus.h on the loop: the core, its disk threads, its network, one timer.
 *
 * After every input: what waits is submitted as one event, the core does what is due, frames go out with one write per
 * peer, the timer is set to the core's next deadline. No periodic tick.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "consensus/consensus.h"
#include "consensus/core.h"
#include "consensus/disk.h"
#include "consensus/net.h"
#include "consensus/tell.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define WAITING_MAX 8192
#define COMMAND_MAX ((size_t)1 << 20)
#define SLOT_MS 25
#define INFLIGHT 1024 /* entries on their way to one follower */
#define TRAILING 2048 /* entries kept after a snapshot, for members that were away for a moment */
#define SUBMIT_MAX 256

struct proposal {
    char *data; /* until it is submitted */
    uint32_t len;
    uint64_t index, term;
    cons_propose_cb cb;
    void *user;
    struct proposal *next;
};

struct proposals {
    struct proposal *head, *tail;
    size_t n;
};

struct cons {
    uv_loop_t *loop;
    struct core *core;
    struct core_config core_config;
    struct disk *disk;
    struct net *net;
    struct cons_fsm fsm;
    struct cons_events events;
    uv_timer_t timer;
    uv_async_t async;  /* the disk has answers */
    uv_prepare_t turn; /* once per turn of the loop, when something was put in */
    struct proposals waiting, submitted;
    char *failed_text;
    bool changed, failed, closing, starting;
    size_t open_handles;
    void (*closed_cb)(void *user);
    void *closed_user;
};

static void push(struct proposals *queue, struct proposal *proposal)
{
    proposal->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = proposal;
    } else {
        queue->head = proposal;
    }
    queue->tail = proposal;
    queue->n++;
}

static struct proposal *pop(struct proposals *queue)
{
    struct proposal *proposal = queue->head;

    if (proposal != NULL) {
        queue->head = proposal->next;
        queue->tail = queue->head != NULL ? queue->tail : NULL;
        queue->n--;
    }
    return proposal;
}

static void finish(struct proposal *proposal, int status, const void *result)
{
    proposal->cb(proposal->user, status, proposal->index, result);
    free(proposal->data);
    free(proposal);
}

/* ---- the core's environment ---- */

static uint64_t env_now(void *user)
{
    struct timespec now;

    (void)user;
    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    net_send(((struct cons *)user)->net, peer, frame, len);
}

static void env_disk(void *user, struct disk_op *op)
{
    disk_put(((struct cons *)user)->disk, op);
}

static void env_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    struct cons *c = user;
    const void *result = c->fsm.apply(c->fsm.user, index, data, len);

    /* Proposals are submitted in order, so the first one is meant, or one whose place another leader's entry took. */
    while (c->submitted.head != NULL && c->submitted.head->index <= index) {
        struct proposal *proposal = pop(&c->submitted);
        bool ours = proposal->index == index && proposal->term == term;

        finish(proposal, ours ? 0 : E_UNKNOWN_OUTCOME, ours ? result : NULL);
    }
}

static void *env_snapshot(void *user)
{
    struct cons *c = user;

    return c->fsm.snapshot_take(c->fsm.user);
}

static void env_snapshot_free(void *user, void *handle)
{
    ((struct cons *)user)->fsm.snapshot_free(handle);
}

static int env_restore(void *user, uint64_t index, const uint8_t *data, size_t len)
{
    struct cons *c = user;
    struct err err = ERR_INIT;
    int rc = c->fsm.restore(c->fsm.user, data, len, &err);

    if (rc != 0) {
        LOG(LOG_CRITICAL, "raft", "snapshot cannot be restored", LF_U64("index", index), LF_STR("reason", err.message));
    }
    return rc;
}

static void env_changed(void *user)
{
    ((struct cons *)user)->changed = true; /* told after the core has returned */
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

/* ---- a turn ---- */

static void submit_waiting(struct cons *c)
{
    for (;;) {
        const void *data[SUBMIT_MAX];
        uint32_t lens[SUBMIT_MAX];
        size_t window = core_window(c->core);
        struct core_status status;
        uint64_t first;
        size_t n = 0;

        if (window == 0 || c->waiting.head == NULL) {
            return;
        }
        core_get_status(c->core, &status);
        for (struct proposal *p = c->waiting.head; p != NULL && n < window && n < SUBMIT_MAX; p = p->next) {
            data[n] = p->data;
            lens[n++] = p->len;
        }
        first = status.last_index + 1;
        /* They are in `submitted` before the core may apply them. */
        for (size_t i = 0; i < n; i++) {
            struct proposal *proposal = pop(&c->waiting);

            proposal->index = first + i;
            proposal->term = status.term;
            push(&c->submitted, proposal);
        }
        if (core_submit(c->core, data, lens, n) != first) {
            return; /* no longer the leader: drop_proposals answers */
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
    while ((proposal = pop(&c->submitted)) != NULL) {
        finish(proposal, E_UNKNOWN_OUTCOME, NULL);
    }
    if (c->failed || status.role != CORE_LEADER) {
        while ((proposal = pop(&c->waiting)) != NULL) {
            finish(proposal, E_NOT_LEADER, NULL);
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
    uint64_t now_us = env_now(c);
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
static void want_turn(struct cons *c)
{
    if (!c->closing && !c->starting) {
        CHECK(uv_prepare_start(&c->turn, prepare_cb) == 0);
    }
}

static void turn(struct cons *c)
{
    uint64_t next;

    if (c->closing || c->starting) {
        return;
    }
    submit_waiting(c);
    next = core_poll(c->core);
    drop_proposals(c);
    net_flush(c->net);
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
    struct cons *c = async->data;
    struct disk_op *op;

    while (!c->closing && (op = disk_take(c->disk)) != NULL) {
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
    want_turn(c);
}

static void net_disconnected(void *user, uint64_t peer)
{
    struct cons *c = user;

    LOG(LOG_INFO, "peer", "disconnected", LF_U64("member", peer));
    core_disconnected(c->core, peer);
    want_turn(c);
}

static void net_closed(void *user, uint64_t peer)
{
    struct cons *c = user;

    core_closed(c->core, peer);
    want_turn(c);
}

static bool told(struct cons *c, uint64_t peer, const uint8_t *frame, size_t len)
{
    struct core_status status;
    const void *data;
    size_t data_len;

    core_get_status(c->core, &status);
    if (!tell_decode(frame, len, status.cluster_id, &data, &data_len)) {
        return false;
    }
    if (data != NULL && status.disk_state == CORE_FORMED) {
        c->events.told(c->events.user, peer, data, data_len);
    }
    return true;
}

static bool net_frame(void *user, uint64_t peer, const uint8_t *frame, size_t len)
{
    struct cons *c = user;
    bool ok = tell_is(frame, len) ? told(c, peer, frame, len) : core_recv(c->core, peer, frame, len);

    want_turn(c);
    return ok;
}

/* ---- start and end ---- */

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
    if (config->n_peers < 2 || config->n_peers > CONS_MEMBERS_MAX) {
        return err_set(reterr, E_INVALID, "a cluster has 2 to %d members", CONS_MEMBERS_MAX);
    }
    for (size_t i = 0; i < config->n_peers; i++) {
        size_t at = i;

        while (at > 0 && core->peers[at - 1].id > config->peers[i].id) {
            core->peers[at] = core->peers[at - 1];
            at--;
        }
        core->peers[at] =
            (struct core_peer){.id = config->peers[i].id, .address = mem_strdup(config->peers[i].address)};
    }
    CHECK(getrandom(&core->seed, sizeof(core->seed), 0) == sizeof(core->seed));
    CHECK(getrandom(&core->new_cluster_id, sizeof(core->new_cluster_id), 0) == sizeof(core->new_cluster_id));
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
                                            .user = c};
    const struct net_events net_events = {.user = c,
                                          .connected = net_connected,
                                          .disconnected = net_disconnected,
                                          .closed = net_closed,
                                          .frame = net_frame};
    const struct core_env env = {.user = c,
                                 .now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .apply = env_apply,
                                 .snapshot = env_snapshot,
                                 .snapshot_free = env_snapshot_free,
                                 .restore = env_restore,
                                 .changed = env_changed,
                                 .failed = env_failed};
    struct disk_image image;
    int rc;

    c->loop = loop;
    c->fsm = *fsm;
    c->events = *events;
    c->starting = true;
    rc = fill_core_config(&c->core_config, config, reterr);
    if (rc != 0) {
        free(c);
        return rc;
    }
    CHECK(uv_async_init(loop, &c->async, async_cb) == 0);
    CHECK(uv_timer_init(loop, &c->timer) == 0);
    CHECK(uv_prepare_init(loop, &c->turn) == 0);
    c->async.data = c->timer.data = c->turn.data = c;
    c->open_handles = 3;
    rc = disk_open(&disk_config, &c->disk, &image, reterr);
    if (rc == 0) {
        rc = net_start(loop, config, &net_events, &c->net, reterr);
        if (rc == 0) {
            c->core = core_new(&c->core_config, &env, &image);
        }
        disk_image_fini(&image);
    }
    if (rc != 0) {
        return rc; /* nothing was promised to anyone; the process ends */
    }
    c->starting = false;
    *ret_cons = c;
    want_turn(c);
    return 0;
}

static void freed_handle(void *user, void *handle)
{
    ((struct cons *)user)->fsm.snapshot_free(handle);
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

    disk_close(c->disk, freed_handle, c); /* waits for the writes in flight */
    uv_close((uv_handle_t *)&c->async, handle_closed);
    uv_close((uv_handle_t *)&c->timer, handle_closed);
    uv_close((uv_handle_t *)&c->turn, handle_closed);
}

void cons_close(struct cons *c, void (*closed_cb)(void *user), void *user)
{
    struct proposal *proposal;

    c->closing = true;
    c->closed_cb = closed_cb;
    c->closed_user = user;
    uv_timer_stop(&c->timer);
    uv_prepare_stop(&c->turn);
    while ((proposal = pop(&c->submitted)) != NULL) {
        finish(proposal, E_UNKNOWN_OUTCOME, NULL);
    }
    while ((proposal = pop(&c->waiting)) != NULL) {
        finish(proposal, E_NOT_LEADER, NULL);
    }
    net_close(c->net, net_gone, c);
}

/* ---- proposals and status ---- */

int cons_propose(struct cons *c, const void *data, size_t len, cons_propose_cb cb, void *user)
{
    struct proposal *proposal;
    struct core_status status;

    CHECK(len > 0 && len <= COMMAND_MAX);
    if (c->closing || c->failed) {
        return E_NOT_LEADER;
    }
    core_get_status(c->core, &status);
    if (status.role != CORE_LEADER) {
        return E_NOT_LEADER;
    }
    if (c->waiting.n >= WAITING_MAX) {
        return E_BUSY;
    }
    proposal = mem_calloc(1, sizeof(*proposal));
    proposal->data = mem_dup(data, len);
    proposal->len = (uint32_t)len;
    proposal->cb = cb;
    proposal->user = user;
    push(&c->waiting, proposal);
    want_turn(c);
    return 0;
}

void cons_tell(struct cons *c, const void *data, size_t len)
{
    struct core_status status;

    CHECK(len <= CONS_TELL_MAX);
    core_get_status(c->core, &status);
    if (c->closing || c->failed || status.disk_state != CORE_FORMED) {
        return;
    }
    for (size_t i = 0; i < c->core_config.n_peers; i++) {
        struct buf frame = BUF_INIT;
        size_t frame_len;

        if (c->core_config.peers[i].id != c->core_config.id) {
            tell_encode(c->core_config.id, status.cluster_id, data, len, &frame);
            frame_len = frame.len;
            net_send(c->net, c->core_config.peers[i].id, (uint8_t *)buf_take(&frame), frame_len);
        }
    }
    want_turn(c);
}

bool cons_serving(struct cons *c)
{
    return !c->closing && core_serving(c->core);
}

void cons_get_status(struct cons *c, struct cons_status *ret_status)
{
    struct core_status status;
    uint64_t now = env_now(c);

    core_get_status(c->core, &status);
    memset(ret_status, 0, sizeof(*ret_status));
    ret_status->role = (enum cons_role)status.role;
    ret_status->term = status.term;
    ret_status->leader_id = status.leader_id;
    ret_status->commit_index = status.commit_index;
    ret_status->applied_index = status.applied_index;
    ret_status->last_index = status.last_index;
    ret_status->snapshot_index = status.snapshot_index;
    ret_status->lease_left_us =
        status.lease_until_us > 0 ? (int64_t)(status.lease_until_us - now) : 0; /* negative when it is over */
    ret_status->serving = status.serving;
    ret_status->formed = status.disk_state == CORE_FORMED;
    ret_status->cluster_id = status.cluster_id;
    ret_status->n_members = c->core_config.n_peers;
    for (size_t i = 0; i < c->core_config.n_peers; i++) {
        struct cons_member_status *member = &ret_status->members[i];

        member->id = c->core_config.peers[i].id;
        member->address = c->core_config.peers[i].address;
        member->connected = net_is_connected(c->net, member->id);
        member->voter = true;
        member->match_index = status.peers[i].match_index;
        member->last_contact_ms = status.peers[i].heard ? (now - status.peers[i].last_heard_us) / 1000 : UINT64_MAX;
    }
}

int cons_transfer(struct cons *c, uint64_t target, struct err *reterr)
{
    if (core_transfer(c->core, target) != 0) {
        return err_set(reterr, E_BUSY,
                       "leadership cannot be handed over now: this member does not lead, the other one "
                       "is not connected, or a hand-over is pending");
    }
    want_turn(c);
    return 0;
}
