/* How many operations there may be at once: one answer, for the planner and apply. */
#include <string.h>

#include "store/level.h"
#include "store/store_priv.h"

enum place {              /* what an operation needs to be begun */
             PLACE_NONE,  /* a way out: it is never refused, and takes no place of others */
             PLACE_ANY,   /* any place */
             PLACE_SHARED /* one that is not kept for deletes */
};

/* Those without a place are bounded by what is in the database: a node or a device has at most one such operation, a
 * removal one part, and each clean-up holds bricks, whose space stays charged. They may wait for a dead node as long
 * as it is dead; nobody else may have to wait because of that. */
static enum place place_of(enum store_op_type type, bool is_part)
{
    switch (type) {
    case STORE_OP_CLEAN_BRICKS:
    case STORE_OP_CLEAN_DEVICE:
    case STORE_OP_REMOVE_DEVICE:
    case STORE_OP_NODE_REMOVE:
    case STORE_OP_DEVICE_REPLACE:
    case STORE_OP_NODE_REPLACE:
    case STORE_OP_NODE_DELETE:
    case STORE_OP_DEVICE_DELETE:
        return PLACE_NONE;
    case STORE_OP_EVICT_BRICK:
        return is_part ? PLACE_NONE : PLACE_ANY;
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_EXPAND_VOLUME:
    case STORE_OP_CLONE_VOLUME:
    case STORE_OP_CREATE_BLOCK:
    case STORE_OP_EXPAND_BLOCK:
        return PLACE_SHARED;
    case STORE_OP_DELETE_VOLUME:
    case STORE_OP_DELETE_BLOCK:
    case STORE_OP_NODE_ADD:
    case STORE_OP_DEVICE_ADD:
    case STORE_OP_DEVICE_RESYNC:
    case STORE_OP_REBALANCE: /* begun by the end of an expand: that does not ask */
        break;
    }
    return PLACE_ANY;
}

bool op_takes_place(const struct store_operation *op)
{
    return place_of(op->type, !id_is_none(op->parent)) != PLACE_NONE;
}

/* The figures name the cause, and what can be done about it; the first sentence is Heketi's. */
static enum store_code refuse_busy(const struct store *store, size_t places, struct store_result *result)
{
    const struct store_counts *counts = &store->counts;

    if (counts->limited_waiting == 0) {
        return refuse(result, STORE_TOO_BUSY, TEXT_BUSY " (%zu operations of at most %zu are under way.)",
                      counts->limited, places);
    }
    return refuse(result, STORE_TOO_BUSY,
                  TEXT_BUSY " (%zu operations of at most %zu are under way, %zu of them wait for storage nodes; "
                            "GET /cluster/status says what for. Nodes and devices can be removed nevertheless.)",
                  counts->limited, places, counts->limited_waiting);
}

/* As the releases did that know no other level: everything counts, and is refused. */
static bool counts_all(const struct store *store)
{
    return store_level(store) < STORE_LEVEL_PLACES;
}

struct store_places store_places(const struct store *store)
{
    if (counts_all(store)) {
        return (struct store_places){store->counts.operations, STORE_OPERATIONS_MAX};
    }
    return (struct store_places){store->counts.limited, STORE_OPERATIONS_MAX - STORE_OPERATIONS_KEPT};
}

enum store_code check_busy(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    enum place place = place_of(cmd->op_type, !id_is_none(cmd->parent));
    struct store_places places = store_places(store);

    if (counts_all(store)) {
        return places.taken < places.n ? STORE_OK : refuse(result, STORE_TOO_BUSY, TEXT_BUSY);
    }
    places.n = place == PLACE_SHARED ? places.n : STORE_OPERATIONS_MAX;
    return place == PLACE_NONE || places.taken < places.n ? STORE_OK : refuse_busy(store, places.n, result);
}

bool volume_is_made(const struct store_volume *volume)
{
    return !id_is_none(volume->pending) && id_equal(volume->pending, volume->created_by);
}

enum store_code check_made_bytes(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    size_t made = store->counts.made_bytes, more = cmd->volume.n_bricks * sizeof(struct store_brick);

    if (cmd->type != STORE_CMD_OP_BEGIN || place_of(cmd->op_type, !id_is_none(cmd->parent)) != PLACE_SHARED) {
        return STORE_OK;
    }
    for (size_t i = 0; i < cmd->volume.options.n; i++) {
        more += strlen(cmd->volume.options.items[i]);
    }
    if (made + more <= STORE_MADE_BYTES_MAX) {
        return STORE_OK;
    }
    return refuse(result, STORE_TOO_BUSY,
                  TEXT_BUSY " (The volumes that are being made have %zu KiB of options and bricks, of at most %zu KiB "
                            "together; this one has %zu KiB.)",
                  made / 1024, STORE_MADE_BYTES_MAX / 1024, more / 1024);
}
