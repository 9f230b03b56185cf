/* What is not as it should be, with a remedy each: the warnings of GET /cluster/status that are not about connections
 * between members, or storage nodes: those are status.c's. */
#ifndef HECATE_DAEMON_HEALTH_H
#define HECATE_DAEMON_HEALTH_H

#include "consensus/consensus.h"

struct member;

typedef void (*health_cb)(void *user, const char *code, const char *text, const char *remedy);

/* How much room the disk of this member's data has, in MiB; false: not known. */
bool health_disk(const struct member *member, uint64_t *ret_free_mib, uint64_t *ret_total_mib);
/* Is there too little room for a member's data? */
bool health_disk_low(uint64_t free_mib, uint64_t total_mib);
/* Calls cb for each. Returns whether one of them means that the cluster does not do its work. */
bool health_warn(const struct member *member, const struct cons_status *status, health_cb cb, void *user);

#endif
