/* What is on the storage nodes, asked of all of them: on demand, and on the leader from time to time. */
#ifndef HECATE_DAEMON_AUDIT_H
#define HECATE_DAEMON_AUDIT_H

#include <sys/queue.h>

#include "api/api.h"
#include "daemon/findings.h"

struct member;

struct audit_unseen { /* a node that the last round could not look at */
    struct id node;
    char *host, *reason;
    const char *remedy; /* static */
};

#define AUDIT_ASKERS_MAX 8 /* clients that share an examination: each gets its own text */

struct audit_asker {
    bool joined; /* of the examination that is under way; else it waits for the next one */
    api_text_cb cb;
    void *cb_user;
};

struct audit {
    TAILQ_HEAD(gather_list, gather) gathers;     /* that are under way */
    struct gather *examine;                      /* of those: the one for clients, who share it; NULL: none */
    struct audit_asker askers[AUDIT_ASKERS_MAX]; /* in the order in which they came */
    size_t n_askers;
    struct findings *last;     /* of the last round; NULL: there was none, or a round has it */
    struct findings_list told; /* seen in two rounds: shown in the status */
    struct audit_unseen *unseen;
    size_t n_unseen;
    uint64_t rounds; /* ended so far */
    bool running;
};

void audit_init(struct member *member);
/* What api_backend.examine asks for: the members report, clusters, findings and unseen. */
void audit_examine(void *user, api_text_cb cb, void *cb_user);
/* The same client does not want it any more: its cb is not called. */
void audit_examine_forget(void *user, void *cb_user);
void audit_start(struct member *member); /* it leads */
/* A round, unless one is under way or audits are off. */
void audit_now(struct member *member);
void audit_stop(struct member *member);    /* it does not lead any more; forgets */
void audit_abandon(struct member *member); /* the member ends; what a thread still does finds nobody */
/* Calls warn for what is told. */
void audit_warn(const struct member *member,
                void (*warn)(void *user, const char *code, struct id node, const char *text, const char *remedy),
                void *user);

#endif
