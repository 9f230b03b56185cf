/* Filling the empty database of a running cluster: from a dump of Heketi that a client sends, or from what was staged
 * in the data directory before the first start (stage.h). */
#ifndef HECATE_DAEMON_LOAD_H
#define HECATE_DAEMON_LOAD_H

#include "api/api.h"
#include "daemon/health.h"

struct member;
struct store_cmd;

/* What api_backend.import asks for. */
void load_import(void *user, char *dump, size_t len, api_document_cb cb, void *cb_user);
/* This member begins to serve: takes back a load that its leader did not finish, loads what is staged. */
void load_serving(struct member *member);
/* A feature level was reached here, on the leader: what is staged may have waited for it. */
void load_level_raised(struct member *member);
/* NULL, or why the database is not to be shown or changed yet: it is being loaded, or ought to be. */
const char *load_blocks(struct member *member);
/* A database was staged here, and ours is empty. */
bool load_waits_here(const struct member *member);
/* Calls cb for what is staged and not loaded, here or on another member. Returns whether that is critical: an empty
 * database that ought not to be. */
bool load_warn(const struct member *member, const struct cons_status *status, health_cb cb, void *user);
/* A last part was applied, whichever member loaded it: if that is what is staged here, the file is removed soon. */
void load_applied(struct member *member, const struct store_cmd *cmd);
/* The member ends: a thread that still reads finds nobody. */
void load_abandon(struct member *member);

#endif
