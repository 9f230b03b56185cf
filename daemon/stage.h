/* A database that waits in the data directory of a member that has not started yet. Offline: no loop, no threads. */
#ifndef HECATE_DAEMON_STAGE_H
#define HECATE_DAEMON_STAGE_H

#include "daemon/config.h"
#include "store/base/buf.h"

/* --restore FILE: a backup of ours. --import FILE: a dump of Heketi's, with a report on standard output. 0, or 1 with
 * the reason on standard error; the data directory is then as it was. */
int stage_restore(const struct cfg *cfg, const char *file);
int stage_import(const struct cfg *cfg, const char *file);

/* Whether what is staged, if anything, can be read by this process: a member that cannot would serve an empty database
 * instead. E_IO, E_INVALID. */
int stage_check(const struct cfg *cfg, struct err *reterr);

char *stage_path(const struct cfg *cfg); /* malloc'ed */
/* E_IO, E_INVALID (too large). */
int stage_read(const char *path, struct buf *ret_bytes, struct err *reterr);

#endif
