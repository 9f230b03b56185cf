/* All of a snapshot, to read in order, without a store for it: volumes, which nearly everything consists of, are
 * decoded when they are asked for. Costs some 60 bytes a brick instead of kilobytes a volume. For threads: pure, and
 * nothing but the snapshot is shared, which must outlive the view. */
#ifndef HECATE_STORE_VIEW_H
#define HECATE_STORE_VIEW_H

#include "store/store.h"

struct store_view;

/* E_DAMAGED: an encoding cannot be read back, or does not fit to the others. */
int store_view_new(const struct store_snapshot *snapshot, struct store_view **ret_view, struct err *reterr);
void store_view_free(struct store_view *view);

/* Everything else: clusters, nodes, devices, block volumes, operations, settings, and of volumes those that they need
 * (hosting volumes, those that an operation works on). What its devices have in use is not the whole. */
const struct store *store_view_rest(const struct store_view *view);

/* Volumes by id. */
size_t store_view_volumes(const struct store_view *view);
struct id store_view_volume_id(const struct store_view *view, size_t i);
/* Decodes one; store_volume_fini. It was readable before: an error is damage in memory. */
int store_view_volume(const struct store_view *view, size_t i, struct store_volume *ret_volume, struct err *reterr);

/* Those of one cluster, by id: the first one's place in a list of ids, and how many. */
size_t store_view_cluster_volumes(const struct store_view *view, struct id cluster, size_t *ret_first);
struct id store_view_cluster_volume(const struct store_view *view, size_t place);
size_t store_view_in_cluster(const struct store_view *view, size_t place); /* for store_view_volume */

/* Bricks of volumes by id. */
size_t store_view_bricks(const struct store_view *view);
/* The volume that has it (store_view_volume) and its index there. */
size_t store_view_brick_volume(const struct store_view *view, size_t i, size_t *ret_index);
/* Those on one device, by id: the first one's place in a list of ids, and how many. */
size_t store_view_device_bricks(const struct store_view *view, struct id device, size_t *ret_first);
struct id store_view_device_brick(const struct store_view *view, size_t place);
size_t store_view_on_device(const struct store_view *view, size_t place); /* for store_view_brick_volume */

#endif
