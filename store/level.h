/* Feature levels: what may be written because every member can read it.
 *
 * Each release announces the levels that it understands. The state has one level, in its settings; it is raised by a
 * command once all members know the next one (daemon/upgrade.c). A command, a field or a snapshot format that came with
 * level N is written only from then on: whoever proposes asks store_level, and apply refuses a command of a later
 * level. A member of an older release that meets a later level stops; it never skips. What a level brought:
 *
 *   1  everything of the first release
 *   2  OP_LEARN is refused where another brick has the LV or the path, or where Gluster puts no brick of a clone
 *      OP_END of a block volume's create is refused where the hosts are no nodes of its cluster, or its target's name
 * is another one's OP_REPLAN is refused when the volume would have more than STORE_BRICKS_MAX bricks the keys of
 * members in the configuration of the log (daemon/keys.c)
 *      OP_BEGIN is refused by the number of those operations only that take a place (limit.c)
 *      REPEAT is refused when its job has STORE_JOB_KEYS_MAX keys, or all have STORE_KEYS_MAX (level 1: by planners)
 *      EXPIRE_JOBS counts keys as well as jobs
 *      OP_END of a part: lines after that there is no replacement are handed on to its parent
 *      TOLD, TAKE_OVER, and volumes that are untold
 *      node and device replace
 *      OP_END of a node's delete by force ends a part of what waits for the node, when that is much, and not itself
 *      OP_BEGIN of a volume's delete by force, which also takes the volume with Heketi's own database
 *      LOAD marks creates and clones that are under way as restored
 */
#ifndef HECATE_STORE_LEVEL_H
#define HECATE_STORE_LEVEL_H

#include <stdint.h>

#define STORE_LEVEL_MIN 1 /* the oldest whose snapshots this release reads */
#define STORE_LEVEL_MAX 2 /* the newest that it understands */
#define STORE_LEVEL_KEYS 2
#define STORE_LEVEL_PLACES 2
#define STORE_LEVEL_FORGET 2
#define STORE_LEVEL_TAKE_OVER 2
#define STORE_LEVEL_HEKETI_DB 2
#define STORE_LEVEL_RESTORED 2
#define STORE_LEVEL_REPLACE 2
#define STORE_LEVEL_REASONS 2

struct store;
struct store_cmd;

uint32_t store_level(const struct store *store);
/* The level that a command needs. */
uint32_t store_cmd_level(const struct store_cmd *cmd);

#endif
