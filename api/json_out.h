/* What clients see of the store, as JSON text in Heketi's member order (heketi-rest.md 3.3, 6). Pure.
 * Everything appends; none writes the final LF, but where it says so. */
#ifndef HECATE_API_JSON_OUT_H
#define HECATE_API_JSON_OUT_H

#include "store/base/buf.h"
#include "store/store.h"

/* A node or device that is being added is not there yet; one that is being deleted still is. A volume is there only
 * between its operations. */
bool api_node_visible(const struct store *store, const struct store_node *node);
bool api_device_visible(const struct store *store, const struct store_device *device);
bool api_volume_visible(const struct store_volume *volume);

void api_out_string(struct buf *buf, const char *text);
void api_out_tags(struct buf *buf, const struct store_tags *tags);
/* Before the ids of its volumes; between them and those of its block volumes, which "]}" and the LF follow. */
void api_out_cluster_head(struct buf *buf, const struct store *store, const struct store_cluster *cluster);
void api_out_cluster_middle(struct buf *buf, const struct store_cluster *cluster);
void api_out_cluster_list(struct buf *buf, const struct store *store);
/* A node, or a device, with all its bricks, which may be many: what there is now is noted at once, the text is made
 * later, about so many bytes at a time. With the final LF. */
struct api_bricks;
struct api_bricks *api_bricks_of_node(const struct store *store, const struct store_node *node);
struct api_bricks *api_bricks_of_device(const struct store *store, const struct store_device *device);
bool api_bricks_next(void *bricks, size_t bytes, struct buf *piece); /* false: those were the last */
void api_bricks_free(void *bricks);
/* Before the ids of its block volumes, which are given back (ids_fini), and after them; all is before them when there
 * are none. */
struct ids api_out_volume(struct buf *head, struct buf *tail, const struct store *store,
                          const struct store_volume *volume);
/* All of one that has few block volumes, or none yet. */
void api_out_small_volume(struct buf *buf, const struct store *store, const struct store_volume *volume);
/* As a dump has it: without bricks and options, with the clusters that the request allowed. */
void api_out_volume_info(struct buf *buf, const struct store *store, const struct store_volume *volume);
void api_out_block_volume(struct buf *buf, const struct store *store, const struct store_block_volume *block);

#endif
