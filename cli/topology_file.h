/* topology.json (contract 9.5), read as the original client reads it: names of members in any case, unknown members
 * ignored, null is absent. */
#ifndef HECATE_CLI_TOPOLOGY_FILE_H
#define HECATE_CLI_TOPOLOGY_FILE_H

#include "cli/cli.h"

/* The file as {"clusters":[{"file","block","nodes":[{"node":{"hostnames":{"manage","storage"},"zone","tags"},
 * "devices":[{"name","tags","destroydata"}]}]}]} with every member there and of its type ("tags" are absent when
 * empty). New reference; -1 after cli_fail with Heketi's messages. */
int topology_file_read(struct cli *cli, const char *path, json_t **ret_topology);
/* The same from text; NULL when it is not a topology. */
json_t *topology_parse(const char *text, size_t len);

#endif
