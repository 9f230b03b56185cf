/* Operations as clients see them (heketi-rest.md 6.10). Pure. */
#ifndef HECATE_API_OPERATION_OUT_H
#define HECATE_API_OPERATION_OUT_H

#include "store/base/buf.h"
#include "store/store.h"

enum api_change { /* Heketi's numbers */
                  API_CHANGE_UNKNOWN = 0,
                  API_CHANGE_ADD_BRICK = 1,
                  API_CHANGE_ADD_VOLUME = 2,
                  API_CHANGE_DELETE_BRICK = 3,
                  API_CHANGE_DELETE_VOLUME = 4,
                  API_CHANGE_EXPAND_VOLUME = 5,
                  API_CHANGE_ADD_BLOCK_VOLUME = 6,
                  API_CHANGE_DELETE_BLOCK_VOLUME = 7,
                  API_CHANGE_REMOVE_DEVICE = 8,
                  API_CHANGE_CLONE_VOLUME = 9,
                  API_CHANGE_SNAPSHOT_VOLUME = 10,
                  API_CHANGE_CLONED_VOLUME = 11,
                  API_CHANGE_CHILD = 12,
                  API_CHANGE_PARENT = 13,
                  API_CHANGE_EXPAND_BLOCK_VOLUME = 14,
};

/* What an operation changes, in Heketi's order. An operation that Heketi has not is one change of an unknown kind.
 * delta: GiB, 0 for none. */
typedef void (*api_change_cb)(void *user, enum api_change change, struct id id, int64_t delta);
void api_operation_changes(const struct store *store, const struct store_operation *op, api_change_cb cb, void *user);
const char *api_change_text(enum api_change change); /* "Add brick" ... */

void api_out_operations(struct buf *buf, const struct store *store);
void api_out_pending_list(struct buf *buf, const struct store *store);
/* steps (may be NULL): a JSON text that is added as the member "steps". */
void api_out_pending(struct buf *buf, const struct store *store, const struct store_operation *op, const char *steps);

#endif
