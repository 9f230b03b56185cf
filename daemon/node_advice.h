/* What is the matter with a storage node that is avoided, and what to do about it. */
#ifndef HECATE_DAEMON_NODE_ADVICE_H
#define HECATE_DAEMON_NODE_ADVICE_H

#include "daemon/config.h"
#include "daemon/operations/operations.h"

struct node_advice {
    const char *code; /* of the warning */
    char text[1024], remedy[1024];
};

/* For a node with this management address; false: it is not avoided. */
bool node_advice(const struct op_node_view *view, const char *host, const struct cfg *cfg,
                 struct node_advice *ret_advice);

#endif
