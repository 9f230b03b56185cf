/* The commands of `hecate volume` that have a file of their own. */
#ifndef HECATE_CLI_CMD_VOLUME_H
#define HECATE_CLI_CMD_VOLUME_H

#include "cli/cli.h"

int run_unclaimed(struct cli *cli);

#endif
