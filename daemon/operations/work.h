/* All that the executor borrows for one step, copied from the store: the store may change while the step runs. Pure. */
#ifndef HECATE_DAEMON_OPERATIONS_WORK_H
#define HECATE_DAEMON_OPERATIONS_WORK_H

#include "daemon/operations/engine.h"

struct op_work {
    struct exec_step exec; /* points into the rest; term is the caller's to set */
    char *host, *peer, *source;
    struct store_volume volume;
    struct store_device device;
    struct exec_brick *bricks;
    char **storage_hosts;
    struct store_brick brick;
    struct store_brick *known; /* for exec.known */
    char **known_hosts;
    struct exec_brick *known_items;
    struct store_block_volume block;
    struct store_strs hosts;      /* that are to export it */
    struct store_brick moving[2]; /* evict: the old brick and its replacement, as far as known */
    char *moving_hosts[2];
    struct store_strs silent; /* the caller's to fill, for exec.silent */
};

/* False: what the step is about, or the node it runs on, is not in the store. Either way op_work_fini frees it. The
 * work must not be moved afterwards. */
/* The volume of a brick's step comes without its options: a brick needs none of them, and there may be many. */
bool op_work_init(struct op_work *work, const struct store *store, struct id op_id, const struct engine_step *step);
void op_work_fini(struct op_work *work);
/* The brick that a step of the operation is about. NULL: it is not in the store. */
const struct store_brick *op_work_brick(const struct store *store, const struct store_operation *op, struct id id);

#endif
