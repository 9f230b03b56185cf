/* What clients see of the store, as JSON text in Heketi's member order (heketi-rest.md 3.3, 6). Pure.
 * Everything appends; none writes the final LF. */
#ifndef HECATE_API_JSON_OUT_H
#define HECATE_API_JSON_OUT_H

#include "store/base/buf.h"
#include "store/store.h"

/* A node or device that is being added is not there yet; one that is being deleted still is. A volume is there only
 * between its operations. */
bool api_node_visible(const struct store *store, const struct store_node *node);
bool api_device_visible(const struct store *store, const struct store_device *device);
bool api_volume_visible(const struct store_volume *volume);
/* Not while it is created or deleted; while it grows, with its old size. */
bool api_block_volume_visible(const struct store *store, const struct store_block_volume *block);

void api_out_string(struct buf *buf, const char *text);
void api_out_tags(struct buf *buf, const struct store_tags *tags);
/* Around the list of the ids of its volumes. */
void api_out_cluster_head(struct buf *buf, const struct store *store, const struct store_cluster *cluster);
void api_out_cluster_tail(struct buf *buf, const struct store *store, const struct store_cluster *cluster);
void api_out_cluster_list(struct buf *buf, const struct store *store);
void api_out_node(struct buf *buf, const struct store *store, const struct store_node *node);
void api_out_device(struct buf *buf, const struct store *store, const struct store_device *device);
void api_out_volume(struct buf *buf, const struct store *store, const struct store_volume *volume);
/* As a dump has it: without bricks and options, with the clusters that the request allowed. */
void api_out_volume_info(struct buf *buf, const struct store *store, const struct store_volume *volume);
void api_out_blockinfo(struct buf *buf, const struct store *store, const struct store_volume *volume); /* a member */
void api_out_block_volume(struct buf *buf, const struct store *store, const struct store_block_volume *block);
void api_out_block_volume_list(struct buf *buf, const struct store *store);

#endif
