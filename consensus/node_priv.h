/* Inside the node: node.c (the loop, turns), node_apply.c (applying), node_judge.c, node_ask.c (what the owner asks for
 * and proposes). */
#ifndef HECATE_CONSENSUS_NODE_PRIV_H
#define HECATE_CONSENSUS_NODE_PRIV_H

#include "consensus/consensus.h"
#include "consensus/core.h"
#include "consensus/disk.h"
#include "consensus/net.h"

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
    size_t n, bytes;
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
    uv_async_t async;        /* the disk has answers */
    uv_prepare_t turn;       /* once per turn of the loop, when something was put in */
    uv_prepare_t applying;   /* at the end of each turn of the loop */
    uint64_t apply_until_ns; /* in this turn; 0: nothing was applied in it yet */
    struct proposals waiting, submitted;
    char *failed_text;
    bool trust_new_keys;
    bool changed, members_changed, resigned, failed, closing, starting;
    struct core_refusal refusal; /* as it was logged last */
    uint64_t doubt_by;           /* the same */
    uint64_t lease_told_us;      /* with lease_kept: the deadline that the owner knows; 0 none */
    size_t open_handles;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* node.c */
uint64_t node_now_us(void);
/* Something was put in: a turn follows before the loop waits again. */
void node_want_turn(struct cons *c);
/* node_apply.c: struct core_env's apply and may_apply */
void node_apply_start(struct cons *c);
void node_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len);
bool node_may_apply(void *user);
/* node_judge.c: the same for judge and judge_head */
int node_judge(void *user, const uint8_t *data, size_t len, struct err *reterr);
int node_judge_head(void *user, uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes,
                    struct err *reterr);
/* Logged once for each member that sends such, and now and then again; so is a doubt about our own log, once. */
void node_tell_refusal(struct cons *c);
void node_tell_snapshot(
    const struct disk_op *op); /* the disk's answer: our own, if it does not count; what one has replaced */
/* node_ask.c */
/* In the log a member's address, note and key stand together; the core keeps the key. The buffers have CONS_TEXT_MAX
 * bytes. */
char *node_join_address(const struct cons_peer *peer);
void node_split_address(const char *text, char *ret_address, char *ret_note);
int node_check_address(const struct cons_peer *peer, struct err *reterr);
void proposals_push(struct proposals *queue, struct proposal *proposal);
struct proposal *proposals_pop(struct proposals *queue); /* NULL: none */
/* Finishes the newest n: they were refused. */
void proposals_refuse_last(struct proposals *queue, size_t n, int status);
void proposal_finish(struct proposal *proposal, int status, const void *result); /* calls back and frees it */

#endif
