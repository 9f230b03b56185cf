/* What is on the storage nodes, asked of all of them: on demand, and on the leader from time to time. */
#ifndef HECATE_DAEMON_AUDIT_H
#define HECATE_DAEMON_AUDIT_H

#include "api/api.h"
#include "daemon/examine.h"

struct member;

struct audit {
    struct examine_findings last; /* of the last round */
    struct examine_findings told; /* seen in two rounds: shown in the status */
    uint64_t rounds;              /* ended so far */
    bool running;
};

/* What api_backend.examine asks for: the members report, clusters and findings. */
void audit_examine(void *user, api_document_cb cb, void *cb_user);
void audit_start(struct member *member); /* it leads */
void audit_now(struct member *member);   /* a round, unless one is under way */
void audit_stop(struct member *member);  /* it does not lead any more; forgets */
/* Calls warn for what is told. */
void audit_warn(const struct member *member,
                void (*warn)(void *user, const char *code, const char *text, const char *remedy), void *user);

#endif
