/* One member of the cluster: consensus, store, operations and API wired together on one loop. */
#ifndef HECATE_DAEMON_MEMBER_H
#define HECATE_DAEMON_MEMBER_H

#include <uv.h>

#include "daemon/config.h"

struct keeper;
struct member;

/* Starts everything; the configuration is borrowed until the member is closed. keeper (NULL: no virtual addresses) is
 * taken over, also on failure, where the process ends. failed_cb (from the loop) tells that the
 * member must end at once: the message names the cause and the remedy, and has not been logged. lasting: it would end
 * in the same way whenever it was started, until somebody does what the message says. */
int member_start(uv_loop_t *loop, const struct cfg *cfg, struct keeper *keeper,
                 void (*failed_cb)(void *user, const char *message, bool lasting), void *user,
                 struct member **ret_member, struct err *reterr);
/* Hands leadership over if this member leads, answers what runs, closes; closed_cb from the loop. */
void member_stop(struct member *member, void (*closed_cb)(void *user), void *user);
/* The process ends with the member: its state, which takes a second to be freed where it is large, is left to the
 * system. */
void member_leave_state(struct member *member);
/* Reads the members' certificates again; what is wrong with them is logged, and the old ones stay. */
void member_reload(struct member *member);
/* Maintenance mode back to normal, whichever member leads; goes on trying until it is. */
void member_reset_mode(struct member *member);

#endif
