/* What scripts for storage nodes are made of: checks of names, the locks and the fence. Pure.
 *
 * Every text that is not ours becomes part of a script by step_word or step_set (step.h), which hold it against the
 * rules of store/words.h and quote it; names were held against allow-lists before. What a script learns
 * it prints on standard output; texts for people go to standard error and are only passed on.
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
                   SCRIPT_FOREIGN = 78,   /* a cluster of managers that was formed later has been here */
                   SCRIPT_DAMAGED = 79,   /* the fence says nothing that can be right */
                   SCRIPT_TIMEOUT = 124,  /* timeout(1) */
                   SCRIPT_KILLED = 137,
};

/* ---- variables ---- */

/* Appends NAME='value', quoted. Whether a program takes the value for an option of its own is not asked: steps use
 * step_set. */
void script_set(struct buf *buf, const char *name, const char *value);

/* ---- checks: E_INVALID names what is not as it must be ---- */

int script_check_host(const char *host, struct err *reterr);
int script_check_device(const struct store_device *device, struct err *reterr);
int script_check_brick(const struct exec_brick *brick, struct err *reterr);
/* Names of LVM. */
int script_check_name(const char *what, const char *name, struct err *reterr);
/* Names of Gluster's volumes, and of block volumes. */
int script_check_volume_name(const char *what, const char *name, struct err *reterr);

/* ---- beginnings ---- */

/* Variables, functions, and then: the node's lock shared, the fence compared with the step's term. Every script but the
 * one that raises the fence begins like this. */
void script_begin(const struct exec_config *config, const struct exec_step *step, struct buf *buf);
/* The whole script that raises the fence of the node to the step's cluster of managers and term. With step->repair it
 * writes a damaged one anew, if the node tells in another way that no later cluster has it. */
void script_fence(const struct exec_config *config, const struct exec_step *step, struct buf *buf);
/* Takes the lock of the volume group in $VG: two tries of a step that timed out must not run side by side. */
void script_group_lock(struct buf *buf);

#endif
