/* Bodies of the requests that replace a device or a node. */
#ifndef HECATE_API_JSON_REPLACE_H
#define HECATE_API_JSON_REPLACE_H

#include "store/base/buf.h"
#include "store/request.h"

/* Of their members: other names for commands to the node (none: as before), and the ids of devices that get another
 * disk, with its name. Fills the request: 0, or the status of a refusal and its text. */
int api_read_node_replace(const struct store_strs *manage, const struct store_tags *devices,
                          struct store_request *request, struct buf *text);
/* "": the disk's name is as before. */
int api_read_device_replace(const char *name, struct store_request *request, struct buf *text);

#endif
