/* What clients of GET /events hear. A pure function of the log, so that all members tell the same under the same index;
 * only who leads is a member's own view. */
#ifndef HECATE_DAEMON_EVENT_H
#define HECATE_DAEMON_EVENT_H

#include "consensus/consensus.h"
#include "store/store.h"

struct member;

/* Appends the event of a command that was applied with this result, as one line of JSON, and returns its type; NULL: it
 * is none. */
const char *event_of(const struct store *store, const struct store_cmd *cmd, const struct store_result *result,
                     struct buf *json);
/* Tells it; the result is the member's. */
void event_applied(struct member *member, uint64_t index, const struct store_cmd *cmd);
/* Role, term, leader or serving have changed. */
void event_role(struct member *member, const struct cons_status *status);

#endif
