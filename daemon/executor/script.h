/* From a step to the shell script that does it on the node, and from its output to a result. Pure.
 *
 * One script does the whole step: takes the locks, looks at the fence, checks, does, verifies, syncs. All arguments are
 * quoted in one place (script_quote) after script_check has held them against allow-lists. What the script learns it
 * prints in lines that begin with "hecate: "; texts of commands go to standard error and are only passed on.
 */
#ifndef HECATE_DAEMON_EXECUTOR_SCRIPT_H
#define HECATE_DAEMON_EXECUTOR_SCRIPT_H

#include "daemon/executor/executor.h"
#include "store/base/buf.h"

enum script_exit { /* how scripts end */
                   SCRIPT_OK = 0,
                   SCRIPT_PERMANENT = 70, /* refused; repeating is pointless */
                   SCRIPT_BUSY = 75,      /* another transaction, or a lock was not to be had */
                   SCRIPT_FENCED = 76,    /* a newer term has been here */
                   SCRIPT_RAISE = 77,     /* the fence is of an older term: raise it first */
};

/* Appends text as one word for sh. */
void script_quote(struct buf *buf, const char *text);
/* Are all names of the step what they must be? E_INVALID names the one that is not. */
int script_check(const struct exec_config *config, const struct exec_step *step, struct err *reterr);
/* Appends the script. */
void script_build(const struct exec_config *config, const struct exec_step *step, struct buf *buf);
/* exit_status, and what came on standard output and error (text, not longer than the executor's limit). */
void script_parse(const struct exec_step *step, int exit_status, const char *out, const char *error,
                  struct exec_result *ret_result);

#endif
