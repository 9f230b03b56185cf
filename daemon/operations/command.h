/* The commands that an engine's actions become. Pure. */
#ifndef HECATE_DAEMON_OPERATIONS_COMMAND_H
#define HECATE_DAEMON_OPERATIONS_COMMAND_H

#include "daemon/operations/engine.h"

/* Fills *ret_cmd (the caller's to free); for REPLAN if env finds a place, for PART if it can begin. follow_id is used
 * when the action leaves bricks. False: not (ret_result says why, the engine is told by engine_not_proposed); nothing
 * to free. */
bool op_command(struct engine *engine, const struct store *store, const struct engine_action *action,
                struct store_plan_env *env, int64_t now_ms, struct id follow_id, struct store_cmd *ret_cmd,
                struct store_result *ret_result);

#endif
